//! The runs that the database knows: begun, ended, found again.

use super::record::{Record, is_held};
use super::{History, HistoryError, Overlap};
use crate::gather::{Counts, State};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};
use std::time::Duration;

/// The most items that are kept of one run. Its log has all of them.
pub const ITEMS: usize = 10_000;

/// A run that begins.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its id.
    pub id: String,
    /// Who owns history, memory and lock: the plan's name; a plan without one is known by its file, so that two folders
    /// with a `fanout.toml` each have nothing in common.
    pub plan: String,
    /// The plan's name, as it is shown.
    pub name: String,
    /// The plan file, from the root on.
    pub path: String,
    /// When it was asked for: RFC 3339, UTC.
    pub started: String,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// The exit code.
    pub exit: u8,
    /// How long it took.
    pub wall: Duration,
    /// The running times of its attempts, summed.
    pub sum: Duration,
    /// Its items by outcome.
    pub counts: Counts,
    /// Bytes from the sources.
    pub bytes: u64,
    /// Rows from the sources.
    pub rows: u64,
    /// Its items, of which the first [`ITEMS`] are kept.
    pub items: Vec<ItemRow>,
}

/// How an item ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemRow {
    /// Its job.
    pub job: String,
    /// Its key; empty for a plain job's one item.
    pub key: String,
    /// How it ended.
    pub state: State,
    /// The stable name of the why, if there is one.
    pub code: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it started, in microseconds since the run began, if it did.
    pub started: Option<u64>,
    /// When it had its outcome, in microseconds since the run began.
    pub ended: u64,
    /// How long its attempts ran, in microseconds.
    pub running: u64,
    /// Bytes from the source.
    pub bytes: u64,
    /// Rows from the source.
    pub rows: u64,
    /// Its output under the output folder.
    pub output: Option<String>,
}

/// A run as the database knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastRun {
    /// Its id.
    pub id: String,
    /// Who owns it: the plan's name, or its file.
    pub plan: String,
    /// The plan's name, as it is shown.
    pub name: String,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// Its process.
    pub pid: i64,
    /// It goes on.
    pub running: bool,
    /// Its exit code; none while it runs, and for ever if it was killed.
    pub exit: Option<i64>,
    /// How long it took, in seconds.
    pub wall: Option<f64>,
    /// The running times of its attempts, summed, in seconds.
    pub sum: Option<f64>,
    /// Bytes from the sources.
    pub bytes: Option<i64>,
    /// Its items by outcome.
    pub counts: Option<Counts>,
}

/// An item in one of its runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastItem {
    /// The run.
    pub run: String,
    /// When the run began: RFC 3339, UTC.
    pub started: String,
    /// How it ended.
    pub state: String,
    /// The stable name of the why.
    pub code: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// From its start to its outcome, in seconds, if it started.
    pub took: Option<f64>,
    /// Bytes from the source.
    pub bytes: i64,
    /// Rows from the source.
    pub rows: i64,
}

impl History {
    /// Begins the record of a run, as its plan's only run if `overlap` asks for that.
    pub async fn begin(&mut self, run: &Begun, overlap: Overlap) -> Result<Record, HistoryError> {
        let record = Record::create(self, &run.id)?;
        if let Err(error) = self.enter(run, overlap).await {
            // Nothing is in it yet, and nobody knows of it.
            let _ = std::fs::remove_file(self.log(&run.id));
            return Err(error);
        }
        Ok(record)
    }

    /// Says when the run did begin, which may be long after it was asked for: it had to wait for another one, or for its
    /// secrets.
    pub async fn began(&mut self, record: &Record, started: &str) -> Result<(), HistoryError> {
        let update = sqlx::query("update runs set started = ? where id = ?").bind(started).bind(&record.run);
        update.execute(&mut self.database).await.map_err(self.wrong()).map(drop)
    }

    /// Drops the record of a run that came to nothing.
    pub async fn discard(&mut self, record: Record) -> Result<(), HistoryError> {
        self.forget_run(&record.run).await
    }

