//! Connections to one SQLite file. Each has a thread of sqlx's; its statement ends when the item that asked for it is
//! cancelled or dropped. Not here: what runs on them (`query`).

use super::super::tell_code;
use super::error;
use crate::gather::Context;
use crate::sources::SourceError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most connections that are kept for the next item.
const IDLE_MOST: usize = 64;
/// How long a statement waits for a lock of somebody else's.
const BUSY_TIME: Duration = Duration::from_secs(5);
/// The rows that wait between SQLite's thread and ours.
const ROW_BUFFER: usize = 256;
/// After so many instructions of its machine SQLite looks whether it shall stop: some ten thousand times a second.
const LOOK_AFTER: i32 = 10_000;

/// The connections to one file.
pub(super) struct Sessions {
    path: PathBuf,
    idle: Mutex<Vec<Session>>,
}

/// A connection, and whether it may write.
pub(super) struct Session {
    pub(super) connection: SqliteConnection,
    write: bool,
}

/// While it is held a statement may run. Dropped, it stops the statement.
pub(super) struct Stop(Option<Arc<AtomicBool>>);

impl Sessions {
    pub(super) fn new(path: &Path) -> Sessions {
        Sessions { path: path.to_owned(), idle: Mutex::default() }
    }

    /// A connection that may write, or one that can't.
    pub(super) async fn take(&self, write: bool, context: &Context) -> Result<Session, SourceError> {
        let idle = self.pop(write);
        let session = match idle {
            Some(session) => session,
            None => {
                context.phase("connect");
                let options = self.options(write);
                let path = self.path.clone();
                context.blocking(move |_| readable(&path)).await?;
                let opened = SqliteConnection::connect_with(&options).await;
                let connection = opened.map_err(|error| {
                    tell_code(context, &error);
                    error::opening(&self.path, &error)
                })?;
                Session { connection, write }
            }
        };
        context.source_up();
        Ok(session)
    }

    fn options(&self, write: bool) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .read_only(!write)
            .busy_timeout(BUSY_TIME)
            .row_buffer_size(ROW_BUFFER)
            .disable_statement_logging();
        if write { options } else { options.pragma("query_only", "on") }
    }

    fn pop(&self, write: bool) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let index = idle.iter().rposition(|session| session.write == write)?;
        Some(idle.swap_remove(index))
    }

    /// Keeps a connection for the next item. Only for one on which nothing runs.
    pub(super) fn keep(&self, session: Session) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MOST {
            idle.push(session);
        }
    }

    /// Closes all idle connections.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for session in idle {
            let _ = session.connection.close().await;
        }
    }
}

/// SQLite itself says of each of these no more than "unable to open database file". Blocking.
fn readable(path: &Path) -> Result<(), SourceError> {
    let opened = std::fs::File::open(path).and_then(|file| file.metadata());
    match opened {
        Ok(meta) if meta.is_dir() => Err(error::unopened(path, "it is a folder")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(error::unopened(path, "no such file"))
        }
        Err(error) => Err(error::unopened(path, &error.to_string())),
    }
}

impl Session {
    /// Lets the next statement run until the attempt is asked to stop, or what this returns is dropped.
    pub(super) async fn watch(&mut self, context: &Context) -> Result<Stop, SourceError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, context) = (Arc::clone(&stop), context.clone());
        let mut handle = self.connection.lock_handle().await.map_err(|error| error::lost(&error))?;
        handle.set_progress_handler(LOOK_AFTER, move || !flag.load(Relaxed) && !context.cancel().is_set());
        Ok(Stop(Some(stop)))
    }
}

impl Stop {
    /// The statement ended by itself: the connection may be used again.
    pub(super) fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(flag) = &self.0 {
            flag.store(true, Relaxed);
        }
    }
}
