//! The jobs and items of a recorded run, as the replay has them: when they came, how long each attempt ran, what
//! followed. Not here: their limits (`limits`).

use super::super::timeline::{Attempt, Item, Job, Order, Timeline};
use super::limits::Limits;
use super::signals::Holds;
use crate::gather::replay::{self, End};
use crate::gather::{DEFAULT_LOOK_AHEAD, JobNumber, Reason, Role, State};
use std::collections::HashMap;
use std::time::Duration;

/// A job that had no room for another item as short a time ago took it as soon as it could: where the machine is busy that is
/// some milliseconds later. What comes more slowly by itself finds room that has been there for long.
const AT_ONCE: Duration = Duration::from_millis(50);

/// All jobs in the order in which they began, and their places by number.
pub(super) fn jobs<'a>(
    timeline: &'a Timeline,
    limits: &mut Limits<'a>,
) -> (Vec<replay::Job>, HashMap<JobNumber, usize>) {
    let mut jobs: Vec<&Job> = timeline.jobs.values().filter(|job| job.role != Role::Nested).collect();
    jobs.sort_by_cached_key(|job| (job.started, job.items.values().map(|item| item.place).min()));
    let places = jobs.iter().map(|job| job.number).zip(0..).collect();
    let (order, holds) = (Order::of(timeline), limits.signals.holds());
    let mut reader = Reader { timeline, order, holds, places, limits };
    let jobs = jobs.iter().map(|job| reader.job(job)).collect();
    (jobs, reader.places)
}

struct Reader<'r, 'a> {
    timeline: &'a Timeline,
    order: Order,
    holds: Holds,
    places: HashMap<JobNumber, usize>,
    limits: &'r mut Limits<'a>,
}

impl Reader<'_, '_> {
    fn job(&mut self, job: &Job) -> replay::Job {
        let (needs, free_at) = self.before(job);
        let own = format!("job:{}", job.name);
        let info = self.timeline.limits.get(own.as_str()).filter(|_| job.role == Role::Items);
        let rate = info.and_then(|info| super::limits::rate(info.rate.as_deref()));
        let place = |number: &JobNumber| self.places.get(number).copied();
        let parent = job.parent.filter(|_| job.role == Role::Pages);
        replay::Job {
            needs: needs.iter().filter_map(place).collect(),
            lists_for: parent.as_ref().and_then(place),
            delay: job.started.unwrap_or_default().saturating_sub(free_at),
            concurrency: info.and_then(|info| info.concurrency),
            rate,
            look_ahead: DEFAULT_LOOK_AHEAD,
            closing: self.closing(job),
            items: self.items(job, &own),
        }
    }

    /// The jobs that a job waited for, and when it could have begun.
    fn before(&self, job: &Job) -> (Vec<JobNumber>, Duration) {
        let parent = job.parent.filter(|_| job.role == Role::Pages);
        let pages = parent.map_or(&[][..], |parent| self.order.pages(parent));
        let before = pages.iter().take_while(|page| page.job != job.number).last();
        match (before, parent) {
            (Some(before), Some(parent)) => {
                let ended = self.timeline.jobs.get(&before.job).and_then(|job| job.ended);
                (vec![before.job], ended.max(self.room_for(parent, before.entries)).unwrap_or_default())
            }
            _ => {
                let whose = parent.unwrap_or(job.number);
                (self.order.needs(whose).to_vec(), self.order.free_at(self.timeline, whose))
            }
        }
    }

    /// When so many of a job's items were submitted that the next page was asked for.
    fn room_for(&self, job: JobNumber, listed: u64) -> Option<Duration> {
        let last = listed.checked_sub(DEFAULT_LOOK_AHEAD + 1)?;
        self.timeline.item(job, last).map(|item| item.queued)
    }

    /// How long after its last item, or the last page that listed for it, a job ended.
    fn closing(&self, job: &Job) -> Duration {
        let items = job.items.values().filter_map(|item| item.end.as_ref()).map(|end| end.at);
        let pages = self.order.pages(job.number).iter();
        let pages = pages.filter_map(|page| self.timeline.jobs.get(&page.job)?.ended);
        let begun = job.started.into_iter();
        let last = items.chain(pages).chain(begun).max().unwrap_or_default();
        job.ended.map_or(Duration::ZERO, |ended| ended.saturating_sub(last))
    }

    fn items(&mut self, job: &Job, own: &str) -> Vec<replay::Item> {
        let tried = || job.items.values().filter(|item| !item.attempts.is_empty());
        let mut starts: Vec<Duration> = tried().filter_map(Item::started).collect();
        starts.sort_unstable();
        let begun = job.started.unwrap_or_default();
        let mut came = Duration::ZERO;
        let mut items = Vec::with_capacity(starts.len());
        for (count, item) in tried().enumerate() {
            let page = self.order.page_of(job.number, item.number);
            let listed = page.and_then(|page| self.timeline.jobs.get(&page)?.ended);
            let from = listed.unwrap_or_default().max(begun);
            let started = starts.partition_point(|start| *start < item.queued.saturating_sub(AT_ONCE));
            // If it had to wait for room, it may have come with the one before it.
            let waited = count as u64 >= DEFAULT_LOOK_AHEAD + started as u64;
            came = came.max(if waited { from } else { item.queued });
            items.push(replay::Item {
                takes: self.limits.takes(item, own),
                page: page.and_then(|page| self.places.get(&page).copied()),
                delay: came.saturating_sub(from),
                attempts: self.attempts(item),
            });
        }
        items
    }

    fn attempts(&self, item: &Item) -> Vec<replay::Attempt> {
        let attempt = |(place, attempt): (usize, &Attempt)| replay::Attempt {
            runs: attempt.until(self.timeline.wall()).saturating_sub(attempt.start),
            hold: self.holds.get(&(item.place, place)).copied(),
            end: self.end(item, place),
        };
        item.attempts.iter().enumerate().map(attempt).collect()
    }

    /// What followed from an attempt's end.
    fn end(&self, item: &Item, place: usize) -> End {
        let Some(end) = &item.attempts[place].end else { return End::Over };
        let Some(next) = item.attempts.get(place + 1) else {
            let source = self.limits.signals.source_of(item);
            let refused = source.is_some_and(|source| self.limits.signals.is_down(&source, end.at));
            return match end.state {
                _ if refused => End::Refused,
                State::Done | State::Skipped => End::Done,
                _ => End::Over,
            };
        };
        let pause = end.again.unwrap_or(end.at).saturating_sub(end.at);
        // The pause itself is the first thing it waited for.
        let was_for_source = next.waits.first().is_some_and(|wait| wait.reason == Reason::Connect);
        if was_for_source && !pause.is_zero() { End::Unconnected(pause) } else { End::Again(pause) }
    }
}
