//! What a run leaves behind: how each job ended, what was kept, and the exit code.

use super::memory::MemoryError;
use crate::gather::{Cause, Counts};
use std::sync::Arc;
use std::time::Duration;

/// A run that is over.
pub struct RunReport {
    /// The jobs in plan order.
    pub jobs: Vec<Arc<JobReport>>,
    /// All items by outcome.
    pub counts: Counts,
    /// How long it took.
    pub wall: Duration,
    /// Whether all that was taken is remembered for next time.
    pub remembered: Result<(), MemoryError>,
}

/// A job that is over.
pub struct JobReport {
    /// Its name.
    pub name: Arc<str>,
    /// What it means for those that need it.
    pub end: JobEnd,
    /// Its items by outcome.
    pub counts: Counts,
    /// Why it was stopped before its end, if it was.
    pub stopped: Option<Cause>,
    /// Another job refers to it, or waits for it: its results are not the run's.
    pub used: bool,
    /// The kept results of its items, in item order.
    pub kept: Vec<crate::expr::Kept>,
    /// Lost items whose only fault is a result that was not as expected.
    pub checks: u64,
    /// Items that were there and not to be taken yet: as good as not there.
    pub not_ready: u64,
    /// What failed about the job as a whole: its listing, its joined output.
    pub error: Option<String>,
}

/// How a job ended as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// All that had to be done is done.
    Done,
    /// More items were lost than it allows.
    Failed,
    /// It has fewer items than it must have.
    TooFew {
        /// How many it has.
        items: u64,
        /// How many it must have.
        min_items: u64,
    },
    /// What it needs did not get done: that job's name.
    Skipped(Arc<str>),
}

impl JobReport {
    /// Whether those that need it may run.
    pub fn is_done(&self) -> bool {
        self.end == JobEnd::Done
    }

    /// What is to be said of the job that none of its items says.
    pub fn note(&self) -> Option<String> {
        let note = match (&self.error, &self.end) {
            (Some(error), _) => error.clone(),
            (None, JobEnd::TooFew { items: 0, min_items: 1 }) if self.stopped.is_none() => self.nothing(),
            (None, JobEnd::TooFew { items, min_items }) => {
                let ending = if *items == 1 { "" } else { "s" };
                let left = match self.not_ready {
                    0 => String::new(),
                    left => format!(" beside {left} not ready"),
                };
                format!("{items} item{ending}{left}, and `min_items` asks for {min_items}")
            }
            (None, JobEnd::Done) if self.counts.submitted == self.not_ready && self.stopped.is_none() => {
                self.nothing()
            }
            _ => return None,
        };
        Some(format!("job \"{}\": {note}", self.name))
    }

    fn nothing(&self) -> String {
        match self.not_ready {
            0 => "nothing matched".to_owned(),
            left => format!("nothing matched that is ready: {left} left out"),
        }
    }
}

/// How a run ended, as programs see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is done.
    Done,
    /// It was stopped by this signal.
    Signal(i32),
    /// Its deadline passed.
    Deadline,
    /// Items were lost.
    Lost,
    /// A job has fewer items than it must have.
    TooFew,
    /// Only expectations were not met.
    Checks,
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Signal(number) => 128 + number as u8,
            Exit::Deadline => 7,
            Exit::Lost => 1,
            Exit::TooFew => 6,
            Exit::Checks => 4,
        }
    }
}

impl RunReport {
    /// The first that applies.
    pub fn exit(&self) -> Exit {
        let stopped = || self.jobs.iter().filter_map(|job| job.stopped.as_ref());
        let signal = stopped().find_map(|cause| match cause {
            Cause::Signal(number) => Some(Exit::Signal(*number)),
            _ => None,
        });
        let bad = || self.jobs.iter().filter(|job| job.end == JobEnd::Failed);
        let only_checks = bad().all(|job| job.error.is_none() && job.checks == job.counts.lost());
        if let Some(signal) = signal {
            signal
        } else if stopped().any(|cause| *cause == Cause::Deadline) {
            Exit::Deadline
        } else if bad().next().is_some() && !only_checks {
            Exit::Lost
        } else if self.jobs.iter().any(|job| matches!(job.end, JobEnd::TooFew { .. })) {
            Exit::TooFew
        } else if bad().next().is_some() {
            Exit::Checks
        } else {
            Exit::Done
        }
    }
}
