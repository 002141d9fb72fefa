//! A plan: TOML with includes, checked whole, so that all its mistakes are reported together. What comes out can be run
//! without another look at the file. Not here: carrying it out (`run`), and what each kind's own keys mean (`sources`).

mod bounds;
mod check;
mod each;
mod include;
mod input;
mod job;
mod keys;
mod load;
mod outputs;
mod passwords;
mod place;
mod schema;
mod select;
mod setup;
mod source;

#[cfg(test)]
mod tests;

pub use bounds::{Backoff, Bounds, Retries, RetryKeys, TimeoutKeys, Timeouts};
pub use each::{ForEach, Input, Inputs};
pub use keys::{Allowance, Duplicates, Names, Policy};
pub use place::{PlanError, PlanErrors};
pub use schema::schema;
pub use select::Selection;
pub use setup::RunIdentity;

use crate::expr::{Globals, Scope, Template};
use crate::secret::{Secret, SecretRef};
use crate::sources::{Asking, Operation, Source};
use crate::units::{Rate, Size};
use indexmap::IndexMap;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a caller says beside the plan file.
#[derive(Default)]
pub struct Overrides {
    /// `--var NAME=VALUE`: in place of the plan's own values. Each becomes the type that the plan's own value has.
    pub vars: Vec<(String, String)>,
    /// What `run.id`, `run.day` and `run.time` are; by default a new id, now, in the plan's time zone.
    pub run: Option<RunIdentity>,
    /// Who can be asked while a source connects; by default nobody.
    pub asking: Option<Asking>,
}

/// A checked plan.
pub struct Plan {
    /// Owns history, memory and a lock.
    pub name: String,
    /// The name is the plan's own, and not its file's stem.
    pub named: bool,
    /// The file it was read from.
    pub path: PathBuf,
    /// The file's folder: all relative paths start there.
    pub folder: PathBuf,
    /// SHA-256, in hex, of the file's text and of what it includes.
    pub digest: String,
    /// The time zone of `run.day`.
    pub timezone: TimeZone,
    /// `run.id` and the like, as they were when the plan was read.
    pub run: RunIdentity,
    /// `vars` and `run`: what expressions know before any job has run. Without secrets.
    pub globals: Globals,
    /// Where each secret comes from.
    pub secrets: IndexMap<String, SecretRef>,
    /// The limits of the run.
    pub limits: RunLimits,
    /// The sources that the plan names, in file order.
    pub sources: Vec<Arc<PlanSource>>,
    /// The jobs, in file order.
    pub jobs: Vec<Job>,
}

/// What bounds a run as a whole.
#[derive(Debug, Clone)]
pub struct RunLimits {
    /// Items at once.
    pub concurrency: u64,
    /// How long the run may take.
    pub deadline: Option<Duration>,
    /// `[limits.NAME]`.
    pub named: IndexMap<String, NamedLimit>,
}

/// A limit that several sources or jobs share.
#[derive(Debug, Clone, Copy)]
pub struct NamedLimit {
    /// Items at once.
    pub concurrency: Option<u64>,
    /// Starts in a time.
    pub rate: Option<Rate>,
}

/// A source with what the plan says about it.
pub struct PlanSource {
    /// Its name; the kind's for a source that is built in.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Whether jobs use it without naming it.
    pub built_in: bool,
    /// Items at once: the plan's, or else the kind's.
    pub concurrency: u64,
    /// How long an attempt may make no progress, where neither it nor the job says so.
    pub idle: Option<Duration>,
    /// The source itself. Nothing is connected yet.
    pub source: Arc<dyn Source>,
    /// The keys that bound it.
    pub bounds: Bounds,
    /// The secrets that its settings use.
    pub secrets: Vec<String>,
}

impl PlanSource {
    /// Whether the concurrency is that of each host, and the source as a whole has none: where it stands for many hosts and
    /// the plan says nothing.
    pub(crate) fn is_per_host(&self) -> bool {
        self.source.has_hosts() && self.bounds.concurrency.is_none()
    }
}

/// A job: one operation at a source, and where its result goes.
pub struct Job {
    /// Its name.
    pub name: Arc<str>,
    /// Where it does its I/O.
    pub source: Arc<PlanSource>,
    /// What it asks for.
    pub operation: Box<dyn Operation>,
    /// The jobs it waits for: those it says, then those it refers to.
    pub needs: Vec<String>,
    /// Of those, the jobs whose results it looks at.
    pub references: Vec<String>,
    /// What makes it many items.
    pub for_each: Option<ForEach>,
    /// The key of an item, where that is not a scalar itself.
    pub key: Option<Template>,
    /// What to do about items of one key.
    pub duplicates: Duplicates,
    /// Where results go; otherwise they are kept.
    pub output: Option<Output>,
    /// Fewer items than this are a failure.
    pub min_items: u64,
    /// How many items may fail without the job counting as failed.
    pub allow_failures: Allowance,
    /// What one failure does to the job's other items.
    pub policy: Policy,
    /// The most bytes of results that are kept in memory.
    pub keep: Size,
    /// Whether what was taken in an earlier run and has not changed since is left out.
    pub incremental: bool,
    /// Whether its outputs outlive a power cut.
    pub durable: bool,
    /// The keys that bound it. Its own limit, if `concurrency` or `rate` is there.
    pub bounds: Bounds,
    /// How failed attempts are repeated: the job's, else the source's, else the default.
    pub retries: Retries,
    /// How long things may take: the job's, else the source's, else the default.
    pub timeouts: Timeouts,
    /// The secrets that it uses itself.
    pub secrets: Vec<String>,
    /// The named limits its items count against: the job's, else the source's.
    pub named_limits: Vec<String>,
}

/// Where a job's results go.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The path below the output folder.
    pub path: Template,
    /// Whether it ends in `/`: files keep their names below it.
    pub folder: bool,
    /// Whether all items make one output, in item order.
    pub join: bool,
    /// The permissions, in place of 0666 less the umask.
    pub mode: Option<u32>,
}

impl Plan {
    /// Fetches the secrets that the plan's jobs and their sources use. Blocking. From then on the process's
    /// [`Redactor`](crate::secret::Redactor) knows them. The error names each that could not be had, on a line of its own.
    pub fn resolve_secrets(&self) -> Result<BTreeMap<String, Secret>, String> {
        let scope = Scope::new(Arc::new(self.globals.clone()));
        let used = self.jobs.iter().flat_map(|job| job.secrets.iter().chain(&job.source.secrets));
        let used: BTreeSet<&String> = used.collect();
        let (mut secrets, mut errors) = (BTreeMap::new(), Vec::new());
        for (name, reference) in self.secrets.iter().filter(|(name, _)| used.contains(name)) {
            match reference.resolve(&scope, &self.folder) {
                Ok(secret) => drop(secrets.insert(name.clone(), secret)),
                Err(why) => errors.push(format!("secret \"{name}\": {why}")),
            }
        }
        if errors.is_empty() { Ok(secrets) } else { Err(errors.join("\n")) }
    }

    /// Whether another job refers to this one, or waits for it.
    pub fn is_needed(&self, name: &str) -> bool {
        self.jobs.iter().any(|other| other.needs.iter().any(|need| need == name))
    }

    /// A job.
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| &*job.name == name)
    }
}

impl Job {
    /// Whether it makes many items, so that they are shown as `JOB[KEY]`.
    pub fn many(&self) -> bool {
        self.for_each.is_some() || self.operation.lists()
    }
}
