//! What an item waited for. Not here: that it has to (`admit`).

use super::{ItemId, RowState, Scheduler, Time};
use crate::gather::event::Wait;

impl Scheduler {
    /// What an item waited for that was queued at `since`: a pause before that, and what its queue waited for.
    pub(super) fn waits(&self, item: ItemId, since: Time) -> Vec<Wait> {
        let row = &self.items[item];
        let queue_waits = self.queues[row.queue].waits(since, self.now).into_iter();
        let queue_waits = queue_waits.map(|wait| {
            let key = wait.key.0 as usize;
            wait.named(&self.keys[key].name)
        });
        row.paused(since).into_iter().chain(queue_waits).collect()
    }

    /// What an item waited for that ends now, if it does wait.
    pub(super) fn waited(&self, item: ItemId) -> Vec<Wait> {
        match self.items.get(item).map(|row| row.state) {
            Some(RowState::Queued { since, resuming }) if !resuming || self.items[item].is_aside() => {
                self.waits(item, since)
            }
            Some(RowState::Pausing { .. } | RowState::Aside { .. }) => self.waits(item, self.now),
            _ => Vec::new(),
        }
    }
}
