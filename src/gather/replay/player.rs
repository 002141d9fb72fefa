//! Plays a [`Replay`]: does for the scheduler what drivers and attempts do in a run, at the times that were recorded.
//! Not here: what starts when (`scheduler`).

use super::{Replay, Replayed, Stuck};
use crate::gather::limit::{Limit, LimitId};
use crate::gather::policy::{Backoff, Retries};
use crate::gather::scheduler::{ItemId, JobId, Scheduler, Time};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// As often as it was recorded, after the pauses that were recorded.
pub(super) const AS_RECORDED: Retries = Retries {
    count: u32::MAX,
    delay: Duration::ZERO,
    max_delay: Duration::ZERO,
    backoff: Backoff::Constant,
    jitter: false,
};

pub(super) struct Player<'a> {
    pub(super) replay: &'a Replay,
    pub(super) scheduler: Scheduler,
    pub(super) limits: Vec<LimitId>,
    pub(super) now: Time,
    /// What comes when. Of what comes at the same time jobs begin last, in their order, and the rest comes in the order
    /// in which it was planned.
    pub(super) todo: BTreeMap<(Time, usize, u64), Step>,
    pub(super) planned: u64,
    pub(super) jobs: Vec<Play>,
    pub(super) places: HashMap<u32, usize>,
    /// Jobs of which the last item may have ended.
    pub(super) maybe_over: Vec<usize>,
    pub(super) in_use: Vec<u64>,
    pub(super) peaks: Vec<u64>,
    /// Which limits' sources are known to be up.
    pub(super) up: Vec<bool>,
}

pub(super) enum Step {
    Begin(usize),
    Feed(usize),
    Up(ItemId, usize),
    Hold(ItemId, Duration),
    /// An attempt of an item ends: job, item, how many-eth attempt.
    End(usize, usize, ItemId, u32),
    Close(usize),
}

/// How far a job is.
#[derive(Default)]
pub(super) struct Play {
    pub(super) id: Option<JobId>,
    pub(super) begun: Time,
    /// Jobs it still waits for, and pages that still list for it.
    pub(super) needs: usize,
    pub(super) pages: usize,
    /// Those that wait for it.
    pub(super) waiting: Vec<usize>,
    /// A page that begins when there is room for more entries.
    pub(super) next_page: Option<usize>,
    /// Items whose page has ended, and of those the ones that are submitted.
    pub(super) listed: usize,
    pub(super) submitted: usize,
    /// Its next item comes then.
    pub(super) feeds_at: Option<Time>,
    pub(super) complete: bool,
    pub(super) closing: bool,
    pub(super) ended: Option<Time>,
}

impl<'a> Player<'a> {
    pub(super) fn new(replay: &'a Replay) -> Player<'a> {
        let limit = |limit: &super::Limit| Limit {
            name: limit.name.clone(),
            concurrency: limit.concurrency,
            rate: limit.rate,
            gate: limit.connects.map(|_| AS_RECORDED),
        };
        let run = replay.limits.first().map_or_else(|| Limit::new("run"), limit);
        let mut scheduler = Scheduler::new(run, Duration::ZERO, 0, false);
        let limits: Vec<LimitId> = replay.limits.iter().map(|known| scheduler.limit(limit(known))).collect();
        let mut player = Player {
            replay,
            scheduler,
            now: Time::ZERO,
            todo: BTreeMap::new(),
            planned: 0,
            jobs: replay.jobs.iter().map(|_| Play::default()).collect(),
            places: HashMap::new(),
            maybe_over: Vec::new(),
            in_use: vec![0; limits.len()],
            peaks: vec![0; limits.len()],
            up: vec![false; limits.len()],
            limits,
        };
        player.connect();
        player
    }

    /// Notes who waits for whom, and lets begin what waits for nobody.
    fn connect(&mut self) {
        for (place, job) in self.replay.jobs.iter().enumerate() {
            self.jobs[place].needs = job.needs.len();
            job.needs.iter().for_each(|need| self.jobs[*need].waiting.push(place));
            if let Some(fed) = job.lists_for {
                self.jobs[fed].pages += 1;
            }
        }
        for place in 0..self.jobs.len() {
            self.note_listed(place);
        }
        for place in 0..self.jobs.len() {
            self.begin_if_free(place);
        }
    }

    pub(super) fn play(mut self) -> Result<Replayed, Stuck> {
        loop {
            let step = self.todo.first_key_value().map(|((at, ..), _)| *at);
            let wake = self.scheduler.next_wake();
            let Some(at) = [step, wake].into_iter().flatten().min() else { break };
            self.now = self.now.max(at);
            self.scheduler.advance(self.now);
            // Timers of the scheduler come before what happens at the same time, as in a run.
            if wake.is_none_or(|wake| wake > self.now)
                && let Some((_, step)) = self.todo.pop_first()
            {
                self.take(step);
            }
            self.settle();
        }
        let over = self.jobs.iter().all(|job| job.ended.is_some());
        let wall = self.jobs.iter().filter_map(|job| job.ended).max().unwrap_or_default();
        over.then_some(Replayed { wall, peaks: self.peaks }).ok_or(Stuck)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Begin(job) => self.begin(job),
            Step::Feed(job) => {
                self.jobs[job].feeds_at = None;
                self.feed(job);
            }
            Step::Up(item, limit) => {
                self.up[limit] = true;
                self.scheduler.source_up(item);
            }
            Step::Hold(item, duration) => self.scheduler.hold(item, duration),
            Step::End(job, slot, item, attempt) => self.end(job, slot, item, attempt),
            Step::Close(job) => self.close(job),
        }
    }

    pub(super) fn plan(&mut self, after: Duration, step: Step) {
        self.planned += 1;
        let rank = if let Step::Begin(job) = &step { job + 1 } else { 0 };
        self.todo.insert((self.now.saturating_add(after), rank, self.planned), step);
    }

    /// Starts what may start, and lets jobs submit more as there is room.
    fn settle(&mut self) {
        let mut actions = VecDeque::new();
        loop {
            self.scheduler.pump();
            let woken = std::mem::take(&mut self.scheduler.woken);
            if woken.is_empty() {
                break;
            }
            for id in woken {
                let Some(job) = self.places.get(&id.index()).copied() else { continue };
                self.scheduler.take_actions(id, &mut actions);
                while let Some(action) = actions.pop_front() {
                    self.act(job, &action);
                }
                self.feed(job);
            }
        }
        for job in std::mem::take(&mut self.maybe_over) {
            self.close_if_over(job);
        }
    }
}
