//! How each event changes the timeline. Events of a damaged log may come in any order: none of them may break an
//! invariant, so an item that is named before it was submitted is taken as submitted there.

use super::item::{Attempt, AttemptEnd, End, Item, PHASES};
use super::losses::Scope;
use super::totals::{Job, Slow, SourceUse};
use super::{MOMENTS, Timeline, WARNINGS};
use crate::gather::{
    Counts, Event, EventKind, ItemNumber, JobInfo, JobNumber, LimitInfo, LimitUse, Role, RunInfo, State, Wait,
};
use std::sync::Arc;
use std::time::Duration;

/// No more items are counted than numbers of JSON are exact for.
const MOST: u64 = 1 << 53;

/// The stable name under which an item says that nothing changed since last time.
const UNCHANGED: &str = "unchanged";
/// The stable name under which the one item of a job that was skipped says so.
const NEED_FAILED: &str = "need_failed";

impl Timeline {
    /// Takes in one event.
    pub fn add(&mut self, event: &Event) {
        let at = event.at.max(self.now);
        self.now = at;
        self.moment(event);
        match &event.kind {
            EventKind::RunStarted(info) => self.run_started(info),
            EventKind::JobStarted { job, name, role, parent } => self.job_started(*job, name, *role, *parent),
            EventKind::ItemQueued { job, item, key, limits } => {
                self.queued(*job, *item, key.as_ref(), limits.as_ref());
            }
            EventKind::AttemptStarted { job, item, attempt, lane, waits } => {
                let times = Attempt { start: at, told: at, ..Attempt::default() };
                let attempt = Attempt { number: *attempt, lane: *lane, waits: waits.clone(), ..times };
                self.attempt_started(*job, *item, attempt);
            }
            EventKind::Phase { job, item, name } => self.during(*job, *item, |attempt| {
                if attempt.phases.len() < PHASES {
                    attempt.phases.push((at, name.clone()));
                }
            }),
            EventKind::Progress { job, item, bytes, rows } => self.progressed(*job, *item, *bytes, *rows),
            EventKind::Attributes { job, item, attributes } => {
                self.during(*job, *item, |attempt| attempt.attributes = attributes.clone());
            }
            EventKind::AttemptEnded { job, item, state, error, retry_in } => {
                let again = retry_in.map(|after| at.saturating_add(after));
                self.attempt_ended(
                    *job,
                    *item,
                    AttemptEnd { at, state: *state, error: error.clone(), again },
                );
            }
            EventKind::ItemEnded { job, item, state, why, code, waits, brought } => {
                let (why, code, waits, brought) = (why.clone(), code.clone(), waits.clone(), brought.clone());
                self.item_ended(*job, *item, End { at, state: *state, why, code, waits, brought });
            }
            EventKind::JobEnded { job, counts, why } => {
                self.never_submitted(*job, counts);
                self.job_ended(*job, why.clone());
            }
            EventKind::Held { limit, duration } => self.held(limit, at.saturating_add(*duration)),
            EventKind::Resized { limit, concurrency } => self.limit(limit).concurrency = Some(*concurrency),
            EventKind::SourceUp { .. } => {}
            EventKind::SourceDown { source, why } => self.source_down(source, why),
            EventKind::Cancelling { job, cause } => {
                if job.is_none() {
                    self.stopping = Some(cause.clone());
                }
            }
            EventKind::Warning { message } => self.warned(message),
            EventKind::RunEnded { exit, .. } => self.ended = Some((at, *exit)),
        }
    }

    /// Keeps an event that is about no item; of warnings those that are kept anyway, so that they leave room.
    fn moment(&mut self, event: &Event) {
        use EventKind::{Cancelling, Held, Resized, SourceDown, SourceUp, Warning};
        let is_moment = match event.kind {
            Warning { .. } => self.warnings.len() < WARNINGS,
            Cancelling { .. } | Held { .. } | Resized { .. } | SourceDown { .. } | SourceUp { .. } => true,
            _ => false,
        };
        if is_moment && self.moments.len() < MOMENTS {
            self.moments.push(Event { at: self.now, kind: event.kind.clone() });
        } else if is_moment {
            self.more_moments += 1;
        }
    }

    fn run_started(&mut self, info: &RunInfo) {
        self.info = info.clone();
        self.limits = info.limits.iter().map(|limit| (limit.name.clone(), limit.clone())).collect();
        for (number, job) in (0..).zip(&info.jobs) {
            let source = self.source_of(job);
            let many = job.many;
            let entry = self.job(number);
            (entry.name, entry.source, entry.many) = (job.name.clone(), source, many);
        }
    }

    fn job_started(&mut self, number: JobNumber, name: &Arc<str>, role: Role, parent: Option<JobNumber>) {
        let at = self.now;
        let family =
            parent.and_then(|parent| self.jobs.get(&parent)).map(|job| (job.source, job.name.clone()));
        let job = self.job(number);
        job.name = name.clone();
        (job.role, job.parent) = (role, parent);
        job.started.get_or_insert(at);
        if let Some((source, parent)) = family {
            job.source = source;
            if role == Role::Pages {
                job.name = parent;
            }
        }
    }

