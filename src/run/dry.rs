//! A dry run: what a run would do, item by item. Items are found out as a run finds them, listings through the gather
//! layer and all; then nothing is asked for and nothing written. Not here: how it is shown (`cli`).

use super::feed::{self, AHEAD};
use super::item::{ItemCall, Task, Wanted};
use super::job::{self, JobRun};
use super::outputs::{Outputs, Owner};
use super::result::{JobReport, RunReport};
use super::{Options, Shared, StartError};
use crate::gather::{Cause, Counts, Item, Run, Skip, State};
use crate::plan::{Job, Plan};
use crate::sources::SourceError;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A run that only says what it would do.
pub struct DryRun {
    shared: Arc<Shared>,
}

/// What is foreseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreseen {
    /// An item that would run.
    Item {
        /// `JOB`, or `JOB[KEY]`.
        label: Arc<str>,
        /// What it would ask for.
        target: String,
        /// What it would write, below the output folder.
        output: Option<PathBuf>,
    },
    /// An item that would be skipped.
    Skipped {
        /// `JOB[KEY]`.
        label: Arc<str>,
        /// Why.
        why: String,
    },
    /// An item that would fail, as it can't even be made.
    Failed {
        /// `JOB`, or `JOB[KEY]`.
        label: Arc<str>,
        /// Why.
        why: String,
    },
    /// A job whose items are known only when those it refers to have run.
    Later {
        /// The jobs it refers to.
        after: Vec<String>,
    },
}

/// What was foreseen of all jobs.
pub struct Forecast {
    /// How the jobs whose items are known would end if all that can be made got done.
    pub report: RunReport,
    /// How many jobs' items are known only later.
    pub later: u64,
}

impl DryRun {
    /// Gets the secrets, as listings and addresses may need them. Connects to nothing and makes no folder.
    pub async fn new(plan: Arc<Plan>, options: Options) -> Result<DryRun, StartError> {
        let prepare = move || super::ready(&plan, &options).map(|globals| (plan, options, globals));
        let (plan, options, globals) =
            tokio::task::spawn_blocking(prepare).await.expect("prepare does not panic")?;
        Ok(DryRun { shared: Arc::new(Shared::new(plan, options, globals, Outputs::new(None))) })
    }

    /// The run in the gather layer that listings are part of.
    pub fn run(&self) -> &Run {
        &self.shared.run
    }

    /// Finds out all items and tells them, on a thread for blocking work, job by job in plan order. Dropping the future
    /// stops everything.
    pub async fn list(self, tell: impl FnMut(&Job, Foreseen) + Send + 'static) -> Forecast {
        let (mut ends, mut found, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..self.shared.plan.jobs.len() {
            let (to, from) = mpsc::channel(AHEAD);
            let job = Arc::new(JobRun::dry(&self.shared, index));
            ends.push(find(job.clone(), to));
            found.push(from);
            jobs.push(job);
        }
        let telling = tokio::task::spawn_blocking(move || tell_all(&jobs, found, tell));
        let ends = futures_util::future::join_all(ends).await;
        let counts = telling.await.expect("telling does not panic");
        for source in &self.shared.plan.sources {
            source.source.close().await;
        }
        self.forecast(ends, &counts)
    }

    fn forecast(&self, ends: Vec<Result<(), SourceError>>, counts: &[(Counts, u64)]) -> Forecast {
        let mut all = Counts::default();
        let mut reports = Vec::new();
        for (index, (end, (counts, not_ready))) in ends.into_iter().zip(counts).enumerate() {
            all.merge(counts);
            if self.shared.plan.jobs[index].references.is_empty() {
                reports.push(Arc::new(self.report(index, end.err(), (*counts, *not_ready))));
            }
        }
        let later = (counts.len() - reports.len()) as u64;
        let report =
            RunReport { jobs: reports, counts: all, wall: self.shared.run.elapsed(), remembered: Ok(()) };
        Forecast { report, later }
    }

    fn report(
        &self,
        index: usize,
        error: Option<SourceError>,
        (counts, not_ready): (Counts, u64),
    ) -> JobReport {
        // Whoever stops a dry run by a signal drops it, so that what was cancelled was late.
        let late = error.as_ref().is_some_and(|error| error.code == "cancelled");
        let mut progress = self.shared.progress(index);
        progress.not_ready = not_ready;
        progress.error = error.map(|error| self.shared.clean(&error.to_string()));
        progress.report(&self.shared.plan.jobs[index], counts, late.then_some(Cause::Deadline))
    }
}

/// Finds out a job's items, unless it takes another job's results to know them.
async fn find(job: Arc<JobRun>, to: mpsc::Sender<Item<ItemCall>>) -> Result<(), SourceError> {
    match job.plan().references.is_empty() {
        true => feed::feed(&job, &to).await,
        false => Ok(()),
    }
}

/// Tells the items of all jobs and counts them, and those that are not ready. Blocking.
fn tell_all(
    jobs: &[Arc<JobRun>],
    found: Vec<mpsc::Receiver<Item<ItemCall>>>,
    mut tell: impl FnMut(&Job, Foreseen),
) -> Vec<(Counts, u64)> {
    let mut all = Vec::new();
    for (job, mut items) in jobs.iter().zip(found) {
        let (mut counts, mut not_ready) = (Counts::default(), 0);
        let after = job.plan().references.clone();
        if !after.is_empty() {
            tell(job.plan(), Foreseen::Later { after });
        }
        while let Some(item) = items.blocking_recv() {
            not_ready += u64::from(matches!(item.call.task, Task::Nothing(Skip::NotReady(_))));
            let foreseen = foresee(job, item.call);
            counts.submitted += 1;
            counts.add(match foreseen {
                Foreseen::Failed { .. } => State::Failed,
                Foreseen::Skipped { .. } => State::Skipped,
                Foreseen::Item { .. } | Foreseen::Later { .. } => State::Done,
            });
            tell(job.plan(), foreseen);
        }
        all.push((counts, not_ready));
    }
    all
}

fn foresee(job: &JobRun, call: ItemCall) -> Foreseen {
    let ItemCall { label, number, task, .. } = call;
    let wanted = match task {
        Task::Request(wanted) => wanted,
        Task::Broken(error) => return Foreseen::Failed { label, why: job.shared.clean(&error.to_string()) },
        Task::Nothing(why) => return Foreseen::Skipped { label, why: why.to_string() },
    };
    let Wanted { request, place, .. } = &*wanted;
    let output = place.as_ref().map(|place| place.path.clone());
    // Who writes first is not known here, but that only one of two can be is.
    let item = if job::joins(job.plan()) { 0 } else { number };
    let owner = Owner { job: job.number(), item };
    let claimed = output.as_deref().map_or(Ok(()), |path| job.shared.claim(path, owner, &label));
    match claimed {
        Ok(()) => Foreseen::Item { label, target: job.shared.clean(&request.target()), output },
        Err(error) => Foreseen::Failed { label, why: error.to_string() },
    }
}
