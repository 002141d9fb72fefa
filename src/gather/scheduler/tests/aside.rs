//! Attempts that are set aside: they wait for something that is no limit.

use super::super::{AttemptEnd, ItemId, Settings, Verdict, What};
use super::case::ms;
use super::hand::{Hand, retries, settings};
use crate::gather::event::{EventKind, Reason, Wait};
use crate::gather::limit::{Limit, Needs};
use crate::gather::outcome::{Advice, State};
use std::time::Duration;

fn sync(milliseconds: u64) -> Wait {
    Wait { reason: Reason::Sync, limit: None, duration: ms(milliseconds) }
}

fn set_aside(hand: &mut Hand, item: ItemId) {
    hand.change(|scheduler| scheduler.set_aside(item, Reason::Sync));
}

fn resumed(hand: &mut Hand, job: super::super::JobId) -> Vec<ItemId> {
    let actions = hand.actions(job).into_iter().filter(|action| action.what == What::Resume);
    actions.map(|action| action.item).collect()
}

/// What the events say of an item's starts and ends, in milliseconds.
fn told(hand: &Hand, number: u64) -> Vec<(&'static str, u64, Vec<Wait>)> {
    let told = hand.events.iter().filter_map(|event| {
        let (what, waits) = match &event.kind {
            EventKind::AttemptStarted { item, waits, .. } if *item == number => ("started", waits.clone()),
            EventKind::AttemptEnded { item, .. } if *item == number => ("ended", Vec::new()),
            EventKind::ItemEnded { item, waits, .. } if *item == number => ("over", waits.clone()),
            _ => return None,
        };
        Some((what, event.at.as_millis() as u64, waits))
    });
    told.collect()
}

#[test]
fn an_attempt_that_is_set_aside_holds_nothing_and_its_wait_is_a_gap_with_a_reason() {
    let mut hand = Hand::new(1);
    let job = hand.job(settings());
    let items = hand.submit_many(job, &Needs::none(), 2);
    hand.at(10);
    assert_eq!(hand.started(job), items[..1]);
    set_aside(&mut hand, items[0]);
    assert_eq!(hand.started(job), items[1..], "its slot is the next one's");
    hand.at(25);
    let Verdict::Own(timing) = hand.end(items[0], AttemptEnd::Done) else { panic!("it is done") };
    assert_eq!((timing.running(), timing.ended(), timing.attempts()), (ms(10), ms(25), 1));
    let expected = [("started", 0, vec![]), ("ended", 10, vec![]), ("over", 25, vec![sync(15)])];
    assert_eq!(told(&hand, 0), expected);
}

#[test]
fn it_goes_on_before_those_that_have_not_started_and_as_the_same_attempt() {
    let mut hand = Hand::new(1);
    let job = hand.job(settings());
    let items = hand.submit_many(job, &Needs::none(), 3);
    hand.at(10);
    set_aside(&mut hand, items[0]);
    hand.at(15);
    hand.change(|scheduler| scheduler.want_back(items[0]));
    assert_eq!(resumed(&mut hand, job), [], "the second has the slot");
    hand.at(30);
    hand.done(items[1]);
    assert_eq!(resumed(&mut hand, job), items[..1]);
    hand.at(34);
    let Verdict::Own(timing) = hand.end(items[0], AttemptEnd::Done) else { panic!("it is done") };
    assert_eq!((timing.running(), timing.attempts()), (ms(14), 1));
    let queued = Wait { reason: Reason::Concurrency, limit: Some("run".into()), duration: ms(15) };
    let told = told(&hand, 0);
    assert_eq!(told[1], ("ended", 10, vec![]));
    assert_eq!(told[2], ("started", 30, vec![sync(5), queued]));
    assert_eq!(told[3..], [("ended", 34, vec![]), ("over", 34, vec![])]);
}

#[test]
fn what_fails_while_it_is_set_aside_is_told_once() {
    for end in [AttemptEnd::Failed(Advice::NEVER), AttemptEnd::Aborted, AttemptEnd::Failed(Advice::AGAIN)] {
        let mut hand = Hand::new(1);
        let job = hand.job(Settings { retries: retries(1, 5), ..settings() });
        let item = hand.submit(job, &Needs::none());
        set_aside(&mut hand, item);
        hand.at(3);
        let again = hand.end(item, end.clone()) == Verdict::Again;
        assert_eq!(again, end == AttemptEnd::Failed(Advice::AGAIN));
        let ended = |kind: &EventKind| matches!(kind, EventKind::AttemptEnded { state: State::Done, .. });
        assert_eq!((hand.saw(ended), told(&hand, 0).iter().filter(|told| told.0 == "ended").count()), (1, 1));
        hand.at(8);
        assert_eq!(hand.started(job).len(), 1 + usize::from(again));
    }
}

#[test]
fn it_says_that_its_source_is_up_when_it_is_set_aside_and_not_when_it_ends() {
    let mut hand = Hand::new(9);
    let source = hand.limit(Limit::new("source:a").gate(retries(3, 10)));
    let job = hand.job(Settings { retries: retries(3, 10), ..settings() });
    let items = hand.submit_many(job, &Needs::none().source(source), 3);
    let up = |kind: &EventKind| matches!(kind, EventKind::SourceUp { .. });
    assert_eq!(hand.started(job), items[..1], "one connects for all");
    set_aside(&mut hand, items[0]);
    assert_eq!((hand.saw(up), hand.started(job)), (1, items[1..].to_vec()));
    hand.end(items[1], AttemptEnd::Failed(Advice::SOURCE_AGAIN));
    hand.done(items[0]);
    assert_eq!(hand.saw(up), 1, "it has not been there since the link was lost");
    hand.done(items[2]);
    assert_eq!(hand.saw(up), 2);
}

#[test]
fn a_job_that_is_dropped_ends_those_that_are_set_aside() {
    let mut hand = Hand::new(1);
    let job = hand.job(settings());
    let items = hand.submit_many(job, &Needs::none(), 2);
    set_aside(&mut hand, items[0]);
    hand.change(|scheduler| scheduler.want_back(items[0]));
    let counts = hand.change(|scheduler| scheduler.end_job(job, None));
    assert_eq!((counts.submitted, counts.cancelled), (2, 2));
    let other = hand.job(settings());
    hand.submit(other, &Needs::none());
    assert_eq!(hand.started(other).len(), 1, "nothing is held any more");
    assert_eq!(hand.now, Duration::ZERO);
}
