//! A run: a plan carried out. Jobs wait for what they need, their items go through the gather layer within the plan's
//! limits, and results go to outputs, or are kept for other jobs and the caller.
//! Not here: reading the plan (`plan`), what a request does (`sources`), when an item starts (`gather`), what is shown
//! (`report`).

mod dry;
mod durable;
mod feed;
mod groups;
mod info;
mod item;
mod job;
mod limits;
mod memory;
mod outputs;
mod result;
mod verify;

#[cfg(test)]
mod tests;

pub use dry::{DryRun, Forecast, Foreseen};
pub use memory::{Forgetful, Known, Memory, MemoryError, Remembered};
pub use result::{Exit, JobEnd, JobReport, RunReport};

use crate::expr::Globals;
use crate::gather::{Cause, Clean, Counts, EventKind, Run, RunSettings, Stop};
use crate::output::{Folder, OutputError};
use crate::plan::Plan;
use crate::secret::Redactor;
use crate::sources::SourceError;
use durable::Syncs;
use jiff::Timestamp;
use job::Progress;
use limits::Limits;
use memory::Notes;
use outputs::{Outputs, Owner};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a caller says about one execution of a plan.
#[derive(Clone)]
pub struct Options {
    /// The folder that outputs are under; the plan's own folder if `None`.
    pub output_dir: Option<PathBuf>,
    /// Items at once over the whole run, in place of the plan's limit.
    pub concurrency: Option<u64>,
    /// One item at a time, one job after the other.
    pub sequential: bool,
    /// When the run has to be over, in place of the plan's deadline.
    pub deadline: Option<Deadline>,
    /// Stop everything at the first item that is lost.
    pub fail_fast: bool,
    /// How many events may wait for their reader; `None` if nobody reads them.
    pub events: Option<usize>,
    /// Keep the results of jobs that have no output though no other job refers to them: for stdout or the library.
    pub keep_results: bool,
    /// What is remembered of items between runs: for jobs that are `incremental`.
    pub memory: Option<Arc<dyn Memory>>,
    /// Learns every secret, and cleans every text that leaves the run.
    pub redactor: Redactor,
}

/// When a run has to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// So long after it began.
    After(Duration),
    /// At a time of the wall clock, whenever it began.
    At(jiff::Timestamp),
}

impl Deadline {
    /// The same on the monotonic clock; none if that can't count so far.
    fn instant(self) -> Option<Instant> {
        let left = match self {
            Deadline::After(duration) => duration,
            Deadline::At(time) => time.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default(),
        };
        Instant::now().checked_add(left)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            output_dir: None,
            concurrency: None,
            sequential: false,
            deadline: None,
            fail_fast: false,
            events: None,
            keep_results: true,
            memory: None,
            redactor: Redactor::process().clone(),
        }
    }
}

/// Why a run could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Secrets could not be had: which, and why.
    #[error("{0}")]
    Secret(String),
    /// A job is `incremental`, and there is no memory: its name.
    #[error("job \"{0}\": `incremental` needs a memory of what was taken, and there is none")]
    Memory(String),
    /// The output folder can't be used.
    #[error("{}", .0.message)]
    Output(OutputError),
}

/// A plan that is about to run, or runs. It can be stopped from elsewhere.
pub struct Execution {
    shared: Arc<Shared>,
}

/// What all jobs of a run have in common.
struct Shared {
    plan: Arc<Plan>,
    options: Options,
    run: Run,
    /// When the run's clock was at zero.
    began: Timestamp,
    limits: Limits,
    outputs: Outputs,
    notes: Option<Notes>,
    syncs: Syncs,
    globals: Globals,
    deadline: Option<Instant>,
    /// The job that must have ended before each one begins: only where one goes after the other.
    before: Vec<Option<usize>>,
    /// How each job ended, in plan order; `None` as long as it has not.
    ends: Vec<watch::Sender<Option<Arc<JobReport>>>>,
}

impl Execution {
    /// Gets the secrets, opens the output folder, and starts the clock. Connects to nothing.
    pub async fn new(plan: Arc<Plan>, options: Options) -> Result<Execution, StartError> {
        let (plan, options, globals, folder) = tokio::task::spawn_blocking(move || prepare(plan, options))
            .await
            .expect("prepare does not panic")?;
        let shared = Shared::new(plan, options, globals, Outputs::new(folder));
        let concurrency = concurrency(&shared.plan, &shared.options);
        let info = info::of(&shared, concurrency);
        shared.run.emit(EventKind::RunStarted(Box::new(info)));
        Ok(Execution { shared: Arc::new(shared) })
    }

    /// When its clock was started: the `started` of its log.
    pub fn began(&self) -> Timestamp {
        self.shared.began
    }

    /// The run in the gather layer: its events, its clock, and the way to stop it.
    pub fn run(&self) -> &Run {
        &self.shared.run
    }

