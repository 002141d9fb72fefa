//! One query on a PostgreSQL connection: parameters are bound, rows come in the server's text form.
//!
//! sqlx's extended protocol carries values in their binary form only, which not every type has and which would have to
//! be known for each type; its simple protocol gives text, but takes no parameters. So: the server prepares the query
//! (which checks it, tells the types and refuses a second statement), the values are bound, as text, to settings of the
//! session, and an `execute` reads them from there, cast to the types that the server expects. No value is ever part
//! of a statement's text, and whatever can be typed in psql can be passed and read.
//! Not here: connections (`sessions`), what values are (`cell`), and where rows go (`feed`).

use super::super::feed::{Feed, Rows};
use super::super::{Work, tell_code};
use super::error::{self, Sent};
use super::parameters::{self, Parameters};
use super::prepared::{self, Prepared};
use super::rows::TextRows;
use crate::gather::Context;
use crate::sources::SourceError;
use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Either, Row, SqlSafeStr, SqlStr};

/// What became of the connection of a query that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing runs on it.
    Reuse,
    /// The server may still be busy with the query.
    Stop,
    /// It is broken.
    Discard,
}

/// What went wrong, and what became of the connection.
pub(super) type Failure = (SourceError, After);

/// A query on its way through one connection.
pub(super) struct Query<'a> {
    pub(super) target: &'a str,
    pub(super) work: &'a Work,
    pub(super) connection: &'a mut PgConnection,
    pub(super) context: &'a Context,
}

/// The text that is sent to run the query.
struct Script {
    text: String,
    /// The number of characters before the query itself.
    before: usize,
    /// What ends it, if all went well, and if not.
    ends: [String; 2],
}

impl Query<'_> {
    /// Runs it to its end and feeds the rows. Says how many rows it affected.
    pub(super) async fn run(mut self, feed: &mut Feed<TextRows>) -> Result<u64, Failure> {
        self.context.phase("prepare");
        let prepared = prepared::prepare(self.connection, self.work.statement.text()).await;
        let prepared = prepared.map_err(|(error, before)| self.failure(error, before, true))?;
        let script = self.script(&prepared).await?;
        if let Some(rows) = &prepared.rows {
            feed.begin(rows.clone()).map_err(|error| (error, After::Reuse))?;
        }
        self.context.phase("query");
        let done = self.stream(&script, prepared.rows, feed).await;
        self.end(script, done).await
    }

    async fn script(&mut self, prepared: &Prepared) -> Result<Script, Failure> {
        let parameters = self.bind(&prepared.parameters).await?;
        let statement = &self.work.statement;
        let (begin, ends) = match (self.work.write, statement.is_plannable()) {
            (false, _) => ("begin read only; ", ["rollback", "rollback"]),
            (true, true) => ("begin; ", ["commit", "rollback"]),
            // vacuum, create database, call: they would refuse to run in a transaction.
            (true, false) => ("", ["", ""]),
        };
        let head = format!("{begin}{}", parameters.head());
        let before = head.chars().count();
        let text = format!("{head}{}{}", statement.text(), parameters.tail());
        let ends = ends.map(|end| format!("{end}{}", parameters.cleanup()));
        Ok(Script { text, before, ends })
    }

    /// Tells the server the values of the parameters.
    async fn bind(&mut self, expected: &[Oid]) -> Result<Parameters, Failure> {
        if self.work.values.is_empty() && expected.is_empty() {
            return Ok(Parameters::default());
        }
        let types = parameters::types(self.connection, expected).await;
        let types = types.map_err(|error| self.failure(error, 0, true))?;
        let parameters = Parameters::new(&self.work.values, types).map_err(|why| self.refuse(&why))?;
        let bound = parameters.bind(self.connection).await;
        bound.map_err(|error| self.failure(error, 0, true))?;
        Ok(parameters)
    }

    /// Sends the script and feeds what comes. All of it is written when this returns, so that nothing is committed
    /// whose result could not be kept.
    async fn stream(
        &mut self,
        script: &Script,
        mut columns: Option<TextRows>,
        feed: &mut Feed<TextRows>,
    ) -> Result<u64, Failure> {
        let sent: SqlStr = AssertSqlSafe(script.text.as_str()).into_sql_str();
        let (mut affected, mut first) = (0, true);
        let mut stream = sqlx::raw_sql(sent).fetch_many(&mut *self.connection);
        while let Some(step) = stream.try_next().await.transpose() {
            match step {
                Ok(Either::Left(done)) => affected = done.rows_affected(),
                Ok(Either::Right(row)) => {
                    let rows = columns.get_or_insert_with(|| TextRows::new(row.columns()));
                    if std::mem::take(&mut first) {
                        rows.fit(&row).and_then(|()| feed.begin(rows.clone())).map_err(stop)?;
                    }
                    let size = rows.size(&row);
                    feed.push(row, size).await.map_err(stop)?;
                }
                Err(error) => {
                    drop(stream);
                    return Err(self.failure(error, script.before, !self.work.write));
                }
            }
        }
        feed.flush().await.map_err(|error| (error, After::Reuse))?;
        Ok(affected)
    }

    /// Ends the transaction. What a commit refuses is the query's failure.
    async fn end(mut self, script: Script, done: Result<u64, Failure>) -> Result<u64, Failure> {
        let [good, bad] = script.ends;
        let end = match done {
            Ok(_) => good,
            Err((_, After::Reuse)) => bad,
            failed => return failed,
        };
        if end.is_empty() {
            return done;
        }
        let ended = sqlx::raw_sql(AssertSqlSafe(end)).execute(&mut *self.connection).await;
        match (done, ended) {
            (done, Ok(_)) => done,
            (Ok(_), Err(error)) => {
                let (error, _) = self.failure(error, 0, !self.work.write);
                Err((error, After::Discard))
            }
            (Err((error, _)), Err(_)) => Err((error, After::Discard)),
        }
    }

    fn failure(&mut self, error: sqlx::Error, before: usize, repeatable: bool) -> Failure {
        tell_code(self.context, &error);
        let after = match &error {
            sqlx::Error::Database(error) if !error::is_fatal(error.as_ref()) => After::Reuse,
            _ => After::Discard,
        };
        let sent = Sent { statement: &self.work.statement, before };
        (error::running(self.target, error, sent, repeatable), after)
    }

    fn refuse(&self, why: &str) -> Failure {
        (SourceError::new("sql", format!("{}: {why}", self.target)), After::Reuse)
    }
}

fn stop(error: SourceError) -> Failure {
    (error, After::Stop)
}
