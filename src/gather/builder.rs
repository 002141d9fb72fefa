//! [`Gather`]: what is to be run, and how. Not here: running it (`driver`).

use super::call::{Call, Item, Once};
use super::context::{Context, Working};
use super::driver::Driver;
use super::event::{Brought, Counts, JobNumber, Role};
use super::intake::{Intake, Iter};
use super::limit::Rate;
use super::outcome::{Advice, Cause, Outcome};
use super::output::Output;
use super::policy::{Policy, Retries, Stop, Timeouts};
use super::report::{ItemReport, Report};
use super::run::{Link, Run, RunSettings};
use super::scheduler::{JobId, RETRY_RESERVE, Settings};
use super::slot::Hooks;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Items that are pulled ahead of what can start, per job.
pub const DEFAULT_LOOK_AHEAD: u64 = 256;
/// Outcomes that may wait for the reader of a stream.
pub const DEFAULT_OUTCOMES: usize = 1024;

/// A set of items to run at once, and what is asked of it. Nothing runs before [`run`](Gather::run) or
/// [`stream`](Gather::stream).
pub struct Gather<I: Intake> {
    intake: I,
    run: Option<Run>,
    concurrency: Option<u64>,
    settings: Settings,
    deadline: Option<Instant>,
    look_ahead: u64,
    outcomes: usize,
    hooks: Hooks<<I::Call as Call>::Ok, <I::Call as Call>::Err>,
    parent: Option<JobId>,
    parent_attempt: Option<Working>,
    number: Option<JobNumber>,
    role: Role,
    works_for: Option<JobNumber>,
}

impl<J, C> Gather<Iter<J>>
where
    J: Iterator<Item = Item<C>> + Send + 'static,
    C: Call,
{
    /// Over items, pulled from the iterator as there is room for them.
    pub fn over(items: impl IntoIterator<IntoIter = J>) -> Gather<Iter<J>> {
        Gather::from_intake(Iter(items.into_iter()))
    }
}

impl<I: Intake> Gather<I> {
    /// Over whatever the intake gives.
    pub fn from_intake(intake: I) -> Gather<I> {
        let settings = Settings {
            name: "gather".into(),
            policy: Policy::Settle,
            stop: Stop::CancelRunning,
            retries: Retries::NONE,
            retry_reserve: RETRY_RESERVE,
            timeouts: Timeouts::default(),
            deadline: None,
            expected: intake.remaining(),
            concurrency: None,
            rate: None,
        };
        Gather {
            intake,
            run: None,
            concurrency: None,
            settings,
            deadline: None,
            look_ahead: DEFAULT_LOOK_AHEAD,
            outcomes: DEFAULT_OUTCOMES,
            hooks: Hooks::default(),
            parent: None,
            parent_attempt: None,
            number: None,
            role: Role::Items,
            works_for: None,
        }
    }

    /// The job's name, in events and spans.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// At most so many of these items at once.
    #[must_use]
    pub fn concurrency(self, most: u64) -> Self {
        Gather { concurrency: Some(most.max(1)), ..self }
    }

    /// At most so many starts of these items in a time, evenly spaced.
    #[must_use]
    pub fn rate(mut self, count: u32, per: Duration) -> Self {
        self.settings.rate = Some(Rate { count: count.max(1), per });
        self
    }

    /// Within this run: its limits, its clock, its events.
    #[must_use]
    pub fn in_run(self, run: &Run) -> Self {
        Gather { run: Some(run.clone()), ..self }
    }

