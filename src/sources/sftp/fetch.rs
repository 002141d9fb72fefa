//! One file: opened, read in pipelined pieces, checked against the size the server tells, closed without waiting. A
//! small file takes two round trips: open, then read and fstat in one flight, where the short reply to a read of one
//! byte more than the size proves the end. Not here: where the bytes go (`store`), and which files (`list`).

use super::codec::{Attrs, Data, Reply, Request, status};
use super::entry::{self, Kind};
use super::error::Fault;
use super::pool::Lease;
use super::session::{Answer, Held};
use super::store::{Chunk, Store};
use crate::gather::{Advice, Context};
use crate::sources::SourceError;
use bytes::Bytes;
use futures_util::FutureExt;
use std::collections::VecDeque;

/// Reads in flight at the start of a file; each full reply adds [`RAMP`]: fragile servers are not flooded.
const FIRST_READS: usize = 4;
/// See [`FIRST_READS`].
const RAMP: usize = 2;
/// Bytes that are handed to the disk at once, while the rest is still in flight.
const BATCH: usize = 1 << 20;

/// What to fetch, over which connection.
pub(super) struct File<'a> {
    /// The connection.
    pub(super) lease: &'a Lease,
    /// The attempt.
    pub(super) context: &'a Context,
    /// The server, for errors.
    pub(super) target: &'a str,
    /// The path's exact bytes.
    pub(super) path: &'a [u8],
    /// The size, if a listing told it.
    pub(super) size: Option<u64>,
}

/// Why a file could not be fetched, before it is known what it is called.
enum Failed {
    Fault(Fault),
    /// It ended before its size: bytes there were, and should have been.
    Truncated(u64, u64),
    Changed(String),
    Folder,
    Sink(SourceError),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::Fault(fault)
    }
}

impl File<'_> {
    /// Fetches it into the store, and says what the server says of it: size and mtime.
    pub(super) async fn fetch(&self, store: &mut Store<'_>) -> Result<Attrs, SourceError> {
        self.context.phase("open");
        let open =
            Open::new(self.lease, self.path).await.map_err(|fault| self.error("open", fault.into()))?;
        self.context.phase("read");
        let mut reading = Reading::new(self, &open.handle);
        reading.run(store).await.map_err(|failed| self.error("read", failed))
    }

    fn error(&self, what: &str, failed: Failed) -> SourceError {
        let name = || format!("{}{}", self.target, super::error::shown(self.path));
        match failed {
            Failed::Fault(fault) => fault.error(self.target, what, self.path),
            Failed::Sink(error) => SourceError { message: format!("{}: {}", name(), error.message), ..error },
            Failed::Truncated(have, size) => {
                let message = format!("{}: ended after {have} of {size} bytes", name());
                SourceError::new("truncated", message).advice(Advice::AGAIN)
            }
            Failed::Folder => SourceError::new("sftp", format!("{}: it is a folder", name()))
                .hint("a path that ends in / is a folder's files"),
            Failed::Changed(how) => {
                let message = format!("{}: changed while it was read: {how}", name());
                SourceError::new("changed", message).advice(Advice::AGAIN)
            }
        }
    }
}

/// An open file. Closed when dropped, without waiting for the server's answer.
struct Open<'a> {
    lease: &'a Lease,
    handle: Bytes,
    held: Held,
}

