//! How fast a run can be at best, whatever starts when: [`bound`]. Not here: how fast it was.

use super::super::timeline::{Attempt, Item, Job, Order, Timeline};
use super::is_whole;
use crate::gather::{JobNumber, Reason, Role};
use crate::units::Rate;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The time that a run takes at least, and what takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The time.
    pub time: Duration,
    /// `source shop at 8`, `source rates at 20/s`, `chain list -> load`, or the label of one long item.
    pub by: String,
    /// It is an item, or a chain of them, and no limit.
    pub is_chain: bool,
}

/// The larger of two: the longest chain of jobs that need each other, with the longest item of each; and for each limit
/// all that took of it, divided by what it allows. None if the log does not tell all, or not which limits there were.
pub fn bound(timeline: &Timeline) -> Option<Bound> {
    if !is_whole(timeline) || has_unnamed_limits(timeline) {
        return None;
    }
    let limits = Work::of(timeline).bounds(timeline);
    let chain = Chains::of(timeline).longest();
    limits.into_iter().chain(chain).max_by_key(|bound| (bound.time, bound.is_chain))
}

/// Whether something waited for a limit that is not named.
fn has_unnamed_limits(timeline: &Timeline) -> bool {
    let mut waits = timeline.items().flat_map(|(_, item)| &item.attempts).flat_map(|attempt| &attempt.waits);
    waits.any(|wait| wait.reason == Reason::Concurrency && wait.limit.is_none())
}

/// What was taken of each limit: concurrency by time, and starts.
#[derive(Default)]
struct Work<'a>(BTreeMap<&'a str, Taken>);

#[derive(Default)]
struct Taken {
    at_once: Option<u64>,
    time: f64,
    starts: u64,
}

impl<'a> Work<'a> {
    fn of(timeline: &'a Timeline) -> Work<'a> {
        let mut work = Work::default();
        let run = timeline.limits.get("run").and_then(|info| info.concurrency);
        for (_, item) in timeline.items().filter(|(_, item)| !item.attempts.is_empty()) {
            let time = running(item).as_secs_f64();
            work.add("run", run, (1, time), item);
            for (place, of) in item.limits.iter().enumerate() {
                work.add(&of.limit, timeline.at_once(item, place), (of.weight, time), item);
            }
        }
        work
    }

    fn add(&mut self, name: &'a str, at_once: Option<u64>, (weight, time): (u64, f64), item: &Item) {
        let taken = self.0.entry(name).or_default();
        taken.at_once = at_once;
        // What weighs more than there is takes all of it.
        taken.time += time * at_once.map_or(weight, |most| weight.min(most)) as f64;
        taken.starts += item.attempts.len() as u64;
    }

    fn bounds(&self, timeline: &Timeline) -> Vec<Bound> {
        let bound = |seconds: f64, by| {
            let time = Duration::try_from_secs_f64(seconds).ok()?;
            Some(Bound { time, by, is_chain: false })
        };
        let of = |(name, taken): (&&str, &Taken)| {
            let room = taken.at_once.filter(|most| *most > 0);
            let room = room
                .and_then(|most| bound(taken.time / most as f64, format!("{} at {most}", in_words(name))));
            let info = timeline.limits.get(*name);
            let rate: Option<Rate> = info.and_then(|info| info.rate.as_deref()?.parse().ok());
            let starts = taken.starts.saturating_sub(1) as f64;
            let rate = rate.and_then(|rate| {
                let interval = rate.per.as_secs_f64() / f64::from(rate.count);
                bound(starts * interval, format!("{} at {rate}", in_words(name)))
            });
            room.into_iter().chain(rate)
        };
        self.0.iter().flat_map(of).collect()
    }
}

/// `source shop` of `source:shop`.
fn in_words(name: &str) -> String {
    if name == "run" { "the run".to_owned() } else { name.replacen(':', " ", 1) }
}

/// How long an item's attempts ran.
fn running(item: &Item) -> Duration {
    item.attempts.iter().map(|attempt| length(item, attempt)).fold(Duration::ZERO, Duration::saturating_add)
}

fn length(item: &Item, attempt: &Attempt) -> Duration {
    let end = item.end.as_ref().map_or(attempt.start, |end| end.at);
    attempt.until(end).saturating_sub(attempt.start)
}

/// Chains of jobs that need each other.
struct Chains<'a> {
    timeline: &'a Timeline,
    order: Order,
    /// The longest chain that ends with a job: its length, and the job before.
    known: HashMap<JobNumber, (Duration, Option<JobNumber>)>,
}

