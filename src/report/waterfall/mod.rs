//! The waterfall: what ran beside what, on one time axis. A row is an item while they fit, a lane when there are
//! more, and past that the course of each source. Waits are told apart from work, by reason. Not here: figures
//! (`summary`).

mod axis;
mod cells;
mod courses;
mod items;
mod lanes;
mod legend;

#[cfg(test)]
mod tests;

pub use axis::Axis;
pub use legend::REASONS;

use super::line::Line;
use super::style::{Paint, Style};
use super::text;
use super::timeline::{Attempt, Gauge, Item, Timeline};
use crate::gather::{PhaseName, Reason, State};
use cells::{Mark, Span};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most rows there are. With more items a row is a lane or a source.
pub const ROWS: usize = 24;
/// The least columns of what is said beside a row: `peak 3`.
const REMARK: usize = 6;
/// A chart with fewer cells says nothing.
const LEAST: usize = 16;

/// The ends that the time axis of a run that goes on may have, in seconds, up to a minute: it grows by leaps, so that
/// bars grow and all else stays in its place.
const HORIZONS: [u64; 6] = [2, 5, 10, 20, 30, 60];

/// The lines of the waterfall of a run that goes on, at most `rows`: a row an item while they fit, else the course of each
/// source. None if there is no room for either.
pub fn live(timeline: &Timeline, style: &Style, rows: usize) -> Option<Vec<Line>> {
    let span = horizon(timeline.wall());
    let chart = |lines: &Vec<Line>| !lines.is_empty() && lines.len() <= rows;
    if timeline.dropped() == 0 && timeline.counts.submitted <= rows as u64 {
        let items = items::draw(timeline, &items::shown(timeline), span, style);
        if chart(&items) {
            return Some(items);
        }
    }
    (timeline.lanes > 0).then(|| courses::draw(timeline, span, 1, style)).filter(chart)
}

/// The end of the time axis while a run goes on.
fn horizon(now: Duration) -> Duration {
    let within = |end: &u64| now < Duration::from_secs(*end);
    let minutes = || (now.as_secs() / 60 + 1).next_power_of_two() * 60;
    Duration::from_secs(HORIZONS.into_iter().find(within).unwrap_or_else(minutes))
}

/// The lines of the waterfall; none if nothing ran or the width is too small.
pub fn waterfall(timeline: &Timeline, style: &Style) -> Vec<Line> {
    if timeline.lanes == 0 {
        return Vec::new();
    }
    let (shown, span) = (items::shown(timeline), timeline.wall());
    if timeline.dropped() == 0 && shown.len() <= ROWS {
        return items::draw(timeline, &shown, span, style);
    }
    let attempts: u64 = timeline.sources.iter().map(|source| source.attempts).sum();
    let lanes = u64::from(timeline.lanes);
    let roomy = attempts <= lanes * style.width as u64 / 10;
    if timeline.dropped() == 0 && lanes <= ROWS as u64 && roomy {
        return lanes::draw(timeline, span, style);
    }
    courses::draw(timeline, span, 3, style)
}

/// Where things are in a chart: the names on the left, the cells, and what is said on the right.
struct Layout {
    names: usize,
    remarks: usize,
    axis: Axis,
    /// The cells whose time has come.
    past: usize,
}

impl Layout {
    /// The layout of `span` for names and remarks of these widths; none if no room is left for a chart.
    fn new(
        timeline: &Timeline,
        span: Duration,
        (names, remarks): (usize, usize),
        style: &Style,
    ) -> Option<Layout> {
        let remarks = remarks.max(REMARK);
        let names = names.min((style.width / 3).max(12));
        let room = style.width.checked_sub(names + 2 + 1 + 1 + remarks)?;
        let axis = Axis::new(span, room);
        let past = if span > timeline.wall() { axis.at(timeline.wall()).ceil() as usize } else { axis.cells };
        (room >= LEAST).then_some(Layout { names, remarks, axis, past: past.min(axis.cells) })
    }

    /// The columns before the chart.
    fn margin(&self) -> usize {
        self.names + 2
    }

    /// A number over time, in the cells whose time has come.
    fn course(&self, gauge: &Gauge) -> Vec<f64> {
        let share = self.past as f64 / self.axis.cells as f64;
        gauge.course(self.axis.span().mul_f64(share), self.past)
    }

