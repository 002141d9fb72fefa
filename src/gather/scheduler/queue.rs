//! Items of one job with the same needs, first come first served, and a record of what kept them waiting.

use super::{ItemId, KeyId, Time};
use crate::gather::event::{Reason, Wait};
use std::collections::VecDeque;
use std::time::Duration;

/// Changes of what a queue waits for that are kept apart; older ones are merged into the oldest.
const SPELLS: usize = 32;

pub(crate) struct Queue {
    /// The first limit it needs: queues of one source take turns as one.
    pub(super) source: u32,
    /// What each item takes, the run's own limit included.
    pub(super) weights: Box<[(KeyId, u64)]>,
    pub(super) gate: Option<KeyId>,
    pub(super) items: VecDeque<ItemId>,
    pub(super) place: Place,
    /// Items without an outcome that belong to it, wherever they are.
    pub(super) live: u64,
    /// How often others were served before it though it waited longer.
    pub(super) passed: u32,
    spells: VecDeque<Spell>,
}

/// Where a queue stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Nothing waits in it.
    Idle,
    /// It is to be looked at; `true` if its turn at a key has come.
    Ready(bool),
    /// Its head waits for this key.
    Parked(KeyId),
}

/// From then on, until the next spell, the head waited for this.
struct Spell {
    since: Time,
    reason: Reason,
    key: KeyId,
}

/// A wait with the key still as a number.
pub(super) struct KeyWait {
    pub(super) reason: Reason,
    pub(super) key: KeyId,
    pub(super) duration: Duration,
}

impl Queue {
    pub(super) fn new(source: u32, weights: Box<[(KeyId, u64)]>, gate: Option<KeyId>) -> Queue {
        Queue {
            source,
            weights,
            gate,
            items: VecDeque::new(),
            place: Place::Idle,
            live: 0,
            passed: 0,
            spells: VecDeque::new(),
        }
    }

    /// From now on its head waits for this. Why it waited until now.
    pub(super) fn waits_for(&mut self, key: KeyId, reason: Reason, now: Time) -> Option<Reason> {
        let before = self.spells.back();
        let is_same = before.is_some_and(|spell| spell.key == key && spell.reason == reason);
        let before = before.map(|spell| spell.reason);
        if !is_same {
            if self.spells.len() == SPELLS {
                self.spells.remove(1);
            }
            self.spells.push_back(Spell { since: now, reason, key });
        }
        before
    }

    /// Its head waits for nothing.
    pub(super) fn clear_spells(&mut self) {
        self.spells.clear();
    }

    /// What an item waited for that was queued at `since` and starts now.
    pub(super) fn waits(&self, since: Time, now: Time) -> Vec<KeyWait> {
        let mut waits: Vec<KeyWait> = Vec::new();
        let mut end = now;
        for spell in self.spells.iter().rev() {
            let start = spell.since.max(since);
            if end > start {
                match waits.iter_mut().find(|wait| wait.key == spell.key && wait.reason == spell.reason) {
                    Some(wait) => wait.duration += end - start,
                    None => {
                        waits.push(KeyWait { reason: spell.reason, key: spell.key, duration: end - start });
                    }
                }
            }
            end = start;
            if spell.since <= since {
                break;
            }
        }
        waits.reverse();
        waits
    }
}

impl KeyWait {
    pub(super) fn named(self, name: &std::sync::Arc<str>) -> Wait {
        Wait { reason: self.reason, limit: Some(name.clone()), duration: self.duration }
    }
}
