//! What a run would have taken under other limits: its recorded times are played again ([`Replay`](crate::gather::replay::Replay)).
//! Attempts take as long as they took, so that what comes out holds if the servers do as well with more at once.
//! Not here: who may start when (`gather`), and how the log is read (`log`).

mod advice;
mod change;
mod items;
mod limits;
mod record;
mod signals;
mod text;

#[cfg(test)]
mod tests;

pub use advice::{Advice, MOST_ATTEMPTS, advice};
pub use change::{Change, ChangeError, Of, To};
pub use text::text;

use super::Timeline;
use record::Record;
use std::fmt;
use std::time::Duration;

/// What a run would have taken with some limits changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf {
    /// What it took.
    pub measured: Duration,
    /// What the replay says with no limit changed: how near it comes to the measured time says how much the record
    /// tells.
    pub unchanged: Duration,
    /// What it would have taken.
    pub changed: Duration,
    /// The changed limits.
    pub limits: Vec<Changed>,
}

/// A limit that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What was changed.
    pub change: Change,
    /// What it was, if it was anything.
    pub from: Option<To>,
    /// The most of it that was in use with nothing changed, and with the changes.
    pub peaks: Option<(u64, u64)>,
}

/// Why it can't be said what a run would have taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhatIfError {
    /// A limit can't be changed like this.
    Change(ChangeError),
    /// The record of the run lacks something: what.
    Lacks(String),
}

impl fmt::Display for WhatIfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhatIfError::Change(error) => error.fmt(f),
            WhatIfError::Lacks(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for WhatIfError {}

impl From<ChangeError> for WhatIfError {
    fn from(error: ChangeError) -> WhatIfError {
        WhatIfError::Change(error)
    }
}

/// What a run would have taken with these changes, all of them at once.
///
/// ```no_run
/// use fanout::report::{Timeline, what_if};
/// # fn f(timeline: &Timeline) -> Result<(), what_if::WhatIfError> {
/// let change: what_if::Change = "sources.shop.concurrency=12".parse()?;
/// println!("{:?}", what_if::what_if(timeline, &[change])?.changed);
/// # Ok(()) }
/// ```
pub fn what_if(timeline: &Timeline, changes: &[Change]) -> Result<WhatIf, WhatIfError> {
    let record = Record::of(timeline)?;
    let before = record.play(&[])?;
    let after = record.play(changes)?;
    let changed = |change: &Change| Changed {
        change: change.clone(),
        from: record.was(change),
        peaks: record.peak(change, &before).zip(record.peak(change, &after)),
    };
    Ok(WhatIf {
        measured: timeline.wall(),
        unchanged: before.wall,
        changed: after.wall,
        limits: changes.iter().map(changed).collect(),
    })
}
