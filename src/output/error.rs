//! Why an output could not be written: what, where, why. Not here: what the run makes of it.

use super::names::shown;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Why an output could not be written: what, where, why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutputError {
    /// Lower case, the path named, the cause last.
    pub message: String,
    /// The disk or the quota is full: outputs beside this one will fail as well.
    pub full: bool,
}

impl OutputError {
    /// An error whose message is complete.
    pub fn new(message: impl Into<String>) -> OutputError {
        OutputError { message: message.into(), full: false }
    }

    /// `cannot WHAT PATH: CAUSE`.
    pub(super) fn io(what: &str, path: &Path, cause: impl Into<io::Error>) -> OutputError {
        let cause = cause.into();
        let full = matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        OutputError { message: format!("cannot {what} {}: {}", shown(path), text(&cause)), full }
    }

    /// The same for a cause in fanout's own words.
    pub(super) fn because(what: &str, path: &Path, why: &str) -> OutputError {
        OutputError::new(format!("cannot {what} {}: {why}", shown(path)))
    }
}

/// The causes that people meet, in lower case and said the same on every system.
fn text(cause: &io::Error) -> String {
    let known = match cause.kind() {
        ErrorKind::StorageFull => "no space left on the device",
        ErrorKind::QuotaExceeded => "disk quota exceeded",
        ErrorKind::FileTooLarge => {
            "file too large for the file system, or for the process's limit (ulimit -f)"
        }
        ErrorKind::ReadOnlyFilesystem => "read-only file system",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "a part of the path is not a folder",
        ErrorKind::InvalidFilename => "name too long",
        ErrorKind::NotFound => "no such file or folder",
        _ => return lower(&cause.to_string()),
    };
    known.to_owned()
}

/// The system's own words begin with a capital letter.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
