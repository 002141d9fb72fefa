//! What happens in a run, as data: the core emits these from one place, in one order. Written as JSON Lines they
//! are the run's record, and every view of a run is a pure function of them. Not here: how they are shown.

mod clean;
#[cfg(feature = "plan")]
mod seconds;

pub use clean::Clean;

use super::attributes::Attributes;
use super::info::RunInfo;
use super::outcome::{Cause, State};
use std::sync::Arc;
use std::time::Duration;

/// The version of the event log that this build writes.
pub const LOG_VERSION: u32 = 1;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize))]
pub struct Event {
    /// Time since the run began, on the monotonic clock. Written in seconds.
    #[cfg_attr(feature = "plan", serde(rename = "t", with = "seconds"))]
    pub at: Duration,
    /// What happened.
    #[cfg_attr(feature = "plan", serde(flatten))]
    pub kind: EventKind,
}

/// The number of a job in its run, in plan order. Jobs made while the run goes on (listings, nested gathers) follow.
pub type JobNumber = u32;
/// The number of an item in its job, in submission order.
pub type ItemNumber = u64;

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "plan",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "event", rename_all = "snake_case")
)]
pub enum EventKind {
    /// First of all: everything that is known before anything ran.
    RunStarted(Box<RunInfo>),
    /// A job began: its items may now be submitted.
    JobStarted {
        /// Its number.
        job: JobNumber,
        /// Its name.
        name: Arc<str>,
        /// What its items are.
        role: Role,
        /// The job it works for, if its role is not [`Role::Items`].
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        parent: Option<JobNumber>,
    },
    /// An item was submitted.
    ItemQueued {
        /// Its job.
        job: JobNumber,
        /// Its number.
        item: ItemNumber,
        /// Its key; none for a plain job's one item.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        key: Option<Arc<str>>,
        /// What it takes beside the run's own limit, the widest first; `None` if that is what the item took that its
        /// job queued before it, or nothing if there is none before it.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        limits: Option<Arc<[LimitUse]>>,
    },
    /// An attempt started: everything it needs was free at once.
    AttemptStarted {
        /// Its job.
        job: JobNumber,
        /// Its item.
        item: ItemNumber,
        /// 1 for the first.
        attempt: u32,
        /// The smallest free slot number.
        lane: u32,
        /// What it waited for since it was queued, or since its last attempt ended.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Vec::is_empty"))]
        waits: Vec<Wait>,
    },
    /// An attempt entered a phase, which lasts until the next one or the attempt's end.
    Phase {
        /// Its job.
        job: JobNumber,
        /// Its item.
        item: ItemNumber,
        /// The phase: a name of the source's, such as `connect`, `query`, `read`.
        name: PhaseName,
    },
    /// How far a running attempt is. Sent at most about once a second.
    Progress {
        /// Its job.
        job: JobNumber,
        /// Its item.
        item: ItemNumber,
        /// Bytes so far.
        bytes: u64,
        /// Rows so far.
        rows: u64,
    },
    /// What the source says of an attempt, by OpenTelemetry's names. At most once an attempt, at its end.
    Attributes {
        /// Its job.
        job: JobNumber,
        /// Its item.
        item: ItemNumber,
        /// What it says.
        attributes: Attributes,
    },
    /// An attempt ended.
    AttemptEnded {
        /// Its job.
        job: JobNumber,
        /// Its item.
        item: ItemNumber,
        /// How.
        state: State,
        /// The error, if it failed.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        error: Option<String>,
        /// It will be tried again, no sooner than this from now. In seconds.
        #[cfg_attr(
            feature = "plan",
            serde(default, skip_serializing_if = "Option::is_none", with = "seconds::option")
        )]
        retry_in: Option<Duration>,
    },
    /// An item got its outcome.
    ItemEnded {
        /// Its job.
        job: JobNumber,
        /// Its number.
        item: ItemNumber,
        /// How it ended.
        state: State,
        /// Why, where there is a why: the error, the timeout, the cause, the panic, the reason to skip.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        why: Option<String>,
        /// The stable name of the why, for programs: `http_status`, `sql`, `connect`, `unchanged`, `deadline`.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        code: Option<Arc<str>>,
        /// What it waited for since it was queued or its last attempt ended, if it ended while it waited.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Vec::is_empty"))]
        waits: Vec<Wait>,
        /// What it brought.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Brought::is_nothing"))]
        brought: Brought,
    },
    /// All items of a job have their outcome.
    JobEnded {
        /// Its number.
        job: JobNumber,
        /// Its items by outcome.
        counts: Counts,
        /// Why the job as a whole has no items or did not start, where that is so.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        why: Option<String>,
    },
    /// A source asked that a limit key be left alone for a while.
    Held {
        /// The limit key's name, such as `host:api.example:443`.
        limit: Arc<str>,
        /// For how long. In seconds.
        #[cfg_attr(feature = "plan", serde(rename = "for", with = "seconds"))]
        duration: Duration,
    },
    /// A limit changed while the run goes on.
    Resized {
        /// The limit key's name.
        limit: Arc<str>,
        /// The new concurrency.
        concurrency: u64,
    },
    /// A source answered: its items may all start.
    SourceUp {
        /// The limit key's name of the source or host.
        source: Arc<str>,
    },
    /// A source can't be used: its items end not started.
    SourceDown {
        /// The limit key's name of the source or host.
        source: Arc<str>,
        /// Why.
        why: String,
    },
    /// The run or a job is being stopped.
    Cancelling {
        /// The job, or none for the whole run.
        #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
        job: Option<JobNumber>,
        /// Why.
        cause: Cause,
    },
    /// Something the user should know that changes no outcome.
    Warning {
        /// What.
        message: String,
    },
    /// Last of all.
    RunEnded {
        /// All items of the run by outcome.
        counts: Counts,
        /// The exit code.
        exit: u8,
    },
}

