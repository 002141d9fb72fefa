//! The scheduler: which item may start, and what follows from how an attempt ended. A state machine without I/O and
//! without a clock: the time is passed in, what has to be done comes out as [`Action`]s and [`Event`]s.
//! Not here: futures, tasks, channels (`driver`).
//!
//! The way of an item: `submit` puts it into the queue of its job and needs. `pump` looks at queues in turn: if all
//! that the head needs is free, it takes it and starts; else the queue is parked at the first key that is not free,
//! until something of that key is given back or its time has come. Nothing holds one key while it waits for another.
//! `ended` gives back what it took and decides: an outcome, or another attempt later.

mod admit;
mod cancel;
mod ending;
mod job;
mod key;
mod lanes;
mod queue;
mod row;
mod slots;
mod source;
mod timers;
mod timing;
mod turns;
mod waits;

#[cfg(test)]
mod tests;

pub(crate) use ending::{AttemptEnd, Brief, Details, Verdict};
pub(crate) use job::{RETRY_RESERVE, Settings};
pub(crate) use row::{Action, Ending, What};
pub use timing::Timing;

use super::event::{Counts, Event, EventKind, ItemNumber, JobNumber, LimitUse, Role};
use super::limit::{Limit, LimitId, Needs};
use super::outcome::Cause;
use super::policy::Stop;
use job::Job;
use key::Key;
use lanes::Lanes;
use queue::{Place, Queue};
use row::{Row, RowState};
use slots::{Handle, Slots};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use timers::{Timer, Timers};
use turns::Turns;

/// Time since the run began.
pub(crate) type Time = Duration;
pub(crate) type JobId = Handle<Job>;
pub(crate) type ItemId = Handle<Row>;
type QueueId = Handle<Queue>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct KeyId(u32);

/// The run's own limit is the first that is made.
const RUN: KeyId = KeyId(0);

/// Queues of one job that are kept though nothing waits in them; past it, idle ones are removed.
const IDLE_QUEUES: usize = 1024;

/// See the module.
pub(crate) struct Scheduler {
    now: Time,
    keys: Vec<Key>,
    /// Keys of jobs that are over, to be used again.
    free_keys: Vec<KeyId>,
    key_names: HashMap<Arc<str>, KeyId>,
    queues: Slots<Queue>,
    jobs: Slots<Job>,
    items: Slots<Row>,
    ready: Turns,
    /// Keys of which something may be free now, to be offered to who is parked there.
    freed: Vec<KeyId>,
    /// A queue that was passed over too often: what it needs is kept free for it.
    favoured: Option<QueueId>,
    lanes: Lanes,
    timers: Timers,
    next_job: JobNumber,
    /// What stopped the run as a whole: jobs that begin later are stopped, too.
    stopped: Option<(Cause, Stop)>,
    grace: Duration,
    random: u64,
    /// Jobs whose driver has something to do.
    pub(crate) woken: Vec<JobId>,
    /// What happened since it was last taken; nothing if nobody listens.
    pub(crate) events: Vec<Event>,
    listening: bool,
}

impl Scheduler {
    /// A run with its own limit, under which all items fall.
    pub(crate) fn new(run: Limit, grace: Duration, seed: u64, listening: bool) -> Scheduler {
        let mut scheduler = Scheduler {
            now: Time::ZERO,
            keys: Vec::new(),
            free_keys: Vec::new(),
            key_names: HashMap::new(),
            queues: Slots::default(),
            jobs: Slots::default(),
            items: Slots::default(),
            ready: Turns::default(),
            freed: Vec::new(),
            favoured: None,
            lanes: Lanes::default(),
            timers: Timers::default(),
            next_job: 0,
            stopped: None,
            grace,
            random: seed | 1,
            woken: Vec::new(),
            events: Vec::new(),
            listening,
        };
        scheduler.limit(run);
        scheduler
    }

