//! A part: an output while it is written, by any thread. Not here: the file itself (`temp`).
//!
//! A writer belongs to the attempt it was made for. What a writer of an earlier attempt still sends after the part was
//! cleared or made final is refused, so that a blocking write which outlived its attempt can't harm the next one.
//!
//! A late part is on the disk from the first write on; what it is given whole ([`Part::hold`]) only when it becomes final.
//!
//! Dropped, a part is removed. One that knows where its bytes come from ([`Part::resumes`]) is left, if it has any: the next
//! part of that name and origin, in this run or a later one, goes on with it.

use super::digest::{Algorithm, Digest, Hashing};
use super::error::OutputError;
use super::folder::Late;
use super::resume::Origin;
use super::temp::Temp;
use crate::gather::Change;
use bytes::Bytes;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

/// How much is read at a time for a digest.
const CHUNK: usize = 256 * 1024;

/// A temporary file beside its final name: `.NAME.fanout-part`, locked.
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
    /// Nobody is to go on with what is in it.
    forgotten: AtomicBool,
}

/// Held for reading by each write, for changing by what ends an attempt.
struct State {
    stage: Stage,
    attempt: u64,
}

enum Stage {
    /// Not on the disk yet, and what it is to hold, if that is known as a whole.
    Late(Late, Vec<Bytes>),
    /// A file.
    Made(Temp),
    /// Final, or dropped.
    Ended,
}

impl Part {
    pub(super) fn new(temp: Temp) -> Part {
        Part::at(Stage::Made(temp))
    }

    pub(super) fn late(late: Late) -> Part {
        Part::at(Stage::Late(late, Vec::new()))
    }

    fn at(stage: Stage) -> Part {
        let state = RwLock::new(State { stage, attempt: 0 });
        Part { shared: Arc::new(Shared { state, end: Mutex::new(0), forgotten: AtomicBool::new(false) }) }
    }

    /// Takes all that is to be in it, in order, to be written when it becomes final; gives it back if the part is on the
    /// disk already. Not blocking.
    pub fn hold(&mut self, pieces: Vec<Bytes>) -> Result<(), Vec<Bytes>> {
        match &mut self.shared.write().stage {
            Stage::Late(_, held) => {
                *held = pieces;
                Ok(())
            }
            _ => Err(pieces),
        }
    }

    /// Says where its bytes come from, so that another attempt or run can go on with those that came; false if it is on
    /// the disk already, and nobody can. They are then to be written with `write_at`, each once or more often. Not blocking.
    pub fn resumes(&mut self, origin: Origin) -> bool {
        match &mut self.shared.write().stage {
            Stage::Late(late, _) => {
                late.origin = Some(origin);
                true
            }
            _ => false,
        }
    }

    /// Says that nobody is to go on with it: it is removed when dropped. Not blocking.
    pub fn forget(&self) {
        self.shared.forgotten.store(true, Relaxed);
    }

    /// A writer to hand to blocking work. It is of use until the part is cleared, final or dropped.
    pub fn writer(&self) -> PartWriter {
        PartWriter { shared: Arc::clone(&self.shared), attempt: self.shared.read().attempt }
    }

    /// Empties it, for another attempt. Waits for writes that are going on, and ends all its writers. Blocking.
    pub fn clear(&mut self) -> Result<(), OutputError> {
        let mut state = self.shared.write();
        state.attempt += 1;
        *self.shared.end.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        match &mut state.stage {
            Stage::Late(_, held) => {
                held.clear();
                Ok(())
            }
            Stage::Made(temp) => temp.clear(),
            Stage::Ended => Err(ended()),
        }
    }

    /// Bytes in it. Blocking.
    pub fn len(&self) -> Result<u64, OutputError> {
        self.shared.made()?.temp()?.len()
    }

    /// Whether nothing is in it. Blocking.
    pub fn is_empty(&self) -> Result<bool, OutputError> {
        Ok(self.len()? == 0)
    }

    /// Reads up to a buffer's length from an offset; 0 at the end. Blocking.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, OutputError> {
        self.shared.made()?.temp()?.read_at(buffer, offset)
    }

    /// Its final path.
    pub fn path(&self) -> PathBuf {
        match &self.shared.read().stage {
            Stage::Late(late, _) => late.path(),
            Stage::Made(temp) => Path::to_owned(temp.path()),
            Stage::Ended => PathBuf::new(),
        }
    }

    /// Gives it its final name, in place of what is there, and the modification time. Waits for writes that are going
    /// on; later ones are refused. Blocking.
    pub fn commit(self, modified: Option<SystemTime>) -> Result<Change, OutputError> {
        self.into_temp(modified)?.finish()
    }

    /// The file, with all that is to be in it and its modification time, to be made final.
    pub(super) fn into_temp(self, modified: Option<SystemTime>) -> Result<Temp, OutputError> {
        let mut temp = match self.shared.close() {
            Stage::Made(temp) => temp,
            Stage::Late(late, held) => filled(late.make_last()?, &held)?,
            Stage::Ended => return Err(ended()),
        };
        temp.complete(modified)?;
        Ok(temp)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let stage = self.shared.close();
        if let Stage::Made(mut temp) = stage
            && self.shared.forgotten.load(Relaxed)
        {
            temp.forget();
        }
    }
}

