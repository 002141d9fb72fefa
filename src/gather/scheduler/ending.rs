//! What follows when an attempt ends: an outcome, another attempt later, or a source that is down for all its items.

use super::key::{Gate, GateState};
use super::row::Pause;
use super::{Ending, ItemId, JobId, RowState, Scheduler, Time, Timer, Timing, What};
use crate::gather::event::{Brought, EventKind, Reason, Wait};
use crate::gather::outcome::{Advice, Cause, State, Timeout};
use crate::gather::policy::Stop;
use std::sync::Arc;

/// How an attempt ended, as its driver saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AttemptEnd {
    Done,
    Skipped,
    Failed(Advice),
    TimedOut(Timeout),
    Panicked,
    /// It was aborted.
    Aborted,
}

/// What is told of an attempt's end in events. Built only if somebody listens; else it is one null pointer, which
/// costs nothing to hand on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Brief(Option<Box<Details>>);

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Details {
    pub(crate) why: Option<String>,
    pub(crate) code: Option<Arc<str>>,
    pub(crate) brought: Brought,
}

impl Brief {
    pub(crate) fn of(details: Details) -> Brief {
        Brief(Some(Box::new(details)))
    }

    /// Nothing but a why, if there is one.
    pub(crate) fn because(why: Option<String>) -> Brief {
        Brief(why.map(|why| Box::new(Details { why: Some(why), ..Details::default() })))
    }

    pub(super) fn why(&self) -> Option<&String> {
        self.0.as_ref().and_then(|details| details.why.as_ref())
    }

    fn with_why(self, why: Option<String>) -> Brief {
        Brief::of(Details { why, ..self.details() })
    }

    fn details(self) -> Details {
        self.0.map(|details| *details).unwrap_or_default()
    }
}

/// What an ended attempt means for its item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The item ended as its attempt did.
    Own(Timing),
    /// The item ended otherwise.
    Other(Ending, Timing),
    /// It is attempted again, later.
    Again,
}

impl Scheduler {
    /// An attempt ended.
    pub(crate) fn ended(&mut self, item: ItemId, end: AttemptEnd, brief: Brief) -> Verdict {
        let told = self.items[item].is_aside();
        let was_probe = self.note_end(item, &end, told);
        let waits = if self.is_listening() { self.waited(item) } else { Vec::new() };
        self.take_back(item);
        let after = match (&end, self.why_asked(item, &end)) {
            (AttemptEnd::Failed(_) | AttemptEnd::Aborted, Some(cause)) => {
                After::End(Some(Ending::Cancelled(cause)))
            }
            (AttemptEnd::Failed(advice), None) => self.after_failure(item, *advice, was_probe, &brief),
            _ => After::End(None),
        };
        match after {
            After::Again(..) if let Some(limit) = self.time_is_up(item) => {
                self.end_item(item, (&end, told), Some(Ending::TimedOut(Timeout::Total(limit))), brief, waits)
            }
            After::Again(at, source) => {
                self.pause(item, at, source, (&end, told), brief);
                Verdict::Again
            }
            After::End(other) => self.end_item(item, (&end, told), other, brief, waits),
        }
    }

    /// A done attempt proves its source to be up, unless it has waited aside since it was there. Returns whether the attempt
    /// was the one that tried to connect it.
    fn note_end(&mut self, item: ItemId, end: &AttemptEnd, told: bool) -> bool {
        if !told && matches!(end, AttemptEnd::Done | AttemptEnd::Skipped) {
            self.source_up(item);
        }
        let gate = self.queues[self.items[item].queue].gate.map(|key| &self.keys[key.0 as usize].gate);
        matches!(gate, Some(Some(Gate { state: GateState::Probing(Some(probe)), .. })) if *probe == item)
    }

    /// Why the item was asked to stop, if it was. Who was aborted was asked, however its job stops.
    fn why_asked(&self, item: ItemId, end: &AttemptEnd) -> Option<Cause> {
        let stopped = self.jobs[self.items[item].job].stopped.as_ref();
        let asked = stopped.filter(|(_, stop)| *stop == Stop::CancelRunning || *end == AttemptEnd::Aborted);
        asked.map(|(cause, _)| cause.clone())
    }

    /// The total timeout, if it passed while the attempt came to its own end.
    fn time_is_up(&self, item: ItemId) -> Option<Time> {
        let row = &self.items[item];
        let limit = self.jobs[row.job].settings.timeouts.total?;
        (row.timing.started()?.saturating_add(limit) <= self.now).then_some(limit)
    }

