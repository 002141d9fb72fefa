//! One file: opened, read, checked against the size the server tells, closed without waiting. A small file takes two round
//! trips: open, then read and fstat in one flight, where the short reply to a read of one byte more than the size proves
//! the end. A large one is read over all connections at once. Not here: the reads (`reading`), where the bytes go (`store`),
//! and which files (`list`).

use super::codec::{Attrs, Reply, Request};
use super::entry::{self, Kind};
use super::error::Fault;
use super::pool::Lease;
use super::ranges::Ranges;
use super::reading::Reading;
use super::session::Held;
use super::store::Store;
use crate::gather::{Advice, Context};
use crate::sources::SourceError;
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::time::Duration;
use tokio::time::Instant;

/// The size from which on a file is worth the logins of more connections.
const LARGE: u64 = 64 << 20;
/// The round trip from which on all connections read it. On a shorter line one connection fills a core, and more connections
/// than cores are in each other's way.
const LONG: Duration = Duration::from_millis(5);

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
pub(super) enum Failed {
    /// What the server did.
    Fault(Fault),
    /// It ended before its size: bytes there were, and should have been.
    Truncated(u64, u64),
    /// It is not what it was: how.
    Changed(String),
    /// It is no file.
    Folder,
    /// What came could not be written.
    Sink(SourceError),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::Fault(fault)
    }
}

impl File<'_> {
    /// Fetches it into the store, and says what the server says of it: size and mtime.
    pub(super) async fn fetch(&self, store: &Store<'_>) -> Result<Attrs, SourceError> {
        self.context.phase("open");
        let start = Instant::now();
        let told = self.ask_size();
        let open =
            Open::new(self.lease, self.path).await.map_err(|fault| self.error("open", fault.into()))?;
        let is_long = start.elapsed() >= LONG;
        let size = told.await;
        self.context.phase("read");
        self.read(&open, size, is_long, store).await.map_err(|failed| self.error("read", failed))
    }

    /// The size, where no listing told it, asked for in one flight with the open: room is taken for what is there, not for
    /// the largest read. A server that doesn't tell is no hindrance.
    fn ask_size(&self) -> impl Future<Output = Option<u64>> + use<> {
        let known = self.size;
        let answer = known.is_none().then(|| self.lease.ask(Request::Stat(self.path), Held::default()));
        async move {
            let Some(answer) = answer else { return known };
            match answer.await {
                Ok((Reply::Attrs(attrs), _)) => attrs.size,
                _ => None,
            }
        }
    }

    async fn read(
        &self,
        open: &Open<'_>,
        size: Option<u64>,
        is_long: bool,
        store: &Store<'_>,
    ) -> Result<Attrs, Failed> {
        let ranges = Ranges::up_to(size.map_or(self.lease.read_len().into(), |size| size.saturating_add(1)));
        let mut first = Reading::new(self.lease, self.context, &open.handle, &ranges);
        first.ask().await;
        let before = open.stat().await?;
        if entry::kind(&before, None) == Kind::Folder {
            return Err(Failed::Folder);
        }
        let size = before.size.ok_or(Fault::Protocol("no size"))?;
        store.expect(size).map_err(Failed::Sink)?;
        ranges.end_at(size);
        first.end_at(size);
        let replies = match size {
            LARGE.. => {
                let beside = if is_long { usize::MAX } else { cores().max(2) - 1 };
                self.read_at_once(first, beside, before, &ranges, store).await?
            }
            _ => first.run(store).await?,
        };
        if replies > 1 {
            unchanged(before, open.stat().await?)?;
        }
        Ok(before)
    }

    /// Reads over the first connection, and over so many `beside` it as they come.
    async fn read_at_once(
        &self,
        mut first: Reading<'_>,
        beside: usize,
        before: Attrs,
        ranges: &Ranges,
        store: &Store<'_>,
    ) -> Result<u64, Failed> {
        let mut coming: FuturesUnordered<_> =
            self.lease.others().take(beside).map(|place| self.lease.another(place)).collect();
        let mut reading = FuturesUnordered::new();
        reading.push(async { first.run(store).await }.boxed());
        let mut replies = 0;
        loop {
            tokio::select! {
                Some(lease) = coming.next(), if !ranges.is_empty() => {
                    let another = lease.map(|lease| self.read_beside(lease, before, ranges, store).boxed());
                    reading.extend(another);
                }
                ended = reading.next() => match ended {
                    Some(ended) => replies += ended?,
                    None => return Ok(replies),
                },
            }
        }
    }

    /// Reads over another connection what is left when it is there. A server that does not open the file once more is left
    /// alone; one that shows another file there is not.
    async fn read_beside(
        &self,
        lease: Lease,
        before: Attrs,
        ranges: &Ranges,
        store: &Store<'_>,
    ) -> Result<u64, Failed> {
        let Ok(open) = Open::new(&lease, self.path).await else { return Ok(0) };
        let Ok(attrs) = open.stat().await else { return Ok(0) };
        unchanged(before, attrs)?;
        let mut reading = Reading::new(&lease, self.context, &open.handle, ranges);
        reading.end_at(before.size.unwrap_or_default());
        reading.run(store).await
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

    async fn stat(&self) -> Result<Attrs, Fault> {
        match self.lease.ask(Request::Fstat(&self.handle), Held::default()).await? {
            (Reply::Attrs(attrs), _) => Ok(attrs),
            _ => Err(Fault::Protocol("an answer that is no attributes")),
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.lease.close(&self.handle, std::mem::take(&mut self.held));
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
