//! A run as it goes on where there is no terminal: a line for each plain job that ended and each item that was
//! lost, and every ten seconds one that says what still runs. What it writes is bounded, however many items there
//! are, unless a line for each is asked for. Not here: the end of a run (`summary`), where the reasons of what was lost stand in full.

use super::line::{self, Line};
use super::style::{Paint, Style};
use super::summary::{note, outcome_counts, verb};
use super::text;
use super::timeline::{Item, Job, Timeline};
use crate::gather::{Event, EventKind, ItemNumber, JobNumber, Role, State};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A line that says what runs is due after so long.
pub const BEAT: Duration = Duration::from_secs(10);
/// The most lost items of one job that have a line. The summary has them all, by reason.
pub const LOST: u64 = 20;
/// How many running items a line names.
const NAMED: usize = 3;
/// How many running items are told when somebody asks for them.
pub const TOLD: usize = 100;
/// The columns of how something ended.
const STATE: usize = 11;
/// The start of a reason is shown if it has so many columns.
const SHORTEST: usize = 20;

/// Writes lines as events come.
pub struct Plain<W: Write> {
    out: W,
    style: Style,
    timeline: Timeline,
    lost: BTreeMap<JobNumber, u64>,
    beat: Duration,
    /// Whether items that are done have a line, too, where they are many.
    verbose: bool,
}

impl<W: Write> Plain<W> {
    /// A view that writes to `out`.
    pub fn new(out: W, style: Style) -> Plain<W> {
        Plain { out, style, timeline: Timeline::new(), lost: BTreeMap::new(), beat: BEAT, verbose: false }
    }

    /// The same view, in which every item has its line if `verbose`.
    pub fn verbose(self, verbose: bool) -> Plain<W> {
        Plain { verbose, ..self }
    }

    /// What is known of the run.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Takes in an event, and writes what is to be said of it.
    pub fn add(&mut self, event: &Event) -> io::Result<()> {
        // The details of an item are gone once it has its outcome and there is no room: looked up before.
        let item = match &event.kind {
            EventKind::ItemEnded { job, item, .. } => self.timeline.item(*job, *item).cloned(),
            _ => None,
        };
        self.timeline.add(event);
        let lines = match &event.kind {
            EventKind::ItemEnded { job, item: number, state, why, .. } => {
                self.item_ended(*job, *number, item.as_ref(), (*state, why.as_deref()), event)
            }
            EventKind::JobEnded { job, .. } => self.job_ended(*job),
            EventKind::Warning { message } => note(message, STATE + 2, &self.style),
            EventKind::SourceDown { source, why } => note(
                &format!("{source} can't be used, its items do not start: {why}"),
                STATE + 2,
                &self.style,
            ),
            EventKind::Cancelling { job: None, cause } => {
                note(&format!("stopping: {cause}"), STATE + 2, &self.style)
            }
            _ => Vec::new(),
        };
        self.write(&lines)
    }

    /// Says what runs, if nothing of the kind was said for a while. `now` is the time since the run began.
    pub fn tick(&mut self, now: Duration) -> io::Result<()> {
        if now < self.beat {
            return Ok(());
        }
        self.beat = now.saturating_add(BEAT);
        let lines = running(&self.timeline, now, &self.style);
        self.write(&lines)
    }

    /// Says what runs, all of it.
    pub fn tell(&mut self, now: Duration) -> io::Result<()> {
        let lines = all_running(&self.timeline, now, &self.style);
        self.write(&lines)
    }

    /// Ends, and gives back what is known of the run.
    pub fn finish(mut self) -> (Timeline, io::Result<()>) {
        let flushed = self.out.flush();
        (self.timeline, flushed)
    }

    fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.out.write_all(line::render(lines, &self.style).as_bytes())?;
        self.out.flush()
    }

    /// An item's line: for a plain job always, for one of many items if it was lost or all are asked for.
    fn item_ended(
        &mut self,
        job: JobNumber,
        number: ItemNumber,
        item: Option<&Item>,
        (state, why): (State, Option<&str>),
        event: &Event,
    ) -> Vec<Line> {
        let Some(owner) = self.timeline.jobs.get(&job) else { return Vec::new() };
        let label = owner.label(number, item.and_then(|item| item.key.as_deref()));
        if self.is_said(owner, state) {
            return Vec::new();
        }
        if !matches!(state, State::Done | State::Skipped) {
            let single = !is_many(owner);
            return if single {
                lost(&label, state, why, &self.style)
            } else {
                self.one_of(job, &label, state, why)
            };
        }
        if (is_many(owner) && !self.verbose) || owner.role != Role::Items {
            return Vec::new();
        }
        let time = item.and_then(Item::started).map(|start| text::time(event.at.saturating_sub(start)));
        let line = Line::new().put(Paint::Good, state.to_string()).to(STATE + 2);
        let why = why.map(str::to_owned);
        let parts: Vec<_> = std::iter::once(label).chain(time).chain(why).chain(amounts(event)).collect();
        vec![line.text(parts.join("  "))]
    }

    /// Whether a line about the whole source or run already says what became of an item.
    fn is_said(&self, job: &Job, state: State) -> bool {
        let down = self.timeline.sources.get(job.source).is_some_and(|source| source.down.is_some());
        let stopping = self.timeline.stopping.is_some();
        match state {
            State::NotStarted => down || stopping,
            State::Cancelled => stopping,
            _ => false,
        }
    }

    /// The line of a lost item of a job of many, as long as there were not too many of them.
    fn one_of(&mut self, job: JobNumber, label: &str, state: State, why: Option<&str>) -> Vec<Line> {
        let count = self.lost.entry(job).or_default();
        *count += 1;
        match *count {
            count if count <= LOST || self.verbose => lost(label, state, why, &self.style),
            count if count == LOST + 1 => {
                let text = "further ones of this job are in the summary";
                vec![Line::new().to(STATE + 2).put(Paint::Faint, text)]
            }
            _ => Vec::new(),
        }
    }

    /// The line of a job of many items that ended.
    fn job_ended(&self, job: JobNumber) -> Vec<Line> {
        let shown = |job: &&Job| job.role == Role::Items && (is_many(job) || job.failure().is_some());
        let Some(job) = self.timeline.jobs.get(&job).filter(shown) else { return Vec::new() };
        if let Some(why) = job.failure() {
            return lost(&job.name, State::Failed, Some(why), &self.style);
        }
        let counts = &job.counts;
        let pages = self.timeline.jobs.values().filter(|page| page.parent == Some(job.number));
        let pages_lost: u64 = pages.map(|page| page.counts.lost()).sum();
        let (paint, state) = match counts.lost() + pages_lost {
            0 => (Paint::Good, State::Done.to_string()),
            _ => (Paint::Bad, verb(State::Failed)),
        };
        let time = job.ended.unwrap_or_default().saturating_sub(job.started.unwrap_or_default());
        let line = Line::new().put(paint, state).to(STATE + 2);
        vec![line.text(format!("{}  {}  {}", job.name, text::time(time), outcome_counts(counts)))]
    }
}

/// Whether a job has many items.
fn is_many(job: &Job) -> bool {
    job.many || job.counts.submitted > 1
}

/// The line of a lost item: what became of it, and how the reason begins. The whole of that is in the summary.
fn lost(label: &str, state: State, why: Option<&str>, style: &Style) -> Vec<Line> {
    let line = Line::new().put(Paint::Bad, verb(state)).to(STATE + 2).put(Paint::Strong, label);
    let why = why.and_then(|why| why.lines().next()).unwrap_or_default().trim();
    let room = style.width.saturating_sub(line.width() + 2);
    if why.is_empty() || room < SHORTEST {
        return vec![line];
    }
    let why = text::escape(why, style);
    vec![line.text("  ").text(text::cut(&why, room, style))]
}

/// What an item brought, in words.
fn amounts(event: &Event) -> Vec<String> {
    let EventKind::ItemEnded { brought, .. } = &event.kind else { return Vec::new() };
    let bytes = (brought.bytes > 0).then(|| text::bytes(brought.bytes));
    let rows = (brought.rows > 0).then(|| text::counted(brought.rows, "row"));
    bytes.into_iter().chain(rows).collect()
}

/// How far the run is and what runs longest: `20.0 s  12/40 done, 3 running: sales[emea] 8.20 s, ...`.
pub fn running(timeline: &Timeline, now: Duration, style: &Style) -> Vec<Line> {
    let counts = &timeline.counts;
    let ended = text::count(counts.done + counts.skipped);
    let mut text = format!("{ended}/{} done", text::count(counts.submitted));
    if counts.lost() > 0 {
        text += &format!(", {} not done", text::count(counts.lost()));
    }
    text += &format!(", {} running", text::count(timeline.running.count()));
    let items = timeline.active();
    let named: Vec<_> = items.iter().take(NAMED).map(|item| named(timeline, item, now, style)).collect();
    if !named.is_empty() {
        text += &format!(": {}", named.join(", "));
    }
    if items.len() > NAMED {
        text += &format!(" and {} more", text::count((items.len() - NAMED) as u64));
    }
    let room = style.width.saturating_sub(STATE + 2).max(STATE);
    let start = |at| Line::new().put(Paint::Faint, if at == 0 { text::time(now) } else { String::new() });
    let parts = text::wrap(&text, room).into_iter().enumerate();
    parts.map(|(at, part)| start(at).to(STATE + 2).text(part)).collect()
}

/// How far the run is and what runs, a line each, at most [`TOLD`] of them.
pub fn all_running(timeline: &Timeline, now: Duration, style: &Style) -> Vec<Line> {
    let mut lines = running(timeline, now, &Style { width: usize::MAX, ..*style });
    let items = timeline.active();
    let line = |item: &&Item| Line::new().to(STATE + 2).text(named(timeline, item, now, style));
    lines.extend(items.iter().take(TOLD).map(line));
    if items.len() > TOLD {
        let more = format!("and {} more", text::count((items.len() - TOLD) as u64));
        lines.push(Line::new().to(STATE + 2).put(Paint::Faint, more));
    }
    lines
}

/// An item that runs, its time and its phase.
fn named(timeline: &Timeline, item: &Item, now: Duration, style: &Style) -> String {
    let label = text::escape(&timeline.label(item), style).into_owned();
    let label = text::fit(&label, 40, style).into_owned();
    let Some(attempt) = item.running() else { return label };
    let time = text::time(now.saturating_sub(attempt.start));
    match attempt.phase() {
        Some(phase) => format!("{label} {time} {phase}"),
        None => format!("{label} {time}"),
    }
}
