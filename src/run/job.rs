//! One job of a run: waits for what it needs, gathers its items, and says how it ended. Not here: where its items come
//! from (`feed`), and what one of them does (`item`).

use super::Shared;
use super::feed::{self, Fed};
use super::item::{Fetched, ItemCall, Place};
use super::limits::{retries, timeouts};
use super::outputs::{Owner, failed, place};
use super::result::{JobEnd, JobReport};
use crate::expr::{Globals, JobResult, Kept, Scope};
use crate::gather::{
    Cause, Counts, EventKind, Gather, Item, ItemReport, JobNumber, Outcome, Outcomes, Policy, Role, Skip,
    State,
};
use crate::output::{Join, OutputError, Part, commit_durably};
use crate::plan::{self, Job};
use crate::sources::SourceError;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// A job that runs.
pub(super) struct JobRun {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) scope: Scope,
    /// Where it does its I/O, without credentials.
    pub(super) target: Arc<str>,
    pub(super) kept_bytes: AtomicU64,
    pub(super) join: Option<Joined>,
    keeps: bool,
}

/// The one output of a job that joins its items.
pub(super) struct Joined(Mutex<Option<Join>>);

impl Joined {
    pub(super) fn part(&self, item: u64) -> Result<Part, SourceError> {
        self.with(|join| join.part(item))
    }

    pub(super) fn add(&self, item: u64, label: &Arc<str>, part: Part) -> Result<(), SourceError> {
        self.with(|join| join.add_part(item, label, part))
    }

    pub(super) fn skip(&self, item: u64) -> Result<(), SourceError> {
        self.with(|join| join.skip(item))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Join) -> Result<R, OutputError>) -> Result<R, SourceError> {
        let mut join = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let join = join.as_mut().ok_or_else(|| SourceError::new("output", "the joined output is closed"))?;
        f(join).map_err(|error| failed(&error))
    }

    fn take(&self) -> Option<Join> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether all items of a job make one output.
pub(super) fn joins(job: &Job) -> bool {
    job.output.as_ref().is_some_and(|output| output.join)
}

impl JobRun {
    /// A job whose items are only found out, before any other has run.
    pub(super) fn dry(shared: &Arc<Shared>, index: usize) -> JobRun {
        JobRun::new(shared, index, shared.globals.clone(), None, false)
    }

    fn new(
        shared: &Arc<Shared>,
        index: usize,
        globals: Globals,
        join: Option<Joined>,
        keeps: bool,
    ) -> JobRun {
        let target = shared.plan.jobs[index].source.source.target();
        JobRun {
            shared: shared.clone(),
            index,
            scope: Scope::new(Arc::new(globals)),
            target: shared.clean(&target).into(),
            kept_bytes: AtomicU64::new(0),
            join,
            keeps,
        }
    }

    pub(super) fn plan(&self) -> &Job {
        &self.shared.plan.jobs[self.index]
    }

    /// Whether results without an output are kept.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// How many bytes of results may still be kept.
    pub(super) fn keep_left(&self) -> u64 {
        self.plan().keep.0.saturating_sub(self.kept_bytes.load(Relaxed))
    }

    /// Whether another job refers to this one, or waits for it.
    pub(super) fn is_used(&self) -> bool {
        self.shared.is_used(self.index)
    }

    /// Books a result that is kept, if there is room for it.
    pub(super) fn keep(&self, bytes: u64) -> Result<(), SourceError> {
        let most = self.plan().keep;
        if self.kept_bytes.fetch_add(bytes, Relaxed).saturating_add(bytes) <= most.0 {
            return Ok(());
        }
        self.kept_bytes.fetch_sub(bytes, Relaxed);
        let message = format!("the job's kept results are larger than {most}");
        Err(SourceError::new("too_large", message).hint("write them to an `output`, or raise `keep`"))
    }

    pub(super) fn number(&self) -> JobNumber {
        self.index as JobNumber
    }
}

/// Runs a job to its end and tells those that wait for it.
pub(super) async fn run(shared: Arc<Shared>, index: usize) -> Arc<JobReport> {
    let report = match wait_for_needs(&shared, index).await {
        Ok(results) => gather(&shared, index, results).await,
        Err(need) => skip(&shared, index, need),
    };
    let report = Arc::new(report);
    shared.ends[index].send_replace(Some(report.clone()));
    report
}

/// The kept results of the jobs that this one needs, or the name of one that did not get done.
async fn wait_for_needs(shared: &Shared, index: usize) -> Result<BTreeMap<String, Arc<JobResult>>, Arc<str>> {
    let jobs = &shared.plan.jobs;
    if let Some(before) = shared.before[index] {
        shared.ended(before).await;
    }
    let mut results = BTreeMap::new();
    for need in &jobs[index].needs {
        let Some(place) = jobs.iter().position(|job| *job.name == **need) else { continue };
        let report = shared.ended(place).await;
        if !report.is_done() {
            return Err(report.name.clone());
        }
        results.insert(need.clone(), Arc::new(JobResult::new(report.kept.clone())));
    }
    Ok(results)
}

