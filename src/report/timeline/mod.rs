//! A run as its events tell it: [`Timeline`]. Events are added one by one, so that the live view and the views of a
//! log are the same fold. Memory is bounded: sums are exact for any number of items, details are kept of as many as
//! there is room for. Not here: how anything is shown.

mod awaits;
mod course;
mod fold;
mod gauge;
mod item;
mod losses;
mod order;
mod totals;

#[cfg(test)]
mod tests;

pub use course::{Flow, STEPS};
pub use gauge::Gauge;
pub use item::{ATTEMPTS, Attempt, AttemptEnd, End, Item, PHASES};
pub use losses::{Loss, Losses, NAMED, REASONS, Scope};
pub use order::{Order, Page};
pub use totals::{Job, LIMITS, Received, SLOWEST, Slow, Slowest, SourceUse, Waited, Waits};

use crate::gather::{Cause, Counts, Event, ItemNumber, JobNumber, LimitInfo, Role, RunInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many ended items are kept in detail unless asked otherwise: enough to draw each of 10,000, and about 20 MB.
pub const DETAIL: usize = 20_000;
/// The most warnings that are kept. Past it they are counted.
pub const WARNINGS: usize = 100;
/// The most events about no item that are kept with their times: the first ones. Past it they are counted.
pub const MOMENTS: usize = 10_000;

/// Everything that the events so far say about a run.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// What was known before anything ran.
    pub info: RunInfo,
    /// The jobs by number: those of the plan in its order, then those made while the run goes on.
    pub jobs: BTreeMap<JobNumber, Job>,
    /// The sources, in the order in which the plan's jobs name them.
    pub sources: Vec<SourceUse>,
    /// The limits as they are now.
    pub limits: BTreeMap<Arc<str>, LimitInfo>,
    /// Attempts at once.
    pub running: Gauge,
    /// Items by outcome, those of listings not counted.
    pub counts: Counts,
    /// What the items brought.
    pub received: Received,
    /// What was waited for.
    pub waits: Waits,
    /// The slowest items.
    pub slowest: Slowest,
    /// The items that were lost, by reason.
    pub losses: Losses,
    /// Warnings, the first [`WARNINGS`] of them.
    pub warnings: Vec<String>,
    /// How many more warnings there were.
    pub more_warnings: u64,
    /// What happened to a limit, a source or the run, and when; the first [`MOMENTS`] of it. Of warnings the first
    /// [`WARNINGS`].
    pub moments: Vec<Event>,
    /// How much more of it there was, warnings not counted.
    pub more_moments: u64,
    /// Why the run is being stopped, if so.
    pub stopping: Option<Cause>,
    /// The number of lanes that were ever in use at once.
    pub lanes: u32,
    /// The time of the last event.
    pub now: Duration,
    /// When the run ended, and its exit code.
    pub ended: Option<(Duration, u8)>,
    /// The items that have a running attempt.
    active: BTreeSet<(JobNumber, ItemNumber)>,
    /// What they take.
    taken: awaits::Taken,
    /// Ended items kept in detail, and how many may be.
    kept: usize,
    detail: usize,
    /// Items of jobs that are no longer in `jobs`.
    forgotten: u64,
    /// Items that were ever submitted, those of listings counted.
    places: u64,
}

impl Timeline {
    /// A timeline of no events yet, with room for [`DETAIL`] ended items.
    pub fn new() -> Timeline {
        Timeline::with_detail(DETAIL)
    }

    /// A timeline that keeps at most so many ended items in detail: the first ones. All sums stay exact.
    pub fn with_detail(detail: usize) -> Timeline {
        Timeline { detail, ..Timeline::default() }
    }

    /// The timeline of a finished run, or of as much of it as there is.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Timeline {
        let mut timeline = Timeline::new();
        events.into_iter().for_each(|event| timeline.add(event));
        timeline
    }

    /// The run's length so far.
    pub fn wall(&self) -> Duration {
        self.ended.map_or(self.now, |(at, _)| at)
    }

    /// The running times of all attempts, summed.
    pub fn sum(&self) -> Duration {
        self.running.sum(self.wall())
    }

    /// How much ran beside each other: the sum over the wall time; 1 if one thing ran after the other.
    pub fn overlap(&self) -> f64 {
        let wall = self.wall().as_secs_f64();
        if wall > 0.0 { self.sum().as_secs_f64() / wall } else { 0.0 }
    }

    /// The items that run now, the longest-running first.
    pub fn active(&self) -> Vec<&Item> {
        let mut items: Vec<_> = self.active.iter().filter_map(|&(job, item)| self.item(job, item)).collect();
        items.sort_by_key(|item| item.running().map(|attempt| attempt.start));
        items
    }

    /// An item that is kept in detail.
    pub fn item(&self, job: JobNumber, item: ItemNumber) -> Option<&Item> {
        self.jobs.get(&job)?.items.get(&item)
    }

    /// All items that are kept, in plan order: a job's listing before its items, an item's children after its job.
    pub fn items(&self) -> impl Iterator<Item = (&Job, &Item)> {
        self.in_order().into_iter().flat_map(|job| job.items.values().map(move |item| (job, item)))
    }

    /// The jobs in plan order, those made while the run goes on beside the ones they work for.
    pub fn in_order(&self) -> Vec<&Job> {
        let mut jobs: Vec<_> = self.jobs.values().collect();
        jobs.sort_by_key(|job| (self.root(job), job.role != Role::Pages, job.number));
        jobs
    }

    /// The number of the plan's job that a job works for.
    fn root(&self, job: &Job) -> JobNumber {
        let mut at = job;
        while let Some(parent) =
            at.parent.filter(|&parent| parent < at.number).and_then(|p| self.jobs.get(&p))
        {
            at = parent;
        }
        at.number
    }

    /// How an item is called.
    pub fn label(&self, item: &Item) -> String {
        self.jobs.get(&item.job).map_or_else(String::new, |job| job.label(item.number, item.key.as_deref()))
    }

    /// How many items are no longer kept in detail.
    pub fn dropped(&self) -> u64 {
        self.jobs.values().fold(self.forgotten, |sum, job| sum.saturating_add(job.dropped))
    }

    /// Bytes received so far, those of running attempts included.
    pub fn bytes(&self) -> u64 {
        let running = self.active().into_iter().filter_map(Item::running).map(|attempt| attempt.bytes);
        running.fold(self.received.bytes, u64::saturating_add)
    }

    /// Time passes without an event.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Jobs of the plan that have not begun.
    pub fn jobs_to_come(&self) -> usize {
        self.jobs.values().filter(|job| job.started.is_none() && job.ended.is_none()).count()
    }

    /// Whether more items may still be submitted.
    pub fn is_open(&self) -> bool {
        self.ended.is_none() && self.jobs.values().any(|job| job.ended.is_none())
    }
}
