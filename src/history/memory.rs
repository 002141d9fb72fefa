//! What is remembered of items from one run of their plan to the next, in the database. Not here: what follows from it
//! (`run`).

use super::{History, HistoryError};
use crate::run::{Known, Memory, MemoryError, Remembered};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// Days after which an item is forgotten that no run has seen.
const AGE: i64 = 400;
/// The most items that are remembered, of all plans together: of more, those are forgotten that were not seen for longest.
const MOST: i64 = 10_000_000;

/// What one plan remembers.
pub struct PlanMemory {
    plan: String,
    path: String,
    runtime: Handle,
    history: Mutex<History>,
}

/// What is remembered of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastMemory {
    /// The plan: its name, or its file where it has no name.
    pub plan: String,
    /// The job.
    pub job: String,
    /// Where it did its I/O.
    pub target: String,
    /// How many items are remembered.
    pub items: i64,
    /// When the last of them was taken, in seconds since 1970.
    pub taken: i64,
}

impl PlanMemory {
    /// Opens what a plan remembers in the state of this folder, by who owns it and its file. Within a tokio runtime.
    pub async fn open(folder: &Path, plan: String, path: String) -> Result<PlanMemory, HistoryError> {
        let mut history = History::open(folder).await?;
        history.forget_oldest(MOST).await?;
        Ok(PlanMemory { plan, path, runtime: Handle::current(), history: Mutex::new(history) })
    }
}

impl Memory for PlanMemory {
    fn recall(&self, job: &str, target: &str, keys: &[&str]) -> Result<Vec<Option<Known>>, MemoryError> {
        self.runtime.block_on(async {
            let mut history = self.history.lock().await;
            let wrong = history.wrong();
            history.recall([&self.plan, job, target], keys).await.map_err(|error| said(wrong(error)))
        })
    }

    fn remember(&self, items: &[Remembered]) -> Result<(), MemoryError> {
        let mut jobs: BTreeMap<(Arc<str>, Arc<str>), Vec<&Remembered>> = BTreeMap::new();
        for item in items {
            jobs.entry((item.job.clone(), item.target.clone())).or_default().push(item);
        }
        self.runtime.block_on(async {
            let mut history = self.history.lock().await;
            let wrong = history.wrong();
            history.remember([&self.plan, &self.path], &jobs).await.map_err(|error| said(wrong(error)))
        })
    }
}

fn said(error: HistoryError) -> MemoryError {
    MemoryError(error.to_string())
}

impl History {
    /// What is remembered, by plan, job and target.
    pub async fn memories(&mut self) -> Result<Vec<PastMemory>, HistoryError> {
        let query = sqlx::query(
            "select plan, job, target, count(*), max(taken) from memories \
             join remembered on memory = id group by id order by plan, job, target",
        );
        let rows = query.fetch_all(&mut self.database).await.map_err(self.wrong())?;
        rows.iter().map(past).collect::<Result<_, _>>().map_err(self.wrong())
    }

    /// Forgets what a plan (its name or its file) remembers: of all its jobs or of this one, all items or this one. Says
    /// how many items are forgotten.
    pub async fn forget_items(
        &mut self,
        plan: &str,
        job: Option<&str>,
        key: Option<&str>,
    ) -> Result<u64, HistoryError> {
        let delete = sqlx::query(
            "delete from remembered where (?3 is null or key = ?3) and memory in \
             (select id from memories where ?1 in (plan, path) and (?2 is null or job = ?2))",
        );
        let delete = delete.bind(plan).bind(job).bind(key).execute(&mut self.database).await;
        delete.map(|done| done.rows_affected()).map_err(self.wrong())
    }

