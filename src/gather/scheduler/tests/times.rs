//! Deadlines, timeouts and pauses.

use super::super::{AttemptEnd, Ending, Settings, Verdict, What};
use super::case::ms;
use super::hand::{Hand, retries, settings};
use crate::gather::event::Role;
use crate::gather::limit::{Limit, Needs};
use crate::gather::outcome::{Advice, Cause, Timeout};
use crate::gather::policy::Timeouts;
use std::time::Duration;

const AGAIN: AttemptEnd = AttemptEnd::Failed(Advice::AGAIN);

fn total(milliseconds: u64) -> Settings {
    let timeouts = Timeouts { total: Some(ms(milliseconds)), ..Timeouts::default() };
    Settings { timeouts, retries: retries(5, 10), ..settings() }
}

#[test]
fn a_child_does_not_outlive_its_parents_deadline() {
    for (own, ends_at) in [(None, 50), (Some(ms(500)), 50), (Some(ms(20)), 20)] {
        let mut hand = Hand::new(2);
        let job = hand.job(Settings { deadline: Some(ms(50)), ..settings() });
        let parent = hand.submit(job, &Needs::none());
        hand.change(|scheduler| scheduler.suspend(parent));
        let child = Settings { deadline: own, ..settings() };
        let below = hand.scheduler.start_job(child, Some(job), (None, Role::Nested, None));
        hand.submit_many(below, &Needs::none(), 3);
        hand.at(ends_at - 1);
        assert_eq!(hand.scheduler.stopped(below), None);
        hand.at(ends_at);
        assert_eq!(hand.scheduler.stopped(below), Some(&Cause::Deadline));
        assert_eq!(hand.endings(below), [Ending::NotStarted(Cause::Deadline)]);
        assert_eq!(
            hand.scheduler.stopped(job).is_some(),
            ends_at == 50,
            "a child's deadline is not its parent's"
        );
    }
}

#[test]
fn a_child_of_a_job_that_stops_starts_nothing() {
    let mut hand = Hand::new(2);
    let job = hand.job(Settings { deadline: Some(ms(50)), ..settings() });
    hand.submit(job, &Needs::none());
    hand.at(50);
    let below = hand.scheduler.start_job(settings(), Some(job), (None, Role::Nested, None));
    hand.submit(below, &Needs::none());
    assert_eq!(hand.endings(below), [Ending::NotStarted(Cause::Deadline)]);
}

#[test]
fn a_queue_timeout_is_over_with_the_first_start() {
    let mut hand = Hand::new(1);
    let timeouts = Timeouts { queue: Some(ms(30)), ..Timeouts::default() };
    let job = hand.job(Settings { timeouts, retries: retries(1, 50), ..settings() });
    let items = hand.submit_many(job, &Needs::none(), 2);
    assert_eq!(hand.started(job), items[..1]);
    hand.at(30);
    assert_eq!(hand.endings(job), [Ending::TimedOut(Timeout::Queue(ms(30)))]);
    hand.end(items[0], AGAIN);
    hand.at(79);
    assert_eq!(hand.endings(job), []);
    hand.at(80);
    assert_eq!(hand.started(job), items[..1], "it waited longer than 30 ms, but not for its first start");
}

#[test]
fn a_total_timeout_counts_from_the_first_start_with_its_pauses() {
    let mut hand = Hand::new(1);
    let job = hand.job(total(15));
    let items = hand.submit_many(job, &Needs::none(), 2);
    hand.at(7);
    hand.end(items[0], AGAIN);
    assert_eq!(hand.started(job).len(), 2);
    hand.at(15);
    assert_eq!(hand.endings(job), [Ending::TimedOut(Timeout::Total(ms(15)))], "while it pauses");
    hand.at(22);
    let actions = hand.actions(job);
    assert!(matches!(&actions[..], [action] if action.what == What::TimeOut(Timeout::Total(ms(15)))));
}

#[test]
fn an_attempt_that_fails_just_when_the_total_time_is_over_is_the_last() {
    let mut hand = Hand::new(1);
    let job = hand.job(total(15));
    let item = hand.submit(job, &Needs::none());
    hand.at(15);
    let verdict = hand.end(item, AGAIN);
    assert!(matches!(verdict, Verdict::Other(Ending::TimedOut(Timeout::Total(_)), _)), "{verdict:?}");
}

