//! What is known of items from earlier runs of their plan: which were taken, and what they were like then. What was taken
//! counts as taken also when its output is not there any more: who works off an inbox empties it. Not here: where it is
//! kept (`history`).

use super::Shared;
use super::groups::Groups;
use super::item::Wanted;
use super::job::JobRun;
use crate::gather::EventKind;
use crate::sources::{Request, SourceError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// The most that is remembered in one go.
const MOST: usize = 1000;

/// What a plan remembers of its items between its runs. Its functions block.
pub trait Memory: Send + Sync {
    /// What is known of the items of a job at a target that have these keys, in this order.
    fn recall(&self, job: &str, target: &str, keys: &[&str]) -> Result<Vec<Option<Known>>, MemoryError>;

    /// Remembers all of these, in place of what was known of them, or none.
    fn remember(&self, items: &[Remembered]) -> Result<(), MemoryError>;
}

/// What is known of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What tells whether it has changed since.
    pub fingerprint: String,
    /// It was taken, and what is to be done at its source after that was not done.
    pub owed: bool,
}

/// An item that was taken: its output is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its job's name.
    pub job: Arc<str>,
    /// Where the job does its I/O, without credentials.
    pub target: Arc<str>,
    /// Its key.
    pub key: Arc<str>,
    /// What is known of it.
    pub known: Known,
}

/// Why a memory can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MemoryError(pub String);

/// A memory that knows nothing and remembers nothing: each run takes all there is.
pub struct Forgetful;

impl Memory for Forgetful {
    fn recall(&self, _: &str, _: &str, keys: &[&str]) -> Result<Vec<Option<Known>>, MemoryError> {
        Ok(vec![None; keys.len()])
    }

    fn remember(&self, _: &[Remembered]) -> Result<(), MemoryError> {
        Ok(())
    }
}

/// What a run remembers: in groups, so that no item waits for it. Of a process that is killed the last ones are forgotten,
/// and taken again.
pub(super) struct Notes {
    memory: Arc<dyn Memory>,
    groups: Groups<Remembered>,
    failure: Arc<OnceLock<MemoryError>>,
}

impl Notes {
    pub(super) fn new(memory: Arc<dyn Memory>) -> Notes {
        let failure: Arc<OnceLock<MemoryError>> = Arc::default();
        let (into, failed) = (memory.clone(), failure.clone());
        let groups = Groups::new(MOST, move |items: Vec<Remembered>| {
            // One that panics has remembered nothing, and its hook told why.
            let panicked = |_| Err(MemoryError("it panicked".to_owned()));
            let remembered = catch_unwind(AssertUnwindSafe(|| into.remember(&items)));
            if let Err(error) = remembered.unwrap_or_else(panicked) {
                // The first says it for all.
                let _ = failed.set(error);
            }
        });
        Notes { memory, groups, failure }
    }

    /// Waits until all is remembered; or says why some of it is not.
    pub(super) async fn settled(&self) -> Option<MemoryError> {
        self.groups.settled().await;
        self.failure.get().cloned()
    }
}

/// What is remembered of an item that no listing found. Its key need not say what was asked for: that of a plain job is
/// always the same, and today's page is none that yesterday's tells anything of.
fn with_target(fingerprint: &str, request: &dyn Request) -> String {
    format!("{}\n{fingerprint}", request.identity())
}

/// The fingerprint in what is remembered of such an item, if it is of what is asked for now.
pub(super) fn fingerprint_of<'a>(known: &'a str, request: &dyn Request) -> Option<&'a str> {
    known.strip_prefix(&*request.identity())?.strip_prefix('\n')
}

impl Shared {
    /// Waits until all that was taken is remembered; what is not is told, and taken again next time.
    pub(super) async fn remembered(&self) -> Result<(), MemoryError> {
        let Some(notes) = &self.notes else { return Ok(()) };
        let Some(error) = notes.settled().await else { return Ok(()) };
        let message = format!("not all that was taken is remembered: {error}");
        self.run.emit(EventKind::Warning { message });
        Err(error)
    }
}

impl JobRun {
    /// What is known of the items with these keys, in their order; nothing if the job is not incremental. Blocking.
    pub(super) fn recall<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Option<Known>>, SourceError> {
        let Some((notes, target)) = self.memory() else { return Ok(vec![None; keys.count()]) };
        let keys: Vec<&str> = keys.collect();
        let known = notes.memory.recall(&self.plan().name, &target, &keys);
        known.map_err(|error| {
            SourceError::new("state", format!("what was taken before is not known: {error}"))
        })
    }

    /// Remembers an item that was taken, if the job is incremental and there is something to know it by.
    pub(super) async fn remember(&self, wanted: &Wanted, fingerprint: Option<&str>, owed: bool) {
        let (Some((notes, target)), Some(fingerprint)) = (self.memory(), fingerprint) else { return };
        let (key, request) = (&wanted.key, &*wanted.request);
        let fingerprint =
            if wanted.listed { fingerprint.to_owned() } else { with_target(fingerprint, request) };
        // What a secret is part of is not kept.
        if *self.shared.clean(key) != **key || self.shared.clean(&fingerprint) != fingerprint {
            return;
        }
        let known = Known { fingerprint, owed };
        let (job, key) = (self.plan().name.clone(), key.clone());
        notes.groups.add(Remembered { job, target, key, known }).await;
    }

    fn memory(&self) -> Option<(&Notes, Arc<str>)> {
        let notes = self.shared.notes.as_ref().filter(|_| self.plan().incremental)?;
        Some((notes, self.target.clone()))
    }
}
