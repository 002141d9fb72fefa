//! What must hold after every change of a simulated run. The model knows what was asked for and what the events
//! say; the scheduler's own books are compared with it.

use super::super::key::{Blocked, GateState};
use super::super::{ItemId, KeyId, Place, Row, RowState, Scheduler, Time, Timing};
use super::case::{ItemPlan, JobPlan};
use crate::gather::event::{Counts, Event, EventKind, ItemNumber, JobNumber, Wait};
use crate::gather::limit::{Limit, Rate};
use crate::gather::outcome::State;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

pub(super) struct Checks {
    limits: Vec<LimitModel>,
    jobs: HashMap<JobNumber, JobModel>,
    lanes: BTreeSet<u32>,
    /// Items that started in the present change.
    started: Vec<(JobNumber, ItemNumber)>,
    now: Time,
    /// Of every item that started, in order.
    pub(super) starts: Vec<(JobNumber, ItemNumber)>,
}

struct LimitModel {
    limit: Limit,
    held: Time,
    last_start: Option<Time>,
    is_down: bool,
    /// Items that ran already when the source was last found not to be up.
    old: Vec<ItemId>,
    was_probing: bool,
}

struct JobModel {
    rate: Option<Rate>,
    last_start: Option<Time>,
    is_stopped: bool,
    parent: Option<JobNumber>,
    items: HashMap<ItemNumber, ItemModel>,
    counts: Counts,
    /// The last first start of each set of needs.
    order: HashMap<Asked, ItemNumber>,
    has_ended: bool,
}

/// What an item asked for.
type Asked = (Vec<(usize, u64)>, Option<usize>);

struct ItemModel {
    plan: Rc<ItemPlan>,
    stage: Stage,
    attempts: u32,
    queued: Option<Time>,
    ran: Time,
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Unseen,
    Waiting(Time),
    Running(Time, u32),
    Ended(State, Time),
}

impl Checks {
    pub(super) fn new(limits: &[Limit]) -> Checks {
        let model = |limit: &Limit| LimitModel {
            limit: limit.clone(),
            held: Time::ZERO,
            last_start: None,
            is_down: false,
            old: Vec::new(),
            was_probing: true,
        };
        Checks {
            limits: limits.iter().map(model).collect(),
            jobs: HashMap::new(),
            lanes: BTreeSet::new(),
            started: Vec::new(),
            now: Time::ZERO,
            starts: Vec::new(),
        }
    }

    pub(super) fn job(&mut self, number: JobNumber, plan: &JobPlan, parent: Option<JobNumber>) {
        let model = JobModel {
            rate: plan.rate,
            last_start: None,
            is_stopped: false,
            parent,
            items: HashMap::new(),
            counts: Counts::default(),
            order: HashMap::new(),
            has_ended: false,
        };
        assert!(self.jobs.insert(number, model).is_none(), "two jobs have one number");
    }

    /// An item is about to be submitted.
    pub(super) fn item(&mut self, job: JobNumber, number: ItemNumber, plan: &Rc<ItemPlan>) {
        let model = ItemModel {
            plan: plan.clone(),
            stage: Stage::Unseen,
            attempts: 0,
            queued: None,
            ran: Time::ZERO,
            told: false,
        };
        self.jobs.get_mut(&job).expect("the job has begun").items.insert(number, model);
    }

    /// A source asked to be left alone.
    pub(super) fn held(&mut self, source: Option<usize>, until: Time) {
        if let Some(limit) = source {
            self.limits[limit].held = self.limits[limit].held.max(until);
        }
    }

    /// A driver was told an item's outcome.
    pub(super) fn outcome(&mut self, job: JobNumber, number: ItemNumber, state: State, timing: Timing) {
        let item =
            self.jobs.get_mut(&job).and_then(|job| job.items.get_mut(&number)).expect("it was submitted");
        assert!(!std::mem::replace(&mut item.told, true), "two outcomes for one item");
        assert_eq!(item.stage, Stage::Ended(state, timing.ended()), "the outcome differs from the event");
        assert_eq!(timing.attempts(), item.attempts);
        assert_eq!(timing.started().is_some(), item.attempts > 0);
        assert_eq!(timing.running(), item.ran, "the time that its attempts ran");
        assert_eq!(Some(timing.queued()), item.queued);
    }

    pub(super) fn at_the_end(&self, scheduler: &Scheduler) {
        assert!(self.jobs.values().all(|job| job.has_ended));
        let items = || self.jobs.values().flat_map(|job| job.items.values());
        assert!(items().all(|item| matches!(item.stage, Stage::Ended(..))), "an item without an outcome");
        assert!(self.lanes.is_empty());
        assert!(scheduler.keys.iter().all(|key| key.in_use == 0), "something was never given back");
        assert!(scheduler.keys.iter().all(|key| key.parked.is_empty()));
        assert_eq!(scheduler.items.iter().count(), 0);
        assert_eq!(scheduler.queues.iter().count(), 0);
        assert_eq!(scheduler.jobs.iter().count(), 0);
        assert_eq!(scheduler.favoured, None);
    }

