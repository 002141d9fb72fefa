mod reader;

use super::{ARROWS, WAITS, trace};
use crate::gather::{Brought, Event, EventKind, Reason, Role, State};
use crate::report::Timeline;
use crate::report::story::{Story, classic, files, forty, mixed, s, turn, wait};
use crate::report::tests::near;
use proptest::prelude::*;
use reader::{Read, read};
use std::time::Duration;

/// The log of a run as it was recorded: HTTP calls with a rate, retries and a failure, jobs that need each other.
const RECORDED: &str = include_str!("tests/recorded.jsonl");

fn recorded() -> Vec<Event> {
    let mut reader = crate::report::log::Reader::new(RECORDED.as_bytes());
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    assert_eq!(reader.notes().lines(), Vec::<String>::new());
    events
}

fn text(timeline: &Timeline) -> String {
    let mut out = Vec::new();
    trace(timeline, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Reads the trace of a run by the rules of the format, and holds its numbers against the timeline's.
fn checked(events: &[Event]) -> Read {
    let timeline = Timeline::of(events);
    let read = read(&text(&timeline)).unwrap();
    let sum: u64 = read.attempts.iter().map(|slice| slice.end - slice.start).sum();
    assert_eq!(Duration::from_micros(sum), timeline.running.sum(timeline.now));
    let ran = timeline.running.sum(timeline.now).as_secs_f64();
    assert!(
        (read.area(1, "running") - ran).abs() < 1e-6 * (1.0 + ran),
        "{} of {ran}",
        read.area(1, "running")
    );
    read
}

/// The same, source by source: for logs in which jobs keep their source.
fn whole(events: &[Event]) -> Read {
    let read = checked(events);
    let timeline = Timeline::of(events);
    for (number, source) in timeline.sources.iter().enumerate() {
        let pid = number as u64 + 2;
        let (ran, waited) = (source.running.sum(timeline.now), source.waiting.sum(timeline.now));
        for (name, time) in [("running", ran), ("waiting", waited)] {
            assert!((read.area(pid, name) - time.as_secs_f64()).abs() < 1e-6, "{name} at {}", source.name);
        }
        assert_eq!(read.peak(pid), source.running.peak(), "{}", source.name);
        assert_eq!(read.tracks(pid) as u64, source.running.peak(), "tracks of {}", source.name);
        assert_eq!(read.highest(pid, "running"), source.running.peak() as f64);
        let (bytes, came) = (source.received.bytes as f64, read.area(pid, "received"));
        assert!((bytes - came).abs() < 0.01 * (1.0 + bytes), "{came} of {bytes} bytes of {}", source.name);
    }
    read
}

#[test]
fn traces_of_runs_follow_the_rules_of_the_format_and_have_the_timelines_numbers() {
    for events in [classic(true), classic(false), mixed(), forty(), files(300), recorded()] {
        let attempts: u64 = Timeline::of(&events).sources.iter().map(|source| source.attempts).sum();
        assert_eq!(whole(&events).attempts.len() as u64, attempts);
    }
}

#[test]
fn a_trace_of_an_unfinished_run_ends_where_its_log_ends() {
    let events = mixed();
    for length in 1..events.len() {
        let read = checked(&events[..length]);
        let end = Timeline::of(&events[..length]).now.as_micros() as u64;
        assert!(read.attempts.iter().all(|slice| slice.end <= end));
    }
}

fn random() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(near(), 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn traces_of_any_log_follow_the_rules_of_the_format(events in random()) {
        checked(&events);
    }

    #[test]
    fn traces_of_any_log_of_which_details_are_lost_do_too(events in random(), detail in 0..6_usize) {
        let mut timeline = Timeline::with_detail(detail);
        events.iter().for_each(|event| timeline.add(event));
        prop_assert!(read(&text(&timeline)).is_ok());
    }
}

#[test]
fn a_small_trace() {
    let mut story = Story::new(&[("fx", "http", Some("rates"), true)], &[("run", 8), ("source:rates", 1)]);
    story.queue(0.0, 0, 0, Some("EUR")).queue(0.0, 0, 1, Some("USD"));
    story.start(0.0, (0, 0, 1), 0, &[]).phase(0.1, 0, 0, "read").stop(0.5, 0, 0, State::Failed, Some(0.25));
    story.start(0.75, (0, 0, 2), 0, &[wait(Reason::Retry, 0.25)]).done(1.0, 0, 0);
    story.start(1.0, (0, 1, 1), 0, &[turn("source:rates", 1.0)]);
    let brought = Brought { bytes: 812, rows: 0, output: Some("fx/USD.json".into()), ..Brought::default() };
    story.stop(1.5, 0, 1, State::Done, None).end(1.5, 0, 1, State::Done, None, brought);
    insta::assert_snapshot!(text(&Timeline::of(&story.finish(1.5, 0))), @r#"
    {"displayTimeUnit":"ms","otherData":{"run":"20261122-101500-7f3a","plan":"nightly","started":"2026-11-22T10:15:00Z","fanout":"0.1.0","exit":0,"items without slices":0},"traceEvents":[
    {"name":"process_name","ph":"M","ts":0,"pid":1,"args":{"name":"run nightly"}},
    {"name":"process_sort_index","ph":"M","ts":0,"pid":1,"args":{"sort_index":1}},
    {"name":"process_labels","ph":"M","ts":0,"pid":1,"args":{"labels":"20261122-101500-7f3a"}},
    {"name":"thread_name","ph":"M","ts":0,"pid":1,"tid":3,"args":{"name":"run"}},
    {"name":"thread_sort_index","ph":"M","ts":0,"pid":1,"tid":3,"args":{"sort_index":0}},
    {"name":"run","cat":"run","ph":"X","ts":0,"dur":1500000,"pid":1,"tid":3},
    {"name":"process_name","ph":"M","ts":0,"pid":2,"args":{"name":"rates (http)"}},
    {"name":"process_sort_index","ph":"M","ts":0,"pid":2,"args":{"sort_index":2}},
    {"name":"process_labels","ph":"M","ts":0,"pid":2,"args":{"labels":"http://rates.example"}},
    {"name":"thread_name","ph":"M","ts":0,"pid":2,"tid":4,"args":{"name":"rates 1"}},
    {"name":"thread_sort_index","ph":"M","ts":0,"pid":2,"tid":4,"args":{"sort_index":0}},
    {"name":"fx[EUR]","cat":"attempt","ph":"X","ts":0,"dur":500000,"pid":2,"tid":4,"args":{"key":"EUR","outcome":"failed","error":"reset by peer","attempt":1,"lane":0}},
    {"name":"read","cat":"phase","ph":"X","ts":100000,"dur":400000,"pid":2,"tid":4},
    {"name":"fx[EUR] (attempt 2)","cat":"attempt","ph":"X","ts":750000,"dur":250000,"pid":2,"tid":4,"args":{"key":"EUR","outcome":"done","waited":["250 ms before another attempt"],"attempt":2,"lane":0}},
    {"name":"fx[USD]","cat":"attempt","ph":"X","ts":1000000,"dur":500000,"pid":2,"tid":4,"args":{"key":"USD","outcome":"done","bytes":812,"output":"fx/USD.json","waited":["1.00 s for source:rates (concurrency 1)"],"attempt":1,"lane":0}},
    {"name":"waits: before another attempt","cat":"wait","ph":"b","ts":500000,"pid":2,"id2":{"local":"0x1"},"args":{"item":"fx[EUR]"}},
    {"name":"waits: before another attempt","cat":"wait","ph":"e","ts":750000,"pid":2,"id2":{"local":"0x1"}},
    {"name":"waits: for source:rates (concurrency 1)","cat":"wait","ph":"b","ts":0,"pid":2,"id2":{"local":"0x2"},"args":{"item":"fx[USD]"}},
    {"name":"waits: for source:rates (concurrency 1)","cat":"wait","ph":"e","ts":1000000,"pid":2,"id2":{"local":"0x2"}},
    {"name":"running","ph":"C","ts":0,"pid":1,"args":{"items":1.0}},
    {"name":"running","ph":"C","ts":500000,"pid":1,"args":{"items":0.0}},
    {"name":"running","ph":"C","ts":750000,"pid":1,"args":{"items":1.0}},
    {"name":"running","ph":"C","ts":1500000,"pid":1,"args":{"items":0.0}},
    {"name":"running","ph":"C","ts":0,"pid":2,"args":{"items":1.0}},
    {"name":"running","ph":"C","ts":500000,"pid":2,"args":{"items":0.0}},
    {"name":"running","ph":"C","ts":750000,"pid":2,"args":{"items":1.0}},
    {"name":"running","ph":"C","ts":1500000,"pid":2,"args":{"items":0.0}},
    {"name":"waiting","ph":"C","ts":0,"pid":2,"args":{"items":1.0}},
    {"name":"waiting","ph":"C","ts":500000,"pid":2,"args":{"items":2.0}},
    {"name":"waiting","ph":"C","ts":750000,"pid":2,"args":{"items":1.0}},
    {"name":"waiting","ph":"C","ts":1000000,"pid":2,"args":{"items":0.0}},
    {"name":"received","ph":"C","ts":0,"pid":2,"args":{"bytes per second":0.0}},
    {"name":"received","ph":"C","ts":999023,"pid":2,"args":{"bytes per second":1082.667}},
    {"name":"received","ph":"C","ts":1001953,"pid":2,"args":{"bytes per second":1624.0}},
    {"name":"received","ph":"C","ts":1500000,"pid":2,"args":{"bytes per second":0.0}}
    ]}
    "#);
}

#[test]
fn a_retried_item_has_its_attempts_on_tracks_and_its_outcome_in_the_last_one() {
    let read = whole(&mixed());
    let find = |name: &str| read.attempts.iter().find(|slice| slice.name == name).unwrap();
    let (first, second) = (find("fx[USD]"), find("fx[USD] (attempt 2)"));
    assert_eq!((&first.args["outcome"], &first.args["error"]), (&"failed".into(), &"reset by peer".into()));
    assert_eq!((&second.args["outcome"], &second.args["bytes"]), (&"done".into(), &799.into()));
    assert_eq!(second.args["waited"][0], "1.00 s before another attempt");
    let lost = find("sales[apac]");
    assert!(lost.args["error"].as_str().unwrap().contains("did you mean"), "{lost:?}");
    assert_eq!(find("invoices[2026/b.csv]").args["key"], "2026/b.csv");
}

#[test]
fn waits_are_drawn_unless_they_would_be_a_wall() {
    assert!(read(&text(&Timeline::of(&forty()))).unwrap().waits > 0);
    let read = whole(&files(WAITS + 50));
    assert_eq!(read.waits, 0);
    let item = read.attempts.iter().find(|slice| slice.name == "inbox[out/00070.csv]").unwrap();
    assert!(item.args["waited"][0].as_str().unwrap().ends_with("for source:partner (concurrency 64)"));
}

/// A job of `count` items that needs another one.
fn needing(count: u64, start: f64) -> Vec<Event> {
    let jobs = [("list", "http", Some("api"), false), ("get", "http", Some("api"), true)];
    let mut story = Story::new(&jobs, &[]);
    let EventKind::RunStarted(info) = &mut story.events[0].kind else { unreachable!() };
    info.jobs[1].needs = vec!["list".into(), "left out".into()];
    story.queue(0.0, 0, 0, None).start(0.0, (0, 0, 1), 0, &[]);
    if start >= 1.0 {
        story.done(1.0, 0, 0);
    }
    story.tell(start, EventKind::JobStarted { job: 2, name: "x".into(), role: Role::Pages, parent: Some(1) });
    story.queue(start, 2, 0, None).start(start, (2, 0, 1), 0, &[]).done(start + 0.1, 2, 0);
    for item in 0..count {
        story.queue(start, 1, item, Some("k")).start(start + 0.1, (1, item, 1), item as u32, &[]);
        story.done(start + 0.2, 1, item);
    }
    story.finish(9.0, 0)
}

#[test]
fn arrows_lead_from_the_last_item_of_a_needed_job_to_the_first_ones_of_the_next() {
    let read = whole(&needing(2, 1.0));
    let names = |from: usize, to: usize| (&*read.attempts[from].name, &*read.attempts[to].name);
    let arrows: Vec<_> = read.arrows.iter().map(|&(from, to)| names(from, to)).collect();
    assert_eq!(arrows, [("list", "get: page 1"), ("list", "get[k]"), ("list", "get[k]")]);
    assert_eq!(checked(&needing(500, 1.0)).arrows.len(), ARROWS);
}

#[test]
fn no_arrow_leads_back_in_time() {
    assert_eq!(whole(&needing(2, 0.5)).arrows, []);
}

#[test]
fn marks_stand_where_something_happened() {
    let mut story = Story::new(&[("a", "http", Some("shop"), false)], &[("source:shop", 1)]);
    story.tell(1.0, EventKind::Held { limit: "source:shop".into(), duration: s(30.0) });
    story.tell(2.0, EventKind::SourceDown { source: "source:shop".into(), why: "no".into() });
    story.tell(3.0, EventKind::Warning { message: "the glob matched nothing".into() });
    story.tell(4.0, EventKind::Cancelling { job: None, cause: crate::gather::Cause::Deadline });
    let read = whole(&story.finish(5.0, 7));
    let marks = [
        (2, 1_000_000, "left alone for 30.0 s"),
        (2, 2_000_000, "can't be used"),
        (1, 3_000_000, "warning"),
        (1, 4_000_000, "the run is stopped: deadline"),
    ];
    assert_eq!(read.marks, marks.map(|(pid, at, name)| (pid, at, name.to_owned())));
}

#[test]
fn of_a_run_with_too_many_items_the_counters_are_means_and_the_rest_is_told() {
    let events = files(2000);
    let mut timeline = Timeline::with_detail(100);
    events.iter().for_each(|event| timeline.add(event));
    let text = text(&timeline);
    let read = read(&text).unwrap();
    assert!(text.contains("\"items without slices\":1901"), "{}", &text[..300]);
    assert_eq!(read.attempts.len(), 100);
    let ran = timeline.running.sum(timeline.now).as_secs_f64();
    for (pid, name) in [(1, "running"), (2, "running")] {
        assert!((read.area(pid, name) / ran - 1.0).abs() < 0.01, "{} of {ran}", read.area(pid, name));
    }
}