    /// Takes back what an item holds, in whatever state it is, and takes it from its queue.
    pub(super) fn take_back(&mut self, item: ItemId) {
        let (state, lane) = (self.items[item].state, self.items[item].timing.lane());
        match state {
            RowState::Running { .. } => self.give_back(item),
            RowState::Suspended { .. } | RowState::Pausing { .. } | RowState::Aside { .. } => {}
            RowState::Queued { .. } => self.take_out(item),
        }
        if self.items[item].is_aside() {
            return;
        }
        if let RowState::Running { since }
        | RowState::Suspended { since }
        | RowState::Queued { since, resuming: true } = state
        {
            let now = self.now;
            self.items[item].timing.stop(since, now);
            self.lanes.give_back(lane.expect("what was started has a lane"));
        }
    }

    fn after_failure(&mut self, item: ItemId, advice: Advice, was_probe: bool, brief: &Brief) -> After {
        if advice.further {
            let row = &mut self.items[item];
            (row.retries, row.connects) = (0, 0);
        }
        if let Some(after) = self.source_failed(item, advice, was_probe, brief) {
            return after;
        }
        if advice.again && self.may_repeat(item, advice.further) {
            let retry = self.items[item].retries;
            let retries = self.jobs[self.items[item].job].settings.retries;
            let random = self.random();
            let pause = retries.pause(retry, random).max(advice.after.unwrap_or_default());
            return After::Again(self.after(pause), None);
        }
        After::End(None)
    }

    /// Whether an item may be attempted another time; takes the retry from its budgets, unless it got further.
    fn may_repeat(&mut self, item: ItemId, further: bool) -> bool {
        let row = &mut self.items[item];
        let job = &mut self.jobs[row.job];
        let may = row.can_repeat
            && job.stopped.is_none()
            && row.retries < job.settings.retries.count
            && (further || job.spend_retry());
        row.retries += u32::from(may);
        may
    }

    /// A parent waits for its children: it holds nothing meanwhile.
    pub(crate) fn suspend(&mut self, item: ItemId) {
        if let Some(RowState::Running { since }) = self.items.get(item).map(|row| row.state) {
            self.give_back(item);
            self.items[item].state = RowState::Suspended { since };
        }
    }

    /// An attempt waits for something that is no limit: it holds nothing meanwhile, and is told as ended.
    pub(crate) fn set_aside(&mut self, item: ItemId, reason: Reason) {
        let Some(RowState::Running { .. } | RowState::Queued { resuming: true, .. }) =
            self.items.get(item).map(|row| row.state)
        else {
            return;
        };
        let told = self.items[item].is_aside();
        self.source_up(item);
        self.take_back(item);
        if !told {
            self.emit_attempt_ended(item, &AttemptEnd::Done, None, None);
        }
        let since = self.now;
        let row = &mut self.items[item];
        row.pause = Some(Pause { since, reason, source: None });
        row.state = RowState::Aside { since };
    }

    /// A parent's children are over, or what an attempt was set aside for: it waits for its slot before all others of its
    /// queue.
    pub(crate) fn want_back(&mut self, item: ItemId) {
        let since = match self.items.get(item).map(|row| row.state) {
            Some(RowState::Suspended { since }) => Some(since),
            Some(RowState::Aside { .. }) => Some(self.now),
            _ => None,
        };
        if let Some(since) = since {
            self.items[item].state = RowState::Queued { since, resuming: true };
            self.enqueue(item, true);
            self.look_again(self.items[item].queue);
        }
    }

    /// Whether an attempt waits for its slot to come back.
    pub(crate) fn is_wanted_back(&self, item: ItemId) -> bool {
        matches!(self.items.get(item).map(|row| row.state), Some(RowState::Queued { resuming: true, .. }))
    }

    /// Puts an item aside until its next attempt.
    fn pause(
        &mut self,
        item: ItemId,
        at: Time,
        source: Option<Arc<str>>,
        (end, told): (&AttemptEnd, bool),
        brief: Brief,
    ) {
        let now = self.now;
        let row = &mut self.items[item];
        row.state = RowState::Pausing { since: now };
        let reason = if source.is_some() { Reason::Connect } else { Reason::Retry };
        row.pause = Some(Pause { since: now, reason, source });
        row.last_error = brief.why().cloned();
        if !told {
            self.emit_attempt_ended(item, end, brief.details().why, Some(at - now));
        }
        self.set_timer(at, Timer::Retry(item));
    }

