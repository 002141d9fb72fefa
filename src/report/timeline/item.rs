//! What is known of one item: its attempts, its waits, its outcome. Not here: how it comes to be known (`Timeline`).

use crate::gather::{Attributes, Brought, ItemNumber, JobNumber, LimitUse, PhaseName, State, Wait};
use std::sync::Arc;
use std::time::Duration;

/// The most attempts that are kept of one item. Of more, the first ones and the last one are kept.
pub const ATTEMPTS: usize = 64;
/// The most phases that are kept of one attempt.
pub const PHASES: usize = 32;

/// One item of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its job.
    pub job: JobNumber,
    /// Its number in its job.
    pub number: ItemNumber,
    /// Its key; none for a plain job's one item.
    pub key: Option<Arc<str>>,
    /// What it takes beside the run's own limit while an attempt of it runs, the widest limit first.
    pub limits: Arc<[LimitUse]>,
    /// When it was submitted.
    pub queued: Duration,
    /// The how many-eth item of the run it was, of those at the same time the first one first.
    pub place: u64,
    /// Its attempts, at most [`ATTEMPTS`].
    pub attempts: Vec<Attempt>,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// One try of an item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// The slot it had.
    pub lane: u32,
    /// What it waited for before it started.
    pub waits: Vec<Wait>,
    /// When it started.
    pub start: Duration,
    /// The phases it went through, each with its start, at most [`PHASES`].
    pub phases: Vec<(Duration, PhaseName)>,
    /// Bytes so far.
    pub bytes: u64,
    /// Rows so far.
    pub rows: u64,
    /// When its bytes and rows were last told.
    pub told: Duration,
    /// What its source said of it, by OpenTelemetry's names.
    pub attributes: Attributes,
    /// How it ended, if it has.
    pub end: Option<AttemptEnd>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// When.
    pub at: Duration,
    /// How.
    pub state: State,
    /// The error, if it failed.
    pub error: Option<String>,
    /// When it will be tried again at the earliest.
    pub again: Option<Duration>,
}

/// How an item ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// When.
    pub at: Duration,
    /// How.
    pub state: State,
    /// Why, where there is a why.
    pub why: Option<String>,
    /// The stable name of the why.
    pub code: Option<Arc<str>>,
    /// What it waited for last, if it ended while it waited.
    pub waits: Vec<Wait>,
    /// What it brought.
    pub brought: Brought,
}

impl Item {
    /// An item that was just submitted.
    pub fn new(job: JobNumber, number: ItemNumber, key: Option<Arc<str>>, queued: Duration) -> Item {
        let limits = Arc::default();
        Item { job, number, key, limits, queued, place: 0, attempts: Vec::new(), end: None }
    }

    /// The attempt that is running.
    pub fn running(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.end.is_none())
    }

    /// The attempt that is running, to be changed.
    pub(super) fn running_mut(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut().filter(|attempt| attempt.end.is_none())
    }

    /// When its first attempt started.
    pub fn started(&self) -> Option<Duration> {
        self.attempts.first().map(|attempt| attempt.start)
    }

    /// The time from its first start to its outcome, or to `now`; none if it never started.
    pub fn length(&self, now: Duration) -> Option<Duration> {
        let end = self.end.as_ref().map_or(now, |end| end.at);
        self.started().map(|start| end.saturating_sub(start))
    }

    /// How many times it was tried.
    pub fn tries(&self) -> u32 {
        self.attempts.last().map_or(0, |attempt| attempt.number)
    }

    /// Whether its last attempt ended and it is to be tried again. One that is done waits for something else.
    pub(super) fn is_to_retry(&self) -> bool {
        let end = self.attempts.last().and_then(|attempt| attempt.end.as_ref());
        end.is_some_and(|end| end.state != State::Done)
    }

    /// Whether it waits for its first attempt or its next one.
    pub fn waits(&self) -> bool {
        self.end.is_none() && self.running().is_none()
    }

    /// Adds an attempt. One attempt runs at a time: an open one ends where the next one starts.
    pub(super) fn start(&mut self, attempt: Attempt) {
        if self.attempts.len() == ATTEMPTS {
            self.attempts.pop();
        }
        if self.attempts.is_empty() {
            // Most items have no other, and there are many items.
            self.attempts.reserve_exact(1);
        }
        self.attempts.push(attempt);
    }
}

impl Attempt {
    /// When it ended, or `now`.
    pub fn until(&self, now: Duration) -> Duration {
        self.end.as_ref().map_or(now, |end| end.at).max(self.start)
    }

    /// Its waits, one after the other since the item was `free` to start, each with its start and its end.
    pub fn waited(&self, free: Duration) -> impl Iterator<Item = (Duration, Duration, &Wait)> {
        self.waits.iter().scan(free, |from, wait| {
            let start = *from;
            *from = from.saturating_add(wait.duration).min(self.start);
            Some((start, *from, wait))
        })
    }

    /// The phases with their starts and ends; what lies before the first one is not in them.
    pub fn spans(&self, now: Duration) -> impl Iterator<Item = (Duration, Duration, &PhaseName)> {
        let end = self.until(now);
        let starts = self.phases.iter().map(move |(at, name)| ((*at).clamp(self.start, end), name));
        let ends = self.phases.iter().skip(1).map(move |(at, _)| (*at).clamp(self.start, end)).chain([end]);
        starts.zip(ends).map(|((from, name), to)| (from, to, name))
    }

    /// The phase it is in.
    pub fn phase(&self) -> Option<&PhaseName> {
        self.phases.last().map(|(_, name)| name)
    }
}
