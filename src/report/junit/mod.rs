//! A run as JUnit XML, for the pages of CI systems: a suite is a job, a case is an item. The dialect is that of Maven's
//! surefire, which they all read:
//!
//! - failed and timed out are a `failure`; panicked, cancelled and not started an `error`: nothing was found out.
//! - An item that was done after more than one attempt has a `flakyFailure` for each that came before; one that was not
//!   done, a `rerunFailure`. Its own `failure` says how it ended at last.
//! - Pages of listings are cases of the job that they list for, if they were not done.
//! - Nothing that was lost is missing: of more items than the timeline keeps in detail, one case stands for the others
//!   of a job; and a run that did not end, or ended badly though no item was lost, has a case of its own.
//!
//! Names and reasons may hold anything: what XML can't say is made visible as in the other views. Not here: what the
//! elements look like (`quick-junit`).

mod case;

#[cfg(test)]
mod tests;

use super::Timeline;
use super::timeline::{Item, Job};
use crate::gather::{JobNumber, Role, State};
use case::Cases;
use quick_junit::{NonSuccessKind, Report, TestSuite};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes the report. It is made in memory first, in proportion to the items that the timeline keeps.
///
/// # Errors
/// Writing failed.
pub fn junit(timeline: &Timeline, out: impl Write) -> io::Result<()> {
    let cases = Cases::of(timeline);
    let mut report = Report::new(case::visible(&timeline.info.name));
    report.set_time(timeline.wall());
    report.timestamp = cases.at(std::time::Duration::ZERO);
    let pages = pages(timeline);
    for job in timeline.in_order().into_iter().filter(|job| job.role != Role::Pages) {
        let suite = suite(&cases, job, pages.get(&job.number).map_or(&[][..], |pages| pages));
        if suite.tests > 0 {
            report.add_test_suite(suite);
        }
    }
    if let Some(suite) = whole(&cases, &report) {
        report.add_test_suite(suite);
    }
    report.serialize(out).map_err(io::Error::other)
}

/// The jobs that list for each job.
fn pages(timeline: &Timeline) -> BTreeMap<JobNumber, Vec<&Job>> {
    let mut pages: BTreeMap<JobNumber, Vec<&Job>> = BTreeMap::new();
    for job in timeline.jobs.values().filter(|job| job.role == Role::Pages) {
        pages.entry(job.parent.unwrap_or_default()).or_default().push(job);
    }
    pages
}

/// A job.
fn suite(cases: &Cases, job: &Job, pages: &[&Job]) -> TestSuite {
    let mut suite = TestSuite::new(case::visible(&job.name));
    let start = job.started.unwrap_or_default();
    suite.timestamp = cases.at(start);
    suite.set_time(job.ended.unwrap_or(cases.timeline.wall()).saturating_sub(start));
    for page in pages {
        let lost = page.items.values().filter(|item| is_lost(item));
        suite.add_test_cases(lost.map(|item| cases.item(page, item)));
        suite.add_test_cases(rest(page).filter(|rest| rest.lost > 0).map(|rest| cases.rest(page, &rest)));
    }
    suite.add_test_cases(job.items.values().map(|item| cases.item(job, item)));
    suite.add_test_cases(rest(job).map(|rest| cases.rest(job, &rest)));
    suite.add_test_cases(job.failure().map(|why| cases.failed(job, why)));
    suite
}

fn is_lost(item: &Item) -> bool {
    item.end.as_ref().is_none_or(|end| !matches!(end.state, State::Done | State::Skipped))
}

/// The items of a job that are not kept.
struct Rest {
    items: u64,
    lost: u64,
}

fn rest(job: &Job) -> impl Iterator<Item = Rest> {
    let kept = job.items.values().filter(|item| item.end.is_some() && is_lost(item)).count() as u64;
    let rest = Rest { items: job.dropped, lost: job.counts.lost().saturating_sub(kept) };
    Some(rest).filter(|rest| rest.items > 0).into_iter()
}

/// The run itself, where it has something to say that no item says.
fn whole(cases: &Cases, report: &Report) -> Option<TestSuite> {
    let said = report.failures + report.errors > 0;
    let why = match cases.timeline.ended {
        None => "the run has not ended".to_owned(),
        Some((_, exit)) if exit != 0 && !said => format!("exit code {exit}"),
        Some(_) => return None,
    };
    let mut suite = TestSuite::new("run");
    let about: Vec<&str> = cases.timeline.warnings.iter().map(String::as_str).collect();
    suite.add_test_case(cases.lost(
        "run",
        NonSuccessKind::Error,
        "run",
        &[&[why.as_str()], &about[..]].concat().join("\n"),
    ));
    Some(suite)
}
