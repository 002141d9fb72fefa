//! One file: opened, read, checked against the size the server tells, closed without waiting. A small file takes two round
//! trips: open, then fstat and read in one flight, where the short reply to a read of one byte more than the size proves
//! the end. A large one is read over several connections at once. Of one that an earlier attempt or run began, only what is missing
//! is read. Not here: the reads (`reading`), where the bytes go (`store`), and which files (`list`).

use super::codec::{Attrs, Reply, Request};
use super::entry::{self, Kind};
use super::error::{Fault, Lost};
use super::link::WINDOW;
use super::pool::Lease;
use super::ranges::Ranges;
use super::reading::Reading;
use super::same::Same;
use super::session::{Answer, Held};
use super::store::Store;
use crate::gather::{Advice, Context};
use crate::output::Origin;
use crate::sources::SourceError;
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::time::Duration;

/// How much of a file has to come to be worth the logins of more connections.
const LARGE: u64 = 64 << 20;
/// How much is asked of a file whose size nobody told while others want room, too: each byte that is asked for takes some of it, and
/// most files are smaller. The last of it proves the end of one of 64 KiB.
const UNTOLD: u32 = 64 * 1024 + 1;
/// Bytes of room on a connection with which nobody's room is short: half of all.
const PLENTY: usize = WINDOW as usize / 2;
/// The size from which on it is worth a look whether an earlier run left something of a file, before the first of it is asked
/// for.
const LEFT: u64 = 1 << 20;
/// The round trip up to which one connection brings all that one core takes: with the buffer of a Linux server (4 MiB where nobody
/// changed it) 280 MB/s. Up to it more connections than cores are in each other's way; twice as long a line takes twice as many.
const FILLED: Duration = Duration::from_millis(15);

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
    /// How it may change meanwhile.
    pub(super) same: &'a Same,
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

impl Failed {
    /// Whether what came may be gone on with: what failed was the line, or the server for a while.
    fn leaves(&self) -> bool {
        matches!(self, Failed::Fault(Fault::Lost(_) | Fault::Status { .. }))
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::Fault(fault)
    }
}