    /// The row under the chart: how many ran at once, with the number at each change, or as heights if it changes
    /// too often.
    fn at_once(&self, timeline: &Timeline, style: &Style) -> Line {
        let course = self.course(&timeline.running);
        let line = Line::new().put(Paint::Faint, "at once").to(self.margin());
        let peak = timeline.running.peak();
        let remark = format!("{:>width$}", format!("peak {}", text::count(peak)), width = self.remarks);
        let numbers: Vec<u64> = course.iter().map(|mean| mean.round() as u64).collect();
        let changes = numbers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let ended = timeline.ended.is_some();
        let drawn = if changes * 4 <= numbers.len() && ended {
            changes_of(&numbers, style)
        } else {
            heights(&course, peak as f64, 1, style).remove(0)
        };
        line.put(Paint::Faint, drawn).to(self.margin() + self.axis.cells + 2).put(Paint::Faint, remark)
    }
}

/// Numbers where they change: `3┈┈┈┈2┈┈┈┈┈1┈┈`.
fn changes_of(numbers: &[u64], style: &Style) -> String {
    let mut out = String::new();
    let mut columns = 0;
    for (at, number) in numbers.iter().enumerate() {
        if at < columns {
            continue;
        }
        let changed = at == 0 || numbers[at - 1] != *number;
        let piece = if changed { number.to_string() } else { style.glyphs().same.to_string() };
        columns = at + piece.chars().count();
        out.push_str(&piece);
    }
    out
}

/// A course of numbers as `rows` lines of heights, the upper one first.
fn heights(course: &[f64], peak: f64, rows: usize, style: &Style) -> Vec<String> {
    let steps = style.glyphs().heights;
    let full = (steps.len() - 1) as f64;
    let height = |value: f64| {
        let height = (value / peak.max(1e-9) * full * rows as f64).round();
        if value > 0.0 { height.max(1.0) } else { 0.0 }
    };
    let line = |row: usize| {
        let below = (rows - 1 - row) as f64 * full;
        course.iter().map(|value| steps[(height(*value) - below).clamp(0.0, full) as usize]).collect()
    };
    (0..rows).map(line).collect()
}

/// The rank of each phase in the drawing, by its name: 2 for what an attempt was ever done in, 0 for what one ever
/// began with, 1 between.
pub(super) fn ranks(timeline: &Timeline) -> BTreeMap<PhaseName, usize> {
    let mut ranks = BTreeMap::new();
    let attempts = || timeline.items().flat_map(|(_, item)| &item.attempts);
    for attempt in
        attempts().filter(|attempt| attempt.end.as_ref().is_some_and(|end| end.state == State::Done))
    {
        ranks.extend(attempt.phase().map(|name| (name.clone(), 2)));
    }
    for attempt in attempts() {
        for (at, (_, name)) in attempt.phases.iter().enumerate() {
            ranks.entry(name.clone()).or_insert(usize::from(at > 0));
        }
    }
    ranks
}

/// The spans of an item: its waits, its attempts and their phases.
fn spans(item: &Item, timeline: &Timeline, ranks: &BTreeMap<PhaseName, usize>, paint: Paint) -> Vec<Span> {
    let now = timeline.wall();
    let mut out = Vec::new();
    let mut free = item.queued;
    for attempt in &item.attempts {
        out.extend(attempt.waited(free).map(|(from, to, wait)| {
            let mark = Mark::Wait(wait.reason);
            Span { from, to, mark, paint: Paint::Faint, lost: false }
        }));
        phases(attempt, now, ranks, paint, &mut out);
        free = attempt.until(now);
    }
    let end = item.end.as_ref().map_or(now, |end| end.at);
    let waits = if item.attempts.is_empty() { item.end.is_none() } else { item.running().is_none() };
    if waits && end > free {
        let mark = Mark::Wait(if item.attempts.is_empty() { timeline.awaits(item) } else { Reason::Retry });
        out.push(Span { from: free, to: end, mark, paint: Paint::Faint, lost: false });
    }
    out
}

/// The phases of an attempt. What lies before the first one is drawn like it.
fn phases(
    attempt: &Attempt,
    now: Duration,
    ranks: &BTreeMap<PhaseName, usize>,
    paint: Paint,
    out: &mut Vec<Span>,
) {
    let end = attempt.until(now);
    let mark = |name: &PhaseName| Mark::Run(ranks.get(name).copied().unwrap_or(2));
    let first = attempt.phases.first().map_or(Mark::Run(2), |(_, name)| mark(name));
    let mut span = Span { from: attempt.start, to: end, mark: first, paint, lost: false };
    for (at, name) in &attempt.phases {
        let at = (*at).clamp(span.from, end);
        if at > span.from {
            out.push(Span { to: at, ..span });
        }
        span = Span { from: at, mark: mark(name), ..span };
    }
    let lost = attempt.end.as_ref().is_some_and(|end| !matches!(end.state, State::Done | State::Skipped));
    out.push(Span { lost, ..span });
}
