//! How long runs are kept: the oldest go first.

use super::record::is_held;
use super::{History, HistoryError};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Runs that began longer ago are forgotten.
    pub age: Duration,
    /// The logs of all runs together are no larger, in bytes.
    pub size: u64,
}

/// A log that is younger may not be locked yet.
const JUST_MADE: Duration = Duration::from_secs(60);

impl History {
    /// Forgets runs that are too old, and the oldest ones while their logs are too large together. Runs that go on are
    /// left alone.
    pub async fn forget(&mut self, retention: Retention) -> Result<(), HistoryError> {
        let logs = self.logs();
        let mut sizes =
            tokio::task::spawn_blocking(move || sizes(logs)).await.expect("listing does not panic");
        let rows: Vec<(String, String)> = sqlx::query_as("select id, started from runs order by started, id")
            .fetch_all(&mut self.database)
            .await
            .map_err(self.wrong())?;
        let mut total: u64 = sizes.values().sum();
        let age = SignedDuration::try_from(retention.age).unwrap_or(SignedDuration::MAX);
        let oldest = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        for (id, started) in rows {
            let size = sizes.remove(&id).unwrap_or(0);
            let is_old = started.parse::<Timestamp>().is_ok_and(|started| started < oldest);
            if (is_old || total > retention.size) && !is_held(&self.log(&id)) {
                self.forget_run(&id).await?;
                total -= size;
            }
        }
        // Logs that no row knows are left from a process that was killed before it said so.
        for id in sizes.into_keys().filter(|id| is_stray(&self.log(id))) {
            let _ = std::fs::remove_file(self.log(&id));
        }
        Ok(())
    }

    pub(super) async fn forget_run(&mut self, id: &str) -> Result<(), HistoryError> {
        // The log first: a row without a log says so, a log without a row would never be found.
        let _ = std::fs::remove_file(self.log(id));
        let delete = sqlx::query("delete from runs where id = ?").bind(id);
        delete.execute(&mut self.database).await.map_err(self.wrong()).map(drop)
    }
}

/// Whether nobody holds a log and nobody is about to.
fn is_stray(log: &Path) -> bool {
    let modified = log.metadata().and_then(|known| known.modified());
    let rests = modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > JUST_MADE));
    rests && !is_held(log)
}

/// The sizes of the logs in a folder, by run. Blocking.
fn sizes(logs: PathBuf) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(logs).into_iter().flatten().filter_map(Result::ok);
    let size = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let id = name.strip_suffix(".jsonl")?.to_owned();
        Some((id, entry.metadata().ok()?.len()))
    };
    entries.filter_map(size).collect()
}