    /// Runs all jobs to their end. Dropping the future stops everything.
    pub async fn finish(self) -> RunReport {
        let shared = &self.shared;
        let jobs = (0..shared.plan.jobs.len()).map(|index| job::run(shared.clone(), index));
        let jobs = futures_util::future::join_all(jobs).await;
        for source in &shared.plan.sources {
            source.source.close().await;
        }
        shared.syncs.settled().await;
        let remembered = shared.remembered().await;
        let mut counts = Counts::default();
        jobs.iter().for_each(|job| counts.merge(&job.counts));
        let report = RunReport { jobs, counts, wall: shared.run.elapsed(), remembered };
        shared.run.emit(EventKind::RunEnded { counts, exit: report.exit().code() });
        if let Some(events) = shared.run.events() {
            events.close();
        }
        report
    }
}

/// The blocking part of the preparation: secrets and the output folder.
type Prepared = (Arc<Plan>, Options, Globals, Option<Arc<Folder>>);

fn prepare(plan: Arc<Plan>, options: Options) -> Result<Prepared, StartError> {
    let globals = ready(&plan, &options)?;
    let folder = options.output_dir.as_ref().unwrap_or(&plan.folder);
    let writes = plan.jobs.iter().any(|job| job.output.is_some());
    let folder = writes.then(|| Folder::open(folder)).transpose().map_err(StartError::Output)?;
    Ok((plan, options, globals, folder))
}

/// What is known before the run, the secrets with it; a memory is there if it is needed. Blocking.
fn ready(plan: &Plan, options: &Options) -> Result<Globals, StartError> {
    if let Some(job) = plan.jobs.iter().find(|job| job.incremental && options.memory.is_none()) {
        return Err(StartError::Memory(job.name.to_string()));
    }
    let secrets = plan.resolve_secrets().map_err(StartError::Secret)?;
    Ok(Globals { secrets, ..plan.globals.clone() })
}

/// Items at once over the whole run: no more than the process may have files open for.
fn concurrency(plan: &Plan, options: &Options) -> u64 {
    match options.sequential {
        true => 1,
        false => options.concurrency.unwrap_or(plan.limits.concurrency).min(limits::open_files()),
    }
}

/// Plan order, but no job before one that it needs: which job each one follows.
fn one_by_one(plan: &Plan) -> Vec<Option<usize>> {
    let mut before = vec![None; plan.jobs.len()];
    let (mut last, mut placed) = (None, HashSet::new());
    let mut left: Vec<usize> = (0..plan.jobs.len()).collect();
    let is_free = |placed: &HashSet<&str>, job: usize| {
        plan.jobs[job].needs.iter().all(|need| placed.contains(need.as_str()))
    };
    // A plan has no circles, so that there is always one more; a need that was left out keeps nobody waiting.
    while !left.is_empty() {
        let next = left.remove(left.iter().position(|job| is_free(&placed, *job)).unwrap_or(0));
        placed.insert(&*plan.jobs[next].name);
        before[next] = last.replace(next);
    }
    before
}

impl Shared {
    /// Starts the clock.
    fn new(plan: Arc<Plan>, options: Options, globals: Globals, outputs: Outputs) -> Shared {
        let concurrency = concurrency(&plan, &options);
        let redactor = options.redactor.clone();
        let clean = Some(Clean::new(move |text| redactor.redact(text)));
        let settings = RunSettings { concurrency, events: options.events, clean, ..RunSettings::default() };
        let (began, run) = (Timestamp::now(), Run::new(&settings));
        run.reserve_jobs(plan.jobs.len() as u32);
        let limits = Limits::new(&plan, &run);
        let notes = options.memory.clone().map(Notes::new);
        let deadline =
            options.deadline.or(plan.limits.deadline.map(Deadline::After)).and_then(Deadline::instant);
        let ends = plan.jobs.iter().map(|_| watch::Sender::new(None)).collect();
        let before = if options.sequential { one_by_one(&plan) } else { vec![None; plan.jobs.len()] };
        Shared {
            plan,
            options,
            run,
            began,
            limits,
            outputs,
            notes,
            syncs: Syncs::new(),
            globals,
            deadline,
            before,
            ends,
        }
    }

    /// A text without secrets.
    fn clean(&self, text: &str) -> String {
        self.options.redactor.redact(text).into_owned()
    }

    /// Stops everything, and what has not begun.
    fn stop(&self, cause: &Cause) {
        self.run.cancel(cause, Stop::CancelRunning);
    }

    /// Claims a final name for an item; an error names the one that has it, or its job.
    fn claim(&self, path: &Path, by: Owner, label: &Arc<str>) -> Result<(), SourceError> {
        self.outputs.claim(path, by, label).map_err(|(owner, label)| {
            let item = if owner.job == by.job { "another item of " } else { "" };
            let job = &self.plan.jobs[owner.job as usize].name;
            let who = label.map_or_else(|| format!("{item}{job}"), |label| label.to_string());
            SourceError::new("output", format!("output {} is written by {who} already", path.display()))
        })
    }

    /// Waits until a job has ended.
    async fn ended(&self, index: usize) -> Arc<JobReport> {
        let mut end = self.ends[index].subscribe();
        let report = end.wait_for(Option::is_some).await.ok().and_then(|report| report.clone());
        report.expect("the sender lives as long as the run")
    }

    fn progress(&self, index: usize) -> Progress {
        Progress::new(&self.plan.jobs[index], self.is_used(index))
    }

    /// Whether another job refers to this one, or waits for it.
    fn is_used(&self, index: usize) -> bool {
        self.plan.is_needed(&self.plan.jobs[index].name)
    }
}
