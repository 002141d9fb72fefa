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
    wall      7.01 s · sum 7.00 s · overlap 1.00x
    at once   peak 1 of 1 · mean 1.00
    waited    8.01 s  for run (concurrency 1), 2 times
    3 items: 3 done
    "#);
    insta::assert_snapshot!(of(&classic(false)), @r#"
    wall      4.00 s · sum 7.00 s · overlap 1.75x
    at once   peak 3 of 1,024 · mean 1.75
    3 items: 3 done
    "#);
}

#[test]
fn several_sources_waits_a_failure_with_its_hint_and_a_source_that_is_down() {
    insta::assert_snapshot!(of(&mixed()), @r#"
    wall      3.21 s · sum 11.4 s · overlap 3.57x
    at once   peak 6 of 1,024 · mean 3.57
      partner  peak 2 of 256 · mean 1.31 · 2 items · 27.0 MiB
      shop     peak 2 of 2 · mean 1.85 · 3 items · 80.6 KiB · 1,212 rows
      rates    peak 2 of 16 · mean 1.08 · 2 items · 1.57 KiB
      depot    peak 1 of 8 · mean 1.00 · 2 items
    waited    1.20 s  for source:shop (concurrency 2), 1 time
              1.00 s  before another attempt, 1 time
              400 ms  for source:partner to be connected, 1 time
              300 ms  for source:rates (rate), 1 time
              150 ms  for source:shop to be connected, 1 time
    slowest   2.80 s  invoices[2026/b.csv]
              2.30 s  fx[USD] (1.30 s running in 2 attempts)
              1.95 s  sales[emea]
              1.50 s  fx[EUR]
              1.40 s  invoices[2026/a.csv]
    received  27.1 MiB (8.44 MiB/s) · 1,212 rows (378/s)
    outputs   6 new
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
    wall      12.1 s · sum 1 m 23 s · overlap 6.82x
    at once   peak 8 of 1,024 · mean 6.82
      shop    peak 8 of 8 · mean 6.82 · 40 items
    waited    2 m 35 s  for source:shop (concurrency 8), 32 times
    slowest   3.60 s  sales[report-03]
              3.60 s  sales[report-14]
              3.60 s  sales[report-25]
              3.60 s  sales[report-36]
              3.29 s  sales[report-06]
    FAILED  sales[report-05]  query report-05 on shop: canceling statement due to
            lock timeout (55P03)
            … and 2 more: sales[report-18], sales[report-31]
    40 items: 37 done, 3 failed
    "#);
}

#[test]
fn pages_of_a_listing_are_not_counted_but_their_time_is() {
    insta::assert_snapshot!(of(&files(100)), @r#"
    wall      566 ms · sum 7.61 s · overlap 13.45x
    at once   peak 64 of 1,024 · mean 13.45
      partner  peak 64 of 64 · mean 13.45 · 100 items · 1.56 MiB
    waited    3.92 s  for source:partner (concurrency 64), 100 times
    slowest   400 ms  inbox: page 1
               74 ms  inbox[out/00006.csv]
               74 ms  inbox[out/00007.csv]
               74 ms  inbox[out/00008.csv]
               74 ms  inbox[out/00009.csv]
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
    wall      0 s · sum 0 s · overlap 0.00x
    at once   peak 1 · mean 0.00
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
    wall      1.00 s · sum 1.00 s · overlap 1.00x
    at once   peak 1 · mean 1.00
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
    outputs   1 new · 2 changed · 1 same · 1 unchanged
    note      the clock of partner is 3 h ahead
    5 items: 4 done, 1 skipped
    "#);
}
