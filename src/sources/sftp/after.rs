//! What is done with a file at the server once it is safe here: it is deleted, or moved to another place there. Only if it is
//! still the one that was fetched, and never in place of another. Not here: when (`run`).

use super::codec::{Attrs, Reply, Request};
use super::entry::{self, Kind};
use super::error::{Fault, shown};
use super::pool::Lease;
use super::session::Held;
use crate::expr::{Problem, Scope, Table, Template};
use crate::gather::Context;
use crate::sources::{Entry, Problems, SourceError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// `after` as it is written: one of its keys.
#[derive(Deserialize, JsonSchema, Default, Clone)]
#[serde(default, deny_unknown_fields)]
pub(super) struct After {
    /// Where files go on the server: a folder, which ends in `/` and is made if it is missing; or a path with `item` in it.
    #[serde(rename = "move")]
    to: Option<Template>,
    /// Whether they are deleted.
    delete: bool,
}

/// What is to be done with one file.
pub(super) struct Leaving {
    /// Where it goes; none if it is deleted.
    to: Option<Vec<u8>>,
    /// The server was asked to do it, and may have.
    asked: AtomicBool,
}

impl After {
    /// Checks it, in the keys of a job. `one`: the job may be for one file.
    pub(super) fn check(&self, table: &Table, one: bool, problems: &mut Problems) {
        if table.is_wrong("after") {
            return;
        }
        let mut wrong = |why: &str| problems.push(Problem::new(table.key_span("after"), why));
        match &self.to {
            Some(_) if self.delete => wrong("`after`: a file is moved or deleted, not both"),
            None if !self.delete => wrong("`after` must be { move = \"folder/\" } or { delete = true }"),
            Some(to) if to.literal().is_some_and(str::is_empty) => wrong("`after.move` is empty"),
            Some(to) if !to.source().ends_with('/') && !to.uses("item") && !one => {
                wrong("`after.move` would give all files one name\n  (end it in `/`, or use `item` in it)");
            }
            _ => {}
        }
    }

    /// The same for one file at `path`.
    pub(super) fn of(
        &self,
        path: &[u8],
        scope: &Scope,
        entry: Option<&Entry>,
    ) -> Result<Leaving, SourceError> {
        let Some(to) = &self.to else { return Ok(Leaving { to: None, asked: AtomicBool::new(false) }) };
        let wrong = |error: crate::expr::ExprError| {
            SourceError::new("expression", format!("after.move: {}", error.message))
        };
        let mut to = to.path(scope).map_err(wrong)?.into_bytes();
        if to.ends_with(b"/") {
            let name = || vec![entry::name(path).to_vec()];
            let below = entry.and_then(|entry| entry.path.clone()).unwrap_or_else(name);
            to.extend(below.join(&b'/'));
        }
        Ok(Leaving { to: Some(to), asked: AtomicBool::new(false) })
    }
}

/// A file that leaves its place.
pub(super) struct Old<'a> {
    /// The connection.
    pub(super) lease: &'a Lease,
    /// The attempt.
    pub(super) context: &'a Context,
    /// The server, for errors.
    pub(super) target: &'a str,
    /// The path's exact bytes.
    pub(super) path: &'a [u8],
    /// What it was when it was fetched.
    pub(super) fingerprint: Option<&'a str>,
}

