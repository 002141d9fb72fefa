//! What a path, a folder or a pattern stands for on the server, page by page: several folders are read at once, each
//! with several READDIRs in flight, so that a page costs few round trips. Memory is bounded by the page, by the folders
//! still to be read, and by what a folder has told so far. Not here: reading one folder (`folder`), where symlinks lead
//! (`links`), what names mean to a walk (`sort`), and whether what was found may be taken yet (`ready`).

use super::asking;
use super::codec::{Attrs, Request};
use super::entry::{self, Found, Kind};
use super::error::{Fault, shown};
use super::exclude::Excluded;
use super::folder::{Folder, Unread};
use super::links::{self, Link, Real};
use super::pattern::{Pattern, Wanted};
use super::pool::Pool;
use super::ready::Waiting;
use super::session::Held;
use crate::gather::{BoxFuture, Context, Listing, Page};
use crate::sources::{Entry, SourceError};
use sort::LeftOut;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

mod sort;

/// Entries on a page.
const PAGE: usize = 1000;
/// Bytes of the paths that a page comes to, after which it ends: they may be much longer than names.
const PAGE_BYTES: usize = 1 << 20;
/// Folders that are read at once.
const FOLDERS: usize = 8;
/// Folders that are known and not yet read.
const MOST_FOLDERS: usize = 1_000_000;
/// Bytes of their paths.
const MOST_PENDING: usize = if cfg!(test) { 4 << 20 } else { 256 << 20 };

/// What of all that matches a job takes.
pub(super) struct Choice {
    /// Files lose the folders they lie in.
    pub(super) flatten: bool,
    /// What is left out.
    pub(super) excluded: Excluded,
    /// Symlinks are followed, so many at most that lead to folders.
    pub(super) follows: Option<usize>,
    /// What is found waits here until it may be taken.
    pub(super) waiting: Waiting,
}

/// A listing of one path, folder or pattern.
pub(super) struct Walk {
    pool: Arc<Pool>,
    wanted: Wanted,
    choice: Choice,
    started: bool,
    pending: Vec<Unread>,
    /// Bytes of the paths of those.
    pending_bytes: usize,
    reading: VecDeque<Folder>,
    links: VecDeque<Link>,
    followed: usize,
    ready: VecDeque<Entry>,
    /// Files that the current page came to.
    found: usize,
    /// Bytes of the paths that the current page came to.
    bytes: usize,
    /// Symlinks and special files of the current page.
    skipped: LeftOut,
    /// Files of the current page that are not ready.
    not_ready: LeftOut,
}

impl Walk {
    /// A listing that has not begun.
    pub(super) fn new(pool: Arc<Pool>, wanted: Wanted, choice: Choice) -> Walk {
        let (pending, reading, links) = (Vec::new(), VecDeque::new(), VecDeque::new());
        let (ready, skipped, not_ready) = (VecDeque::new(), LeftOut::default(), LeftOut::default());
        let (started, followed, found, bytes, pending_bytes) = (false, 0, 0, 0, 0);
        Walk {
            pool,
            wanted,
            choice,
            started,
            pending,
            pending_bytes,
            reading,
            links,
            followed,
            ready,
            found,
            bytes,
            skipped,
            not_ready,
        }
    }

    async fn page(&mut self, context: &Context) -> Result<Page<Entry>, SourceError> {
        context.attributes(|said| {
            self.pool.target.tell(said, "list");
            let (Wanted::Plain(path) | Wanted::Pattern(Pattern { base: path, .. })) = &self.wanted;
            said.set("file.path", shown(path));
        });
        if !self.started {
            self.start(context).await?;
            self.started = true;
        }
        context.phase("list");
        while !self.is_full() && self.step(context).await? {}
        (self.found, self.bytes) = (0, 0);
        self.warn(context);
        let entries: Vec<Entry> = self.ready.drain(..self.ready.len().min(PAGE)).collect();
        let more = !self.ready.is_empty() || self.has_more() || !self.choice.waiting.is_empty();
        Ok(Page { entries, more })
    }

    /// Whether the current page has come to as much as it may.
    fn is_full(&self) -> bool {
        self.ready.len() >= PAGE || self.found >= PAGE || self.bytes >= PAGE_BYTES
    }

