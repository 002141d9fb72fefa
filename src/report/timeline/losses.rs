//! Items that were lost, grouped by why: a run in which forty items fail for one reason says so once. Not here: how
//! it is said.

use crate::gather::{JobNumber, State};
use std::collections::BTreeMap;

/// The most reasons that are kept apart. Past it items are only counted.
pub const REASONS: usize = 200;
/// The most labels that are kept of the items with one reason.
pub const NAMED: usize = 4;

/// Items that were lost for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How they ended.
    pub state: State,
    /// Whose items they are.
    pub scope: Scope,
    /// Why, in the words of the first one.
    pub why: String,
    /// How many.
    pub count: u64,
    /// The labels of the first ones, at most [`NAMED`].
    pub labels: Vec<String>,
}

/// Whose items are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of one job.
    Job(JobNumber),
    /// Those of a source that could not be used: its number.
    Source(usize),
    /// Those of the run.
    Run,
}

/// What losses have in common that are taken together: how grave they are, whose, and why.
type Place = (u8, Scope, String);

/// All losses of a run.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    groups: Vec<Loss>,
    index: BTreeMap<Place, usize>,
    others: u64,
}

impl Losses {
    /// Books an item that was lost. Its key is left out where reasons are compared.
    pub fn add(&mut self, state: State, scope: Scope, why: &str, key: Option<&str>, label: &str) {
        let why_alone = if matches!(scope, Scope::Source(_)) { why.to_owned() } else { without(why, key) };
        self.book((rank(state), scope, why_alone), state, why, label, 1);
    }

    /// Books items of one job that are not told one by one.
    pub fn add_many(&mut self, state: State, scope: Scope, why: &str, label: &str, count: u64) {
        self.book((rank(state), scope, why.to_owned()), state, why, label, count);
    }

    fn book(&mut self, place: Place, state: State, why: &str, label: &str, count: u64) {
        match self.index.get(&place) {
            Some(&at) => self.groups[at].count(label, count),
            None if self.groups.len() < REASONS => {
                self.groups.push(Loss {
                    state,
                    scope: place.1,
                    why: why.to_owned(),
                    count,
                    labels: vec![label.to_owned()],
                });
                self.index.insert(place, self.groups.len() - 1);
            }
            None => self.others += count,
        }
    }

    /// The groups in the order in which they are shown: the gravest last, there in order of their first item.
    pub fn in_order(&self) -> Vec<&Loss> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|loss| rank(loss.state));
        groups
    }

    /// The losses as they came.
    pub fn groups(&self) -> &[Loss] {
        &self.groups
    }

    /// How many items have reasons that were not kept.
    pub fn others(&self) -> u64 {
        self.others
    }
}

impl Loss {
    fn count(&mut self, label: &str, count: u64) {
        self.count = self.count.saturating_add(count);
        if self.labels.len() < NAMED {
            self.labels.push(label.to_owned());
        }
    }
}

/// How grave an outcome is: what follows from something else first, what is broken last.
fn rank(state: State) -> u8 {
    match state {
        State::Done | State::Skipped => 0,
        State::NotStarted => 1,
        State::Cancelled => 2,
        State::TimedOut => 3,
        State::Failed => 4,
        State::Panicked => 5,
    }
}

/// A reason without the item's own key: `GET https://api/EUR: 500` and `GET https://api/USD: 500` are one reason. The
/// key `1` is no part of the address `127.0.0.1`.
fn without(why: &str, key: Option<&str>) -> String {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return why.to_owned() };
    let inside = |c: char| c.is_alphanumeric() || c == '.';
    let mut left = String::new();
    let mut rest = why;
    while let Some(at) = rest.find(key) {
        let (before, after) = (&rest[..at], &rest[at + key.len()..]);
        let last = before.chars().next_back().or(left.chars().next_back());
        let alone = !last.is_some_and(inside) && !after.starts_with(char::is_alphanumeric);
        left += before;
        left += if alone { "\0" } else { key };
        rest = after;
    }
    left + rest
}
