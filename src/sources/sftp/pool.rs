//! The connections of a source: one alone until the first login succeeded, another when those there are have no room left
//! or have been busy for so long that a login is little beside it, new ones in place of lost ones. A refusal is remembered:
//! nothing connects after it. Not here: how a connection is made (`connect`), and retries (`gather`).

use super::alive::{alive, patiently};
use super::codec::MAX_PACKET;
use super::connect::{Connection, Credentials, Target};
use super::error::Lost;
use super::opening::Up;
use super::pace::Pace;
use super::session::{Held, Session};
use crate::gather::Context;
use crate::sources::SourceError;
use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OnceCell, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Bytes in flight over all connections of a source.
const SOURCE_BYTES: usize = 48 << 20;
/// Bytes of names of a source that are asked for ahead or came and are not taken yet: 64 replies on their way, or a hundred
/// thousand names of the usual length.
const SOURCE_NAMES: usize = 64 * MAX_PACKET;
/// Users of the least busy connection from which on it counts as busy.
const BUSY: usize = 48;
/// How long connections are busy before another one is opened, in times of what a login takes: it costs the server more than
/// hundreds of small files do.
const WORTH_A_LOGIN: u32 = 4;
/// Logins that go on at once: servers refuse some of those who come while ten have not logged in yet.
const MOST_LOGINS: usize = 4;
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
    names: Arc<Semaphore>,
    /// How fast files may be read, if that is limited.
    pace: Option<Pace>,
    state: Mutex<State>,
    /// One connect at a time while there is no connection.
    gate: tokio::sync::Mutex<()>,
    /// Told when there is one connection more, and when there will be no more.
    grown: Notify,
}

struct State {
    connections: Vec<Arc<Shared>>,
    most: usize,
    growing: JoinSet<()>,
    /// How many logins are going on beside the connections there are.
    logins: usize,
    /// Since when the least busy connection is busy.
    busy: Option<Instant>,
    /// What the first login took.
    login: Duration,
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
    pool: Arc<Pool>,
}

impl Pool {
    /// No connection yet; `most` is how many there may be.
    pub(super) fn new(target: Target, most: usize, pace: Option<Pace>, resolve: Resolve) -> Arc<Pool> {
        Arc::new(Pool {
            target: Arc::new(target),
            resolve: Arc::new(resolve),
            credentials: OnceCell::new(),
            bytes: Arc::new(Semaphore::new(SOURCE_BYTES)),
            names: Arc::new(Semaphore::new(SOURCE_NAMES)),
            pace,
            state: Mutex::new(State {
                connections: Vec::new(),
                most,
                growing: JoinSet::new(),
                logins: 0,
                busy: None,
                login: Duration::ZERO,
                failures: 0,
                failure: None,
            }),
            gate: tokio::sync::Mutex::new(()),
            grown: Notify::new(),
        })
    }

    /// The least busy connection; where there is none, connects. Those who wait while one connects share its failure,
    /// and a refusal is everybody's.
    pub(super) async fn lease(self: &Arc<Pool>, context: &Context) -> Result<Lease, SourceError> {
        self.tell(context);
        if let Some(lease) = self.pick() {
            return Ok(lease);
        }
        let failures = self.state().failures;
        context.phase("connect");
        // Connecting has limits of its own, whoever does it.
        patiently(context, self.lease_new(failures, context)).await
    }

    async fn lease_new(self: &Arc<Pool>, failures: u64, context: &Context) -> Result<Lease, SourceError> {
        let _alone = self.gate.lock().await;
        if let Some(lease) = self.pick() {
            return Ok(lease);
        }
        if let Some(error) = self.failed_since(failures) {
            return Err(error);
        }
        let start = Instant::now();
        let connection = self.connect(context).await.inspect_err(|error| self.state().fail(error))?;
        self.state().login = start.elapsed();
        Ok(self.add(connection))
    }

    /// The connection at a place, or that there will be none. Nothing is known yet while it is being opened.
    fn at(self: &Arc<Pool>, place: usize) -> Option<Option<Lease>> {
        let mut state = self.state();
        if let Some(shared) = state.connections.get(place) {
            return Some(Some(Lease::of(shared.clone(), self)));
        }
        self.widen(&mut state, place + 1);
        (place >= state.most || state.connections.is_empty()).then_some(None)
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
        let told = context.clone();
        let up: Up = Box::new(move || told.source_up());
        let connection = Connection::open(&self.target, credentials.clone(), Some(up)).await;
        self.tell(context);
        connection
    }

