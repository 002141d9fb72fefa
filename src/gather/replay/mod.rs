//! A run played again: what it would have taken under other limits. The scheduler itself decides what starts when; the
//! clock jumps from one event to the next, and nothing runs. Not here: where the recorded times come from.
//!
//! ```
//! use fanout::gather::replay::{Attempt, Item, Job, Limit, Replay};
//! use std::time::Duration;
//!
//! let attempt = Attempt::done(Duration::from_secs(3));
//! let item = Item { attempts: vec![attempt], ..Item::default() };
//! let job = Job { items: vec![item; 8], ..Job::default() };
//! let at = |most| Replay { limits: vec![Limit::new("run").concurrency(most)], jobs: vec![job.clone()] };
//! assert_eq!(at(2).run().unwrap().wall, Duration::from_secs(12));
//! assert_eq!(at(8).run().unwrap().wall, Duration::from_secs(3));
//! ```

mod attempts;
mod jobs;
mod player;
#[cfg(test)]
mod tests;

use super::builder::DEFAULT_LOOK_AHEAD;
use super::limit::Rate;
use player::Player;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A run to be played again: its limits, its jobs, and how long each attempt of each item takes. Places are indices
/// into [`Replay::limits`] and [`Replay::jobs`].
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// The limits. The first one is the run's own, which all items fall under.
    pub limits: Vec<Limit>,
    /// The jobs. Of those that begin at the same time, the first one submits its items first.
    pub jobs: Vec<Job>,
}

/// A limit, and the source that it may stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Its name.
    pub name: Arc<str>,
    /// The weights of all running items that use it add up to no more than this.
    pub concurrency: Option<u64>,
    /// So many starts in so much time, evenly spaced.
    pub rate: Option<Rate>,
    /// It stands for a source, which is up when so much of an attempt has passed, or when one is done; until then its
    /// items start one at a time. `None` if it stands for no source.
    pub connects: Option<Duration>,
}

/// The items that came from one place, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The places of jobs that have to end before it begins.
    pub needs: Vec<usize>,
    /// It is a page of the listing that feeds the job at this place. It begins when no more entries wait for that job
    /// than its look-ahead, and that job does not end before it.
    pub lists_for: Option<usize>,
    /// How long it takes to begin after all that.
    pub delay: Duration,
    /// At most so many of its items at once.
    pub concurrency: Option<u64>,
    /// At most so many starts of its items in a time.
    pub rate: Option<Rate>,
    /// How many items are submitted ahead of what has started.
    pub look_ahead: u64,
    /// Its items, in the order in which they are submitted.
    pub items: Vec<Item>,
    /// How long after its last item it ends.
    pub closing: Duration,
}

/// One item: what it takes, and how each attempt of it goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// What it takes while an attempt runs, beside the run's own limit and its job's.
    pub takes: Arc<Takes>,
    /// The place of the page that lists it: it comes when that has ended.
    pub page: Option<usize>,
    /// How long after its page's end, or its job's beginning, it comes.
    pub delay: Duration,
    /// Its attempts. An item without any is over as soon as it starts.
    pub attempts: Vec<Attempt>,
}

/// What an item takes of limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takes {
    /// Places of limits, the widest first, each with a weight.
    pub limits: Vec<(usize, u64)>,
    /// The place of the limit that stands for its source; among the limits, too.
    pub source: Option<usize>,
}

/// One try of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// How long it runs.
    pub runs: Duration,
    /// After so long it says that its source wants to be left alone for so long.
    pub hold: Option<(Duration, Duration)>,
    /// How it ends.
    pub end: End,
}

/// How an attempt ends, as far as it matters for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The item is done: its source is up.
    Done,
    /// The item has its outcome, which says nothing of its source.
    Over,
    /// There is another attempt, no sooner than in this time.
    Again(Duration),
    /// The source could not be connected; it is tried again no sooner than in this time.
    Unconnected(Duration),
    /// The source can't be used: none of its items starts any more.
    Refused,
}

/// What a replay tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// From the beginning to the end of the last job.
    pub wall: Duration,
    /// The most of each limit that was in use at once, in the order of [`Replay::limits`].
    pub peaks: Vec<u64>,
}

/// A replay that does not come to its end: jobs wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck;

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the replay does not come to its end: jobs wait for each other")
    }
}

impl std::error::Error for Stuck {}

impl Replay {
    /// Plays it to its end. The time that takes is about proportional to the number of attempts; nothing is waited for.
    ///
    /// # Panics
    /// If a place is out of range.
    pub fn run(&self) -> Result<Replayed, Stuck> {
        Player::new(self).play()
    }
}

impl Limit {
    /// A limit that limits nothing yet.
    pub fn new(name: impl Into<Arc<str>>) -> Limit {
        Limit { name: name.into(), concurrency: None, rate: None, connects: None }
    }

    /// At most so many at once.
    #[must_use]
    pub fn concurrency(self, most: u64) -> Limit {
        Limit { concurrency: Some(most), ..self }
    }
}

impl Default for Job {
    fn default() -> Job {
        Job {
            needs: Vec::new(),
            lists_for: None,
            delay: Duration::ZERO,
            concurrency: None,
            rate: None,
            look_ahead: DEFAULT_LOOK_AHEAD,
            items: Vec::new(),
            closing: Duration::ZERO,
        }
    }
}

impl Attempt {
    /// One that is done after this time.
    pub fn done(runs: Duration) -> Attempt {
        Attempt { runs, hold: None, end: End::Done }
    }
}
