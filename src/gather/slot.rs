//! An item as its driver has it, from being pulled to its outcome.

use super::attempt::Ran;
use super::attributes::Attributes;
use super::call::{Call, Ended};
use super::context::Context;
use super::event::{Brought, Clean, EventKind};
use super::outcome::{Advice, Cause, Outcome, Timeout};
use super::scheduler::{AttemptEnd, Brief, Details, Ending, ItemId, Scheduler, Time, Verdict};
use std::sync::Arc;
use tokio::task::JoinHandle;

pub(super) struct Slot<C: Call> {
    pub(super) number: u64,
    pub(super) key: Option<Arc<str>>,
    pub(super) call: C,
    pub(super) span: tracing::Span,
    /// That of its running attempt: open until the scheduler has heard of the end.
    attempt: tracing::Span,
    pub(super) running: Option<(JoinHandle<()>, Context)>,
    /// It was aborted because this time was over.
    pub(super) timed_out: Option<Timeout>,
    /// Of its last attempt.
    pub(super) error: Option<C::Err>,
    /// Its last progress that was told.
    pub(super) told: (u64, u64),
}

impl<C: Call> Slot<C> {
    pub(super) fn new(number: u64, key: Option<Arc<str>>, call: C, span: tracing::Span) -> Slot<C> {
        let attempt = tracing::Span::none();
        Slot { number, key, call, span, attempt, running: None, timed_out: None, error: None, told: (0, 0) }
    }

    /// Opens the span of an attempt. A span's own clock is read when its task is made, which is later than the start:
    /// it says the scheduler's times, so that it agrees with the event log.
    pub(super) fn opened(&mut self, n: u32, lane: u32, at: Time) -> tracing::Span {
        let (started, ended) = (seconds(at), tracing::field::Empty);
        self.attempt = tracing::info_span!(parent: &self.span, "attempt", n, lane, started, ended);
        self.attempt.clone()
    }

    /// Closes it, where it is not closed yet.
    pub(super) fn close(&mut self, at: Time) {
        // Where nobody listens there is none, and nothing to be said to it.
        if !self.attempt.is_disabled() {
            std::mem::replace(&mut self.attempt, tracing::Span::none()).record("ended", seconds(at));
        }
    }

    /// Asks its attempt to stop. One that does not listen is aborted: it could not stop by itself. Gathers below it are asked, too,
    /// and come to their end first.
    pub(super) fn ask(&self, cause: Cause) {
        if let Some((task, context)) = &self.running {
            context.cancel().set(cause);
            if !context.cancel().is_listened() && !context.has_gathers() {
                task.abort();
            }
        }
    }

    pub(super) fn resume(&self) {
        let Some((task, context)) = &self.running else { return };
        if context.cancel().cause().is_some() && !context.cancel().is_listened() {
            // It was asked while gathers below it went on, which had their grace time.
            return task.abort();
        }
        context.resume();
    }

    pub(super) fn abort(&self) {
        if let Some((task, context)) = &self.running {
            context.cancel().set(Cause::Asked);
            task.abort();
        }
    }

    /// Its outcome without an attempt's own end.
    pub(super) fn outcome(&mut self, ending: Ending) -> Outcome<C::Ok, C::Err> {
        match ending {
            Ending::NotStarted(cause) => Outcome::NotStarted(cause),
            Ending::Cancelled(cause) => Outcome::Cancelled(cause),
            Ending::TimedOut(timeout) => Outcome::TimedOut(timeout),
            Ending::LastError => self.error.take().map_or(Outcome::Cancelled(Cause::Asked), Outcome::Failed),
        }
    }
}

/// Seconds since the run began, to the microsecond, as the event log has them.
fn seconds(time: Time) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// An attempt's end as the scheduler is told of it.
pub(super) struct Told<T, E> {
    pub(super) slot: u32,
    pub(super) ran: Ran<T, E>,
    pub(super) end: AttemptEnd,
    pub(super) brief: Brief,
    /// What its source said of it.
    pub(super) attributes: Attributes,
}

impl<T, E> Told<T, E> {
    /// Tells it, and hears what it means.
    pub(super) fn judge(self, scheduler: &mut Scheduler, item: Option<ItemId>) -> Judged<T, E> {
        let Told { slot, ran, end, brief, attributes } = self;
        let Some(id) = item else { return (slot, ran, Verdict::Again) };
        if let Some((job, item)) = scheduler.numbers(id).filter(|_| !attributes.is_empty()) {
            scheduler.emit(|_| EventKind::Attributes { job, item, attributes });
        }
        (slot, ran, scheduler.ended(id, end, brief))
    }
}

