//! The driver's half of the simulation: `gather::driver` line by line, without tasks.

use super::{AttemptEnd, Sim, Slot, Step};
use crate::gather::limit::Needs;
use crate::gather::outcome::State;
use crate::gather::scheduler::tests::case::{ItemPlan, ms};
use crate::gather::scheduler::{Action, Brief, ItemId, Timing, Verdict, What};
use std::collections::VecDeque;

impl Sim {
    /// As `Driver::turn`.
    pub(super) fn turn(&mut self, n: usize) {
        self.drivers[n].turn_planned = false;
        if self.drivers[n].over {
            return;
        }
        let job = self.drivers[n].job;
        let (room, stopped) = self.tell(n);
        let new = self.pull(n, room, stopped);
        let actions = self.submit(n, new);
        let again = !self.drivers[n].intake_over && (stopped || !actions.is_empty());
        for action in actions {
            self.act(n, action);
        }
        let over = self.change(|scheduler| scheduler.is_over(job));
        if over && self.drivers[n].finished.is_empty() {
            self.end_driver(n);
        } else if again {
            self.plan_turn(n, 1);
        }
    }

    pub(super) fn tell(&mut self, n: usize) -> (u64, bool) {
        let job = self.drivers[n].job;
        let finished = std::mem::take(&mut self.drivers[n].finished);
        let told: Vec<_> = finished.into_iter().map(|(slot, end)| self.told(n, slot, end)).collect();
        let verdicts: Vec<(usize, AttemptEnd, Verdict)> = self.change(|scheduler| {
            let brief = || Brief::because(Some("why".to_owned()));
            told.into_iter()
                .map(|(slot, item, end)| {
                    let verdict = scheduler.ended(item, end.clone(), brief());
                    (slot, end, verdict)
                })
                .collect()
        });
        for (slot, end, verdict) in verdicts {
            match verdict {
                Verdict::Again => self.slot(n, slot).attempt = None,
                Verdict::Own(timing) => self.end(n, slot, end.state(), timing),
                Verdict::Other(ending, timing) => self.end(n, slot, ending.state(), timing),
            }
        }
        let room = self.drivers[n].plan.look_ahead.saturating_sub(self.scheduler.queued(job));
        (room, self.scheduler.stopped(job).is_some())
    }

    pub(super) fn told(&mut self, n: usize, slot: usize, end: AttemptEnd) -> (usize, ItemId, AttemptEnd) {
        let state = self.slot(n, slot);
        match (end, state.timed_out.take()) {
            (AttemptEnd::Aborted, Some(timeout)) => (slot, state.item, AttemptEnd::TimedOut(timeout)),
            (end, _) => (slot, state.item, end),
        }
    }

    pub(super) fn slot(&mut self, driver: usize, slot: usize) -> &mut Slot {
        self.drivers[driver].slots[slot].as_mut().expect("a slot is kept until its item has its outcome")
    }

    /// Which items come now.
    pub(super) fn pull(&mut self, n: usize, room: u64, stopped: bool) -> Vec<usize> {
        let driver = &mut self.drivers[n];
        if stopped && !driver.plan.is_known {
            driver.intake_over = true;
        }
        let mut new = Vec::new();
        while !driver.intake_over && (new.len() as u64) < room {
            match driver.plan.items.get(driver.submitted) {
                None => driver.intake_over = true,
                Some(item) if driver.begun + ms(item.arrives) <= self.now => {
                    new.push(driver.submitted);
                    driver.submitted += 1;
                }
                Some(_) => break,
            }
        }
        new
    }