impl Old<'_> {
    /// Deletes or moves it, unless that was done already.
    pub(super) async fn leave(&self, leaving: &Leaving) -> Result<(), SourceError> {
        let (what, to) = (if leaving.to.is_some() { "move" } else { "delete" }, leaving.to.as_deref());
        // Both in one flight.
        let (here, there) = (self.look(self.path), to.map(|to| self.look(to)));
        let here = here.await.map_err(|fault| self.error(what, &fault))?;
        let there = match there {
            Some(there) => there.await.map_err(|fault| self.error(what, &fault))?,
            None => None,
        };
        match (here, there) {
            (None, there) if leaving.asked.load(Relaxed) && (to.is_none() || self.is_it_moved(there)) => {
                Ok(())
            }
            (None, _) => Err(self.refused(what, "it is gone")),
            (Some(here), _) if !self.is_still(here).await? => {
                Err(self.refused(what, "it is not the one that was fetched: it has changed since"))
            }
            (_, Some(_)) => {
                let to = shown(to.unwrap_or_default());
                Err(self.refused(what, &format!("{to} is there already")))
            }
            (Some(_), None) => {
                leaving.asked.store(true, Relaxed);
                self.ask(to).await.map_err(|fault| self.error(what, &fault))
            }
        }
    }

    /// What lies at a path itself, if there is anything. Asked for at once.
    fn look(&self, path: &[u8]) -> impl Future<Output = Result<Option<Attrs>, Fault>> {
        let answer = self.answer(Request::Lstat(path));
        async {
            match answer.await {
                Ok(Reply::Attrs(attrs)) => Ok(Some(attrs)),
                Ok(_) => Err(Fault::Protocol("an answer that is no attributes")),
                Err(fault) if fault.is_missing() => Ok(None),
                Err(fault) => Err(fault),
            }
        }
    }

    /// Whether what lies there is what was fetched. Of a symlink that is what it leads to; it leaves itself.
    async fn is_still(&self, here: Attrs) -> Result<bool, SourceError> {
        if entry::kind(&here, None) != Kind::Symlink {
            return Ok(self.is_it(Some(here)));
        }
        match self.answer(Request::Stat(self.path)).await {
            Ok(Reply::Attrs(attrs)) => Ok(self.is_it(Some(attrs))),
            Err(Fault::Lost(lost)) => Err(lost.error(self.target)),
            _ => Ok(false),
        }
    }

    fn is_it(&self, attrs: Option<Attrs>) -> bool {
        let fingerprint = attrs.and_then(|attrs| entry::fingerprint(&attrs));
        fingerprint.is_some() && fingerprint.as_deref() == self.fingerprint
    }

    /// Whether what lies where it was to go, and where nothing lay before, is it. A symlink may lead to nothing from there.
    fn is_it_moved(&self, there: Option<Attrs>) -> bool {
        self.is_it(there) || there.is_some_and(|attrs| entry::kind(&attrs, None) == Kind::Symlink)
    }

    /// Asks at once, and waits for the answer as long as the line moves.
    fn answer(&self, request: Request<'_>) -> impl Future<Output = Result<Reply, Fault>> {
        let answer = self.lease.ask(request, Held::default());
        async { self.lease.wait(self.context, answer).await.map(|(reply, _)| reply) }
    }

    async fn ask(&self, to: Option<&[u8]>) -> Result<(), Fault> {
        let Some(to) = to else { return self.done(Request::Remove(self.path)).await };
        // Not posix-rename@openssh.com, which would replace what came there meanwhile.
        let rename = Request::Rename { from: self.path, to };
        match self.done(rename).await {
            Err(fault) if fault.is_missing() => {
                self.make_folders(to).await;
                self.done(rename).await
            }
            result => result,
        }
    }

    /// Makes the folders of a path that are missing.
    async fn make_folders(&self, path: &[u8]) {
        let ends = path.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/').map(|(at, _)| at);
        // One that is there is refused, which is as good, and so is one that another file needs just now.
        let asked: Vec<_> = ends.map(|end| self.answer(Request::Mkdir(&path[..end]))).collect();
        futures_util::future::join_all(asked).await;
    }

    async fn done(&self, request: Request<'_>) -> Result<(), Fault> {
        match self.answer(request).await? {
            Reply::Status { code: 0, .. } => Ok(()),
            _ => Err(Fault::Protocol("an answer that is no status")),
        }
    }

    fn error(&self, what: &str, fault: &Fault) -> SourceError {
        fault.error(self.target, what, self.path)
    }

    fn refused(&self, what: &str, why: &str) -> SourceError {
        let name = shown(self.path);
        SourceError::new("after", format!("{}{name}: {what}: {why}", self.target))
    }
}
