//! What a gather of the library returned, as text: the waterfall of its items, and how they ended. It is drawn from the
//! times in the report alone. Not here: runs of a plan, which have their events (`timeline`).

#[cfg(test)]
mod tests;

use super::style::Style;
use super::timeline::Timeline;
use super::{Line, line, summary, waterfall};
use crate::gather::{
    Brought, Event, EventKind, ItemReport, JobInfo, Outcome, Reason, Report, Role, RunInfo, State, Timing,
    Wait,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The job's only number.
const JOB: u32 = 0;

/// The waterfall, the wall time and the overlap, and the lost items with their errors; 80 columns, or as many as the
/// formatter's width says: `{report:120}`. `{report:#}` has ASCII characters alone.
///
/// Of an item with several attempts the report has only the sum of their times: it is drawn as two, with all pauses
/// between them.
impl<T, E: fmt::Display> fmt::Display for Report<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(Style::default().width);
        let style = Style { width, unicode: !f.alternate(), ..Style::default() };
        let timeline = timeline(self);
        let mut lines = waterfall::waterfall(&timeline, &style);
        if !lines.is_empty() {
            lines.push(Line::new());
        }
        lines.extend(summary::summary(&timeline, &style));
        f.write_str(line::render(&lines, &style).trim_end())
    }
}

/// The run as events would tell it.
fn timeline<T, E: fmt::Display>(report: &Report<T, E>) -> Timeline {
    let mut timeline = Timeline::new();
    let begin = report.items.iter().map(|item| item.timing.queued()).min().unwrap_or_default();
    timeline.add(&Event { at: Duration::ZERO, kind: EventKind::RunStarted(Box::new(info(report))) });
    let started =
        EventKind::JobStarted { job: JOB, name: report.name.clone(), role: Role::Items, parent: None };
    timeline.add(&Event { at: Duration::ZERO, kind: started });
    for (at, _, number, step) in steps(report) {
        let at = at.saturating_sub(begin);
        timeline.add(&Event { at, kind: step.event(&report.items[number]) });
    }
    timeline.add(&Event {
        at: report.wall,
        kind: EventKind::JobEnded { job: JOB, counts: report.counts, why: None },
    });
    timeline.add(&Event { at: report.wall, kind: EventKind::RunEnded { counts: report.counts, exit: 0 } });
    timeline
}

fn info<T, E>(report: &Report<T, E>) -> RunInfo {
    let name = report.name.clone();
    let many = report.items.len() > 1;
    RunInfo { jobs: vec![JobInfo { name, many, ..JobInfo::default() }], ..RunInfo::default() }
}

/// What happened to an item, in its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// It was submitted.
    Queued,
    /// Its first attempt started.
    Started,
    /// All attempts but the last have ended.
    Stopped,
    /// The last one started.
    Again,
    /// It has its outcome.
    Ended,
}

/// All steps of all items, in the order of time; of one time, ends before starts, so that nothing runs beside what follows
/// it.
fn steps<T, E>(report: &Report<T, E>) -> Vec<(Duration, bool, usize, Step)> {
    let mut steps = Vec::with_capacity(3 * report.items.len());
    for (number, item) in report.items.iter().enumerate() {
        let timing = &item.timing;
        steps.push((timing.queued(), true, number, Step::Queued));
        if let Some(started) = timing.started() {
            steps.push((started, true, number, Step::Started));
            if timing.attempts() > 1 {
                let (stopped, again) = pause(timing, started);
                steps.push((stopped, false, number, Step::Stopped));
                steps.push((again, true, number, Step::Again));
            }
        }
        steps.push((timing.ended(), timing.started() == Some(timing.ended()), number, Step::Ended));
    }
    steps.sort_unstable();
    steps
}

/// All the pauses between attempts as one: before the last attempt, as if all had taken the same time.
fn pause(timing: &Timing, started: Duration) -> (Duration, Duration) {
    let last = timing.running() / timing.attempts();
    (started + (timing.running() - last), timing.ended().saturating_sub(last))
}

impl Step {
    fn event<T, E: fmt::Display>(self, of: &ItemReport<T, E>) -> EventKind {
        let (job, item, timing) = (JOB, of.number, &of.timing);
        let lane = timing.lane().unwrap_or_default();
        match self {
            Step::Queued => EventKind::ItemQueued { job, item, key: Some(key(of)), limits: None },
            Step::Started => {
                let duration = timing.started().unwrap_or_default().saturating_sub(timing.queued());
                let waits = wait(Reason::Concurrency, duration);
                EventKind::AttemptStarted { job, item, attempt: 1, lane, waits }
            }
            Step::Stopped => {
                EventKind::AttemptEnded { job, item, state: State::Failed, error: None, retry_in: None }
            }
            Step::Again => {
                let (stopped, again) = pause(timing, timing.started().unwrap_or_default());
                let waits = wait(Reason::Retry, again.saturating_sub(stopped));
                EventKind::AttemptStarted { job, item, attempt: timing.attempts(), lane, waits }
            }
            Step::Ended => {
                let (state, why) = (of.outcome.state(), why(&of.outcome));
                EventKind::ItemEnded {
                    job,
                    item,
                    state,
                    why,
                    code: None,
                    waits: Vec::new(),
                    brought: Brought::default(),
                }
            }
        }
    }
}

/// What an item is called: its key, or its number.
fn key<T, E>(item: &ItemReport<T, E>) -> Arc<str> {
    item.key.clone().unwrap_or_else(|| item.number.to_string().into())
}

/// A wait, if there was one. Which limit it was for, and whether it was a rate, the report does not say.
fn wait(reason: Reason, duration: Duration) -> Vec<Wait> {
    let wait = (!duration.is_zero()).then_some(Wait { reason, limit: None, duration });
    wait.into_iter().collect()
}

/// Why an item is not done.
fn why<T, E: fmt::Display>(outcome: &Outcome<T, E>) -> Option<String> {
    match outcome {
        Outcome::Done(_) => None,
        Outcome::Failed(error) => Some(error.to_string()),
        Outcome::TimedOut(timeout) => Some(timeout.to_string()),
        Outcome::Cancelled(cause) | Outcome::NotStarted(cause) => Some(cause.to_string()),
        Outcome::Panicked(panic) => Some(panic.to_string()),
        Outcome::Skipped(skip) => Some(skip.to_string()),
    }
}