    pub(super) fn submit(&mut self, n: usize, new: Vec<usize>) -> VecDeque<Action> {
        let (job, number, plan) = (self.drivers[n].job, self.drivers[n].number, self.drivers[n].plan.clone());
        let mut places: Vec<(usize, usize, Needs)> = Vec::new();
        for item in new {
            self.checks.item(number, item as u64, &plan.items[item]);
            let slots = &mut self.drivers[n].slots;
            let slot =
                slots.iter().position(Option::is_none).filter(|slot| !places.iter().any(|(s, ..)| s == slot));
            let slot = slot.unwrap_or_else(|| {
                slots.push(None);
                slots.len() - 1
            });
            places.push((slot, item, self.needs(&plan.items[item])));
        }
        let complete = self.drivers[n].intake_over;
        let mut actions = VecDeque::new();
        let items = self.change(|scheduler| {
            let submit = |(slot, item, needs): &(usize, usize, Needs)| {
                let key = Some(format!("{item}").into());
                scheduler.submit(job, needs, *slot as u32, key, plan.items[*item].can_repeat)
            };
            let items: Vec<ItemId> = places.iter().map(submit).collect();
            if complete {
                scheduler.complete(job);
            }
            items
        });
        for ((slot, number, _), item) in places.into_iter().zip(items) {
            self.drivers[n].slots[slot] = Some(Slot { item, number, attempt: None, timed_out: None });
        }
        self.scheduler.take_actions(job, &mut actions);
        actions
    }

    pub(super) fn needs(&self, item: &ItemPlan) -> Needs {
        let needs = item
            .needs
            .iter()
            .fold(Needs::none(), |needs, (limit, weight)| needs.and_weight(self.limits[*limit], *weight));
        item.source.map_or(needs.clone(), |limit| needs.source(self.limits[limit]))
    }

    pub(super) fn act(&mut self, n: usize, Action { item, slot, what }: Action) {
        let slot = slot as usize;
        let Some(state) = self.drivers[n].slots[slot].as_mut().filter(|state| state.item == item) else {
            return;
        };
        let attempt = state.attempt;
        match (what, attempt) {
            (What::Start { attempt, .. }, running) => {
                assert_eq!(running, None, "an attempt starts while one runs");
                self.start(n, slot, item, attempt);
            }
            (What::Resume, Some(attempt)) => self.plan(0, Step::Go(attempt)),
            (What::Ask(_), Some(attempt)) => self.ask(n, slot, attempt),
            (What::Abort, Some(attempt)) => self.abort(n, slot, attempt),
            (What::TimeOut(timeout), Some(attempt)) => {
                state.timed_out = Some(timeout);
                self.abort(n, slot, attempt);
            }
            (What::End(end), running) => {
                let (ending, timing) = *end;
                assert_eq!(running, None, "an item ends as resting while an attempt runs");
                self.end(n, slot, ending.state(), timing);
            }
            (_, None) => {}
        }
    }

    pub(super) fn end(&mut self, n: usize, slot: usize, state: State, timing: Timing) {
        let ended = self.drivers[n].slots[slot].take().expect("an item ends once");
        let number = self.drivers[n].number;
        self.checks.outcome(number, ended.number as u64, state, timing);
    }

    pub(super) fn end_driver(&mut self, n: usize) {
        let driver = &mut self.drivers[n];
        driver.over = true;
        assert!(driver.slots.iter().all(Option::is_none), "a job is over though an item has no outcome");
        let (job, parent) = (driver.job, driver.parent);
        let counts = self.change(|scheduler| scheduler.end_job(job, None));
        assert_eq!(counts.submitted, counts.ended());
        if let Some(attempt) = parent.and_then(|parent| self.attempts.get(&parent)) {
            let item = attempt.item;
            self.change(|scheduler| scheduler.want_back(item));
        }
    }

    /// As `Driver::drop`: nobody waits any more.
    pub(super) fn drop_driver(&mut self, n: usize) {
        if std::mem::replace(&mut self.drivers[n].over, true) {
            return;
        }
        let job = self.drivers[n].job;
        self.change(|scheduler| scheduler.end_job(job, None));
        let running: Vec<u64> =
            self.attempts.iter().filter(|(_, attempt)| attempt.driver == n).map(|(id, _)| *id).collect();
        for attempt in running {
            self.finish(attempt, AttemptEnd::Aborted);
        }
        // Who waited for it goes on, as after `select!`.
        if let Some(attempt) = self.drivers[n].parent.and_then(|parent| self.attempts.get(&parent)) {
            let item = attempt.item;
            self.change(|scheduler| scheduler.want_back(item));
        }
    }
}
