//! A run: the limits, the clock and the events that its jobs have in common. Not here: what a job does (`driver`).

use super::event::{Clean, Counts, EventKind, JobNumber, Role};
use super::event_queue::EventQueue;
use super::limit::{Limit, LimitId};
use super::outcome::Cause;
use super::policy::Stop;
use super::scheduler::{Action, ItemId, JobId, Scheduler, Settings, Time};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Items at once in a run that says nothing else.
pub const DEFAULT_CONCURRENCY: u64 = 1024;
/// What running items get to come to an end by themselves when they are asked to stop.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// As good as never, and still within what the clock can count.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What the jobs of a run share: limits, clock, lanes, events. Cheap to clone; gathers that are made
/// [`in_run`](super::Gather::in_run) of the same one keep its limits together.
#[derive(Clone)]
pub struct Run {
    shared: Arc<Shared>,
}

struct Shared {
    start: Instant,
    state: Mutex<State>,
    events: Option<Arc<EventQueue>>,
    clean: Option<Clean>,
    span: tracing::Span,
}

struct State {
    scheduler: Scheduler,
    drivers: HashMap<u32, (JobId, Arc<Notify>)>,
    /// Whose driver wakes when time alone changes something, and when: one for all of them.
    alarm: Option<(JobId, Time)>,
}

/// How a run is set up.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Items at once, over all jobs.
    pub concurrency: u64,
    /// Starts over all jobs.
    pub rate: Option<super::limit::Rate>,
    /// What running items get to come to an end by themselves when they are asked to stop.
    pub grace: Duration,
    /// Feeds the jitter of retries. `None`: another one for every run.
    pub seed: Option<u64>,
    /// How many events may wait for their reader; `None`: nobody listens, and no event is built.
    pub events: Option<usize>,
    /// Takes secrets out of events and of the keys of spans, whatever a source or a server says.
    pub clean: Option<Clean>,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            concurrency: DEFAULT_CONCURRENCY,
            rate: None,
            grace: DEFAULT_GRACE,
            seed: None,
            events: None,
            clean: None,
        }
    }
}

impl Run {
    /// A new run; its clock starts now. Must be called within a tokio runtime, or with its time paused.
    pub fn new(settings: &RunSettings) -> Run {
        let limit = Limit { rate: settings.rate, ..Limit::new("run").concurrency(settings.concurrency) };
        let seed = settings.seed.unwrap_or_else(random_seed);
        let events =
            settings.events.map(|capacity| Arc::new(EventQueue::new(capacity, settings.clean.clone())));
        let scheduler = Scheduler::new(limit, settings.grace, seed, events.is_some());
        let state = Mutex::new(State { scheduler, drivers: HashMap::new(), alarm: None });
        let span = tracing::info_span!("run");
        Run {
            shared: Arc::new(Shared {
                start: Instant::now(),
                state,
                events,
                clean: settings.clean.clone(),
                span,
            }),
        }
    }

    /// Makes a limit, or finds the one that has its name.
    pub fn limit(&self, limit: Limit) -> LimitId {
        self.lock().scheduler.limit(limit)
    }

    /// The events of this run, to be read by one reader; `None` if it was set up without.
    pub fn events(&self) -> Option<Arc<EventQueue>> {
        self.shared.events.clone()
    }

    /// Whether somebody reads the events.
    pub(super) fn is_listened(&self) -> bool {
        self.shared.events.is_some()
    }

    /// What takes secrets out of the keys of spans.
    pub(super) fn clean(&self) -> Option<&Clean> {
        self.shared.clean.as_ref()
    }

    /// The span that all of the run's jobs are below.
    pub fn span(&self) -> &tracing::Span {
        &self.shared.span
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.shared.start.elapsed()
    }

    /// The numbers of jobs below this are given by the caller, with [`Gather::job`](super::Gather::job).
    pub fn reserve_jobs(&self, jobs: JobNumber) {
        self.with(|scheduler| scheduler.reserve_jobs(jobs));
    }

    /// Stops every job of the run, and those that begin later.
    pub fn cancel(&self, cause: &Cause, stop: Stop) {
        self.with(|scheduler| scheduler.cancel_all(cause, stop));
    }

    /// Ends the grace time of everything that was asked to stop.
    pub fn abort(&self) {
        self.with(Scheduler::abort_all);
    }

    /// Adds an event of the caller's own (`run_started`, `run_ended`, warnings), in order with all others.
    pub fn emit(&self, kind: EventKind) {
        self.with(|scheduler| scheduler.emit(|_| kind));
    }

