//! Who is next: fairness, weights, holds, and what is kept of queues and keys.

use super::super::{IDLE_QUEUES, ItemId, JobId, Settings};
use super::case::ms;
use super::hand::{Hand, settings};
use crate::gather::event::EventKind;
use crate::gather::limit::{Limit, LimitId, Needs};
use std::collections::VecDeque;

fn limit(hand: &mut Hand, name: &str, most: u64) -> LimitId {
    hand.limit(Limit::new(name).concurrency(most))
}

/// Lets what runs end one by one, in the order of the starts, each time submitting `more`; how many others had
/// started when the item did.
fn starts_before(hand: &mut Hand, job: JobId, item: ItemId, more: &[Needs]) -> usize {
    let mut running = VecDeque::from(hand.started(job));
    for count in 0..100_000 {
        let first = running.pop_front().expect("something runs");
        for needs in more {
            hand.submit(job, needs);
        }
        hand.done(first);
        running.extend(hand.started(job));
        if running.contains(&item) {
            return count;
        }
    }
    panic!("it starves");
}

#[test]
fn a_heavy_item_starts_though_light_ones_never_end() {
    let mut hand = Hand::new(1000);
    let budget = limit(&mut hand, "budget", 10);
    let job = hand.job(settings());
    let light = Needs::none().and(budget);
    hand.submit_many(job, &light, 30);
    let heavy = hand.submit(job, &Needs::none().and_weight(budget, 10));
    let others = starts_before(&mut hand, job, heavy, &[light]);
    assert!(others <= 40, "{others}");
}

#[test]
fn who_comes_later_does_not_overtake_at_the_same_limit() {
    let mut hand = Hand::new(1000);
    let budget = limit(&mut hand, "budget", 10);
    let job = hand.job(settings());
    let light = Needs::none().and(budget);
    let first = hand.submit(job, &light);
    let heavy = hand.submit(job, &Needs::none().and_weight(budget, 10));
    let late = hand.submit(job, &light);
    assert_eq!(hand.started(job), [first], "there is room for the late one, but not for who is first");
    hand.done(first);
    assert_eq!(hand.started(job), [heavy]);
    hand.done(heavy);
    assert_eq!(hand.started(job), [late]);
}

#[test]
fn an_item_that_needs_three_limits_starts_though_others_take_them_one_by_one() {
    let mut hand = Hand::new(1000);
    let keys = ["a", "b", "c"].map(|name| limit(&mut hand, name, 1));
    let job = hand.job(settings());
    let single = keys.map(|key| Needs::none().and(key));
    for needs in &single {
        hand.submit_many(job, needs, 3);
    }
    let all = keys.iter().fold(Needs::none(), |needs, key| needs.and(*key));
    let item = hand.submit(job, &all);
    let others = starts_before(&mut hand, job, item, &single);
    assert!(others <= 3 * 64 + 10, "{others}");
}

#[test]
fn two_items_that_need_several_limits_each_start_in_bounded_time() {
    let mut hand = Hand::new(1000);
    let keys = ["a", "b", "c"].map(|name| limit(&mut hand, name, 2));
    let job = hand.job(settings());
    let single = keys.map(|key| Needs::none().and(key));
    for needs in &single {
        hand.submit_many(job, needs, 4);
    }
    let heavy = keys.iter().fold(Needs::none(), |needs, key| needs.and_weight(*key, 2));
    let pair = Needs::none().and_weight(keys[0], 2).and(keys[2]);
    hand.submit(job, &pair);
    let item = hand.submit(job, &heavy);
    let others = starts_before(&mut hand, job, item, &[&single[..], &[pair]].concat());
    assert!(others <= 4 * 64 + 40, "{others}");
}

#[test]
fn who_is_held_keeps_nothing_free_at_other_limits() {
    let mut hand = Hand::new(2);
    let source = hand.limit(Limit::new("source:shop").concurrency(1).gate(super::hand::retries(0, 0)));
    let job = hand.job(settings());
    let needs = Needs::none().source(source);
    let first = hand.submit(job, &needs);
    hand.up(first);
    let waiting = hand.submit(job, &needs);
    hand.started(job);
    let queue = hand.scheduler.items[waiting].queue;
    hand.change(|scheduler| scheduler.favoured = Some(queue));
    let other = hand.submit(job, &Needs::none());
    assert_eq!(hand.started(job), [], "the run has room, which is kept free");
    hand.change(|scheduler| scheduler.hold(first, ms(1000)));
    assert_eq!(hand.started(job), [other]);
}

#[test]
fn a_source_with_a_thousand_hosts_takes_no_more_turns_than_one_with_one() {
    let mut hand = Hand::new(4);
    let big = limit(&mut hand, "source:big", 1_000_000);
    let job = hand.job(settings());
    for n in 0..1000 {
        let host = limit(&mut hand, &format!("host:{n}"), 2);
        hand.submit_many(job, &Needs::none().and(big).and(host), 10);
    }
    let small: Vec<JobId> = (0..10)
        .map(|n| {
            let source = limit(&mut hand, &format!("source:{n}"), 2);
            let small = hand.job(settings());
            hand.submit_many(small, &Needs::none().and(source), 10);
            small
        })
        .collect();
    let mut running: VecDeque<ItemId> = hand.started(job).into();
    let mut of_small = 0;
    for _ in 0..132 {
        let first = running.pop_front().expect("something runs");
        hand.done(first);
        running.extend(hand.started(job));
        for small in &small {
            let started = hand.started(*small);
            of_small += started.len();
            running.extend(started);
        }
    }
    assert_eq!(of_small, 100, "a turn each: the small ones are through");
}

