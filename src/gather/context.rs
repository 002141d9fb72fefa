//! What an attempt is given: whether it is asked to stop, and a way to say how far it is. Not here: who asks
//! (`driver`) and what follows from it (`scheduler`).

use super::attributes::Attributes;
use super::builder::Gather;
use super::call::Call;
use super::event::Reason;
use super::intake::Intake;
use super::listing::BoxFuture;
use super::outcome::Cause;
use super::report::Report;
use super::rest::Rest;
use super::run::Link;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The attempt's side of its run. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
}

/// What the attempt and its driver both look at.
struct Shared {
    attempt: u32,
    cancel: Cancel,
    progress: Progress,
    link: Option<Link>,
    /// What few attempts need, made when it is first needed.
    aside: OnceLock<Box<Aside>>,
}

#[derive(Default)]
struct Aside {
    blocking: Mutex<Blocking>,
    /// What was said of the attempt so far.
    attributes: Mutex<Attributes>,
    rest: Rest,
}

/// Work of the attempt that runs off the runtime's threads and can't be aborted.
#[derive(Default)]
struct Blocking {
    running: usize,
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Context {
    /// For the driver: the context of one attempt.
    pub(super) fn new(attempt: u32, link: Link) -> Context {
        Context::with(attempt, Some(link))
    }

    /// A context outside of any run: nothing is limited, nobody listens. For trying out a source by itself.
    pub fn detached() -> Context {
        Context::with(1, None)
    }

    fn with(attempt: u32, link: Option<Link>) -> Context {
        let shared = Shared {
            attempt,
            cancel: Cancel::default(),
            progress: Progress::default(),
            link,
            aside: OnceLock::new(),
        };
        Context { shared: Arc::new(shared) }
    }

    /// 1 for an item's first attempt.
    pub fn attempt(&self) -> u32 {
        self.shared.attempt
    }

    /// The cancel flag, for work that looks at it now and then.
    pub fn cancel(&self) -> &Cancel {
        &self.shared.cancel
    }

    /// How far this attempt is.
    pub fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// Waits until this attempt is asked to stop, and says why. An attempt that never calls this, and never asks
    /// for [`Context::cancel`], is aborted at once; one that does has the grace time to come to an end by itself.
    pub async fn cancelled(&self) -> Cause {
        self.shared.cancel.wait().await
    }

    /// Says that a phase begins, which lasts until the next one or the attempt's end: `connect`, `query`, `read`.
    pub fn phase(&self, name: impl Into<Cow<'static, str>>) {
        if let Some(link) = &self.shared.link {
            link.phase(name);
        }
    }

    /// Says something of this attempt by OpenTelemetry's names, as soon as it is known: it is told once, when the attempt
    /// ends, however it ends. `say` is called only if somebody listens, under a lock of the attempt's: it is quick, and
    /// says nothing else of it. Secrets are taken out of its texts.
    pub fn attributes(&self, say: impl FnOnce(&mut Attributes)) {
        if let Some(link) = self.shared.link.as_ref().filter(|link| link.run.is_listened()) {
            let mut said = self.shared.aside().attributes();
            say(&mut said);
            said.bound(link.run.clean());
        }
    }

    /// Says that the item's source answered: connected, logged in. Its other items may start from now on. Items of a
    /// source that is not yet up start one at a time.
    pub fn source_up(&self) {
        if let Some(link) = &self.shared.link {
            link.source_up();
        }
    }

    /// Asks that no item of this item's source (for HTTP, its host) starts for a while (`Retry-After`).
    pub fn hold(&self, duration: Duration) {
        if let Some(link) = &self.shared.link {
            link.hold(duration);
        }
    }

    /// Sets how many items of this item's source may run at once from now on (ramp-up).
    pub fn resize(&self, concurrency: u64) {
        if let Some(link) = &self.shared.link {
            link.resize(concurrency);
        }
    }

    /// Whether somebody hears what is said: nobody does outside of a run.
    pub fn is_heard(&self) -> bool {
        self.shared.link.is_some()
    }

    /// Says something that the user should know and that changes no outcome.
    pub fn warn(&self, message: impl Into<String>) {
        if let Some(link) = &self.shared.link {
            link.warn(message.into());
        }
    }

    /// Runs work that blocks or burns CPU off the runtime's threads. The work gets the cancel flag, to be looked at
    /// every chunk; the attempt does not end before the work has.
    pub async fn blocking<R: Send + 'static>(&self, work: impl FnOnce(&Cancel) -> R + Send + 'static) -> R {
        let working = Working::new(self);
        // A result that nobody takes any more is dropped before the work counts as over.
        let task = tokio::task::spawn_blocking(move || (work(working.0.cancel()), working));
        match task.await {
            Ok((result, _)) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Runs a gather below this item, within the same run's limits. The item holds no slot while it waits for it,
    /// and has its slot again when this returns; so a limit of 1 does not deadlock. Of several at once it has its slot
    /// again when the last one returns.
    pub fn gather<I: Intake>(&self, gather: Gather<I>) -> BoxFuture<'static, NestedReport<I>> {
        let context = self.clone();
        // Boxed, so that an item may gather items of its own type.
        Box::pin(async move {
            let Some(link) = &context.shared.link else { return gather.run().await };
            let rest = &context.shared.aside().rest;
            let waiting = rest.give_back(link).await;
            let report = gather.below(link, &context).run().await;
            drop(waiting);
            rest.over().await;
            report
        })
    }

    /// Waits from now on for something that is no limit, such as a sync, and holds no slot: what runs until
    /// [`Context::go_on`] or the attempt's end is a wait for this reason, and must be nothing but that.
    pub fn set_aside(&self, reason: Reason) {
        if let Some(link) = &self.shared.link {
            self.shared.aside().rest.set_aside(link, reason);
        }
    }

    /// Has its slot again, before items that have not started, when this returns.
    pub async fn go_on(&self) {
        if let Some(link) = &self.shared.link {
            let rest = &self.shared.aside().rest;
            rest.go_on(link);
            rest.over().await;
        }
    }

    /// Whether it holds no slot at present: then it need not make progress.
    pub(super) fn rests(&self) -> bool {
        self.shared.aside.get().is_some_and(|aside| aside.rest.is_on())
    }

    /// Whether gathers below it go on: they are asked to stop themselves.
    pub(super) fn has_gathers(&self) -> bool {
        self.shared.aside.get().is_some_and(|aside| aside.rest.has_gathers())
    }

    /// What was said of the attempt.
    pub(super) fn said(&self) -> Attributes {
        self.shared.aside.get().map(|aside| std::mem::take(&mut *aside.attributes())).unwrap_or_default()
    }

    /// Lets an attempt go on that wanted its slot back.
    pub(super) fn resume(&self) {
        if let Some(link) = &self.shared.link {
            self.shared.aside().rest.resume(link);
        }
    }

    /// Does this now, or when the attempt's blocking work has come to its end. It is asked to.
    pub(super) fn when_nothing_blocks(&self, then: impl FnOnce() + Send + 'static) {
        let Some(aside) = self.shared.aside.get() else { return then() };
        let mut blocking = aside.blocking();
        if blocking.running == 0 {
            drop(blocking);
            return then();
        }
        blocking.then = Some(Box::new(then));
        drop(blocking);
        self.shared.cancel.set(Cause::Asked);
    }
}

impl Shared {
    fn aside(&self) -> &Aside {
        self.aside.get_or_init(Box::default)
    }
}

impl Aside {
    fn blocking(&self) -> MutexGuard<'_, Blocking> {
        self.blocking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attributes(&self) -> MutexGuard<'_, Attributes> {
        self.attributes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an attempt does not end before: a piece of blocking work, from when it is handed over until it is over, or a gather
/// below it.
pub(super) struct Working(Context);

impl Working {
    pub(super) fn new(context: &Context) -> Working {
        context.shared.aside().blocking().running += 1;
        Working(context.clone())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut blocking = self.0.shared.aside().blocking();
        blocking.running -= 1;
        let then = if blocking.running == 0 { blocking.then.take() } else { None };
        drop(blocking);
        if let Some(then) = then {
            then();
        }
    }
}

/// The report of a gather over this intake.
pub(super) type NestedReport<I> =
    Report<<<I as Intake>::Call as Call>::Ok, <<I as Intake>::Call as Call>::Err>;

/// A flag that is set once, with its cause.
#[derive(Default)]
pub struct Cancel {
    cause: OnceLock<Cause>,
    listened: AtomicBool,
    notify: Notify,
}

impl Cancel {
    /// Whether the attempt is asked to stop. For loops over chunks.
    pub fn is_set(&self) -> bool {
        self.listened.store(true, Relaxed);
        self.cause.get().is_some()
    }

    /// Why, once it is set.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.get()
    }

    /// Asks the attempt to stop. The first cause stays.
    pub fn set(&self, cause: Cause) {
        if self.cause.set(cause).is_ok() {
            self.notify.notify_waiters();
        }
    }

    /// Waits until it is set.
    pub async fn wait(&self) -> Cause {
        self.listened.store(true, Relaxed);
        loop {
            let notified = self.notify.notified();
            if let Some(cause) = self.cause.get() {
                return cause.clone();
            }
            notified.await;
        }
    }

    /// Whether anybody ever looked: who never did can't stop by itself.
    pub(super) fn is_listened(&self) -> bool {
        self.listened.load(Relaxed)
    }
}

/// How far an attempt is. Counting is one atomic addition; the driver looks at it now and then.
#[derive(Default)]
pub struct Progress {
    bytes: AtomicU64,
    rows: AtomicU64,
    beats: AtomicU64,
}

impl Progress {
    /// Counts bytes that arrived.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.beat();
    }

    /// Counts rows that arrived.
    pub fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.beat();
    }

    /// Says that the attempt is alive though nothing arrived, so that its idle timeout starts anew.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Relaxed);
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// Changes whenever there was progress.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Relaxed)
    }
}
