//! Exit codes, and how a command says why it could not do its work.

use super::visible_lines;
use std::fmt::Display;
use std::io::{self, Write};

/// A bug.
pub(super) const BUG: u8 = 70;
/// Arguments that make no sense.
pub(super) const USAGE: u8 = 2;
/// A plan or settings that can't be used.
pub(super) const INVALID: u8 = 3;
/// The plan runs already.
pub(super) const HELD: u8 = 8;
/// The report, the log, the state or stdout could not be written.
pub(super) const WRITE: u8 = 9;

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(super) fn usage(message: impl Display) -> Failure {
        Failure { code: USAGE, message: message.to_string() }
    }

    pub(super) fn settings(message: impl Display) -> Failure {
        Failure { code: INVALID, message: message.to_string() }
    }

    pub(super) fn plan(message: impl Display) -> Failure {
        Failure { code: INVALID, message: message.to_string() }
    }

    pub(super) fn write(what: &str, error: &io::Error) -> Failure {
        Failure { code: WRITE, message: format!("{what} could not be written: {error}") }
    }

    pub(super) fn held(message: impl Display) -> Failure {
        Failure { code: HELD, message: message.to_string() }
    }

    /// The state can't be read or written.
    pub(super) fn state(message: impl Display) -> Failure {
        Failure { code: WRITE, message: message.to_string() }
    }

    /// A signal came before anything had begun.
    pub(super) fn signal(number: i32) -> Failure {
        let message = "stopped by a signal before anything began".to_owned();
        Failure { code: 128 + number as u8, message }
    }

    pub(super) fn lost(message: impl Display) -> Failure {
        Failure { code: 1, message: message.to_string() }
    }

    /// Says it, and gives the exit code.
    pub(super) fn report(self) -> u8 {
        self.say();
        self.code
    }

    /// Says it where it does not decide the exit code.
    pub(super) fn say(&self) {
        // There is nowhere else to say it.
        let _ = io::stderr().write_all(said(&visible_lines(&self.message)).as_bytes());
    }
}

/// A message's lines: all that say what is wrong begin alike, hints are indented and go on from the line above.
fn said(message: &str) -> String {
    let begin = |line: &str| if line.starts_with(' ') { "" } else { "fanout: " };
    message.lines().map(|line| format!("{}{line}\n", begin(line))).collect()
}
