//! What the servers saw: when each request arrived and when it was done with, on the servers' clock. This is the proof
//! of the overlap that does not come from fanout's own measurements.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How many visits are kept; later ones are served but not recorded.
const KEPT_LIMIT: usize = 100_000;

/// One request at one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// `http`, `sftp` or `sqlite`.
    pub server: &'static str,
    /// What was asked for: a path.
    pub what: String,
    /// When the request was read.
    pub arrived: Instant,
    /// When the answer was given, or the one who asked went away: for a file its `close`, for the ledger its writer's
    /// commit. None while it lasts.
    pub left: Option<Instant>,
}

/// The most visits that there were at any one time. Of two that touch in one instant the earlier is over.
pub fn peak(visits: &[Visit]) -> usize {
    let arrivals = visits.iter().map(|visit| (visit.arrived, 1));
    let ends = visits.iter().filter_map(|visit| visit.left).map(|left| (left, -1));
    let mut changes: Vec<(Instant, isize)> = arrivals.chain(ends).collect();
    changes.sort();
    let at_once = changes.iter().scan(0, |now, (_, change)| {
        *now += change;
        Some(*now)
    });
    at_once.max().unwrap_or(0).unsigned_abs()
}

/// The record that all servers write to. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Visits {
    record: Arc<Mutex<Record>>,
}

/// The visits since it was last cleared, which is what `cleared` counts: the end of an earlier visit is not noted.
#[derive(Default)]
struct Record {
    kept: Vec<Visit>,
    cleared: u64,
}

impl Visits {
    /// Records a request that has just been read. It lasts until the result is dropped.
    pub(super) fn arrive(&self, server: &'static str, what: impl Into<String>) -> Open {
        let visit = Visit { server, what: what.into(), arrived: Instant::now(), left: None };
        self.with(|record| {
            let index = record.kept.len();
            if index < KEPT_LIMIT {
                record.kept.push(visit);
            }
            Open { visits: self.clone(), index, cleared: record.cleared }
        })
    }

    pub(super) fn all(&self) -> Vec<Visit> {
        self.with(|record| record.kept.clone())
    }

    pub(super) fn clear(&self) {
        self.with(|record| {
            record.kept.clear();
            record.cleared += 1;
        });
    }

    fn with<R>(&self, look: impl FnOnce(&mut Record) -> R) -> R {
        look(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that is not yet done with.
pub(super) struct Open {
    visits: Visits,
    index: usize,
    cleared: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        let left = Instant::now();
        self.visits.with(|record| {
            if record.cleared == self.cleared
                && let Some(visit) = record.kept.get_mut(self.index)
            {
                visit.left = Some(left);
            }
        });
    }
}