    /// The first numbers of jobs are given out by the caller.
    pub(crate) fn reserve_jobs(&mut self, jobs: JobNumber) {
        self.next_job = self.next_job.max(jobs);
    }

    /// Makes a limit; one that has the name already stays as it is.
    pub(crate) fn limit(&mut self, limit: Limit) -> LimitId {
        if let Some(known) = self.key_names.get(&limit.name) {
            return LimitId(known.0);
        }
        let name = limit.name.clone();
        let id = self.new_key(limit);
        self.key_names.insert(name, id);
        LimitId(id.0)
    }

    fn new_key(&mut self, limit: Limit) -> KeyId {
        let key = Key::new(limit);
        match self.free_keys.pop() {
            Some(id) => {
                self.keys[id.0 as usize] = key;
                id
            }
            None => {
                self.keys.push(key);
                KeyId(self.keys.len() as u32 - 1)
            }
        }
    }

    /// The key of a job's own limits.
    fn own_key(&mut self, settings: &Settings) -> Option<KeyId> {
        if settings.concurrency.is_none() && settings.rate.is_none() {
            return None;
        }
        let name = format!("job:{}", settings.name);
        let limit = Limit { concurrency: settings.concurrency, rate: settings.rate, ..Limit::new(name) };
        Some(self.new_key(limit))
    }

    /// Begins a job.
    pub(crate) fn start_job(
        &mut self,
        settings: Settings,
        parent: Option<JobId>,
        (number, role, works_for): (Option<JobNumber>, Role, Option<JobNumber>),
    ) -> JobId {
        let number = number.unwrap_or(self.next_job);
        self.next_job = self.next_job.max(number + 1);
        let parent = parent.filter(|parent| self.jobs.get(*parent).is_some());
        let stopped =
            parent.and_then(|parent| self.jobs[parent].stopped.clone()).or_else(|| self.stopped.clone());
        let own = self.own_key(&settings);
        let job = Job::new(settings, number, parent, own);
        let (name, deadline) = (job.settings.name.clone(), job.settings.deadline);
        let id = self.jobs.insert(job);
        self.jobs[id].stopped = stopped;
        let parent = works_for.or_else(|| parent.map(|parent| self.jobs[parent].number));
        self.emit(|_| EventKind::JobStarted { job: number, name, role, parent });
        if let Some(deadline) = deadline {
            self.set_timer(deadline, Timer::Deadline(id));
        }
        id
    }

    /// Puts an item into the queue of its needs. It starts, or ends, at a later `pump`; in a job that is stopped it
    /// ends at once.
    pub(crate) fn submit(
        &mut self,
        job: JobId,
        needs: &Needs,
        slot: u32,
        key: Option<Arc<str>>,
        can_repeat: bool,
    ) -> ItemId {
        let queue = self.queue_of(job, needs);
        let owner = &mut self.jobs[job];
        let number = owner.counts.submitted;
        owner.counts.submitted += 1;
        owner.live += 1;
        owner.queued += 1;
        let timeout = owner.settings.timeouts.queue;
        let state = RowState::Queued { since: self.now, resuming: false };
        let (job_number, shown) = (owner.number, key.clone());
        let row = Row {
            job,
            queue,
            slot,
            number,
            key,
            state,
            retries: 0,
            connects: 0,
            can_repeat,
            timing: Timing::submitted(self.now),
            epoch: 0,
            saw_up: false,
            pause: None,
            last_error: None,
        };
        let item = self.items.insert(row);
        self.queues[queue].live += 1;
        let limits = self.limits_to_tell(job, queue);
        self.emit(|_| EventKind::ItemQueued { job: job_number, item: number, key: shown, limits });
        if let Some(timeout) = timeout {
            self.set_timer(self.after(timeout), Timer::QueueTimeout(item));
        }
        match self.stopped(job).cloned() {
            Some(cause) => self.end_resting(item, Ending::NotStarted(cause)),
            None => self.enqueue(item, false),
        }
        item
    }

