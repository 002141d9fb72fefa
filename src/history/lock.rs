//! One run of a plan at a time.

use super::record::{Record, is_held, wait_for};
use super::{History, HistoryError, Overlap};
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
        write!(f, "plan \"{plan}\" is running already: process {pid}, run {run}, since {since}")?;
        f.write_str("\n  (--overlap wait begins when it has ended, --overlap allow begins all the same)")
    }
}

impl History {
    /// Makes a run the one of its plan, if `overlap` asks for that.
    pub(super) async fn hold(&mut self, wanted: &Holder, overlap: Overlap) -> Result<(), HistoryError> {
        if overlap == Overlap::Allow {
            return Ok(());
        }
        while let Some(holder) = self.try_hold(wanted).await? {
            if overlap == Overlap::Refuse {
                return Err(HistoryError::Held(holder));
            }
            let log = self.log(&holder.run);
            tokio::task::spawn_blocking(|| wait_for(log)).await.expect("waiting does not panic");
        }
        Ok(())
    }

    /// Takes the lock, or says who has it.
    async fn try_hold(&mut self, wanted: &Holder) -> Result<Option<Holder>, HistoryError> {
        let (wrong, logs) = (self.wrong(), self.logs());
        let mut transaction = self.database.begin_with("begin immediate").await.map_err(&wrong)?;
        let holder = holder(&mut transaction, &wanted.plan).await.map_err(&wrong)?;
        let holder = holder.filter(|holder| is_held(&logs.join(format!("{}.jsonl", holder.run))));
        if holder.is_none() {
            let take =
                sqlx::query("insert or replace into locks (plan, run, pid, since) values (?, ?, ?, ?)");
            let take = take.bind(&wanted.plan).bind(&wanted.run).bind(wanted.pid).bind(&wanted.since);
            take.execute(&mut *transaction).await.map_err(&wrong)?;
        }
        transaction.commit().await.map_err(&wrong)?;
        Ok(holder)
    }

    /// Gives back the lock that a run may have.
    pub(super) async fn release(&mut self, record: &Record) -> Result<(), HistoryError> {
        let release = sqlx::query("delete from locks where run = ?").bind(&record.run);
        release.execute(&mut self.database).await.map_err(self.wrong()).map(drop)
    }
}

async fn holder(database: &mut SqliteConnection, plan: &str) -> Result<Option<Holder>, sqlx::Error> {
    let query = sqlx::query("select run, pid, since from locks where plan = ?").bind(plan);
    let row = query.fetch_optional(database).await?;
    row.map(|row| {
        Ok(Holder {
            plan: plan.to_owned(),
            run: row.try_get(0)?,
            pid: row.try_get(1)?,
            since: row.try_get(2)?,
        })
    })
    .transpose()
}