impl PartWriter {
    /// Whether something is left on the disk that may be gone on with.
    pub fn finds_leftover(&self) -> bool {
        matches!(&self.shared.read().stage, Stage::Late(late, _) if late.has_leftover())
    }

    /// What of a part that [`Part::resumes`] is to be written yet, after what is left of its origin was taken over. None
    /// if it has to be written as a whole.
    pub fn missing(&self) -> Result<Option<Vec<Range<u64>>>, OutputError> {
        Ok(self.open()?.temp()?.missing())
    }

    /// Writes all bytes at an offset.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), OutputError> {
        self.write_pieces_at(&[bytes], offset)
    }

    /// Writes all pieces, one behind the other, from an offset on: with one call of the system, as a rule.
    pub fn write_pieces_at(&self, pieces: &[impl AsRef<[u8]>], offset: u64) -> Result<(), OutputError> {
        self.open()?.temp()?.write_at(pieces, offset)
    }

    /// Appends all bytes after what this writer, its clones and the part's other writers appended. Not to be mixed
    /// with `write_at`.
    pub fn append(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let state = self.open()?;
        let mut end = self.shared.end.lock().unwrap_or_else(PoisonError::into_inner);
        state.temp()?.write_at(&[bytes], *end)?;
        *end += bytes.len() as u64;
        Ok(())
    }

    /// The digest of all that is in it, whoever wrote it. `go_on` is asked before each chunk; none if it says no. Blocking.
    pub fn digest(
        &self,
        algorithm: Algorithm,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<Digest>, OutputError> {
        let mut hashing = Hashing::new(algorithm);
        if let Some(pieces) = self.held() {
            pieces.iter().for_each(|piece| hashing.add(piece));
            return Ok(Some(hashing.end()));
        }
        let length = self.open()?.temp()?.len()?;
        let (mut buffer, mut offset) = (vec![0; CHUNK], 0);
        while offset < length {
            if !go_on() {
                return Ok(None);
            }
            let most = usize::try_from(length - offset).unwrap_or(CHUNK).min(CHUNK);
            // Opened for each chunk, so that whoever ends the part waits for no more than one.
            let count = self.open()?.temp()?.read_at(&mut buffer[..most], offset)?;
            if count == 0 {
                return Err(OutputError::new("a temporary file was cut short"));
            }
            hashing.add(&buffer[..count]);
            offset += count as u64;
        }
        Ok(Some(hashing.end()))
    }

    /// What is not on the disk yet.
    fn held(&self) -> Option<Vec<Bytes>> {
        match &self.shared.read().stage {
            Stage::Late(_, held) => Some(held.clone()),
            _ => None,
        }
    }

    fn open(&self) -> Result<RwLockReadGuard<'_, State>, OutputError> {
        let state = self.shared.made()?;
        if state.attempt == self.attempt { Ok(state) } else { Err(ended()) }
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a late part on the disk, with what it holds.
    fn made(&self) -> Result<RwLockReadGuard<'_, State>, OutputError> {
        let state = self.read();
        if !matches!(state.stage, Stage::Late(..)) {
            return Ok(state);
        }
        drop(state);
        let mut state = self.write();
        if let Stage::Late(late, held) = &state.stage {
            state.stage = Stage::Made(filled(late.make()?, held)?);
        }
        drop(state);
        Ok(self.read())
    }

    /// Takes the file out, after the writes that are going on.
    fn close(&self) -> Stage {
        std::mem::replace(&mut self.write().stage, Stage::Ended)
    }
}

fn filled(temp: Temp, held: &[Bytes]) -> Result<Temp, OutputError> {
    temp.write_at(held, 0)?;
    Ok(temp)
}

impl State {
    fn temp(&self) -> Result<&Temp, OutputError> {
        match &self.stage {
            Stage::Made(temp) => Ok(temp),
            _ => Err(ended()),
        }
    }
}

fn ended() -> OutputError {
    OutputError::new("cannot write into a part whose attempt has ended")
}
