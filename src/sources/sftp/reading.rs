//! Reading one file over one connection: pipelined requests, each reply checked against what was asked and what it lacks asked
//! for again. Not here: what is to be read (`ranges`), and what a file as a whole must be (`fetch`).

use super::alive::patiently;
use super::codec::{Data, Reply, Request, status};
use super::error::Fault;
use super::fetch::Failed;
use super::pace::Pace;
use super::pool::Lease;
use super::ranges::Ranges;
use super::session::{Answer, Held};
use super::store::{Chunk, Store};
use crate::gather::Context;
use futures_util::FutureExt;
use std::collections::VecDeque;

/// Reads in flight at the start of a file; each full reply adds [`RAMP`]: fragile servers are not flooded. It is what lftp has in
/// flight at most; a large file over a line of 20 ms took 2 % longer with a quarter of it.
const FIRST_READS: usize = 16;
/// See [`FIRST_READS`].
const RAMP: usize = 2;
/// Bytes that are handed to the disk at once, while the rest is still in flight.
const BATCH: usize = 1 << 20;

/// A file that is being read over one connection. Dropped, it leaves to others what it did not bring.
pub(super) struct Reading<'a> {
    lease: &'a Lease,
    context: &'a Context,
    handle: &'a [u8],
    ranges: &'a Ranges,
    /// How fast it may be read, if that is limited.
    pace: Option<&'a Pace>,
    /// The file's size, once it is known.
    size: u64,
    /// Whether there may be more by now, which is not wanted.
    grows: bool,
    flight: VecDeque<Read>,
    /// Where short replies left gaps.
    gaps: VecDeque<Stretch>,
    /// What is ours to ask for and has not been asked for yet.
    claim: std::ops::Range<u64>,
    depth: usize,
    /// Replies that brought data.
    replies: u64,
    /// Why nothing more is asked for, while what came before is being written.
    failed: Option<Failed>,
}

/// A stretch of the file. `empty` once it was answered with no bytes at all.
#[derive(Clone, Copy)]
struct Stretch {
    offset: u64,
    len: u32,
    empty: bool,
}

impl Stretch {
    fn end(self) -> u64 {
        self.offset + u64::from(self.len)
    }
}

struct Read {
    stretch: Stretch,
    answer: Answer,
}

