//! The kind `postgres`. Not here: connections (`sessions`), running a query (`query`).

mod address;
mod array;
mod cell;
mod error;
mod parameters;
mod prepared;
mod query;
mod rows;
mod sessions;
mod settings;

use super::feed::Feed;
use super::job::{self, JobKeys};
use super::scan::Dialect;
use super::{Database, Place, Work, cancelled};
use crate::expr::{Scope, Table};
use crate::gather::{BoxFuture, Context};
use crate::sources::{Kind, Operation, Payload, Problems, Sink, Source, SourceError, Surroundings};
use address::{Address, Login};
use query::{After, Failure, Query};
use sessions::{Lease, Sessions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// PostgreSQL servers, of version 10 or later.
pub(super) struct Postgres;

/// Connections at once where the plan says nothing: a share of a server's usual hundred.
const CONCURRENCY: u64 = 8;

impl Kind for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn operations(&self) -> &'static [&'static str] {
        job::OPERATIONS
    }

    fn concurrency(&self) -> u64 {
        CONCURRENCY
    }

    fn idle(&self) -> Option<Duration> {
        None
    }

    fn schemas(&self) -> (schemars::Schema, schemars::Schema) {
        (schemars::schema_for!(settings::Keys), schemars::schema_for!(JobKeys))
    }

    fn source(
        &self,
        _: &str,
        settings: Table,
        surroundings: &Surroundings,
        problems: &mut Problems,
    ) -> Arc<dyn Source> {
        let (login, read_only) = settings::read(settings, surroundings.folder, problems);
        let place = Place { folder: surroundings.folder.into(), read_only };
        let sessions = Arc::new(Sessions::new(surroundings.connect_timeout()));
        Arc::new(Server(Arc::new(Shared { login, place, sessions, address: OnceCell::new() })))
    }
}

/// One server, or one database of it.
struct Server(Arc<Shared>);

struct Shared {
    login: Login,
    place: Place,
    sessions: Arc<Sessions>,
    /// Where to connect to, once its secrets were read.
    address: OnceCell<Arc<Address>>,
}

impl Source for Server {
    fn target(&self) -> String {
        self.0.target()
    }

    fn operation(&self, job: &str, keys: Table, problems: &mut Problems) -> Option<Box<dyn Operation>> {
        job::operation(Arc::clone(&self.0) as Arc<dyn Database>, &self.0.place, job, keys, problems)
    }

    fn connect<'a>(
        &'a self,
        context: &'a Context,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move { self.0.lease("check", scope, context).await.map(Lease::give_back) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.sessions.close())
    }
}

impl Shared {
    async fn lease(&self, job: &str, scope: &Scope, context: &Context) -> Result<Lease, SourceError> {
        let address =
            self.address.get_or_try_init(|| self.login.resolve(scope, &self.place.folder, context)).await?;
        address.tell(context);
        self.sessions.take(address, &format!("fanout/{job}"), context).await
    }

    async fn ask(
        &self,
        lease: &mut Lease,
        work: &Work,
        context: &Context,
        sink: &mut Sink,
    ) -> Result<Payload, Failure> {
        let mut feed = Feed::new(context, sink).map_err(|error| (error, After::Reuse))?;
        let target = self.target();
        let query = Query { target: &target, work, connection: lease.connection(), context };
        let affected = query.run(&mut feed).await?;
        let mut payload = feed.finish(sink);
        payload.facts.insert("affected", affected.into());
        Ok(payload)
    }
}

impl Database for Shared {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn target(&self) -> String {
        self.address.get().map_or_else(|| self.login.target(), |address| address.target.clone())
    }

    fn run<'a>(
        &'a self,
        work: &'a Work,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>> {
        Box::pin(async move {
            let mut lease = tokio::select! {
                lease = self.lease(&work.job, &work.scope, context) => lease?,
                _ = context.cancelled() => return Err(cancelled(&self.target())),
            };
            let asked = tokio::select! {
                asked = self.ask(&mut lease, work, context, sink) => asked,
                _ = context.cancelled() => Err((cancelled(&self.target()), After::Stop)),
            };
            settle(lease, work, asked).await
        })
    }
}

/// Keeps the connection, stops what runs on it, or drops it. What is no query may have left settings behind.
async fn settle(lease: Lease, work: &Work, asked: Result<Payload, Failure>) -> Result<Payload, SourceError> {
    let after = asked.as_ref().map_or_else(|(_, after)| *after, |_| After::Reuse);
    match after {
        After::Reuse if work.statement.is_plannable() => lease.give_back(),
        After::Reuse | After::Discard => lease.discard(),
        After::Stop => lease.cancel().await,
    }
    asked.map_err(|(error, _)| error)
}
