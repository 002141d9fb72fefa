//! The items that were lost, what else should be known, and the verdict. Not here: how losses are grouped
//! (`timeline`).

use super::super::line::Line;
use super::super::style::{Paint, Style};
use super::super::text;
use super::super::timeline::{Loss, Scope, Timeline};
use super::{FIGURES, MARGIN, TEXT_LINES, more};
use crate::gather::{Counts, State};

/// The most reasons that are told: some two screens. Items with others are counted.
const TOLD: usize = 12;

/// Warnings, and jobs that have no items.
pub(in crate::report) fn notes(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let jobs = timeline.in_order().into_iter();
    let jobs = jobs.filter_map(|job| job.why.as_ref().map(|why| format!("{}: {why}", job.name)));
    let mut lines: Vec<_> = timeline
        .warnings
        .iter()
        .cloned()
        .chain(jobs)
        .flat_map(|message| note(&message, FIGURES, style))
        .collect();
    lines.extend(more(timeline.more_warnings as usize, "more warning", style));
    lines
}

/// A warning, with its text from column `margin` on; its hints, lines of their own, stand below.
pub(in crate::report) fn note(message: &str, margin: usize, style: &Style) -> Vec<Line> {
    let room = style.width.saturating_sub(margin).max(MARGIN);
    let start = |at| Line::new().put(Paint::Note, if at == 0 { "note" } else { "" }).to(margin);
    let parts = message.lines().flat_map(|line| text::wrap(&text::escape(line.trim(), style), room));
    parts.take(TEXT_LINES).enumerate().map(|(at, part)| start(at).text(part)).collect()
}

/// The items that were lost, the same reason once, at most [`TOLD`] of them.
pub(in crate::report) fn losses(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let losses = timeline.losses.gravest(TOLD);
    let widest = losses.iter().map(|loss| verb(loss.state).len()).max().unwrap_or(0);
    let mut lines: Vec<Line> = losses.iter().flat_map(|loss| lost(timeline, loss, widest, style)).collect();
    let told: u64 = losses.iter().map(|loss| loss.count).sum();
    let others = timeline.losses.count().saturating_sub(told);
    if others > 0 {
        let (more, items) = (style.glyphs().more, text::counted(others, "more item"));
        let text = format!("{more} and {items} for other reasons");
        lines.push(Line::new().put(Paint::Bad, text).put(Paint::Faint, " (all: fanout show --as junit)"));
    }
    lines
}

/// How an outcome is called where it should be seen.
pub(in crate::report) fn verb(state: State) -> String {
    state.to_string().to_uppercase()
}

/// One reason and whose items it hit.
fn lost(timeline: &Timeline, loss: &Loss, widest: usize, style: &Style) -> Vec<Line> {
    let whole = whole(timeline, loss);
    let name = whole.clone().unwrap_or_else(|| loss.labels.first().cloned().unwrap_or_default());
    let why = if whole.is_some() { loss.why.trim_start_matches("source: ") } else { &loss.why };
    let mut lines = failure(loss.state, widest, &name, why, style);
    let rest = loss.count.saturating_sub(1);
    if rest > 0 && whole.is_none() {
        let others = loss.labels.iter().skip(1).map(|label| text::escape(label, style).into_owned());
        let others: Vec<_> = others.map(|label| text::fit(&label, 24, style).into_owned()).collect();
        let dots = if loss.count as usize > loss.labels.len() { ", " } else { "" };
        let list = format!("{}{dots}", others.join(", "));
        let dots = if dots.is_empty() { "" } else { style.glyphs().more };
        let text = format!("{} and {} more: {list}{dots}", style.glyphs().more, text::count(rest));
        lines.push(Line::new().to(widest + 2).put(Paint::Faint, text));
    }
    lines
}

/// What to name instead of single items, where a whole source is hit: `shop (40 items)`.
fn whole(timeline: &Timeline, loss: &Loss) -> Option<String> {
    match loss.scope {
        Scope::Source(number) => {
            let source = timeline.sources.get(number)?;
            Some(format!("{} ({})", source.name, text::counted(loss.count, "item")))
        }
        Scope::Run if loss.count > 1 => Some(text::counted(loss.count, "item")),
        Scope::Run | Scope::Job(_) => None,
    }
}

/// `FAILED  sales[emea]  why`; the other lines of the why, its hints, stand indented below. What is too wide goes on
/// in the next line: a reason is never cut short of [`TEXT_LINES`] lines.
fn failure(state: State, widest: usize, label: &str, why: &str, style: &Style) -> Vec<Line> {
    let margin = widest + 2;
    let start = Line::new().put(Paint::Bad, verb(state)).to(margin).put(Paint::Strong, label);
    let start = if why.is_empty() { start } else { start.text("  ") };
    let room = style.width.saturating_sub(margin).max(MARGIN);
    let parts: Vec<_> = why.lines().map(|part| text::escape(part.trim(), style)).collect();
    let Some((first, hints)) = parts.split_first() else { return vec![start] };
    let beside = style.width.saturating_sub(start.width());
    let (beside, below) = text::wrap_beside(first, beside, room);
    let below = below.into_iter().chain(hints.iter().flat_map(|hint| text::wrap(hint, room)));
    let below = below.take(TEXT_LINES).map(|text| Line::new().to(margin).text(text));
    std::iter::once(start.text(beside)).chain(below).collect()
}

/// How it all ended, in one line.
pub(in crate::report) fn verdict(timeline: &Timeline, style: &Style) -> Line {
    let counts = &timeline.counts;
    let paint = if counts.lost() > 0 || timeline.stopping.is_some() { Paint::Bad } else { Paint::Good };
    let mut line = Line::new().put(paint, outcome_counts(counts));
    if let Some(cause) = &timeline.stopping {
        line = line.put(paint, format!("{}stopped: {cause}", style.glyphs().dot));
    }
    if timeline.ended.is_none() {
        line = line.put(Paint::Note, format!("{}the run has not ended", style.glyphs().dot));
    }
    line
}

/// `40 items: 38 done, 2 failed`.
pub(in crate::report) fn outcome_counts(counts: &Counts) -> String {
    let outcomes = [
        (counts.done, State::Done),
        (counts.skipped, State::Skipped),
        (counts.not_started, State::NotStarted),
        (counts.cancelled, State::Cancelled),
        (counts.timed_out, State::TimedOut),
        (counts.failed, State::Failed),
        (counts.panicked, State::Panicked),
    ];
    let told: Vec<_> = outcomes.iter().filter(|(count, _)| *count > 0).collect();
    let texts: Vec<_> =
        told.iter().map(|(count, state)| format!("{} {state}", text::count(*count))).collect();
    let items = text::counted(counts.submitted, "item");
    if texts.is_empty() { items } else { format!("{items}: {}", texts.join(", ")) }
}
