//! Things that are dealt with in groups, off the runtime's threads: while one group is dealt with, the next comes together.
//! Nobody waits for company, so a group is as old as the one before it took. Not here: what is done with them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// What is dealt with in groups.
pub(super) struct Groups<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    /// For those that wait and those that are dealt with.
    room: Semaphore,
    /// The most of a group.
    most: usize,
    deal: Box<dyn Fn(Vec<T>) + Send + Sync>,
    /// Told when there is nothing left.
    rests: Notify,
}

struct State<T> {
    waiting: Vec<T>,
    /// A thread deals with them until there are no more.
    busy: bool,
}

impl<T: Send + 'static> Groups<T> {
    /// Groups of at most so many, of which one may wait while another is dealt with. `deal` blocks.
    pub(super) fn new(most: usize, deal: impl Fn(Vec<T>) + Send + Sync + 'static) -> Groups<T> {
        let state = Mutex::new(State { waiting: Vec::new(), busy: false });
        let (room, rests) = (Semaphore::new(2 * most), Notify::new());
        Groups(Arc::new(Shared { state, room, most, deal: Box::new(deal), rests }))
    }

    /// Adds one, once there is room for it.
    pub(super) async fn add(&self, one: T) {
        let room = self.0.room.acquire().await.expect("it is never closed");
        room.forget();
        let begins = {
            let mut state = self.0.state();
            state.waiting.push(one);
            !std::mem::replace(&mut state.busy, true)
        };
        if begins {
            let shared = self.0.clone();
            tokio::task::spawn_blocking(move || while shared.deal_with_one() {});
        }
    }

    /// Waits until there is nothing left.
    pub(super) async fn settled(&self) {
        loop {
            let rests = self.0.rests.notified();
            if !self.0.state().busy {
                return;
            }
            rests.await;
        }
    }
}

impl<T> Shared<T> {
    /// Deals with the next group, if there is one.
    fn deal_with_one(&self) -> bool {
        let group: Vec<T> = {
            let mut state = self.state();
            if state.waiting.is_empty() {
                state.busy = false;
                self.rests.notify_waiters();
                return false;
            }
            let count = state.waiting.len().min(self.most);
            state.waiting.drain(..count).collect()
        };
        let count = group.len();
        // A panic has been told by its hook. Those of its group are gone, and nobody waits for ever for the others.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.deal)(group)));
        self.room.add_permits(count);
        true
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// What came while the first group was dealt with is one group, as far as it may be.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_is_what_came_while_the_one_before_was_dealt_with() {
        let (go, gate) = mpsc::channel();
        let (gate, dealt) = (Mutex::new(gate), Arc::new(Mutex::new(Vec::new())));
        let told = dealt.clone();
        let groups = Groups::new(3, move |group: Vec<u32>| {
            gate.lock().unwrap().recv().unwrap();
            told.lock().unwrap().push(group);
        });
        groups.add(1).await;
        while !groups.0.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        for one in 2..=6 {
            groups.add(one).await;
        }
        assert_eq!(groups.0.room.available_permits(), 0, "there is room for two groups, and no more");
        (0..3).for_each(|_| go.send(()).unwrap());
        groups.settled().await;
        assert_eq!(*dealt.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![5, 6]]);
        assert_eq!(groups.0.room.available_permits(), 6);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_that_panics_keeps_nobody_waiting() {
        let dealt = Arc::new(Mutex::new(Vec::new()));
        let told = dealt.clone();
        let groups = Groups::new(1, move |group: Vec<u32>| {
            assert_ne!(group, [1], "the first one");
            told.lock().unwrap().extend(group);
        });
        for one in 1..=4 {
            groups.add(one).await;
        }
        groups.settled().await;
        assert_eq!(*dealt.lock().unwrap(), [2, 3, 4]);
    }
}
