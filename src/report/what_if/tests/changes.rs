//! How changes are written, and what is said of them.

use super::super::{Change, text, what_if};
use crate::gather::EventKind;
use crate::report::story::{forty, mixed};
use crate::report::{Style, Timeline};

fn wrong(text: &str) -> String {
    text.parse::<Change>().unwrap_err().to_string()
}

#[test]
fn a_change_is_written_as_it_was_read() {
    for text in [
        "limits.concurrency=64",
        "limits.warehouse.concurrency=4",
        "sources.my.shop.concurrency=12",
        "sources.api.rate=20/s",
        "jobs.sales.rate=5/m",
        "jobs.sales.concurrency=1",
    ] {
        assert_eq!(text.parse::<Change>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_change_says_what_to_write() {
    insta::assert_snapshot!(wrong("shop"), @r#"
    shop: `=` is missing
    (such as sources.NAME.concurrency=12, sources.NAME.rate=20/s or limits.concurrency=64)
    "#);
    insta::assert_snapshot!(wrong("source.shop.concurrency=3"), @r#"
    source.shop.concurrency=3: names no limit
    (did you mean `sources`?)
    "#);
    insta::assert_snapshot!(wrong("sources.concurrency=3"), @r#"
    sources.concurrency=3: names no limit
    (write sources.NAME.concurrency=N)
    "#);
    insta::assert_snapshot!(wrong("limits..concurrency=3"), @r#"
    limits..concurrency=3: names no limit
    (write limits.NAME.concurrency=N)
    "#);
    insta::assert_snapshot!(wrong("sources.shop.concurency=3"), @r#"
    sources.shop.concurency=3: unknown key
    (did you mean `concurrency`?)
    "#);
    insta::assert_snapshot!(wrong("sources.shop.concurrency=0"), @r#"sources.shop.concurrency=0: must be a whole number from 1 on, not "0""#);
    insta::assert_snapshot!(wrong("sources.shop.rate=20"), @r#"sources.shop.rate=20: 20 needs a unit: write a rate such as "20/s" or "100/m""#);
    insta::assert_snapshot!(wrong("limits.rate=20/s"), @"limits.rate=20/s: a run as a whole has no rate");
}

/// What is said of a change.
fn said(timeline: &Timeline, change: &str) -> String {
    let style = Style::default();
    text(timeline, &[change.parse().unwrap()], &style).unwrap_or_else(|error| error.to_string())
}

#[test]
fn a_name_that_the_run_did_not_have_is_an_error_with_a_suggestion() {
    let timeline = Timeline::of(&forty());
    insta::assert_snapshot!(said(&timeline, "sources.shpo.concurrency=3"), @r#"
    sources.shpo.concurrency=3: the run had no source "shpo"
    (did you mean `shop`?)
    "#);
    insta::assert_snapshot!(said(&timeline, "jobs.sale.concurrency=3"), @r#"
    jobs.sale.concurrency=3: the run had no job "sale"
    (did you mean `sales`?)
    "#);
    insta::assert_snapshot!(said(&timeline, "limits.disk.concurrency=3"), @r#"limits.disk.concurrency=3: the run had no limit "disk""#);
}

#[test]
fn names_that_the_run_knows_are_made_visible() {
    let mut timeline = Timeline::of(&forty());
    timeline.info.sources[0].name = "ra\x1b[31mtes\n\u{202e}".into();
    insta::assert_snapshot!(said(&timeline, "sources.zzz.concurrency=3"), @r#"
    sources.zzz.concurrency=3: the run had no source "zzz"
    (known: ra\x1b[31mtes\n\u{202e})
    "#);
}

#[test]
fn a_change_is_said_in_words() {
    let timeline = Timeline::of(&forty());
    insta::assert_snapshot!(said(&timeline, "sources.shop.concurrency=12"), @r#"
    what if   sources.shop.concurrency 8 -> 12
              peak 8 -> 12
    wall      12.1 s -> about 8.82 s (27 % less), if the server holds
    "#);
    insta::assert_snapshot!(said(&timeline, "limits.concurrency=2"), @r#"
    what if   limits.concurrency 1024 -> 2
              peak 8 -> 2
    wall      12.1 s -> about 42.7 s (253 % more), if the servers hold
    "#);
    insta::assert_snapshot!(said(&Timeline::of(&mixed()), "sources.rates.rate=1/s"), @r#"
    what if   sources.rates.rate none -> 1/s
              peak 2 -> 2
    wall      3.21 s -> about 3.31 s (3 % more), if the server holds
    "#);
}

#[test]
fn what_the_log_lacks_is_said() {
    let events = forty();
    let cut = Timeline::of(&events[..events.len() - 1]);
    insta::assert_snapshot!(what_if(&cut, &[]).unwrap_err(), @"the run has not ended: what it takes is not known");
    let mut dropped = Timeline::with_detail(30);
    events.iter().for_each(|event| dropped.add(event));
    insta::assert_snapshot!(what_if(&dropped, &[]).unwrap_err(), @"the run is too long: not all of its items are kept in detail");
    let mut old = events;
    for event in &mut old {
        if let EventKind::ItemQueued { limits, .. } = &mut event.kind {
            *limits = None;
        }
    }
    insta::assert_snapshot!(what_if(&Timeline::of(&old), &[]).unwrap_err(), @r#"
    the log does not say which limits its items take
    (an older fanout wrote it: run the plan again)
    "#);
}
