//! The demo: servers of its own, and the plans that are run against them. Not here: running and showing them (`cli`).

pub mod servers;

use crate::gather::{Event, EventKind, JobNumber};
use crate::plan::{Overrides, Plan, PlanErrors};
use servers::Servers;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The plans of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    /// Three functions that wait 2 s, 4 s and 1 s.
    Classic,
    /// Listed items, queries and files.
    Mixed,
}

/// How long the classic example's query waits.
const QUERY_WAIT: Duration = Duration::from_secs(4);
/// Its job's number.
const QUERY_JOB: JobNumber = 1;
/// The classic example's jobs; later numbers are those of listings.
const JOBS: JobNumber = 3;

impl Example {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Example::Classic => ("classic.toml", include_str!("classic.toml")),
            Example::Mixed => ("mixed.toml", include_str!("mixed.toml")),
        }
    }
}

/// A plan of the demo, with the servers' addresses filled in. Blocking.
///
/// # Errors
/// None, unless the demo's own plan is wrong.
pub fn plan(example: Example, servers: &Servers) -> Result<Plan, PlanErrors> {
    let (name, text) = example.text();
    let path = |path: std::path::PathBuf| path.display().to_string();
    let database = match example {
        Example::Classic => ("ledger", path(servers.ledger())),
        Example::Mixed => ("shop", path(servers.shop())),
    };
    let vars = [
        ("http", servers.http_url()),
        ("sftp_host", servers.sftp_address().ip().to_string()),
        ("sftp_port", servers.sftp_address().port().to_string()),
        ("user", servers.sftp_user().to_owned()),
        ("key", path(servers.user_key())),
        ("known_hosts", path(servers.known_hosts())),
        database,
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value)).into();
    Plan::of_text(Path::new(name), text.to_owned(), &Overrides { vars, ..Overrides::default() })
}

/// Heeds the events of a run of the classic example: tells the database's writer when its query has begun, and notes
/// the order in which the jobs ended.
#[derive(Clone)]
pub struct Attendant {
    servers: Arc<Servers>,
    classic: bool,
    ended: Arc<Mutex<Vec<JobNumber>>>,
}

impl Attendant {
    /// For one run of an example.
    pub fn new(example: Example, servers: Arc<Servers>) -> Attendant {
        Attendant { servers, classic: example == Example::Classic, ended: Arc::default() }
    }

    /// Heeds one event.
    pub fn heed(&self, event: &Event) {
        match event.kind {
            EventKind::AttemptStarted { job: QUERY_JOB, .. } if self.classic => {
                self.servers.ledger_asked(QUERY_WAIT)
            }
            EventKind::JobEnded { job, .. } if job < JOBS => self.ended().push(job),
            _ => {}
        }
    }

    /// The jobs in the order in which they ended, as `3, 1, 2`.
    pub fn finishing_order(&self) -> String {
        self.ended().iter().map(|job| (job + 1).to_string()).collect::<Vec<_>>().join(", ")
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Vec<JobNumber>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
