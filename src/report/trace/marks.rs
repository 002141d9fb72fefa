//! What happened to a limit, a source or the run: a mark where it happened.

use super::event::{Event, Trace};
use super::tracks::{RUN, process};
use crate::gather::EventKind;
use crate::report::Timeline;
use crate::report::text;
use serde_json::{Value, json};
use std::io::{self, Write};

/// All marks.
pub(super) fn draw<W: Write>(timeline: &Timeline, trace: &mut Trace<W>) -> io::Result<()> {
    for moment in &timeline.moments {
        let Some((name, limit, args)) = said(timeline, &moment.kind) else { continue };
        let source = limit.and_then(|limit| source(timeline, limit));
        let pid = source.map_or(RUN, process);
        trace.put(&Event::mark(&name, pid, moment.at, pid == RUN).args(args))?;
    }
    Ok(())
}

/// What is said of an event, and the limit it is about.
fn said<'a>(timeline: &Timeline, kind: &'a EventKind) -> Option<(String, Option<&'a str>, Value)> {
    Some(match kind {
        EventKind::Warning { message } => ("warning".to_owned(), None, json!({ "message": message })),
        EventKind::Cancelling { job, cause } => {
            let job = job.and_then(|job| timeline.jobs.get(&job)).map(|job| &job.name);
            let what = if job.is_some() { "a job is stopped" } else { "the run is stopped" };
            (format!("{what}: {cause}"), None, json!({ "job": job }))
        }
        EventKind::Held { limit, duration } => {
            (format!("left alone for {}", text::time(*duration)), Some(limit), json!({ "limit": limit }))
        }
        EventKind::Resized { limit, concurrency } => {
            (format!("concurrency is now {concurrency}"), Some(limit), json!({ "limit": limit }))
        }
        EventKind::SourceUp { source } => ("up".to_owned(), Some(source), json!({ "source": source })),
        EventKind::SourceDown { source, why } => {
            ("can't be used".to_owned(), Some(source), json!({ "source": source, "why": why }))
        }
        _ => return None,
    })
}

/// The number of the source that a limit is named after: `source:shop`. A host belongs to no source alone.
fn source(timeline: &Timeline, limit: &str) -> Option<usize> {
    let name = limit.strip_prefix("source:")?;
    timeline.sources.iter().position(|source| source.name == name)
}
