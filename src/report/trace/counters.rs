//! How many items ran and waited over time, and bytes a second, by source; and how many ran in all. Exact where every
//! attempt is kept, means over a 512th of the run where not.

use super::event::{Event, Trace, micros};
use super::tracks::{RUN, Track, Tracks, process};
use crate::report::Timeline;
use crate::report::timeline::{ATTEMPTS, Gauge, Item, STEPS};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// The times at which a number becomes another, rising, and that number.
type Course = Vec<(Duration, f64)>;
type Span = (Duration, Duration);

/// All counters.
pub(super) fn draw<W: Write>(timeline: &Timeline, tracks: &Tracks, trace: &mut Trace<W>) -> io::Result<()> {
    let now = timeline.now;
    let exact = is_exact(timeline);
    let course = |gauge: &Gauge, spans: &mut dyn Iterator<Item = Span>| {
        if exact { steps(spans) } else { means(&gauge.course(now, cells(now)), now) }
    };
    let ran = |track: &Track| (track.attempt().start, track.attempt().until(now));
    let running = course(&timeline.running, &mut tracks.all.iter().map(ran));
    put(RUN, ("running", "items"), &running, trace)?;
    for (number, source) in timeline.sources.iter().enumerate() {
        let pid = process(number);
        let own = tracks.all.iter().filter(|track| track.job.source == number);
        put(pid, ("running", "items"), &course(&source.running, &mut own.map(ran)), trace)?;
        let items = timeline.items().filter(|(job, _)| job.source == number);
        let mut waits = items.flat_map(|(_, item)| waits(item, now));
        put(pid, ("waiting", "items"), &course(&source.waiting, &mut waits), trace)?;
        let rate = means(&source.bytes.course(now, cells(now)), now);
        put(pid, ("received", "bytes per second"), &rate, trace)?;
    }
    Ok(())
}

/// Whether every attempt of the run is kept.
fn is_exact(timeline: &Timeline) -> bool {
    timeline.dropped() == 0 && timeline.items().all(|(_, item)| item.attempts.len() < ATTEMPTS)
}

/// When an item waited: for its first attempt, between two, for its outcome.
fn waits(item: &Item, now: Duration) -> Vec<Span> {
    let end = item.end.as_ref().map_or(now, |end| end.at);
    let starts = item.attempts.iter().map(|attempt| attempt.start).chain([end]);
    let ends = [item.queued].into_iter().chain(item.attempts.iter().map(|attempt| attempt.until(now)));
    ends.zip(starts).filter(|(from, to)| from < to).collect()
}

/// How many of the spans there are at once, at each change.
fn steps(spans: &mut dyn Iterator<Item = Span>) -> Course {
    let mut changes: BTreeMap<u64, i64> = BTreeMap::new();
    for (from, to) in spans {
        *changes.entry(micros(from)).or_default() += 1;
        *changes.entry(micros(to)).or_default() -= 1;
    }
    let count = changes.into_iter().scan(0, |count, (at, change)| {
        *count += change;
        Some((Duration::from_micros(at), *count as f64))
    });
    count.collect()
}

/// How many parts of the time have a mean each: none shorter than a millisecond.
fn cells(now: Duration) -> usize {
    (now.as_millis() as usize).clamp(1, STEPS)
}

/// Means of equal parts of the time as a course.
fn means(means: &[f64], now: Duration) -> Course {
    let part = now.as_secs_f64() / means.len().max(1) as f64;
    let start = |cell: usize| Duration::from_secs_f64(cell as f64 * part);
    let rounded = |mean: &f64| (mean * 1000.0).round() / 1000.0;
    let course = means.iter().enumerate().map(|(cell, mean)| (start(cell), rounded(mean)));
    course.chain([(now, 0.0)]).collect()
}

fn put<W: Write>(
    pid: u32,
    (name, what): (&str, &str),
    course: &Course,
    trace: &mut Trace<W>,
) -> io::Result<()> {
    let mut last = None;
    for (at, number) in course.iter().filter(|(_, number)| last.replace(*number) != Some(*number)) {
        trace.put(&Event::counter(name, pid, *at, json!({ what: number })))?;
    }
    Ok(())
}
