//! The attempts of a replay: they start, say what they said of their source, and end as they did. Not here: when their
//! items are submitted (`jobs`).

use super::player::{Player, Step};
use super::{Attempt, End, Takes};
use crate::gather::outcome::Advice;
use crate::gather::scheduler::{Action, AttemptEnd, Brief, ItemId, What};
use std::time::Duration;

impl Player<'_> {
    pub(super) fn act(&mut self, job: usize, action: &Action) {
        match action.what {
            What::Start { attempt, .. } => self.start(job, action.slot as usize, action.item, attempt),
            // Its source can't be used.
            What::End(_) => self.maybe_over.push(job),
            What::Resume | What::Ask(_) | What::Abort | What::TimeOut(_) => {}
        }
    }

    fn attempt(&self, job: usize, slot: usize, number: u32) -> Attempt {
        let attempts = &self.replay.jobs[job].items[slot].attempts;
        let attempt = (number as usize).checked_sub(1).and_then(|at| attempts.get(at));
        attempt.cloned().unwrap_or(Attempt { runs: Duration::ZERO, hold: None, end: End::Over })
    }

    fn start(&mut self, job: usize, slot: usize, item: ItemId, number: u32) {
        let replay = self.replay;
        let takes = &replay.jobs[job].items[slot].takes;
        self.count(takes, true);
        let attempt = self.attempt(job, slot, number);
        let source = takes.source.filter(|source| !self.up[*source]);
        if let Some(source) = source.filter(|_| matches!(attempt.end, End::Done | End::Over | End::Again(_)))
        {
            let connects = replay.limits[source].connects.unwrap_or_default();
            self.plan(connects.min(attempt.runs), Step::Up(item, source));
        }
        if let Some((after, duration)) = attempt.hold {
            self.plan(after.min(attempt.runs), Step::Hold(item, duration));
        }
        self.plan(attempt.runs, Step::End(job, slot, item, number));
    }

    /// Counts what is in use.
    fn count(&mut self, takes: &Takes, starts: bool) {
        for (limit, weight) in std::iter::once((0, 1)).chain(takes.limits.iter().copied()) {
            let Some(in_use) = self.in_use.get_mut(limit) else { continue };
            *in_use = if starts { *in_use + weight } else { *in_use - weight };
            self.peaks[limit] = self.peaks[limit].max(*in_use);
        }
    }

    pub(super) fn end(&mut self, job: usize, slot: usize, item: ItemId, number: u32) {
        let takes = &self.replay.jobs[job].items[slot].takes;
        self.count(takes, false);
        let end = match self.attempt(job, slot, number).end {
            End::Done => AttemptEnd::Done,
            End::Over => AttemptEnd::Failed(Advice::NEVER),
            End::Again(pause) => AttemptEnd::Failed(Advice::AGAIN.after(pause)),
            End::Unconnected(pause) => AttemptEnd::Failed(Advice::SOURCE_AGAIN.after(pause)),
            End::Refused => AttemptEnd::Failed(Advice::SOURCE_NEVER),
        };
        if let (Some(source), AttemptEnd::Failed(Advice { source: true, .. })) = (takes.source, &end) {
            self.up[source] = false;
        }
        self.scheduler.ended(item, end, Brief::default());
        self.maybe_over.push(job);
    }
}
