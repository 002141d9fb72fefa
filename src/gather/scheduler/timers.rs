//! What happens when its time has come. Not here: the time, which is passed in.

use super::{ItemId, JobId, KeyId, Scheduler, Time};
use crate::gather::outcome::Cause;
use crate::gather::policy::Stop;
use std::collections::BinaryHeap;

/// Timers that are kept though what they were set for is over; past it, those are removed.
const IDLE_TIMERS: usize = 1024;

/// All timers that are set.
#[derive(Default)]
pub(super) struct Timers {
    due: BinaryHeap<Due>,
    count: u64,
    /// Past so many, those that mean nothing any more are removed.
    most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    Key(KeyId),
    Retry(ItemId),
    QueueTimeout(ItemId),
    TotalTimeout(ItemId),
    Deadline(JobId),
    Grace(JobId),
}

/// A timer that is set; of two for the same time the one that was set first comes first.
struct Due {
    at: Time,
    order: u64,
    timer: Timer,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The heap gives the greatest first.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

#[cfg(test)]
impl Timers {
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}

impl Scheduler {
    /// When time alone will change something.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.timers.due.peek().map(|due| due.at)
    }

    /// A retry, a hold, a rate, a timeout, a deadline: all that is due by now happens.
    pub(crate) fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
        while self.timers.due.peek().is_some_and(|due| due.at <= self.now) {
            if let Some(due) = self.timers.due.pop() {
                self.fire(due.at, due.timer);
            }
        }
    }

    fn fire(&mut self, time: Time, timer: Timer) {
        match timer {
            Timer::Key(key) => {
                if self.keys[key.0 as usize].wake == Some(time) {
                    self.keys[key.0 as usize].wake = None;
                    self.frees(key);
                }
            }
            Timer::Retry(item) => self.retry(item),
            Timer::QueueTimeout(item) => self.queue_timeout(item),
            Timer::TotalTimeout(item) => self.total_timeout(item),
            Timer::Deadline(job) => self.cancel(job, &Cause::Deadline, Stop::CancelRunning),
            Timer::Grace(job) => self.abort(job),
        }
    }

    pub(super) fn set_timer(&mut self, at: Time, timer: Timer) {
        if self.timers.due.len() >= self.timers.most {
            self.remove_idle_timers();
        }
        self.timers.count += 1;
        self.timers.due.push(Due { at, order: self.timers.count, timer });
    }

    /// Ten million items that each have a timeout of an hour and take a second are not ten million timers.
    fn remove_idle_timers(&mut self) {
        let mut due = std::mem::take(&mut self.timers.due);
        due.retain(|due| self.means_something(due));
        // Twice as many as are needed, so that looking for idle ones costs little for each that is set.
        self.timers.most = IDLE_TIMERS.max(2 * due.len());
        self.timers.due = due;
    }

    fn means_something(&self, due: &Due) -> bool {
        match due.timer {
            Timer::Key(key) => self.keys[key.0 as usize].wake == Some(due.at),
            Timer::Retry(item) | Timer::TotalTimeout(item) => self.items.get(item).is_some(),
            Timer::QueueTimeout(item) => {
                self.items.get(item).is_some_and(|row| row.timing.started().is_none())
            }
            Timer::Deadline(job) | Timer::Grace(job) => self.jobs.get(job).is_some(),
        }
    }

    /// This long from now; a time that can't be reached is never.
    pub(super) fn after(&self, duration: Time) -> Time {
        self.now.saturating_add(duration)
    }
}
