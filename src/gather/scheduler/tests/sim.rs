//! A run with drivers that only pretend to run something, on a clock that jumps from one thing to the next. It does
//! what `driver` does, in the same order, and lets [`Checks`] look after every change.

mod driver;

use super::super::{AttemptEnd, ItemId, JobId, RETRY_RESERVE, Scheduler, Settings, Time};
use super::case::{AttemptPlan, Case, Disturbance, End, JobPlan, Moment, Obeys, ms};
use super::checks::Checks;
use crate::gather::event::{JobNumber, Role};
use crate::gather::limit::LimitId;
use crate::gather::outcome::{Cause, Timeout};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

/// More steps than any case needs: past it, it does not end.
const STEPS: u64 = 300_000;

pub(super) struct Sim {
    pub(super) scheduler: Scheduler,
    pub(super) checks: Checks,
    now: Time,
    lag: u64,
    limits: Vec<LimitId>,
    drivers: Vec<Driver>,
    attempts: HashMap<u64, Attempt>,
    todo: BinaryHeap<Reverse<(Time, u64, Step)>>,
    steps: u64,
    attempt_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    StartJob(usize),
    Turn(usize),
    /// An attempt goes on.
    Go(u64),
    /// It stops as it was asked.
    Quit(u64),
    /// It is aborted, and nothing of it blocks any more.
    Aborted(u64),
    Drop(usize),
    Disturb(usize),
}

struct Driver {
    job: JobId,
    number: JobNumber,
    plan: Rc<JobPlan>,
    begun: Time,
    submitted: usize,
    intake_over: bool,
    slots: Vec<Option<Slot>>,
    finished: Vec<(usize, AttemptEnd)>,
    turn_planned: bool,
    over: bool,
    /// The attempt that waits for this job.
    parent: Option<u64>,
}

struct Slot {
    item: ItemId,
    number: usize,
    attempt: Option<u64>,
    timed_out: Option<Timeout>,
}

struct Attempt {
    driver: usize,
    slot: usize,
    item: ItemId,
    plan: AttemptPlan,
    next: usize,
    /// The delay before the next moment is over.
    waited: bool,
    children: Option<usize>,
}

impl Sim {
    pub(super) fn new(case: &Case) -> Sim {
        let run = case.limits[0].clone();
        let mut scheduler = Scheduler::new(run, ms(40), case.seed, true);
        let limits = case.limits.iter().map(|limit| scheduler.limit(limit.clone())).collect();
        let mut sim = Sim {
            scheduler,
            checks: Checks::new(&case.limits),
            now: Time::ZERO,
            lag: case.lag,
            limits,
            drivers: Vec::new(),
            attempts: HashMap::new(),
            todo: BinaryHeap::new(),
            steps: 0,
            attempt_count: 0,
        };
        for (n, (at, _)) in case.jobs.iter().enumerate() {
            sim.plan(*at, Step::StartJob(n));
        }
        for (n, (at, _)) in case.disturbances.iter().enumerate() {
            sim.plan(*at, Step::Disturb(n));
        }
        sim
    }

    /// Runs a case to its end.
    pub(super) fn run(case: &Case) -> Checks {
        let mut sim = Sim::new(case);
        while sim.step(case) {}
        if let Some(driver) = sim.drivers.iter().find(|driver| !driver.over) {
            let job = &sim.scheduler.jobs[driver.job];
            let (live, queued, number) = (job.live, job.queued, driver.number);
            panic!(
                "job {number} hangs: {live} live, {queued} queued, {} submitted, complete: {}, actions: {:?}, finished: {:?}",
                driver.submitted, job.complete, job.actions, driver.finished
            );
        }
        assert!(sim.attempts.is_empty(), "an attempt still runs");
        sim.checks.at_the_end(&sim.scheduler);
        sim.checks
    }

    fn plan(&mut self, after: u64, step: Step) {
        self.steps += 1;
        assert!(self.steps < STEPS, "it does not end");
        self.todo.push(Reverse((self.now + ms(after), self.steps, step)));
    }