/// A job that can't run because what it needs did not get done: its items are not known, so it counts as one.
fn skip(shared: &Shared, index: usize, need: Arc<str>) -> JobReport {
    let name = shared.plan.jobs[index].name.clone();
    let (job, item) = (index as JobNumber, 0);
    let skip = Skip::NeedFailed(need.clone());
    let why = skip.to_string();
    let mut counts = Counts { submitted: 1, ..Counts::default() };
    counts.add(State::Skipped);
    shared.run.emit(EventKind::JobStarted { job, name: name.clone(), role: Role::Items, parent: None });
    shared.run.emit(EventKind::ItemQueued { job, item, key: None, limits: None });
    shared.run.emit(EventKind::ItemEnded {
        job,
        item,
        state: State::Skipped,
        why: Some(why.clone()),
        code: Some(skip.code().into()),
        waits: Vec::new(),
        brought: crate::gather::Brought::default(),
    });
    shared.run.emit(EventKind::JobEnded { job, counts, why: Some(why) });
    JobReport {
        name,
        end: JobEnd::Skipped(need),
        counts,
        stopped: None,
        used: false,
        kept: Vec::new(),
        checks: 0,
        not_ready: 0,
        error: None,
    }
}

async fn gather(shared: &Arc<Shared>, index: usize, results: BTreeMap<String, Arc<JobResult>>) -> JobReport {
    let job = match begin(shared, index, results).await {
        Ok(job) => Arc::new(job),
        Err(error) => return fail(shared, index, &error),
    };
    let mut progress = shared.progress(index);
    let (to, from) = mpsc::channel(feed::AHEAD);
    let failure = feed::Failure::default();
    let mut outcomes = stream(&job, Fed::new(from, feed::known(&job), failure.clone()));
    let mut feeding = std::pin::pin!(find_items(&job, to, failure.clone()));
    let mut fed = false;
    loop {
        tokio::select! {
            item = outcomes.next() => match item {
                Some(item) => progress.add(&job, item).await,
                None => break,
            },
            error = &mut feeding, if !fed => {
                fed = true;
                progress.error = error;
            }
        }
    }
    let (counts, stopped) = outcomes.finish().await;
    // The end of the job says why its items could not be found out, or a page of its listing does.
    let is_said = progress.error.is_some();
    progress.finish_join(&job, &counts).await;
    let report = progress.report(job.plan(), counts, stopped);
    if let Some(message) = report.note().filter(|_| !is_said) {
        shared.run.emit(EventKind::Warning { message });
    }
    report
}

/// Feeds the items of a job. What fails of that is known before the feed ends, but for a listing, whose page says it.
async fn find_items(
    job: &Arc<JobRun>,
    to: mpsc::Sender<Item<ItemCall>>,
    failure: feed::Failure,
) -> Option<String> {
    let error = feed::feed(job, &to).await.err()?;
    let is_state = error.code == "state";
    let error = job.shared.clean(&error.to_string());
    if !job.plan().operation.lists() || is_state {
        let _ = failure.set(error.clone());
    }
    Some(error)
}

/// A job that can't even begin: it has no items.
fn fail(shared: &Shared, index: usize, error: &SourceError) -> JobReport {
    let (plan, job) = (&shared.plan.jobs[index], index as JobNumber);
    let (name, why) = (plan.name.clone(), shared.clean(&error.to_string()));
    shared.run.emit(EventKind::JobStarted { job, name, role: Role::Items, parent: None });
    shared.run.emit(EventKind::JobEnded { job, counts: Counts::default(), why: Some(why.clone()) });
    let progress = Progress { error: Some(why), ..shared.progress(index) };
    progress.report(plan, Counts::default(), None)
}

/// Makes the job ready: its scope, and its joined output.
async fn begin(
    shared: &Arc<Shared>,
    index: usize,
    jobs: BTreeMap<String, Arc<JobResult>>,
) -> Result<JobRun, SourceError> {
    let plan = &shared.plan.jobs[index];
    let globals = Globals { jobs, ..shared.globals.clone() };
    let scope = Scope::new(Arc::new(globals.clone()));
    let place = if joins(plan) { place(plan, &scope, None, None)? } else { None };
    let join = match place {
        Some(Place { path, mode, .. }) => {
            let folder = shared.outputs.folder()?.clone();
            shared.claim(&path, Owner { job: index as JobNumber, item: 0 }, &plan.name)?;
            let open = move || Join::open(&folder, &path, mode).map_err(|error| failed(&error));
            let join = tokio::task::spawn_blocking(open).await.expect("opening does not panic")?;
            Some(Joined(Mutex::new(Some(join))))
        }
        None => None,
    };
    let keeps = plan.output.is_none() && (shared.is_used(index) || shared.options.keep_results);
    Ok(JobRun::new(shared, index, globals, join, keeps))
}

