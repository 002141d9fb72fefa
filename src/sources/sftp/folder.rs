//! Reading one folder: opened, then several READDIRs in flight on its handle. After a lost link it is read again from
//! the start, and names that were told before are left out. Not here: what its names mean (`list`).

use super::codec::{Name, Names, Reply, Request, status};
use super::entry::{self, Kind};
use super::error::Fault;
use super::links::Real;
use super::list::Reason;
use super::pattern::Progress;
use super::pool::{Lease, Pool};
use super::session::{Answer, Held};
use crate::gather::Context;
use crate::sources::SourceError;
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// READDIRs in flight at first on a folder below another: one for a small folder's names, one for its end.
const FIRST: usize = 2;
/// READDIRs in flight on a folder that goes on, and from the start on the one that a listing begins with: a handful of needless
/// requests once are less than a round trip.
const MOST: usize = 32;
/// Bytes of names that are taken at once: all of a usual reply. A hundred thousand bytes of the shortest ones would be megabytes.
const BITE: usize = 32 * 1024;
/// Bytes of the paths of the names that are taken at once: in a folder that lies deep they are much longer than names.
const BITE_PATHS: usize = 128 * 1024;
/// Names of one folder after which a lost link is not mended any more: a folder has to end.
const MOST_SEEN: usize = if cfg!(test) { 50_000 } else { 5_000_000 };
/// Names that a folder may tell a second time since it was opened, beside those that were told before it was opened again.
const MOST_AGAIN: usize = 10_000;

/// A folder that is to be read.
pub(super) struct Unread {
    /// Its path on the server.
    pub(super) path: Vec<u8>,
    /// The same below the listing's base.
    pub(super) below: Vec<Vec<u8>>,
    /// How far the pattern matched.
    pub(super) progress: Progress,
    /// Where it really lies, if symlinks are followed.
    pub(super) real: Option<Arc<Real>>,
}

/// A folder that is being read.
pub(super) struct Folder {
    /// Which one.
    pub(super) unread: Unread,
    open: Option<Open>,
    seen: HashSet<u64>,
    hasher: RandomState,
    batch: Vec<Name>,
    depth: usize,
}

/// Its handle. Closed when dropped.
struct Open {
    lease: Lease,
    handle: Bytes,
    flight: VecDeque<Answer>,
    /// What is left of the last reply, and the room that it takes.
    rest: (Names, Held),
    /// Names that it may tell and that were told before.
    again: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.lease.close(&self.handle, Held::default());
    }
}

impl Folder {
    /// Not opened yet.
    pub(super) fn new(unread: Unread) -> Folder {
        let (seen, hasher) = (HashSet::new(), RandomState::new());
        let depth = if unread.below.is_empty() { MOST } else { FIRST };
        Folder { unread, open: None, seen, hasher, batch: Vec::new(), depth }
    }

    /// The names that were read since the last call.
    pub(super) fn take(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.batch)
    }

    /// Reads some more names; true at the folder's end. They stay here until they are taken: an attempt that is
    /// dropped in the middle loses none.
    pub(super) async fn read(&mut self, pool: &Arc<Pool>, context: &Context) -> Result<bool, Reason> {
        let result = self.step(pool, context).await;
        if result.is_err() {
            self.open = None;
        }
        result
    }

    async fn step(&mut self, pool: &Arc<Pool>, context: &Context) -> Result<bool, Reason> {
        if self.open.is_none() {
            let lease = pool.lease(context).await.map_err(Reason::Source)?;
            let again = self.seen.len() + MOST_AGAIN;
            let open = Open::new(lease, context, &self.unread.path, again).await;
            self.open = Some(open.map_err(Reason::Fault)?);
        }
        let Some(open) = &mut self.open else { return Ok(true) };
        let is_end = match open.next(self.depth, self.unread.path.len(), context).await {
            Ok(names) if names.is_empty() => true,
            Ok(names) => {
                self.depth = MOST;
                self.keep(names, pool)?;
                false
            }
            Err(Fault::Status { code: status::EOF, .. }) => true,
            Err(fault) => return Err(Reason::Fault(fault)),
        };
        context.progress().beat();
        let Some(open) = &self.open else { return Ok(true) };
        learn(&open.lease, context, &self.unread.path, &mut self.batch).await.map_err(Reason::Fault)?;
        if is_end {
            self.open = None;
        }
        Ok(is_end)
    }

    /// Keeps the names that are new. A folder has to end: it may neither tell new ones for ever nor the same ones.
    fn keep(&mut self, names: Vec<Name>, pool: &Pool) -> Result<(), Reason> {
        let told = names.len();
        let before = self.batch.len();
        let (seen, hasher) = (&mut self.seen, &self.hasher);
        self.batch.extend(names.into_iter().filter(|name| seen.insert(hasher.hash_one(&name.name))));
        if self.seen.len() > MOST_SEEN {
            let message = format!(
                "{}{}: it has too many names",
                pool.target.name,
                super::error::shown(&self.unread.path)
            );
            return Err(Reason::Source(SourceError::new("too_large", message)));
        }
        let again = told - (self.batch.len() - before);
        let left = self.open.as_mut().map(|open| &mut open.again).and_then(|left| {
            *left = left.checked_sub(again)?;
            Some(())
        });
        left.ok_or(Reason::Fault(Fault::Protocol("the same names again and again")))
    }
}