    /// The next thing that happens, be it a timer of the scheduler's or something outside.
    fn step(&mut self, case: &Case) -> bool {
        let outside = self.todo.peek().map(|Reverse((at, ..))| *at);
        let wake = self.scheduler.next_wake();
        let Some(at) = [outside, wake].into_iter().flatten().min() else { return false };
        self.now = self.now.max(at);
        if wake.is_some_and(|wake| wake <= self.now) {
            self.steps += 1;
            assert!(self.steps < STEPS, "it does not end");
            self.change(|_| ());
        } else if let Some(Reverse((_, _, step))) = self.todo.pop() {
            self.take(step, case);
        }
        true
    }

    fn take(&mut self, step: Step, case: &Case) {
        match step {
            Step::StartJob(n) => drop(self.start_job(&case.jobs[n].1, None)),
            Step::Turn(driver) => self.turn(driver),
            Step::Go(attempt) => self.go(attempt),
            Step::Quit(attempt) => self.quit(attempt),
            Step::Aborted(attempt) => self.finish(attempt, AttemptEnd::Aborted),
            Step::Drop(driver) => self.drop_driver(driver),
            Step::Disturb(n) => self.disturb(&case.disturbances[n].1),
        }
    }

    /// As `Run::with`.
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut Scheduler) -> R) -> R {
        self.scheduler.advance(self.now);
        let result = change(&mut self.scheduler);
        self.scheduler.pump();
        self.checks.after_a_change(&mut self.scheduler);
        for job in std::mem::take(&mut self.scheduler.woken) {
            if let Some(driver) = self.drivers.iter().position(|driver| driver.job == job && !driver.over) {
                self.plan_turn(driver, self.lag);
            }
        }
        result
    }

    fn plan_turn(&mut self, driver: usize, after: u64) {
        if !std::mem::replace(&mut self.drivers[driver].turn_planned, true) {
            self.plan(after, Step::Turn(driver));
        }
    }

    fn start_job(&mut self, plan: &Rc<JobPlan>, parent: Option<u64>) -> usize {
        let settings = Settings {
            name: format!("job {}", self.drivers.len()).into(),
            policy: plan.policy,
            stop: plan.stop,
            retries: plan.retries,
            retry_reserve: RETRY_RESERVE,
            timeouts: plan.timeouts,
            deadline: plan.deadline.map(|deadline| self.now + ms(deadline)),
            expected: plan.is_known.then_some(plan.items.len() as u64),
            concurrency: plan.concurrency,
            rate: plan.rate,
        };
        let above = parent.map(|attempt| self.drivers[self.attempts[&attempt].driver].job);
        let role = if above.is_some() { Role::Nested } else { Role::Items };
        let job = self.scheduler.start_job(settings, above, (None, role, None));
        let number = self.scheduler.jobs[job].number;
        self.checks.job(
            number,
            plan,
            above.and_then(|above| self.scheduler.jobs.get(above)).map(|above| above.number),
        );
        self.drivers.push(Driver {
            job,
            number,
            plan: plan.clone(),
            begun: self.now,
            submitted: 0,
            intake_over: false,
            slots: Vec::new(),
            finished: Vec::new(),
            turn_planned: false,
            over: false,
            parent,
        });
        let driver = self.drivers.len() - 1;
        self.plan_turn(driver, 0);
        for item in &plan.items {
            self.plan(item.arrives, Step::Turn(driver));
        }
        driver
    }

    fn start(&mut self, driver: usize, slot: usize, item: ItemId, attempt: u32) {
        let number = self.slot(driver, slot).number;
        let plan = self.drivers[driver].plan.items[number].clone();
        assert!(attempt == 1 || plan.can_repeat, "what can't be repeated is attempted again");
        let place = attempt as usize - 1;
        let last = plan.attempts.last().filter(|_| plan.forever);
        let plan = plan.attempts.get(place).or(last).cloned();
        let plan = plan.unwrap_or(AttemptPlan { moments: Vec::new(), end: End::Done });
        self.attempt_count += 1;
        let id = self.attempt_count;
        self.slot(driver, slot).attempt = Some(id);
        let attempt = Attempt { driver, slot, item, plan, next: 0, waited: false, children: None };
        self.attempts.insert(id, attempt);
        self.plan(0, Step::Go(id));
    }

    /// An attempt gets to its next moment, or to its end.
    fn go(&mut self, id: u64) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if let Some(children) = attempt.children.take() {
            assert!(self.drivers[children].over, "a parent goes on before its children are over");
        }
        let Some((delay, moment)) = attempt.plan.moments.get(attempt.next).cloned() else {
            let end = attempt.plan.end.clone();
            return self.finish(id, end.attempt_end());
        };
        if !std::mem::replace(&mut attempt.waited, true) {
            return self.plan(delay, Step::Go(id));
        }
        (attempt.next, attempt.waited) = (attempt.next + 1, false);
        let item = attempt.item;
        match moment {
            Moment::Nothing => {}
            Moment::Up => self.change(|scheduler| scheduler.source_up(item)),
            Moment::Hold(duration) => self.hold(id, item, duration),
            Moment::Resize(most) => self.change(|scheduler| scheduler.resize(item, most)),
            Moment::Children(plan) => {
                self.change(|scheduler| scheduler.suspend(item));
                let children = self.start_job(&plan, Some(id));
                self.attempts.get_mut(&id).expect("it runs").children = Some(children);
                return;
            }
        }
        self.plan(0, Step::Go(id));
    }

    fn hold(&mut self, id: u64, item: ItemId, duration: u64) {
        let Attempt { driver, slot, .. } = self.attempts[&id];
        let number = self.slot(driver, slot).number;
        let source = self.drivers[driver].plan.items[number].source;
        if self.scheduler.items.get(item).is_some() {
            self.checks.held(source, self.now + ms(duration));
        }
        self.change(|scheduler| scheduler.hold(item, ms(duration)));
    }

    fn ask(&mut self, driver: usize, slot: usize, attempt: u64) {
        let number = self.slot(driver, slot).number;
        match self.drivers[driver].plan.items[number].obeys {
            Obeys::NotAware => self.abort(driver, slot, attempt),
            Obeys::After(after, _) => self.plan(after, Step::Quit(attempt)),
            Obeys::Never => {}
        }
    }

    fn quit(&mut self, id: u64) {
        let Some(Attempt { driver, slot, .. }) = self.attempts.get(&id) else { return };
        let (driver, slot) = (*driver, *slot);
        let number = self.slot(driver, slot).number;
        if let Obeys::After(_, end) = &self.drivers[driver].plan.items[number].obeys {
            let end = end.attempt_end();
            self.finish(id, end);
        }
    }

    fn abort(&mut self, driver: usize, slot: usize, attempt: u64) {
        let number = self.slot(driver, slot).number;
        let blocks = self.drivers[driver].plan.items[number].blocks;
        self.plan(blocks, Step::Aborted(attempt));
    }

    /// Nothing of an attempt runs any more; its driver will hear of it.
    fn finish(&mut self, id: u64, end: AttemptEnd) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        if let Some(children) = attempt.children {
            self.plan(self.lag, Step::Drop(children));
            self.change(|scheduler| scheduler.want_back(attempt.item));
        }
        if !self.drivers[attempt.driver].over {
            self.drivers[attempt.driver].finished.push((attempt.slot, end));
            self.plan_turn(attempt.driver, self.lag);
        }
    }

    fn disturb(&mut self, disturbance: &Disturbance) {
        let job = |n: &usize| self.drivers.get(*n).map(|driver| driver.job);
        match disturbance {
            Disturbance::Cancel(n, stop) => {
                if let Some(job) = job(n) {
                    self.change(|scheduler| scheduler.cancel(job, &Cause::Asked, *stop));
                }
            }
            Disturbance::CancelAll(stop) => {
                self.change(|scheduler| scheduler.cancel_all(&Cause::Signal(2), *stop));
            }
            Disturbance::AbortAll => self.change(Scheduler::abort_all),
            Disturbance::Drop(n) if *n < self.drivers.len() => self.drop_driver(*n),
            Disturbance::Drop(_) => {}
        }
    }
}

impl End {
    pub(super) fn attempt_end(&self) -> AttemptEnd {
        match self {
            End::Done => AttemptEnd::Done,
            End::Skipped => AttemptEnd::Skipped,
            End::Failed(advice) => AttemptEnd::Failed(*advice),
            End::TimedOut => AttemptEnd::TimedOut(Timeout::Attempt(ms(1))),
            End::Panicked => AttemptEnd::Panicked,
        }
    }
}
