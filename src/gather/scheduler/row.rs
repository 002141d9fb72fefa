//! An item as the scheduler has it, what its driver has to do for it, and how it can end. Not here: what is decided.

use super::{ItemId, JobId, QueueId, Time, Timing};
use crate::gather::event::{ItemNumber, Reason, Wait};
use crate::gather::outcome::{Cause, State, Timeout};
use std::sync::Arc;

/// An item that has no outcome yet.
pub(crate) struct Row {
    pub(super) job: JobId,
    pub(super) queue: QueueId,
    pub(super) slot: u32,
    pub(super) number: ItemNumber,
    pub(super) key: Option<Arc<str>>,
    pub(super) state: RowState,
    /// Retries it used up; attempts that only tried to connect its source are not among them.
    pub(super) retries: u32,
    pub(super) can_repeat: bool,
    pub(super) timing: Timing,
    /// How often its attempts could not connect its source.
    pub(super) connects: u32,
    /// Its source's epoch when its attempt started, or when it last saw the source up.
    pub(super) epoch: u32,
    /// Its attempt has seen the source up.
    pub(super) saw_up: bool,
    /// What it waits for, or waited for before it queued, that is no limit.
    pub(super) pause: Option<Pause>,
    /// The text of its last error, if somebody listens.
    pub(super) last_error: Option<String>,
}

/// A wait for something that is no limit.
pub(super) struct Pause {
    pub(super) since: Time,
    pub(super) reason: Reason,
    /// The source that it is for, if it is for one.
    pub(super) source: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowState {
    /// In its queue since then. An attempt that wants its slot back is in its queue, too: that of a parent began then.
    Queued { since: Time, resuming: bool },
    /// Running since then.
    Running { since: Time },
    /// A parent that waits for its children; its attempt began then.
    Suspended { since: Time },
    /// Between two attempts, since then.
    Pausing { since: Time },
    /// Its attempt waits since then, holds nothing, and does not count as running until it goes on.
    Aside { since: Time },
}

impl Row {
    /// Whether nothing of the item runs.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self.state, RowState::Queued { resuming: false, .. } | RowState::Pausing { .. })
    }

    /// Whether its attempt is set aside, or waits to go on after that: it is told as ended.
    pub(super) fn is_aside(&self) -> bool {
        let goes_on = matches!(self.state, RowState::Queued { resuming: true, .. }) && self.pause.is_some();
        goes_on || matches!(self.state, RowState::Aside { .. })
    }

    /// The pause before it queued at `since`, if there was one.
    pub(super) fn paused(&self, since: Time) -> Option<Wait> {
        let Pause { since: paused, reason, source } = self.pause.as_ref()?;
        let duration = since.saturating_sub(*paused);
        (!duration.is_zero()).then(|| Wait { reason: *reason, limit: source.clone(), duration })
    }
}

/// What a driver has to do for one of its items. `slot` is the driver's own number of the item, which it may have used
/// again if the item ended meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Action {
    pub(crate) item: ItemId,
    pub(crate) slot: u32,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// Start an attempt, which counts as started since then.
    Start { attempt: u32, lane: u32, at: Time },
    /// Let an attempt go on that has its slot again: a parent, or one that was set aside.
    Resume,
    /// Ask the running attempt to stop.
    Ask(Cause),
    /// Abort the running attempt.
    Abort,
    /// Abort the running attempt: the item's time is over.
    TimeOut(Timeout),
    /// The item ended while nothing of it ran.
    End(Box<(Ending, Timing)>),
}

/// How an item ended while nothing of it ran.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    NotStarted(Cause),
    Cancelled(Cause),
    TimedOut(Timeout),
    /// With the error of its last attempt.
    LastError,
}

impl Ending {
    pub(crate) fn state(&self) -> State {
        match self {
            Ending::NotStarted(_) => State::NotStarted,
            Ending::Cancelled(_) => State::Cancelled,
            Ending::TimedOut(_) => State::TimedOut,
            Ending::LastError => State::Failed,
        }
    }

    pub(super) fn why(&self) -> Option<String> {
        match self {
            Ending::NotStarted(cause) | Ending::Cancelled(cause) => Some(cause.to_string()),
            Ending::TimedOut(timeout) => Some(timeout.to_string()),
            Ending::LastError => None,
        }
    }
}