#[test]
fn an_abort_keeps_the_cause_of_the_stop() {
    let mut hand = Hand::new(1);
    let job = hand.job(settings());
    let item = hand.submit(job, &Needs::none());
    let stop = crate::gather::policy::Stop::StartNoMore;
    hand.change(|scheduler| scheduler.cancel(job, &Cause::Signal(15), stop));
    let verdict = hand.end(item, AttemptEnd::Aborted);
    assert!(matches!(verdict, Verdict::Other(Ending::Cancelled(Cause::Signal(15)), _)), "{verdict:?}");
}

#[test]
fn a_server_that_asks_for_more_time_than_the_pause_gets_it() {
    let mut hand = Hand::new(1);
    let job = hand.job(Settings { retries: retries(1, 10), ..settings() });
    let item = hand.submit(job, &Needs::none());
    hand.actions(job);
    hand.end(item, AttemptEnd::Failed(Advice::AGAIN.after(ms(70))));
    hand.at(69);
    assert_eq!(hand.started(job), []);
    hand.at(70);
    assert_eq!(hand.started(job), [item]);
}

#[test]
fn a_time_that_never_comes_is_no_harm() {
    let mut hand = Hand::new(2);
    let timeouts = Timeouts { queue: Some(Duration::MAX), total: Some(Duration::MAX), ..Timeouts::default() };
    let needs =
        Needs::none().source(hand.limit(Limit::new("slow").gate(retries(9, 1)).rate(1, Duration::MAX)));
    let job =
        hand.job(Settings { timeouts, retries: retries(1, 1), deadline: Some(Duration::MAX), ..settings() });
    hand.at(5);
    let first = hand.submit(job, &needs);
    hand.up(first);
    hand.submit(job, &needs);
    hand.change(|scheduler| scheduler.hold(first, Duration::MAX));
    let never = Advice::AGAIN.after(Duration::MAX);
    assert_eq!(hand.end(first, AttemptEnd::Failed(never)), Verdict::Again);
    hand.actions(job);
    hand.at(1_000_000);
    assert_eq!(hand.actions(job), []);
}

#[test]
fn timers_of_items_that_are_over_do_not_pile_up() {
    let mut hand = Hand::new(1);
    let timeouts = Timeouts { queue: Some(ms(1_000_000)), total: Some(ms(1_000_000)), ..Timeouts::default() };
    let job = hand.job(Settings { timeouts, ..settings() });
    for _ in 0..10_000 {
        let item = hand.submit(job, &Needs::none());
        hand.done(item);
    }
    assert!(hand.scheduler.timers.len() < 2000, "{}", hand.scheduler.timers.len());
}

#[test]
fn who_gets_further_each_time_uses_up_no_retry() {
    let mut hand = Hand::new(1);
    let job = hand.job(Settings { retries: retries(2, 10), ..settings() });
    let item = hand.submit(job, &Needs::none());
    let further = AttemptEnd::Failed(Advice::AGAIN.further(true));
    let mut at = 0;
    let mut fails = |hand: &mut Hand, end: &AttemptEnd| {
        assert_eq!(
            hand.started(job),
            [item],
            "it starts again after each pause, the first of which is the shortest"
        );
        let verdict = hand.end(item, end.clone());
        at += 10 * 2_u64.pow(u32::from(*end == AGAIN));
        hand.at(at);
        verdict == Verdict::Again
    };
    // More often than the job has retries for all its items, too.
    assert!((0..500).all(|_| fails(&mut hand, &further)));
    assert!(fails(&mut hand, &AGAIN), "the second after one that got further");
    assert!(!fails(&mut hand, &AGAIN), "and no third");
}

#[test]
fn who_may_not_be_tried_again_is_not_however_far_it_got() {
    let mut hand = Hand::new(1);
    let job = hand.job(Settings { retries: retries(0, 10), ..settings() });
    let item = hand.submit(job, &Needs::none());
    let verdict = hand.end(item, AttemptEnd::Failed(Advice::AGAIN.further(true)));
    assert!(matches!(verdict, Verdict::Own(_)), "{verdict:?}");
}