    pub(super) fn after_a_change(&mut self, scheduler: &mut Scheduler) {
        self.started.clear();
        for event in std::mem::take(&mut scheduler.events) {
            self.event(event);
        }
        self.books(scheduler);
        self.sources(scheduler);
        no_wake_is_lost(scheduler);
    }

    fn event(&mut self, Event { at, kind }: Event) {
        assert!(at >= self.now, "time runs backwards");
        self.now = at;
        match kind {
            EventKind::ItemQueued { job, item, .. } => {
                self.jobs.get_mut(&job).expect("its job has begun").counts.submitted += 1;
                let item = self.item_model(job, item);
                assert_eq!(item.stage, Stage::Unseen);
                (item.stage, item.queued) = (Stage::Waiting(at), Some(at));
            }
            EventKind::AttemptStarted { job, item, attempt, lane, waits } => {
                self.attempt_started(job, item, attempt, lane, &waits);
            }
            EventKind::AttemptEnded { job, item, .. } => self.attempt_ended(job, item),
            EventKind::ItemEnded { job, item: number, state, .. } => {
                let item = self.item_model(job, number);
                assert!(matches!(item.stage, Stage::Waiting(_)), "{job}/{number} ends as {:?}", item.stage);
                item.stage = Stage::Ended(state, at);
                self.jobs.get_mut(&job).expect("it has items").counts.add(state);
            }
            EventKind::JobEnded { job, counts, .. } => self.job_ended(job, counts),
            EventKind::Cancelling { job: Some(job), .. } => self.stop(job),
            EventKind::SourceDown { source, .. } => self.by_name(&source).is_down = true,
            EventKind::SourceUp { source } => assert!(!self.by_name(&source).is_down, "up though it is down"),
            _ => {}
        }
    }

    fn item_model(&mut self, job: JobNumber, item: ItemNumber) -> &mut ItemModel {
        self.jobs.get_mut(&job).and_then(|job| job.items.get_mut(&item)).expect("it was submitted")
    }

    fn by_name(&mut self, name: &str) -> &mut LimitModel {
        self.limits.iter_mut().find(|model| &*model.limit.name == name).expect("its name is known")
    }

    fn stop(&mut self, job: JobNumber) {
        self.jobs.get_mut(&job).expect("it has begun").is_stopped = true;
    }

    fn is_stopped(&self, job: JobNumber) -> bool {
        let job = &self.jobs[&job];
        job.is_stopped || job.parent.is_some_and(|parent| self.is_stopped(parent))
    }

    fn attempt_started(
        &mut self,
        job: JobNumber,
        number: ItemNumber,
        attempt: u32,
        lane: u32,
        waits: &[Wait],
    ) {
        let now = self.now;
        let smallest = (0..).find(|lane| !self.lanes.contains(lane)).expect("there are enough lanes");
        assert_eq!(lane, smallest, "not the smallest free lane");
        self.lanes.insert(lane);
        self.started.push((job, number));
        self.starts.push((job, number));
        assert!(!self.is_stopped(job), "a start after the stop of job {job}, or of one above it");
        let owner = self.jobs.get_mut(&job).expect("it has begun");
        spaced(owner.rate, &mut owner.last_start, now);
        let item = owner.items.get_mut(&number).expect("it was submitted");
        let Stage::Waiting(since) = item.stage else { panic!("{job}/{number} starts as {:?}", item.stage) };
        let waited: Time = waits.iter().map(|wait| wait.duration).sum();
        assert_eq!(waited, now - since, "the waits of {job}/{number} do not add up: {waits:?}");
        item.stage = Stage::Running(now, lane);
        item.attempts += 1;
        assert_eq!(item.attempts, attempt);
        let plan = item.plan.clone();
        if attempt == 1 {
            let before = owner.order.insert((plan.needs.clone(), plan.source), number);
            assert!(before.is_none_or(|before| before < number), "{number} starts after {before:?}");
        }
        for limit in plan.limits() {
            let model = &mut self.limits[limit];
            assert!(now >= model.held, "{} is held until {:?}", model.limit.name, model.held);
            spaced(model.limit.rate, &mut model.last_start, now);
        }
        assert!(plan.source.is_none_or(|source| !self.limits[source].is_down), "its source is down");
    }

    fn attempt_ended(&mut self, job: JobNumber, number: ItemNumber) {
        let now = self.now;
        let item = self.item_model(job, number);
        let Stage::Running(since, lane) = item.stage else {
            panic!("{job}/{number} stops as {:?}", item.stage)
        };
        item.stage = Stage::Waiting(now);
        item.ran += now - since;
        assert!(self.lanes.remove(&lane));
    }

    fn job_ended(&mut self, job: JobNumber, counts: Counts) {
        let model = self.jobs.get_mut(&job).expect("it has begun");
        assert!(!std::mem::replace(&mut model.has_ended, true));
        assert_eq!(counts, model.counts, "counts and events differ");
        assert_eq!(counts.submitted, counts.ended(), "an item of job {job} has no outcome");
    }

