//! An attempt without its slot: it waits for gathers below it, or for something that is no limit, and then for its slot.
//! Not here: who is given a slot (`scheduler`).

use super::event::Reason;
use super::run::Link;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Whether an attempt has its slot, and who waits for that.
#[derive(Default)]
pub(super) struct Rest {
    state: Mutex<State>,
    /// Told when it has its slot again.
    resumed: Notify,
}

#[derive(Default)]
struct State {
    /// Gathers below it that go on.
    gathers: usize,
    /// It waits for something that is no limit.
    is_aside: bool,
    /// Its slot is still to come back.
    is_wanted: bool,
}

impl Rest {
    /// Whether it holds no slot at present.
    pub(super) fn is_on(&self) -> bool {
        let state = self.state();
        state.gathers > 0 || state.is_aside || state.is_wanted
    }

    /// Whether gathers below it go on.
    pub(super) fn has_gathers(&self) -> bool {
        self.state().gathers > 0
    }

    /// Gives the slot back for a gather below. If an earlier one was given up and the slot is still to come, that is waited
    /// for first: it would be held beside the children, who may need it.
    pub(super) async fn give_back<'a>(&'a self, link: &'a Link) -> Waiting<'a> {
        loop {
            let resumed = self.resumed.notified();
            if let Some(waiting) = self.try_give_back(link) {
                return waiting;
            }
            resumed.await;
        }
    }

    fn try_give_back<'a>(&'a self, link: &'a Link) -> Option<Waiting<'a>> {
        let mut state = self.state();
        if state.gathers == 0 {
            if state.is_wanted {
                return None;
            }
            link.run.with(|scheduler| scheduler.suspend(link.item));
        }
        state.gathers += 1;
        Some(Waiting { rest: self, link })
    }

    /// Gives the slot back for a wait that is no limit's.
    pub(super) fn set_aside(&self, link: &Link, reason: Reason) {
        let mut state = self.state();
        state.is_aside = true;
        state.is_wanted = false;
        link.run.with(|scheduler| scheduler.set_aside(link.item, reason));
        drop(state);
        self.resumed.notify_waiters();
    }

    /// That wait is over.
    pub(super) fn go_on(&self, link: &Link) {
        let mut state = self.state();
        state.is_aside = false;
        state.want(link);
    }

    /// Waits until it has its slot, if that is to come back: not while other gathers below it go on.
    pub(super) async fn over(&self) {
        loop {
            let resumed = self.resumed.notified();
            if !self.state().is_wanted {
                return;
            }
            resumed.await;
        }
    }

    /// It has its slot again, unless it has given that back meanwhile.
    pub(super) fn resume(&self, link: &Link) {
        let mut state = self.state();
        state.is_wanted = link.run.with(|scheduler| scheduler.is_wanted_back(link.item));
        drop(state);
        self.resumed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wants the slot back, if nothing is left for which it was given back.
    fn want(&mut self, link: &Link) {
        if self.gathers == 0 && !self.is_aside {
            self.is_wanted = link.run.with(|scheduler| {
                scheduler.want_back(link.item);
                scheduler.is_wanted_back(link.item)
            });
        }
    }
}

/// A wait for a gather below. With the last one of an attempt its slot is wanted back, also if the wait is given up.
pub(super) struct Waiting<'a> {
    rest: &'a Rest,
    link: &'a Link,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.rest.state();
        state.gathers -= 1;
        state.want(self.link);
    }
}

#[cfg(test)]
mod tests;
