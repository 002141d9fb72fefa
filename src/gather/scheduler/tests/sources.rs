//! Rule 16: a source fails once for all its items.

use super::super::{AttemptEnd, Ending, ItemId, JobId, Settings, Verdict, What};
use super::case::ms;
use super::hand::{Hand, retries, settings};
use crate::gather::event::{EventKind, Reason, Role, Wait};
use crate::gather::limit::{Limit, Needs};
use crate::gather::outcome::{Advice, Cause};
use crate::gather::policy::{Policy, Stop};

const LOST: AttemptEnd = AttemptEnd::Failed(Advice::SOURCE_AGAIN);
const REFUSED: AttemptEnd = AttemptEnd::Failed(Advice::SOURCE_NEVER);

/// A job whose items have one source, which is connected again so often, after 10 ms.
fn source(count: u32, settings: Settings) -> (Hand, JobId, Needs) {
    let mut hand = Hand::new(100);
    let source = hand.limit(Limit::new("source:shop").gate(retries(count, 10)));
    let job = hand.job(settings);
    (hand, job, Needs::none().source(source))
}

/// So many items that run, the first of which has said that the source is up.
fn running(hand: &mut Hand, job: JobId, needs: &Needs, count: usize) -> Vec<ItemId> {
    let items = hand.submit_many(job, needs, count);
    assert_eq!(hand.started(job), items[..1]);
    hand.up(items[0]);
    assert_eq!(hand.started(job), items[1..]);
    items
}

fn not_started() -> Ending {
    Ending::NotStarted(Cause::Source("refused".into()))
}

fn downs(hand: &Hand) -> usize {
    hand.saw(|kind| matches!(kind, EventKind::SourceDown { .. }))
}

#[test]
fn a_refused_login_is_tried_once_for_forty_items() {
    let (mut hand, job, needs) = source(3, settings());
    let items = hand.submit_many(job, &needs, 40);
    assert_eq!(hand.started(job), items[..1]);
    assert!(matches!(hand.end(items[0], REFUSED), Verdict::Other(ending, _) if ending == not_started()));
    assert_eq!(hand.endings(job), vec![not_started(); 39]);
    hand.submit(job, &needs);
    assert_eq!(hand.endings(job), [not_started()], "one that comes later");
    assert_eq!(downs(&hand), 1);
}

#[test]
fn a_source_that_is_down_and_a_policy_that_then_stops_the_job_end_each_item_once() {
    let (mut hand, job, needs) = source(0, Settings { policy: Policy::FailFast, ..settings() });
    let items = hand.submit_many(job, &needs, 5);
    hand.end(items[0], REFUSED);
    assert_eq!(hand.endings(job).len(), 4);
    assert_eq!(hand.change(|scheduler| scheduler.end_job(job, None)).ended(), 5);
}

#[test]
fn a_connect_that_fails_is_tried_again_by_one_item_as_often_as_the_source_says() {
    let (mut hand, job, needs) = source(2, settings());
    let items = hand.submit_many(job, &needs, 4);
    for (at, attempt) in [(0, 1), (10, 2), (30, 3)] {
        hand.at(at);
        assert_eq!(hand.started(job), items[..1], "attempt {attempt}");
        hand.end(items[0], LOST);
    }
    assert_eq!(hand.endings(job).len(), 3);
    assert_eq!(downs(&hand), 1);
}

#[test]
fn of_those_that_find_a_source_gone_only_the_first_counts() {
    let (mut hand, job, needs) = source(1, settings());
    let items = running(&mut hand, job, &needs, 5);
    hand.done(items[0]);
    for item in &items[1..] {
        assert_eq!(hand.end(*item, LOST), Verdict::Again);
    }
    assert_eq!(hand.started(job), [], "held before it is connected again");
    hand.at(10);
    let probe = hand.started(job);
    assert_eq!(probe.len(), 1);
    hand.up(probe[0]);
    assert_eq!(hand.started(job).len(), 3);
    assert_eq!(downs(&hand), 0);
}

#[test]
fn a_failure_from_before_the_link_was_lost_does_not_close_the_source_again() {
    let (mut hand, job, needs) = source(1, settings());
    let items = running(&mut hand, job, &needs, 3);
    hand.end(items[1], LOST);
    hand.at(10);
    hand.started(job);
    hand.up(items[1]);
    hand.end(items[2], LOST);
    hand.at(10);
    assert_eq!(hand.started(job), items[2..], "it starts again at once");
    assert_eq!(downs(&hand), 0);
}

#[test]
fn a_lost_link_uses_up_a_retry_of_each_item_that_had_it() {
    let (mut hand, job, needs) = source(0, Settings { retries: retries(1, 10), ..settings() });
    let items = hand.submit_many(job, &needs, 3);
    for item in &items {
        hand.up(*item);
    }
    hand.started(job);
    for item in &items {
        assert_eq!(hand.end(*item, LOST), Verdict::Again);
    }
    hand.at(10);
    assert_eq!(hand.started(job), items[..1], "one by one until it is up again");
    hand.up(items[0]);
    assert_eq!(hand.started(job), items[1..]);
    hand.up(items[1]);
    assert!(matches!(hand.end(items[1], LOST), Verdict::Own(_)), "its retry is used up");
}

