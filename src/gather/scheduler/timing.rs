//! The times of an item. Kept as whole nanoseconds, since a report of millions of items holds one for each.

use super::Time;
use std::fmt;
use std::time::Duration;

/// Stands for a start that was never, and for no lane.
const NEVER: u64 = u64::MAX;
const NO_LANE: u32 = u32::MAX;

/// The times of an item, since its run began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    queued: u64,
    started: u64,
    ended: u64,
    running: u64,
    attempts: u32,
    lane: u32,
}

impl Timing {
    /// When it was submitted.
    pub fn queued(&self) -> Duration {
        Duration::from_nanos(self.queued)
    }

    /// When its first attempt started, if one did.
    pub fn started(&self) -> Option<Duration> {
        (self.started != NEVER).then(|| Duration::from_nanos(self.started))
    }

    /// When it got its outcome.
    pub fn ended(&self) -> Duration {
        Duration::from_nanos(self.ended)
    }

    /// The time its attempts ran, waits not counted.
    pub fn running(&self) -> Duration {
        Duration::from_nanos(self.running)
    }

    /// How many attempts there were.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The lane of its last attempt.
    pub fn lane(&self) -> Option<u32> {
        (self.lane != NO_LANE).then_some(self.lane)
    }

    /// Of an item that is submitted now.
    pub(super) fn submitted(now: Time) -> Timing {
        Timing { queued: nanos(now), started: NEVER, ended: 0, running: 0, attempts: 0, lane: NO_LANE }
    }

    /// An attempt starts. Says whether it is the first.
    pub(super) fn start(&mut self, now: Time, lane: u32) -> bool {
        self.attempts += 1;
        self.lane = lane;
        let first = self.started == NEVER;
        if first {
            self.started = nanos(now);
        }
        first
    }

    /// An attempt that was set aside goes on.
    pub(super) fn go_on(&mut self, lane: u32) {
        self.lane = lane;
    }

    /// An attempt that started then ends.
    pub(super) fn stop(&mut self, since: Time, now: Time) {
        self.running += nanos(now - since);
    }

    /// The item has its outcome.
    pub(super) fn end(self, now: Time) -> Timing {
        Timing { ended: nanos(now), ..self }
    }
}

/// A run of 584 years is long enough.
fn nanos(time: Time) -> u64 {
    time.as_nanos().min(u128::from(NEVER - 1)) as u64
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timing")
            .field("queued", &self.queued())
            .field("started", &self.started())
            .field("ended", &self.ended())
            .field("running", &self.running())
            .field("attempts", &self.attempts)
            .field("lane", &self.lane())
            .finish()
    }
}
