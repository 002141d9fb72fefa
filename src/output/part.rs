//! A part: an output while it is written, by any thread. Not here: the file itself (`temp`).
//!
//! A writer belongs to the attempt it was made for. What a writer of an earlier attempt still sends after the part was
//! cleared or made final is refused, so that a blocking write which outlived its attempt can't harm the next one.

use super::error::OutputError;
use super::temp::Temp;
use crate::gather::Change;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

/// A temporary file beside its final name: `.NAME.fanout-part`, locked. Removed when dropped.
pub struct Part {
    shared: Arc<Shared>,
}

/// Writes into a part from any thread. Blocking: to be called off the runtime's threads.
#[derive(Clone)]
pub struct PartWriter {
    shared: Arc<Shared>,
    attempt: u64,
}

/// What a part and its writers share.
struct Shared {
    state: RwLock<State>,
    /// Where `append` goes on.
    end: Mutex<u64>,
}

/// Held for reading by each write, for changing by what ends an attempt.
struct State {
    /// `None` once the part is final or dropped.
    temp: Option<Temp>,
    attempt: u64,
}

impl Part {
    pub(super) fn new(temp: Temp) -> Part {
        let state = RwLock::new(State { temp: Some(temp), attempt: 0 });
        Part { shared: Arc::new(Shared { state, end: Mutex::new(0) }) }
    }

    /// A writer to hand to blocking work. It is of use until the part is cleared, final or dropped.
    pub fn writer(&self) -> PartWriter {
        PartWriter { shared: Arc::clone(&self.shared), attempt: self.shared.read().attempt }
    }

    /// Empties it, for another attempt. Waits for writes that are going on, and ends all its writers. Blocking.
    pub fn clear(&mut self) -> Result<(), OutputError> {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        state.attempt += 1;
        *self.shared.end.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        state.temp()?.set_len(0)
    }

    /// Bytes in it. Blocking.
    pub fn len(&self) -> Result<u64, OutputError> {
        self.shared.read().temp()?.len()
    }

    /// Whether nothing is in it. Blocking.
    pub fn is_empty(&self) -> Result<bool, OutputError> {
        Ok(self.len()? == 0)
    }

    /// Reads up to a buffer's length from an offset; 0 at the end. Blocking.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, OutputError> {
        self.shared.read().temp()?.read_at(buffer, offset)
    }

    /// Its final path.
    pub fn path(&self) -> std::path::PathBuf {
        self.shared.read().temp.as_ref().map_or_else(Default::default, |temp| Path::to_owned(temp.path()))
    }

    /// Gives it its final name, in place of what is there, and the modification time. Waits for writes that are going
    /// on; later ones are refused. Blocking.
    pub fn commit(self, modified: Option<SystemTime>) -> Result<Change, OutputError> {
        self.shared.close().ok_or_else(ended)?.finish(modified)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.shared.close());
    }
}

impl PartWriter {
    /// Writes all bytes at an offset.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), OutputError> {
        self.open()?.temp()?.write_at(bytes, offset)
    }

    /// Appends all bytes after what this writer, its clones and the part's other writers appended. Not to be mixed
    /// with `write_at`.
    pub fn append(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let state = self.open()?;
        let mut end = self.shared.end.lock().unwrap_or_else(PoisonError::into_inner);
        state.temp()?.write_at(bytes, *end)?;
        *end += bytes.len() as u64;
        Ok(())
    }

    fn open(&self) -> Result<RwLockReadGuard<'_, State>, OutputError> {
        let state = self.shared.read();
        if state.attempt == self.attempt { Ok(state) } else { Err(ended()) }
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the file out, after the writes that are going on.
    fn close(&self) -> Option<Temp> {
        self.state.write().unwrap_or_else(PoisonError::into_inner).temp.take()
    }
}

impl State {
    fn temp(&self) -> Result<&Temp, OutputError> {
        self.temp.as_ref().ok_or_else(ended)
    }
}

fn ended() -> OutputError {
    OutputError::new("cannot write into a part whose attempt has ended")
}
