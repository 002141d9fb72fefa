//! What was waited for, and which items were slow. Not here: the wait of one item (`Item`).

use super::super::line::Line;
use super::super::style::Style;
use super::super::text;
use super::super::timeline::{Slow, Timeline, Waited};
use super::named;
use crate::gather::Reason;
use std::time::Duration;

/// How many of the longest waits are shown.
const WAITS: usize = 3;
/// The most of the slowest items that are shown.
const SLOWEST: usize = 5;
/// With fewer items than this their bars say which one is slow.
const FEW: u64 = 8;
/// A longer label is cut in its middle.
const LABEL: usize = 40;

/// What was waited for, the longest first.
pub(super) fn waits(timeline: &Timeline) -> Vec<Line> {
    let waits = timeline.waits.longest_first().into_iter();
    let waits = waits.filter(|(_, _, sum)| sum.time >= Duration::from_millis(1));
    let line = |(reason, limit, sum): (Reason, Option<&str>, Waited)| {
        let what = waited_for(timeline, reason, limit);
        (text::time(sum.time), format!("{what}, {}", text::counted(sum.count, "time")))
    };
    block("waited", waits.take(WAITS).map(line).collect())
}

/// A reason in words, with the limit that stood behind it.
pub(in crate::report) fn waited_for(timeline: &Timeline, reason: Reason, limit: Option<&str>) -> String {
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

/// The slowest items, as many as fit in two lines, where there are more than a chart shows well.
pub(super) fn slowest(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let items = timeline.slowest.items().iter().filter(|_| timeline.counts.submitted >= FEW);
    let text = |slow: &Slow| {
        let label = text::escape(&slow.label, style).into_owned();
        let tries = if slow.attempts > 1 { format!(" in {} attempts", slow.attempts) } else { String::new() };
        format!("{} {}{tries}", text::time(slow.time), text::fit(&label, LABEL, style))
    };
    let mut lines: Vec<Line> = Vec::new();
    for text in items.take(SLOWEST).map(text) {
        let longer = lines.last().map(|line| line.clone().text(style.glyphs().dot).text(text.clone()));
        match longer.filter(|line| line.width() <= style.width) {
            Some(longer) => drop(lines.pop().map(|_| lines.push(longer))),
            None if lines.is_empty() => lines.push(named("slowest").text(text)),
            None => lines.push(named("").text(text)),
        }
    }
    lines.truncate(2);
    lines
}

/// Lines of a time and a text, of which the first one has a name.
fn block(name: &str, entries: Vec<(String, String)>) -> Vec<Line> {
    let widest = entries.iter().map(|(time, _)| time.len()).max().unwrap_or(0);
    let start = |at| named(if at == 0 { name } else { "" });
    let line =
        |(at, (time, text)): (usize, (String, String))| start(at).text(format!("{time:>widest$}  {text}"));
    entries.into_iter().enumerate().map(line).collect()
}
