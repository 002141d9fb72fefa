use super::{bound, path};
use crate::gather::{Reason, State};
use crate::report::Timeline;
use crate::report::real::{Case, OneItem, OneJob, OneLimit, Then, Try, cases, config};
use crate::report::story::{Story, classic, files, forty, turn, wait};
use proptest::prelude::*;

/// The labels of the path, and how much of the time it is.
fn told(timeline: &Timeline) -> String {
    let path = path(timeline).unwrap();
    let labels: Vec<_> = path.steps.iter().map(|step| timeline.label(step.item)).collect();
    format!("{} ({:.0} %)", labels.join(" -> "), path.share * 100.0)
}

fn bounded(timeline: &Timeline) -> String {
    let bound = bound(timeline).unwrap();
    format!("{:?}: {}", bound.time, bound.by)
}

fn done(runs: u64) -> OneItem {
    OneItem { tries: vec![Try(runs, Then::Done)], ..OneItem::default() }
}

fn job(needs: &[usize], items: Vec<OneItem>) -> OneJob {
    OneJob { needs: needs.to_vec(), items, ..OneJob::default() }
}

#[test]
fn the_path_leads_through_needs() {
    let jobs = vec![
        job(&[], vec![done(300), done(900)]),
        job(&[], vec![done(700)]),
        job(&[0, 1], vec![done(500), done(400)]),
        job(&[2], vec![done(100)]),
    ];
    let timeline = Case { most: 99, limits: Vec::new(), jobs }.run();
    assert_eq!(told(&timeline), "j0 -> j2 -> j3 (100 %)");
    assert_eq!(bounded(&timeline), "1.5s: chain j0 -> j2 -> j3");
}

#[test]
fn the_path_leads_through_the_item_that_freed_the_slot() {
    let timeline = Timeline::of(&classic(true));
    assert_eq!(told(&timeline), "function1 -> function2 -> function3 (100 %)");
    assert_eq!(bounded(&timeline), "7.004s: the run at 1");
    let timeline = Timeline::of(&forty());
    let last =
        "sales[report-05] -> sales[report-09] -> sales[report-20] -> sales[report-32] -> sales[report-39]";
    assert_eq!(told(&timeline), format!("{last} (100 %)"));
    assert_eq!(bounded(&timeline), "10.3275s: source shop at 8");
}

#[test]
fn the_path_leads_through_the_page_that_listed_an_item() {
    let timeline = Timeline::of(&files(3));
    assert_eq!(told(&timeline), "inbox: page 1 -> inbox[out/00002.csv] (100 %)");
    assert_eq!(bounded(&timeline), "458.5ms: chain inbox: page 1 -> inbox[out/00002.csv]");
}

#[test]
fn the_path_leads_through_the_item_that_connected_the_source() {
    let at = |runs| OneItem { source: Some(0), ..done(runs) };
    let source = OneLimit { concurrency: Some(9), connects: Some(400), every: None };
    let jobs = vec![job(&[], vec![at(500), at(600), at(300)])];
    let timeline = Case { most: 99, limits: vec![source], jobs }.run();
    let path = path(&timeline).unwrap();
    let steps: Vec<_> = path.steps.iter().map(|step| (step.item.number, step.time.as_millis())).collect();
    assert_eq!((steps, path.share), (vec![(0, 400), (1, 600)], 1.0));
}

#[test]
fn pauses_and_rates_are_on_the_path_and_no_part_of_it() {
    let mut story = Story::new(&[("fx", "http", Some("rates"), true)], &[("run", 64), ("source:rates", 1)]);
    story.queue(0.0, 0, 0, Some("EUR")).queue(0.0, 0, 1, Some("USD"));
    story.start(0.0, (0, 0, 1), 0, &[]).done(2.0, 0, 0);
    story.start(2.0, (0, 1, 1), 0, &[turn("source:rates", 2.0)]).stop(3.0, 0, 1, State::Failed, Some(4.0));
    let rate = wait(Reason::Rate, 1.0);
    story.start(8.0, (0, 1, 2), 0, &[wait(Reason::Retry, 4.0), rate]).done(10.0, 0, 1);
    let timeline = Timeline::of(&story.finish(10.0, 0));
    assert_eq!(told(&timeline), "fx[EUR] -> fx[USD] -> fx[USD] (50 %)");
    assert_eq!(bounded(&timeline), "7s: fx[USD]");
}

