//! The driver of one job: pulls items, tells the scheduler, starts attempts as tasks, and hands out the outcomes. It
//! is a task of its own, so that a caller who does something else meanwhile stops nobody.
//! Not here: what may start and what follows from an end (`scheduler`).

mod wait;

#[cfg(test)]
mod tests;

use super::attempt::{Attempt, Ran, Teller};
use super::builder::Setup;
use super::call::{Call, Item};
use super::context::Context;
use super::event::{Counts, EventKind};
use super::event_queue::EventQueue;
use super::finish::{Finished, Finishes};
use super::intake::{Intake, REST};
use super::limit::Needs;
use super::outcome::{Advice, Cause, Outcome};
use super::output::Output;
use super::panic::catch;
use super::policy::Timeouts;
use super::report::ItemReport;
use super::run::{Link, Run};
use super::scheduler::{Action, AttemptEnd, Brief, ItemId, JobId, Time, Timing, Verdict, What};
use super::slot::{Hooks, Judged, Slot, Told};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::Instrument;

/// Ended attempts that are taken up at once, and items that are pulled at once.
const BATCH: usize = 256;
/// How often running attempts tell their progress, if somebody listens.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

type Done<I> = <<I as Intake>::Call as Call>::Ok;
type Fail<I> = <<I as Intake>::Call as Call>::Err;

pub(super) struct Driver<I: Intake> {
    run: Run,
    events: Option<Arc<EventQueue>>,
    job: JobId,
    span: tracing::Span,
    timeouts: Timeouts,
    notify: Arc<Notify>,
    /// `None` once it has given its last item.
    intake: Option<I>,
    /// It had nothing yet when it was last asked.
    intake_waits: bool,
    /// The reader of events had to catch up when the intake was last looked at: it may have since, and tells nobody.
    events_full: bool,
    /// Pulled, and not yet submitted.
    pulled: Vec<Item<I::Call>>,
    look_ahead: u64,
    hooks: Hooks<Done<I>, Fail<I>>,
    slots: Vec<Option<Slot<I::Call>>>,
    ids: Vec<Option<ItemId>>,
    free: Vec<u32>,
    submitted: u64,
    /// Items that never come as the job is stopped, too many to be told one by one.
    rest: u64,
    /// Why the intake ended before its time.
    failure: Option<String>,
    finishes: Arc<Finishes<Done<I>, Fail<I>>>,
    /// Attempts that ended, and are not yet taken up.
    finished: VecDeque<Finished<Done<I>, Fail<I>>>,
    actions: VecDeque<Action>,
    output: Output<Done<I>, Fail<I>>,
    progress_at: Time,
}

/// What a turn left.
struct Turn {
    over: bool,
    /// There is more to do at once.
    again: bool,
    wake: Option<Time>,
}

/// What the scheduler says to ended attempts: when they did, what they mean, how many items it has room for, whether the
/// job stops.
struct Answer<T, E> {
    at: Time,
    judged: Vec<Judged<T, E>>,
    room: u64,
    stopped: bool,
}

impl<I: Intake> Driver<I> {
    pub(super) fn new(
        intake: I,
        setup: Setup<Done<I>, Fail<I>>,
        output: Output<Done<I>, Fail<I>>,
    ) -> Driver<I> {
        let Setup { run, settings, parent, number, role, works_for, look_ahead, hooks, parent_attempt } =
            setup;
        let notify = Arc::new(Notify::new());
        let timeouts = settings.timeouts;
        let span = tracing::info_span!(parent: run.span(), "job", name = &*settings.name);
        let job = run.start_job(settings, parent, (number, role, works_for), notify.clone());
        Driver {
            events: run.events(),
            run,
            job,
            span,
            timeouts,
            notify: notify.clone(),
            intake: Some(intake),
            intake_waits: false,
            events_full: false,
            pulled: Vec::new(),
            look_ahead,
            hooks,
            slots: Vec::new(),
            ids: Vec::new(),
            free: Vec::new(),
            submitted: 0,
            rest: 0,
            failure: None,
            finishes: Finishes::new(notify, parent_attempt),
            finished: VecDeque::new(),
            actions: VecDeque::new(),
            output,
            progress_at: Duration::ZERO,
        }
    }

    pub(super) fn job(&self) -> JobId {
        self.job
    }

    /// Runs the job to its end.
    pub(super) async fn drive(mut self) -> (Output<Done<I>, Fail<I>>, Counts, Option<Cause>) {
        loop {
            let turn = self.turn();
            if turn.over && !self.output.is_behind() {
                break;
            }
            if turn.again {
                // Other tasks have their turn, too.
                tokio::task::yield_now().await;
            } else {
                self.wait(turn.wake).await;
            }
        }
        let stopped = self.run.with(|scheduler| scheduler.stopped(self.job).cloned());
        let counts = self.run.end_job(self.job, self.failure.take());
        (self.output.take(), counts, stopped)
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self) -> Turn {
        let told = self.take_finished();
        let Answer { at, judged, room, stopped } = self.tell(told);
        for judged in judged {
            self.settle(judged, at);
        }
        self.pull(room, stopped);
        let turn = self.submit(stopped);
        while let Some(action) = self.actions.pop_front() {
            self.act(action);
        }
        turn
    }