/// A phase's name: written by sources as a literal, read back from a log as text.
pub type PhaseName = std::borrow::Cow<'static, str>;

/// What the items of a job are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Role {
    /// What the plan asks for.
    Items,
    /// The pages of a listing that feeds another job. They use limits and lanes, and are not counted.
    Pages,
    /// Children of an item: a nested gather.
    Nested,
}

/// What an item takes of a limit while an attempt of it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize))]
pub struct LimitUse {
    /// The limit key's name.
    pub limit: Arc<str>,
    /// How much of its concurrency; 1 if nothing else is said.
    #[cfg_attr(feature = "plan", serde(default = "one", skip_serializing_if = "is_one"))]
    pub weight: u64,
}

#[cfg(feature = "plan")]
fn one() -> u64 {
    1
}

#[cfg(feature = "plan")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(number: &u64) -> bool {
    *number == 1
}

/// One wait of an item, and what it waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize))]
pub struct Wait {
    /// What kind of wait.
    pub reason: Reason,
    /// The limit key's name, where it waited for one.
    #[cfg_attr(feature = "plan", serde(default, skip_serializing_if = "Option::is_none"))]
    pub limit: Option<Arc<str>>,
    /// How long. In seconds.
    #[cfg_attr(feature = "plan", serde(rename = "for", with = "seconds"))]
    pub duration: Duration,
}

/// What an item can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Reason {
    /// As many items as the limit allows were running.
    Concurrency,
    /// The limit's rate was used up.
    Rate,
    /// The source asked to be left alone (`Retry-After`).
    Hold,
    /// The source was being connected, by one item for all.
    Connect,
    /// The pause before another attempt.
    Retry,
    /// The pause before the condition is looked at again.
    Until,
    /// The job it needs.
    Need,
    /// Its output is synced to disk together with others.
    Sync,
}

/// Items by outcome: `submitted` is always the sum of the other seven once a job has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names are those of the outcomes")]
pub struct Counts {
    pub submitted: u64,
    pub done: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub cancelled: u64,
    pub panicked: u64,
    pub skipped: u64,
    pub not_started: u64,
}

impl Counts {
    /// Counts one item that ended.
    pub fn add(&mut self, state: State) {
        *match state {
            State::Done => &mut self.done,
            State::Failed => &mut self.failed,
            State::TimedOut => &mut self.timed_out,
            State::Cancelled => &mut self.cancelled,
            State::Panicked => &mut self.panicked,
            State::Skipped => &mut self.skipped,
            State::NotStarted => &mut self.not_started,
        } += 1;
    }

    /// Counts items that never start, without having been submitted.
    pub fn never_start(&mut self, items: u64) {
        self.submitted = self.submitted.saturating_add(items);
        self.not_started = self.not_started.saturating_add(items);
    }

    /// Items that have their outcome.
    pub fn ended(&self) -> u64 {
        self.done + self.skipped + self.lost()
    }

    /// Items that are neither done nor skipped.
    pub fn lost(&self) -> u64 {
        self.failed + self.timed_out + self.cancelled + self.panicked + self.not_started
    }

    /// Adds another job's counts.
    pub fn merge(&mut self, other: &Counts) {
        self.submitted += other.submitted;
        self.done += other.done;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.cancelled += other.cancelled;
        self.panicked += other.panicked;
        self.skipped += other.skipped;
        self.not_started += other.not_started;
    }
}

/// What an item brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Brought {
    /// Bytes received from the source.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "is_zero"))]
    pub bytes: u64,
    /// Rows received from the source.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "is_zero"))]
    pub rows: u64,
    /// The final name of its output, under the output folder.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Option::is_none"))]
    pub output: Option<String>,
    /// The entries that a page of a listing gave: the items that come of it.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "is_zero"))]
    pub entries: u64,
    /// Whether the output is new, changed or the same as before.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Option::is_none"))]
    pub change: Option<Change>,
}

impl Brought {
    /// Whether there is nothing to say.
    pub fn is_nothing(&self) -> bool {
        *self == Brought::default()
    }
}

#[cfg(feature = "plan")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How an output compares with what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Change {
    /// There was none.
    New,
    /// There was another.
    Changed,
    /// Fetched again, the same bytes.
    Same,
}
