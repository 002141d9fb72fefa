//! Databases, through sqlx: `postgres` and `sqlite`. What both have in common is here: a job's keys, its parameters and
//! files, how rows are fed to outputs. Not here: retries and limits (`gather`), how rows look in a file (`output`).

mod feed;
mod files;
mod job;
mod params;
mod postgres;
mod scan;
mod sqlite;

#[cfg(test)]
mod tests;

use super::{Kind, Payload, Sink, SourceError};
use crate::expr::Scope;
use crate::gather::{BoxFuture, Context};
use scan::{Dialect, Statement};
use serde_json::Value;
use std::path::Path;

/// The kinds of source that are databases.
pub const KINDS: &[&dyn Kind] = &[&postgres::Postgres, &sqlite::Sqlite];

/// A database that queries are run on.
trait Database: Send + Sync + 'static {
    /// Its rules of quoting.
    fn dialect(&self) -> Dialect;

    /// Where it is, without credentials.
    fn target(&self) -> String;

    /// Runs a query once and streams its rows.
    fn run<'a>(
        &'a self,
        work: &'a Work,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>>;
}

/// A query with everything filled in.
struct Work {
    /// The job's name.
    job: String,
    /// What is asked.
    statement: Statement,
    /// The values of its parameters, in the order of their numbers.
    values: Vec<Value>,
    /// Whether it may change something.
    write: bool,
    /// For the secrets of the source, which are read when it is first connected to.
    scope: Scope,
}

/// What a source of a database knows of its plan.
struct Place {
    /// The plan's folder.
    folder: Box<Path>,
    /// Whether its jobs only read unless they say otherwise.
    read_only: bool,
}

/// Says the database's own code of an error: SQLSTATE, or SQLite's extended result code.
fn tell_code(context: &Context, error: &sqlx::Error) {
    let code = error.as_database_error().and_then(|error| error.code());
    if let Some(code) = code {
        context.attributes(|said| said.set("db.response.status_code", code.into_owned()));
    }
}

/// An attempt that was asked to stop has no other error.
fn cancelled(target: &str) -> SourceError {
    SourceError::new("cancelled", format!("{target}: cancelled"))
}
