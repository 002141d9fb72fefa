//! The figures at the end of a run, and the failures last. Not here: the sums themselves (`timeline`) and the
//! chart (`waterfall`).

use super::line::Line;
use super::style::{Paint, Style};
use super::text;
use super::timeline::{Loss, Received, Scope, Slow, SourceUse, Timeline, Waited};
use crate::gather::{Counts, Reason, State};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How many of the slowest items, the longest waits and the busiest sources are shown.
const SHOWN: usize = 5;
/// With fewer items than this their bars say which one is slow.
const FEW: u64 = 8;
/// The most lines of one reason that are shown.
const REASON_LINES: usize = 12;
/// The least room for a reason, however small the width is.
const MARGIN: usize = 10;
/// The column of the figures.
const FIGURES: usize = 10;

/// The lines of the summary. The last ones are the failures and the verdict.
pub fn summary(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let mut lines = figures(timeline, style);
    lines.extend(notes(timeline, style));
    lines.extend(losses(timeline, style));
    lines.push(verdict(timeline, style));
    lines
}

/// The figures: times, sources, waits, the slowest items, what was received.
pub(super) fn figures(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let mut lines = times(timeline, style);
    lines.extend(sources(timeline, style));
    lines.extend(waits(timeline, style));
    lines.extend(slowest(timeline, style));
    lines.extend(received(timeline, style));
    lines
}

/// The start of a line of figures.
fn named(name: &str) -> Line {
    Line::new().put(Paint::Faint, name).to(FIGURES)
}

/// Wall time, sum, overlap, and how many at once.
fn times(timeline: &Timeline, style: &Style) -> Vec<Line> {
    if timeline.lanes == 0 {
        return vec![named("wall").put(Paint::Strong, text::time(timeline.wall()))];
    }
    let dot = style.glyphs().dot;
    let overlap = format!("{:.2}x", timeline.overlap());
    let wall = named("wall").put(Paint::Strong, text::time(timeline.wall()));
    let wall = wall.text(format!("{dot}sum {}{dot}overlap ", text::time(timeline.sum())));
    let mean = timeline.overlap();
    let limit = limit(timeline, "run");
    let at_once = format!("peak {}{limit}{dot}mean {mean:.2}", text::count(timeline.running.peak()));
    vec![wall.put(Paint::Strong, overlap), named("at once").text(at_once)]
}

/// A line for each source, if there is more than one or one with a name.
fn sources(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let used: Vec<_> =
        timeline.sources.iter().enumerate().filter(|(_, source)| source.attempts > 0).collect();
    if used.len() < 2 && used.iter().all(|(_, source)| source.name == source.kind) {
        return Vec::new();
    }
    let escaped = |source: &SourceUse| text::escape(&source.name, style).into_owned();
    let widest = used.iter().map(|(_, source)| text::width(&escaped(source))).max().unwrap_or(0);
    let room = widest.min(style.width / 4).max(FIGURES - 4);
    let line = |(number, source): &(usize, &SourceUse)| {
        let name = text::fit(&escaped(source), room, style).into_owned();
        let line = Line::new().text("  ").put(Paint::Source(*number), name).to(room + 4);
        line.text(about(timeline, source, style))
    };
    let mut lines: Vec<_> = used.iter().take(4 * SHOWN).map(line).collect();
    lines.extend(more(used.len().saturating_sub(4 * SHOWN), "more source", style));
    lines
}

/// What is said of one source.
fn about(timeline: &Timeline, source: &SourceUse, style: &Style) -> String {
    let dot = style.glyphs().dot;
    let limit = limit(timeline, &format!("source:{}", source.name));
    let mean = source.running.mean(timeline.wall());
    let mut out = format!("peak {}{limit}{dot}mean {mean:.2}", text::count(source.running.peak()));
    out += &format!("{dot}{}", text::counted(source.counts.submitted, "item"));
    for amount in amounts(source.received.bytes, source.received.rows) {
        out += &format!("{dot}{amount}");
    }
    out
}

/// Bytes and rows, where there are any.
fn amounts(bytes: u64, rows: u64) -> Vec<String> {
    let bytes = (bytes > 0).then(|| text::bytes(bytes));
    let rows = (rows > 0).then(|| text::counted(rows, "row"));
    bytes.into_iter().chain(rows).collect()
}

/// ` of 8`, if there is such a limit.
fn limit(timeline: &Timeline, name: &str) -> String {
    let limit = timeline.limits.get(name).and_then(|limit| limit.concurrency);
    limit.map_or_else(String::new, |limit| format!(" of {}", text::count(limit)))
}

/// What was waited for, the longest first.
fn waits(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let waits = timeline.waits.longest_first();
    let worth: Vec<_> = waits.iter().filter(|(_, _, sum)| sum.time >= Duration::from_millis(1)).collect();
    let line = |(reason, limit, sum): &&(Reason, Option<&str>, Waited)| {
        let what = waited_for(timeline, *reason, *limit);
        (text::time(sum.time), format!("{what}, {}", text::counted(sum.count, "time")))
    };
    let texts = worth.iter().take(SHOWN).map(line).collect();
    let mut lines = block("waited", texts);
    lines.extend(more(worth.len().saturating_sub(SHOWN), "more reason", style));
    lines
}

