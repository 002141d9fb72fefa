//! One query on a SQLite connection: values are bound by their own type, rows come with the type of each value, which in
//! SQLite is the value's and not the column's. Not here: connections (`sessions`), where rows go (`feed`).

use super::super::feed::{Feed, Rows};
use super::super::{Work, tell_code};
use super::error;
use crate::gather::Context;
use crate::output::{Cell, RowWriter};
use crate::sources::SourceError;
use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Either, Executor, Row, SqlSafeStr, Sqlite, Statement, TypeInfo, ValueRef};
use std::sync::Arc;

/// What went wrong: at the database, or on the way into the sink.
pub(super) enum Failure {
    Database(sqlx::Error),
    Other(SourceError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure::Database(error)
    }
}

/// Says a failure in the source's words.
pub(super) fn explain(target: &str, failure: Failure, work: &Work, context: &Context) -> SourceError {
    match failure {
        Failure::Database(error) => {
            tell_code(context, &error);
            error::running(target, &error, !work.write)
        }
        Failure::Other(error) => error,
    }
}

/// Runs a query to its end and feeds the rows. Says how many rows it changed.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    work: &Work,
    feed: &mut Feed<DynamicRows>,
    context: &Context,
) -> Result<u64, Failure> {
    context.phase("prepare");
    let text = AssertSqlSafe(work.statement.text()).into_sql_str();
    let prepared = (&mut *connection).prepare(text.clone()).await?;
    let rows =
        DynamicRows { names: prepared.columns().iter().map(|column| column.name().to_owned()).collect() };
    feed.begin(rows.clone()).map_err(Failure::Other)?;
    context.phase("query");
    let query = work.values.iter().fold(sqlx::query(text), bind);
    let mut changed = 0;
    let mut stream = connection.fetch_many(query);
    while let Some(step) = stream.try_next().await? {
        match step {
            Either::Left(done) => changed = done.rows_affected(),
            Either::Right(row) => {
                let size = rows.size(&row);
                feed.push(row, size).await.map_err(Failure::Other)?;
            }
        }
    }
    feed.flush().await.map_err(Failure::Other)?;
    Ok(changed)
}

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// SQLite has no type for booleans, lists and tables: they are 0 and 1, and JSON.
fn bind<'q>(query: Bound<'q>, value: &Value) -> Bound<'q> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Bool(value) => query.bind(i64::from(*value)),
        Value::String(text) => query.bind(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => query.bind(integer),
            (None, Some(real)) if number.is_f64() => query.bind(real),
            // Beyond what SQLite's integers hold: its text loses nothing.
            _ => query.bind(number.to_string()),
        },
        Value::Array(_) | Value::Object(_) => query.bind(value.to_string()),
    }
}

/// Rows whose values each know their type.
#[derive(Clone)]
pub(super) struct DynamicRows {
    names: Arc<[String]>,
}

impl Rows for DynamicRows {
    type Row = SqliteRow;

    fn columns(&self) -> &[String] {
        &self.names
    }

    fn size(&self, row: &SqliteRow) -> usize {
        (0..self.names.len()).map(|index| size(row, index)).sum()
    }

    fn write(
        &self,
        row: &SqliteRow,
        _: bool,
        writer: &mut RowWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        for index in 0..self.names.len() {
            let cell = cell(row, index).map_err(|error| error.to_string())?;
            writer.cell(cell, out).map_err(|error| error.to_string())?;
        }
        writer.end_row(out).map_err(|error| error.to_string())
    }
}

/// How a value is stored.
enum Stored {
    Null,
    Integer,
    Real,
    Text,
    Blob,
}

fn stored(row: &SqliteRow, index: usize) -> Result<Stored, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Stored::Null);
    }
    Ok(match value.type_info().name() {
        "INTEGER" => Stored::Integer,
        "REAL" => Stored::Real,
        "TEXT" => Stored::Text,
        _ => Stored::Blob,
    })
}

fn cell(row: &SqliteRow, index: usize) -> Result<Cell<'_>, sqlx::Error> {
    Ok(match stored(row, index)? {
        Stored::Null => Cell::Null,
        Stored::Integer => Cell::I64(row.try_get_unchecked(index)?),
        Stored::Real => Cell::F64(row.try_get_unchecked(index)?),
        // SQLite takes any bytes for text; what is not UTF-8 is kept as bytes.
        Stored::Text => {
            let bytes: &[u8] = row.try_get_unchecked(index)?;
            std::str::from_utf8(bytes).map_or(Cell::Bytes(bytes), Cell::Text)
        }
        Stored::Blob => Cell::Bytes(row.try_get_unchecked(index)?),
    })
}

fn size(row: &SqliteRow, index: usize) -> usize {
    match stored(row, index) {
        Ok(Stored::Integer | Stored::Real) => 8,
        Ok(Stored::Text | Stored::Blob) => row.try_get_unchecked::<&[u8], _>(index).map_or(0, <[u8]>::len),
        _ => 0,
    }
}
