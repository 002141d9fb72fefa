//! The waterfall of more items than there is room for: a row is a lane, with the attempts that had it one after the
//! other, named where there is room. Not here: how spans become characters (`cells`).

use super::cells::{self, Mark, Span};
use super::{Layout, legend};
use crate::gather::State;
use crate::report::style::{Paint, Style};
use crate::report::timeline::{Attempt, Item, Timeline};
use crate::report::{Line, text};
use std::collections::BTreeMap;
use std::time::Duration;

/// A name that is cut to fewer columns than this says nothing.
const NAMED: usize = 9;
/// How many cells stay of a bar beside its name.
const BESIDE: usize = 2;

/// The chart.
pub(super) fn draw(timeline: &Timeline, span: Duration, style: &Style) -> Vec<Line> {
    let widest = format!("lane {}", timeline.lanes).len().max(7);
    let Some(layout) = Layout::new(timeline, span, (widest, 4), style) else { return Vec::new() };
    let mut lines = layout.axis.ruler(layout.margin(), style).to_vec();
    let mut all = Vec::new();
    for (lane, bars) in lanes(timeline) {
        let spans: Vec<Span> = bars.iter().map(|bar| bar.span).collect();
        let mut cells = cells::row(&spans, &layout.axis, style);
        bars.iter().for_each(|bar| name(bar, &layout, &mut cells, style));
        let line = Line::new().put(Paint::Faint, format!("lane {lane}")).to(layout.margin());
        let used = busy(&spans, timeline);
        lines.push(cells::put(line, &cells).put(Paint::Faint, format!(" {used:>3.0}%")));
        all.extend(spans);
    }
    lines.push(layout.at_once(timeline, style));
    lines.extend(legend::legend(timeline, &all, layout.margin(), style));
    lines
}

/// An attempt in its lane.
struct Bar {
    span: Span,
    name: String,
}

/// The attempts by lane, each in order of time.
fn lanes(timeline: &Timeline) -> BTreeMap<u32, Vec<Bar>> {
    let mut lanes: BTreeMap<u32, Vec<Bar>> = BTreeMap::new();
    for (job, item) in timeline.items() {
        for attempt in &item.attempts {
            lanes.entry(attempt.lane).or_default().push(bar(timeline, job.source, item, attempt));
        }
    }
    lanes.values_mut().for_each(|bars| bars.sort_by_key(|bar| bar.span.from));
    lanes
}

fn bar(timeline: &Timeline, source: usize, item: &Item, attempt: &Attempt) -> Bar {
    let lost = attempt.end.as_ref().is_some_and(|end| !matches!(end.state, State::Done | State::Skipped));
    let (from, to) = (attempt.start, attempt.until(timeline.wall()));
    let name = item.key.as_deref().map_or_else(|| timeline.label(item), str::to_owned);
    Bar { span: Span { from, to, mark: Mark::Run(2), paint: Paint::Source(source), lost }, name }
}

/// Writes a bar's name into it, and tells it from the bar before it.
fn name(bar: &Bar, layout: &Layout, cells: &mut [(Paint, char)], style: &Style) {
    let (from, to) = (layout.axis.at(bar.span.from), layout.axis.at(bar.span.to));
    let (first, end) = (from.round() as usize, (to.round() as usize).min(layout.axis.cells));
    let [_, _, full] = style.glyphs().phases;
    if first > 0 && cells.get(first).is_some_and(|cell| cell.1 == full) && cells[first - 1].1 == full {
        cells[first].1 = style.glyphs().right;
    }
    let room = end.saturating_sub(first + BESIDE);
    let escaped = text::escape(&bar.name, style);
    let name = text::fit(&escaped, room, style);
    let legible = name == escaped || room >= NAMED;
    if legible && text::width(&name) == name.chars().count() {
        for (at, glyph) in name.chars().enumerate() {
            cells[first + 1 + at].1 = glyph;
        }
    }
}

/// The share of the run in which a lane was in use, in percent.
fn busy(spans: &[Span], timeline: &Timeline) -> f64 {
    let used: f64 = spans.iter().map(|span| span.to.saturating_sub(span.from).as_secs_f64()).sum();
    100.0 * used / timeline.wall().as_secs_f64().max(1e-9)
}
