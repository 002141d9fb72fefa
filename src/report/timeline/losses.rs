//! Items that were lost, grouped by why: a run in which forty items fail for one reason says so once. Not here: how
//! it is said.

use crate::gather::{JobNumber, State};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The most reasons that are kept apart. Past it items are only counted.
pub const REASONS: usize = 200;
/// The most labels that are kept of the items with one reason.
pub const NAMED: usize = 4;
/// The most places of a key in a reason that may be its own or not, each by itself.
const PLACES: usize = 4;

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
    /// Books an item that was lost. Its key is left out where reasons are compared, unless they are the same only with
    /// it.
    pub fn add(&mut self, state: State, scope: Scope, why: &str, key: Option<&str>, label: &str) {
        let key = key.filter(|_| !matches!(scope, Scope::Source(_)));
        self.book(forms(why, key), state, scope, why, label, 1);
    }

    /// Books items of one job that are not told one by one.
    pub fn add_many(&mut self, state: State, scope: Scope, why: &str, label: &str, count: u64) {
        self.book(vec![why.to_owned()], state, scope, why, label, count);
    }

    fn book(&mut self, forms: Vec<String>, state: State, scope: Scope, why: &str, label: &str, count: u64) {
        let places: Vec<Place> = forms.into_iter().map(|form| (rank(state), scope, form)).collect();
        match places.iter().find_map(|place| self.index.get(place)) {
            Some(&at) => self.groups[at].count(label, count),
            None if self.groups.len() < REASONS => {
                let (why, labels) = (why.to_owned(), vec![label.to_owned()]);
                let at = self.groups.len();
                self.groups.push(Loss { state, scope, why, count, labels });
                self.index.extend(places.into_iter().map(|place| (place, at)));
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

    /// Of the groups in order the gravest, at most so many; of those that are as grave the largest.
    pub fn gravest(&self, most: usize) -> Vec<&Loss> {
        let mut groups: Vec<_> = self.in_order().into_iter().enumerate().collect();
        groups.sort_by_key(|(_, loss)| Reverse((rank(loss.state), loss.count)));
        groups.truncate(most);
        groups.sort_by_key(|(at, _)| *at);
        groups.into_iter().map(|(_, loss)| loss).collect()
    }

    /// The losses as they came.
    pub fn groups(&self) -> &[Loss] {
        &self.groups
    }

    /// How many items were lost.
    pub fn count(&self) -> u64 {
        self.groups.iter().fold(self.others, |sum, loss| sum.saturating_add(loss.count))
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

/// The forms by which a reason is found, the closest first: as it is, and without the item's own key, so that
/// `GET https://api/EUR: 500` and `GET https://api/USD: 500` are one reason. Of the item `500` the text holds the key twice,
/// of the others once: so it is left out in one place, in neighbouring ones, or in all.
fn forms(why: &str, key: Option<&str>) -> Vec<String> {
    let mut forms = vec![why.to_owned()];
    let Some(key) = key.filter(|key| !key.is_empty()) else { return forms };
    let places = places(why, key);
    let near = &places[..places.len().min(PLACES)];
    for some in 1..=near.len() {
        forms.extend(near.windows(some).map(|places| without(why, key, places)));
    }
    if places.len() > near.len() {
        forms.push(without(why, key, &places));
    }
    forms
}

/// Where a key stands for itself. The key `1` is no part of the address `127.0.0.1`.
fn places(why: &str, key: &str) -> Vec<usize> {
    let inside = |c: char| c.is_alphanumeric() || c == '.';
    let alone = |at: &usize| {
        !why[..*at].ends_with(inside) && !why[at + key.len()..].starts_with(char::is_alphanumeric)
    };
    why.match_indices(key).map(|(at, _)| at).filter(alone).collect()
}

/// The reason without the key in these places.
fn without(why: &str, key: &str, places: &[usize]) -> String {
    let (mut left, mut from) = (String::new(), 0);
    for at in places {
        left += &why[from..*at];
        left.push('\0');
        from = at + key.len();
    }
    left + &why[from..]
}