#[test]
fn first_come_first_served_within_a_queue() {
    let mut hand = Hand::new(3);
    let job = hand.job(settings());
    let items = hand.submit_many(job, &Needs::none(), 30);
    let mut order = hand.started(job);
    let mut next = 0;
    while let Some(item) = order.get(next).copied() {
        hand.done(item);
        order.extend(hand.started(job));
        next += 1;
    }
    assert_eq!(order, items);
}

#[test]
fn a_resize_leaks_no_room() {
    let mut hand = Hand::new(100);
    let source = hand.limit(Limit::new("source:shop").concurrency(10).gate(super::hand::retries(0, 0)));
    let job = hand.job(settings());
    let heavy = hand.submit(job, &Needs::none().and_weight(source, 8).source(source));
    let light = Needs::none().source(source);
    hand.up(heavy);
    hand.change(|scheduler| scheduler.resize(heavy, 4));
    hand.actions(job);
    hand.submit_many(job, &light, 6);
    assert_eq!(hand.started(job), [], "8 of 4 are taken");
    hand.done(heavy);
    let started = hand.started(job);
    assert_eq!(started.len(), 4);
    hand.change(|scheduler| scheduler.resize(started[0], 5));
    assert_eq!(hand.started(job).len(), 1);
}

#[test]
fn queues_of_hosts_that_are_through_are_forgotten() {
    let mut hand = Hand::new(100);
    let job = hand.job(settings());
    for n in 0..5000 {
        let host = limit(&mut hand, &format!("host:{n}"), 1);
        let item = hand.submit(job, &Needs::none().and(host));
        hand.done(item);
    }
    assert!(hand.scheduler.jobs[job].queues.len() <= IDLE_QUEUES);
    assert!(hand.scheduler.queues.iter().count() <= IDLE_QUEUES);
}

#[test]
fn queues_that_are_in_use_stay_however_many_there_are() {
    let mut hand = Hand::new(100);
    let job = hand.job(settings());
    let hosts: Vec<LimitId> = (0..5000).map(|n| limit(&mut hand, &format!("host:{n}"), 1)).collect();
    for host in hosts {
        hand.submit(job, &Needs::none().and(host));
    }
    let mut running: VecDeque<ItemId> = hand.started(job).into();
    while let Some(item) = running.pop_front() {
        hand.done(item);
        running.extend(hand.started(job));
    }
    assert_eq!(hand.change(|scheduler| scheduler.end_job(job, None)).done, 5000);
}

#[test]
fn keys_of_jobs_that_are_over_are_used_again_and_begin_empty() {
    let mut hand = Hand::new(100);
    for n in 0..1000 {
        let job = hand.job(Settings { concurrency: Some(1 + n % 3), ..settings() });
        hand.submit_many(job, &Needs::none(), 5);
        assert_eq!(hand.started(job).len() as u64, 1 + n % 3);
        hand.change(|scheduler| scheduler.end_job(job, None));
    }
    assert_eq!(hand.scheduler.keys.len(), 2);
}

#[test]
fn a_wait_is_told_with_the_limit_that_it_was_for() {
    let mut hand = Hand::new(100);
    let slow = limit(&mut hand, "limit:slow", 1);
    let job = hand.job(settings());
    let items = hand.submit_many(job, &Needs::none().and(slow), 2);
    hand.at(40);
    hand.done(items[0]);
    let told = hand.saw(|kind| match kind {
        EventKind::AttemptStarted { item: 1, waits, .. } => {
            matches!(&waits[..], [wait] if wait.limit.as_deref() == Some("limit:slow") && wait.duration == ms(40))
        }
        _ => false,
    });
    assert_eq!(told, 1);
}

#[test]
fn what_an_item_takes_is_told_when_it_is_not_what_the_one_before_took() {
    let mut hand = Hand::new(9);
    let shop = hand.limit(Limit::new("source:shop").concurrency(3));
    let disk = hand.limit(Limit::new("limit:disk").concurrency(5));
    let job = hand.job(Settings { name: "sales".into(), concurrency: Some(2), ..settings() });
    let both = Needs::none().source(shop).and_weight(disk, 4);
    hand.submit_many(job, &both, 2);
    hand.submit_many(job, &Needs::none().source(shop), 2);
    hand.submit(job, &both);
    let plain = hand.job(settings());
    hand.submit_many(plain, &Needs::none(), 2);
    let told = hand.events.iter().filter_map(|event| match &event.kind {
        EventKind::ItemQueued { item, limits: Some(limits), .. } => {
            let uses = limits.iter().map(|of| format!("{} {}", of.limit, of.weight));
            Some((*item, uses.collect::<Vec<_>>().join(", ")))
        }
        _ => None,
    });
    let all = "job:sales 1, source:shop 1, limit:disk 4";
    let told: Vec<_> = told.collect();
    let expected = [(0, all), (2, "job:sales 1, source:shop 1"), (4, all)];
    assert_eq!(told, expected.map(|(item, uses)| (item, uses.to_owned())));
}
