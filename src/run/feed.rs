//! Where a job's items come from: the job itself, its `for_each`, or a listing; rendered just before they are
//! submitted, a bounded number ahead. Not here: what an item does (`item`).

use super::item::{ItemCall, Taken, Task, Wanted};
use super::job::JobRun;
use super::limits::{retries, timeouts};
use super::memory::{self, Known};
use super::outputs;
use crate::gather::{
    BoxFuture, Brought, Call, Cause, Context, DEFAULT_LOOK_AHEAD, Ended, Gather, Intake, Item, ItemReport,
    Needs, Outcome, Page, Skip,
};
use crate::plan::{Input, Inputs};
use crate::sources::{BoxListing, Entry, SourceError};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use tokio::sync::mpsc;

/// Items that are rendered ahead of what the gather layer has pulled. `report` knows it by that name, too.
pub(super) const AHEAD: usize = DEFAULT_LOOK_AHEAD as usize;
/// Items that are rendered in one go, off the runtime's threads.
const BATCH: usize = 64;

/// The gather layer's end of the feed.
pub(super) struct Fed<C> {
    from: mpsc::Receiver<Item<C>>,
    remaining: Option<u64>,
    failure: Failure,
}

/// Why the items of a job could not be found out, once that is known.
pub(super) type Failure = Arc<OnceLock<String>>;

impl<C> Fed<C> {
    /// `remaining`: how many will come, where that is known.
    pub(super) fn new(from: mpsc::Receiver<Item<C>>, remaining: Option<u64>, failure: Failure) -> Fed<C> {
        Fed { from, remaining, failure }
    }
}

impl<C: Call> Intake for Fed<C> {
    type Call = C;

    fn poll_pull(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Option<Item<C>>> {
        let item = self.from.poll_recv(cx);
        if let (Poll::Ready(Some(_)), Some(remaining)) = (&item, &mut self.remaining) {
            *remaining = remaining.saturating_sub(1);
        }
        item
    }

    fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }
}

/// How many items a job will have, where that is known before it runs.
pub(super) fn known(job: &JobRun) -> Option<u64> {
    match &job.plan().for_each {
        Some(each) => each.count(),
        None if job.plan().operation.lists() => None,
        None => Some(1),
    }
}

