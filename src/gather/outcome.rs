//! How items end: [`Outcome`], and the times and causes that go with it. Not here: how an outcome is decided
//! (`scheduler`), and how it is shown (the report).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How an item ended. Every item that was submitted gets exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T, E> {
    /// It returned a result.
    Done(T),
    /// It returned an error, and trying again could not help or was used up.
    Failed(E),
    /// One of its own times ran out.
    TimedOut(Timeout),
    /// It was stopped while it ran, or while it waited to be tried again.
    Cancelled(Cause),
    /// It panicked.
    Panicked(Box<Panic>),
    /// There was nothing to do.
    Skipped(Skip),
    /// It never started.
    NotStarted(Cause),
}

impl<T, E> Outcome<T, E> {
    /// The result, if the item is done.
    pub fn done(self) -> Option<T> {
        match self {
            Outcome::Done(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the item is done or had nothing to do: everything else is a loss.
    pub fn is_good(&self) -> bool {
        matches!(self, Outcome::Done(_) | Outcome::Skipped(_))
    }

    /// The outcome without its result and its error: what is counted and what goes into the event log.
    pub fn state(&self) -> State {
        match self {
            Outcome::Done(_) => State::Done,
            Outcome::Failed(_) => State::Failed,
            Outcome::TimedOut(_) => State::TimedOut,
            Outcome::Cancelled(_) => State::Cancelled,
            Outcome::Panicked(_) => State::Panicked,
            Outcome::Skipped(_) => State::Skipped,
            Outcome::NotStarted(_) => State::NotStarted,
        }
    }
}

/// The seven ways to end, without what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum State {
    /// See [`Outcome::Done`].
    Done,
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::TimedOut`].
    TimedOut,
    /// See [`Outcome::Cancelled`].
    Cancelled,
    /// See [`Outcome::Panicked`].
    Panicked,
    /// See [`Outcome::Skipped`].
    Skipped,
    /// See [`Outcome::NotStarted`].
    NotStarted,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Done => "done",
            State::Failed => "failed",
            State::TimedOut => "timed out",
            State::Cancelled => "cancelled",
            State::Panicked => "panicked",
            State::Skipped => "skipped",
            State::NotStarted => "not started",
        })
    }
}

/// Which of an item's times ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Timeout {
    /// It waited longer than this for its first start.
    Queue(Duration),
    /// One attempt took longer than this.
    Attempt(Duration),
    /// An attempt made no progress for this long.
    Idle(Duration),
    /// It took longer than this from its first start, all attempts and the waits between them counted.
    Total(Duration),
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timeout::Queue(limit) => write!(f, "waited longer than {limit:?} to start"),
            Timeout::Attempt(limit) => write!(f, "no result within {limit:?}"),
            Timeout::Idle(limit) => write!(f, "no progress for {limit:?}"),
            Timeout::Total(limit) => write!(f, "not done within {limit:?}, retries included"),
        }
    }
}

/// Why something was stopped, or never started. It travels with the cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Cause {
    /// The process was asked to stop, by this signal.
    Signal(i32),
    /// The deadline of the run, of the job or of a parent passed.
    Deadline,
    /// Another item ended in a way that stops this one: the item's label.
    Sibling(Arc<str>),
    /// The policy had what it wanted (`first_ok`, `quorum`), or could no longer get it.
    Policy,
    /// The source could not be used: why.
    Source(Arc<str>),
    /// More items were lost than the policy allows.
    Failures,
    /// The caller asked for it.
    Asked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Signal(2) => f.write_str("interrupted"),
            Cause::Signal(15) => f.write_str("terminated"),
            Cause::Signal(number) => write!(f, "signal {number}"),
            Cause::Deadline => f.write_str("deadline"),
            Cause::Sibling(label) => write!(f, "{label} failed"),
            Cause::Policy => f.write_str("no longer needed"),
            Cause::Source(why) => write!(f, "source: {why}"),
            Cause::Failures => f.write_str("too many failures"),
            Cause::Asked => f.write_str("asked to stop"),
        }
    }
}

/// Why an item had nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Skip {
    /// It is what it was last time.
    Unchanged,
    /// What it needs did not get done: the name of the job it waited for.
    NeedFailed(Arc<str>),
    /// Its key was there before, and the job takes the first of equal keys.
    Duplicate,
    /// It is there and not to be taken yet: why. A job that has only such items found nothing.
    NotReady(Arc<str>),
}

impl Skip {
    /// Its stable name, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Skip::Unchanged => "unchanged",
            Skip::NeedFailed(_) => "need_failed",
            Skip::Duplicate => "duplicate",
            Skip::NotReady(_) => "not_ready",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::Unchanged => f.write_str("unchanged"),
            Skip::NeedFailed(job) => write!(f, "needs {job}, which did not get done"),
            Skip::Duplicate => f.write_str("a duplicate key"),
            Skip::NotReady(why) => write!(f, "not ready: {why}"),
        }
    }
}

/// What a panicking item said, and where: the place is known only after
/// [`install_panic_hook`](super::install_panic_hook).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// The panic's message.
    pub message: String,
    /// `file:line:column`.
    pub place: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " at {place}"))
    }
}

/// What an error says about trying again. The default: trying again would fail again, and only this item is hurt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Advice {
    /// The same attempt may succeed later.
    pub again: bool,
    /// No sooner than this from now (a server's `Retry-After`).
    pub after: Option<Duration>,
    /// The failure is the source's (DNS, connect, host key, TLS, login, a lost link), not this item's.
    pub source: bool,
    /// It got further than the attempts before it, and the next one goes on from there. Retries are counted from it on:
    /// as long as each attempt brings something, none of them is used up.
    pub further: bool,
}

impl Advice {
    /// Trying again would fail again.
    pub const NEVER: Advice = Advice { again: false, after: None, source: false, further: false };
    /// Trying again may help, after the policy's own delay.
    pub const AGAIN: Advice = Advice { again: true, after: None, source: false, further: false };
    /// The source is unreachable or the link was lost: its one retry counts for all its items.
    pub const SOURCE_AGAIN: Advice = Advice { again: true, after: None, source: true, further: false };
    /// The source refused (login, host key): it is not tried again in this run, by any item.
    pub const SOURCE_NEVER: Advice = Advice { again: false, after: None, source: true, further: false };

    /// The same, but no sooner than `delay` from now.
    pub fn after(self, delay: Duration) -> Advice {
        Advice { after: Some(delay), ..self }
    }

    /// The same of an attempt that got further, if it did.
    pub fn further(self, further: bool) -> Advice {
        Advice { further, ..self }
    }
}