    /// Ends the record of a run.
    pub async fn end(&mut self, record: Record, ended: &Ended) -> Result<(), HistoryError> {
        let wrong = self.wrong();
        let mut transaction = self.database.begin().await.map_err(&wrong)?;
        let update = sqlx::query(
            "update runs set exit = ?, wall = ?, sum = ?, bytes = ?, rows = ?, submitted = ?, done = ?, failed = ?, \
             timed_out = ?, cancelled = ?, panicked = ?, skipped = ?, not_started = ? where id = ?",
        );
        let counts = &ended.counts;
        let update = update.bind(i64::from(ended.exit)).bind(micros(ended.wall)).bind(micros(ended.sum));
        let numbers = [
            ended.bytes,
            ended.rows,
            counts.submitted,
            counts.done,
            counts.failed,
            counts.timed_out,
            counts.cancelled,
            counts.panicked,
            counts.skipped,
            counts.not_started,
        ];
        let update = numbers.into_iter().fold(update, |update, number| update.bind(integer(number)));
        update.bind(&record.run).execute(&mut *transaction).await.map_err(&wrong)?;
        // One statement for all of them: a statement each would take as long as a small run.
        let items =
            serde_json::to_string(&ended.items[..ended.items.len().min(ITEMS)]).expect("rows are JSON");
        let insert = sqlx::query(
            "insert or ignore into items select ?, value ->> 'job', value ->> 'key', value ->> 'state', \
             value ->> 'code', value ->> 'attempts', value ->> 'started', value ->> 'ended', value ->> 'running', \
             value ->> 'bytes', value ->> 'rows', value ->> 'output' from json_each(?)",
        );
        insert.bind(&record.run).bind(items).execute(&mut *transaction).await.map_err(&wrong)?;
        transaction.commit().await.map_err(&wrong)
    }

    /// The latest runs, the latest first: of every plan, or of the ones with this name, owner or file.
    pub async fn runs(&mut self, plan: Option<&str>, most: u32) -> Result<Vec<PastRun>, HistoryError> {
        let query = sqlx::query(
            "select * from runs where ?1 is null or ?1 in (plan, name, path) order by started desc, id desc limit ?2",
        );
        let rows = query.bind(plan).bind(most).fetch_all(&mut self.database).await.map_err(self.wrong())?;
        rows.iter().map(|row| self.past_run(row)).collect::<Result<_, _>>().map_err(self.wrong())
    }

    /// The runs whose id begins so, at most two of them: enough to know whether it is one.
    pub async fn runs_that_begin(&mut self, id: &str) -> Result<Vec<PastRun>, HistoryError> {
        let query = sqlx::query("select * from runs where substr(id, 1, length(?1)) = ?1 limit 2");
        let rows = query.bind(id).fetch_all(&mut self.database).await.map_err(self.wrong())?;
        rows.iter().map(|row| self.past_run(row)).collect::<Result<_, _>>().map_err(self.wrong())
    }

    /// How one item did in the latest runs of a plan, the latest first.
    pub async fn item(
        &mut self,
        plan: &str,
        job: &str,
        key: &str,
        most: u32,
    ) -> Result<Vec<PastItem>, HistoryError> {
        let query = sqlx::query(
            "select runs.id, runs.started, items.state, items.code, attempts, (ended - items.started) / 1e6, \
             items.bytes, items.rows from items join runs on runs.id = items.run \
             where ?1 in (runs.plan, runs.name, runs.path) and job = ?2 and key = ?3 \
             order by runs.started desc, runs.id desc limit ?4",
        );
        let query = query.bind(plan).bind(job).bind(key).bind(most);
        let rows = query.fetch_all(&mut self.database).await.map_err(self.wrong())?;
        rows.iter().map(past_item).collect::<Result<_, _>>().map_err(self.wrong())
    }

    fn past_run(&self, row: &SqliteRow) -> Result<PastRun, sqlx::Error> {
        let id: String = row.try_get("id")?;
        let exit: Option<i64> = row.try_get("exit")?;
        let seconds = |name| row.try_get::<Option<i64>, _>(name).map(|time| time.map(|t| t as f64 / 1e6));
        Ok(PastRun {
            running: exit.is_none() && is_held(&self.log(&id)),
            plan: row.try_get("plan")?,
            name: row.try_get("name")?,
            started: row.try_get("started")?,
            pid: row.try_get("pid")?,
            exit,
            wall: seconds("wall")?,
            sum: seconds("sum")?,
            bytes: row.try_get("bytes")?,
            counts: exit.map(|_| counts(row)).transpose()?,
            id,
        })
    }
}

fn counts(row: &SqliteRow) -> Result<Counts, sqlx::Error> {
    let count = |name| row.try_get::<i64, _>(name).map(|count| count as u64);
    Ok(Counts {
        submitted: count("submitted")?,
        done: count("done")?,
        failed: count("failed")?,
        timed_out: count("timed_out")?,
        cancelled: count("cancelled")?,
        panicked: count("panicked")?,
        skipped: count("skipped")?,
        not_started: count("not_started")?,
    })
}

fn past_item(row: &SqliteRow) -> Result<PastItem, sqlx::Error> {
    Ok(PastItem {
        run: row.try_get(0)?,
        started: row.try_get(1)?,
        state: row.try_get(2)?,
        code: row.try_get(3)?,
        attempts: row.try_get(4)?,
        took: row.try_get(5)?,
        bytes: row.try_get(6)?,
        rows: row.try_get(7)?,
    })
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
