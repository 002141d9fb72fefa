//! Why a run took as long as it did: its critical path, and how fast it can be at best. Both are read from the log
//! alone, in little more than linear time. Not here: what it would take with other limits (`what_if`).

mod bound;
mod ends;
mod path;

#[cfg(test)]
mod tests;

pub use bound::{Bound, bound};
pub use path::{Path, Step, path};

use super::Timeline;

/// Whether the log tells enough: the run came to its own end, and all of its items are kept in detail.
fn is_whole(timeline: &Timeline) -> bool {
    let ended = timeline.ended.is_some() && timeline.stopping.is_none() && timeline.lanes > 0;
    ended && timeline.dropped() == 0 && timeline.more_moments == 0
}