    pub(super) fn retry(&mut self, item: ItemId) {
        let now = self.now;
        let Some(row) = self.items.get_mut(item) else { return };
        if let RowState::Pausing { .. } = row.state {
            row.state = RowState::Queued { since: now, resuming: false };
            let first = row.pause.as_ref().is_some_and(|pause| pause.source.is_some());
            self.enqueue(item, first);
        }
    }

    pub(super) fn emit_attempt_ended(
        &mut self,
        item: ItemId,
        end: &AttemptEnd,
        error: Option<String>,
        retry_in: Option<Time>,
    ) {
        let Some((job, number)) = self.numbers(item) else { return };
        let state = end.state();
        self.emit(|_| EventKind::AttemptEnded { job, item: number, state, error, retry_in });
    }

    /// Ends an item with its attempt, the end of which may be told already.
    fn end_item(
        &mut self,
        item: ItemId,
        (end, told): (&AttemptEnd, bool),
        other: Option<Ending>,
        brief: Brief,
        waits: Vec<Wait>,
    ) -> Verdict {
        if !told {
            self.emit_attempt_ended(item, end, brief.why().cloned(), None);
        }
        let (state, brief) = match &other {
            Some(ending) => (ending.state(), brief.with_why(ending.why())),
            None => (end.state(), brief),
        };
        let timing = self.close(item, state, brief, waits);
        other.map_or(Verdict::Own(timing), |ending| Verdict::Other(ending, timing))
    }

    /// Removes an item that has its outcome, counts it, and asks its job's policy.
    pub(super) fn close(&mut self, item: ItemId, state: State, brief: Brief, waits: Vec<Wait>) -> Timing {
        let Some(row) = self.items.remove(item) else { return Timing::submitted(self.now) };
        let timing = row.timing.end(self.now);
        self.queues[row.queue].live -= 1;
        let Some(job) = self.jobs.get_mut(row.job) else { return timing };
        job.counts.add(state);
        job.live -= 1;
        let (number, name) = (job.number, job.settings.name.clone());
        self.emit(|_| {
            let Details { why, code, brought } = brief.details();
            EventKind::ItemEnded { job: number, item: row.number, state, why, code, waits, brought }
        });
        let lost = !matches!(state, State::Done | State::Skipped);
        self.judge(row.job, lost, || label(&name, row.key.as_deref()));
        timing
    }

    /// Asks a job's policy whether it goes on.
    pub(super) fn judge(&mut self, job: JobId, lost: bool, label: impl FnOnce() -> Arc<str>) {
        let owner = &self.jobs[job];
        if owner.stopped.is_none()
            && let Some(cause) = owner.verdict(lost, label)
        {
            let stop = owner.settings.stop;
            self.cancel(job, &cause, stop);
        }
    }

    /// Ends an item of which nothing runs, wherever it rests.
    pub(super) fn end_resting(&mut self, item: ItemId, ending: Ending) {
        let Some(row) = self.items.get(item) else { return };
        let (job, slot) = (row.job, row.slot);
        let brief = Brief::because(ending.why().or_else(|| row.last_error.clone()));
        if row.timing.started().is_none() {
            self.jobs[job].queued -= 1;
        }
        let waits = if self.is_listening() { self.waited(item) } else { Vec::new() };
        self.take_out(item);
        let timing = self.close(item, ending.state(), brief, waits);
        self.act(job, item, slot, What::End(Box::new((ending, timing))));
    }
}

/// What follows from an attempt's end.
pub(super) enum After {
    /// Another attempt then, which waits for this source if for one.
    Again(Time, Option<Arc<str>>),
    /// An outcome: the attempt's own, or this one.
    End(Option<Ending>),
}

impl AttemptEnd {
    pub(super) fn state(&self) -> State {
        match self {
            AttemptEnd::Done => State::Done,
            AttemptEnd::Skipped => State::Skipped,
            AttemptEnd::Failed(_) => State::Failed,
            AttemptEnd::TimedOut(_) => State::TimedOut,
            AttemptEnd::Panicked => State::Panicked,
            AttemptEnd::Aborted => State::Cancelled,
        }
    }
}

/// How an item is named to others.
fn label(job: &str, key: Option<&str>) -> Arc<str> {
    key.map_or_else(|| job.into(), |key| format!("{job}[{key}]").into())
}