    /// Takes up the attempts that ended. Runs the caller's hooks, so that no lock may be held.
    fn take_finished(&mut self) -> Vec<Told<Done<I>, Fail<I>>> {
        if self.finished.is_empty() {
            self.finishes.swap(&mut self.finished);
        }
        let mut finished = std::mem::take(&mut self.finished);
        let batch = finished.drain(..finished.len().min(BATCH));
        let told = batch.map(|finished| self.told(finished)).collect();
        self.finished = finished;
        told
    }

    fn told(&mut self, finished: Finished<Done<I>, Fail<I>>) -> Told<Done<I>, Fail<I>> {
        let Finished { slot, mut ran } = finished;
        if let (Ran::Aborted, Some(timeout)) = (&ran, self.slot(slot).timed_out.take()) {
            ran = Ran::TimedOut(timeout);
        }
        let end = self.hooks.end(&ran);
        // A source that fails says why to all its items, also when nobody listens to events.
        let source_fails = matches!(end, AttemptEnd::Failed(Advice { source: true, .. }));
        let brief =
            if self.events.is_some() || source_fails { self.hooks.brief(&ran) } else { Brief::default() };
        let attributes = self.slot(slot).running.as_ref().map(|(_, context)| context.said());
        Told { slot, ran, end, brief, attributes: attributes.unwrap_or_default() }
    }

    /// Tells the scheduler what ended.
    fn tell(&mut self, told: Vec<Told<Done<I>, Fail<I>>>) -> Answer<Done<I>, Fail<I>> {
        let Driver { run, job, ids, look_ahead, .. } = self;
        run.with(|scheduler| {
            let judge = |told: Told<_, _>| {
                let item = ids[told.slot as usize];
                told.judge(scheduler, item)
            };
            let judged = told.into_iter().map(judge).collect();
            let room = look_ahead.saturating_sub(scheduler.queued(*job));
            let stopped = scheduler.stopped(*job).is_some();
            Answer { at: scheduler.now(), judged, room, stopped }
        })
    }

    fn settle(&mut self, (index, ran, verdict): Judged<Done<I>, Fail<I>>, at: Time) {
        let slot = self.slot(index);
        slot.running = None;
        slot.close(at);
        match verdict {
            Verdict::Again => slot.error = ran.error(),
            Verdict::Own(timing) => self.end(index, ran.outcome(), timing),
            Verdict::Other(ending, timing) => {
                slot.error = ran.error().or(slot.error.take());
                let outcome = slot.outcome(ending);
                self.end(index, outcome, timing);
            }
        }
    }

    fn slot(&mut self, index: u32) -> &mut Slot<I::Call> {
        self.slots[index as usize].as_mut().expect("a slot is kept until its item has its outcome")
    }

    /// Hands out an outcome.
    fn end(&mut self, index: u32, outcome: Outcome<Done<I>, Fail<I>>, timing: Timing) {
        let place = &mut self.slots[index as usize];
        let Some(Slot { number, key, .. }) = place else { return };
        // Not moved out as a whole: it is large.
        let (number, key) = (*number, key.take());
        *place = None;
        self.ids[index as usize] = None;
        self.free.push(index);
        self.output.push(ItemReport { number, key, outcome, timing });
    }

    /// Pulls items while there is room. Runs the caller's iterator, so that no lock may be held.
    fn pull(&mut self, room: u64, stopped: bool) {
        self.events_full = self.events.as_ref().is_some_and(|events| events.is_full());
        let behind = self.output.is_behind() || self.events_full;
        let rest = self.intake.as_ref().and_then(|intake| intake.remaining());
        if stopped && rest.is_none_or(|rest| rest > REST) {
            self.rest = rest.unwrap_or(0);
            self.intake = None;
        }
        let Some(intake) = &mut self.intake else { return };
        let mut cx = std::task::Context::from_waker(Waker::noop());
        self.intake_waits = false;
        while !behind && self.pulled.len() < BATCH.min(room as usize) {
            match intake.poll_pull(&mut cx) {
                Poll::Ready(Some(item)) => self.pulled.push(item),
                Poll::Ready(None) => return self.exhausted(),
                Poll::Pending => {
                    self.intake_waits = true;
                    return;
                }
            }
        }
    }

