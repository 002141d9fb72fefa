use super::{BEAT, LOST, Plain};
use crate::gather::{Brought, Cause, Event, EventKind, State};
use crate::report::Style;
use crate::report::story::{Story, classic, files, forty, mixed, s};

/// What is written for events, with a tick at each.
fn write(events: &[Event]) -> String {
    let mut out = Vec::new();
    let mut plain = Plain::new(&mut out, Style::default());
    for event in events {
        plain.tick(event.at).unwrap();
        plain.add(event).unwrap();
    }
    plain.finish().1.unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_plain_job_has_a_line_when_it_ends() {
    insta::assert_snapshot!(write(&classic(false)), @r#"
    done         function3  1.00 s
    done         function1  2.00 s
    done         function2  4.00 s
    "#);
}

#[test]
fn of_many_items_only_the_lost_ones_have_a_line_and_a_source_that_is_down_one() {
    insta::assert_snapshot!(write(&mixed()), @r#"
    note         source:depot can't be used, its items do not start: login refused
                 for user "acme" at depot.example:5432
    FAILED       sales[apac]  query on shop: column "amonut" does not exist (42703)…
    "#);
}

#[test]
fn every_item_has_a_line_where_that_is_asked_for() {
    let mut out = Vec::new();
    let mut plain = Plain::new(&mut out, Style::default()).verbose(true);
    forty().iter().for_each(|event| plain.add(event).unwrap());
    drop(plain);
    let lines = String::from_utf8(out).unwrap();
    assert!((0..40).all(|n| lines.contains(&format!("sales[report-{n:02}]"))), "{lines}");
}

#[test]
fn what_runs_is_said_every_ten_seconds() {
    insta::assert_snapshot!(write(&forty()), @r#"
    FAILED       sales[report-05]  query report-05 on shop: canceling statement due…
    FAILED       sales[report-18]  query report-18 on shop: canceling statement due…
    10.0 s       33/40 done, 2 not done, 5 running: sales[report-31] 2.98 s query,
                 sales[report-34] 2.62 s query, sales[report-36] 2.12 s query and 2
                 more
    FAILED       sales[report-31]  query report-31 on shop: canceling statement due…
    "#);
}

#[test]
fn two_ticks_within_ten_seconds_say_it_once() {
    let mut out = Vec::new();
    let mut plain = Plain::new(&mut out, Style::default());
    for seconds in [9.0, 10.0, 15.0, 19.9] {
        plain.tick(s(seconds)).unwrap();
    }
    plain.tick(BEAT * 3).unwrap();
    drop(plain);
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 2);
}

#[test]
fn ten_thousand_files_take_one_line_in_ten_seconds() {
    insta::assert_snapshot!(write(&files(10_000)), @r#"
    10.0 s       8,595/10,000 done, 64 running: inbox[out/08595.csv] 74 ms,
                 inbox[out/08596.csv] 70 ms, inbox[out/08597.csv] 70 ms and 61 more
    "#);
}

#[test]
fn lines_on_lost_items_are_bounded() {
    let mut story = Story::new(&[("fx", "http", Some("rates"), true)], &[]);
    for item in 0..1000 {
        story.queue(0.0, 0, item, Some(&format!("k{item}")));
        story.end(0.0, 0, item, State::Failed, Some("500"), Brought::default());
    }
    let text = write(&story.finish(1.0, 1));
    assert_eq!(text.lines().count() as u64, LOST + 1);
    assert!(text.ends_with("further ones of this job are in the summary\n"), "{text}");
}

#[test]
fn a_stopped_run_says_so_once() {
    let mut story = Story::new(&[("fx", "http", Some("rates"), true)], &[]);
    (0..50).for_each(|item| {
        story.queue(0.0, 0, item, Some(&format!("k{item}")));
    });
    story.tell(1.0, EventKind::Cancelling { job: None, cause: Cause::Signal(2) });
    (0..50).for_each(|item| {
        story.end(1.0, 0, item, State::NotStarted, Some("interrupted"), Brought::default());
    });
    insta::assert_snapshot!(write(&story.finish(1.0, 130)), @"note         stopping: interrupted");
}