/// An attempt's end and what it means.
pub(super) type Judged<T, E> = (u32, Ran<T, E>, Verdict);

impl<T, E> Ran<T, E> {
    /// The outcome of an item that ended as its attempt did, or the error of one that goes on.
    pub(super) fn outcome(self) -> Outcome<T, E> {
        match self {
            Ran::Itself(Ended::Done(value)) => Outcome::Done(value),
            Ran::Itself(Ended::Failed(error)) => Outcome::Failed(error),
            Ran::Itself(Ended::Skipped(why)) => Outcome::Skipped(why),
            Ran::TimedOut(timeout) => Outcome::TimedOut(timeout),
            Ran::Panicked(panic) => Outcome::Panicked(panic),
            Ran::Aborted => Outcome::Cancelled(Cause::Asked),
        }
    }

    pub(super) fn error(self) -> Option<E> {
        match self {
            Ran::Itself(Ended::Failed(error)) => Some(error),
            _ => None,
        }
    }
}

type Advise<E> = Arc<dyn Fn(&E) -> Advice + Send + Sync>;
type Describe<E> = Arc<dyn Fn(&E) -> (String, Option<Arc<str>>) + Send + Sync>;
type Bring<T> = Arc<dyn Fn(&T) -> Brought + Send + Sync>;

/// What the caller knows of its results and errors.
pub(super) struct Hooks<T, E> {
    pub(super) advice: Option<Advise<E>>,
    pub(super) describe: Option<Describe<E>>,
    pub(super) brought: Option<Bring<T>>,
    pub(super) kind: Arc<str>,
    pub(super) source: Arc<str>,
}

impl<T, E> Default for Hooks<T, E> {
    fn default() -> Self {
        Hooks { advice: None, describe: None, brought: None, kind: "".into(), source: "".into() }
    }
}

impl<T, E> Hooks<T, E> {
    /// The span of an item, without secrets.
    pub(super) fn span(
        &self,
        job: &tracing::Span,
        key: Option<&Arc<str>>,
        clean: Option<&Clean>,
    ) -> tracing::Span {
        let mut key = key.filter(|_| !job.is_disabled()).cloned();
        if let (Some(key), Some(clean)) = (&mut key, clean) {
            clean.shared(key);
        }
        let (kind, source) = (&*self.kind, &*self.source);
        tracing::info_span!(parent: job, "item", kind, source, key = key.as_deref())
    }

    pub(super) fn end(&self, ran: &Ran<T, E>) -> AttemptEnd {
        match ran {
            Ran::Itself(Ended::Done(_)) => AttemptEnd::Done,
            Ran::Itself(Ended::Skipped(_)) => AttemptEnd::Skipped,
            Ran::Itself(Ended::Failed(error)) => {
                AttemptEnd::Failed(self.advice.as_ref().map_or(Advice::NEVER, |advice| advice(error)))
            }
            Ran::TimedOut(timeout) => AttemptEnd::TimedOut(*timeout),
            Ran::Panicked(_) => AttemptEnd::Panicked,
            Ran::Aborted => AttemptEnd::Aborted,
        }
    }

    pub(super) fn brief(&self, ran: &Ran<T, E>) -> Brief {
        match ran {
            Ran::Itself(Ended::Done(value)) => {
                let brought = self.brought.as_ref().map(|brought| brought(value)).unwrap_or_default();
                Brief::of(Details { brought, ..Details::default() })
            }
            Ran::Itself(Ended::Failed(error)) => match &self.describe {
                Some(describe) => {
                    let (why, code) = describe(error);
                    Brief::of(Details { why: Some(why), code, ..Details::default() })
                }
                None => Brief::default(),
            },
            Ran::Itself(Ended::Skipped(why)) => {
                let (why, code) = (Some(why.to_string()), Some(why.code().into()));
                Brief::of(Details { why, code, ..Details::default() })
            }
            Ran::TimedOut(timeout) => Brief::because(Some(timeout.to_string())),
            Ran::Panicked(panic) => Brief::because(Some(panic.to_string())),
            Ran::Aborted => Brief::default(),
        }
    }
}