    /// Bytes of names that may still be asked for.
    #[cfg(test)]
    pub(super) fn names_left(&self) -> usize {
        self.names.available_permits()
    }

    /// Says what the user should know of the server, once there is somebody who hears it.
    fn tell(&self, context: &Context) {
        let credentials = self.credentials.get().filter(|_| context.is_heard());
        let warnings = credentials.into_iter().flat_map(|credentials| credentials.warnings());
        warnings.for_each(|warning| context.warn(warning));
    }

    /// Who is logged in where, once somebody is.
    fn login(&self) -> String {
        let user = self.credentials.get().map_or("", |credentials| &credentials.user);
        format!("{user} {}", self.target.name)
    }

    /// Changes whenever something arrives over any connection.
    fn heard(&self) -> u64 {
        let heard = |shared: &Arc<Shared>| shared.connection.session.heard();
        self.state().connections.iter().map(heard).fold(0, u64::wrapping_add)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Pool>, connection: Connection) -> Lease {
        let shared = Arc::new(Shared { connection, users: AtomicUsize::new(0) });
        self.state().connections.push(shared.clone());
        Lease::of(shared, self)
    }

    /// Takes the least busy connection, leaving out lost ones.
    fn pick(self: &Arc<Pool>) -> Option<Lease> {
        let mut state = self.state();
        state.leave_out_lost(&self.target.name);
        let least = state.connections.iter().min_by_key(|shared| shared.users.load(Relaxed))?.clone();
        let is_full = least.connection.session.is_full();
        if state.is_worth_a_login(least.users.load(Relaxed)) || is_full {
            let next = state.connections.len() + 1;
            self.widen(&mut state, next);
        }
        Some(Lease::of(least, self))
    }

    /// Opens another connection unless there are `wanted` or as many as there may be, with those that are being opened.
    fn widen(self: &Arc<Pool>, state: &mut State, wanted: usize) {
        let coming = state.connections.len() + state.logins;
        // One more may be needed: all those that there are may be lost meanwhile.
        let is_wanted = coming < wanted.min(state.most) && state.logins + 1 < MOST_LOGINS;
        if is_wanted && !state.connections.is_empty() {
            state.logins += 1;
            state.growing.spawn(grow(Arc::downgrade(self)));
        }
    }

    /// Ends all connections, telling the server.
    pub(super) async fn close(&self) {
        let connections = {
            let mut state = self.state();
            state.growing = JoinSet::new();
            state.logins = 0;
            std::mem::take(&mut state.connections)
        };
        let goodbyes = connections.iter().map(|shared| shared.connection.close());
        // A server that doesn't listen any more is left alone.
        let _ = tokio::time::timeout(GOODBYE, futures_util::future::join_all(goodbyes)).await;
    }
}

impl State {
    fn fail(&mut self, error: &SourceError) {
        self.failures += 1;
        self.failure = Some(error.clone());
    }

    /// Forgets lost connections. That a server has no SFTP is remembered: it is a refusal.
    fn leave_out_lost(&mut self, target: &str) {
        let lost = self.connections.extract_if(.., |shared| shared.connection.session.lost().is_some());
        let refusals: Vec<_> = lost
            .filter_map(|shared| shared.connection.session.lost())
            .filter(|lost| matches!(lost, Lost::NoSftp(_)))
            .collect();
        refusals.iter().for_each(|lost| self.fail(&lost.error(target)));
    }

    /// Whether all connections are busy, by the `users` of the least busy one, and have been for long enough.
    fn is_worth_a_login(&mut self, users: usize) -> bool {
        if users < BUSY {
            self.busy = None;
            return false;
        }
        self.busy.get_or_insert_with(Instant::now).elapsed() >= self.login * WORTH_A_LOGIN
    }
}

