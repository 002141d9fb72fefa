//! When the jobs of a replay begin, submit their items, and end. Not here: what becomes of an item (`attempts`).

use super::player::{AS_RECORDED, Player, Step};
use super::{Item, Takes};
use crate::gather::event::Role;
use crate::gather::limit::Needs;
use crate::gather::policy::{Policy, Stop, Timeouts};
use crate::gather::scheduler::Settings;

impl Player<'_> {
    /// A job begins when what it needs has ended, and a page when there is room for its entries.
    pub(super) fn begin_if_free(&mut self, job: usize) {
        let Some(planned) = self.replay.jobs.get(job).filter(|_| self.jobs[job].needs == 0) else { return };
        match planned.lists_for {
            Some(fed) if !self.has_room(fed) => self.jobs[fed].next_page = Some(job),
            _ => self.plan(planned.delay, Step::Begin(job)),
        }
    }

    fn has_room(&self, job: usize) -> bool {
        let waiting = self.jobs[job].listed - self.jobs[job].submitted;
        waiting as u64 <= self.replay.jobs[job].look_ahead
    }

    pub(super) fn begin(&mut self, place: usize) {
        let job = &self.replay.jobs[place];
        let settings = Settings {
            name: "".into(),
            policy: Policy::Settle,
            stop: Stop::default(),
            retries: AS_RECORDED,
            retry_reserve: f64::MAX,
            timeouts: Timeouts::default(),
            deadline: None,
            expected: None,
            concurrency: job.concurrency,
            rate: job.rate,
        };
        let id = self.scheduler.start_job(settings, None, (None, Role::Items, None));
        (self.jobs[place].id, self.jobs[place].begun) = (Some(id), self.now);
        self.places.insert(id.index(), place);
        self.feed(place);
    }

    /// Notes how many of a job's items were listed.
    pub(super) fn note_listed(&mut self, job: usize) {
        let items = &self.replay.jobs[job].items;
        let mut listed = self.jobs[job].listed;
        let is_listed = |item: &Item| item.page.is_none_or(|page| self.jobs[page].ended.is_some());
        while items.get(listed).is_some_and(is_listed) {
            listed += 1;
        }
        self.jobs[job].listed = listed;
    }

    /// Submits a job's items, as many as have come and there is room for.
    pub(super) fn feed(&mut self, place: usize) {
        let Some(id) = self.jobs[place].id.filter(|_| !self.jobs[place].complete) else { return };
        let job = &self.replay.jobs[place];
        while self.jobs[place].submitted < self.jobs[place].listed {
            let play = &self.jobs[place];
            let item = &job.items[play.submitted];
            let from = item.page.and_then(|page| self.jobs[page].ended).unwrap_or_default();
            let comes = from.max(play.begun).saturating_add(item.delay);
            if comes > self.now {
                if play.feeds_at.is_none() {
                    self.jobs[place].feeds_at = Some(comes);
                    self.plan(comes - self.now, Step::Feed(place));
                }
                break;
            }
            if self.scheduler.queued(id) >= job.look_ahead {
                break;
            }
            let needs = self.needs(&item.takes);
            self.scheduler.submit(id, &needs, play.submitted as u32, None, true);
            self.jobs[place].submitted += 1;
        }
        let play = &mut self.jobs[place];
        if play.submitted == job.items.len() && play.pages == 0 {
            play.complete = true;
            self.scheduler.complete(id);
            self.maybe_over.push(place);
        }
        if self.has_room(place)
            && let Some(page) = self.jobs[place].next_page.take()
        {
            self.begin_if_free(page);
        }
    }

    fn needs(&self, takes: &Takes) -> Needs {
        let limits = takes.limits.iter();
        let needs = limits
            .fold(Needs::none(), |needs, (place, weight)| needs.and_weight(self.limits[*place], *weight));
        match takes.source {
            Some(source) => needs.source(self.limits[source]),
            None => needs,
        }
    }

    pub(super) fn close_if_over(&mut self, job: usize) {
        let Some(id) = self.jobs[job].id.filter(|_| !self.jobs[job].closing) else { return };
        if self.scheduler.is_over(id) {
            self.jobs[job].closing = true;
            self.plan(self.replay.jobs[job].closing, Step::Close(job));
        }
    }

    /// A job has ended: what waits for it may begin, and what it listed comes.
    pub(super) fn close(&mut self, place: usize) {
        if let Some(id) = self.jobs[place].id.take() {
            self.places.remove(&id.index());
            self.scheduler.end_job(id, None);
        }
        self.jobs[place].ended = Some(self.now);
        if let Some(fed) = self.replay.jobs[place].lists_for {
            self.jobs[fed].pages -= 1;
            self.note_listed(fed);
            self.feed(fed);
        }
        for waiting in std::mem::take(&mut self.jobs[place].waiting) {
            self.jobs[waiting].needs -= 1;
            self.begin_if_free(waiting);
        }
    }
}