    /// Does something with the scheduler at the present time, starts what may start, and wakes whose turn it is.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Scheduler) -> R) -> R {
        let mut state = self.lock();
        let result = self.change(&mut state, change);
        state.wake_in_time();
        result
    }

    /// As [`Run::with`], and takes what there is to do for a job. Says whether the job is over, and when its driver has to
    /// wake, as time alone will change something then for whomever; none if another one does.
    pub(super) fn turn(
        &self,
        job: JobId,
        actions: &mut VecDeque<Action>,
        change: impl FnOnce(&mut Scheduler),
    ) -> (bool, Option<Time>) {
        let mut state = self.lock();
        self.change(&mut state, change);
        state.scheduler.take_actions(job, actions);
        (state.scheduler.is_over(job), state.set_alarm(job))
    }

    fn change<R>(&self, state: &mut State, change: impl FnOnce(&mut Scheduler) -> R) -> R {
        state.scheduler.advance(self.elapsed());
        let result = change(&mut state.scheduler);
        state.scheduler.pump();
        if let Some(queue) = &self.shared.events {
            queue.push(&mut state.scheduler.events);
        }
        for job in state.scheduler.woken.drain(..) {
            if let Some((_, notify)) = state.drivers.get(&job.index()).filter(|(known, _)| *known == job) {
                notify.notify_one();
            }
        }
        result
    }

    pub(super) fn start_job(
        &self,
        settings: Settings,
        parent: Option<JobId>,
        place: (Option<JobNumber>, Role, Option<JobNumber>),
        notify: Arc<Notify>,
    ) -> JobId {
        let mut state = self.lock();
        let job = state.scheduler.start_job(settings, parent, place);
        state.drivers.insert(job.index(), (job, notify));
        job
    }

    pub(super) fn end_job(&self, job: JobId, why: Option<String>) -> Counts {
        let mut state = self.lock();
        let counts = self.change(&mut state, |scheduler| scheduler.end_job(job, why));
        if state.drivers.get(&job.index()).is_some_and(|(known, _)| *known == job) {
            state.drivers.remove(&job.index());
        }
        state.alarm = state.alarm.filter(|(whose, _)| *whose != job);
        state.wake_in_time();
        counts
    }

    pub(super) fn instant(&self, time: Time) -> Instant {
        self.shared.start.checked_add(time).unwrap_or(self.shared.start + NEVER)
    }

    pub(super) fn time(&self, instant: Instant) -> Time {
        instant.saturating_duration_since(self.shared.start)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The scheduler runs no foreign code under its lock: a panic in it is a bug, and going on is better than
        // hanging every other job.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When this driver has to wake: when time alone changes something, unless another one wakes by then.
    fn set_alarm(&mut self, job: JobId) -> Option<Time> {
        let wake = self.scheduler.next_wake();
        let is_set = |(whose, at): (JobId, Time)| whose != job && wake.is_none_or(|wake| at <= wake);
        if self.alarm.is_some_and(is_set) {
            return None;
        }
        self.alarm = wake.map(|wake| (job, wake));
        wake
    }

    /// Sees to it that a driver wakes when time alone changes something: one has its turn now and sets the alarm.
    fn wake_in_time(&self) {
        let Some(wake) = self.scheduler.next_wake() else { return };
        if self.alarm.is_some_and(|(_, at)| at <= wake) {
            return;
        }
        let whose = self.alarm.and_then(|(job, _)| self.drivers.get(&job.index()));
        if let Some((_, notify)) = whose.or_else(|| self.drivers.values().next()) {
            notify.notify_one();
        }
    }
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// An attempt's way to its run.
pub(super) struct Link {
    pub(super) run: Run,
    pub(super) job: JobId,
    pub(super) item: ItemId,
}

impl Link {
    pub(super) fn phase(&self, name: impl Into<Cow<'static, str>>) {
        let item = self.item;
        if !self.run.is_listened() {
            return;
        }
        self.run.with(|scheduler| {
            if let Some((job, item)) = scheduler.numbers(item) {
                scheduler.emit(|_| EventKind::Phase { job, item, name: name.into() });
            }
        });
    }

    pub(super) fn source_up(&self) {
        self.run.with(|scheduler| scheduler.source_up(self.item));
    }

    pub(super) fn hold(&self, duration: Duration) {
        self.run.with(|scheduler| scheduler.hold(self.item, duration));
    }

    pub(super) fn resize(&self, concurrency: u64) {
        self.run.with(|scheduler| scheduler.resize(self.item, concurrency));
    }

    pub(super) fn warn(&self, message: String) {
        self.run.emit(EventKind::Warning { message });
    }
}