    /// Counts the items of a stopped job that were too many for each to be told of.
    fn never_submitted(&mut self, number: JobNumber, told: &Counts) {
        let job = self.job(number);
        if job.role != Role::Items {
            return;
        }
        let (name, more) = (job.name.to_string(), told.not_started.saturating_sub(job.counts.not_started));
        let more = more.min(MOST.saturating_sub(self.counts.submitted));
        if more == 0 {
            return;
        }
        let job = self.job(number);
        job.counts.never_start(more);
        self.counts.never_start(more);
        self.source(number).counts.never_start(more);
        let why = self.stopping.as_ref().map_or_else(String::new, ToString::to_string);
        self.losses.add_many(State::NotStarted, Scope::Run, &why, &name, more);
    }

    /// Ends a job. One that is not the plan's and of which no item is kept is forgotten: there may be millions.
    fn job_ended(&mut self, number: JobNumber, why: Option<String>) {
        let at = self.now;
        let job = self.job(number);
        (job.ended, job.why) = (Some(at), why);
        if job.role != Role::Items && job.items.is_empty() && job.why.is_none() {
            let dropped = job.dropped;
            self.jobs.remove(&number);
            self.forgotten = self.forgotten.saturating_add(dropped);
        }
    }

    fn queued(
        &mut self,
        job: JobNumber,
        number: ItemNumber,
        key: Option<&Arc<str>>,
        limits: Option<&Arc<[LimitUse]>>,
    ) {
        if let Some(limits) = limits {
            self.job(job).takes = limits.clone();
        }
        let takes = self.job(job).takes.clone();
        let item = self.touch(job, number);
        item.limits = takes;
        item.key = key.cloned().or(item.key.take());
    }

    fn attempt_started(&mut self, job: JobNumber, number: ItemNumber, attempt: Attempt) {
        let (at, lane, waits) = (attempt.start, attempt.lane, attempt.waits.clone());
        let item = self.touch(job, number);
        if item.end.is_some() || item.running().is_some() {
            return;
        }
        let (retried, takes) = (item.is_to_retry(), item.limits.clone());
        item.start(attempt);
        self.taken.take(&takes);
        self.lanes = self.lanes.max(lane.saturating_add(1));
        self.active.insert((job, number));
        let entry = self.job(job);
        entry.running += 1;
        entry.retrying = entry.retrying.saturating_sub(retried.into());
        self.running.up(at);
        let source = self.source(job);
        source.attempts += 1;
        source.running.up(at);
        source.waiting.down(at);
        waits.iter().for_each(|wait: &Wait| self.waits.add(wait));
    }

    fn during(&mut self, job: JobNumber, item: ItemNumber, change: impl FnOnce(&mut Attempt)) {
        let item = self.jobs.get_mut(&job).and_then(|job| job.items.get_mut(&item));
        if let Some(attempt) = item.and_then(Item::running_mut) {
            change(attempt);
        }
    }

    fn progressed(&mut self, job: JobNumber, number: ItemNumber, bytes: u64, rows: u64) {
        let (now, mut came) = (self.now, None);
        self.during(job, number, |attempt| {
            came = Some((attempt.told, bytes.saturating_sub(attempt.bytes)));
            (attempt.told, attempt.bytes, attempt.rows) = (now, bytes, rows);
        });
        if let Some((since, more)) = came {
            self.source(job).bytes.add(since, now, more);
        }
    }

    fn attempt_ended(&mut self, job: JobNumber, number: ItemNumber, end: AttemptEnd) {
        if !self.active.remove(&(job, number)) {
            return;
        }
        let (at, is_done) = (end.at, end.state == State::Done);
        self.during(job, number, |attempt| attempt.end = Some(end));
        let takes = self.item(job, number).map(|item| item.limits.clone()).unwrap_or_default();
        self.taken.give_back(&takes);
        self.running.down(at);
        let entry = self.job(job);
        entry.running -= 1;
        entry.retrying += u64::from(!is_done);
        let source = self.source(job);
        source.running.down(at);
        source.waiting.up(at);
    }

    fn item_ended(&mut self, job: JobNumber, number: ItemNumber, end: End) {
        let item = self.touch(job, number);
        if item.end.is_some() {
            return;
        }
        if item.running().is_some() {
            let end = AttemptEnd { at: end.at, state: end.state, error: end.why.clone(), again: None };
            self.attempt_ended(job, number, end);
        }
        let item = self.touch(job, number);
        item.end = Some(end.clone());
        let (item, retried) = (item.clone(), item.is_to_retry());
        let source = self.source(job);
        if let Some(last) = item.attempts.last() {
            let more = end.brought.bytes.saturating_sub(last.bytes);
            source.bytes.add(last.told, last.until(end.at), more);
        }
        source.waiting.down(end.at);
        let entry = self.job(job);
        entry.retrying = entry.retrying.saturating_sub(retried.into());
        self.count(job, &end);
        self.note(&item, &end);
        self.make_room(job, number);
    }