fn stream(job: &Arc<JobRun>, items: Fed<ItemCall>) -> Outcomes<Fetched, SourceError> {
    let plan = job.plan();
    let redactor = job.shared.options.redactor.clone();
    let describe = move |error: &SourceError| {
        (redactor.redact(&error.to_string()).into_owned(), Some(error.code.into()))
    };
    let mut gather = Gather::from_intake(items)
        .in_run(&job.shared.run)
        .name(plan.name.clone())
        .job(job.number())
        .label(plan.source.kind, plan.source.name.as_str())
        .policy(match plan.policy {
            plan::Policy::Settle => Policy::Settle,
            plan::Policy::FailFast => Policy::FailFast,
        })
        .retries(retries(&plan.retries))
        .timeouts(timeouts(&plan.timeouts))
        .advice(|error: &SourceError| error.advice)
        .describe(describe)
        .brought(|fetched: &Fetched| fetched.brought.clone());
    if let Some(most) = plan.bounds.concurrency.map(NonZeroU64::get) {
        gather = gather.concurrency(most);
    }
    if let Some(rate) = plan.bounds.rate {
        gather = gather.rate(rate.count, rate.per);
    }
    if let Some(deadline) = job.shared.deadline {
        gather = gather.deadline(deadline);
    }
    gather.stream()
}

/// Gives a joined output its final name. Blocking.
fn commit(join: Join, items: u64, durable: bool) -> Result<(), OutputError> {
    let part = join.finish(items)?;
    match durable {
        true => commit_durably(vec![(part, None)]).into_iter().try_for_each(|result| result.map(drop)),
        false => part.commit(None).map(drop),
    }
}

/// What is known of a job as its items end.
pub(super) struct Progress {
    kept: BTreeMap<u64, Kept>,
    checks: u64,
    /// Items that were there and not to be taken yet.
    pub(super) not_ready: u64,
    fail_fast: bool,
    used: bool,
    name: Arc<str>,
    pub(super) error: Option<String>,
}

impl Progress {
    pub(super) fn new(job: &Job, used: bool) -> Progress {
        let name = job.name.clone();
        Progress { kept: BTreeMap::new(), checks: 0, not_ready: 0, fail_fast: false, used, name, error: None }
    }

    async fn add(&mut self, job: &Arc<JobRun>, item: ItemReport<Fetched, SourceError>) {
        let key = item.key.unwrap_or_else(|| "".into());
        let good = item.outcome.is_good();
        self.not_ready += u64::from(matches!(item.outcome, Outcome::Skipped(Skip::NotReady(_))));
        match item.outcome {
            Outcome::Done(Fetched { kept: Some((bytes, rows)), .. }) => {
                self.kept.insert(item.number, Kept { key: key.clone(), bytes, rows });
            }
            Outcome::Failed(error) if error.code == "check" => self.checks += 1,
            Outcome::Skipped(_) if job.join.is_some() => self.skip_joined(job, item.number).await,
            _ => {}
        }
        if !good && job.shared.options.fail_fast && !self.fail_fast {
            self.fail_fast = true;
            let label = if key.is_empty() { self.name.to_string() } else { format!("{}[{key}]", self.name) };
            job.shared.stop(&Cause::Sibling(label.into()));
        }
    }

    async fn skip_joined(&mut self, job: &Arc<JobRun>, item: u64) {
        let job = job.clone();
        let skip = move || job.join.as_ref().map_or(Ok(()), |join| join.skip(item));
        let result = tokio::task::spawn_blocking(skip).await.expect("joining does not panic");
        self.error = self.error.take().or(result.err().map(|error| error.to_string()));
    }

    /// Makes the joined output final, if every item is in it.
    async fn finish_join(&mut self, job: &Arc<JobRun>, counts: &Counts) {
        let Some(join) = job.join.as_ref().and_then(Joined::take) else { return };
        let items = counts.submitted;
        let whole = counts.lost() == 0 && self.error.is_none();
        let durable = job.plan().durable;
        let finish = move || if whole { commit(join, items, durable) } else { Ok(()) };
        let result = tokio::task::spawn_blocking(finish).await.expect("joining does not panic");
        if let Err(error) = result {
            self.error = Some(error.message);
        }
    }

    pub(super) fn report(self, job: &Job, counts: Counts, stopped: Option<Cause>) -> JobReport {
        let items = counts.submitted - self.not_ready;
        let end = if self.error.is_some() || !job.allow_failures.allows(counts.lost(), counts.submitted) {
            JobEnd::Failed
        } else if items < job.min_items {
            JobEnd::TooFew { items, min_items: job.min_items }
        } else {
            JobEnd::Done
        };
        JobReport {
            name: self.name,
            end,
            counts,
            stopped,
            used: self.used,
            kept: self.kept.into_values().collect(),
            checks: self.checks,
            not_ready: self.not_ready,
            error: self.error,
        }
    }
}
