//! What a gather returns: the outcomes in submission order, with their times.

use super::event::{Counts, ItemNumber};
use super::outcome::{Cause, Outcome};
use super::scheduler::Timing;
use std::sync::Arc;
use std::time::Duration;

/// All items of a job, in the order they were submitted, whatever finished first. With the feature `report` it is shown as
/// the waterfall of its items.
#[derive(Debug, Clone)]
pub struct Report<T, E> {
    /// The job's name.
    pub name: Arc<str>,
    /// Every item that was submitted.
    pub items: Vec<ItemReport<T, E>>,
    /// Them by outcome.
    pub counts: Counts,
    /// Why the job was stopped before its end, if it was.
    pub stopped: Option<Cause>,
    /// From the job's start to its end.
    pub wall: Duration,
}

/// How one item ended, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemReport<T, E> {
    /// Its place in submission order, from 0.
    pub number: ItemNumber,
    /// Its key, if it has one.
    pub key: Option<Arc<str>>,
    /// How it ended.
    pub outcome: Outcome<T, E>,
    /// Its times.
    pub timing: Timing,
}

impl<T, E> Report<T, E> {
    /// The outcomes alone, in submission order.
    pub fn into_outcomes(self) -> Vec<Outcome<T, E>> {
        self.items.into_iter().map(|item| item.outcome).collect()
    }
}
