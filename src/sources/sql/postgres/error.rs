//! What a PostgreSQL error means: whose it is, whether trying again may help, and how it reads. Not here: raising them.

use super::super::scan::Statement;
use crate::gather::Advice;
use crate::sources::SourceError;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition, PgSeverity};

/// An error while connecting or logging in.
pub(super) fn connecting(target: &str, error: &sqlx::Error) -> SourceError {
    match error {
        sqlx::Error::Database(error) => login(target, error.downcast_ref()),
        sqlx::Error::Io(error) => unreachable(target, error),
        sqlx::Error::Tls(error) => {
            let message = format!("{target}: tls: {error}");
            SourceError::new("tls", message).advice(Advice::SOURCE_NEVER)
        }
        sqlx::Error::Configuration(error) => {
            SourceError::new("connect", format!("{target}: {error}")).advice(Advice::SOURCE_NEVER)
        }
        other => SourceError::new("connect", format!("{target}: {other}")).advice(Advice::SOURCE_AGAIN),
    }
}

/// The server answered, and refused: for good, but for a server that is starting up, shutting down or full.
fn login(target: &str, error: &PgDatabaseError) -> SourceError {
    let message = format!("{target}: {} ({})", error.message(), error.code());
    match error.code() {
        "53300" | "57P03" | "57P01" | "57P02" | "53400" => {
            SourceError::new("connect", message).advice(Advice::SOURCE_AGAIN)
        }
        _ => SourceError::new("login", message).advice(Advice::SOURCE_NEVER),
    }
}

fn unreachable(target: &str, error: &std::io::Error) -> SourceError {
    // The system's resolver has no error kind of its own.
    let code = if error.to_string().contains("failed to lookup address") { "dns" } else { "connect" };
    SourceError::new(code, format!("{target}: {error}")).advice(Advice::SOURCE_AGAIN)
}

/// An error of a statement. `sent` says where the query stands in what was sent; `repeatable` that nothing can have
/// changed at the server.
pub(super) fn running(target: &str, error: sqlx::Error, query: Sent<'_>, repeatable: bool) -> SourceError {
    match error {
        sqlx::Error::Database(error) => {
            let error: Box<PgDatabaseError> = error.downcast();
            statement(target, &error, query, repeatable)
        }
        other => {
            let advice = if repeatable { Advice::SOURCE_AGAIN } else { Advice::NEVER };
            let lost =
                SourceError::new("connect", format!("{target}: connection lost: {other}")).advice(advice);
            if repeatable { lost } else { lost.hint("it is not known whether the statement took effect") }
        }
    }
}

/// A query, and the number of characters that were sent before it.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) statement: &'a Statement,
    pub(super) before: usize,
}

fn statement(target: &str, error: &PgDatabaseError, query: Sent<'_>, repeatable: bool) -> SourceError {
    let mut message = format!("{target}: {} ({})", error.message(), error.code());
    if let Some(place) = position(error, query) {
        message.push_str(&place);
    }
    if let Some(detail) = error.detail() {
        message.push_str("; ");
        message.push_str(&detail.replace('\n', "; "));
    }
    let failure = SourceError::new("sql", message).advice(advice(error.code(), repeatable));
    match (error.code(), error.hint()) {
        ("25006", _) => failure.hint("jobs only read unless they say `write = true`"),
        (_, Some(hint)) => failure.hint(hint.replace('\n', " ")),
        _ => failure,
    }
}

fn position(error: &PgDatabaseError, query: Sent<'_>) -> Option<String> {
    match error.position()? {
        PgErrorPosition::Original(position) => {
            let place = query.statement.place(position.checked_sub(query.before)?)?;
            Some(format!(" at line {}, column {}: {}", place.line, place.column, place.text))
        }
        PgErrorPosition::Internal { query, .. } => {
            let line = query.lines().next().unwrap_or_default();
            Some(format!(" in {}", line.trim()))
        }
    }
}

/// Deadlocks and serialization failures undo everything, so they may always be tried again; a session that the server
/// ended only if nothing can have changed.
fn advice(code: &str, repeatable: bool) -> Advice {
    match code {
        "40001" | "40P01" => Advice::AGAIN,
        "57P01" | "57P02" | "57P03" | "08006" | "08003" | "25P03" if repeatable => Advice::SOURCE_AGAIN,
        "53300" | "53200" | "55P03" if repeatable => Advice::AGAIN,
        _ => Advice::NEVER,
    }
}

/// Whether the server ends the session with this error.
pub(super) fn is_fatal(error: &dyn sqlx::error::DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_none_or(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}
