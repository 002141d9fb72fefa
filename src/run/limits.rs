//! The plan's limits as limits of the gather layer. Not here: who gets them when (`gather`).

use crate::gather::{Backoff, Limit, LimitId, Needs, Rate, Retries, Run, Timeouts};
use crate::plan::{self, Job, Plan, PlanSource};
use std::collections::HashMap;

/// Files that an item may have open at once: a connection, and what it writes.
const FILES: u64 = 2;
/// Files for all else: outputs that wait to be synced; the log, the record, the runtime, what libraries open for a moment.
const OTHER_FILES: u64 = 2 * super::durable::MOST as u64 + 64;

/// How many items at once the process may have files open for.
pub(super) fn open_files() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(u64::MAX, |most| (most.saturating_sub(OTHER_FILES) / FILES).max(1))
}

/// The limits of a run by what they are of.
pub(super) struct Limits {
    run: Run,
    sources: HashMap<String, LimitId>,
    named: HashMap<String, LimitId>,
}

impl Limits {
    pub(super) fn new(plan: &Plan, run: &Run) -> Limits {
        let mut sources = HashMap::new();
        for source in plan.jobs.iter().map(|job| &job.source) {
            sources.entry(source.name.clone()).or_insert_with(|| run.limit(of_source(source)));
        }
        let named = plan.limits.named.iter().map(|(name, limit)| {
            let made = Limit { rate: limit.rate.map(rate), ..Limit::new(format!("limit:{name}")) };
            let made = limit.concurrency.map_or(made.clone(), |most| made.concurrency(most));
            (name.clone(), run.limit(made))
        });
        Limits { run: run.clone(), named: named.collect(), sources }
    }

    /// What an item of a job needs beside the run's and the job's own limit. A request with a host falls under the
    /// host's limit, and it is the host that has to be reached.
    pub(super) fn needs(&self, job: &Job, host: Option<&str>) -> Needs {
        let source = self.sources[&job.source.name];
        let named = job.named_limits.iter().filter_map(|name| self.named.get(name));
        let needs = match host {
            Some(host) => {
                let limit = Limit::new(format!("host:{host}")).concurrency(job.source.concurrency);
                let host = self.run.limit(limit.gate(retries(&source_retries(&job.source))));
                // The source first: sources take turns by the first limit that is named, not hosts.
                Needs::none().and(source).source(host)
            }
            None if job.source.built_in => Needs::none().and(source),
            None => Needs::none().source(source),
        };
        named.fold(needs, |needs, limit| needs.and(*limit))
    }
}

/// A source's own limit. Where it stands for many hosts and the plan says nothing, its concurrency is that of each of
/// them, which are known only with the requests.
fn of_source(source: &PlanSource) -> Limit {
    let limit = Limit { rate: source.bounds.rate.map(rate), ..Limit::new(format!("source:{}", source.name)) };
    let limit =
        if source.is_per_host() || source.built_in { limit } else { limit.concurrency(source.concurrency) };
    if source.built_in { limit } else { limit.gate(retries(&source_retries(source))) }
}

fn source_retries(source: &PlanSource) -> plan::Retries {
    plan::Retries::of(None, source.bounds.retries)
}

pub(super) fn rate(rate: crate::units::Rate) -> Rate {
    Rate { count: rate.count, per: rate.per }
}

pub(super) fn retries(retries: &plan::Retries) -> Retries {
    Retries {
        count: retries.count,
        delay: retries.delay,
        max_delay: retries.max_delay,
        backoff: match retries.backoff {
            plan::Backoff::Exponential => Backoff::Exponential,
            plan::Backoff::Constant => Backoff::Constant,
        },
        jitter: retries.jitter,
    }
}

pub(super) fn timeouts(timeouts: &plan::Timeouts) -> Timeouts {
    Timeouts { queue: timeouts.queue, attempt: timeouts.attempt, idle: timeouts.idle, total: timeouts.total }
}