/// A reason in words, with the limit that stood behind it.
pub(super) fn waited_for(timeline: &Timeline, reason: Reason, limit: Option<&str>) -> String {
    let name = limit.unwrap_or("a limit");
    let info = limit.and_then(|limit| timeline.limits.get(limit));
    match reason {
        Reason::Concurrency => {
            format!("for {name}{}", known(info.and_then(|i| i.concurrency), "concurrency"))
        }
        Reason::Rate => format!("for {name}{}", known(info.and_then(|i| i.rate.as_ref()), "rate")),
        Reason::Hold => format!("{name} asked to be left alone"),
        Reason::Connect => format!("for {name} to be connected"),
        Reason::Retry => "before another attempt".to_owned(),
        Reason::Until => "for a condition to become true".to_owned(),
        Reason::Need => "for another job".to_owned(),
        Reason::Sync => "for files to be synced".to_owned(),
    }
}

/// ` (concurrency 8)`, where it is known.
fn known<T: std::fmt::Display>(value: Option<T>, what: &str) -> String {
    value.map_or_else(|| format!(" ({what})"), |value| format!(" ({what} {value})"))
}

/// The slowest items, where there are more than a chart shows well.
fn slowest(timeline: &Timeline, style: &Style) -> Vec<Line> {
    if timeline.counts.submitted < FEW {
        return Vec::new();
    }
    let items = timeline.slowest.items().iter().take(SHOWN);
    let line = |slow: &Slow| {
        let room = style.width.saturating_sub(FIGURES + 12).max(12);
        let label = text::escape(&slow.label, style).into_owned();
        let label = text::fit(&label, room, style).into_owned();
        let tries = match slow.attempts {
            0 | 1 => String::new(),
            tries => format!(" ({} running in {tries} attempts)", text::time(slow.running)),
        };
        (text::time(slow.time), format!("{label}{tries}"))
    };
    block("slowest", items.map(line).collect())
}

/// Lines of a time and a text, of which the first one has a name.
fn block(name: &str, entries: Vec<(String, String)>) -> Vec<Line> {
    let widest = entries.iter().map(|(time, _)| time.len()).max().unwrap_or(0);
    let start = |at| named(if at == 0 { name } else { "" });
    let line =
        |(at, (time, text)): (usize, (String, String))| start(at).text(format!("{time:>widest$}  {text}"));
    entries.into_iter().enumerate().map(line).collect()
}

/// `… and 7 more reasons`, if there are any.
fn more(count: usize, what: &str, style: &Style) -> Option<Line> {
    let text = format!("{} and {}", style.glyphs().more, text::counted(count as u64, what));
    (count > 0).then(|| named("").put(Paint::Faint, text))
}

/// Bytes, rows and what became of the outputs.
fn received(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let received = &timeline.received;
    let wall = timeline.wall().as_secs_f64();
    let rate = |count: u64| if wall > 0.0 { (count as f64 / wall).round() as u64 } else { 0 };
    let mut texts = Vec::new();
    if received.bytes > 0 {
        texts.push(format!("{} ({}/s)", text::bytes(received.bytes), text::bytes(rate(received.bytes))));
    }
    if received.rows > 0 {
        texts.push(format!(
            "{} ({}/s)",
            text::counted(received.rows, "row"),
            text::count(rate(received.rows))
        ));
    }
    let line = |name, texts: Vec<String>| named(name).text(texts.join(style.glyphs().dot));
    let amounts = (!texts.is_empty()).then(|| line("received", texts));
    let outputs = outputs(received);
    amounts.into_iter().chain((!outputs.is_empty()).then(|| line("outputs", outputs))).collect()
}

/// What became of the outputs, in words.
fn outputs(received: &Received) -> Vec<String> {
    let states = [
        (received.new, "new"),
        (received.changed, "changed"),
        (received.same, "same"),
        (received.unchanged, "unchanged"),
    ];
    let states = states.iter().filter(|(count, _)| *count > 0);
    states.map(|(number, what)| format!("{} {what}", text::count(*number))).collect()
}

/// Warnings, and jobs that have no items.
pub(super) fn notes(timeline: &Timeline, style: &Style) -> Vec<Line> {
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
pub(super) fn note(message: &str, margin: usize, style: &Style) -> Vec<Line> {
    let room = style.width.saturating_sub(margin).max(MARGIN);
    let start = |at| Line::new().put(Paint::Note, if at == 0 { "note" } else { "" }).to(margin);
    let parts = message.lines().flat_map(|line| text::wrap(&text::escape(line.trim(), style), room));
    parts.take(REASON_LINES).enumerate().map(|(at, part)| start(at).text(part)).collect()
}

/// The items that were lost, the same reason once.
pub(super) fn losses(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let losses = timeline.losses.in_order();
    let widest = losses.iter().map(|loss| verb(loss.state).len()).max().unwrap_or(0);
    let mut lines: Vec<Line> = losses.iter().flat_map(|loss| lost(timeline, loss, widest, style)).collect();
    let others = timeline.losses.others();
    if others > 0 {
        let text =
            format!("{} and {} for other reasons", style.glyphs().more, text::counted(others, "more item"));
        lines.push(Line::new().put(Paint::Bad, text));
    }
    lines
}

/// How an outcome is called where it should be seen.
pub(super) fn verb(state: State) -> String {
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
/// in the next line: a reason is never cut short of [`REASON_LINES`] lines.
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
    let below = below.take(REASON_LINES).map(|text| Line::new().to(margin).text(text));
    std::iter::once(start.text(beside)).chain(below).collect()
}

/// How it all ended, in one line.
pub(super) fn verdict(timeline: &Timeline, style: &Style) -> Line {
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
pub(super) fn outcome_counts(counts: &Counts) -> String {
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
