//! One limit key: how much of it is free, and from when on.

use super::turns::Turns;
use super::{ItemId, Time};
use crate::gather::event::Reason;
use crate::gather::limit::{Limit, Rate};
use crate::gather::policy::Retries;
use std::sync::Arc;

pub(super) struct Key {
    pub(super) name: Arc<str>,
    /// `u64::MAX` where there is no limit.
    pub(super) capacity: u64,
    /// The weights of those who have it: more than the capacity after a resize, or for one that is heavier.
    pub(super) in_use: u64,
    rate: Option<Pace>,
    hold: Time,
    pub(super) gate: Option<Gate>,
    /// Queues whose head waits for this key.
    pub(super) parked: Turns,
    /// Something of it may be free, and nobody was looked at since.
    pub(super) is_freed: bool,
    /// When a timer will look at it again.
    pub(super) wake: Option<Time>,
}

/// The generic cell rate algorithm with a burst of one: starts are evenly spaced.
/// <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>
struct Pace {
    rate: Rate,
    next: Time,
}

/// Whether a source can be used.
pub(super) struct Gate {
    pub(super) state: GateState,
    pub(super) retries: Retries,
    /// Connects that failed since the source was last up.
    pub(super) failures: u32,
    /// Counts the times it was up, so that a lost link that many items report is one lost link.
    pub(super) epoch: u32,
}

#[derive(Clone)]
pub(super) enum GateState {
    /// Not known to be up: one item at a time, this one at the moment.
    Probing(Option<ItemId>),
    Up,
    Down(Arc<str>),
}

/// What keeps an item from a key.
pub(super) enum Blocked {
    /// Until something of it is given back.
    Room(Reason),
    /// Until then.
    Until(Time, Reason),
}

impl Blocked {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Blocked::Room(reason) | Blocked::Until(_, reason) => *reason,
        }
    }
}

impl Key {
    pub(super) fn new(limit: Limit) -> Key {
        Key {
            name: limit.name,
            capacity: limit.concurrency.unwrap_or(u64::MAX).max(1),
            in_use: 0,
            rate: limit.rate.map(|rate| Pace { rate, next: Time::ZERO }),
            hold: Time::ZERO,
            gate: limit.gate.map(|retries| Gate {
                state: GateState::Probing(None),
                retries,
                failures: 0,
                epoch: 0,
            }),
            parked: Turns::default(),
            is_freed: false,
            wake: None,
        }
    }

    /// What keeps an item of this weight from starting now, `reserved` being kept free for another.
    /// `is_source`: the key stands for the item's source, so its gate counts.
    pub(super) fn blocked(&self, weight: u64, reserved: u64, now: Time, is_source: bool) -> Option<Blocked> {
        if self.hold > now {
            return Some(Blocked::Until(self.hold, Reason::Hold));
        }
        if is_source && let Some(Gate { state: GateState::Probing(Some(_)), .. }) = &self.gate {
            return Some(Blocked::Room(Reason::Connect));
        }
        let next = self.rate.as_ref().map_or(Time::ZERO, |pace| pace.next);
        self.full(weight, reserved).or((next > now).then_some(Blocked::Until(next, Reason::Rate)))
    }

    /// Whether there is no room for this weight. What weighs more than there is may have all of it, alone.
    pub(super) fn full(&self, weight: u64, reserved: u64) -> Option<Blocked> {
        let others = self.in_use.saturating_add(reserved);
        let is_full = others > 0 && others.saturating_add(weight) > self.capacity;
        is_full.then_some(Blocked::Room(Reason::Concurrency))
    }

    /// An item starts.
    pub(super) fn take(&mut self, weight: u64, item: ItemId, now: Time, is_source: bool) {
        self.take_room(weight);
        if let Some(pace) = &mut self.rate {
            pace.next = pace.next.max(now).saturating_add(pace.rate.interval());
        }
        if is_source && let Some(Gate { state: GateState::Probing(probe), .. }) = &mut self.gate {
            *probe = Some(item);
        }
    }

    /// A parent goes on: that is not a start.
    pub(super) fn take_room(&mut self, weight: u64) {
        self.in_use += weight;
    }

    /// An item, or a parent that waits, gives back what it took.
    pub(super) fn give_back(&mut self, weight: u64, item: ItemId) {
        self.in_use -= weight;
        if let Some(Gate { state: GateState::Probing(probe), .. }) = &mut self.gate
            && *probe == Some(item)
        {
            *probe = None;
        }
    }

    pub(super) fn hold(&mut self, until: Time) {
        self.hold = self.hold.max(until);
    }

    pub(super) fn down(&self) -> Option<Arc<str>> {
        match &self.gate {
            Some(Gate { state: GateState::Down(why), .. }) => Some(why.clone()),
            _ => None,
        }
    }
}
