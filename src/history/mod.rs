//! What is kept of runs on this machine: each run's event log as a file, and a database that knows the runs, their items,
//! who runs a plan now, and what plans remember of what they took. A log is readable at any time, also after its process
//! was killed.
//! Not here: what is in a log (`report::log`), and what a run does (`run`).
//!
//! The state folder holds `state.db` and `runs/ID.jsonl`. A run keeps its log file locked while it goes on: that lock
//! ends with the process, however it ends, so that nothing that is left in the database has to be believed.

mod database;
mod folder;
mod lock;
mod memory;
mod record;
mod retention;
mod runs;

#[cfg(test)]
mod tests;

pub use folder::{StateFolder, Unusable};
pub use lock::Holder;
pub use memory::{PastMemory, PlanMemory};
pub use record::{Record, RecordWriter};
pub use retention::Retention;
pub use runs::{Begun, Ended, ITEMS, ItemRow, PastItem, PastRun};

use sqlx::sqlite::SqliteConnection;
use std::path::PathBuf;

/// The state of this machine, open.
pub struct History {
    folder: PathBuf,
    database: SqliteConnection,
}

/// What to do about a run of the same plan that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Do not begin.
    Refuse,
    /// Begin when it has ended.
    Wait,
    /// Begin all the same.
    Allow,
}

/// Why the state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Its folder or a file in it.
    #[error("state folder {}: {source}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its database.
    #[error("state database {}: {source}", .path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// Its database was written by a build that knows more.
    #[error(
        "state database {} is of a newer fanout (schema {found}, this build knows {known})\n  (use a newer fanout, or another --state-dir)",
        .path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// The plan runs already.
    #[error("{0}")]
    Held(Holder),
}