impl<'a> Chains<'a> {
    fn of(timeline: &'a Timeline) -> Chains<'a> {
        Chains { timeline, order: Order::of(timeline), known: HashMap::new() }
    }

    fn longest(mut self) -> Option<Bound> {
        let jobs: Vec<_> = self.timeline.jobs.values().filter(|job| job.role == Role::Items).collect();
        let ends = jobs.iter().map(|job| (self.chain(job.number, jobs.len()), job.number));
        let ends: Vec<(Duration, JobNumber)> = ends.collect();
        let (time, last) = ends.into_iter().max()?;
        let mut names = Vec::new();
        let mut at = Some(last);
        while let Some(job) =
            at.filter(|_| names.len() <= jobs.len()).and_then(|job| self.timeline.jobs.get(&job))
        {
            names.push(job);
            at = self.known.get(&job.number).and_then(|(_, before)| *before);
        }
        names.reverse();
        let by = match names.as_slice() {
            [job] => self.alone_in_words(job)?,
            jobs => {
                let names: Vec<&str> = jobs.iter().map(|job| &*job.name).collect();
                format!("chain {}", names.join(" -> "))
            }
        };
        Some(Bound { time, by, is_chain: true })
    }

    /// The length of the longest chain that ends with this job; `depth` ends a circle, which only a damaged log has.
    fn chain(&mut self, number: JobNumber, depth: usize) -> Duration {
        if let Some((known, _)) = self.known.get(&number) {
            return *known;
        }
        let needs = if depth > 0 { self.order.needs(number).to_vec() } else { Vec::new() };
        let before = needs.into_iter().map(|need| (self.chain(need, depth - 1), need)).max();
        let own = self.timeline.jobs.get(&number).map_or(Duration::ZERO, |job| self.own(job));
        let (time, need) = before.map_or((Duration::ZERO, None), |(time, need)| (time, Some(need)));
        let chain = (time.saturating_add(own), need.filter(|_| !time.is_zero()));
        self.known.insert(number, chain);
        chain.0
    }

    /// What a job takes with all the room there is: its pages one after the other, or the first of them and its longest
    /// item.
    fn own(&self, job: &Job) -> Duration {
        let (first, all) = self.pages(job);
        all.max(first.saturating_add(longest(job).map_or(Duration::ZERO, alone)))
    }

    /// How long the first page of a job's listing takes, and all of them.
    fn pages(&self, job: &Job) -> (Duration, Duration) {
        let pages = self.order.pages(job.number).iter().filter_map(|page| self.timeline.jobs.get(&page.job));
        let mut pages = pages.map(|page| longest(page).map_or(Duration::ZERO, alone));
        let first = pages.next().unwrap_or_default();
        (first, pages.fold(first, Duration::saturating_add))
    }

    /// What a job that needs no other takes its time for.
    fn alone_in_words(&self, job: &Job) -> Option<String> {
        let (first, all) = self.pages(job);
        let item = longest(job).map(|item| self.timeline.label(item));
        match item {
            Some(item) if first.is_zero() => Some(item),
            Some(item) if all < self.own(job) => Some(format!("chain {}: page 1 -> {item}", job.name)),
            _ => (!all.is_zero()).then(|| format!("the pages of {}", job.name)),
        }
    }
}

fn longest(job: &Job) -> Option<&Item> {
    job.items.values().max_by_key(|item| (alone(item), std::cmp::Reverse(item.number)))
}

/// How long an item takes that waits for nothing: its attempts, and the pauses between them.
fn alone(item: &Item) -> Duration {
    let pauses = item.attempts.iter().filter_map(|attempt| attempt.end.as_ref());
    let pauses = pauses.filter_map(|end| Some(end.again?.saturating_sub(end.at)));
    pauses.fold(running(item), Duration::saturating_add)
}