    /// What is in use is what the running items take, and no start went over the limit.
    fn books(&self, scheduler: &Scheduler) {
        let mut taken = vec![(0u64, 0u64); scheduler.keys.len()];
        let mut fresh = HashSet::new();
        let mut lanes = BTreeSet::new();
        for (_, row) in scheduler.items.iter() {
            if row.is_resting() {
                continue;
            }
            lanes.extend(row.timing.lane());
            if !matches!(row.state, RowState::Running { .. }) {
                continue;
            }
            let is_fresh = self.started.contains(&(scheduler.jobs[row.job].number, row.number));
            for (key, weight) in &scheduler.queues[row.queue].weights {
                let (used, holders) = &mut taken[key.0 as usize];
                (*used, *holders) = (*used + weight, *holders + 1);
                if is_fresh {
                    fresh.insert(key.0 as usize);
                }
            }
        }
        assert_eq!(lanes, self.lanes, "lanes in use");
        for (n, (key, (used, holders))) in scheduler.keys.iter().zip(taken).enumerate() {
            assert_eq!(key.in_use, used, "{}", key.name);
            let fits = used <= key.capacity || holders == 1;
            assert!(fits || !fresh.contains(&n), "{}: {used} of {}", key.name, key.capacity);
        }
    }

    /// While a source is not known to be up, one item of it runs that started since.
    fn sources(&mut self, scheduler: &Scheduler) {
        for model in self.limits.iter_mut().filter(|model| model.limit.gate.is_some()) {
            let key = scheduler.key_names[&model.limit.name];
            let gate = scheduler.keys[key.0 as usize].gate.as_ref().expect("it was made with a gate");
            let rows =
                || scheduler.items.iter().filter(|(_, row)| scheduler.queues[row.queue].gate == Some(key));
            if let GateState::Probing(probe) = &gate.state {
                if !model.was_probing {
                    let others =
                        rows().filter(|(item, row)| row.started_at().is_some() && *probe != Some(*item));
                    model.old = others.map(|(item, _)| item).collect();
                }
                // Who rests is as any other when it comes back; a parent goes on without connecting.
                model
                    .old
                    .retain(|item| rows().any(|(other, row)| other == *item && row.started_at().is_some()));
                model.old.extend(rows().filter(|(_, row)| is_parent(row.state)).map(|(item, _)| item));
                let running = rows().filter(|(item, row)| row.runs() && !model.old.contains(item));
                let new: Vec<ItemId> = running.map(|(item, _)| item).collect();
                assert!(new.len() <= 1, "{} items try {} at once", new.len(), model.limit.name);
                assert!(new.is_empty() || *probe == Some(new[0]), "an item runs that is not the probe");
            }
            model.was_probing = matches!(gate.state, GateState::Probing(_));
        }
    }
}

fn is_parent(state: RowState) -> bool {
    matches!(state, RowState::Suspended { .. } | RowState::Queued { resuming: true, .. })
}

impl Row {
    fn runs(&self) -> bool {
        matches!(self.state, RowState::Running { .. })
    }

    /// When its present attempt started, if one did.
    fn started_at(&self) -> Option<Time> {
        match self.state {
            RowState::Running { since }
            | RowState::Suspended { since }
            | RowState::Queued { since, resuming: true } => Some(since),
            _ => None,
        }
    }
}

impl ItemPlan {
    /// All limits it falls under, each once.
    fn limits(&self) -> BTreeSet<usize> {
        std::iter::once(0).chain(self.needs.iter().map(|(limit, _)| *limit)).chain(self.source).collect()
    }
}

fn spaced(rate: Option<Rate>, last: &mut Option<Time>, now: Time) {
    let before = last.replace(now);
    if let (Some(rate), Some(before)) = (rate, before) {
        assert!(now >= before + rate.interval(), "two starts within {:?}", now - before);
    }
}

/// Who stands first at a key is kept from it by something that will come to an end, and then it is looked at.
fn no_wake_is_lost(scheduler: &Scheduler) {
    assert!(scheduler.freed.is_empty());
    assert!(scheduler.ready.is_empty());
    for (n, key) in scheduler.keys.iter().enumerate() {
        let id = KeyId(n as u32);
        let favoured = scheduler.favoured.filter(|queue| scheduler.queues[*queue].place == Place::Parked(id));
        let Some(first) = favoured.or_else(|| key.parked.front()) else { continue };
        match scheduler.obstacle(first, id) {
            None => panic!("{} is free and nobody takes it", key.name),
            Some(Blocked::Room(_)) => {
                assert!(scheduler.items.iter().any(|(_, row)| row.runs()), "nothing frees it")
            }
            Some(Blocked::Until(at, _)) => {
                assert!(key.wake.is_some_and(|wake| wake <= at && wake > scheduler.now), "nobody wakes it");
            }
        }
    }
}