impl<'a> Open<'a> {
    async fn new(lease: &'a Lease, path: &[u8]) -> Result<Open<'a>, Fault> {
        let slot = lease.slot().await;
        match lease.ask(Request::Open(path), slot).await? {
            (Reply::Handle(handle), held) => Ok(Open { lease, handle, held }),
            _ => Err(Fault::Protocol("an answer that is no handle")),
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.lease.close(&self.handle, std::mem::take(&mut self.held));
    }
}

/// A file that is being read.
struct Reading<'a> {
    file: &'a File<'a>,
    handle: &'a [u8],
    flight: VecDeque<Read>,
    /// Where short replies left gaps.
    gaps: VecDeque<Range>,
    /// What has not been asked for yet: from here to `end`.
    next: u64,
    end: u64,
    depth: usize,
    /// Replies that brought data.
    replies: u64,
}

/// A stretch of the file. `empty` once it was answered with no bytes at all.
#[derive(Clone, Copy)]
struct Range {
    offset: u64,
    len: u32,
    empty: bool,
}

struct Read {
    range: Range,
    answer: Answer,
}

impl<'a> Reading<'a> {
    fn new(file: &'a File<'a>, handle: &'a [u8]) -> Reading<'a> {
        let end = file.size.map_or(file.lease.read_len().into(), |size| size.saturating_add(1));
        let (flight, gaps) = (VecDeque::new(), VecDeque::new());
        Reading { file, handle, flight, gaps, next: 0, end, depth: FIRST_READS, replies: 0 }
    }

    async fn run(&mut self, store: &mut Store<'_>) -> Result<Attrs, Failed> {
        self.fill().await;
        let before = self.stat().await?;
        if entry::kind(&before, None) == Kind::Folder {
            return Err(Failed::Folder);
        }
        let size = before.size.ok_or(Fault::Protocol("no size"))?;
        store.expect(size).map_err(Failed::Sink)?;
        self.end = size;
        loop {
            self.fill().await;
            let batch = self.batch(size).await?;
            if batch.is_empty() && self.flight.is_empty() && self.gaps.is_empty() {
                break;
            }
            store.write(self.file.context, batch).await.map_err(Failed::Sink)?;
        }
        if self.replies > 1 {
            let after = self.stat().await?;
            unchanged(before, after)?;
        }
        Ok(before)
    }

    async fn stat(&self) -> Result<Attrs, Fault> {
        match self.file.lease.ask(Request::Fstat(self.handle), Held::default()).await? {
            (Reply::Attrs(attrs), _) => Ok(attrs),
            _ => Err(Fault::Protocol("an answer that is no attributes")),
        }
    }

    /// Asks for as much as there is room for; for one stretch at least, if nothing is in flight.
    async fn fill(&mut self) {
        let lease = self.file.lease;
        while self.flight.len() < self.depth
            && let Some(range) = self.wanted()
        {
            let room = match lease.room_now(range.len) {
                None if self.flight.is_empty() => Some(lease.room(range.len).await),
                room => room,
            };
            let Some(held) = room else { return };
            self.took(range);
            let request = Request::Read { handle: self.handle, offset: range.offset, len: range.len };
            self.flight.push_back(Read { range, answer: lease.ask(request, held) });
        }
    }

    /// The next stretch to ask for: gaps first.
    fn wanted(&self) -> Option<Range> {
        let fresh = || {
            let len = self.end.saturating_sub(self.next).min(self.file.lease.read_len().into()) as u32;
            (len > 0).then_some(Range { offset: self.next, len, empty: false })
        };
        self.gaps.front().copied().or_else(fresh)
    }

    fn took(&mut self, range: Range) {
        if self.gaps.pop_front().is_none() {
            self.next = range.offset + u64::from(range.len);
        }
    }

    /// Waits for the oldest reply, and takes those after it that are there already.
    async fn batch(&mut self, size: u64) -> Result<Vec<Chunk>, Failed> {
        let (mut batch, mut len) = (Vec::new(), 0);
        while let Some(read) = self.flight.front_mut() {
            let reply = match len {
                0 => (&mut read.answer).await,
                _ => match (&mut read.answer).now_or_never() {
                    Some(reply) => reply,
                    None => break,
                },
            };
            let range = read.range;
            self.flight.pop_front();
            if let Some(chunk) = self.settle(range, reply, size)? {
                len += chunk.data.len;
                batch.push(chunk);
            }
            if len >= BATCH {
                break;
            }
        }
        Ok(batch)
    }

    /// Checks a reply against what was asked, and asks again for what it lacks.
    fn settle(
        &mut self,
        range: Range,
        reply: Result<(Reply, Held), Fault>,
        size: u64,
    ) -> Result<Option<Chunk>, Failed> {
        let (data, held) = match reply {
            Ok((Reply::Data(data), held)) => (data, held),
            Ok(_) => return Err(Fault::Protocol("an answer that is no data").into()),
            Err(Fault::Status { code: status::EOF, .. }) if range.offset >= size => return Ok(None),
            Err(Fault::Status { code: status::EOF, .. }) => {
                return Err(Failed::Truncated(range.offset, size));
            }
            Err(fault) => return Err(fault.into()),
        };
        let end = self.check(range, &data, size)?;
        let rest = (range.offset + u64::from(range.len)).min(size).saturating_sub(end) as u32;
        if rest > 0 {
            self.gaps.push_back(Range { offset: end, len: rest, empty: data.len == 0 });
        } else {
            self.depth += RAMP;
        }
        self.replies += 1;
        self.file.context.progress().add_bytes(data.len as u64);
        Ok((data.len > 0).then_some(Chunk { offset: range.offset, data, held }))
    }

    /// Where the data ends, if it is what may be sent.
    fn check(&self, range: Range, data: &Data, size: u64) -> Result<u64, Failed> {
        if data.len > range.len as usize {
            return Err(Fault::Protocol("more data than asked for").into());
        }
        if data.len == 0 && range.empty {
            return Err(Fault::Protocol("no data and no end, twice").into());
        }
        let end = range.offset + data.len as u64;
        if end > size {
            return Err(Failed::Changed(format!("it had {end} bytes, then {size}")));
        }
        Ok(end)
    }
}

/// A file of which the parts were read at different times has to be the same after as before.
fn unchanged(before: Attrs, after: Attrs) -> Result<(), Failed> {
    if before.size != after.size {
        let bytes = |attrs: Attrs| attrs.size.map_or("no size".to_owned(), |size| format!("{size} bytes"));
        return Err(Failed::Changed(format!("it had {}, then {}", bytes(before), bytes(after))));
    }
    if before.mtime != after.mtime {
        return Err(Failed::Changed("it was written to".to_owned()));
    }
    Ok(())
}
