//! Who may start: queues in turn, all or nothing, first come first served at each key, nobody passed over for ever.

use super::key::Blocked;
use super::{
    IDLE_QUEUES, ItemId, JobId, KeyId, Place, Queue, QueueId, RUN, RowState, Scheduler, Time, Timer, What,
};
use crate::gather::event::{EventKind, Reason};
use crate::gather::limit::{LimitId, Needs};
use crate::gather::outcome::Cause;
use std::sync::Arc;

/// How often a queue may be passed over before what it needs is kept free for it.
const PATIENCE: u32 = 64;

/// No item weighs more, so that sums of weights stay within their type.
const HEAVIEST: u64 = 1 << 48;

impl Scheduler {
    /// Starts everything that may start now.
    pub(crate) fn pump(&mut self) {
        loop {
            while let Some(queue) = self.ready.pop() {
                self.look_at(queue);
            }
            let Some(key) = self.freed.pop() else { break };
            self.key(key).is_freed = false;
            self.offer(key);
        }
    }

    /// Something of a key may be free now: whoever waits for it is looked at, once for all that is given back until then.
    pub(super) fn frees(&mut self, key: KeyId) {
        if !std::mem::replace(&mut self.key(key).is_freed, true) {
            self.freed.push(key);
        }
    }

    /// The queue of a job for items with these needs.
    pub(super) fn queue_of(&mut self, job: JobId, needs: &Needs) -> QueueId {
        if let Some((_, queue)) = self.jobs[job].latest.as_ref().filter(|(latest, _)| latest == needs) {
            return *queue;
        }
        let queue = self.known_queue(job, needs);
        self.jobs[job].latest = Some((needs.clone(), queue));
        queue
    }

    fn known_queue(&mut self, job: JobId, needs: &Needs) -> QueueId {
        if let Some(queue) = self.jobs[job].queues.get(needs) {
            return *queue;
        }
        if self.jobs[job].queues.len() >= self.jobs[job].most_queues {
            self.remove_idle_queues(job);
        }
        let run = (RUN, 1);
        let others =
            needs.weights.iter().map(|(LimitId(id), weight)| (KeyId(*id), (*weight).clamp(1, HEAVIEST)));
        let own = self.jobs[job].own.map(|key| (key, 1));
        let weights = std::iter::once(run).chain(own).chain(others.filter(|(key, _)| *key != RUN)).collect();
        let gate = needs.gate.map(|LimitId(id)| KeyId(id));
        let source = needs.weights.first().map_or(u32::MAX, |(LimitId(id), _)| *id);
        let queue = self.queues.insert(Queue::new(source, weights, gate));
        self.jobs[job].queues.insert(needs.clone(), queue);
        queue
    }

    fn remove_idle_queues(&mut self, job: JobId) {
        self.jobs[job].latest = None;
        let queues = std::mem::take(&mut self.jobs[job].queues);
        let (keep, idle): (Vec<_>, Vec<_>) =
            queues.into_iter().partition(|(_, queue)| self.queues[*queue].live > 0);
        // Twice as many as are needed, so that looking for idle ones costs little for each that is made.
        self.jobs[job].most_queues = IDLE_QUEUES.max(2 * keep.len());
        self.jobs[job].queues = keep.into_iter().collect();
        for (_, queue) in idle {
            self.remove_queue(queue);
        }
    }

    /// Takes a queue out of the scheduler; who stood behind it is looked at again.
    pub(super) fn remove_queue(&mut self, queue: QueueId) {
        self.unplace(queue);
        self.queues.remove(queue);
    }

    /// Takes a queue from where it stands.
    pub(super) fn unplace(&mut self, id: QueueId) {
        match self.queues[id].place {
            Place::Idle => {}
            Place::Ready(_) => self.ready.remove(id),
            Place::Parked(key) => {
                self.key(key).parked.remove(id);
                self.frees(key);
            }
        }
        self.queues[id].place = Place::Idle;
        self.queues[id].clear_spells();
        self.unfavour(id);
    }

    fn unfavour(&mut self, id: QueueId) {
        if self.favoured == Some(id) {
            self.favoured = None;
            let keys: Vec<KeyId> = self.queues[id].weights.iter().map(|(key, _)| *key).collect();
            keys.into_iter().for_each(|key| self.frees(key));
        }
    }

