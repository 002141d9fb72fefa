//! The log of a run while it is written: a file that is locked as long as the run goes on.

use super::{History, HistoryError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A run that is being recorded.
pub struct Record {
    pub(super) run: String,
    file: File,
}

/// Writes the log of a run.
pub struct RecordWriter(File);

impl Record {
    /// Makes the log of a run, and locks it.
    pub(super) fn create(history: &History, run: &str) -> Result<Record, HistoryError> {
        let path = history.log(run);
        let failed = |source| HistoryError::Folder { path: path.clone(), source };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Record { run: run.to_owned(), file })
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Where the events go, as lines.
    pub fn writer(&self) -> io::Result<RecordWriter> {
        self.file.try_clone().map(RecordWriter)
    }
}

impl Write for RecordWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a process holds this log: its run goes on.
pub(super) fn is_held(log: &Path) -> bool {
    let Ok(file) = File::open(log) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Waits until nobody holds this log. Blocking.
pub(super) fn wait_for(log: PathBuf) {
    if let Ok(file) = File::open(log) {
        // What can't be waited for is looked at again by who asked.
        let _ = file.lock_shared();
    }
}
