//! Where a job's outcomes go: into a report, or to a reader as they come.

use super::report::ItemReport;
use std::collections::VecDeque;
use tokio::sync::mpsc::Sender;

/// The most items that room is made for before they have ended.
const RESERVE: u64 = 1 << 20;

pub(super) enum Output<T, E> {
    /// By number, for the report.
    Collect(Vec<Option<ItemReport<T, E>>>),
    /// To a reader, and what it had no room for. While there is any, no item is pulled.
    Stream(Sender<ItemReport<T, E>>, VecDeque<ItemReport<T, E>>),
}

impl<T, E> Output<T, E> {
    /// `expected` items, where that is known.
    pub(super) fn collect(expected: Option<u64>) -> Self {
        Output::Collect(Vec::with_capacity(expected.unwrap_or(0).min(RESERVE) as usize))
    }

    pub(super) fn stream(to: Sender<ItemReport<T, E>>) -> Self {
        Output::Stream(to, VecDeque::new())
    }

    pub(super) fn push(&mut self, item: ItemReport<T, E>) {
        match self {
            Output::Collect(items) => {
                let place = item.number as usize;
                if items.len() < place {
                    items.resize_with(place, || None);
                }
                match items.get_mut(place) {
                    Some(empty) => *empty = Some(item),
                    None => items.push(Some(item)),
                }
            }
            Output::Stream(to, waiting) if waiting.is_empty() => {
                if let Err(error) = to.try_send(item) {
                    waiting.push_back(error.into_inner());
                }
            }
            Output::Stream(_, waiting) => waiting.push_back(item),
        }
    }

    /// Whether the reader has to catch up first.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self, Output::Stream(_, waiting) if !waiting.is_empty())
    }

    /// Hands on what the reader had no room for.
    pub(super) async fn deliver(&mut self) {
        let Output::Stream(to, waiting) = self else { return };
        while !waiting.is_empty() {
            match to.reserve().await {
                Ok(place) => {
                    if let Some(item) = waiting.pop_front() {
                        place.send(item);
                    }
                }
                // The reader is gone, and with it all interest.
                Err(_) => waiting.clear(),
            }
        }
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Output::Collect(Vec::new()))
    }

    pub(super) fn into_items(self) -> Vec<ItemReport<T, E>> {
        match self {
            // A map, not a flatten: it collects in place, without a second copy of everything.
            Output::Collect(items) => items
                .into_iter()
                .map(|item| item.expect("a job is over when every item has its outcome"))
                .collect(),
            Output::Stream(..) => Vec::new(),
        }
    }
}
