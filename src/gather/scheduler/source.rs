//! Sources as a whole: connected by one item for all, lost, refused, or asked to be left alone.

use super::ending::After;
use super::key::{Gate, GateState};
use super::{Brief, Ending, ItemId, JobId, KeyId, Scheduler, Time};
use crate::gather::event::EventKind;
use crate::gather::outcome::{Advice, Cause};
use std::sync::Arc;

impl Scheduler {
    /// What follows from a failure of the source, not of the item; nothing if the item's own rules apply.
    pub(super) fn source_failed(
        &mut self,
        item: ItemId,
        advice: Advice,
        was_probe: bool,
        brief: &Brief,
    ) -> Option<After> {
        let key = self.queues[self.items[item].queue].gate?;
        self.keys[key.0 as usize].gate.as_ref()?;
        if advice.source && !self.items[item].saw_up {
            return Some(self.connect_failed(item, key, advice, was_probe, brief));
        }
        if advice.source {
            self.link_lost(item, key, advice, brief);
        }
        let why = self.keys[key.0 as usize].down().filter(|_| advice.source || advice.again)?;
        Some(After::End(Some(Ending::NotStarted(Cause::Source(why)))))
    }

    /// A source could not be connected: it is tried again later, or is down. Only the item that connects for all
    /// counts, and the first that finds a source gone that was up; whoever else ran at that time just comes back.
    fn connect_failed(
        &mut self,
        item: ItemId,
        key: KeyId,
        advice: Advice,
        was_probe: bool,
        brief: &Brief,
    ) -> After {
        let (now, random, epoch) = (self.now, self.random(), self.items[item].epoch);
        let entry = self.key(key);
        let name = entry.name.clone();
        let gate = entry.gate.as_mut().expect("connect_failed is called for gates");
        let most = gate.retries.count;
        let is_news = matches!(gate.state, GateState::Up) && gate.epoch == epoch;
        if let GateState::Down(why) = &gate.state {
            return After::End(Some(Ending::NotStarted(Cause::Source(why.clone()))));
        }
        if advice.again && !was_probe && !is_news {
            return self.comes_back(item, most, now, name);
        }
        gate.failures += 1;
        if !advice.again || gate.failures > most {
            let why = self.source_fails(key, brief);
            return After::End(Some(Ending::NotStarted(Cause::Source(why))));
        }
        gate.state = GateState::Probing(None);
        let pause = gate.retries.pause(gate.failures, random).max(advice.after.unwrap_or_default());
        let until = now.saturating_add(pause);
        entry.hold(until);
        self.comes_back(item, most, until, name)
    }

    /// An item that failed for its source has its turn again, without using up a retry of its own. One for which the
    /// source fails more often than it may at all, being up for others in between, failed by itself.
    fn comes_back(&mut self, item: ItemId, most: u32, at: Time, source: Arc<str>) -> After {
        let row = &mut self.items[item];
        row.connects += 1;
        if row.connects <= most && row.can_repeat && self.jobs[row.job].stopped.is_none() {
            After::Again(at, Some(source))
        } else {
            After::End(None)
        }
    }

    /// A source that was up is not any more: the first item that says so closes the gate.
    fn link_lost(&mut self, item: ItemId, key: KeyId, advice: Advice, brief: &Brief) {
        let epoch = self.items[item].epoch;
        let gate = self.key(key).gate.as_mut().expect("link_lost is called for gates");
        let is_news = matches!(gate.state, GateState::Up) && gate.epoch == epoch;
        if is_news && advice.again {
            gate.state = GateState::Probing(None);
        } else if is_news {
            self.source_fails(key, brief);
        }
    }

    fn source_fails(&mut self, key: KeyId, brief: &Brief) -> Arc<str> {
        let why: Arc<str> = brief.why().map_or("it could not be used", String::as_str).into();
        let entry = self.key(key);
        if let Some(gate) = &mut entry.gate {
            gate.state = GateState::Down(why.clone());
        }
        let (source, text) = (entry.name.clone(), why.to_string());
        self.emit(|_| EventKind::SourceDown { source, why: text });
        self.end_all_of(key, &Cause::Source(why.clone()));
        self.frees(key);
        why
    }

    /// An item's attempt says that its source answered.
    pub(crate) fn source_up(&mut self, item: ItemId) {
        let Some(row) = self.items.get(item) else { return };
        let (job, queue) = (row.job, row.queue);
        let Some(key) = self.queues[queue].gate else { return };
        let Some(Gate { state, failures, epoch, .. }) = &mut self.key(key).gate else { return };
        if let GateState::Probing(_) = state {
            (*state, *failures, *epoch) = (GateState::Up, 0, *epoch + 1);
            let source = self.key(key).name.clone();
            self.emit(|_| EventKind::SourceUp { source });
            self.frees(key);
            self.changes_times_of(job);
        }
        let current = self.key(key).gate.as_ref().map_or(0, |gate| gate.epoch);
        let row = &mut self.items[item];
        (row.epoch, row.saw_up) = (current, true);
    }

    /// No item of this item's source starts before then.
    pub(crate) fn hold(&mut self, item: ItemId, duration: Time) {
        let Some(row) = self.items.get(item) else { return };
        let job = row.job;
        let Some(key) = self.queues[row.queue].gate else { return };
        let until = self.after(duration);
        self.key(key).hold(until);
        self.frees(key);
        self.changes_times_of(job);
        let limit = self.key(key).name.clone();
        self.emit(|_| EventKind::Held { limit, duration });
    }

    /// So many items of this item's source may run at once from now on.
    pub(crate) fn resize(&mut self, item: ItemId, concurrency: u64) {
        let Some(row) = self.items.get(item) else { return };
        let job = row.job;
        let Some(key) = self.queues[row.queue].gate else { return };
        self.key(key).capacity = concurrency.max(1);
        self.frees(key);
        self.changes_times_of(job);
        let limit = self.key(key).name.clone();
        self.emit(|_| EventKind::Resized { limit, concurrency });
    }

    /// An attempt, and not a driver, changed what others wait for: that may now be a time, which only a driver that looks
    /// again will keep.
    fn changes_times_of(&mut self, job: JobId) {
        self.woken.push(job);
    }

    /// Ends whoever rests behind a source that is down.
    fn end_all_of(&mut self, key: KeyId, cause: &Cause) {
        let queues = &self.queues;
        let behind: Vec<ItemId> = self
            .items
            .iter()
            .filter(|(_, row)| queues[row.queue].gate == Some(key) && row.is_resting())
            .map(|(item, _)| item)
            .collect();
        for item in behind {
            // A policy may have ended the others of its job together with one before.
            if self.items.get(item).is_some() {
                self.end_waiting(item, cause);
            }
        }
    }
}
