//! What a path, a folder or a pattern stands for on the server, page by page: several folders are read at once, each
//! with several READDIRs in flight, so that a page costs few round trips. Memory is bounded by the page, by the folders
//! still to be read, and by what a folder has told so far. Not here: reading one folder (`folder`).

use super::codec::{Attrs, Name, Reply, Request};
use super::entry::{self, Kind};
use super::error::{Fault, shown};
use super::folder::{Folder, Unread};
use super::pattern::{Pattern, Wanted};
use super::pool::Pool;
use super::session::Held;
use crate::gather::{Advice, BoxFuture, Context, Listing, Page};
use crate::output::server_name;
use crate::sources::{Entry, SourceError};
use std::collections::VecDeque;
use std::sync::Arc;

/// Entries on a page.
const PAGE: usize = 1000;
/// Folders that are read at once.
const FOLDERS: usize = 8;
/// Folders that are known and not yet read.
const MOST_FOLDERS: usize = 1_000_000;
/// How deep folders may lie below the first, as in OpenSSH's own client.
const DEPTH: usize = 64;
/// Names in one warning.
const NAMED: usize = 5;

/// A listing of one path, folder or pattern.
pub(super) struct Walk {
    pool: Arc<Pool>,
    wanted: Wanted,
    flatten: bool,
    started: bool,
    pending: Vec<Unread>,
    reading: VecDeque<Folder>,
    ready: VecDeque<Entry>,
    /// Symlinks and special files of the current page.
    skipped: Vec<String>,
}

impl Walk {
    /// A listing that has not begun. With `flatten`, files lose the folders they lie in.
    pub(super) fn new(pool: Arc<Pool>, wanted: Wanted, flatten: bool) -> Walk {
        let (pending, reading, ready) = (Vec::new(), VecDeque::new(), VecDeque::new());
        Walk { pool, wanted, flatten, started: false, pending, reading, ready, skipped: Vec::new() }
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
        while self.ready.len() < PAGE && !(self.pending.is_empty() && self.reading.is_empty()) {
            self.round(context).await?;
        }
        self.warn(context);
        let entries: Vec<Entry> = self.ready.drain(..self.ready.len().min(PAGE)).collect();
        let more = !(self.ready.is_empty() && self.pending.is_empty() && self.reading.is_empty());
        Ok(Page { entries, more })
    }

    /// A plain path may be a folder: the server knows.
    async fn start(&mut self, context: &Context) -> Result<(), SourceError> {
        if let Wanted::Plain(path) = &self.wanted {
            let attrs = stat(&self.pool, path, context).await?;
            match entry::kind(&attrs, None) {
                Kind::Folder => self.wanted = Wanted::Pattern(Pattern::folder(path.clone())),
                Kind::File | Kind::Unknown => {
                    let below = vec![path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()];
                    self.ready.push_back(entry::file(path.clone(), below, attrs));
                }
                Kind::Symlink | Kind::Special => {
                    let message = format!("{}{}: not a file", self.pool.target.name, shown(path));
                    return Err(SourceError::new("sftp", message));
                }
            }
        }
        if let Wanted::Pattern(pattern) = &self.wanted {
            let (path, progress) = (pattern.base.clone(), pattern.start());
            self.pending.push(Unread { path, below: Vec::new(), progress });
        }
        Ok(())
    }

    /// Reads some more of the folders that are being read.
    async fn round(&mut self, context: &Context) -> Result<(), SourceError> {
        while self.reading.len() < FOLDERS
            && let Some(unread) = self.pending.pop()
        {
            self.reading.push_back(Folder::new(unread));
        }
        let pool = &self.pool;
        let steps = self.reading.iter_mut().map(|folder| folder.read(pool, context));
        let results = futures_util::future::join_all(steps).await;
        let mut failed = Ok(());
        for result in results {
            // Each folder goes to the back of the queue, unless it is at its end.
            let Some(mut folder) = self.reading.pop_front() else { break };
            folder.take().into_iter().for_each(|name| self.found(&folder.unread, name));
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
            return Err(self.too_many());
        }
        failed
    }

    fn too_many(&self) -> SourceError {
        SourceError::new("too_large", format!("{}: more than {MOST_FOLDERS} folders", self.pool.target.name))
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

    /// Sorts a name in: a file that is wanted, a folder to be read, or something to be left out.
    fn found(&mut self, folder: &Unread, name: Name) {
        let Wanted::Pattern(pattern) = &self.wanted else { return };
        if matches!(name.name.as_slice(), b"." | b"..") {
            return;
        }
        let step = pattern.step(folder.progress, &name.name);
        let kind = entry::kind(&name.attrs, name.sign);
        let matters = if kind == Kind::Folder { step.below.is_some() } else { step.wanted };
        // A symlink may lead to a folder.
        if !(matters || kind == Kind::Symlink && step.below.is_some()) {
            return;
        }
        let path = joined(&folder.path, &name.name);
        let below = folder.below.iter().chain([&name.name]).cloned().collect::<Vec<_>>();
        if let Err(refused) = server_name(&name.name) {
            return self.refuse(&path, &below, &refused.to_string());
        }
        match (kind, step.below) {
            (Kind::Folder, _) if below.len() > DEPTH => {
                self.refuse(&path, &below, &format!("refused: more than {DEPTH} folders deep"));
            }
            (Kind::Folder, Some(progress)) => self.pending.push(Unread { path, below, progress }),
            (Kind::Symlink, _) => self.skipped.push(format!("symlink {}", shown(&path))),
            (Kind::Special, _) => self.skipped.push(format!("special file {}", shown(&path))),
            _ => {
                let below = if self.flatten { vec![name.name] } else { below };
                self.ready.push_back(entry::file(path, below, name.attrs));
            }
        }
    }

    fn refuse(&mut self, path: &[u8], below: &[Vec<u8>], why: &str) {
        let message = format!("{}{}: {why}", self.pool.target.name, shown(path));
        self.ready.push_back(entry::refused(
            path,
            below,
            SourceError::new("name", message).advice(Advice::NEVER),
        ));
    }

    /// Says once a page what was left out.
    fn warn(&mut self, context: &Context) {
        let (first, rest) = self.skipped.split_at(self.skipped.len().min(NAMED));
        if !first.is_empty() {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            context.warn(format!("{}: skipped {}{more}", self.pool.target.name, first.join(", ")));
        }
        self.skipped.clear();
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
}

/// What a path leads to, symlinks followed: the plan names it.
async fn stat(pool: &Arc<Pool>, path: &[u8], context: &Context) -> Result<Attrs, SourceError> {
    let lease = pool.lease(context).await?;
    context.phase("list");
    let fault = match lease.ask(Request::Stat(path), Held::default()).await {
        Ok((Reply::Attrs(attrs), _)) => return Ok(attrs),
        Ok(_) => Fault::Protocol("an answer that is no attributes"),
        Err(fault) => fault,
    };
    Err(fault.error(&pool.target.name, "stat", path))
}

/// Connects and waits for the first answer, whatever it is: only then it is known that there is SFTP.
pub(super) async fn greet(pool: &Arc<Pool>, context: &Context) -> Result<(), SourceError> {
    let lease = pool.lease(context).await?;
    match lease.ask(Request::Stat(b"."), Held::default()).await {
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