    /// What the items of a queue take beside the run's own limit, unless it is what the job's item before took.
    fn limits_to_tell(&mut self, job: JobId, queue: QueueId) -> Option<Arc<[LimitUse]>> {
        let known = &mut self.jobs[job].told;
        if !self.listening || *known == Some(queue) {
            return None;
        }
        let before = known.replace(queue);
        let uses = self.queues[queue].weights.iter().filter(|(key, _)| *key != RUN);
        let name = |key: &KeyId| self.keys[key.0 as usize].name.clone();
        let uses: Arc<[_]> =
            uses.map(|(key, weight)| LimitUse { limit: name(key), weight: *weight }).collect();
        (before.is_some() || !uses.is_empty()).then_some(uses)
    }

    /// No more items of this job will be submitted.
    pub(crate) fn complete(&mut self, job: JobId) {
        self.jobs[job].complete = true;
        self.judge(job, false, || Arc::from(""));
    }

    /// Whether all items of a job have their outcome and no more come.
    pub(crate) fn is_over(&self, job: JobId) -> bool {
        self.jobs.get(job).is_none_or(|job| job.complete && job.live == 0 && job.actions.is_empty())
    }

    /// Ends a job whose items are all over, or that nobody waits for any more, and forgets it.
    pub(crate) fn end_job(&mut self, job: JobId, why: Option<String>) -> Counts {
        self.abandon(job);
        // Below an item that was aborted a gather may still be there, about to be dropped: it starts no more.
        self.cancel_children(job, &Cause::Asked, Stop::CancelRunning);
        let Some(mut gone) = self.jobs.remove(job) else { return Counts::default() };
        for (_, queue) in gone.queues.drain() {
            self.remove_queue(queue);
        }
        self.free_keys.extend(gone.own);
        self.emit(|_| EventKind::JobEnded { job: gone.number, counts: gone.counts, why });
        gone.counts
    }

    /// Counts items that never start and are not even submitted: too many for each to be told of.
    pub(crate) fn never_start(&mut self, job: JobId, items: u64) {
        if let Some(job) = self.jobs.get_mut(job) {
            job.counts.never_start(items);
        }
    }

    /// Items of a job that wait for their first start.
    pub(crate) fn queued(&self, job: JobId) -> u64 {
        self.jobs[job].queued
    }

    /// Why a job stops, if it does.
    pub(crate) fn stopped(&self, job: JobId) -> Option<&Cause> {
        self.jobs.get(job).and_then(|job| job.stopped.as_ref()).map(|(cause, _)| cause)
    }

    /// Takes what a job's driver has to do.
    pub(crate) fn take_actions(&mut self, job: JobId, into: &mut VecDeque<Action>) {
        if let Some(job) = self.jobs.get_mut(job) {
            into.append(&mut job.actions);
        }
    }

    fn act(&mut self, job: JobId, item: ItemId, slot: u32, what: What) {
        if let Some(owner) = self.jobs.get_mut(job) {
            if owner.actions.is_empty() {
                self.woken.push(job);
            }
            owner.actions.push_back(Action { item, slot, what });
        }
    }

    /// Adds an event, if anybody listens; only then it is built.
    pub(crate) fn emit(&mut self, kind: impl FnOnce(&Self) -> EventKind) {
        if self.listening {
            let kind = kind(self);
            self.events.push(Event { at: self.now, kind });
        }
    }

    /// The time as it was last told.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Whether anybody listens to events.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening
    }

    /// The numbers of an item's job and of the item: its name in events.
    pub(crate) fn numbers(&self, item: ItemId) -> Option<(JobNumber, ItemNumber)> {
        let row = self.items.get(item)?;
        Some((self.jobs.get(row.job)?.number, row.number))
    }

    /// A uniform number in 0..1 (xorshift64*), for the jitter of pauses.
    fn random(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn key(&mut self, id: KeyId) -> &mut Key {
        &mut self.keys[id.0 as usize]
    }
}