/// Opens another connection beside those there are. A server that doesn't want it keeps those it has.
async fn grow(pool: Weak<Pool>) {
    let Some((target, credentials)) =
        pool.upgrade().and_then(|pool| Some((pool.target.clone(), pool.credentials.get()?.clone())))
    else {
        return;
    };
    let opened = Connection::open_heard(&target, credentials).await;
    let Some(pool) = pool.upgrade() else { return };
    match opened {
        Ok(connection) => {
            drop(pool.add(connection));
            // Long enough ago that the new one has its share of the work, if the rest is still busy.
            pool.state().busy = None;
        }
        Err(error) => {
            tracing::debug!(%error, "no further connection");
            let mut state = pool.state();
            state.most = state.connections.len().max(1);
        }
    }
    {
        let mut state = pool.state();
        state.logins = state.logins.saturating_sub(1);
        // Forgets those that are over; this one is with the next.
        while state.growing.try_join_next().is_some() {}
    }
    pool.grown.notify_waiters();
}

impl Lease {
    fn of(shared: Arc<Shared>, pool: &Arc<Pool>) -> Lease {
        shared.users.fetch_add(1, Relaxed);
        Lease { shared, pool: pool.clone() }
    }

    /// Waits for a reply: the attempt makes progress as long as replies come over this connection.
    pub(super) async fn wait<T>(&self, context: &Context, reply: impl Future<Output = T>) -> T {
        alive(context, || self.heard(), reply).await
    }

    /// The slot of a file to be opened.
    pub(super) async fn slot(&self, context: &Context) -> Held {
        let slot = self.handles().clone().acquire_owned();
        [alive(context, || self.pool.heard(), slot).await.ok(), None]
    }

    /// Waits until `len` bytes may be asked for. To be called by one who has nothing in flight: who has would hold
    /// bytes while it waits for bytes.
    pub(super) async fn room(&self, context: &Context, len: u32) -> Held {
        let len = len.max(LEAST_BYTES);
        let room = async {
            let connection = self.bytes.clone().acquire_many_owned(len).await.ok();
            [connection, self.pool.bytes.clone().acquire_many_owned(len).await.ok()]
        };
        alive(context, || self.pool.heard(), room).await
    }

    /// Takes room for `len` bytes if there is room now.
    pub(super) fn room_now(&self, len: u32) -> Option<Held> {
        let len = len.max(LEAST_BYTES);
        let connection = self.bytes.clone().try_acquire_many_owned(len).ok()?;
        Some([Some(connection), Some(self.pool.bytes.clone().try_acquire_many_owned(len).ok()?)])
    }

    /// Takes room for one more reply with names, if there is room now. Nobody may wait for it: a listing whose page is not taken
    /// keeps its own for as long as that lasts.
    pub(super) fn room_for_names(&self) -> Option<Held> {
        let room = self.pool.names.clone().try_acquire_many_owned(MAX_PACKET as u32).ok()?;
        Some([Some(room), None])
    }

    /// How fast files may be read, if that is limited.
    pub(super) fn pace(&self) -> Option<&Pace> {
        self.pool.pace.as_ref()
    }

    /// Who is logged in where.
    pub(super) fn login(&self) -> String {
        self.pool.login()
    }

    /// A connection that there is still, when this one is lost. None is opened for it.
    pub(super) fn instead(&self) -> Option<Lease> {
        self.pool.pick()
    }

    /// The shortest round trip that a connection took.
    pub(super) fn round_trip(&self) -> Duration {
        let state = self.pool.state();
        let round_trips = state.connections.iter().map(|shared| shared.connection.round_trip);
        round_trips.min().unwrap_or(self.shared.connection.round_trip)
    }

    /// Has further connections opened, as far as there are to be so many, until there are `wanted` in all.
    pub(super) fn widen(&self, wanted: usize) {
        let mut state = self.pool.state();
        (1..=wanted).for_each(|wanted| self.pool.widen(&mut state, wanted));
    }

    /// The places of the other connections there may be, for [`Lease::another`].
    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let state = self.pool.state();
        let own = state.connections.iter().position(|shared| Arc::ptr_eq(shared, &self.shared));
        (0..state.most).filter(move |place| Some(*place) != own)
    }

    /// The connection at a place, waited for and opened if need be. None if there will be none.
    pub(super) async fn another(&self, place: usize) -> Option<Lease> {
        loop {
            let grown = self.pool.grown.notified();
            if let Some(known) = self.pool.at(place) {
                return known;
            }
            grown.await;
        }
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