    /// When to stop before all items have run.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// What stopping means.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.settings.stop = stop;
        self
    }

    /// How often items are tried again, of which [`advice`](Gather::advice) says that it may help.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.settings.retries = retries;
        self
    }

    /// Reads an error's advice about trying again. Without it nothing is.
    #[must_use]
    pub fn advice(
        mut self,
        advice: impl Fn(&<I::Call as Call>::Err) -> Advice + Send + Sync + 'static,
    ) -> Self {
        self.hooks.advice = Some(Arc::new(advice));
        self
    }

    /// Says an error in words, with a stable code for programs, for the run's events.
    #[must_use]
    pub fn describe(
        mut self,
        describe: impl Fn(&<I::Call as Call>::Err) -> (String, Option<Arc<str>>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.describe = Some(Arc::new(describe));
        self
    }

    /// Says what a result brought, for the run's events.
    #[must_use]
    pub fn brought(
        mut self,
        brought: impl Fn(&<I::Call as Call>::Ok) -> Brought + Send + Sync + 'static,
    ) -> Self {
        self.hooks.brought = Some(Arc::new(brought));
        self
    }

    /// Names the kind and the source in the spans of items.
    #[must_use]
    pub fn label(mut self, kind: impl Into<Arc<str>>, source: impl Into<Arc<str>>) -> Self {
        (self.hooks.kind, self.hooks.source) = (kind.into(), source.into());
        self
    }

    /// How long things may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// When all of it is cancelled. Of several deadlines (a parent's) the nearest wins.
    #[must_use]
    pub fn deadline(self, deadline: Instant) -> Self {
        Gather { deadline: Some(deadline), ..self }
    }

    /// As [`Gather::deadline`], from now on.
    #[must_use]
    pub fn within(self, duration: Duration) -> Self {
        match Instant::now().checked_add(duration) {
            Some(deadline) => self.deadline(deadline),
            None => self,
        }
    }

    /// How many items are pulled ahead of what can start.
    #[must_use]
    pub fn look_ahead(self, items: u64) -> Self {
        Gather { look_ahead: items.max(1), ..self }
    }

    /// How many outcomes of a stream may wait for their reader before no more items are pulled.
    #[must_use]
    pub fn buffered_outcomes(self, outcomes: usize) -> Self {
        Gather { outcomes: outcomes.clamp(1, tokio::sync::Semaphore::MAX_PERMITS), ..self }
    }

    /// The job's number in its run's events: below what [`Run::reserve_jobs`] reserved.
    #[must_use]
    pub fn job(self, number: JobNumber) -> Self {
        Gather { number: Some(number), ..self }
    }

    /// Its items are the pages of a listing that feeds this job.
    #[must_use]
    pub fn pages_of(self, job: JobNumber) -> Self {
        Gather { role: Role::Pages, works_for: Some(job), ..self }
    }

    /// Below an item: a child of its job, within its run.
    pub(super) fn below(self, link: &Link, context: &Context) -> Self {
        let parent_attempt = Some(Working::new(context));
        Gather { parent: Some(link.job), parent_attempt, role: Role::Nested, ..self.in_run(&link.run) }
    }

    /// Runs all of it. Dropping the future stops everything.
    pub async fn run(self) -> Report<<I::Call as Call>::Ok, <I::Call as Call>::Err> {
        let output = Output::collect(self.settings.expected);
        let name = Arc::clone(&self.settings.name);
        let (driver, run) = self.start(output);
        let begun = run.elapsed();
        let (output, counts, stopped) = OwnTask(tokio::spawn(driver.drive())).await;
        Report { name, items: output.into_items(), counts, stopped, wall: run.elapsed() - begun }
    }

    /// Runs all of it and gives the outcomes as they come. Dropping the stream stops everything.
    pub fn stream(self) -> Outcomes<<I::Call as Call>::Ok, <I::Call as Call>::Err> {
        let (to, from) = mpsc::channel(self.outcomes);
        let (driver, run) = self.start(Output::stream(to));
        let job = driver.job();
        let task = OwnTask(tokio::spawn(async move {
            let (_, counts, stopped) = driver.drive().await;
            (counts, stopped)
        }));
        Outcomes { from, task, run, job }
    }

    fn start(mut self, output: Output<<I::Call as Call>::Ok, <I::Call as Call>::Err>) -> (Driver<I>, Run) {
        let concurrency = self.concurrency;
        let run = self.run.take().unwrap_or_else(|| {
            let own = RunSettings::default();
            Run::new(&RunSettings { concurrency: concurrency.unwrap_or(own.concurrency), ..own })
        });
        self.settings.deadline = self.deadline.map(|deadline| run.time(deadline));
        self.settings.concurrency = concurrency;
        let setup = Setup {
            run: run.clone(),
            settings: self.settings,
            parent: self.parent,
            number: self.number,
            role: self.role,
            works_for: self.works_for,
            look_ahead: self.look_ahead,
            hooks: self.hooks,
            parent_attempt: self.parent_attempt,
        };
        let driver = Driver::new(self.intake, setup, output);
        (driver, run)
    }
}