impl File<'_> {
    /// Fetches it into the store, and says what the server says of it: size and mtime.
    pub(super) async fn fetch(&self, store: &Store<'_>) -> Result<Attrs, SourceError> {
        let fetched = self.open_and_read(store).await;
        fetched.map_err(|(what, failed)| {
            if !failed.leaves() {
                store.forget();
            }
            let error = self.error(what, failed);
            let further = store.got_further().is_some_and(|origin| self.same.goes_on(origin));
            let advice = error.advice.further(further);
            error.advice(advice)
        })
    }

    async fn open_and_read(&self, store: &Store<'_>) -> Result<Attrs, (&'static str, Failed)> {
        self.context.phase("open");
        let opened = Open::new(self.lease, self.context, self.path);
        let (opened, is_left) = tokio::join!(opened, self.look_ahead(store));
        let open = opened.map_err(|fault| ("open", fault.into()))?;
        self.context.phase("read");
        self.read(&open, is_left, store).await.map_err(|failed| ("read", failed))
    }

    /// Whether something was left of it, as far as can be said before it is open. If all of a large file is to be read, others
    /// are to read it, too: their logins take far longer than the opening does.
    async fn look_ahead(&self, store: &Store<'_>) -> bool {
        let is_left = self.is_left(self.size, store).await;
        if !is_left && self.size.is_some_and(|size| size >= LARGE) {
            self.lease.widen(readers(self.lease.round_trip()));
        }
        is_left
    }

    async fn read(&self, open: &Open<'_>, is_left: bool, store: &Store<'_>) -> Result<Attrs, Failed> {
        let ranges = Ranges::up_to(if is_left { 0 } else { self.first_bytes() });
        let mut first = self.reading(open, &ranges);
        // Its answer is not to stand behind bytes that are of no use before it is there.
        let stat = open.ask_stat();
        first.ask().await;
        let before = self.same.snapshot(open.attrs(stat).await?);
        if entry::kind(&before, None) == Kind::Folder {
            return Err(Failed::Folder);
        }
        let size = before.size.ok_or(Fault::Protocol("no size"))?;
        store.expect(size, self.origin(before)).map_err(Failed::Sink)?;
        // A listing that told no size, or a small one, said nothing.
        let was_told = self.size.is_some_and(|told| told >= LEFT);
        let is_left = is_left || !was_told && self.is_left(Some(size), store).await;
        let missing = if is_left { store.missing(self.context).await.map_err(Failed::Sink)? } else { None };
        let is_partial = missing.is_some();
        let left =
            missing.as_ref().map_or(size, |missing| missing.iter().map(|gap| gap.end - gap.start).sum());
        missing.map_or_else(|| ranges.end_at(size), |missing| ranges.only(missing));
        first.end_at(size);
        if left >= LARGE {
            let beside = readers(self.lease.round_trip()) - 1;
            self.read_at_once(first, open, beside, before, &ranges, store).await?;
        } else if first.run(store).await? > 1 || is_partial || self.lease.pace().is_some() {
            // One reply comes in the flight of the look before it; under a bandwidth it may come long after.
            self.same.check(before, open.stat().await?)?;
        }
        Ok(before)
    }

    /// Whether an earlier attempt or run may have left something of a file of this size.
    async fn is_left(&self, size: Option<u64>, store: &Store<'_>) -> bool {
        let is_likely = self.context.attempt() > 1 || size.is_some_and(|size| size >= LEFT);
        is_likely && store.finds_leftover(self.context).await
    }

    /// How much of it is asked for before its size is known: one byte more than the listing said, or a read, a shorter one
    /// where room is short; nothing where that would be counted and does not come.
    fn first_bytes(&self) -> u64 {
        match self.size {
            Some(size) => size.saturating_add(1),
            None if self.lease.pace().is_some() => 0,
            None if self.lease.bytes.available_permits() >= PLENTY => self.lease.read_len().into(),
            None => self.lease.read_len().min(UNTOLD).into(),
        }
    }

    fn reading<'a>(&'a self, open: &'a Open<'_>, ranges: &'a Ranges) -> Reading<'a> {
        Reading::new(open.lease, self.context, &open.handle, ranges, self.same.grows())
    }

    /// What tells that bytes are of this file as it is now. A server that tells no time has none.
    fn origin(&self, attrs: Attrs) -> Option<Origin> {
        let login = self.lease.login();
        let what = [login.as_bytes(), b"\0", &attrs.mtime?.to_be_bytes(), self.path].concat();
        Some(Origin::new(&what, attrs.size?))
    }

    /// Reads over the first connection, and over so many `beside` it as they come. What one that is lost did not bring the
    /// others read.
    async fn read_at_once(
        &self,
        first: Reading<'_>,
        open: &Open<'_>,
        beside: usize,
        before: Attrs,
        ranges: &Ranges,
        store: &Store<'_>,
    ) -> Result<(), Failed> {
        let mut coming: FuturesUnordered<_> =
            self.lease.others().take(beside).map(|place| self.lease.another(place)).collect();
        let mut reading = FuturesUnordered::new();
        reading.push(self.read_and_check(first, open, before, store).boxed());
        let mut lost = None;
        loop {
            tokio::select! {
                Some(lease) = coming.next(), if !ranges.is_empty() => {
                    let another = lease.map(|lease| self.read_beside(lease, before, ranges, store).boxed());
                    reading.extend(another);
                }
                ended = reading.next() => match ended {
                    Some(Err(Failed::Fault(Fault::Lost(why)))) => lost = Some(why),
                    Some(ended) => ended?,
                    None => break,
                },
            }
        }
        match lost {
            Some(why) => self.take_over(why, before, ranges, store).await,
            None => Ok(()),
        }
    }

    async fn read_and_check(
        &self,
        mut reading: Reading<'_>,
        open: &Open<'_>,
        before: Attrs,
        store: &Store<'_>,
    ) -> Result<(), Failed> {
        reading.run(store).await?;
        self.same.check(before, open.stat().await?)
    }

    /// Reads over another connection what is left when it is there. A server that does not open the file once more is left
    /// alone; one that shows another file there is not.
    async fn read_beside(
        &self,
        lease: Lease,
        before: Attrs,
        ranges: &Ranges,
        store: &Store<'_>,
    ) -> Result<(), Failed> {
        let Ok(open) = Open::new(&lease, self.context, self.path).await else { return Ok(()) };
        self.read_same(&open, before, ranges, store).await
    }

    /// All others had come to their end when a connection was lost: one of them reads what is left, and looks at the file a last
    /// time. If there is none the attempt ends, and the next one goes on from here.
    async fn take_over(
        &self,
        lost: Lost,
        before: Attrs,
        ranges: &Ranges,
        store: &Store<'_>,
    ) -> Result<(), Failed> {
        let lost = Failed::Fault(Fault::Lost(lost));
        let Some(lease) = self.lease.instead() else { return Err(lost) };
        let Ok(open) = Open::new(&lease, self.context, self.path).await else { return Err(lost) };
        self.read_same(&open, before, ranges, store).await
    }

    /// Reads over a further connection, if the file there is the same. It hardly ever is another, so its first bytes come along with
    /// the answer to that.
    async fn read_same(
        &self,
        open: &Open<'_>,
        before: Attrs,
        ranges: &Ranges,
        store: &Store<'_>,
    ) -> Result<(), Failed> {
        let mut reading = self.reading(open, ranges);
        reading.end_at(before.size.unwrap_or_default());
        let stat = open.ask_stat();
        reading.ask().await;
        self.same.check(before, open.attrs(stat).await?)?;
        self.read_and_check(reading, open, before, store).await
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
    context: &'a Context,
    handle: Bytes,
    held: Held,
}

impl<'a> Open<'a> {
    async fn new(lease: &'a Lease, context: &'a Context, path: &[u8]) -> Result<Open<'a>, Fault> {
        let slot = lease.slot(context).await;
        match lease.wait(context, lease.ask(Request::Open(path), slot)).await? {
            (Reply::Handle(handle), held) => Ok(Open { lease, context, handle, held }),
            _ => Err(Fault::Protocol("an answer that is no handle")),
        }
    }

    async fn stat(&self) -> Result<Attrs, Fault> {
        self.attrs(self.ask_stat()).await
    }

    fn ask_stat(&self) -> Answer {
        self.lease.ask(Request::Fstat(&self.handle), Held::default())
    }

    async fn attrs(&self, answer: Answer) -> Result<Attrs, Fault> {
        match self.lease.wait(self.context, answer).await? {
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

/// How many connections are to read a large file over such a line: as many as there are cores, and two at least; more over a longer
/// one.
fn readers(round_trip: Duration) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    (cores as f64 * round_trip.div_duration_f64(FILLED).max(1.0)).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_takes_more_connections_than_there_are_cores() {
        let short = readers(Duration::ZERO);
        assert!(short >= 2 && short == readers(FILLED), "{short}");
        assert_eq!(readers(FILLED * 2), 2 * short);
        assert!((short + 1..2 * short).contains(&readers(FILLED * 4 / 3)));
        assert!(readers(Duration::MAX) > 1000);
    }
}
