//! The demo's SQLite databases: `shop`, which answers at once, and `ledger`, in which a query waits.
//!
//! SQLite has no way to sleep in a query, and a query that counts until time is over would burn a core, which is not
//! what waiting is. So the ledger's query waits for what SQLite queries really wait for: a writer that holds the
//! exclusive lock. The waiting reader sleeps in SQLite's own busy loop, which looks every 100 ms at the most, and then
//! sees the row that the writer has committed.

use super::visits::Open;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until};

/// The file of the database that answers at once.
pub(super) const SHOP: &str = "shop.sqlite";
/// The file of the database whose queries wait.
pub(super) const LEDGER: &str = "ledger.sqlite";
/// A query that the ledger answers when its writer is done.
pub const ENTRIES_SQL: &str = "SELECT id, account, cents FROM entries ORDER BY id";

/// How long the ledger stays open after each commit: longer than the pauses of a reader's busy loop, so that each
/// reader that waits gets through before the writer takes the lock again.
const OPEN_WINDOW: Duration = Duration::from_millis(300);
/// How long the writer waits for readers before it tries anew.
const WRITER_PATIENCE: Duration = Duration::from_secs(1);

const SHOP_SQL: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, day TEXT NOT NULL, cents INTEGER NOT NULL);
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30)
        INSERT INTO customers SELECT i, 'customer ' || i, CASE i % 3 WHEN 0 THEN 'north' WHEN 1 THEN 'south' ELSE 'west' END FROM n;
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
        INSERT INTO orders SELECT i, 1 + i % 30, date('2026-01-01', '+' || (i % 365) || ' days'), 100 + i * 37 % 9900 FROM n;";
const LEDGER_SQL: &str = "
    CREATE TABLE entries (id INTEGER PRIMARY KEY, account TEXT NOT NULL, cents INTEGER NOT NULL);
    INSERT INTO entries (account, cents) VALUES ('opening', 100000);";
const LOCK_SQL: &str = "BEGIN EXCLUSIVE; INSERT INTO entries (account, cents) VALUES ('sales', 4200);";

/// Makes the database that answers at once.
pub(super) async fn create_shop(folder: &Path) -> sqlx::Result<()> {
    let mut connection = connect(&folder.join(SHOP)).await?;
    sqlx::raw_sql(SHOP_SQL).execute(&mut connection).await?;
    connection.close().await
}

/// Somebody queries the ledger, and the answer is due.
pub(super) struct Asked {
    /// When the writer is to be done.
    pub(super) until: Instant,
    /// Over when the writer is done.
    pub(super) visit: Open,
}

/// The ledger's writer.
pub(super) struct Ledger {
    connection: SqliteConnection,
}

impl Ledger {
    /// Makes the ledger and locks it.
    pub(super) async fn create(folder: &Path) -> sqlx::Result<Ledger> {
        let mut connection = connect(&folder.join(LEDGER)).await?;
        sqlx::raw_sql(LEDGER_SQL).execute(&mut connection).await?;
        let mut ledger = Ledger { connection };
        ledger.lock().await?;
        Ok(ledger)
    }

    /// Keeps the ledger locked, but for a moment after each answer, and says which. Returns when nobody can ask any
    /// more.
    pub(super) async fn keep(&mut self, questions: &mut mpsc::Receiver<Asked>, locked: &watch::Sender<bool>) {
        while let Some(Asked { until, visit }) = questions.recv().await {
            sleep_until(until.into()).await;
            locked.send_replace(false);
            // A commit that fails leaves the lock where it is, and the query ends in its own error.
            let _ = sqlx::raw_sql("COMMIT").execute(&mut self.connection).await;
            drop(visit);
            sleep(OPEN_WINDOW).await;
            // Readers that take their time are waited for.
            while self.lock().await.is_err() {
                sleep(OPEN_WINDOW).await;
            }
            locked.send_replace(true);
        }
    }

    async fn lock(&mut self) -> sqlx::Result<()> {
        sqlx::raw_sql(LOCK_SQL).execute(&mut self.connection).await.map(drop)
    }

    /// Gives the lock back and closes the file.
    pub(super) async fn close(self) {
        // The file is removed next; an error on the way changes nothing.
        let _ = self.connection.close().await;
    }
}

async fn connect(path: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // In WAL mode a reader would not wait for a writer.
        .journal_mode(SqliteJournalMode::Delete)
        .busy_timeout(WRITER_PATIENCE)
        .disable_statement_logging()
        .connect()
        .await
}
