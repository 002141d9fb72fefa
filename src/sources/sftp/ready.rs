//! Whether files may be taken, or are still being written: how old they are, whether their done file is there, whether
//! they stay as they are for a while. What takes another look is kept until then. Not here: finding them (`list`), and
//! the wait between the looks, which holds no slot (`run`).

use super::asking::{self, AT_ONCE};
use super::beside::Beside;
use super::codec::Attrs;
use super::entry::{self, Found, Kind};
use super::error::{Fault, shown};
use super::lists::Lists;
use super::pool::Pool;
use crate::expr::Scope;
use crate::gather::Context;
use crate::sources::{Entry, SourceError};
use crate::units::Span;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Files that wait for their second look: a listing goes on when there is room for more.
const MOST_WAITING: usize = 100_000;

/// What a job asks of files before it takes them.
#[derive(Default)]
pub(super) struct Gate {
    /// How long ago they were written to, at least, by this machine's clock: the protocol tells no other.
    pub(super) min_age: Option<Duration>,
    /// For how long they stay as they are.
    pub(super) stable_for: Option<Duration>,
    /// What says that they are whole.
    pub(super) done_file: Option<Beside>,
    /// What says what their bytes are, once they are taken: like a done file it is none of them.
    pub(super) checksum_file: Option<Beside>,
    /// Those that are for all of a folder.
    pub(super) lists: Arc<Lists>,
}

/// Whether a file may be taken.
pub(super) enum Verdict {
    /// It may.
    Ready,
    /// Not yet: why.
    NotReady(String),
    /// It can't be known.
    Unknown(SourceError),
}

impl Gate {
    /// Whether a file is old enough.
    pub(super) fn by_age(&self, target: &str, path: &[u8], attrs: &Attrs) -> Verdict {
        let Some(least) = self.min_age else { return Verdict::Ready };
        let Some(modified) = entry::modified(attrs) else {
            return Verdict::Unknown(untold(target, path, "min_age"));
        };
        let whole = |time: Duration| Span(Duration::from_secs(time.as_secs()));
        match SystemTime::now().duration_since(modified) {
            Ok(age) if age >= least => Verdict::Ready,
            Ok(age) => Verdict::NotReady(format!("written {} ago", whole(age))),
            Err(ahead) => {
                let ahead = whole(ahead.duration() + Duration::from_secs(1));
                Verdict::NotReady(format!("its time is {ahead} ahead of this machine's clock"))
            }
        }
    }
}

/// Whether a file's done file is there, by what its server says.
pub(super) fn by_mark(target: &str, mark: &[u8], stat: &Result<Attrs, Fault>) -> Verdict {
    match stat {
        Ok(_) => Verdict::Ready,
        Err(fault) if fault.is_missing() => {
            let name = entry::name(mark);
            Verdict::NotReady(format!("no {}", shown(name)))
        }
        Err(fault) => Verdict::Unknown(fault.error(target, "stat", mark)),
    }
}

/// Whether a file is what it was when it was found.
fn by_another_look(target: &str, found: &Found, time: Duration, now: &Result<Attrs, Fault>) -> Verdict {
    let not_ready = |what: &str| Verdict::NotReady(format!("{what} within {}", Span(time)));
    match now {
        Ok(now) if entry::fingerprint(now).is_none() => {
            Verdict::Unknown(untold(target, &found.path, "stable_for"))
        }
        Ok(now) => {
            let is_file = matches!(entry::kind(now, None), Kind::File | Kind::Unknown);
            let is_same = entry::fingerprint(now) == entry::fingerprint(&found.attrs);
            if is_file && is_same { Verdict::Ready } else { not_ready("changed") }
        }
        Err(fault) if fault.is_missing() => not_ready("gone"),
        Err(fault) => Verdict::Unknown(fault.error(target, "stat", &found.path)),
    }
}

fn untold(target: &str, path: &[u8], key: &str) -> SourceError {
    let message = format!("{target}{}: the server does not tell its size and time", shown(path));
    SourceError::new("sftp", message).hint(format!("`{key}` goes by them"))
}

/// The path of a name beside a file.
pub(super) fn beside(path: &[u8], name: &[u8]) -> Vec<u8> {
    let folder = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    [&path[..folder], name].concat()
}

/// Files that were found, until it is known whether they may be taken.
pub(super) struct Waiting {
    pool: Arc<Pool>,
    gate: Arc<Gate>,
    scope: Scope,
    /// Whether their done files are there is not known yet.
    unmarked: VecDeque<Found>,
    /// They get another look, since when they were found.
    unsettled: VecDeque<(Instant, Found)>,
}

impl Waiting {
    /// None yet.
    pub(super) fn new(pool: Arc<Pool>, gate: Arc<Gate>, scope: Scope) -> Waiting {
        Waiting { pool, gate, scope, unmarked: VecDeque::new(), unsettled: VecDeque::new() }
    }

