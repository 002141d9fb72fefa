//! The kind `sqlite`. Not here: connections (`sessions`), running a query (`query`).

mod error;
mod query;
mod sessions;

use super::feed::Feed;
use super::job::{self, JobKeys};
use super::scan::Dialect;
use super::{Database, Place, Work, cancelled};
use crate::expr::{Problem, Scope, Table};
use crate::gather::{BoxFuture, Context};
use crate::sources::{Kind, Operation, Payload, Problems, Sink, Source, SourceError, Surroundings};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::Sessions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// SQLite databases: files.
pub(super) struct Sqlite;

/// The keys of a `[sources.NAME]` of kind `sqlite`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Keys {
    /// The database's file; it is never made.
    path: Option<String>,
    /// Whether jobs only read unless they say otherwise (default true).
    read_only: Option<bool>,
}

impl Kind for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn operations(&self) -> &'static [&'static str] {
        job::OPERATIONS
    }

    /// One a core: a query on a local file is work of the processor.
    fn concurrency(&self) -> u64 {
        std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
    }

    fn idle(&self) -> Option<Duration> {
        None
    }

    fn schemas(&self) -> (schemars::Schema, schemars::Schema) {
        (schemars::schema_for!(Keys), schemars::schema_for!(JobKeys))
    }

    fn source(
        &self,
        _: &str,
        mut settings: Table,
        surroundings: &Surroundings,
        problems: &mut Problems,
    ) -> Arc<dyn Source> {
        let keys: Keys = settings.read(&["path", "read_only"], problems);
        let mut wrong = |why: &str| problems.push(Problem::new(settings.key_span("path"), why));
        match keys.path.as_deref() {
            None if settings.has("path") => {}
            None | Some("") => wrong("`path` is missing: the database's file"),
            Some(":memory:") => wrong("a database in memory has nothing in it to be asked for"),
            Some(_) => {}
        }
        let path = surroundings.folder.join(keys.path.unwrap_or_default());
        let place = Place { folder: surroundings.folder.into(), read_only: keys.read_only.unwrap_or(true) };
        Arc::new(File(Arc::new(Shared { sessions: Sessions::new(&path), path, place })))
    }
}

/// One database.
struct File(Arc<Shared>);

struct Shared {
    path: PathBuf,
    place: Place,
    sessions: Sessions,
}

impl Source for File {
    fn target(&self) -> String {
        self.0.target()
    }

    fn operation(&self, job: &str, keys: Table, problems: &mut Problems) -> Option<Box<dyn Operation>> {
        job::operation(Arc::clone(&self.0) as Arc<dyn Database>, &self.0.place, job, keys, problems)
    }

    fn connect<'a>(&'a self, context: &'a Context, _: &'a Scope) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let session = self.0.sessions.take(false, context).await?;
            self.0.sessions.keep(session);
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.sessions.close())
    }
}

impl Database for Shared {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn target(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn run<'a>(
        &'a self,
        work: &'a Work,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>> {
        Box::pin(async move {
            context.attributes(|said| said.set("db.namespace", self.path.display().to_string()));
            let mut session = self.sessions.take(work.write, context).await?;
            let stop = session.watch(context).await?;
            let mut feed = Feed::new(context, sink)?;
            let asked = tokio::select! {
                asked = query::run(&mut session.connection, work, &mut feed, context) => asked,
                _ = context.cancelled() => return Err(cancelled(&self.target())),
            };
            let affected = asked.map_err(|failure| query::explain(&self.target(), failure, work, context))?;
            let mut payload = feed.finish(sink);
            payload.facts.insert("affected", affected.into());
            stop.finished();
            self.sessions.keep(session);
            Ok(payload)
        })
    }
}
