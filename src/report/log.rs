//! The event log: events as JSON Lines and back, version [`LOG_VERSION`]. The reader takes what it knows and says
//! what it left out, so that the log of a killed run, or of a newer build, can still be shown. The format is
//! described in `docs/events.md`. Not here: where logs are kept (`history`) and when they are written (`run`).

mod fields;
mod line;

#[cfg(test)]
pub(super) mod tests;

use super::{Style, text};
use crate::gather::{Event, LOG_VERSION};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

/// The longest line that is read, in bytes: the first one holds every job of a plan.
pub const LINE: u64 = 64 << 20;
/// The most different notes that are kept of one log.
pub const NOTES: usize = 100;

/// Appends an event to `to` as one line. Fails only if the event holds what JSON can't say, which none does.
pub fn encode(event: &Event, to: &mut Vec<u8>) -> io::Result<()> {
    if !line::write(event, to)? {
        serde_json::to_writer(&mut *to, event)?;
    }
    to.push(b'\n');
    Ok(())
}

/// Why a log can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Reading failed.
    #[error("the event log could not be read: {0}")]
    Read(#[from] io::Error),
    /// The first line is something else.
    #[error("not an event log: line 1 is not the event run_started")]
    NotALog,
    /// It was written by a build that knows more.
    #[error(
        "the event log has version {found}, and this build reads up to {LOG_VERSION}\n(use a newer fanout)"
    )]
    Newer {
        /// The version it has.
        found: u32,
    },
    /// A line is longer than [`LINE`].
    #[error("line {line} of the event log is longer than {} MiB", LINE >> 20)]
    TooLong {
        /// Its number, from 1.
        line: u64,
    },
}

/// Reads a log, event by event.
pub struct Reader<R> {
    from: R,
    line: u64,
    buffer: Vec<u8>,
    notes: Notes,
}

/// What was left out, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(BTreeMap<String, (u64, u64)>);

impl Notes {
    /// One line for each kind of thing that was left out, in the order in which they were met. What the log names there
    /// is made visible.
    pub fn lines(&self) -> Vec<String> {
        let mut notes: Vec<_> = self.0.iter().collect();
        notes.sort_by_key(|(_, (line, _))| *line);
        let line = |(what, (line, count)): (&String, &(u64, u64))| {
            let what = text::escape(what, &Style::default());
            match count {
                1 => format!("line {line}: {what}"),
                count => format!("line {line} and {} more: {what}", count - 1),
            }
        };
        notes.into_iter().map(line).collect()
    }

    fn add(&mut self, line: u64, what: String) {
        if self.0.len() < NOTES || self.0.contains_key(&what) {
            self.0.entry(what).or_insert((line, 0)).1 += 1;
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Starts to read a log.
    pub fn new(from: R) -> Reader<R> {
        Reader { from, line: 0, buffer: Vec::new(), notes: Notes::default() }
    }

    /// What was left out so far.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The next event; none at the end. A last line that was cut, unknown events and unknown fields are left out
    /// with a note.
    pub fn next_event(&mut self) -> Result<Option<Event>, LogError> {
        while let Some(whole) = self.next_line()? {
            if self.line == 1 && !self.first_line(whole)? {
                return Ok(None);
            }
            match serde_json::from_slice::<Event>(&self.buffer) {
                Ok(event) => {
                    self.note_fields();
                    return Ok(Some(event));
                }
                Err(_) if !whole => self.notes.add(self.line, "the last line is cut, left out".to_owned()),
                Err(error) => self.note_line(&error),
            }
        }
        Ok(None)
    }

    /// Reads the next line that is not empty into the buffer, and whether it has its line break.
    fn next_line(&mut self) -> Result<Option<bool>, LogError> {
        loop {
            self.buffer.clear();
            let read = self.from.by_ref().take(LINE).read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            let whole = self.buffer.ends_with(b"\n");
            if !whole && read as u64 == LINE {
                return Err(LogError::TooLong { line: self.line });
            }
            if self.line == 1 || !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(whole));
            }
        }
    }

    /// Checks the first line: whether it is there whole, is the start of a log, and of a version that is known.
    fn first_line(&mut self, whole: bool) -> Result<bool, LogError> {
        #[derive(serde::Deserialize)]
        struct Start {
            event: String,
            log: u32,
        }
        match serde_json::from_slice::<Start>(&self.buffer) {
            Ok(start) if start.event != "run_started" => Err(LogError::NotALog),
            Ok(start) if start.log > LOG_VERSION => Err(LogError::Newer { found: start.log }),
            Ok(_) => Ok(true),
            Err(_) if !whole && self.buffer.starts_with(START.get(..self.buffer.len()).unwrap_or(START)) => {
                self.notes.add(1, "the first line is cut".to_owned());
                Ok(false)
            }
            Err(_) => Err(LogError::NotALog),
        }
    }

    /// Notes the fields of the event in the buffer that this build does not know.
    fn note_fields(&mut self) {
        for unknown in fields::unknown(&self.buffer) {
            self.notes.add(self.line, format!("unknown field {unknown}, left out"));
        }
    }

    /// Notes why the line in the buffer is not an event.
    fn note_line(&mut self, error: &serde_json::Error) {
        let what = match fields::kind(&self.buffer) {
            Some(kind) if fields::of(&kind).is_none() => format!("unknown event {kind:?}, left out"),
            Some(kind) => format!("event {kind:?} not understood, left out: {}", without_place(error)),
            None => "not an event, left out".to_owned(),
        };
        self.notes.add(self.line, what);
    }
}

/// How every log starts.
const START: &[u8] = b"{\"t\":";

/// The error without serde's line and column, which count within the line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
