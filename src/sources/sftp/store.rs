//! Where a file's bytes go: into the sink of its attempt, at their offsets, off the runtime's threads. Not here: how
//! they come (`fetch`).

use super::codec::Data;
use super::session::Held;
use crate::gather::Context;
use crate::output::OutputError;
use crate::sources::{Sink, SourceError};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// A sink that is filled in any order, by many at once.
pub(super) struct Store<'a> {
    sink: Mutex<&'a mut Sink>,
    /// How many bytes there will be.
    size: AtomicU64,
}

impl<'a> Store<'a> {
    /// Nothing is known yet of what will come.
    pub(super) fn new(sink: &'a mut Sink) -> Store<'a> {
        Store { sink: Mutex::new(sink), size: AtomicU64::new(u64::MAX) }
    }

    /// Says how many bytes will come, for a sink that can't take as many.
    pub(super) fn expect(&self, size: u64) -> Result<(), SourceError> {
        self.size.store(size, Relaxed);
        match &**self.sink() {
            Sink::Keep { limit, .. } if size > *limit => {
                let message = format!("{size} bytes are more than the {limit} that may be kept");
                Err(SourceError::new("too_large", message))
            }
            _ => Ok(()),
        }
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
        let write = move |chunk: &Chunk| {
            let mut offset = chunk.offset;
            chunk.data.pieces.iter().try_for_each(|piece| {
                offset += piece.len() as u64;
                writer.write_at(piece, offset - piece.len() as u64)
            })
        };
        // Short enough (a batch) to need no look at the cancel flag.
        let written = context.blocking(move |_| chunks.iter().try_for_each(write)).await;
        written.map_err(|OutputError { message, .. }| SourceError::new("output", message))
    }

    fn is_small_and_whole(&self, chunks: &[Chunk]) -> bool {
        let mut end = 0;
        let is_in_order = chunks.iter().all(|chunk| {
            let start = std::mem::replace(&mut end, chunk.offset + chunk.data.len as u64);
            start == chunk.offset
        });
        is_in_order && end == self.size.load(Relaxed) && end <= SMALL
    }

    fn sink(&self) -> MutexGuard<'_, &'a mut Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
