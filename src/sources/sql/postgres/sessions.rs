//! Connections to one PostgreSQL server: made, checked, lent to one item at a time, and dropped when in doubt.
//! sqlx's own pool is not used: it waits without a limit for a returned connection to answer, and leaves the
//! statement of a dropped query running on the server. Not here: what runs on them (`query`).

use super::super::tell_code;
use super::address::Address;
use super::error;
use crate::gather::{Advice, Context};
use crate::sources::SourceError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The most connections that are kept for the next item.
const IDLE_MOST: usize = 64;
/// A connection that was idle for longer is asked whether it still answers.
const IDLE_TRUSTED: Duration = Duration::from_secs(5);
/// How long an idle connection may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How long stopping a statement may take: a login and one short query.
const CANCEL_TIME: Duration = Duration::from_secs(4);
/// How long a goodbye may take.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// The connections to one server.
pub(super) struct Sessions {
    idle: Mutex<Vec<Session>>,
    connect_timeout: Duration,
}

/// A connection, and what is known of it.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    /// The server's process, by which its statement is stopped.
    process: i32,
    /// The application name that it has now.
    name: String,
    used: Instant,
}

impl Sessions {
    pub(super) fn new(connect_timeout: Duration) -> Sessions {
        Sessions { idle: Mutex::default(), connect_timeout }
    }

    /// A connection that answers, under this application name. Lent: dropping the lease stops what runs on it.
    pub(super) async fn take(
        self: &Arc<Self>,
        address: &Arc<Address>,
        name: &str,
        context: &Context,
    ) -> Result<Lease, SourceError> {
        let session = match self.take_idle(name).await {
            Some(session) => session,
            None => {
                context.phase("connect");
                self.login(address, name, context).await?
            }
        };
        context.source_up();
        Ok(Lease { session: Some(session), address: Arc::clone(address), sessions: Arc::clone(self) })
    }

    async fn take_idle(&self, name: &str) -> Option<Session> {
        loop {
            let mut session = self.pop(name)?;
            if let Ok(true) = timeout(ANSWER_TIME, session.revive(name)).await {
                return Some(session);
            }
        }
    }

    /// One of this name if there is one; else the one that was used last.
    fn pop(&self, name: &str) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let same = idle.iter().rposition(|session| session.name == name);
        match same {
            Some(index) => Some(idle.swap_remove(index)),
            None => idle.pop(),
        }
    }

    fn keep(&self, mut session: Session) {
        session.used = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MOST {
            idle.push(session);
        }
    }

    async fn login(&self, address: &Address, name: &str, context: &Context) -> Result<Session, SourceError> {
        let limit = self.connect_timeout;
        let session = timeout(limit, Session::login(&address.options, name)).await;
        match session {
            Ok(session) => session.map_err(|error| {
                tell_code(context, &error);
                error::connecting(&address.target, &error)
            }),
            Err(_) => {
                let message = format!("{}: no connection within {limit:?}", address.target);
                Err(SourceError::new("connect", message).advice(Advice::SOURCE_AGAIN))
            }
        }
    }

    /// Says goodbye on all idle connections.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for session in idle {
            let _ = timeout(CLOSE_TIME, session.connection.close()).await;
        }
    }
}

impl Session {
    async fn login(options: &PgConnectOptions, name: &str) -> Result<Session, sqlx::Error> {
        let options = options.clone().application_name(name);
        let mut connection = PgConnection::connect_with(&options).await?;
        let process = identify(&mut connection).await?;
        Ok(Session { connection, process, name: name.to_owned(), used: Instant::now() })
    }

    /// Whether it can be used again, under a perhaps different name.
    async fn revive(&mut self, name: &str) -> bool {
        if self.name != name {
            self.name = name.to_owned();
            let renamed =
                sqlx::query("select pg_catalog.set_config('application_name', $1, false)").bind(name);
            return renamed.execute(&mut self.connection).await.is_ok();
        }
        self.used.elapsed() < IDLE_TRUSTED || self.connection.ping().await.is_ok()
    }
}

/// How values are written, whatever the role's own settings are; and how the scanner takes backslashes for granted.
const SETTINGS: &str = "set intervalstyle = 'iso_8601'; set bytea_output = 'hex'; set extra_float_digits = 3; \
    set standard_conforming_strings = on; ";
/// Told to look now and then whether its client is still there, a server ends what even a killed fanout has left.
const GONE: &str = "set client_connection_check_interval = '5s'; ";
/// Since this version servers know that setting; where their system can't look, they refuse it.
const KNOWS_GONE: u32 = 140_000;

/// Prepares a new session and asks for the server's process id.
async fn identify(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let pid = "select pg_catalog.pg_backend_pid()";
    if connection.server_version_num().is_some_and(|version| version >= KNOWS_GONE) {
        let script = AssertSqlSafe(format!("{GONE}{SETTINGS}{pid}"));
        match sqlx::raw_sql(script).fetch_one(&mut *connection).await {
            Err(sqlx::Error::Database(_)) => {}
            row => return row?.try_get(0),
        }
    }
    sqlx::raw_sql(AssertSqlSafe(format!("{SETTINGS}{pid}"))).fetch_one(connection).await?.try_get(0)
}

/// A connection while one item uses it. Dropped without [`Lease::give_back`], it stops what runs on the server.
pub(super) struct Lease {
    session: Option<Session>,
    address: Arc<Address>,
    sessions: Arc<Sessions>,
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.session.as_mut().expect("a lease has its session until it is consumed").connection
    }

    /// Keeps the connection for the next item. Only for one on which nothing runs and no transaction is open.
    pub(super) fn give_back(mut self) {
        if let Some(session) = self.session.take() {
            self.sessions.keep(session);
        }
    }

    /// Drops the connection, which has failed: nothing runs on it.
    pub(super) fn discard(mut self) {
        drop(self.session.take());
    }

    /// Stops what runs on the connection, on the server too, and drops it.
    pub(super) async fn cancel(mut self) {
        if let Some(session) = self.session.take() {
            stop(session, &self.address).await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(session), Ok(runtime)) = (self.session.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let address = Arc::clone(&self.address);
        runtime.spawn(async move { stop(session, &address).await });
    }
}

/// Asks the server, over a second connection, to cancel what runs on the first. The first stays open meanwhile, so
/// that no other client can have got its process id; then it is dropped, whatever the answer was.
async fn stop(session: Session, address: &Address) {
    let asked = async {
        let mut connection = PgConnection::connect_with(&address.options).await?;
        let cancel = sqlx::query("select pg_catalog.pg_cancel_backend($1)").bind(session.process);
        cancel.execute(&mut connection).await?;
        connection.close().await
    };
    let _ = timeout(CANCEL_TIME, asked).await;
    drop(session);
}