/// Feeds all items of a job, until there are no more or nobody wants them. An error is the job's: its items could not
/// be found out.
pub(super) async fn feed(job: &Arc<JobRun>, to: &mpsc::Sender<Item<ItemCall>>) -> Result<(), SourceError> {
    if job.plan().operation.lists() {
        return listed(job, to).await;
    }
    let mut inputs = inputs(job).await?;
    let mut number = 0;
    loop {
        let rendering = job.clone();
        let render = move || {
            let batch: Vec<_> = inputs.by_ref().take(BATCH).collect();
            (rendering.inputs(batch, number), inputs)
        };
        let (items, rest) = tokio::task::spawn_blocking(render).await.expect("rendering does not panic");
        inputs = rest;
        let items = items?;
        if items.is_empty() {
            return Ok(());
        }
        number += items.len() as u64;
        for item in items {
            if to.send(item).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The job's inputs: those of its `for_each`, or the one of a plain job.
async fn inputs(job: &Arc<JobRun>) -> Result<Inputs, SourceError> {
    let job = job.clone();
    let read = move || match &job.plan().for_each {
        Some(each) => each
            .inputs(&job.scope, job.plan().key.as_ref(), job.plan().duplicates)
            .map_err(|message| SourceError::new("for_each", message)),
        None => {
            let one = Input { key: "".into(), value: serde_json::Value::Null, duplicate: false };
            Ok(Box::new(std::iter::once(Ok(one))) as Inputs)
        }
    };
    tokio::task::spawn_blocking(read).await.expect("reading inputs does not panic")
}

/// What is known of an item before it is rendered.
struct Found<'a> {
    entry: Option<&'a Entry>,
    /// It was taken in an earlier run, and its source still waits for what is to be done after that.
    taken: Option<Taken>,
    /// What it was when it was taken.
    unless: Option<String>,
}

impl JobRun {
    /// Items of the job itself or of its `for_each`.
    fn inputs(
        self: &Arc<Self>,
        batch: Vec<Result<Input, String>>,
        number: u64,
    ) -> Result<Vec<Item<ItemCall>>, SourceError> {
        let batch: Result<Vec<Input>, String> = batch.into_iter().collect();
        let batch = batch.map_err(|message| SourceError::new("for_each", message))?;
        let known = self.recall(batch.iter().map(|input| &*input.key))?;
        let items = batch.into_iter().zip(known).zip(number..);
        Ok(items.map(|((input, known), number)| self.input(input, known, number)).collect())
    }

    fn input(self: &Arc<Self>, input: Input, known: Option<Known>, number: u64) -> Item<ItemCall> {
        let key = self.plan().for_each.is_some().then_some(input.key);
        let scope = if key.is_some() { self.scope.with_item(input.value) } else { self.scope.clone() };
        if input.duplicate {
            return self.item(key, number, Needs::none(), Task::Nothing(Skip::Duplicate));
        }
        // What is owed at the source follows when it is taken again: only a listing tells that it still lies there.
        let is_owed = |known: &Known| known.owed && self.plan().operation.has_after();
        let unless = known.filter(|known| !is_owed(known)).map(|known| known.fingerprint);
        self.render(key, number, &scope, Found { entry: None, taken: None, unless })
    }

    /// Items that a listing found.
    fn entries(
        self: &Arc<Self>,
        entries: &[Entry],
        number: u64,
        alone: bool,
    ) -> Result<Vec<Item<ItemCall>>, SourceError> {
        let known = self.recall(entries.iter().map(|entry| &*entry.key))?;
        let items = entries.iter().zip(known).zip(number..);
        Ok(items.map(|((entry, known), number)| self.entry(entry, known, number, alone)).collect())
    }

    fn entry(
        self: &Arc<Self>,
        entry: &Entry,
        known: Option<Known>,
        number: u64,
        alone: bool,
    ) -> Item<ItemCall> {
        let key = (!alone).then(|| entry.key.clone());
        if let Some(why) = &entry.not_ready {
            return self.item(key, number, Needs::none(), Task::Nothing(Skip::NotReady(why.clone())));
        }
        let known = known.filter(|known| entry.fingerprint.as_ref() == Some(&known.fingerprint));
        let is_owed = known.as_ref().is_some_and(|known| known.owed) && self.plan().operation.has_after();
        if known.is_some() && !is_owed {
            return self.item(key, number, Needs::none(), Task::Nothing(Skip::Unchanged));
        }
        let scope = self.scope.with_item(entry.value.clone());
        let taken = known.map(|known| Taken { brought: None, fingerprint: Some(known.fingerprint) });
        self.render(key, number, &scope, Found { entry: Some(entry), taken, unless: None })
    }

    fn render(
        self: &Arc<Self>,
        key: Option<Arc<str>>,
        number: u64,
        scope: &crate::expr::Scope,
        found: Found<'_>,
    ) -> Item<ItemCall> {
        let (plan, entry) = (self.plan(), found.entry);
        let made = plan.operation.request(scope, entry).and_then(|mut request| {
            let place = outputs::place(plan, scope, entry, key.as_deref())?;
            if let Some(known) = &found.unless
                && let Some(fingerprint) = memory::fingerprint_of(known, &*request)
            {
                request.unless(fingerprint);
            }
            let key = entry.map(|entry| entry.key.clone()).or_else(|| key.clone()).unwrap_or_default();
            let taken = found.taken.map_or_else(OnceLock::new, OnceLock::from);
            Ok(Wanted { request, place, key, listed: entry.is_some(), taken })
        });
        match made {
            Ok(wanted) => {
                let needs = self.shared.limits.needs(plan, wanted.request.host());
                self.item(key, number, needs, Task::Request(Arc::new(wanted)))
            }
            Err(error) => self.item(key, number, Needs::none(), Task::Broken(error)),
        }
    }

    fn item(
        self: &Arc<Self>,
        key: Option<Arc<str>>,
        number: u64,
        needs: Needs,
        task: Task,
    ) -> Item<ItemCall> {
        let name = &self.plan().name;
        let label = key.as_ref().map_or_else(|| name.clone(), |key| format!("{name}[{key}]").into());
        let call = ItemCall { job: self.clone(), label, number, task };
        Item { key, needs, call }
    }
}

/// Feeds what a listing finds, page by page. A page is asked for when the entries of the one before are fed.
async fn listed(job: &Arc<JobRun>, to: &mpsc::Sender<Item<ItemCall>>) -> Result<(), SourceError> {
    let opening = job.clone();
    let open = move || opening.plan().operation.listing(&opening.scope);
    let listing = tokio::task::spawn_blocking(open).await.expect("opening a listing does not panic")?;
    let mut number = 0;
    let mut listing = Some(listing);
    while let Some(open) = listing.take() {
        if !pause(&open, to).await {
            return Ok(());
        }
        let (page, rest) = page(job, open).await?;
        listing = rest.filter(|_| page.more);
        let rendering = job.clone();
        let count = page.entries.len() as u64;
        // A path that turns out to be one file is a plain job: its item needs no key.
        let alone = job.plan().operation.may_be_one() && number == 0 && count == 1 && listing.is_none();
        let render = move || rendering.entries(&page.entries, number, alone);
        for item in tokio::task::spawn_blocking(render).await.expect("rendering does not panic")? {
            if to.send(item).await.is_err() {
                return Ok(());
            }
        }
        number += count;
    }
    Ok(())
}

/// Waits, with nothing in hand, until the listing has something to ask for; false if nobody wants it any more.
async fn pause(listing: &BoxListing, to: &mpsc::Sender<Item<ItemCall>>) -> bool {
    let pause = listing.pause();
    if pause.is_zero() {
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(pause) => true,
        () = to.closed() => false,
    }
}

/// One page, as a leaf item of its own: it has its slot only while it is asked for.
async fn page(
    job: &Arc<JobRun>,
    listing: BoxListing,
) -> Result<(Page<Entry>, Option<BoxListing>), SourceError> {
    let plan = job.plan();
    let item = Item::new(PageCall(Arc::new(tokio::sync::Mutex::new(Some(listing)))));
    let item = item.needs(job.shared.limits.needs(plan, None));
    let mut gather = Gather::over([item])
        .in_run(&job.shared.run)
        .name(format!("{} (listing)", plan.name))
        .pages_of(job.number())
        .label(plan.source.kind, plan.source.name.as_str())
        .retries(retries(&plan.retries))
        .timeouts(timeouts(&plan.timeouts))
        .advice(|error: &SourceError| error.advice)
        .describe(|error: &SourceError| (error.to_string(), Some(error.code.into())))
        .brought(|(page, _): &(Page<Entry>, _)| Brought {
            entries: page.entries.len() as u64,
            ..Brought::default()
        });
    if let Some(deadline) = job.shared.deadline {
        gather = gather.deadline(deadline);
    }
    let mut items = gather.run().await.items;
    let ItemReport { outcome, .. } = items.pop().expect("one item has one outcome");
    match outcome {
        Outcome::Done((page, listing)) => Ok((page, Some(listing))),
        Outcome::Failed(error) => Err(error),
        Outcome::TimedOut(timeout) => Err(SourceError::new("timeout", timeout.to_string())),
        // Nobody stopped it: it is not late.
        Outcome::NotStarted(Cause::Source(why)) => Err(SourceError::new("source", why.as_ref())),
        Outcome::Cancelled(cause) | Outcome::NotStarted(cause) => {
            Err(SourceError::new("cancelled", cause.to_string()))
        }
        Outcome::Panicked(panic) => Err(SourceError::new("panic", panic.to_string())),
        Outcome::Skipped(skip) => Err(SourceError::new("listing", skip.to_string())),
    }
}

/// Asks for one page; after an error perhaps again.
struct PageCall(Arc<tokio::sync::Mutex<Option<BoxListing>>>);

impl Call for PageCall {
    type Ok = (Page<Entry>, BoxListing);
    type Err = SourceError;

    fn attempt(
        &mut self,
        context: Context,
    ) -> impl Future<Output: Into<Ended<Self::Ok, SourceError>>> + Send + 'static {
        let place = self.0.clone();
        let attempt: BoxFuture<'static, Result<Self::Ok, SourceError>> = Box::pin(async move {
            let mut place = place.lock().await;
            let gone = || SourceError::new("listing", "the listing was lost");
            let page = place.as_mut().ok_or_else(gone)?.next_page(&context).await?;
            let listing = place.take().ok_or_else(gone)?;
            Ok((page, listing))
        });
        attempt
    }
}
