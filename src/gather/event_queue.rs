//! Events on their way to the one who reads them: bounded, in order, and nothing is lost. A slow reader stops the
//! intake of new items; what already runs may still add its events.

use super::event::{Clean, Event};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// See the module.
pub struct EventQueue {
    capacity: usize,
    /// What events are cleaned by on their way out.
    clean: Option<Clean>,
    inner: Mutex<Inner>,
    /// Told when there is something to read.
    filled: Notify,
    /// Told when there is room again.
    emptied: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Event>,
    closed: bool,
}

impl EventQueue {
    pub(super) fn new(capacity: usize, clean: Option<Clean>) -> EventQueue {
        EventQueue {
            capacity: capacity.max(1),
            clean,
            inner: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// Takes over all events, in order.
    pub(super) fn push(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.lock().waiting.extend(events.drain(..));
        self.filled.notify_one();
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

    /// Waits for events and takes all there are; empty once the queue is closed and read to its end.
    pub async fn read(&self) -> Vec<Event> {
        loop {
            let filled = self.filled.notified();
            {
                let mut inner = self.lock();
                if !inner.waiting.is_empty() || inner.closed {
                    let mut events: Vec<Event> = std::mem::take(&mut inner.waiting).into();
                    drop(inner);
                    self.emptied.notify_waiters();
                    if let Some(clean) = &self.clean {
                        events.iter_mut().for_each(|event| clean.event(event));
                    }
                    return events;
                }
            }
            filled.await;
        }
    }

    /// No more events will come: the reader ends after those that are there.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
