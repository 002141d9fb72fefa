//! What is advised unasked, and when nothing is.

use super::super::{MOST_ATTEMPTS, advice};
use crate::report::real::{Case, OneItem, OneJob, OneLimit, Then, Try};
use crate::report::{Style, Timeline, line};

/// So many items of a source, each so long.
fn case(most: u64, lengths: &[u64]) -> Case {
    let item =
        |runs: &u64| OneItem { source: Some(0), tries: vec![Try(*runs, Then::Done)], ..OneItem::default() };
    let source = OneLimit { concurrency: Some(most), connects: Some(10), every: None };
    let job = OneJob { items: lengths.iter().map(item).collect(), ..OneJob::default() };
    Case { most: 1024, limits: vec![source], jobs: vec![job] }
}

fn said(timeline: &Timeline) -> String {
    let style = Style::default();
    advice(timeline).map_or_else(String::new, |advice| line::render(&advice.lines(&style), &style))
}

#[test]
fn the_smallest_change_with_most_of_the_gain_is_advised() {
    insta::assert_snapshot!(said(&case(8, &[1000; 96]).run()), @r#"
    raise sources.l0.concurrency 8 -> 16: about 12.0 s -> 6.01 s, if the server
    holds
    "#);
    // The longest item leaves no use for a fourth slot.
    insta::assert_snapshot!(said(&case(2, &[9000, 3000, 3000, 3000, 3000, 3000, 3000]).run()), @"raise sources.l0.concurrency 2 -> 3: about 15.0 s -> 9.01 s, if the server holds");
}

#[test]
fn what_hardly_helps_is_not_advised() {
    let mut lengths = vec![1000; 20];
    lengths[0] = 9800;
    assert_eq!(said(&case(3, &lengths).run()), "");
    assert_eq!(said(&case(50, &[1000; 20]).run()), "");
}

#[test]
fn a_rate_of_the_plan_is_advised_and_never_one_that_the_server_asks_for() {
    let mut rated = case(64, &[400; 40]);
    rated.limits[0].every = Some(100);
    insta::assert_snapshot!(said(&rated.run()), @r#"
    raise sources.l0.rate 1/100ms -> 2/100ms: about 4.30 s -> 2.35 s, if the server
    holds
    "#);
    rated.jobs[0].items[20].tries = vec![Try(400, Then::Held(500)), Try(400, Then::Done)];
    assert_eq!(said(&rated.run()), "");
}

#[test]
fn one_at_a_time_is_what_was_asked_for() {
    let mut case = case(8, &[1000; 30]);
    case.most = 1;
    assert_eq!(said(&case.run()), "");
    case.most = 2;
    insta::assert_snapshot!(said(&case.run()), @"raise limits.concurrency 2 -> 4: about 15.0 s -> 8.01 s, if the servers hold");
}

#[test]
fn a_long_run_is_not_played_again_unasked() {
    let lengths = vec![10; MOST_ATTEMPTS as usize];
    assert_ne!(said(&case(8, &lengths).run()), "");
    assert_eq!(said(&case(8, &[lengths, vec![10]].concat()).run()), "");
}
