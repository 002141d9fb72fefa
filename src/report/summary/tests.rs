use super::summary;
use crate::gather::{Brought, Cause, Change, Event, EventKind, State};
use crate::report::story::{Story, classic, files, forty, mixed};
use crate::report::{Style, Timeline, line};

fn of(events: &[Event]) -> String {
    line::render(&summary(&Timeline::of(events), &Style::default()), &Style::default())
}

#[test]
fn the_classic_example() {
    insta::assert_snapshot!(of(&classic(true)), @r#"
    wall      7.01 s · sum 7.00 s · overlap 1.00x · peak 1 of 1
              no faster than 7.00 s: the run at 1
              critical path (100 %): function1 -> function2 -> function3
    waited    8.01 s  for run (concurrency 1), 2 times
    3 items: 3 done
    "#);
    insta::assert_snapshot!(of(&classic(false)), @r#"
    wall      4.00 s · sum 7.00 s · overlap 1.75x · peak 3 of 1,024
              critical path (100 %): function2
    3 items: 3 done
    "#);
}

#[test]
fn several_sources_waits_a_failure_with_its_hint_and_a_source_that_is_down() {
    insta::assert_snapshot!(of(&mixed()), @r#"
    wall      3.21 s · sum 11.4 s · overlap 3.57x · peak 6 of 1,024
              no faster than 2.80 s: invoices[2026/b.csv]
              critical path (100 %): invoices[2026/a.csv] -> invoices[2026/b.csv]
      partner  peak 2 of 256 · mean 1.31 · 1 % used · 2 items · 27.0 MiB
      shop     peak 2 of 2 · mean 1.85 · 66 % used · 3 items · 80.6 KiB · 1,212 rows
      rates    peak 2 of 16 · mean 1.08 · 5 % used · 2 items · 1.57 KiB
      depot    peak 1 of 8 · mean 1.00 · 1 % used · 2 items
    waited    1.20 s  for source:shop (concurrency 2), 1 time
              1.00 s  before another attempt, 1 time
              400 ms  for source:partner to be connected, 1 time
    slowest   2.80 s invoices[2026/b.csv] · 2.30 s fx[USD] in 2 attempts
              1.95 s sales[emea] · 1.50 s fx[EUR] · 1.40 s invoices[2026/a.csv]
    received  27.1 MiB (8.44 MiB/s) · 1,212 rows (378/s) · outputs: 6 new
    NOT STARTED  depot (2 items)  login refused for user "acme" at
                 depot.example:5432
    FAILED       sales[apac]  query on shop: column "amonut" does not exist (42703)
                 at line 3
                 (did you mean "amount"?)
    9 items: 6 done, 2 not started, 1 failed
    "#);
}

#[test]
fn the_same_reason_is_said_once() {
    insta::assert_snapshot!(of(&forty()), @r#"
    wall      12.1 s · sum 1 m 23 s · overlap 6.82x · peak 8 of 1,024
              no faster than 10.3 s: source shop at 8
              critical path (100 %): sales[report-05] -> sales[report-09] -> … 2
              more -> sales[report-39]
      shop    peak 8 of 8 · mean 6.82 · 85 % used · 40 items
    waited    2 m 35 s  for source:shop (concurrency 8), 32 times
    slowest   3.60 s sales[report-03] · 3.60 s sales[report-14]
              3.60 s sales[report-25] · 3.60 s sales[report-36]
    FAILED  sales[report-05]  query report-05 on shop: canceling statement due to
            lock timeout (55P03)
            … and 2 more: sales[report-18], sales[report-31]
    40 items: 37 done, 3 failed
    "#);
}

#[test]
fn of_many_reasons_the_most_frequent_are_told_and_the_others_counted() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for item in 0..1000 {
        let why =
            if item % 5 == 4 { "no route to host".to_owned() } else { format!("status 500: id {item}x") };
        story.queue(0.0, 0, item, Some(&format!("k{item}")));
        story.end(0.0, 0, item, State::Failed, Some(&why), Brought::default());
    }
    let text = of(&story.finish(1.0, 1));
    assert_eq!(text.matches("FAILED").count(), 12, "{text}");
    let told = ["FAILED  a[k4]  no route to host\n", "… and 199 more: a[k9]", "FAILED  a[k12]"];
    assert!(told.iter().all(|part| text.contains(part)), "{text}");
    let end =
        "… and 789 more items for other reasons (all: fanout show --as junit)\n1,000 items: 1,000 failed\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn pages_of_a_listing_are_not_counted_but_their_time_is() {
    insta::assert_snapshot!(of(&files(100)), @r#"
    wall      566 ms · sum 7.61 s · overlap 13.45x · peak 64 of 1,024
              no faster than 474 ms: chain inbox: page 1 -> inbox[out/00006.csv]
              critical path (97 %): inbox: page 1 -> inbox[out/00035.csv] ->
              inbox[out/00099.csv]
      partner  peak 64 of 64 · mean 13.45 · 21 % used · 100 items · 1.56 MiB
    waited    3.92 s  for source:partner (concurrency 64), 100 times
    slowest   400 ms inbox: page 1 · 74 ms inbox[out/00006.csv]
              74 ms inbox[out/00007.csv] · 74 ms inbox[out/00008.csv]
    received  1.56 MiB (2.76 MiB/s)
    100 items: 100 done
    "#);
}

#[test]
fn a_run_that_was_stopped_and_one_that_was_cut() {
    let mut story = Story::new(&[("fx", "http", Some("rates"), true)], &[]);
    (0..5).for_each(|item| {
        story.queue(0.0, 0, item, Some(&format!("k{item}")));
    });
    story.start(0.0, (0, 0, 1), 0, &[]);
    insta::assert_snapshot!(of(&story.events), @r#"
    wall      0 s · sum 0 s · overlap 0.00x · peak 1
      rates   peak 1 · mean 0.00 · 5 items
    5 items · the run has not ended
    "#);
    story.tell(1.0, EventKind::Cancelling { job: None, cause: Cause::Signal(2) });
    story.stop(1.0, 0, 0, State::Cancelled, None);
    story.end(1.0, 0, 0, State::Cancelled, Some("interrupted"), Brought::default());
    (1..5).for_each(|item| {
        story.end(1.0, 0, item, State::NotStarted, Some("interrupted"), Brought::default());
    });
    insta::assert_snapshot!(of(&story.finish(1.0, 130)), @r#"
    wall      1.00 s · sum 1.00 s · overlap 1.00x · peak 1
      rates   peak 1 · mean 1.00 · 5 items
    NOT STARTED  4 items  interrupted
    CANCELLED    fx[k0]  interrupted
    5 items: 4 not started, 1 cancelled · stopped: interrupted
    "#);
}

#[test]
fn outputs_are_counted_by_what_became_of_them() {
    let mut story = Story::new(&[("inbox", "sftp", Some("partner"), true)], &[]);
    let changes = [Some(Change::New), Some(Change::Changed), Some(Change::Changed), Some(Change::Same), None];
    for (item, change) in (0..).zip(changes) {
        story.queue(0.0, 0, item, Some(&format!("f{item}")));
        let (state, why) =
            if change.is_none() { (State::Skipped, Some("unchanged")) } else { (State::Done, None) };
        story.end(2.0, 0, item, state, why, Brought { bytes: 1000, rows: 3, change, ..Brought::default() });
    }
    story.tell(2.0, EventKind::Warning { message: "the clock of partner is 3 h ahead".into() });
    insta::assert_snapshot!(of(&story.finish(2.0, 0)), @r#"
    wall      2.00 s
    received  4.88 KiB (2.44 KiB/s) · 15 rows (8/s)
    outputs   1 new, 2 changed, 1 same, 1 unchanged
    note      the clock of partner is 3 h ahead
    5 items: 4 done, 1 skipped
    "#);
}

#[test]
fn ten_thousand_items_are_summed_up_in_a_dozen_lines() {
    let lines = of(&files(9_999));
    assert!(lines.lines().count() <= 14, "{lines}");
    insta::assert_snapshot!(lines, @r#"
    wall      11.6 s · sum 11 m 51 s · overlap 61.54x · peak 64 of 1,024
              no faster than 11.1 s: source partner at 64
              critical path (100 %): inbox: page 1 -> inbox[out/00014.csv] -> … 155
              more -> inbox[out/09998.csv]
      partner  peak 64 of 64 · mean 61.54 · 96 % used · 9,999 items · 156 MiB
    waited    15 h 23 m  for source:partner (concurrency 64), 9,999 times
    slowest   400 ms inbox: page 1 · 74 ms inbox[out/00006.csv]
              74 ms inbox[out/00007.csv] · 74 ms inbox[out/00008.csv]
    received  156 MiB (13.5 MiB/s)
    9,999 items: 9,999 done
    "#);
}
