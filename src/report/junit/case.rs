//! One item as a case, with its outcome and the attempts that came before.

use super::Rest;
use crate::gather::State;
use crate::report::timeline::{Attempt, End, Item, Job};
use crate::report::{Style, Timeline, text};
use chrono::{DateTime, FixedOffset, TimeDelta};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestRerun};
use std::time::Duration;

/// What the cases of a run have in common.
pub(super) struct Cases<'a> {
    pub(super) timeline: &'a Timeline,
    started: Option<DateTime<FixedOffset>>,
}

impl<'a> Cases<'a> {
    pub(super) fn of(timeline: &'a Timeline) -> Cases<'a> {
        Cases { timeline, started: DateTime::parse_from_rfc3339(&timeline.info.started).ok() }
    }

    /// The wall-clock time of something, if that of the start is known.
    pub(super) fn at(&self, time: Duration) -> Option<DateTime<FixedOffset>> {
        self.started?.checked_add_signed(TimeDelta::from_std(time).ok()?)
    }

    /// An item.
    pub(super) fn item(&self, job: &Job, item: &Item) -> TestCase {
        let status = item.end.as_ref().map_or_else(|| unended(item), outcome);
        let mut case = self.case(job, &job.label(item.number, item.key.as_deref()), status);
        case.set_time(item.length(self.timeline.now).unwrap_or_default());
        case.timestamp = self.at(item.started().unwrap_or(item.queued));
        let again = |attempt: &&Attempt| attempt.end.as_ref().is_some_and(|end| end.again.is_some());
        case.status.add_reruns(item.attempts.iter().filter(again).map(|attempt| self.rerun(attempt)));
        case
    }

    /// The items of a job that are not kept, as one.
    pub(super) fn rest(&self, job: &Job, rest: &Rest) -> TestCase {
        let name = format!("{}: {}", job.name, text::counted(rest.items, "more item"));
        if rest.lost == 0 {
            return self.case(job, &name, TestCaseStatus::success());
        }
        let why = format!("{} of them not done", text::count(rest.lost));
        self.case(job, &name, non_success(NonSuccessKind::Failure, "items", &why))
    }

    /// A job that failed as a whole.
    pub(super) fn failed(&self, job: &Job, why: &str) -> TestCase {
        self.case(job, &job.name, non_success(NonSuccessKind::Failure, "job", why))
    }

    /// A case of the run itself that was not done.
    pub(super) fn lost(&self, name: &str, kind: NonSuccessKind, ty: &str, why: &str) -> TestCase {
        let mut case = TestCase::new(visible(name), non_success(kind, ty, why));
        case.set_classname(visible(&self.timeline.info.name)).set_time(self.timeline.wall());
        case
    }

    fn case(&self, job: &Job, name: &str, status: TestCaseStatus) -> TestCase {
        let mut case = TestCase::new(visible(name), status);
        case.set_classname(visible(&format!("{}.{}", self.timeline.info.name, job.name)));
        case
    }

    /// An attempt after which there was another.
    fn rerun(&self, attempt: &Attempt) -> TestRerun {
        let mut rerun = TestRerun::new(NonSuccessKind::Failure);
        rerun.timestamp = self.at(attempt.start);
        rerun.set_time(attempt.until(self.timeline.now).saturating_sub(attempt.start));
        if let Some(end) = &attempt.end {
            let why = end.error.clone().unwrap_or_else(|| end.state.to_string());
            rerun.set_message(first(&why)).set_type(name(end.state)).set_description(lines(&why));
        }
        rerun
    }
}

/// How an item ended.
fn outcome(end: &End) -> TestCaseStatus {
    let why = end.why.clone().unwrap_or_else(|| end.state.to_string());
    let state = name(end.state);
    let ty = end.code.as_deref().unwrap_or(&state);
    match end.state {
        State::Done => TestCaseStatus::success(),
        State::Skipped => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(first(&why)).set_type(visible(ty));
            skipped
        }
        State::Failed | State::TimedOut => non_success(NonSuccessKind::Failure, ty, &why),
        State::Panicked | State::Cancelled | State::NotStarted => {
            non_success(NonSuccessKind::Error, ty, &why)
        }
    }
}

/// What a program may look for: `not_started`.
fn name(state: State) -> String {
    state.to_string().replace(' ', "_")
}

/// An item without an outcome: the run was killed, or goes on.
fn unended(item: &Item) -> TestCaseStatus {
    let why = if item.running().is_some() { "it still ran" } else { "it waited" };
    non_success(NonSuccessKind::Error, "no_outcome", why)
}

fn non_success(kind: NonSuccessKind, ty: &str, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(visible(ty)).set_message(first(why)).set_description(lines(why));
    status
}

/// The first line of a reason; the others are hints.
fn first(why: &str) -> String {
    visible(why.lines().next().unwrap_or_default())
}

fn lines(why: &str) -> String {
    why.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// A text in one line of characters that XML has.
pub(super) fn visible(text: &str) -> String {
    text::escape(text, &Style::default()).into_owned()
}
