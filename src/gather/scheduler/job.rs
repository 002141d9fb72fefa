//! One job: what it asked for, how many of its items are where, and why it stops.

use super::{IDLE_QUEUES, JobId, KeyId, QueueId, Time};
use crate::gather::event::{Counts, JobNumber};
use crate::gather::limit::{Needs, Rate};
use crate::gather::outcome::Cause;
use crate::gather::policy::{Policy, Retries, Stop, Timeouts};
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Retries that a job may make whatever happens.
pub(crate) const RETRY_RESERVE: f64 = 100.0;
/// Retries that each first attempt allows on top: a source that fails everything gets a fifth more, not three times.
const RETRY_SHARE: f64 = 0.2;

/// What a job asks of the scheduler.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: Arc<str>,
    pub(crate) policy: Policy,
    pub(crate) stop: Stop,
    pub(crate) retries: Retries,
    /// Retries that it may make whatever happens.
    pub(crate) retry_reserve: f64,
    pub(crate) timeouts: Timeouts,
    pub(crate) deadline: Option<Time>,
    /// How many items will be submitted, where that is known.
    pub(crate) expected: Option<u64>,
    /// The job's own limits.
    pub(crate) concurrency: Option<u64>,
    pub(crate) rate: Option<Rate>,
}

pub(crate) struct Job {
    pub(super) settings: Settings,
    pub(super) number: JobNumber,
    pub(super) parent: Option<JobId>,
    /// The key of its own limits, if it has any.
    pub(super) own: Option<KeyId>,
    pub(super) queues: HashMap<Needs, QueueId>,
    /// The queue that was asked for last: most jobs have one, and looking it up costs more than comparing.
    pub(super) latest: Option<(Needs, QueueId)>,
    /// The queue of the item that was submitted last, if somebody listens: what it takes was told.
    pub(super) told: Option<QueueId>,
    /// Past so many queues, those that nobody needs are removed.
    pub(super) most_queues: usize,
    pub(super) counts: Counts,
    /// Items without an outcome.
    pub(super) live: u64,
    /// Items that wait for their first start.
    pub(super) queued: u64,
    /// What stops it, and how.
    pub(super) stopped: Option<(Cause, Stop)>,
    /// No more items will be submitted.
    pub(super) complete: bool,
    pub(super) retry_budget: f64,
    /// What its driver has to do.
    pub(super) actions: VecDeque<super::Action>,
}

impl Job {
    pub(super) fn new(
        settings: Settings,
        number: JobNumber,
        parent: Option<JobId>,
        own: Option<KeyId>,
    ) -> Job {
        Job {
            retry_budget: settings.retry_reserve,
            settings,
            number,
            parent,
            own,
            queues: HashMap::new(),
            latest: None,
            told: None,
            most_queues: IDLE_QUEUES,
            counts: Counts::default(),
            live: 0,
            queued: 0,
            stopped: None,
            complete: false,
            actions: VecDeque::new(),
        }
    }

    /// Counts a first attempt towards the retries that may be made.
    pub(super) fn earn_retry(&mut self) {
        self.retry_budget = (self.retry_budget + RETRY_SHARE).min(f64::MAX);
    }

    /// Takes a retry from the budget, if there is one.
    pub(super) fn spend_retry(&mut self) -> bool {
        let has = self.retry_budget >= 1.0;
        if has {
            self.retry_budget -= 1.0;
        }
        has
    }

    /// Why it should stop after an item ended, if it should.
    pub(super) fn verdict(&self, lost: bool, label: impl FnOnce() -> Arc<str>) -> Option<Cause> {
        let counts = &self.counts;
        match self.settings.policy {
            Policy::Settle => None,
            Policy::FailFast => lost.then(|| Cause::Sibling(label())),
            Policy::FirstOk(enough) => (counts.done >= enough).then_some(Cause::Policy),
            Policy::Quorum(enough) if counts.done >= enough => Some(Cause::Policy),
            Policy::Quorum(enough) => {
                let expected = self.settings.expected.or(self.complete.then_some(counts.submitted))?;
                (expected < enough.saturating_add(counts.lost() + counts.skipped)).then_some(Cause::Failures)
            }
            Policy::Threshold(most) => {
                most.is_exceeded(counts.lost(), counts.ended()).then_some(Cause::Failures)
            }
        }
    }
}
