//! The critical path of a run: [`path`] walks back from the item that ended last, each time to what the item waited
//! for before it started: the item that freed its slot, the one that connected its source, its page, or the last item
//! of a job that it needs. Not here: how it is shown (`summary`).

use super::super::timeline::{Item, Job, Order, Timeline};
use super::ends::{Ends, PASSED, Try, began};
use super::is_whole;
use crate::gather::{DEFAULT_LOOK_AHEAD, JobNumber, Reason, Role};
use std::collections::HashMap;
use std::time::Duration;

/// An item that came as soon after another's start as this came because there was room for it then.
const AT_ONCE: Duration = Duration::from_millis(1);

/// More things in a row that came about as another did are a circle, which only a damaged log has.
const CIRCLE: usize = 1 << 16;

/// What the length of a run consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Path<'a> {
    /// Attempts that ran one after the other, the first one first.
    pub steps: Vec<Step<'a>>,
    /// How much of the wall time one of them ran: 0 to 1. The rest are waits for a rate, a hold or a retry, and what
    /// lies between.
    pub share: f64,
}

/// An attempt on the path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    /// Whose attempt.
    pub item: &'a Item,
    /// Its place among the item's attempts.
    pub attempt: usize,
    /// From its start until what the next step waited for: its end, or the moment when its source was up.
    pub time: Duration,
}

/// The critical path of a run; none if the log does not tell all.
pub fn path(timeline: &Timeline) -> Option<Path<'_>> {
    if !is_whole(timeline) {
        return None;
    }
    let walk = Walk::of(timeline);
    let mut steps = Vec::new();
    let mut next = walk.ends.last().map(|last| (last, timeline.wall()));
    while let Some(((item, attempt), until)) = next {
        let step = &item.attempts[attempt];
        let time = step.until(until).min(until).saturating_sub(step.start);
        steps.push(Step { item, attempt, time });
        // Each step began before the next one, so that this comes to its end.
        let earlier = |(other, _): &(Try<'_>, Duration)| began(*other) < began((item, attempt));
        next = walk.before(At::Start(item, attempt)).filter(earlier);
    }
    steps.reverse();
    let running: f64 = steps.iter().map(|step| step.time.as_secs_f64()).sum();
    let wall = timeline.wall().as_secs_f64();
    Some(Path { steps, share: if wall > 0.0 { running / wall } else { 0.0 } })
}

/// What a walk back asks of the run.
struct Walk<'a> {
    timeline: &'a Timeline,
    order: Order,
    ends: Ends<'a>,
    /// When items first started, of jobs that have more of them than are looked ahead for.
    crowded: HashMap<JobNumber, Vec<(Duration, &'a Item)>>,
}