impl Open {
    async fn new(lease: Lease, context: &Context, path: &[u8], again: usize) -> Result<Open, Fault> {
        let (flight, rest) = Default::default();
        match lease.wait(context, lease.ask(Request::Opendir(path), Held::default())).await? {
            (Reply::Handle(handle), _) => Ok(Open { lease, handle, flight, rest, again }),
            _ => Err(Fault::Protocol("an answer that is no handle")),
        }
    }

    /// The next names of the oldest reply, with `depth` requests in flight, of a folder whose path is so long.
    async fn next(&mut self, depth: usize, path: usize, context: &Context) -> Result<Vec<Name>, Fault> {
        self.ask(depth);
        if self.rest.0.len() == 0
            && let Some(answer) = self.flight.front_mut()
        {
            let reply = self.lease.wait(context, answer).await;
            self.flight.pop_front();
            self.rest = match reply? {
                (Reply::Names(names), held) => (names, held),
                _ => return Err(Fault::Protocol("an answer that is no names")),
            };
        }
        Ok(self.bite(BITE_PATHS / (path + 1)))
    }

    /// Asks ahead as far as there is room. One reply needs none: whatever others keep, each folder goes on.
    fn ask(&mut self, depth: usize) {
        while self.flight.len() < depth {
            let held = match self.lease.room_for_names() {
                Some(held) => held,
                None if self.flight.is_empty() => Held::default(),
                None => break,
            };
            self.flight.push_back(self.lease.ask(Request::Readdir(&self.handle), held));
        }
    }

    /// Some of the names that came: one at least, `most` at most.
    fn bite(&mut self, most: usize) -> Vec<Name> {
        let (rest, room) = &mut self.rest;
        let before = rest.len();
        let mut names = Vec::new();
        while before - rest.len() < BITE
            && names.len() < most.max(1)
            && let Some(name) = rest.next()
        {
            names.push(name);
        }
        if rest.len() == 0 {
            *room = Held::default();
        }
        names
    }
}

/// Asks for the attributes of those names whose type the server did not tell, or the size or time of a file, all in one
/// flight.
async fn learn(lease: &Lease, context: &Context, folder: &[u8], names: &mut [Name]) -> Result<(), Fault> {
    let unknown = |name: &&mut Name| {
        let is_known = match entry::kind(&name.attrs, name.sign) {
            Kind::Unknown => false,
            Kind::File => entry::fingerprint(&name.attrs).is_some(),
            Kind::Folder | Kind::Symlink | Kind::Special => true,
        };
        !is_known && crate::output::server_name(&name.name).is_ok()
    };
    let asked: Vec<_> = names
        .iter_mut()
        .filter(unknown)
        .map(|name| {
            let path = super::list::joined(folder, &name.name);
            (lease.ask(Request::Lstat(&path), Held::default()), name)
        })
        .collect();
    for (answer, name) in asked {
        match lease.wait(context, answer).await {
            Ok((Reply::Attrs(attrs), _)) => name.attrs = attrs,
            Err(Fault::Lost(lost)) => return Err(Fault::Lost(lost)),
            // What is unknown stays so: if it is no file, it fails as an item.
            _ => {}
        }
    }
    Ok(())
}
