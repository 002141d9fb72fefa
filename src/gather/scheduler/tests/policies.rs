//! When a job stops, and how much is tried again.

use super::super::{AttemptEnd, JobId, Settings};
use super::case::{AttemptPlan, Case, End, ItemPlan, JobPlan, Moment};
use super::hand::{Hand, retries, settings};
use super::sim::Sim;
use crate::gather::limit::{Limit, Needs};
use crate::gather::outcome::{Advice, Cause};
use crate::gather::policy::{Policy, Stop, Tolerance};
use std::rc::Rc;

const FAILED: AttemptEnd = AttemptEnd::Failed(Advice::NEVER);
const DONE: AttemptEnd = AttemptEnd::Done;
const SKIPPED: AttemptEnd = AttemptEnd::Skipped;

/// Lets items of a job end like this and says after how many it stopped, and why.
fn stops(settings: Settings, ends: &[AttemptEnd]) -> Option<(usize, Cause)> {
    let mut hand = Hand::new(100);
    let job = hand.job(settings);
    let items = hand.submit_many(job, &Needs::none(), ends.len());
    for (n, (item, end)) in items.into_iter().zip(ends).enumerate() {
        hand.end(item, end.clone());
        if let Some(cause) = hand.scheduler.stopped(job) {
            return Some((n + 1, cause.clone()));
        }
    }
    None
}

fn quorum(enough: u64, expected: Option<u64>) -> Settings {
    Settings { policy: Policy::Quorum(enough), expected, ..settings() }
}

fn threshold(most: Tolerance) -> Settings {
    Settings { policy: Policy::Threshold(most), ..settings() }
}

#[test]
fn a_quorum_that_is_reached_or_out_of_reach_stops_the_job() {
    assert_eq!(stops(quorum(2, Some(3)), &[DONE, FAILED, DONE]), Some((3, Cause::Policy)));
    assert_eq!(stops(quorum(2, Some(3)), &[FAILED, DONE]), None, "two of three can still be had");
    assert_eq!(stops(quorum(2, Some(3)), &[FAILED, FAILED]), Some((2, Cause::Failures)));
    assert_eq!(
        stops(quorum(2, Some(3)), &[SKIPPED, FAILED]),
        Some((2, Cause::Failures)),
        "skipped is not done"
    );
    assert_eq!(stops(quorum(4, Some(3)), &[DONE]), Some((1, Cause::Failures)), "more than there are");
}

#[test]
fn a_quorum_of_an_unknown_number_is_out_of_reach_once_the_last_was_submitted() {
    let mut hand = Hand::new(100);
    let job = hand.job(quorum(2, None));
    let items = hand.submit_many(job, &Needs::none(), 2);
    hand.end(items[0], FAILED);
    assert_eq!(hand.scheduler.stopped(job), None);
    hand.change(|scheduler| scheduler.complete(job));
    assert_eq!(hand.scheduler.stopped(job), Some(&Cause::Failures));
}

#[test]
fn a_threshold_is_exceeded_by_more_than_it_allows() {
    assert_eq!(stops(threshold(Tolerance::Items(1)), &[FAILED, DONE, FAILED]), Some((3, Cause::Failures)));
    assert_eq!(stops(threshold(Tolerance::Items(0)), &[DONE, SKIPPED, FAILED]), Some((3, Cause::Failures)));
    let half = |of_at_least| threshold(Tolerance::Share { share: 0.5, of_at_least });
    assert_eq!(stops(half(0), &[FAILED]), Some((1, Cause::Failures)));
    assert_eq!(stops(half(2), &[FAILED, DONE, DONE, FAILED]), None, "exactly half is allowed");
    assert_eq!(stops(half(3), &[FAILED, FAILED, DONE]), Some((3, Cause::Failures)));
    let none = threshold(Tolerance::Share { share: 0.0, of_at_least: 1 });
    assert_eq!(stops(none, &[DONE, FAILED]), Some((2, Cause::Failures)));
}

#[test]
fn the_first_done_are_enough() {
    let two = || Settings { policy: Policy::FirstOk(2), ..settings() };
    assert_eq!(stops(two(), &[DONE, FAILED, SKIPPED, DONE]), Some((4, Cause::Policy)));
    assert_eq!(
        stops(two(), &[DONE, FAILED, FAILED, FAILED]),
        None,
        "what is out of reach is a quorum's matter"
    );
}

#[test]
fn fail_fast_names_the_item_that_failed() {
    for (key, name) in [(None, "job"), (Some("a".into()), "job[a]")] {
        let mut hand = Hand::new(100);
        let job = hand.job(Settings { policy: Policy::FailFast, ..settings() });
        let item = hand.change(|scheduler| scheduler.submit(job, &Needs::none(), 0, key, true));
        hand.end(item, FAILED);
        assert_eq!(hand.scheduler.stopped(job), Some(&Cause::Sibling(name.into())));
    }
}

#[test]
fn stopping_again_can_only_be_harder_and_keeps_the_first_cause() {
    let mut hand = Hand::new(1);
    let job = hand.job(settings());
    hand.submit(job, &Needs::none());
    hand.actions(job);
    let cancel =
        |hand: &mut Hand, cause: Cause, stop| hand.change(|scheduler| scheduler.cancel(job, &cause, stop));
    cancel(&mut hand, Cause::Signal(2), Stop::StartNoMore);
    assert_eq!(hand.actions(job), []);
    cancel(&mut hand, Cause::Deadline, Stop::CancelRunning);
    assert_eq!(hand.actions(job).len(), 1, "now it is asked");
    cancel(&mut hand, Cause::Asked, Stop::CancelRunning);
    assert_eq!(hand.actions(job), []);
    assert_eq!(hand.scheduler.stopped(job), Some(&Cause::Signal(2)));
}

#[test]
fn aborting_the_run_leaves_alone_what_was_not_stopped() {
    let mut hand = Hand::new(10);
    let (stopped, other) = (hand.job(settings()), hand.job(settings()));
    for job in [stopped, other] {
        hand.submit(job, &Needs::none());
        hand.actions(job);
    }
    hand.change(|scheduler| scheduler.cancel(stopped, &Cause::Asked, Stop::StartNoMore));
    hand.change(super::super::Scheduler::abort_all);
    assert_eq!((hand.actions(stopped).len(), hand.actions(other).len()), (1, 0));
}

#[test]
fn retries_of_a_source_that_fails_everything_are_a_fifth_more_and_a_hundred() {
    let again = AttemptPlan { moments: vec![(1, Moment::Nothing)], end: End::Failed(Advice::AGAIN) };
    let item = ItemPlan { attempts: vec![again], ..ItemPlan::taking(0) };
    let plan = JobPlan { retries: retries(10, 5), ..JobPlan::plain(vec![item; 600]) };
    let case = Case {
        seed: 1,
        lag: 0,
        limits: vec![Limit::new("run").concurrency(20)],
        jobs: vec![(0, Rc::new(plan))],
        disturbances: Vec::new(),
    };
    let starts = Sim::run(&case).starts.len();
    assert_eq!(starts, 600 + 120 + 100);
}

#[test]
fn a_job_that_nobody_waits_for_gives_back_everything_and_every_item_an_outcome() {
    let mut hand = Hand::new(2);
    let job: JobId = hand.job(settings());
    hand.submit_many(job, &Needs::none(), 5);
    let counts = hand.change(|scheduler| scheduler.end_job(job, None));
    assert_eq!((counts.submitted, counts.cancelled, counts.not_started), (5, 2, 3));
    assert_eq!(hand.scheduler.keys[0].in_use, 0);
}