/// The outcomes of a gather as they come, not in order: each says its number.
pub struct Outcomes<T, E> {
    from: mpsc::Receiver<ItemReport<T, E>>,
    task: OwnTask<(Counts, Option<Cause>)>,
    run: Run,
    job: JobId,
}

impl<T: Send + 'static, E: Send + 'static> Outcomes<T, E> {
    /// The next item that ended, or `None` when all have. A slow reader slows the intake; nothing is lost.
    pub async fn next(&mut self) -> Option<ItemReport<T, E>> {
        self.from.recv().await
    }

    /// Stops the rest; their outcomes still come.
    pub fn cancel(&self, cause: &Cause, stop: Stop) {
        self.run.with(|scheduler| scheduler.cancel(self.job, cause, stop));
    }

    /// The items by outcome, and why the job was stopped if it was. What was not read is dropped.
    pub async fn finish(mut self) -> (Counts, Option<Cause>) {
        while self.from.recv().await.is_some() {}
        self.task.await
    }
}

/// A task that is aborted when nobody waits for it any more. Its panic is its owner's.
struct OwnTask<R>(JoinHandle<R>);

impl<R> Future for OwnTask<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        Pin::new(&mut self.0).poll(cx).map(|result| match result {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        })
    }
}

impl<R> Drop for OwnTask<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs futures at once, at most [`DEFAULT_CONCURRENCY`](super::DEFAULT_CONCURRENCY) of them, each as a task of its
/// own, and returns how each ended, in their order. One that fails or panics does not stop the others. Dropping the
/// returned future stops all of them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use std::time::Duration;
/// let wait = |seconds| async move {
///     tokio::time::sleep(Duration::from_secs(seconds)).await;
///     Ok::<_, std::io::Error>(seconds)
/// };
/// let begin = tokio::time::Instant::now();
/// let outcomes = fanout::gather([wait(2), wait(4), wait(1)]).await;
/// assert_eq!(begin.elapsed().as_secs(), 4);
/// let seconds: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.done()).collect();
/// assert_eq!(seconds, [2, 4, 1]);
/// # }
/// ```
pub async fn gather<F, T, E>(
    futures: impl IntoIterator<Item = F, IntoIter: Send + 'static>,
) -> Vec<Outcome<T, E>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let items = futures.into_iter().map(|future| Item::new(Once::new(future)));
    Gather::over(items).run().await.into_outcomes()
}

/// One future within a run: what [`gather!`](crate::gather!) is made of.
#[doc(hidden)]
pub async fn one<F, T, E>(run: &Run, future: F) -> Outcome<T, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let report = Gather::over([Item::new(Once::new(future))]).in_run(run).run().await;
    let mut outcomes = report.into_outcomes();
    outcomes.pop().expect("one item has one outcome")
}

/// Runs futures of different types at once and returns a tuple of their outcomes, in their order.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use fanout::gather::Outcome;
/// let number = async { Ok::<_, String>(7) };
/// let text = async { Err::<String, _>(std::fmt::Error) };
/// let (number, text) = fanout::gather!(number, text);
/// assert_eq!(number, Outcome::Done(7));
/// assert_eq!(text, Outcome::Failed(std::fmt::Error));
/// # }
/// ```
#[macro_export]
macro_rules! gather {
    ($($future:expr),+ $(,)?) => {{
        let run = $crate::gather::Run::new(&$crate::gather::RunSettings::default());
        $crate::gather::__join!($($crate::gather::one(&run, $future)),+)
    }};
}

/// What a driver needs beside its intake and output.
pub(super) struct Setup<T, E> {
    pub(super) run: Run,
    pub(super) settings: Settings,
    pub(super) parent: Option<JobId>,
    pub(super) number: Option<JobNumber>,
    pub(super) role: Role,
    pub(super) works_for: Option<JobNumber>,
    pub(super) look_ahead: u64,
    pub(super) hooks: Hooks<T, E>,
    pub(super) parent_attempt: Option<Working>,
}