impl<'a> Reading<'a> {
    /// Nothing asked for yet.
    pub(super) fn new(
        lease: &'a Lease,
        context: &'a Context,
        handle: &'a [u8],
        ranges: &'a Ranges,
        grows: bool,
    ) -> Reading<'a> {
        Reading {
            lease,
            context,
            handle,
            ranges,
            pace: lease.pace(),
            size: u64::MAX,
            grows,
            flight: VecDeque::new(),
            gaps: VecDeque::new(),
            claim: ranges.claim(),
            depth: FIRST_READS,
            replies: 0,
            failed: None,
        }
    }

    /// The file's size is known: what is beyond needs no asking.
    pub(super) fn end_at(&mut self, size: u64) {
        self.size = size;
        self.claim.end = self.claim.end.min(size);
    }

    /// Reads until nobody has anything more to ask for, and says how many replies brought data.
    pub(super) async fn run(&mut self, store: &Store<'_>) -> Result<u64, Failed> {
        loop {
            self.ask().await;
            if self.flight.is_empty() && self.failed.is_none() {
                return Ok(self.replies);
            }
            let batch = self.batch().await?;
            // While the disk is busy the line is not to be idle.
            self.ask_now();
            store.write(self.context, batch).await.map_err(Failed::Sink)?;
        }
    }

    /// Asks for as much as there is room for; for one stretch at least, if nothing is in flight.
    pub(super) async fn ask(&mut self) {
        self.ask_now();
        if self.flight.is_empty()
            && let Some(stretch) = self.wanted()
        {
            if let Some(pace) = self.pace {
                patiently(self.context, pace.take(stretch.len)).await;
            }
            let held = self.lease.room(self.context, stretch.len).await;
            self.send(stretch, held);
            self.ask_now();
        }
    }

    fn ask_now(&mut self) {
        while self.flight.len() < self.depth
            && let Some(stretch) = self.wanted()
            && let Some(held) = self.lease.room_now(stretch.len)
            && self.pace.is_none_or(|pace| pace.take_now(stretch.len))
        {
            self.send(stretch, held);
        }
    }

    fn send(&mut self, stretch: Stretch, held: Held) {
        if self.gaps.pop_front().is_none() {
            self.claim.start = stretch.offset + u64::from(stretch.len);
        }
        let request = Request::Read { handle: self.handle, offset: stretch.offset, len: stretch.len };
        self.flight.push_back(Read { stretch, answer: self.lease.ask(request, held) });
    }

    /// The next stretch to ask for: gaps first.
    fn wanted(&mut self) -> Option<Stretch> {
        if self.failed.is_some() {
            return None;
        }
        if let Some(gap) = self.gaps.front() {
            return Some(*gap);
        }
        if self.claim.is_empty() {
            self.claim = self.ranges.claim();
        }
        let left = self.claim.end.saturating_sub(self.claim.start);
        let most = self.pace.map_or(u32::MAX, Pace::most).min(self.lease.read_len());
        let len = left.min(most.into()) as u32;
        (len > 0).then_some(Stretch { offset: self.claim.start, len, empty: false })
    }

    /// Waits for the oldest reply, and takes those after it that are there already. What came before a fault is brought
    /// first, and then the fault.
    async fn batch(&mut self) -> Result<Vec<Chunk>, Failed> {
        let (mut batch, mut len) = (Vec::new(), 0);
        while len < BATCH
            && let Some((stretch, reply)) = self.next(len == 0).await
        {
            match self.settle(stretch, reply) {
                Ok(chunk) => {
                    len += chunk.as_ref().map_or(0, |chunk| chunk.data.len);
                    batch.extend(chunk);
                }
                Err(failed) => {
                    self.gaps.push_back(stretch);
                    self.failed.get_or_insert(failed);
                }
            }
        }
        if batch.is_empty() { self.failed.take().map_or(Ok(batch), Err) } else { Ok(batch) }
    }

    /// The oldest reply, waited for or if it is there. After a fault nothing is waited for: on a lost connection each reply
    /// that came is there, in whatever order the server sent them.
    async fn next(&mut self, wait: bool) -> Option<(Stretch, Result<(Reply, Held), Fault>)> {
        let wait = wait && self.failed.is_none();
        let (lease, context) = (self.lease, self.context);
        let reply = match wait {
            true => lease.wait(context, self.oldest()).await?,
            false => (&mut self.flight.front_mut()?.answer).now_or_never()?,
        };
        let read = self.flight.pop_front()?;
        Some((read.stretch, reply))
    }

    /// The oldest reply. Until it comes more is asked for whenever it is our turn to.
    async fn oldest(&mut self) -> Option<Result<(Reply, Held), Fault>> {
        while let Some(pace) = self.pace
            && self.flight.len() < self.depth
            && let Some(stretch) = self.wanted()
        {
            tokio::select! {
                biased;
                reply = &mut self.flight.front_mut()?.answer => return Some(reply),
                () = pace.take(stretch.len) => {}
            }
            let Some(held) = self.lease.room_now(stretch.len) else {
                pace.give_back(stretch.len);
                break;
            };
            self.send(stretch, held);
        }
        Some((&mut self.flight.front_mut()?.answer).await)
    }

    /// Checks a reply against what was asked, and asks again for what it lacks.
    fn settle(
        &mut self,
        stretch: Stretch,
        reply: Result<(Reply, Held), Fault>,
    ) -> Result<Option<Chunk>, Failed> {
        if let Some(pace) = self.pace {
            pace.give_back(missing(stretch, &reply));
        }
        let (mut data, held) = match reply {
            Ok((Reply::Data(data), held)) => (data, held),
            Ok(_) => return Err(Fault::Protocol("an answer that is no data").into()),
            Err(Fault::Status { code: status::EOF, .. }) if stretch.offset >= self.size => return Ok(None),
            Err(Fault::Status { code: status::EOF, .. }) => {
                return Err(Failed::Truncated(stretch.offset, self.size));
            }
            Err(fault) => return Err(fault.into()),
        };
        let end = self.check(stretch, &mut data)?;
        let rest = stretch.end().min(self.size).saturating_sub(end) as u32;
        if rest > 0 {
            self.gaps.push_back(Stretch { offset: end, len: rest, empty: data.len == 0 });
        } else {
            self.depth += RAMP;
        }
        self.replies += 1;
        self.context.progress().add_bytes(data.len as u64);
        Ok((data.len > 0).then_some(Chunk { offset: stretch.offset, data, held }))
    }

    /// Where the data ends, if it is what may be sent. Of a file that grows it is cut where the snapshot ends.
    fn check(&self, stretch: Stretch, data: &mut Data) -> Result<u64, Failed> {
        if data.len > stretch.len as usize {
            return Err(Fault::Protocol("more data than asked for").into());
        }
        if data.len == 0 && stretch.empty {
            return Err(Fault::Protocol("no data and no end, twice").into());
        }
        let end = stretch.offset + data.len as u64;
        if end > self.size && self.grows {
            data.truncate(self.size.saturating_sub(stretch.offset) as usize);
            return Ok(self.size);
        }
        if end > self.size {
            return Err(Failed::Changed(format!("it had {end} bytes, then {}", self.size)));
        }
        Ok(end)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let flight = self.flight.iter().map(|read| read.stretch);
        let left = self.gaps.iter().copied().chain(flight);
        let left = left.map(|stretch| stretch.offset..stretch.end().min(self.size));
        left.chain([self.claim.clone()]).for_each(|stretch| self.ranges.give_back(stretch));
    }
}

/// How much of what was asked for did not come. Of what a lost connection was to bring nobody knows.
fn missing(stretch: Stretch, reply: &Result<(Reply, Held), Fault>) -> u32 {
    match reply {
        Ok((Reply::Data(data), _)) => stretch.len.saturating_sub(data.len as u32),
        Err(Fault::Status { .. }) => stretch.len,
        _ => 0,
    }
}
