//! The outputs of a run as JSON Lines: a line for each item that has one, in plan order, with `job`, `key`, `output`
//! (the file's name under the output folder), `bytes`, `rows`, `change` (`new`, `changed` or `same`) and `state`. What
//! has nothing to say is left out. The items of a job that joins them name the same output. Not here: the log, which
//! has everything else.

use super::Timeline;
use crate::gather::{Change, State};
use serde::Serialize;
use std::io::{self, BufWriter, Write};

#[cfg(test)]
mod tests;

/// One line.
#[derive(Debug, Serialize)]
struct File<'a> {
    job: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    output: &'a str,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    state: State,
}

/// Writes the lines. Of a run with more items than the timeline keeps in detail, the others have none: a caller who
/// wants them all makes the timeline with room for them.
///
/// # Errors
/// Writing failed.
pub fn files(timeline: &Timeline, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for (job, item) in timeline.items() {
        let Some(end) = &item.end else { continue };
        let Some(output) = &end.brought.output else { continue };
        let file = File {
            job: &job.name,
            key: item.key.as_deref(),
            output,
            bytes: end.brought.bytes,
            rows: Some(end.brought.rows).filter(|rows| *rows > 0),
            change: end.brought.change,
            state: end.state,
        };
        serde_json::to_writer(&mut out, &file)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
