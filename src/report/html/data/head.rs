//! What is said of a run as a whole: its figures, its sources, what was waited for, what was lost. All of it is exact
//! however many items were left out. Not here: the items (`columns`).

use super::micros;
use crate::gather::{Counts, Reason, Role, State};
use crate::report::html::texts::{name, shown};
use crate::report::timeline::{self, Scope, SourceUse, Timeline};
use crate::report::{summary, text};
use serde::Serialize;

/// The run and its figures.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    name: String,
    id: String,
    /// RFC 3339, UTC.
    started: String,
    version: String,
    /// The plan file and its digest.
    plan: Option<(String, String)>,
    /// Until when it is known: its end, or the last event.
    wall: u64,
    /// Whether its end is known, and the exit code.
    exit: Option<u8>,
    /// Why it was stopped.
    stopped: Option<String>,
    /// The running times of all attempts.
    sum: u64,
    peak: u64,
    /// The run's own limit.
    limit: Option<u64>,
    counts: Counts,
    /// `40 items: 38 done, 2 failed`.
    verdict: String,
    bytes: u64,
    rows: u64,
    /// Items of which no details are kept.
    left_out: u64,
}

/// What the run did at one source.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    name: String,
    kind: String,
    target: String,
    limit: Option<u64>,
    rate: Option<String>,
    peak: u64,
    /// Hundredths.
    mean: u64,
    running: u64,
    waiting: u64,
    attempts: u64,
    verdict: String,
    bytes: u64,
    rows: u64,
    down: Option<String>,
}

/// What was waited for.
#[derive(Debug, Serialize)]
pub(super) struct Waited {
    reason: Reason,
    limit: Option<String>,
    words: String,
    time: u64,
    count: u64,
}

/// Items that were lost for one reason.
#[derive(Debug, Serialize)]
pub(super) struct Loss {
    state: State,
    /// The source, if all of it was lost.
    source: Option<String>,
    why: String,
    count: u64,
    labels: Vec<String>,
}

impl Head {
    pub(super) fn of(timeline: &Timeline) -> Head {
        let info = &timeline.info;
        Head {
            name: name(&info.name),
            id: name(&info.id),
            started: name(&info.started),
            version: name(&info.version),
            plan: info.plan.as_ref().map(|(file, digest)| (name(file), name(digest))),
            wall: micros(timeline.wall()),
            exit: timeline.ended.map(|(_, exit)| exit),
            stopped: timeline.stopping.as_ref().map(|cause| shown(&cause.to_string())),
            sum: micros(timeline.sum()),
            peak: timeline.running.peak(),
            limit: timeline.limits.get("run").and_then(|limit| limit.concurrency),
            counts: timeline.counts,
            verdict: summary::outcome_counts(&timeline.counts),
            bytes: timeline.bytes(),
            rows: timeline.received.rows,
            left_out: timeline.dropped(),
        }
    }
}

/// The sources in plan order.
pub(super) fn sources(timeline: &Timeline) -> Vec<Source> {
    timeline.sources.iter().map(|source| of_source(timeline, source)).collect()
}

fn of_source(timeline: &Timeline, source: &SourceUse) -> Source {
    let (now, info) = (timeline.wall(), &timeline.info.sources);
    let target = info.iter().find(|info| info.name == source.name).map(|info| name(&info.target));
    let limit = timeline.limits.get(format!("source:{}", source.name).as_str());
    Source {
        name: name(&source.name),
        kind: name(&source.kind),
        target: target.unwrap_or_default(),
        limit: limit.and_then(|limit| limit.concurrency),
        rate: limit.and_then(|limit| limit.rate.as_deref()).map(shown),
        peak: source.running.peak(),
        mean: (source.running.mean(now) * 100.0).round() as u64,
        running: micros(source.running.sum(now)),
        waiting: micros(source.waiting.sum(now)),
        attempts: source.attempts,
        verdict: summary::outcome_counts(&source.counts),
        bytes: source.received.bytes,
        rows: source.received.rows,
        down: source.down.as_deref().map(shown),
    }
}

/// What was waited for, the longest first.
pub(super) fn waited(timeline: &Timeline) -> Vec<Waited> {
    let entry = |(reason, limit, sum): (_, Option<&str>, timeline::Waited)| Waited {
        reason,
        limit: limit.map(name),
        words: name(&summary::waited_for(timeline, reason, limit)),
        time: micros(sum.time),
        count: sum.count,
    };
    timeline.waits.longest_first().into_iter().map(entry).collect()
}

/// The items that were lost, by reason, the gravest first.
pub(super) fn losses(timeline: &Timeline) -> Vec<Loss> {
    let entry = |loss: &&timeline::Loss| Loss {
        state: loss.state,
        source: match loss.scope {
            Scope::Source(number) => timeline.sources.get(number).map(|source| name(&source.name)),
            Scope::Job(_) | Scope::Run => None,
        },
        why: shown(&loss.why),
        count: loss.count,
        labels: loss.labels.iter().map(|label| name(label)).collect(),
    };
    timeline.losses.in_order().iter().rev().map(entry).collect()
}

/// Warnings, jobs without items, and what there was too much of.
pub(super) fn notes(timeline: &Timeline) -> Vec<String> {
    let jobs = timeline.in_order().into_iter().filter(|job| job.role != Role::Nested);
    let jobs = jobs.filter_map(|job| job.why.as_ref().map(|why| format!("{}: {why}", job.name)));
    let more = |count: u64, what: &str, rest: &str| {
        (count > 0).then(|| format!("and {}{rest}", text::counted(count, what)))
    };
    let warnings = timeline.warnings.iter().cloned().chain(more(timeline.more_warnings, "more warning", ""));
    let others = more(timeline.losses.others(), "more item", " not done, for other reasons");
    warnings.chain(jobs).chain(others).map(|note| shown(&note)).collect()
}
