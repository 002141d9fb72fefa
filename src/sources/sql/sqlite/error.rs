//! What a SQLite error means: whose it is, whether trying again may help, and how it reads. Not here: raising them.

use super::super::cancelled;
use crate::gather::Advice;
use crate::sources::SourceError;
use std::path::Path;

/// The file can't be opened.
pub(super) fn unopened(path: &Path, why: &str) -> SourceError {
    SourceError::new("connect", format!("sqlite:{}: {why}", path.display())).advice(Advice::SOURCE_NEVER)
}

/// An error while opening.
pub(super) fn opening(path: &Path, error: &sqlx::Error) -> SourceError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
            let failure = unopened(path, &said(code, error.message()));
            if is_busy(code) { failure.advice(Advice::SOURCE_AGAIN) } else { failure }
        }
        other => unopened(path, &other.to_string()),
    }
}

/// The thread of a connection is gone.
pub(super) fn lost(error: &sqlx::Error) -> SourceError {
    SourceError::new("connect", format!("sqlite: {error}")).advice(Advice::AGAIN)
}

/// An error of a statement. `repeatable` says that nothing can have changed.
pub(super) fn running(target: &str, error: &sqlx::Error, repeatable: bool) -> SourceError {
    let sqlx::Error::Database(error) = error else {
        return SourceError::new("sql", format!("{target}: {error}"));
    };
    let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
    let failure = SourceError::new("sql", format!("{target}: {}", said(code, error.message())));
    match code & 0xff {
        // Busy and locked: the statement was not begun, or all of it was undone.
        BUSY | LOCKED => failure.advice(Advice::AGAIN),
        // Nobody but the look at the cancel flag interrupts, and it may be quicker than who waits for the flag.
        INTERRUPT => cancelled(target),
        READ_ONLY => failure.hint("jobs only read unless they say `write = true`"),
        CORRUPT | NOT_A_DATABASE => failure.advice(Advice::SOURCE_NEVER),
        IO_ERROR if repeatable => failure.advice(Advice::AGAIN),
        _ => failure,
    }
}

const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READ_ONLY: u32 = 8;
const INTERRUPT: u32 = 9;
const IO_ERROR: u32 = 10;
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;

fn is_busy(code: u32) -> bool {
    matches!(code & 0xff, BUSY | LOCKED)
}

/// The message with its extended result code.
fn said(code: u32, message: &str) -> String {
    format!("{message} (SQLite {code})")
}
