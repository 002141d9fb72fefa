//! The way of the ends of a job's attempts to its driver, which takes them all at once: one short lock for an end, and one
//! wake for as many as came since the driver last looked. Not here: how an attempt ends (`attempt`).

use super::attempt::Ran;
use super::context::Working;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// An attempt that ended.
pub(super) struct Finished<T, E> {
    pub(super) slot: u32,
    pub(super) ran: Ran<T, E>,
}

/// Those that the driver has not taken up yet: at most as many as run at once.
pub(super) struct Finishes<T, E> {
    waiting: Mutex<VecDeque<Finished<T, E>>>,
    /// Wakes the driver.
    notify: Arc<Notify>,
    /// Keeps the attempt that the job is below from ending before the last of these has.
    _parent_attempt: Option<Working>,
}

impl<T, E> Finishes<T, E> {
    pub(super) fn new(notify: Arc<Notify>, parent_attempt: Option<Working>) -> Arc<Self> {
        Arc::new(Finishes { waiting: Mutex::default(), notify, _parent_attempt: parent_attempt })
    }

    /// Tells the driver of one.
    pub(super) fn push(&self, finished: Finished<T, E>) {
        let mut waiting = self.lock();
        waiting.push_back(finished);
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            self.notify.notify_one();
        }
    }

    /// Takes all there are in place of an empty list.
    pub(super) fn swap(&self, taken: &mut VecDeque<Finished<T, E>>) {
        debug_assert!(taken.is_empty(), "what was taken is not to be given back");
        std::mem::swap(&mut *self.lock(), taken);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Finished<T, E>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
