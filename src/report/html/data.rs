//! A run as the page's scripts read it: [`Data`]. Times are whole microseconds since the run began, items and what
//! belongs to them are columns of numbers, and each text stands there once. Not here: how it is written (`json`).

mod columns;
mod head;

use super::texts::{self, Number, Texts, bound, letters};
use crate::gather::{PhaseName, Reason, Role, Wait};
use crate::report::timeline::{Item, Job, Timeline};
use crate::report::{summary, waterfall};
use columns::{Attempts, Items, Phases, Waits};
use head::{Head, Loss, Source, Waited};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How many parts the course of a run is written in whose items are not all there.
const COURSE: usize = 512;

/// The most letters that the labels and the texts of all items have together: a page of 10,000 items that all fail, each
/// in its own words, stays under 3 MB. The longest texts are shortened first.
const LETTERS: usize = 1_500_000;
/// The most letters that the labels have of these: those of 10,000 items stay whole up to 100.
const LABELS: usize = 1_000_000;

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    head: Head,
    sources: Vec<Source>,
    jobs: Vec<JobEntry>,
    /// What can be waited for, and what the items of this run did wait for.
    reasons: Vec<ReasonWords>,
    waited: Vec<Waited>,
    losses: Vec<Loss>,
    notes: Vec<String>,
    /// How many ran and waited over the whole run, where items were left out.
    course: Option<Course>,
    texts: Texts,
    /// The reason, the limit and the words of each wait that occurs.
    whats: Vec<What>,
    /// The phases that occur.
    phase_names: Vec<Phase>,
    items: Items,
    attempts: Attempts,
    waits: Waits,
    phases: Phases,
}

/// A job.
#[derive(Debug, Serialize)]
struct JobEntry {
    name: String,
    source: usize,
}

/// A reason to wait: its name, and what is then waited for.
#[derive(Debug, Serialize)]
struct ReasonWords {
    name: Reason,
    what: &'static str,
}

/// A reason and a limit, in words: `for source:shop (concurrency 8)`.
#[derive(Debug, Serialize)]
struct What {
    reason: Reason,
    words: String,
}

/// A phase and its rank in the drawing.
#[derive(Debug, Serialize)]
struct Phase {
    name: String,
    rank: usize,
}

/// How many at once in each of [`COURSE`] equal parts of the run, in hundredths.
#[derive(Debug, Serialize)]
struct Course {
    running: Vec<u64>,
    waiting: Vec<u64>,
}

impl Data {
    /// What is to be shown of a run.
    pub(super) fn of(timeline: &Timeline) -> Data {
        let mut tables = Tables::new(timeline);
        let (mut items, mut attempts) = (Items::default(), Attempts::default());
        let (mut waits, mut phases) = (Waits::default(), Phases::default());
        let jobs = timeline.in_order();
        for (number, job) in jobs.iter().enumerate() {
            for item in job.items.values() {
                items.add(number, &job.label(item.number, item.key.as_deref()), item, &mut tables);
                attempts.add(item, &mut tables);
                item.attempts.iter().for_each(|attempt| {
                    waits.add(&attempt.waits, &mut tables);
                    phases.add(attempt, &mut tables);
                });
                waits.add(columns::last(item), &mut tables);
            }
        }
        let mut notes = head::notes(timeline);
        notes.extend(shorten(&mut items.label, &mut tables.texts));
        Data {
            head: Head::of(timeline),
            sources: head::sources(timeline),
            jobs: jobs.iter().map(|job| JobEntry::of(job)).collect(),
            reasons: waterfall::REASONS.iter().map(|&(name, what)| ReasonWords { name, what }).collect(),
            waited: head::waited(timeline),
            losses: head::losses(timeline),
            notes,
            course: (timeline.dropped() > 0).then(|| Course::of(timeline)),
            texts: tables.texts,
            whats: tables.whats,
            phase_names: tables.phases,
            items,
            attempts,
            waits,
            phases,
        }
    }
}

/// Keeps labels and texts within [`LETTERS`]; says so, if it took anything.
fn shorten(labels: &mut [String], texts: &mut Texts) -> Option<String> {
    let names = bound(labels, LABELS);
    let left = LETTERS - labels.iter().map(|label| letters(label)).sum::<usize>().min(LABELS);
    let most = names.into_iter().chain(texts.bound(left)).min()?;
    Some(format!("texts of more than {most} letters are shortened: fanout show --as events has them whole"))
}

impl JobEntry {
    fn of(job: &Job) -> JobEntry {
        let name = texts::name(&job.name);
        let name = if job.role == Role::Pages { format!("{name}: pages") } else { name };
        JobEntry { name, source: job.source }
    }
}

impl Course {
    fn of(timeline: &Timeline) -> Course {
        let span = timeline.wall();
        let hundredths = |course: Vec<f64>| course.iter().map(|mean| (mean * 100.0).round() as u64).collect();
        let mut waiting = vec![0.0; COURSE];
        for source in &timeline.sources {
            let course = source.waiting.course(span, COURSE);
            waiting.iter_mut().zip(course).for_each(|(sum, mean)| *sum += mean);
        }
        Course { running: hundredths(timeline.running.course(span, COURSE)), waiting: hundredths(waiting) }
    }
}

/// What columns name by number.
struct Tables<'a> {
    timeline: &'a Timeline,
    texts: Texts,
    whats: Vec<What>,
    known_whats: HashMap<(Reason, Option<Arc<str>>), Number>,
    phases: Vec<Phase>,
    known_phases: HashMap<PhaseName, Number>,
    ranks: BTreeMap<PhaseName, usize>,
}

impl<'a> Tables<'a> {
    fn new(timeline: &'a Timeline) -> Tables<'a> {
        Tables {
            timeline,
            texts: Texts::new(),
            whats: Vec::new(),
            known_whats: HashMap::new(),
            phases: Vec::new(),
            known_phases: HashMap::new(),
            ranks: waterfall::ranks(timeline),
        }
    }

    /// The number of what a wait was for.
    fn what(&mut self, wait: &Wait) -> Number {
        let known = self.known_whats.entry((wait.reason, wait.limit.clone()));
        *known.or_insert_with(|| {
            let words = summary::waited_for(self.timeline, wait.reason, wait.limit.as_deref());
            self.whats.push(What { reason: wait.reason, words: texts::name(&words) });
            self.whats.len() as Number - 1
        })
    }

    /// The number of a phase.
    fn phase(&mut self, name: &PhaseName) -> Number {
        *self.known_phases.entry(name.clone()).or_insert_with(|| {
            let rank = self.ranks.get(name).copied().unwrap_or(2);
            self.phases.push(Phase { name: texts::name(name), rank });
            self.phases.len() as Number - 1
        })
    }
}

/// Whole microseconds.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How an item is known to have ended, if it has.
fn ended(item: &Item) -> Option<u64> {
    item.end.as_ref().map(|end| micros(end.at))
}