    /// The intake has no more items.
    fn exhausted(&mut self) {
        self.failure = self.intake.take().and_then(|intake| intake.failure());
    }

    /// Submits what was pulled, lets everything start that may, and takes what there is to do.
    fn submit(&mut self, stopped: bool) -> Turn {
        let mut pulled = std::mem::take(&mut self.pulled);
        let new: Vec<(u32, Needs)> = pulled.drain(..).map(|item| self.add(item)).collect();
        self.pulled = pulled;
        let progress = self.progress();
        let Driver { run, job, slots, ids, intake, actions, rest, .. } = self;
        let complete = intake.is_none();
        let rest = std::mem::take(rest);
        let (over, wake) = run.turn(*job, actions, |scheduler| {
            for (slot, needs) in &new {
                let entry = slots[*slot as usize].as_ref().expect("it was added just now");
                let can_repeat = entry.call.can_repeat();
                ids[*slot as usize] =
                    Some(scheduler.submit(*job, needs, *slot, entry.key.clone(), can_repeat));
            }
            scheduler.never_start(*job, rest);
            if complete {
                scheduler.complete(*job);
            }
            for (slot, bytes, rows) in progress {
                if let Some((job, item)) = ids[slot].and_then(|id| scheduler.numbers(id)) {
                    scheduler.emit(|_| EventKind::Progress { job, item, bytes, rows });
                }
            }
        });
        // What starts or ends makes room for more, and nobody tells of actions that join others.
        let waits = self.output.is_behind() || self.events_full || self.intake_waits;
        let more = !complete && (stopped || !self.actions.is_empty()) && !waits;
        let again = more || !self.finished.is_empty();
        // The actions that are left are done in this turn, and end what is over.
        Turn { over, again, wake }
    }

    fn add(&mut self, item: Item<I::Call>) -> (u32, Needs) {
        let span = self.hooks.span(&self.span, item.key.as_ref(), self.run.clean());
        let slot = Slot::new(self.submitted, item.key, item.call, span);
        self.submitted += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.ids.push(None);
            self.slots.len() as u32 - 1
        });
        self.slots[index as usize] = Some(slot);
        (index, item.needs)
    }

    /// The running items that got further since they were last told, if it is time to tell.
    fn progress(&mut self) -> Vec<(usize, u64, u64)> {
        let now = self.run.elapsed();
        if self.events.is_none() || now < self.progress_at {
            return Vec::new();
        }
        self.progress_at = now + PROGRESS_EVERY;
        let further = |(index, slot): (usize, &mut Option<Slot<I::Call>>)| {
            let slot = slot.as_mut()?;
            let (_, context) = slot.running.as_ref()?;
            let so_far = (context.progress().bytes(), context.progress().rows());
            (std::mem::replace(&mut slot.told, so_far) != so_far).then_some((index, so_far.0, so_far.1))
        };
        self.slots.iter_mut().enumerate().filter_map(further).collect()
    }

    fn act(&mut self, Action { item, slot: index, what }: Action) {
        if self.ids[index as usize] != Some(item) {
            return; // It ended meanwhile.
        }
        let slot = self.slot(index);
        match what {
            What::Start { attempt, lane, at } => self.start(item, index, (attempt, lane, at)),
            What::Resume => slot.resume(),
            What::Ask(cause) => slot.ask(cause),
            What::Abort => slot.abort(),
            What::TimeOut(timeout) => {
                slot.timed_out = Some(timeout);
                slot.abort();
            }
            What::End(end) => {
                let (ending, timing) = *end;
                let outcome = slot.outcome(ending);
                self.end(index, outcome, timing);
            }
        }
    }

    /// Starts an attempt as a task.
    fn start(&mut self, item: ItemId, index: u32, (number, lane, at): (u32, u32, Time)) {
        let link = Link { run: self.run.clone(), job: self.job, item };
        let context = Context::new(number, link);
        let (timeouts, finishes) = (self.timeouts, self.finishes.clone());
        let slot = self.slot(index);
        slot.told = (0, 0);
        let span = slot.opened(number, lane, at);
        let mut teller = Teller::new(index, context.clone(), finishes);
        match catch(|| slot.call.attempt(context.clone())) {
            Ok(future) => {
                let task = Attempt::new(future, &timeouts, teller);
                // A span that nobody takes would only make the task larger.
                let task =
                    if span.is_disabled() { tokio::spawn(task) } else { tokio::spawn(task.instrument(span)) };
                slot.running = Some((task, context));
            }
            Err(panic) => teller.tell(Ran::Panicked(panic)),
        }
    }
}

impl<I: Intake> Drop for Driver<I> {
    /// Nobody waits any more: everything is aborted at once.
    fn drop(&mut self) {
        for slot in self.slots.iter().flatten() {
            slot.abort();
        }
        self.run.end_job(self.job, None);
    }
}
