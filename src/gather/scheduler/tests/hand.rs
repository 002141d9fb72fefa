//! The scheduler driven by hand, for tests that want one thing only.

use super::super::{
    Action, AttemptEnd, Brief, ItemId, JobId, RETRY_RESERVE, Scheduler, Settings, Verdict, What,
};
use super::case::ms;
use crate::gather::event::{Event, EventKind, Role};
use crate::gather::limit::{Limit, LimitId, Needs};
use crate::gather::policy::{Policy, Retries, Stop, Timeouts};
use std::collections::VecDeque;
use std::time::Duration;

pub(super) struct Hand {
    pub(super) scheduler: Scheduler,
    pub(super) now: Duration,
    pub(super) events: Vec<Event>,
    slots: u32,
}

pub(super) fn settings() -> Settings {
    Settings {
        name: "job".into(),
        policy: Policy::Settle,
        stop: Stop::CancelRunning,
        retries: Retries::NONE,
        retry_reserve: RETRY_RESERVE,
        timeouts: Timeouts::default(),
        deadline: None,
        expected: None,
        concurrency: None,
        rate: None,
    }
}

/// Retries without chance.
pub(super) fn retries(count: u32, delay: u64) -> Retries {
    Retries { count, delay: ms(delay), jitter: false, ..Retries::STANDARD }
}

impl Hand {
    pub(super) fn new(concurrency: u64) -> Hand {
        let scheduler = Scheduler::new(Limit::new("run").concurrency(concurrency), ms(100), 7, true);
        Hand { scheduler, now: Duration::ZERO, events: Vec::new(), slots: 0 }
    }

    pub(super) fn limit(&mut self, limit: Limit) -> LimitId {
        self.scheduler.limit(limit)
    }

    pub(super) fn job(&mut self, settings: Settings) -> JobId {
        self.scheduler.start_job(settings, None, (None, Role::Items, None))
    }

    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut Scheduler) -> R) -> R {
        self.scheduler.advance(self.now);
        let result = change(&mut self.scheduler);
        self.scheduler.pump();
        self.events.append(&mut self.scheduler.events);
        result
    }

    pub(super) fn at(&mut self, milliseconds: u64) {
        self.now = ms(milliseconds);
        self.change(|_| ());
    }

    pub(super) fn submit(&mut self, job: JobId, needs: &Needs) -> ItemId {
        self.slots += 1;
        let slot = self.slots;
        self.change(|scheduler| scheduler.submit(job, needs, slot, None, true))
    }

    pub(super) fn submit_many(&mut self, job: JobId, needs: &Needs, count: usize) -> Vec<ItemId> {
        (0..count).map(|_| self.submit(job, needs)).collect()
    }

    pub(super) fn end(&mut self, item: ItemId, end: AttemptEnd) -> Verdict {
        let brief = Brief::because(Some("refused".to_owned()));
        self.change(|scheduler| scheduler.ended(item, end, brief))
    }

    pub(super) fn done(&mut self, item: ItemId) {
        self.end(item, AttemptEnd::Done);
    }

    pub(super) fn up(&mut self, item: ItemId) {
        self.change(|scheduler| scheduler.source_up(item));
    }

    pub(super) fn actions(&mut self, job: JobId) -> Vec<Action> {
        let mut actions = VecDeque::new();
        self.scheduler.take_actions(job, &mut actions);
        actions.into()
    }

    /// What started since it was last asked.
    pub(super) fn started(&mut self, job: JobId) -> Vec<ItemId> {
        let starts = |action: &Action| matches!(action.what, What::Start { .. });
        self.actions(job).into_iter().filter(starts).map(|action| action.item).collect()
    }

    /// How the items of a job ended while nothing of them ran.
    pub(super) fn endings(&mut self, job: JobId) -> Vec<super::super::Ending> {
        let ending = |action: Action| match action.what {
            What::End(end) => Some(end.0),
            _ => None,
        };
        self.actions(job).into_iter().filter_map(ending).collect()
    }

    pub(super) fn saw(&self, what: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| what(&event.kind)).count()
    }
}
