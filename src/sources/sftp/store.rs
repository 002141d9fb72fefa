//! Where a file's bytes go: into the sink of its attempt, at their offsets, off the runtime's threads. Not here: how
//! they come (`fetch`).

use super::codec::Data;
use super::session::Held;
use crate::gather::Context;
use crate::output::{Origin, OutputError, PartWriter};
use crate::sources::{Sink, SourceError};
use bytes::Bytes;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that arrived, and the room they take until they are written.
pub(super) struct Chunk {
    /// Where they belong.
    pub(super) offset: u64,
    /// The bytes.
    pub(super) data: Data,
    /// Given back once they are written.
    #[expect(dead_code, reason = "it only has to be held")]
    pub(super) held: Held,
}

/// The largest file that is kept in memory until its output is made final.
const SMALL: u64 = 64 * 1024;
/// Bytes from which on an attempt has got further: less would let a server that breaks off after each byte go on for ever.
const FURTHER: u64 = 16 * 1024;

/// A sink that is filled in any order, by many at once.
pub(super) struct Store<'a> {
    sink: Mutex<&'a mut Sink>,
    /// Held by who writes. The kernel, too, lets one at a time write into a file, and has the others spin.
    turn: Arc<Mutex<()>>,
    /// How many bytes there will be.
    size: AtomicU64,
    /// Where what is written comes from, if another attempt can go on with it.
    left: Mutex<Option<Origin>>,
    /// Bytes that are written.
    written: AtomicU64,
}

impl<'a> Store<'a> {
    /// Nothing is known yet of what will come.
    pub(super) fn new(sink: &'a mut Sink) -> Store<'a> {
        let (turn, left, written) = Default::default();
        Store { sink: Mutex::new(sink), turn, size: AtomicU64::new(u64::MAX), left, written }
    }

    /// Says how many bytes will come, and where they come from, if that can be told: for a sink that can't take as many, and
    /// for one of which another attempt or run can go on.
    pub(super) fn expect(&self, size: u64, origin: Option<Origin>) -> Result<(), SourceError> {
        self.size.store(size, Relaxed);
        match &mut **self.sink() {
            Sink::File { part, .. } if size > SMALL => {
                *self.left() = origin.filter(|origin| part.resumes(*origin));
                Ok(())
            }
            Sink::Keep { limit, .. } if size > *limit => {
                let message = format!("{size} bytes are more than the {limit} that may be kept");
                Err(SourceError::new("too_large", message))
            }
            _ => Ok(()),
        }
    }

    /// Whether an earlier attempt or run left something that may be gone on with.
    pub(super) async fn finds_leftover(&self, context: &Context) -> bool {
        match self.writer() {
            Some(writer) => context.blocking(move |_| writer.finds_leftover()).await,
            None => false,
        }
    }

    /// What is to come yet, after what is left of the same origin was taken over; none if that is all of it.
    pub(super) async fn missing(&self, context: &Context) -> Result<Option<Vec<Range<u64>>>, SourceError> {
        let Some(writer) = self.writer() else { return Ok(None) };
        context.blocking(move |_| writer.missing()).await.map_err(failed)
    }

    /// Nobody is to go on with what came.
    pub(super) fn forget(&self) {
        *self.left() = None;
        if let Sink::File { part, .. } = &**self.sink() {
            part.forget();
        }
    }

    /// Where it comes from, if enough was written that another attempt need not fetch.
    pub(super) fn got_further(&self) -> Option<Origin> {
        self.left().filter(|_| self.written.load(Relaxed) >= FURTHER)
    }

    /// Writes what arrived.
    pub(super) async fn write(&self, context: &Context, chunks: Vec<Chunk>) -> Result<(), SourceError> {
        let writer = match &mut **self.sink() {
            Sink::Keep { bytes, limit } => {
                return chunks.iter().try_for_each(|chunk| keep(bytes, *limit, chunk));
            }
            Sink::File { part, .. } if !chunks.is_empty() => {
                if self.is_small_and_whole(&chunks) && part.hold(pieces(&chunks)).is_ok() {
                    return Ok(());
                }
                part.writer()
            }
            _ => return Ok(()),
        };
        let len: usize = chunks.iter().map(|chunk| chunk.data.len).sum();
        let turn = self.turn.clone();
        let write = move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            chunks.iter().try_for_each(|chunk| writer.write_pieces_at(&chunk.data.pieces, chunk.offset))
        };
        // Short enough (a batch of each connection at most) to need no look at the cancel flag.
        context.blocking(move |_| write()).await.map_err(failed)?;
        self.written.fetch_add(len as u64, Relaxed);
        Ok(())
    }

    fn writer(&self) -> Option<PartWriter> {
        match &**self.sink() {
            Sink::File { part, .. } => Some(part.writer()),
            _ => None,
        }
    }

    fn is_small_and_whole(&self, chunks: &[Chunk]) -> bool {
        let mut end = 0;
        let is_in_order = chunks.iter().all(|chunk| {
            let start = std::mem::replace(&mut end, chunk.offset + chunk.data.len as u64);
            start == chunk.offset
        });
        is_in_order && end == self.size.load(Relaxed) && end <= SMALL
    }

    fn left(&self) -> MutexGuard<'_, Option<Origin>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sink(&self) -> MutexGuard<'_, &'a mut Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(OutputError { message, .. }: OutputError) -> SourceError {
    SourceError::new("output", message)
}

fn pieces(chunks: &[Chunk]) -> Vec<Bytes> {
    chunks.iter().flat_map(|chunk| &chunk.data.pieces).cloned().collect()
}

fn keep(bytes: &mut Vec<u8>, limit: u64, chunk: &Chunk) -> Result<(), SourceError> {
    let end = chunk.offset + chunk.data.len as u64;
    if end > limit {
        return Err(SourceError::new("too_large", format!("more than the {limit} bytes that may be kept")));
    }
    // Under the limit, which is far below what memory can hold.
    let mut at = chunk.offset as usize;
    bytes.resize(bytes.len().max(end as usize), 0);
    for piece in &chunk.data.pieces {
        bytes[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    Ok(())
}