    /// Books an outcome everywhere it is counted.
    fn count(&mut self, job: JobNumber, end: &End) {
        let unchanged = end.state == State::Skipped && end.code.as_deref() == Some(UNCHANGED);
        let counted = self.job(job).role != Role::Pages;
        let book = |received: &mut super::Received| {
            received.add(&end.brought);
            received.unchanged += u64::from(unchanged);
        };
        book(&mut self.received);
        book(&mut self.source(job).received);
        book(&mut self.job(job).received);
        self.job(job).counts.add(end.state);
        self.job(job).is_skipped |= end.code.as_deref() == Some(NEED_FAILED);
        if counted {
            self.counts.add(end.state);
            self.source(job).counts.add(end.state);
        }
    }

    /// Remembers an ended item if it was slow or lost.
    fn note(&mut self, item: &Item, end: &End) {
        let label = self.label(item);
        if let Some(time) = item.length(end.at) {
            let running = item.attempts.iter().map(|a| a.until(end.at).saturating_sub(a.start)).sum();
            self.slowest.add(time, || Slow { time, running, attempts: item.tries(), label: label.clone() });
        }
        if !matches!(end.state, State::Done | State::Skipped) {
            let why = end.why.as_deref().unwrap_or_default();
            self.losses.add(end.state, self.scope(item.job, end), why, item.key.as_deref(), &label);
        }
    }

    /// Whose items an outcome is grouped with.
    fn scope(&self, job: JobNumber, end: &End) -> Scope {
        let source = self.jobs.get(&job).map_or(0, |job| job.source);
        let down = self.sources.get(source).is_some_and(|source| source.down.is_some());
        match end.state {
            State::NotStarted if down => Scope::Source(source),
            State::NotStarted | State::Cancelled => Scope::Run,
            _ => Scope::Job(job),
        }
    }

    /// Forgets the details of an ended item if there are too many.
    fn make_room(&mut self, job: JobNumber, item: ItemNumber) {
        if self.kept < self.detail {
            self.kept += 1;
            return;
        }
        let job = self.job(job);
        job.items.remove(&item);
        job.dropped += 1;
    }

    fn held(&mut self, limit: &str, until: Duration) {
        if let Some(source) = self.source_named(limit) {
            source.held = source.held.max(until);
        }
    }

    fn source_down(&mut self, source: &str, why: &str) {
        match self.source_named(source) {
            Some(source) => source.down = Some(why.to_owned()),
            None => self.warned(&format!("{source} can't be used: {why}")),
        }
    }

    fn warned(&mut self, message: &str) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(message.to_owned());
        } else {
            self.more_warnings += 1;
        }
    }

    /// The item, submitted now if it was not yet.
    fn touch(&mut self, job: JobNumber, number: ItemNumber) -> &mut Item {
        let now = self.now;
        if self.item(job, number).is_none() {
            let counted = self.job(job).role != Role::Pages;
            self.job(job).counts.submitted += 1;
            self.counts.submitted += u64::from(counted);
            let source = self.source(job);
            source.counts.submitted += u64::from(counted);
            source.waiting.up(now);
            self.places += 1;
        }
        let place = self.places;
        let items = &mut self.job(job).items;
        items.entry(number).or_insert_with(|| Item { place, ..Item::new(job, number, None, now) })
    }

    /// The job, made here if it was not named before.
    fn job(&mut self, number: JobNumber) -> &mut Job {
        self.jobs.entry(number).or_insert_with(|| Job {
            number,
            name: Arc::from(""),
            role: Role::Items,
            parent: None,
            source: 0,
            many: false,
            started: None,
            ended: None,
            counts: Default::default(),
            running: 0,
            retrying: 0,
            received: Default::default(),
            why: None,
            takes: Default::default(),
            items: Default::default(),
            dropped: 0,
            is_skipped: false,
        })
    }

    /// The source of a job; the first one for a job that names none.
    fn source(&mut self, job: JobNumber) -> &mut SourceUse {
        if self.sources.is_empty() {
            self.sources.push(SourceUse::default());
        }
        let number = self.jobs.get(&job).map_or(0, |job| job.source).min(self.sources.len() - 1);
        &mut self.sources[number]
    }

    /// The number of the source that a job of the plan uses.
    fn source_of(&mut self, job: &JobInfo) -> usize {
        let name = job.source.as_ref().unwrap_or(&job.kind);
        let known = self.sources.iter().position(|source| source.name == *name && source.kind == job.kind);
        known.unwrap_or_else(|| {
            self.sources.push(SourceUse {
                name: name.clone(),
                kind: job.kind.clone(),
                ..SourceUse::default()
            });
            self.sources.len() - 1
        })
    }

    /// The source with this limit key name: `source:NAME`.
    fn source_named(&mut self, limit: &str) -> Option<&mut SourceUse> {
        let name = limit.strip_prefix("source:")?;
        self.sources.iter_mut().find(|source| source.name == name)
    }

    fn limit(&mut self, name: &Arc<str>) -> &mut LimitInfo {
        let make = || LimitInfo { name: name.clone(), ..LimitInfo::default() };
        self.limits.entry(name.clone()).or_insert_with(make)
    }
}
