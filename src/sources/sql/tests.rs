//! Both kinds through the interface that runs use, against a real PostgreSQL server and real SQLite files.

mod checks;
mod postgres;
mod server;
mod sqlite;
mod types;

use crate::expr::{Globals, Scope, Table};
use crate::gather::Context;
use crate::output::Folder;
use crate::sources::{Operation, Payload, Problems, Sink, Source, SourceError, Surroundings, kinds};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A source of a plan in `folder`.
fn source_in(folder: &Path, kind: &str, settings: &str) -> Result<Arc<dyn Source>, Problems> {
    let kind = kinds().find(|known| known.name() == kind).unwrap();
    let surroundings = Surroundings { folder, connect_timeout: Some(Duration::from_secs(10)), asking: None };
    let mut problems = Vec::new();
    let source = kind.source("shop", Table::parse(settings).unwrap(), &surroundings, &mut problems);
    if problems.is_empty() { Ok(source) } else { Err(problems) }
}

fn scope() -> Scope {
    Scope::new(Arc::new(Globals::default()))
}

/// An operation of a job called `report`.
fn operation(source: &Arc<dyn Source>, keys: &str) -> Result<Box<dyn Operation>, Problems> {
    let mut problems = Vec::new();
    let operation = source.operation("report", Table::parse(keys).unwrap(), &mut problems);
    operation.filter(|_| problems.is_empty()).ok_or(problems)
}

/// Runs a job of one item and keeps its rows.
async fn kept(source: &Arc<dyn Source>, keys: &str) -> Result<(Payload, String), SourceError> {
    let request = operation(source, keys).unwrap().request(&scope(), None)?;
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1 << 20 };
    let payload = request.call(&Context::detached(), &mut sink).await?;
    let Sink::Keep { bytes, .. } = sink else { unreachable!() };
    Ok((payload, String::from_utf8(bytes).unwrap()))
}

/// The rows of a query, as JSON Lines.
async fn rows(source: &Arc<dyn Source>, keys: &str) -> String {
    kept(source, keys).await.unwrap().1
}

/// The error of a query.
async fn error(source: &Arc<dyn Source>, keys: &str) -> SourceError {
    kept(source, keys).await.map(|(_, text)| text).unwrap_err()
}

/// Runs a job of one item and gives the text of its output of this format.
async fn written(source: &Arc<dyn Source>, keys: &str, format: &str) -> Result<String, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let part = Folder::open(folder.path()).unwrap().part("out", None).unwrap();
    let request = operation(source, keys).unwrap().request(&scope(), None)?;
    let mut sink = Sink::File { part, format: format.to_owned() };
    request.call(&Context::detached(), &mut sink).await?;
    let Sink::File { part, .. } = sink else { unreachable!() };
    part.commit(None).unwrap();
    Ok(std::fs::read_to_string(folder.path().join("out")).unwrap())
}

/// A TOML string.
fn toml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
