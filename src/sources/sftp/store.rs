//! Where a file's bytes go: into the sink of its attempt, at their offsets, off the runtime's threads. Not here: how
//! they come (`fetch`).

use super::codec::Data;
use super::session::Held;
use crate::gather::Context;
use crate::output::OutputError;
use crate::sources::{Sink, SourceError};

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

/// A sink that is filled in any order.
pub(super) struct Store<'a>(pub(super) &'a mut Sink);

impl Store<'_> {
    /// Says how many bytes will come, for a sink that can't take as many.
    pub(super) fn expect(&self, size: u64) -> Result<(), SourceError> {
        match &self.0 {
            Sink::Keep { limit, .. } if size > *limit => {
                let message = format!("{size} bytes are more than the {limit} that may be kept");
                Err(SourceError::new("too_large", message))
            }
            _ => Ok(()),
        }
    }

    /// Writes what arrived.
    pub(super) async fn write(&mut self, context: &Context, chunks: Vec<Chunk>) -> Result<(), SourceError> {
        match &mut self.0 {
            Sink::Discard => Ok(()),
            _ if chunks.is_empty() => Ok(()),
            Sink::Keep { bytes, limit } => chunks.iter().try_for_each(|chunk| keep(bytes, *limit, chunk)),
            Sink::File { part, .. } => {
                let writer = part.writer();
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
        }
    }
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
