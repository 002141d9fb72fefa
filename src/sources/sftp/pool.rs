//! The connections of a source: one alone until the first login succeeded, more as the work asks for them, new ones in
//! place of lost ones. A refusal is remembered: nothing connects after it. Not here: how a connection is made
//! (`connect`), and retries (`gather`).

use super::connect::{Connection, Credentials, Target};
use super::session::{Held, Session};
use crate::gather::Context;
use crate::sources::SourceError;
use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::AbortHandle;

/// Bytes in flight over all connections of a source.
const SOURCE_BYTES: usize = 48 << 20;
/// Users of the least busy connection from which on another one is opened.
const BUSY: usize = 48;
/// How long a server may take to hear that a connection ends.
const GOODBYE: Duration = Duration::from_millis(500);
/// The least that is counted for a request: its own packets are bytes, too.
const LEAST_BYTES: u32 = 1024;

/// Reads keys, passwords and known_hosts files. Blocking.
pub(super) type Resolve = Box<dyn Fn() -> Result<Credentials, SourceError> + Send + Sync>;

/// A source's connections.
pub(super) struct Pool {
    /// Where they lead.
    pub(super) target: Arc<Target>,
    resolve: Arc<Resolve>,
    credentials: OnceCell<Arc<Credentials>>,
    bytes: Arc<Semaphore>,
    state: Mutex<State>,
    /// One connect at a time while there is no connection.
    gate: tokio::sync::Mutex<()>,
}

struct State {
    connections: Vec<Arc<Shared>>,
    most: usize,
    growing: Option<AbortHandle>,
    /// How often connecting failed, and how the last time.
    failures: u64,
    failure: Option<SourceError>,
}

struct Shared {
    connection: Connection,
    users: AtomicUsize,
}

/// The use of a connection.
pub(super) struct Lease {
    shared: Arc<Shared>,
    source_bytes: Arc<Semaphore>,
}

impl Pool {
    /// No connection yet; `most` is how many there may be.
    pub(super) fn new(target: Target, most: usize, resolve: Resolve) -> Arc<Pool> {
        Arc::new(Pool {
            target: Arc::new(target),
            resolve: Arc::new(resolve),
            credentials: OnceCell::new(),
            bytes: Arc::new(Semaphore::new(SOURCE_BYTES)),
            state: Mutex::new(State {
                connections: Vec::new(),
                most,
                growing: None,
                failures: 0,
                failure: None,
            }),
            gate: tokio::sync::Mutex::new(()),
        })
    }

    /// The least busy connection; where there is none, connects. Those who wait while one connects share its failure,
    /// and a refusal is everybody's.
    pub(super) async fn lease(self: &Arc<Pool>, context: &Context) -> Result<Lease, SourceError> {
        if let Some(lease) = self.pick() {
            return Ok(lease);
        }
        let failures = self.state().failures;
        context.phase("connect");
        let _alone = self.gate.lock().await;
        if let Some(lease) = self.pick() {
            return Ok(lease);
        }
        if let Some(error) = self.failed_since(failures) {
            return Err(error);
        }
        let connection = self.connect(context).await.inspect_err(|error| {
            let mut state = self.state();
            state.failures += 1;
            state.failure = Some(error.clone());
        })?;
        context.source_up();
        Ok(self.add(connection))
    }

    fn failed_since(&self, failures: u64) -> Option<SourceError> {
        let state = self.state();
        let counts = |error: &&SourceError| state.failures > failures || !error.advice.again;
        state.failure.as_ref().filter(counts).cloned()
    }

    async fn connect(&self, context: &Context) -> Result<Connection, SourceError> {
        let resolve = || {
            let resolve = self.resolve.clone();
            async move { context.blocking(move |_| resolve()).await.map(Arc::new) }
        };
        let credentials = self.credentials.get_or_try_init(resolve).await?;
        Connection::open(&self.target, credentials.clone()).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, connection: Connection) -> Lease {
        let shared = Arc::new(Shared { connection, users: AtomicUsize::new(0) });
        self.state().connections.push(shared.clone());
        Lease::of(shared, &self.bytes)
    }

    /// Takes the least busy connection, leaving out lost ones.
    fn pick(self: &Arc<Pool>) -> Option<Lease> {
        let mut state = self.state();
        state.connections.retain(|shared| shared.connection.session.lost().is_none());
        let least = state.connections.iter().min_by_key(|shared| shared.users.load(Relaxed))?.clone();
        let wanted = least.users.load(Relaxed) >= BUSY && state.connections.len() < state.most;
        if wanted && state.growing.is_none() {
            state.growing = Some(tokio::spawn(grow(Arc::downgrade(self))).abort_handle());
        }
        Some(Lease::of(least, &self.bytes))
    }

    /// Ends all connections, telling the server.
    pub(super) async fn close(&self) {
        let connections = {
            let mut state = self.state();
            state.growing.take().inspect(AbortHandle::abort);
            std::mem::take(&mut state.connections)
        };
        let goodbyes = connections.iter().map(|shared| shared.connection.close());
        // A server that doesn't listen any more is left alone.
        let _ = tokio::time::timeout(GOODBYE, futures_util::future::join_all(goodbyes)).await;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.state().growing.take().inspect(AbortHandle::abort);
    }
}

/// Opens another connection beside those there are. A server that doesn't want it keeps those it has.
async fn grow(pool: Weak<Pool>) {
    let Some((target, credentials)) =
        pool.upgrade().and_then(|pool| Some((pool.target.clone(), pool.credentials.get()?.clone())))
    else {
        return;
    };
    let opened = Connection::open(&target, credentials).await;
    let Some(pool) = pool.upgrade() else { return };
    match opened {
        Ok(connection) => drop(pool.add(connection)),
        Err(error) => {
            tracing::debug!(%error, "no further connection");
            let mut state = pool.state();
            state.most = state.connections.len().max(1);
        }
    }
    pool.state().growing = None;
}

impl Lease {
    fn of(shared: Arc<Shared>, source_bytes: &Arc<Semaphore>) -> Lease {
        shared.users.fetch_add(1, Relaxed);
        Lease { shared, source_bytes: source_bytes.clone() }
    }

    /// The slot of a file to be opened.
    pub(super) fn slot(&self) -> impl Future<Output = Held> + use<> {
        let handles = self.handles.clone();
        async move { [handles.acquire_owned().await.ok(), None] }
    }

    /// Waits until `len` bytes may be asked for. To be called by one who has nothing in flight: who has would hold
    /// bytes while it waits for bytes.
    pub(super) async fn room(&self, len: u32) -> Held {
        let len = len.max(LEAST_BYTES);
        let connection = self.bytes.clone().acquire_many_owned(len).await.ok();
        [connection, self.source_bytes.clone().acquire_many_owned(len).await.ok()]
    }

    /// Takes room for `len` bytes if there is room now.
    pub(super) fn room_now(&self, len: u32) -> Option<Held> {
        let len = len.max(LEAST_BYTES);
        let connection = self.bytes.clone().try_acquire_many_owned(len).ok()?;
        Some([Some(connection), Some(self.source_bytes.clone().try_acquire_many_owned(len).ok()?)])
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.shared.connection.session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.users.fetch_sub(1, Relaxed);
    }
}