    /// Whether a name is that of a file which only says something of others.
    pub(super) fn is_mark(&self, name: &[u8]) -> bool {
        [&self.gate.done_file, &self.gate.checksum_file].into_iter().flatten().any(|mark| mark.has(name))
    }

    /// Takes a file in. Where it needs no other look, what becomes of it.
    pub(super) fn add(&mut self, found: Found) -> Option<Entry> {
        match self.gate.by_age(&self.pool.target.name, &found.path, &found.attrs) {
            Verdict::Ready if self.gate.done_file.is_some() => self.unmarked.push_back(found),
            Verdict::Ready => return self.settle(found),
            Verdict::NotReady(why) => return Some(found.not_ready(&why)),
            Verdict::Unknown(error) => return Some(found.refused(error)),
        }
        None
    }

    fn settle(&mut self, found: Found) -> Option<Entry> {
        if self.gate.stable_for.is_none() {
            return Some(found.entry());
        }
        self.unsettled.push_back((Instant::now(), found));
        None
    }

    /// Whether it has no files.
    pub(super) fn is_empty(&self) -> bool {
        self.unmarked.is_empty() && self.unsettled.is_empty()
    }

    /// Whether it takes no more for now.
    pub(super) fn is_full(&self) -> bool {
        self.unmarked.len() + self.unsettled.len() >= MOST_WAITING
    }

    /// Whether the time has come for another look at some.
    pub(super) fn is_due(&self) -> bool {
        !self.unmarked.is_empty() || !self.unsettled.is_empty() && self.pause().is_zero()
    }

    /// How long until then.
    pub(super) fn pause(&self) -> Duration {
        let time = self.gate.stable_for.unwrap_or_default();
        self.unsettled.front().map_or(Duration::ZERO, |(since, _)| time.saturating_sub(since.elapsed()))
    }

    /// Has another look at some, and says what becomes of them. After an error they are still there.
    pub(super) async fn look(&mut self, context: &Context) -> Result<Vec<Entry>, SourceError> {
        if self.unmarked.is_empty() {
            self.look_again(context).await
        } else {
            self.look_for_marks(context).await
        }
    }

    async fn look_again(&mut self, context: &Context) -> Result<Vec<Entry>, SourceError> {
        let time = self.gate.stable_for.unwrap_or_default();
        let due = self.unsettled.iter().take_while(|(since, _)| since.elapsed() >= time).take(AT_ONCE);
        let paths: Vec<&[u8]> = due.map(|(_, found)| &found.path[..]).collect();
        let stats = asking::stats(&self.pool, context, paths.into_iter()).await?;
        let looked = self.unsettled.drain(..stats.len()).zip(stats);
        let target = &self.pool.target.name;
        Ok(looked
            .map(|((_, found), stat)| match by_another_look(target, &found, time, &stat) {
                Verdict::Ready => found.entry(),
                Verdict::NotReady(why) => found.not_ready(&why),
                Verdict::Unknown(error) => found.refused(error),
            })
            .collect())
    }

    async fn look_for_marks(&mut self, context: &Context) -> Result<Vec<Entry>, SourceError> {
        let marks = self.marks(context).await;
        let mut distinct: HashMap<&[u8], Verdict> = HashMap::new();
        marks.iter().flatten().for_each(|mark| drop(distinct.insert(mark, Verdict::Ready)));
        let paths: Vec<&[u8]> = distinct.keys().copied().collect();
        let stats = asking::stats(&self.pool, context, paths.iter().copied()).await?;
        for (mark, stat) in paths.into_iter().zip(&stats) {
            distinct.insert(mark, by_mark(&self.pool.target.name, mark, stat));
        }
        let mut entries = Vec::new();
        for mark in &marks {
            let Some(found) = self.unmarked.pop_front() else { break };
            let verdict = mark.as_ref().map(|mark| &distinct[&mark[..]]);
            entries.extend(match verdict {
                Ok(Verdict::Ready) => self.settle(found),
                Ok(Verdict::NotReady(why)) => Some(found.not_ready(why)),
                Ok(Verdict::Unknown(error)) | Err(error) => Some(found.refused(error.clone())),
            });
        }
        Ok(entries)
    }

    /// The paths of the done files of the next files. Filled in off the runtime's threads.
    async fn marks(&self, context: &Context) -> Vec<Result<Vec<u8>, SourceError>> {
        let of = |found: &Found| (found.path.clone(), found.value());
        let files: Vec<_> = self.unmarked.iter().take(AT_ONCE).map(of).collect();
        let (gate, scope) = (self.gate.clone(), self.scope.clone());
        let fill_in = move |(path, value): (Vec<u8>, serde_json::Value)| match &gate.done_file {
            Some(done) => done.listed(&scope.with_item(value)).map(|name| beside(&path, &name)),
            None => Ok(path),
        };
        context.blocking(move |_| files.into_iter().map(fill_in).collect()).await
    }
}