    /// Does what comes next, if there is anything to do before some time has passed.
    async fn step(&mut self, context: &Context) -> Result<bool, SourceError> {
        if !self.links.is_empty() {
            self.follow(context).await?;
        } else if self.choice.waiting.is_due() {
            let entries = self.choice.waiting.look(context).await?;
            entries.into_iter().for_each(|entry| self.tell(entry));
        } else if self.has_more() && !self.choice.waiting.is_full() {
            self.round(context).await?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether there are folders still to be read.
    fn has_more(&self) -> bool {
        !(self.pending.is_empty() && self.reading.is_empty() && self.links.is_empty())
    }

    /// A plain path may be a folder: the server knows.
    async fn start(&mut self, context: &Context) -> Result<(), SourceError> {
        if let Wanted::Plain(path) = &self.wanted {
            let path = path.clone();
            let attrs = stat(&self.pool, &path, context).await?;
            match entry::kind(&attrs, None) {
                Kind::Folder => self.wanted = Wanted::Pattern(Pattern::folder(path)),
                Kind::File | Kind::Unknown => {
                    let below = vec![entry::name(&path).to_vec()];
                    self.take(Found { path, below, attrs });
                }
                Kind::Symlink | Kind::Special => {
                    let message = format!("{}{}: not a file", self.pool.target.name, shown(&path));
                    return Err(SourceError::new("sftp", message));
                }
            }
        }
        if let Wanted::Pattern(pattern) = &self.wanted {
            let (path, progress) = (pattern.base.clone(), pattern.start());
            let real = match self.choice.follows {
                Some(_) => Some(Real::of(&self.pool, context, &path).await?),
                None => None,
            };
            self.put_off(Unread { path, below: Vec::new(), progress, real });
        }
        Ok(())
    }

    /// Reads some more of the folders that are being read.
    async fn round(&mut self, context: &Context) -> Result<(), SourceError> {
        while self.reading.len() < FOLDERS
            && let Some(unread) = self.pending.pop()
        {
            self.pending_bytes -= unread.path.len();
            self.reading.push_back(Folder::new(unread));
        }
        let pool = &self.pool;
        let steps = self.reading.iter_mut().map(|folder| folder.read(pool, context));
        let results = futures_util::future::join_all(steps).await;
        let mut failed = Ok(());
        for result in results {
            // Each folder goes to the back of the queue, unless it is at its end.
            let Some(mut folder) = self.reading.pop_front() else { break };
            folder.take().into_iter().for_each(|name| self.sort(&folder.unread, name));
            match result {
                Ok(true) => {}
                Ok(false) => self.reading.push_back(folder),
                Err(reason) => match self.unreadable(&folder.unread, &reason, context) {
                    Ok(()) => {}
                    Err(error) => {
                        self.reading.push_back(folder);
                        failed = Err(error);
                    }
                },
            }
        }
        if self.pending.len() > MOST_FOLDERS {
            return Err(self.too_many(MOST_FOLDERS, "folders"));
        }
        if self.pending_bytes > MOST_PENDING {
            return Err(self.too_many(MOST_PENDING, "bytes of paths of folders that are to be read"));
        }
        failed
    }

    /// A folder is to be read later.
    fn put_off(&mut self, folder: Unread) {
        self.pending_bytes += folder.path.len();
        self.pending.push(folder);
    }

    fn too_many(&self, most: usize, of_what: &str) -> SourceError {
        SourceError::new("too_large", format!("{}: more than {most} {of_what}", self.pool.target.name))
    }

    /// Follows some of the symlinks.
    async fn follow(&mut self, context: &Context) -> Result<(), SourceError> {
        for target in links::targets(&self.pool, context, &self.links).await? {
            let Some(link) = self.links.pop_front() else { break };
            self.arrive(link, target);
        }
        match self.choice.follows {
            Some(most) if self.followed > most => Err(self.too_many(most, "symlinks to folders")),
            _ => Ok(()),
        }
    }

    /// What a folder that can't be read means: the end of the listing, an item that fails, or nothing.
    fn unreadable(&mut self, folder: &Unread, reason: &Reason, context: &Context) -> Result<(), SourceError> {
        let fault = match reason {
            Reason::Source(error) => return Err(error.clone()),
            Reason::Fault(fault) => fault,
        };
        let error = fault.error(&self.pool.target.name, "list", &folder.path);
        let is_glob = matches!(&self.wanted, Wanted::Pattern(pattern) if pattern.is_glob);
        match (fault, folder.below.is_empty()) {
            (Fault::Lost(_), _) => Err(error),
            (fault, true) if fault.is_missing() && is_glob => {
                context.warn(error.message);
                Ok(())
            }
            (_, true) => Err(error),
            // It was there when its parent was read.
            (fault, false) if fault.is_missing() => Ok(()),
            (_, false) => {
                self.ready.push_back(entry::refused(&folder.path, &folder.below, error));
                Ok(())
            }
        }
    }
}

/// Why a folder can't be read: the server says so, or it could not be asked.
pub(super) enum Reason {
    /// The server says so.
    Fault(Fault),
    /// There is no connection.
    Source(SourceError),
}

impl Listing for Walk {
    type Entry = Entry;
    type Err = SourceError;

    fn next_page<'a>(&'a mut self, context: &'a Context) -> BoxFuture<'a, Result<Page<Entry>, SourceError>> {
        Box::pin(self.page(context))
    }

    fn pause(&self) -> Duration {
        let waiting = &self.choice.waiting;
        let can_read = self.has_more() && !waiting.is_full() || !self.links.is_empty();
        let is_busy = can_read || !self.ready.is_empty() || waiting.is_due();
        if is_busy { Duration::ZERO } else { waiting.pause() }
    }
}

/// What a path leads to, symlinks followed: the plan names it.
async fn stat(pool: &Arc<Pool>, path: &[u8], context: &Context) -> Result<Attrs, SourceError> {
    let stat = asking::stats(pool, context, std::iter::once(path)).await?.pop();
    let stat = stat.unwrap_or(Err(Fault::Protocol("no answer")));
    stat.map_err(|fault| fault.error(&pool.target.name, "stat", path))
}

/// Connects and waits for the first answer, whatever it is: only then it is known that there is SFTP.
pub(super) async fn greet(pool: &Arc<Pool>, context: &Context) -> Result<(), SourceError> {
    let lease = pool.lease(context).await?;
    match lease.wait(context, lease.ask(Request::Stat(b"."), Held::default())).await {
        Err(Fault::Lost(lost)) => Err(lost.error(&pool.target.name)),
        _ => Ok(()),
    }
}

/// A name's path on the server.
pub(super) fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        b"." => name.to_vec(),
        b"/" => [b"/", name].concat(),
        folder => [folder, b"/", name].concat(),
    }
}
