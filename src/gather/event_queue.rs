//! Events on their way to the one who reads them: bounded, in order, and nothing is lost. A slow reader stops the
//! intake of new items; what already runs may still add its events. The reader is woken for many at once.

#[cfg(test)]
mod tests;

use super::event::{Clean, Event};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// After a read, a queue less than half full waits this long for the next: a wake costs more than to write a hundred
/// events.
const LULL: Duration = Duration::from_millis(20);

/// See the module.
pub struct EventQueue {
    capacity: usize,
    /// What events are cleaned by on their way out.
    clean: Option<Clean>,
    inner: Mutex<Inner>,
    /// Told of the first event, and of the end.
    filled: Notify,
    /// Told when it is half full, and of the end.
    half_full: Notify,
    /// Told when there is room again.
    emptied: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Event>,
    closed: bool,
    /// When it was last read.
    read_at: Option<Instant>,
}

impl EventQueue {
    pub(super) fn new(capacity: usize, clean: Option<Clean>) -> EventQueue {
        EventQueue {
            capacity: capacity.max(1),
            clean,
            inner: Mutex::default(),
            filled: Notify::new(),
            half_full: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// Takes over all events, in order.
    pub(super) fn push(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut inner = self.lock();
        let (was_empty, was_half_full) = (inner.waiting.is_empty(), self.is_half_full(&inner));
        inner.waiting.append(events);
        let is_half_full = self.is_half_full(&inner);
        drop(inner);
        if was_empty {
            self.filled.notify_one();
        }
        if is_half_full && !was_half_full {
            self.half_full.notify_one();
        }
    }

    /// Whether the reader is behind: no new items are taken in.
    pub(super) fn is_full(&self) -> bool {
        self.lock().waiting.len() >= self.capacity
    }

    /// Waits until the reader has caught up.
    pub(super) async fn room(&self) {
        loop {
            let emptied = self.emptied.notified();
            if !self.is_full() {
                return;
            }
            emptied.await;
        }
    }

    /// Waits for events and puts all there are in the place of `events`, whose memory the next ones are gathered in. The
    /// first is read at once, those that follow together, 20 ms later. False, and none, once the queue is closed and read
    /// to its end. Runs on a runtime of tokio's with its time enabled; dropped, it has taken nothing.
    pub async fn read(&self, events: &mut Vec<Event>) -> bool {
        events.clear();
        loop {
            self.wait().await;
            self.take(events);
            if !events.is_empty() || self.lock().closed {
                return !events.is_empty();
            }
        }
    }

    /// As [`EventQueue::read`], but takes what there is now, be it nothing.
    pub fn take(&self, events: &mut Vec<Event>) {
        events.clear();
        let mut inner = self.lock();
        std::mem::swap(&mut inner.waiting, events);
        inner.read_at = Some(Instant::now());
        drop(inner);
        self.emptied.notify_waiters();
        if let Some(clean) = &self.clean {
            events.iter_mut().for_each(|event| clean.event(event));
        }
    }

    /// Waits until it is time to read: for a lull, unless it is half full, and then for the first event.
    async fn wait(&self) {
        let read_at = self.lock().read_at;
        if let Some(read_at) = read_at {
            let _ = timeout_at(read_at + LULL, self.told(&self.half_full, |inner| self.is_half_full(inner)))
                .await;
        }
        self.told(&self.filled, |inner| !inner.waiting.is_empty()).await;
    }

    /// Waits until it is so, or closed, which is looked at whenever there is a notice.
    async fn told(&self, notice: &Notify, is_so: impl Fn(&Inner) -> bool) {
        loop {
            let noticed = notice.notified();
            if self.is_closed_or(&is_so) {
                return;
            }
            noticed.await;
        }
    }

    fn is_closed_or(&self, is_so: impl Fn(&Inner) -> bool) -> bool {
        let inner = self.lock();
        inner.closed || is_so(&inner)
    }

    fn is_half_full(&self, inner: &Inner) -> bool {
        2 * inner.waiting.len() >= self.capacity
    }

    /// No more events will come: the reader ends after those that are there.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.half_full.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