#[test]
fn an_item_that_alone_cannot_connect_fails_by_itself() {
    let (mut hand, job, needs) = source(2, settings());
    let items = running(&mut hand, job, &needs, 2);
    // It fails again and again, while for the other the source is up.
    let mut attempts = 1;
    while attempts < 10 && hand.end(items[1], LOST) == Verdict::Again {
        hand.at(1000 * attempts);
        hand.up(items[0]);
        assert_eq!(hand.started(job), items[1..]);
        attempts += 1;
    }
    assert_eq!(attempts, 3);
    assert_eq!(downs(&hand), 0);
}

#[test]
fn an_item_that_cannot_be_repeated_is_not_attempted_again_for_its_source() {
    let (mut hand, job, needs) = source(3, settings());
    let item = hand.change(|scheduler| scheduler.submit(job, &needs, 0, None, false));
    assert!(matches!(hand.end(item, LOST), Verdict::Own(_)));
}

#[test]
fn a_job_that_stops_does_not_connect_again() {
    let (mut hand, job, needs) = source(3, settings());
    let item = hand.submit(job, &needs);
    hand.change(|scheduler| scheduler.cancel(job, &Cause::Asked, Stop::StartNoMore));
    assert!(matches!(hand.end(item, LOST), Verdict::Own(_)));
}

#[test]
fn an_error_of_an_items_own_stays_its_own_when_its_source_is_down() {
    let (mut hand, job, needs) = source(3, settings());
    let items = running(&mut hand, job, &needs, 3);
    hand.end(items[1], REFUSED);
    assert!(matches!(hand.end(items[0], AttemptEnd::Failed(Advice::NEVER)), Verdict::Own(_)));
    assert!(matches!(hand.end(items[2], AttemptEnd::Failed(Advice::AGAIN)), Verdict::Other(..)));
}

#[test]
fn a_parent_goes_on_though_its_source_is_down_held_and_out_of_rate() {
    let mut hand = Hand::new(1);
    let limit = Limit::new("source:shop").gate(retries(0, 10)).rate(1, ms(1000));
    let needs = Needs::none().source(hand.limit(limit));
    let job = hand.job(settings());
    let parent = hand.submit(job, &needs);
    hand.up(parent);
    hand.change(|scheduler| scheduler.suspend(parent));
    let below = hand.scheduler.start_job(settings(), Some(job), (None, Role::Nested, None));
    let child = hand.submit(below, &Needs::none());
    hand.change(|scheduler| scheduler.hold(parent, ms(5000)));
    assert_eq!(hand.started(below), [child]);
    hand.done(child);
    let other = hand.submit(job, &needs);
    hand.actions(job);
    hand.change(|scheduler| scheduler.want_back(parent));
    let actions = hand.actions(job);
    assert!(matches!(&actions[..], [action] if action.item == parent && action.what == What::Resume));
    hand.end(parent, REFUSED);
    assert_eq!(hand.endings(job), [not_started()]);
    assert!(hand.scheduler.items.get(other).is_none());
}

#[test]
fn a_parent_that_waits_for_room_stays_when_its_source_goes_down() {
    let mut hand = Hand::new(2);
    let needs = Needs::none().source(hand.limit(Limit::new("source:shop").gate(retries(0, 10))));
    let job = hand.job(settings());
    let items = hand.submit_many(job, &needs, 2);
    hand.up(items[0]);
    hand.change(|scheduler| scheduler.suspend(items[0]));
    let other = hand.submit(job, &Needs::none());
    hand.change(|scheduler| scheduler.want_back(items[0]));
    hand.actions(job);
    hand.end(items[1], REFUSED);
    let actions = hand.actions(job);
    assert!(matches!(&actions[..], [action] if action.item == items[0] && action.what == What::Resume));
    hand.done(items[0]);
    hand.done(other);
    assert_eq!(hand.change(|scheduler| scheduler.end_job(job, None)).done, 2);
}

/// What the items waited for until they started.
fn waits(hand: &Hand) -> Vec<Vec<(Reason, u64)>> {
    let waits = hand.events.iter().filter_map(|event| match &event.kind {
        EventKind::AttemptStarted { waits, .. } => Some(waits),
        _ => None,
    });
    let short = |wait: &Wait| (wait.reason, wait.duration.as_millis() as u64);
    waits.map(|waits| waits.iter().map(short).collect()).collect()
}

#[test]
fn who_waits_for_a_source_and_then_for_room_at_it_is_told_both() {
    let mut hand = Hand::new(100);
    let source = hand.limit(Limit::new("source:shop").concurrency(1).gate(retries(0, 10)));
    let needs = Needs::none().source(source);
    let items: Vec<ItemId> = (0..3)
        .map(|_| {
            let job = hand.job(settings());
            hand.submit(job, &needs)
        })
        .collect();
    hand.at(20);
    hand.up(items[0]);
    hand.at(50);
    hand.done(items[0]);
    hand.at(60);
    hand.change(|scheduler| scheduler.hold(items[1], ms(30)));
    hand.at(70);
    hand.done(items[1]);
    hand.at(90);
    let [connect, room, hold] = [Reason::Connect, Reason::Concurrency, Reason::Hold];
    let third = vec![(connect, 20), (room, 40), (hold, 30)];
    assert_eq!(waits(&hand), [vec![], vec![(connect, 20), (room, 30)], third]);
}