#[test]
fn the_path_leads_through_who_made_room_for_an_item_that_was_not_looked_at() {
    let limits = [1, 1].map(|most| OneLimit { concurrency: Some(most), ..OneLimit::default() }).to_vec();
    let at = |limit, runs| OneItem { limits: vec![limit], ..done(runs) };
    let items = [vec![at(0, 10); 300], vec![at(1, 5000)]].concat();
    let timeline = Case { most: 999, limits, jobs: vec![job(&[], items)] }.run();
    let path = path(&timeline).unwrap();
    let numbers: Vec<_> = path.steps.iter().map(|step| step.item.number).collect();
    // The last one came when the 45th started: 256 were left.
    assert_eq!((numbers.len(), numbers[..3].to_vec(), numbers[44]), (45, vec![0, 1, 2], 300));
    assert_eq!(path.share, 1.0);
}

#[test]
fn a_rate_bounds_a_run_by_its_starts() {
    let limit = OneLimit { every: Some(100), ..OneLimit::default() };
    let at = |runs| OneItem { limits: vec![0], ..done(runs) };
    let timeline = Case { most: 99, limits: vec![limit], jobs: vec![job(&[], vec![at(50); 31])] }.run();
    assert_eq!(bounded(&timeline), "3s: limit l0 at 1/100ms");
}

#[test]
fn what_is_not_whole_has_neither() {
    let events = forty();
    let cut = Timeline::of(&events[..events.len() - 1]);
    assert_eq!((path(&cut), bound(&cut)), (None, None));
    let mut dropped = Timeline::with_detail(9);
    events.iter().for_each(|event| dropped.add(event));
    assert_eq!((path(&dropped), bound(&dropped)), (None, None));
}

/// Only limits on how much runs at once: nothing waits for a time.
fn only_concurrency(mut case: Case) -> Case {
    case.limits.iter_mut().for_each(|limit| (limit.every, limit.connects) = (None, None));
    for job in &mut case.jobs {
        job.every = None;
        for item in &mut job.items {
            item.limits.extend(item.source.take());
            item.tries = item.tries.split_off(item.tries.len() - 1);
        }
    }
    case
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_run_is_faster_than_its_bound_and_its_path_is_no_longer_than_it(case in cases()) {
        let timeline = case.run();
        if let Some(bound) = bound(&timeline) {
            prop_assert!(bound.time <= timeline.wall(), "{bound:?} {:?}", timeline.wall());
        }
        if let Some(path) = path(&timeline) {
            let ends = path.steps.iter().map(|step| step.item.attempts[step.attempt].start + step.time);
            let starts = path.steps.iter().skip(1).map(|step| step.item.attempts[step.attempt].start);
            prop_assert!(ends.zip(starts).all(|(end, start)| end <= start));
            prop_assert!(path.share <= 1.0 + 1e-9);
        }
    }

    #[test]
    fn where_only_room_is_waited_for_the_path_fills_the_run(case in cases().prop_map(only_concurrency)) {
        let timeline = case.run();
        if let Some(path) = path(&timeline) {
            prop_assert!((path.share - 1.0).abs() < 1e-9, "{}", told(&timeline));
        }
    }

    #[test]
    fn a_log_that_lacks_lines_harms_nothing(missing in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut events = forty();
        for at in missing {
            events.remove(at.index(events.len() - 1));
        }
        let timeline = Timeline::of(&events);
        let _ = (path(&timeline), bound(&timeline));
    }
}
