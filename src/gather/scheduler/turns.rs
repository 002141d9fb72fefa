//! Who is next: queues in turn within their source, and sources in turn, so that a source with a thousand hosts takes
//! no more turns than one with a single queue.

use super::QueueId;
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Turns {
    /// None of them is empty.
    sources: VecDeque<(u32, VecDeque<QueueId>)>,
    /// The room of one that became empty: with a single queue that happens at every turn.
    spare: VecDeque<QueueId>,
}

impl Turns {
    /// Puts a queue behind the others of its source.
    pub(super) fn push(&mut self, source: u32, queue: QueueId) {
        match self.sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, queues)) => queues.push_back(queue),
            None => {
                let mut queues = std::mem::take(&mut self.spare);
                queues.push_back(queue);
                self.sources.push_back((source, queues));
            }
        }
    }

    /// Puts a queue before all others.
    pub(super) fn push_first(&mut self, source: u32, queue: QueueId) {
        let place = self.sources.iter().position(|(known, _)| *known == source);
        let mut queues = place
            .and_then(|place| self.sources.remove(place))
            .map_or_else(VecDeque::new, |(_, queues)| queues);
        queues.push_front(queue);
        self.sources.push_front((source, queues));
    }

    /// All queues, in the order of their sources' turns.
    pub(super) fn all(&self) -> Vec<QueueId> {
        self.sources.iter().flat_map(|(_, queues)| queues.iter().copied()).collect()
    }

    /// The queue whose turn it is.
    pub(super) fn front(&self) -> Option<QueueId> {
        self.sources.front().and_then(|(_, queues)| queues.front().copied())
    }

    /// Takes the queue whose turn it is; its source goes behind the others.
    pub(super) fn pop(&mut self) -> Option<QueueId> {
        let (source, mut queues) = self.sources.pop_front()?;
        let queue = queues.pop_front();
        if queues.is_empty() {
            self.spare = queues;
        } else {
            self.sources.push_back((source, queues));
        }
        queue
    }

    /// Takes a queue out, wherever it stands.
    pub(super) fn remove(&mut self, queue: QueueId) {
        for (_, queues) in &mut self.sources {
            queues.retain(|other| *other != queue);
        }
        self.sources.retain(|(_, queues)| !queues.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }
}
