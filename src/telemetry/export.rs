//! Spans on their way out while a run goes on: a bounded queue, batches, and a time that the rest has at the end. Whoever
//! adds to it never waits: what finds no room, or does not arrive, is counted. Not here: how a batch is sent
//! (`collector`), and what is in it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// How many may wait to be sent: more than a reader of a run's events makes of all that it reads at once.
pub const QUEUE: usize = 16 * 1024;
/// How many are sent at once, at most.
pub const BATCH: usize = 512;
/// How long one waits for others to be sent with.
pub const PAUSE: Duration = Duration::from_secs(1);
/// How long what is left may take when the run has ended.
pub const FLUSH: Duration = Duration::from_secs(2);

/// Sends in a task of its own what is fed to it.
pub struct Exporter<T> {
    feed: Feed<T>,
    sending: JoinHandle<()>,
}

/// The way in. Cheap to clone; the exporter's end is reached when all are gone.
pub struct Feed<T> {
    queue: mpsc::Sender<T>,
    tally: Arc<Tally>,
}

/// What did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// Why the last ones did not.
    pub why: String,
}

#[derive(Default)]
struct Tally {
    fed: AtomicU64,
    arrived: AtomicU64,
    why: Mutex<Option<String>>,
}

impl<T: Send + 'static> Exporter<T> {
    /// Begins. `send` sends a batch and says how many of it arrived, or why none did.
    pub fn start<F, S>(send: S) -> Exporter<T>
    where
        S: FnMut(Vec<T>) -> F + Send + 'static,
        F: Future<Output = Result<u64, String>> + Send + 'static,
    {
        let (queue, from) = mpsc::channel(QUEUE);
        let tally = Arc::new(Tally::default());
        let sending = tokio::spawn(forward(from, send, tally.clone()));
        Exporter { feed: Feed { queue, tally }, sending }
    }

    /// Another way in.
    pub fn feed(&self) -> Feed<T> {
        self.feed.clone()
    }

    /// Waits until all has arrived, at most [`FLUSH`] long, and says what did not.
    pub async fn finish(self) -> Option<Lost> {
        let Exporter { feed: Feed { queue, tally }, mut sending } = self;
        drop(queue);
        let in_time = timeout(FLUSH, &mut sending).await.is_ok();
        sending.abort();
        let (of, arrived) = (tally.fed.load(Relaxed), tally.arrived.load(Relaxed));
        let why = tally.why().take().unwrap_or_else(|| {
            if in_time { "it did not take them".to_owned() } else { format!("no answer within {FLUSH:?}") }
        });
        (arrived < of).then(|| Lost { count: of - arrived, of, why })
    }
}

impl<T> Feed<T> {
    /// Adds one, if there is room.
    pub fn push(&self, one: T) {
        self.tally.fed.fetch_add(1, Relaxed);
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send(one) {
            self.tally.why().get_or_insert_with(|| "it takes them too slowly".to_owned());
        }
    }
}

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Feed<T> {
        Feed { queue: self.queue.clone(), tally: self.tally.clone() }
    }
}

impl Tally {
    fn why(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forward<T, F, S>(mut from: mpsc::Receiver<T>, mut send: S, tally: Arc<Tally>)
where
    S: FnMut(Vec<T>) -> F,
    F: Future<Output = Result<u64, String>>,
{
    while let Some(first) = from.recv().await {
        let mut batch = vec![first];
        let until = Instant::now() + PAUSE;
        while batch.len() < BATCH
            && let Ok(Some(next)) = timeout_at(until, from.recv()).await
        {
            batch.push(next);
        }
        match send(batch).await {
            Ok(arrived) => drop(tally.arrived.fetch_add(arrived, Relaxed)),
            Err(why) => *tally.why() = Some(why),
        }
    }
}
