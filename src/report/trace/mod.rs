//! A run as a file for <https://ui.perfetto.dev> and `chrome://tracing`: Chrome's JSON trace format. Written as it is
//! made, an event a line. What it shows:
//!
//! - Each source is a process, in the order in which the plan's jobs name them, after one of the run itself. A source's
//!   attempts lie on as many tracks as it ever had attempts at once: its tracks are numbered anew, by the rule of lanes
//!   (the smallest number that is free), because the run's own lanes are shared by all sources and would leave holes.
//!   The run's lane is an argument.
//! - An attempt is a slice with its phases below it. Its arguments are the key, the outcome, bytes, rows, the error,
//!   the waits before it.
//! - Waits are slices beside the tracks, one row a reason, where a source never had more than [`WAITS`] items waiting
//!   at once: a picture of more is a wall. The counter `waiting` shows them in any case.
//! - Counters: items running and waiting, and bytes a second, of each source; items running, of the run.
//! - Arrows from the last item of a job to the first ones of the jobs that need it.
//! - Marks: warnings, holds, sources that came up or can't be used, limits that changed, what stopped the run.
//!
//! Times are microseconds since the run began. Not here: the other views.

mod arrows;
mod counters;
mod event;
mod marks;
mod slices;
mod tracks;

#[cfg(test)]
mod tests;

pub use arrows::ARROWS;
pub use slices::WAITS;

use super::Timeline;
use event::{Event, Trace};
use serde_json::json;
use std::io::{self, Write};
use std::time::Duration;
use tracks::{RUN, Tracks};

/// Writes the trace. Of a run with more items than the timeline keeps in detail, the others have no slices; `otherData`
/// says how many they are, and counters then show means.
///
/// # Errors
/// Writing failed.
pub fn trace(timeline: &Timeline, out: impl Write) -> io::Result<()> {
    let tracks = Tracks::of(timeline);
    let mut trace = Trace::begin(out, &about(timeline))?;
    name(&tracks, timeline, &mut trace)?;
    for track in &tracks.all {
        slices::attempt(timeline, track, &mut trace)?;
    }
    slices::waits(timeline, &mut trace)?;
    arrows::draw(timeline, &tracks, &mut trace)?;
    counters::draw(timeline, &tracks, &mut trace)?;
    marks::draw(timeline, &mut trace)?;
    trace.end()
}

/// What is said of the run as a whole.
fn about(timeline: &Timeline) -> serde_json::Value {
    let info = &timeline.info;
    json!({
        "run": info.id,
        "plan": info.name,
        "started": info.started,
        "fanout": info.version,
        "exit": timeline.ended.map(|(_, exit)| exit),
        "items without slices": timeline.dropped(),
    })
}

/// Names and order of the run, the sources and their tracks; and the slice of the run.
fn name<W: Write>(tracks: &Tracks, timeline: &Timeline, trace: &mut Trace<W>) -> io::Result<()> {
    trace.process(RUN, &format!("run {}", timeline.info.name), &timeline.info.id)?;
    trace.thread(tracks.run(), "run", 0)?;
    trace.put(&Event::slice("run", "run", tracks.run(), (Duration::ZERO, timeline.now)))?;
    for (number, source) in timeline.sources.iter().enumerate() {
        let pid = tracks::process(number);
        let info = timeline.info.sources.iter().find(|info| info.name == source.name);
        trace.process(pid, &heading(&source.name, &source.kind), info.map_or("", |info| &info.target))?;
        for lane in 0..tracks.lanes(number) {
            trace.thread(tracks.at(number, lane), &format!("{} {}", source.name, lane + 1), lane)?;
        }
    }
    Ok(())
}

/// `shop (postgres)`; a kind without a source is said once.
fn heading(name: &str, kind: &str) -> String {
    if name == kind { name.to_owned() } else { format!("{name} ({kind})") }
}
