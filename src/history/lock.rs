//! One run of a plan at a time.

use super::record::{is_held, wait_for};
use super::{Begun, History, HistoryError, Overlap};
use crate::output::shown;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use std::fmt;

/// The run that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The plan.
    pub plan: String,
    /// The run's id.
    pub run: String,
    /// Its process.
    pub pid: i64,
    /// When it began: RFC 3339, UTC.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { plan, run, pid, since } = self;
        let plan = shown(plan);
        write!(f, "plan \"{plan}\" is running already: process {pid}, run {run}, since {since}")?;
        f.write_str("\n  (--overlap wait begins when it has ended, --overlap allow begins all the same)")
    }
}

impl History {
    /// Makes a run known; if `overlap` asks for that, only when no other of its plan goes on.
    pub(super) async fn enter(&mut self, run: &Begun, overlap: Overlap) -> Result<(), HistoryError> {
        while let Some(holder) = self.try_enter(run, overlap).await? {
            if overlap == Overlap::Refuse {
                return Err(HistoryError::Held(holder));
            }
            let log = self.log(&holder.run);
            tokio::task::spawn_blocking(|| wait_for(log)).await.expect("waiting does not panic");
        }
        Ok(())
    }

    /// Makes it known, or says who goes on.
    async fn try_enter(&mut self, run: &Begun, overlap: Overlap) -> Result<Option<Holder>, HistoryError> {
        let (wrong, logs) = (self.wrong(), self.logs());
        let mut transaction = self.database.begin_with("begin immediate").await.map_err(&wrong)?;
        let others = match overlap {
            Overlap::Allow => Vec::new(),
            Overlap::Refuse | Overlap::Wait => open(&mut transaction, &run.plan).await.map_err(&wrong)?,
        };
        let mut others = others.into_iter();
        let holder = others.find(|other| is_held(&logs.join(format!("{}.jsonl", other.run))));
        if holder.is_none() {
            let insert = sqlx::query(
                "insert into runs (id, plan, name, path, started, pid) values (?, ?, ?, ?, ?, ?)",
            );
            let insert = insert.bind(&run.id).bind(&run.plan).bind(&run.name).bind(&run.path);
            let insert = insert.bind(&run.started).bind(i64::from(std::process::id()));
            insert.execute(&mut *transaction).await.map_err(&wrong)?;
        }
        transaction.commit().await.map_err(&wrong)?;
        Ok(holder)
    }
}

/// The runs of a plan that have not ended: they go on, or were killed.
async fn open(database: &mut SqliteConnection, plan: &str) -> Result<Vec<Holder>, sqlx::Error> {
    let query =
        sqlx::query("select id, pid, started from runs where plan = ? and exit is null order by started");
    let rows = query.bind(plan).fetch_all(database).await?;
    let holder = |row: &SqliteRow| {
        let (run, pid, since) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(Holder { plan: plan.to_owned(), run, pid, since })
    };
    rows.iter().map(holder).collect()
}
