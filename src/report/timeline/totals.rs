//! Sums over a run, a source or a job that stay exact however many items there are: [`Received`], [`Waits`],
//! [`Slowest`], [`SourceUse`], [`Job`]. Not here: the fold that fills them.

use super::course::Flow;
use super::gauge::Gauge;
use super::item::Item;
use crate::gather::{Brought, Change, Counts, ItemNumber, JobNumber, LimitUse, Reason, Role, Wait};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The most limits that waits are kept apart for. Past it they are summed by reason alone.
pub const LIMITS: usize = 256;
/// How many of the slowest items are kept.
pub const SLOWEST: usize = 10;

/// What items brought, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes from the sources.
    pub bytes: u64,
    /// Rows from the sources.
    pub rows: u64,
    /// Outputs that were not there before.
    pub new: u64,
    /// Outputs that were different before.
    pub changed: u64,
    /// Outputs that were fetched again and are the same.
    pub same: u64,
    /// Items that were skipped because nothing changed.
    pub unchanged: u64,
}

impl Received {
    /// Adds what one item brought.
    pub fn add(&mut self, brought: &Brought) {
        self.bytes = self.bytes.saturating_add(brought.bytes);
        self.rows = self.rows.saturating_add(brought.rows);
        match brought.change {
            Some(Change::New) => self.new += 1,
            Some(Change::Changed) => self.changed += 1,
            Some(Change::Same) => self.same += 1,
            None => {}
        }
    }
}

/// What was waited for, and how long in sum, by reason and limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits(BTreeMap<(Reason, Option<Arc<str>>), Waited>);

/// A sum of waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waited {
    /// Their times.
    pub time: Duration,
    /// How many there were.
    pub count: u64,
}

impl Waits {
    /// Adds one wait.
    pub fn add(&mut self, wait: &Wait) {
        let mut place = (wait.reason, wait.limit.clone());
        if self.0.len() >= LIMITS && !self.0.contains_key(&place) {
            place.1 = None;
        }
        let sum = self.0.entry(place).or_default();
        sum.time = sum.time.saturating_add(wait.duration);
        sum.count += 1;
    }

    /// The sums, the longest first.
    pub fn longest_first(&self) -> Vec<(Reason, Option<&str>, Waited)> {
        let mut all: Vec<_> =
            self.0.iter().map(|((reason, limit), sum)| (*reason, limit.as_deref(), *sum)).collect();
        all.sort_by_key(|(_, _, sum)| std::cmp::Reverse(sum.time));
        all
    }
}

/// An item that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// From its first start to its outcome.
    pub time: Duration,
    /// Of that, how long an attempt ran.
    pub running: Duration,
    /// How many attempts it took.
    pub attempts: u32,
    /// Its label.
    pub label: String,
}

/// The slowest items of a run, the slowest first; of equal ones the first to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slowest(Vec<Slow>);

impl Slowest {
    /// Keeps an item if it is among the slowest. The rest of it is asked for only then.
    pub fn add(&mut self, time: Duration, rest: impl FnOnce() -> Slow) {
        let place = self.0.partition_point(|slow| slow.time >= time);
        if place < SLOWEST {
            self.0.insert(place, rest());
            self.0.truncate(SLOWEST);
        }
    }

    /// The items.
    pub fn items(&self) -> &[Slow] {
        &self.0
    }
}

/// What a run did at one source. Jobs without a source are taken together by their kind.
#[derive(Debug, Clone, Default)]
pub struct SourceUse {
    /// The source's name in the plan, or the kind of the jobs that need no source.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Attempts at once.
    pub running: Gauge,
    /// Items that wait, for a start or for their next attempt.
    pub waiting: Gauge,
    /// Attempts that were started.
    pub attempts: u64,
    /// Its items by outcome.
    pub counts: Counts,
    /// What its items brought.
    pub received: Received,
    /// Bytes as they came, those of failed attempts included as far as they were told.
    pub bytes: Flow,
    /// Why it can't be used, if so.
    pub down: Option<String>,
    /// Until when it asked to be left alone.
    pub held: Duration,
}

/// What is known of one job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub number: JobNumber,
    /// Its name.
    pub name: Arc<str>,
    /// What its items are.
    pub role: Role,
    /// The job it works for.
    pub parent: Option<JobNumber>,
    /// The number of its source in [`Timeline::sources`](super::Timeline::sources).
    pub source: usize,
    /// Whether it makes many items, so that it is named with a key.
    pub many: bool,
    /// When it began.
    pub started: Option<Duration>,
    /// When its last item ended.
    pub ended: Option<Duration>,
    /// Its items by outcome.
    pub counts: Counts,
    /// Attempts that run now.
    pub running: u64,
    /// Items between two attempts.
    pub retrying: u64,
    /// What its items brought.
    pub received: Received,
    /// Why the job as a whole has no items or did not start.
    pub why: Option<String>,
    /// What its items take, as the last one that said so.
    pub(super) takes: Arc<[LimitUse]>,
    /// Its items: all that have no outcome yet, and of the others as many as the timeline has room for.
    pub items: BTreeMap<ItemNumber, Item>,
    /// How many items have their outcome and are no longer in `items`.
    pub dropped: u64,
    /// What it needs did not get done: its one item says so.
    pub(super) is_skipped: bool,
}

impl Job {
    /// Why it failed as a whole, if it did: its items could not be found out, or not all of them. One that was skipped has an
    /// item that says so.
    pub fn failure(&self) -> Option<&str> {
        self.why.as_deref().filter(|_| !self.is_skipped)
    }

    /// How many of its items wait, not for another attempt.
    pub fn waiting(&self) -> u64 {
        self.counts.submitted.saturating_sub(self.counts.ended() + self.running + self.retrying)
    }

    /// How an item of it is called: `JOB[KEY]`, `JOB` for a plain job, `JOB: page N` for the pages of its listing.
    pub fn label(&self, item: ItemNumber, key: Option<&str>) -> String {
        match (self.role, key) {
            (Role::Pages, _) => format!("{}: page {}", self.name, item.saturating_add(1)),
            (_, Some(key)) => format!("{}[{key}]", self.name),
            (_, None) => self.name.to_string(),
        }
    }
}
