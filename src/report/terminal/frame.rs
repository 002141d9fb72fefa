//! What the live view shows at one moment: a header, the waterfall so far or what runs, what waits. A pure function of the timeline, the
//! time and the size. Not here: how it gets to the terminal.

use super::label;
use crate::gather::Reason;
use crate::report::style::{Paint, Style};
use crate::report::summary::{verb, waited_for};
use crate::report::timeline::{Attempt, Item, Job, Timeline};
use crate::report::{Line, text, waterfall};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most running items that are shown, however tall the terminal is.
pub const RUNNING: usize = 12;
/// The most lost items that are shown: the latest reasons.
const LOST: usize = 3;
/// Running items are listed in at least so many lines, where a row for each item of the run is too much.
const LISTED: usize = 4;
/// The columns of a time.
const TIME: usize = 9;

/// The lines of a frame, at most `rows`. `rate` is in bytes a second.
pub fn frame(timeline: &Timeline, rate: u64, style: &Style, rows: usize) -> Vec<Line> {
    let mut lines = vec![header(timeline, rate, style)];
    let mut below = lost(timeline, style);
    below.extend(waiting(timeline, style));
    let room = rows.saturating_sub(lines.len() + below.len());
    lines.extend(middle(timeline, style, room));
    lines.extend(below);
    lines.truncate(rows);
    lines
}

/// What runs: the waterfall with a row for each item if there is room for that; else the course of each source, if there is
/// room for that beside the list of what runs.
fn middle(timeline: &Timeline, style: &Style, room: usize) -> Vec<Line> {
    let items = timeline.counts.submitted <= room as u64;
    let chart = waterfall::live(timeline, style, if items { room } else { room.saturating_sub(LISTED) });
    let mut lines = chart.unwrap_or_default();
    if lines.is_empty() || !items {
        let left = room.saturating_sub(lines.len()).clamp(1, RUNNING);
        lines.extend(running(timeline, style, left));
    }
    lines
}

/// How far the run is, in one line.
fn header(timeline: &Timeline, rate: u64, style: &Style) -> Line {
    let dot = style.glyphs().dot;
    let counts = &timeline.counts;
    let open = if timeline.is_open() && timeline.jobs_to_come() > 0 { "+" } else { "" };
    let ended = counts.done + counts.skipped;
    let mut line = Line::new().put(Paint::Strong, label(&timeline.info.name, 24, style));
    line = line.text(format!("  {}", text::time(timeline.wall())));
    line = line.text(format!("{dot}{}/{}{open} done", text::count(ended), text::count(counts.submitted)));
    line = line.text(format!("{dot}{} running", text::count(timeline.running.count())));
    if counts.lost() > 0 {
        line = line.text(dot).put(Paint::Bad, format!("{} not done", text::count(counts.lost())));
    }
    let bytes = timeline.bytes();
    if bytes > 0 {
        line = line.text(format!("{dot}{} ({}/s)", text::bytes(bytes), text::bytes(rate)));
    }
    match &timeline.stopping {
        Some(cause) => line.text(dot).put(Paint::Note, format!("stopping: {cause}")),
        None => line,
    }
}

/// The items that run, the longest-running first, in at most `room` lines.
fn running(timeline: &Timeline, style: &Style, room: usize) -> Vec<Line> {
    let items = timeline.active();
    let shown = if items.len() <= room { room } else { room - 1 };
    let names: Vec<String> = items.iter().take(shown).map(|item| timeline.label(item)).collect();
    let widest = names.iter().map(|name| text::width(&text::escape(name, style))).max().unwrap_or(0);
    let names_room = widest.min((style.width / 2).max(8));
    let line = |(item, name): (&&Item, &String)| {
        let source = timeline.jobs.get(&item.job).map_or(0, |job| job.source);
        let line = Line::new().text("  ").put(Paint::Source(source), label(name, names_room, style));
        item.running().map_or(line.clone(), |attempt| {
            progress(line.to(names_room + 4), attempt, timeline.wall(), style)
        })
    };
    let mut lines: Vec<Line> = items.iter().zip(&names).map(line).collect();
    if items.len() > shown {
        let more = text::count((items.len() - shown) as u64);
        lines.push(
            Line::new().put(Paint::Faint, format!("  {} and {more} more running", style.glyphs().more)),
        );
    }
    lines
}

/// How far one attempt is: its time, its phase, what it received.
fn progress(line: Line, attempt: &Attempt, now: Duration, style: &Style) -> Line {
    let time = text::time(now.saturating_sub(attempt.start));
    let mut line = line.text(format!("{time:>TIME$}"));
    if let Some(phase) = attempt.phase() {
        line = line.put(Paint::Faint, format!("  {}", label(phase, 16, style)));
    }
    if attempt.bytes > 0 {
        line = line.text(format!("  {}", text::bytes(attempt.bytes)));
    }
    if attempt.rows > 0 {
        line = line.text(format!("  {}", text::counted(attempt.rows, "row")));
    }
    if attempt.number > 1 {
        line = line.put(Paint::Note, format!("  attempt {}", attempt.number));
    }
    line
}

/// The latest reasons for which items were lost, a line each.
fn lost(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let groups = timeline.losses.groups();
    let latest = &groups[groups.len().saturating_sub(LOST)..];
    let line = |loss: &crate::report::timeline::Loss| {
        let first = loss.labels.first().map_or("", String::as_str);
        let more = if loss.count > 1 { format!(" +{}", text::count(loss.count - 1)) } else { String::new() };
        let why = loss.why.lines().next().unwrap_or_default();
        let line = Line::new().text("  ").put(Paint::Bad, verb(loss.state));
        line.text(format!("  {}{more}  {why}", label(first, style.width / 3, style)))
    };
    latest.iter().map(line).collect()
}

/// How many items wait, by what they wait for.
fn waiting(timeline: &Timeline, style: &Style) -> Option<Line> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |what: String, items: u64| *counts.entry(what).or_default() += items;
    for job in timeline.jobs.values() {
        if job.retrying > 0 {
            count(waited_for(timeline, Reason::Retry, None), job.retrying);
        }
        if job.waiting() > 0 {
            count(for_what(timeline, job), job.waiting());
        }
    }
    let texts: Vec<_> =
        counts.iter().map(|(what, count)| format!("{} {what}", text::count(*count))).collect();
    let line = || Line::new().put(Paint::Faint, format!("  waiting: {}", texts.join(", ")));
    (!texts.is_empty() && style.width > 0).then(line)
}

/// What the items of a job wait for that wait for a start: a limit if one is known to be full, else their source.
fn for_what(timeline: &Timeline, job: &Job) -> String {
    let source = || timeline.sources.get(job.source).map_or_else(String::new, |source| source.name.clone());
    timeline.waits_for(job).map_or_else(
        || format!("for {}", source()),
        |(reason, limit)| waited_for(timeline, reason, Some(limit)),
    )
}