/// Something of which it is asked what came before it.
#[derive(Clone, Copy)]
enum At<'a> {
    /// An attempt started.
    Start(&'a Item, usize),
    /// An item was submitted.
    Came(&'a Item),
    /// A job began.
    Began(JobNumber),
}

/// What came before something: an attempt, until a time; or the same as before something else.
enum Before<'a> {
    Attempt(Try<'a>, Duration),
    Same(At<'a>),
}

impl<'a> Walk<'a> {
    fn of(timeline: &'a Timeline) -> Walk<'a> {
        let crowded = timeline.jobs.values().filter(|job| job.items.len() as u64 > DEFAULT_LOOK_AHEAD);
        let starts = |job: &'a Job| {
            let starts = job.items.values().filter_map(|item| Some((item.started()?, item)));
            let mut starts: Vec<_> = starts.collect();
            starts.sort_by_key(|(start, item)| (*start, item.place));
            (job.number, starts)
        };
        let (order, ends) = (Order::of(timeline), Ends::of(timeline));
        Walk { timeline, order, ends, crowded: crowded.map(starts).collect() }
    }

    /// The attempt that something waited for, and until when.
    fn before(&self, at: At<'a>) -> Option<(Try<'a>, Duration)> {
        let mut at = at;
        for _ in 0..CIRCLE {
            let before = match at {
                At::Start(item, attempt) => self.before_start(item, attempt),
                At::Came(item) => self.before_coming(item),
                At::Began(job) => self.before_beginning(job),
            };
            match before? {
                Before::Attempt(attempt, until) => return Some((attempt, until)),
                Before::Same(other) => at = other,
            }
        }
        None
    }

    fn before_start(&self, item: &'a Item, attempt: usize) -> Option<Before<'a>> {
        let this = &item.attempts[attempt];
        let previous = attempt.checked_sub(1).map(|before| Before::Attempt((item, before), this.start));
        let mut at = this.start;
        for (place, wait) in this.waits.iter().enumerate().rev() {
            // What is not named is taken for the limit that all took of.
            let limit = wait.limit.as_deref().unwrap_or("run");
            match wait.reason {
                Reason::Concurrency => {
                    return self.ends.freed(limit, at, (item, attempt)).map(|of| Before::Attempt(of, at));
                }
                // The pause after an attempt that could not connect is the first wait of the next one.
                Reason::Connect if place > 0 || previous.is_none() => {
                    let connected = self.ends.connected(limit, at);
                    return connected.map(|(up, attempt)| Before::Attempt(attempt, up));
                }
                Reason::Connect | Reason::Retry => return previous,
                Reason::Rate | Reason::Hold | Reason::Until | Reason::Need | Reason::Sync => {
                    at = at.saturating_sub(wait.duration);
                }
            }
        }
        previous.or(Some(Before::Same(At::Came(item))))
    }

    /// An item is submitted when its page has ended, when there is room for it, or when its job begins.
    fn before_coming(&self, item: &'a Item) -> Option<Before<'a>> {
        let job = self.timeline.jobs.get(&item.job)?;
        if job.role == Role::Pages {
            return self.before_page(job);
        }
        if let Some(starts) = self.crowded.get(&item.job) {
            let place = starts.partition_point(|(start, _)| *start <= item.queued);
            let mut before = starts[..place].iter().rev().take(PASSED);
            let made_room = before.find(|(_, other)| other.place < item.place);
            if let Some((_, other)) = made_room.filter(|(start, _)| item.queued - *start <= AT_ONCE) {
                return Some(Before::Same(At::Start(other, 0)));
            }
        }
        let page = self.order.page_of(item.job, item.number);
        let page = page.and_then(|page| self.last_of(self.timeline.jobs.get(&page)?));
        Some(page.map_or(Before::Same(At::Began(item.job)), |page| Before::Attempt(page, item.queued)))
    }

    /// A page is asked for when the one before it has ended, or when there is room for its entries.
    fn before_page(&self, job: &'a Job) -> Option<Before<'a>> {
        let fed = job.parent?;
        let pages = self.order.pages(fed).iter().take_while(|page| page.job != job.number);
        let Some(previous) = pages.last() else { return Some(Before::Same(At::Began(fed))) };
        let before = self.timeline.jobs.get(&previous.job)?;
        let room = previous.entries.checked_sub(DEFAULT_LOOK_AHEAD + 1);
        let room = room.and_then(|last| self.timeline.item(fed, last));
        match room.filter(|item| Some(item.queued) > before.ended) {
            Some(item) => Some(Before::Same(At::Came(item))),
            None => Some(Before::Attempt(self.last_of(before)?, before.ended?)),
        }
    }

    /// A job begins when the last of its needs has ended.
    fn before_beginning(&self, job: JobNumber) -> Option<Before<'a>> {
        let needs = self.order.needs(job).iter().filter_map(|need| self.timeline.jobs.get(need));
        let last = needs.max_by_key(|need| need.ended)?;
        let pages = self.order.pages(last.number).iter().filter_map(|page| self.timeline.jobs.get(&page.job));
        let tries = pages.chain([last]).filter_map(|job| self.last_of(job));
        let attempt =
            tries.max_by_key(|(item, attempt)| item.attempts[*attempt].end.as_ref().map(|end| end.at));
        let same = Before::Same(At::Began(last.number));
        Some(attempt.map_or(same, |attempt| Before::Attempt(attempt, Duration::MAX)))
    }

    /// The last attempt of the item of a job that ended last.
    fn last_of(&self, job: &'a Job) -> Option<Try<'a>> {
        let tried = job.items.values().filter(|item| !item.attempts.is_empty());
        let last = tried.max_by_key(|item| item.end.as_ref().map(|end| end.at))?;
        Some((last, last.attempts.len() - 1))
    }
}