    /// Forgets what was not seen for too long, what is too much, and jobs of which nothing is remembered.
    pub(super) async fn forget_oldest(&mut self, most: i64) -> Result<(), HistoryError> {
        let wrong = self.wrong();
        let old = sqlx::query("delete from remembered where seen < ?").bind(today() - AGE);
        old.execute(&mut self.database).await.map_err(&wrong)?;
        let count: i64 = sqlx::query_scalar("select count(*) from remembered")
            .fetch_one(&mut self.database)
            .await
            .map_err(&wrong)?;
        if count > most {
            let delete = sqlx::query(
                "delete from remembered where (memory, key) in \
                 (select memory, key from remembered order by seen limit ?)",
            );
            delete.bind(count - most).execute(&mut self.database).await.map_err(&wrong)?;
        }
        let empty = "delete from memories where not exists (select 1 from remembered where memory = id)";
        sqlx::query(empty).execute(&mut self.database).await.map_err(&wrong).map(drop)
    }

    async fn recall(
        &mut self,
        [plan, job, target]: [&str; 3],
        keys: &[&str],
    ) -> Result<Vec<Option<Known>>, sqlx::Error> {
        let keys = json!(keys).to_string();
        let query = sqlx::query(
            "select remembered.fingerprint, remembered.owed, remembered.seen from json_each(?1) as asked \
             left join memories on plan = ?2 and job = ?3 and target = ?4 \
             left join remembered on memory = memories.id and remembered.key = asked.value order by asked.id",
        );
        let query = query.bind(&keys).bind(plan).bind(job).bind(target);
        let rows = query.fetch_all(&mut self.database).await?;
        let seen = |row: &SqliteRow| row.try_get::<Option<i64>, _>(2);
        let is_old = |row: &SqliteRow| seen(row).is_ok_and(|seen| seen.is_some_and(|seen| seen < today()));
        if rows.iter().any(is_old) {
            let update = sqlx::query(
                "update remembered set seen = ?5 where key in (select value from json_each(?1)) and memory = \
                 (select id from memories where plan = ?2 and job = ?3 and target = ?4)",
            );
            let update = update.bind(&keys).bind(plan).bind(job).bind(target).bind(today());
            update.execute(&mut self.database).await?;
        }
        rows.iter().map(known).collect()
    }

    async fn remember(
        &mut self,
        [plan, path]: [&str; 2],
        jobs: &BTreeMap<(Arc<str>, Arc<str>), Vec<&Remembered>>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.begin_with("begin immediate").await?;
        for ((job, target), items) in jobs {
            let owner = sqlx::query_scalar(
                "insert into memories (plan, path, job, target) values (?, ?, ?, ?) \
                 on conflict do update set path = excluded.path returning id",
            );
            let owner = owner.bind(plan).bind(path).bind(&**job).bind(&**target);
            let memory: i64 = owner.fetch_one(&mut *transaction).await?;
            // One statement for all of them: a statement each would take as long as small files do.
            let row = |item: &&Remembered| json!([&*item.key, item.known.fingerprint, item.known.owed]);
            let rows: Vec<_> = items.iter().map(row).collect();
            let insert = sqlx::query(
                "insert or replace into remembered select ?1, value ->> 0, value ->> 1, value ->> 2, ?3, ?4 \
                 from json_each(?2)",
            );
            let insert = insert.bind(memory).bind(json!(rows).to_string());
            let insert = insert.bind(Timestamp::now().as_second()).bind(today());
            insert.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

fn known(row: &SqliteRow) -> Result<Option<Known>, sqlx::Error> {
    let fingerprint: Option<String> = row.try_get(0)?;
    let owed: Option<bool> = row.try_get(1)?;
    Ok(fingerprint.map(|fingerprint| Known { fingerprint, owed: owed == Some(true) }))
}

fn past(row: &SqliteRow) -> Result<PastMemory, sqlx::Error> {
    Ok(PastMemory {
        plan: row.try_get(0)?,
        job: row.try_get(1)?,
        target: row.try_get(2)?,
        items: row.try_get(3)?,
        taken: row.try_get(4)?,
    })
}

fn today() -> i64 {
    Timestamp::now().as_second() / (24 * 3600)
}

#[cfg(test)]
mod tests;
