//! Attempts with their phases, and the waits before them.

use super::event::{Event, Trace, micros};
use super::tracks::{Track, process};
use crate::gather::Wait;
use crate::report::timeline::{Attempt, Item};
use crate::report::{Timeline, summary, text};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Waits are drawn for a source that never had more items waiting at once: they would take as many rows.
pub const WAITS: u64 = 64;

/// An attempt and its phases.
pub(super) fn attempt<W: Write>(timeline: &Timeline, track: &Track, trace: &mut Trace<W>) -> io::Result<()> {
    let attempt = track.attempt();
    let label = track.job.label(track.item.number, track.item.key.as_deref());
    let name = if attempt.number > 1 { format!("{label} (attempt {})", attempt.number) } else { label };
    let span = (attempt.start, attempt.until(timeline.now));
    let last = track.index + 1 == track.item.attempts.len();
    let args = args(timeline, track.item, attempt, last);
    trace.put(&Event::slice(&name, "attempt", track.place, span).args(args))?;
    for (from, to, name) in attempt.spans(timeline.now) {
        // A phase that took no time would be taken for the next slice's.
        if micros(from) < micros(to) {
            trace.put(&Event::slice(name, "phase", track.place, (from, to)))?;
        }
    }
    Ok(())
}

/// What is said of an attempt; of an item's last one, what the item brought and how it ended.
fn args(timeline: &Timeline, item: &Item, attempt: &Attempt, last: bool) -> Value {
    let end = item.end.as_ref().filter(|_| last);
    let brought = end.map(|end| &end.brought);
    let state = attempt.end.as_ref().map_or("running".to_owned(), |end| end.state.to_string());
    let error = attempt.end.as_ref().and_then(|end| end.error.as_deref());
    let waits: Vec<_> = attempt.waits.iter().map(|wait| waited(timeline, wait)).collect();
    json!({
        "key": item.key,
        "outcome": state,
        "bytes": some(brought.map_or(0, |brought| brought.bytes).max(attempt.bytes)),
        "rows": some(brought.map_or(0, |brought| brought.rows).max(attempt.rows)),
        "output": brought.and_then(|brought| brought.output.as_deref()),
        "change": brought.and_then(|brought| brought.change),
        "error": end.and_then(|end| end.why.as_deref()).or(error),
        "code": end.and_then(|end| end.code.as_deref()),
        "waited": waits,
        "attempt": attempt.number,
        "lane": attempt.lane,
    })
}

/// A number that says something.
fn some(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// `1.20 s for source:shop (concurrency 2)`.
fn waited(timeline: &Timeline, wait: &Wait) -> String {
    let what = summary::waited_for(timeline, wait.reason, wait.limit.as_deref());
    format!("{} {what}", text::time(wait.duration))
}

/// The waits of all items, beside the tracks of their sources.
pub(super) fn waits<W: Write>(timeline: &Timeline, trace: &mut Trace<W>) -> io::Result<()> {
    let mut id = 0;
    let few =
        |source: usize| timeline.sources.get(source).is_some_and(|source| source.waiting.peak() <= WAITS);
    for (job, item) in timeline.items().filter(|(job, _)| few(job.source)) {
        let mut free = item.queued;
        for attempt in &item.attempts {
            for (from, to, wait) in attempt.waited(free).filter(|(from, to, _)| micros(*from) < micros(*to)) {
                id += 1;
                let what = summary::waited_for(timeline, wait.reason, wait.limit.as_deref());
                let name = format!("waits: {what}");
                let [start, end] = Event::beside(&name, "wait", (process(job.source), id), (from, to));
                trace.put(&start.args(json!({ "item": timeline.label(item) })))?;
                trace.put(&end)?;
            }
            free = attempt.until(timeline.now);
        }
    }
    Ok(())
}
