//! Limits by name, and what an item needs of them. Not here: who gets them when (`scheduler`).

use super::policy::Retries;
use std::sync::Arc;
use std::time::Duration;

/// The settings of one limit key.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Its name: `run`, `source:shop`, `host:api.example:443`, `limit:warehouse`.
    pub name: Arc<str>,
    /// The weights of all running items that use it add up to no more than this. A plain item weighs 1; for a byte
    /// budget it weighs its bytes. Never 0.
    pub concurrency: Option<u64>,
    /// So many starts in so much time, evenly spaced.
    pub rate: Option<Rate>,
    /// It stands for a source: until one item has said that the source is up, they start one at a time, and when it
    /// can't be connected this often, none starts.
    pub gate: Option<Retries>,
}

impl Limit {
    /// A limit that limits nothing yet.
    pub fn new(name: impl Into<Arc<str>>) -> Limit {
        Limit { name: name.into(), concurrency: None, rate: None, gate: None }
    }

    /// At most so many at once; 0 is taken as 1.
    pub fn concurrency(self, most: u64) -> Limit {
        Limit { concurrency: Some(most.max(1)), ..self }
    }

    /// At most so many starts in a time.
    pub fn rate(self, count: u32, per: Duration) -> Limit {
        Limit { rate: Some(Rate { count: count.max(1), per }), ..self }
    }

    /// It stands for a source that has to be connected.
    pub fn gate(self, retries: Retries) -> Limit {
        Limit { gate: Some(retries), ..self }
    }
}

/// So many starts in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

impl Rate {
    /// The time between two starts.
    pub fn interval(self) -> Duration {
        self.per / self.count.max(1)
    }
}

/// A limit of a [`Run`](super::Run), made by [`Run::limit`](super::Run::limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(pub(super) u32);

/// What an item needs before it may start: all of it is granted at once, or none. Beside it every item needs one of
/// the run's own limit. Limits are named from the widest to the narrowest: items of which the first is the same take
/// turns as one, so that a source with a thousand hosts is served no more often than one with a single limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Needs {
    pub(super) weights: Vec<(LimitId, u64)>,
    pub(super) gate: Option<LimitId>,
}

impl Needs {
    /// Nothing but the run's own limit.
    pub fn none() -> Needs {
        Needs::default()
    }

    /// One of this limit, too.
    #[must_use]
    pub fn and(self, limit: LimitId) -> Needs {
        self.and_weight(limit, 1)
    }

    /// So much of this limit, too. More than the limit has is taken as all of it.
    #[must_use]
    pub fn and_weight(mut self, limit: LimitId, weight: u64) -> Needs {
        if !self.weights.iter().any(|(known, _)| *known == limit) {
            self.weights.push((limit, weight));
        }
        self
    }

    /// This limit stands for the item's source: see [`Limit::gate`]. It need not be among the weights.
    #[must_use]
    pub fn source(self, gate: LimitId) -> Needs {
        Needs { gate: Some(gate), ..self.and(gate) }
    }
}