    /// Puts an item that has just become ready to start behind the others of its queue, or before them.
    pub(super) fn enqueue(&mut self, item: ItemId, first: bool) {
        let id = self.items[item].queue;
        let queue = &mut self.queues[id];
        if first {
            queue.items.push_front(item);
        } else {
            queue.items.push_back(item);
        }
        if queue.place == Place::Idle {
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: QueueId) {
        let queue = &mut self.queues[id];
        queue.place = Place::Ready(false);
        let source = queue.source;
        self.ready.push(source, id);
    }

    /// A queue's head is another one, which may wait for something else.
    pub(super) fn look_again(&mut self, id: QueueId) {
        if let Place::Parked(key) = self.queues[id].place {
            self.key(key).parked.remove(id);
            self.frees(key);
            self.make_ready(id);
        }
    }

    /// Something of a key may be free: who stands first there is looked at, and after it the next.
    fn offer(&mut self, key: KeyId) {
        let favoured = self.favoured.filter(|id| self.queues[*id].place == Place::Parked(key));
        let Some(queue) = favoured.or_else(|| self.key(key).parked.front()) else { return };
        if let Some(blocked) = self.obstacle(queue, key) {
            if let Blocked::Until(..) = blocked {
                self.unfavour(queue);
            }
            self.still_blocked(queue, key, blocked.reason());
            self.wait_for_time(key, &blocked);
            return;
        }
        match favoured {
            Some(queue) => self.key(key).parked.remove(queue),
            None => drop(self.key(key).parked.pop()),
        }
        self.frees(key);
        self.queues[queue].place = Place::Ready(true);
        self.look_at(queue);
    }

    /// Who stands first at a key still can't start. A source that is not up and one that is held are so for all that stand
    /// there, who are told when that begins and ends; room and rates come and go too often for that.
    fn still_blocked(&mut self, first: QueueId, key: KeyId, reason: Reason) {
        let now = self.now;
        let before = self.queues[first].waits_for(key, reason, now);
        let is_for_all = |reason| matches!(reason, Reason::Connect | Reason::Hold);
        if before.is_some_and(|before| before != reason && (is_for_all(before) || is_for_all(reason))) {
            for queue in self.key(key).parked.all() {
                self.queues[queue].waits_for(key, reason, now);
            }
        }
    }

    /// What a queue's items take of a key.
    fn weight(&self, queue: QueueId, key: KeyId) -> u64 {
        self.queues[queue].weights.iter().find(|(known, _)| *known == key).map_or(0, |(_, weight)| *weight)
    }

    /// Starts a queue's head if all it needs is free, or parks the queue.
    fn look_at(&mut self, id: QueueId) {
        let Place::Ready(its_turn) = self.queues[id].place else { return };
        let Some(item) = self.queues[id].items.front().copied() else {
            self.queues[id].place = Place::Idle;
            self.queues[id].clear_spells();
            return;
        };
        let goes_on = self.goes_on(id);
        if !goes_on && let Some(why) = self.source_down(id) {
            self.end_waiting(item, &Cause::Source(why));
            self.again(id);
            return;
        }
        match self.first_obstacle(id, its_turn || goes_on) {
            Some((key, blocked)) => self.park(id, key, &blocked, its_turn),
            None => {
                self.queues[id].items.pop_front();
                self.start(item);
                self.again(id);
            }
        }
    }

    /// Whether a queue's head is an attempt that wants to go on: it has started already, so that it needs room, and
    /// waits neither for its source nor for others.
    fn goes_on(&self, id: QueueId) -> bool {
        let head = self.queues[id].items.front().map(|item| self.items[*item].state);
        matches!(head, Some(RowState::Queued { resuming: true, .. }))
    }

    /// Puts a queue whose head has gone back among those to be looked at.
    pub(super) fn again(&mut self, id: QueueId) {
        if self.queues.get(id).is_some_and(|queue| matches!(queue.place, Place::Ready(_))) {
            let queue = &mut self.queues[id];
            if queue.items.is_empty() {
                queue.place = Place::Idle;
                queue.clear_spells();
            } else {
                self.make_ready(id);
            }
        }
    }

    fn source_down(&self, id: QueueId) -> Option<Arc<str>> {
        self.queues[id].gate.and_then(|key| self.keys[key.0 as usize].down())
    }

    fn first_obstacle(&self, id: QueueId, its_turn: bool) -> Option<(KeyId, Blocked)> {
        self.queues[id].weights.iter().find_map(|(key, _)| {
            let behind = !its_turn && !self.keys[key.0 as usize].parked.is_empty();
            let blocked = self.obstacle(id, *key);
            blocked.or(behind.then_some(Blocked::Room(Reason::Concurrency))).map(|blocked| (*key, blocked))
        })
    }

    /// What keeps this queue's head from a key.
    pub(super) fn obstacle(&self, id: QueueId, key: KeyId) -> Option<Blocked> {
        let favoured = self.favoured.filter(|favoured| *favoured != id);
        let reserved = favoured.map_or(0, |favoured| self.weight(favoured, key));
        let (weight, is_source) = (self.weight(id, key), self.queues[id].gate == Some(key));
        let key = &self.keys[key.0 as usize];
        if self.goes_on(id) {
            key.full(weight, reserved)
        } else {
            key.blocked(weight, reserved, self.now, is_source)
        }
    }

    fn park(&mut self, id: QueueId, key: KeyId, blocked: &Blocked, its_turn: bool) {
        let now = self.now;
        let queue = &mut self.queues[id];
        queue.place = Place::Parked(key);
        queue.waits_for(key, blocked.reason(), now);
        if its_turn {
            queue.passed += 1;
        }
        let source = queue.source;
        if self.goes_on(id) {
            self.key(key).parked.push_first(source, id);
        } else {
            self.key(key).parked.push(source, id);
        }
        match blocked {
            Blocked::Until(..) => self.unfavour(id),
            Blocked::Room(_) => self.favour_if_passed(id),
        }
        self.wait_for_time(key, blocked);
    }

    fn favour_if_passed(&mut self, id: QueueId) {
        if self.favoured.is_none() && self.queues[id].passed > PATIENCE {
            self.favoured = Some(id);
        }
    }

    fn wait_for_time(&mut self, key: KeyId, blocked: &Blocked) {
        if let Blocked::Until(at, _) = blocked
            && self.key(key).wake.is_none_or(|wake| wake > *at || wake <= self.now)
        {
            self.key(key).wake = Some(*at);
            self.set_timer(*at, Timer::Key(key));
        }
    }

    /// Takes all the head needs and starts it.
    fn start(&mut self, item: ItemId) {
        let id = self.items[item].queue;
        let now = self.now;
        let weights = std::mem::take(&mut self.queues[id].weights);
        let RowState::Queued { since, resuming } = self.items[item].state else {
            unreachable!("only queued items are in queues")
        };
        let gate = self.queues[id].gate;
        for (key, weight) in &weights {
            if resuming {
                self.key(*key).take_room(*weight);
            } else {
                self.key(*key).take(*weight, item, now, gate == Some(*key));
            }
            self.notice_passed(*key);
        }
        self.queues[id].weights = weights;
        self.queues[id].passed = 0;
        self.unfavour(id);
        if resuming {
            self.resume(item, since);
        } else {
            self.start_attempt(item, since);
        }
    }

    /// Who stands first at a key and did not get it has been passed over.
    fn notice_passed(&mut self, key: KeyId) {
        if let Some(first) = self.key(key).parked.front() {
            self.queues[first].passed += 1;
            self.favour_if_passed(first);
        }
    }

    fn resume(&mut self, item: ItemId, since: Time) {
        if self.items[item].is_aside() {
            return self.go_on(item, since);
        }
        let row = &mut self.items[item];
        row.state = RowState::Running { since };
        let (job, slot) = (row.job, row.slot);
        self.act(job, item, slot, What::Resume);
    }

    /// An attempt that was set aside goes on, as if it started.
    fn go_on(&mut self, item: ItemId, since: Time) {
        let (now, lane) = (self.now, self.lanes.take());
        let row = &mut self.items[item];
        row.timing.go_on(lane);
        row.state = RowState::Running { since: now };
        let (job, slot, attempt) = (row.job, row.slot, row.timing.attempts());
        self.act(job, item, slot, What::Resume);
        if self.is_listening() {
            self.emit_started(item, since, attempt, lane);
        }
        self.items[item].pause = None;
    }

    fn start_attempt(&mut self, item: ItemId, since: Time) {
        let now = self.now;
        let lane = self.lanes.take();
        let epoch = self.epoch(item);
        let row = &mut self.items[item];
        let first = row.timing.start(now, lane);
        (row.epoch, row.saw_up) = (epoch, false);
        row.state = RowState::Running { since: now };
        let (job, slot, attempt) = (row.job, row.slot, row.timing.attempts());
        if first {
            self.started_first(item);
        }
        self.act(job, item, slot, What::Start { attempt, lane, at: now });
        if self.is_listening() {
            self.emit_started(item, since, attempt, lane);
        }
        self.items[item].pause = None;
    }

    fn started_first(&mut self, item: ItemId) {
        let job = self.items[item].job;
        let owner = &mut self.jobs[job];
        owner.queued -= 1;
        owner.earn_retry();
        if let Some(timeout) = owner.settings.timeouts.total {
            self.set_timer(self.after(timeout), Timer::TotalTimeout(item));
        }
    }

    fn emit_started(&mut self, item: ItemId, since: Time, attempt: u32, lane: u32) {
        let (row, waits) = (&self.items[item], self.waits(item, since));
        let (job, number) = (self.jobs[row.job].number, row.number);
        self.emit(|_| EventKind::AttemptStarted { job, item: number, attempt, lane, waits });
    }

    /// The epoch of an item's source; the same as long as the link was not lost.
    fn epoch(&self, item: ItemId) -> u32 {
        let gate = self.queues[self.items[item].queue].gate;
        gate.and_then(|key| self.keys[key.0 as usize].gate.as_ref()).map_or(0, |gate| gate.epoch)
    }

    /// Gives back all that a running item took.
    pub(super) fn give_back(&mut self, item: ItemId) {
        let id = self.items[item].queue;
        let weights = std::mem::take(&mut self.queues[id].weights);
        for (key, weight) in &weights {
            self.key(*key).give_back(*weight, item);
            self.frees(*key);
        }
        self.queues[id].weights = weights;
    }
}
