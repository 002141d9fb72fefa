//! The waterfall of few items: each has its row, in plan order, those of a source together. Not here: how spans
//! become characters (`cells`).

use super::cells::{self, Span};
use super::{Layout, REMARK, legend, ranks, spans};
use crate::gather::State;
use crate::report::style::{Paint, Style};
use crate::report::timeline::{Item, Timeline};
use crate::report::{Line, text};
use std::collections::BTreeSet;
use std::time::Duration;

/// An item and the number of its source.
pub(super) type Row<'a> = (usize, &'a Item);

/// The items that get a row: all that started or were lost, those of a source together.
pub(super) fn shown(timeline: &Timeline) -> Vec<Row<'_>> {
    let told = |item: &Item| item.end.as_ref().is_none_or(|end| end.state != State::Skipped);
    let rows = timeline.items().filter(|(_, item)| !item.attempts.is_empty() || told(item));
    let mut rows: Vec<_> = rows.map(|(job, item)| (job.source, item)).collect();
    rows.sort_by_key(|(source, _)| *source);
    rows
}

/// The chart.
pub(super) fn draw(timeline: &Timeline, rows: &[Row], span: Duration, style: &Style) -> Vec<Line> {
    let headed = rows.iter().map(|(source, _)| source).collect::<BTreeSet<_>>().len() > 1;
    let indent = if headed { "  " } else { "" };
    let name = |item: &Item| format!("{indent}{}", text::escape(&timeline.label(item), style));
    let remarks: Vec<String> = rows.iter().map(|(_, item)| remark(item, timeline)).collect();
    let names = rows.iter().map(|(_, item)| text::width(&name(item))).max().unwrap_or(0).max(7);
    let widest = remarks.iter().map(String::len).max().unwrap_or(0).max(REMARK);
    let Some(layout) = Layout::new(timeline, span, (names, widest), style) else { return Vec::new() };
    let ranks = ranks(timeline);
    let mut lines = layout.axis.ruler(layout.margin(), style).to_vec();
    let mut all: Vec<Span> = Vec::new();
    let mut last = None;
    for ((source, item), remark) in rows.iter().zip(remarks) {
        if headed && last.replace(*source) != Some(*source) {
            lines.push(heading(timeline, *source));
        }
        let spans = spans(item, timeline, &ranks, Paint::Source(*source));
        let line = Line::new().text(text::fit(&name(item), layout.names, style)).to(layout.margin());
        let line = cells::put(line, &cells::row(&spans, &layout.axis, style));
        lines.push(line.put(paint(item), format!(" {remark:>widest$}")));
        all.extend(spans);
    }
    lines.push(layout.at_once(timeline, style));
    lines.extend(legend::legend(timeline, &all, layout.margin(), style));
    lines
}

/// The line over a source's items.
fn heading(timeline: &Timeline, source: usize) -> Line {
    let Some(source) = timeline.sources.get(source) else { return Line::new() };
    let line = Line::new().put(Paint::Strong, source.name.clone());
    if source.kind == source.name { line } else { line.put(Paint::Faint, format!(" ({})", source.kind)) }
}

/// What is said beside an item's bar: how long it took, or how it ended if it was not done; of one that runs also what it
/// received.
fn remark(item: &Item, timeline: &Timeline) -> String {
    let time = || item.length(timeline.wall()).map_or_else(|| "waiting".to_owned(), text::time);
    match item.end.as_ref().map(|end| end.state) {
        Some(State::Done) => time(),
        Some(state) => state.to_string(),
        None => match item.running().map(|attempt| (attempt.bytes, attempt.rows)) {
            Some((bytes @ 1.., _)) => format!("{}  {}", text::bytes(bytes), time()),
            Some((_, rows @ 1..)) => format!("{}  {}", text::counted(rows, "row"), time()),
            _ => time(),
        },
    }
}

/// The color of an item's remark.
fn paint(item: &Item) -> Paint {
    match item.end.as_ref().map(|end| end.state) {
        None | Some(State::Done) => Paint::Plain,
        Some(State::Skipped) => Paint::Faint,
        Some(_) => Paint::Bad,
    }
}
