//! The waterfall of very many items: how many ran at each source, and how many waited, over time. Not here: single
//! items.

use super::{Layout, ROWS, heights};
use crate::report::style::{Paint, Style};
use crate::report::timeline::{Gauge, SourceUse, Timeline};
use crate::report::{Line, text};
use std::time::Duration;

/// The chart, each source in at most so many rows, and one for what waits.
pub(super) fn draw(timeline: &Timeline, span: Duration, rows: usize, style: &Style) -> Vec<Line> {
    let shown = shown(timeline);
    let names = shown.iter().map(|(_, source)| text::width(&text::escape(&source.name, style))).max();
    let remark = |gauge: &Gauge| format!("peak {}", text::count(gauge.peak()));
    let gauges = shown.iter().flat_map(|(_, source)| [&source.running, &source.waiting]);
    let widest = gauges.map(|gauge| remark(gauge).len()).max().unwrap_or(0);
    let Some(layout) = Layout::new(timeline, span, (names.unwrap_or(0).max(9), widest), style) else {
        return Vec::new();
    };
    let rows = (ROWS / (2 * shown.len().max(1))).clamp(1, rows);
    let mut lines = layout.axis.ruler(layout.margin(), style).to_vec();
    for (number, source) in &shown {
        let name = text::escape(&source.name, style).into_owned();
        lines.extend(course(&layout, &source.running, (&name, Paint::Source(*number)), rows, style));
        if source.waiting.sum(timeline.wall()) * 50 > source.running.sum(timeline.wall()) {
            lines.extend(course(&layout, &source.waiting, ("  waiting", Paint::Faint), 1, style));
        }
    }
    let hidden = timeline.sources.len() - shown.len();
    if hidden > 0 {
        let more = format!("{} and {}", style.glyphs().more, text::counted(hidden as u64, "more source"));
        lines.push(Line::new().put(Paint::Faint, more));
    }
    lines
}

/// The sources that had most to do, in plan order.
fn shown(timeline: &Timeline) -> Vec<(usize, &SourceUse)> {
    let used = timeline.sources.iter().enumerate().filter(|(_, source)| source.attempts > 0);
    let mut sources: Vec<_> = used.collect();
    sources.sort_by_key(|(_, source)| std::cmp::Reverse(source.running.sum(timeline.wall())));
    sources.truncate(ROWS / 2);
    sources.sort_by_key(|(number, _)| *number);
    sources
}

/// One number over time, in so many rows.
fn course(
    layout: &Layout,
    gauge: &Gauge,
    (name, paint): (&str, Paint),
    rows: usize,
    style: &Style,
) -> Vec<Line> {
    let course = layout.course(gauge);
    let drawn = heights(&course, gauge.peak() as f64, rows, style);
    let line = |(row, cells): (usize, String)| {
        let last = row + 1 == rows;
        let name = if last { text::fit(name, layout.names, style).into_owned() } else { String::new() };
        let line = Line::new().text(name).to(layout.margin()).put(paint, cells);
        let remark = format!("peak {}", text::count(gauge.peak()));
        if last { line.to(layout.margin() + layout.axis.cells + 2).put(Paint::Faint, remark) } else { line }
    };
    drawn.into_iter().enumerate().map(line).collect()
}
