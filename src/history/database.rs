//! The state database: opened, brought to this build's schema, refused if it is newer.

use super::{History, HistoryError};
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqlSafeStr};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another process may keep the database to itself.
const BUSY: Duration = Duration::from_secs(10);

/// Where sqlx notes which of them were made.
const TABLE: &str = "_sqlx_migrations";

/// All changes of the schema, in order. One that has landed is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "runs", include_str!("../../migrations/sqlite/0001_runs.sql")),
    (2, "locks", include_str!("../../migrations/sqlite/0002_locks.sql")),
    (3, "memory", include_str!("../../migrations/sqlite/0003_memory.sql")),
];

impl History {
    /// Opens the state in this folder, and makes what is missing. Only its owner can read it.
    pub async fn open(folder: &Path) -> Result<History, HistoryError> {
        let failed = |source| HistoryError::Folder { path: folder.to_owned(), source };
        // One process at a time makes the database and changes its schema.
        let alone = alone(folder.to_owned()).await.map_err(failed)?;
        let path = folder.join("state.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY);
        let database = SqliteConnection::connect_with(&options).await;
        let mut database =
            database.map_err(|source| HistoryError::Database { path: path.clone(), source })?;
        migrate(&mut database, &path).await?;
        drop(alone);
        Ok(History { folder: folder.to_owned(), database })
    }

    /// Ends the use of the state.
    pub async fn close(self) {
        // What was said is written; there is nothing to be done about a close that fails.
        let _ = self.database.close().await;
    }

    pub(super) fn wrong(&self) -> impl Fn(sqlx::Error) -> HistoryError + use<> {
        let path = self.folder.join("state.db");
        move |source| HistoryError::Database { path: path.clone(), source }
    }

    /// Where the logs are.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// The log of a run.
    pub fn log(&self, run: &str) -> PathBuf {
        self.logs().join(format!("{run}.jsonl"))
    }
}

/// Makes the folder, and waits until no other process opens the state. The lock ends when the file is dropped.
async fn alone(folder: PathBuf) -> io::Result<File> {
    let lock = move || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder.join("runs"))?;
        let file = File::create(folder.join("state.lock"))?;
        file.lock()?;
        Ok(file)
    };
    tokio::task::spawn_blocking(lock).await.expect("taking a lock does not panic")
}

async fn migrate(database: &mut SqliteConnection, path: &Path) -> Result<(), HistoryError> {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    match migrator.run(&mut *database).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_)) => {
            let applied = database.list_applied_migrations(TABLE).await.unwrap_or_default();
            let found = applied.iter().map(|applied| applied.version).max().unwrap_or(known);
            Err(HistoryError::Newer { path: path.to_owned(), found, known })
        }
        Err(error) => {
            let source = sqlx::Error::Migrate(Box::new(error));
            Err(HistoryError::Database { path: path.to_owned(), source })
        }
    }
}
