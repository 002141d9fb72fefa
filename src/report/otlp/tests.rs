use super::{Parent, Span, Spans, encode, rejected};
use crate::gather::{Attributes, Brought, Cause, Event, EventKind, Reason, State};
use crate::report::log;
use crate::report::story::{Story, classic, forty, mixed, wait};
use crate::report::tests::near;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use proptest::prelude::*;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn below(parent: Option<Parent>, events: &[Event]) -> Vec<Span> {
    let mut spans = Spans::new(parent);
    events.iter().flat_map(|event| spans.add(event)).collect()
}

fn spans(events: &[Event]) -> Vec<Span> {
    below(None, events)
}

fn attributes(pairs: &[(&'static str, &str)]) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, value) in pairs {
        match value.parse::<u32>() {
            Ok(number) => attributes.set(*name, number),
            Err(_) => attributes.set(*name, *value),
        }
    }
    attributes
}

fn text(attributes: &[KeyValue]) -> String {
    let value = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => format!("{number:.3}"),
        other => format!("{other:?}"),
    };
    let pair = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|any| any.value.as_ref()).map_or(String::new(), value);
        format!("{}={value}", pair.key)
    };
    attributes.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// The spans as a tree, with times in milliseconds since the run began.
fn tree(spans: &[Span]) -> String {
    let root = spans.last().unwrap();
    let mut out = String::new();
    draw(spans, root, root.start_time_unix_nano, 0, &mut out);
    out
}

fn draw(spans: &[Span], span: &Span, zero: u64, depth: usize, out: &mut String) {
    let time = |at: u64| (at - zero) / 1_000_000;
    let (pad, kind) = ("  ".repeat(depth), if span.kind == 3 { " CLIENT" } else { "" });
    let status = span.status.as_ref().map_or(String::new(), |status| format!(" ERROR {:?}", status.message));
    let (start, end) = (time(span.start_time_unix_nano), time(span.end_time_unix_nano));
    writeln!(out, "{pad}{}{kind} {start}..{end}{status}", span.name).unwrap();
    writeln!(out, "{pad}| {}", text(&span.attributes)).unwrap();
    for event in &span.events {
        let (at, said) = (time(event.time_unix_nano), text(&event.attributes));
        writeln!(out, "{}", format!("{pad}* {at} {} {said}", event.name).trim_end()).unwrap();
    }
    let mut below: Vec<&Span> = spans.iter().filter(|other| other.parent_span_id == span.span_id).collect();
    below.sort_by_key(|span| span.start_time_unix_nano);
    below.into_iter().for_each(|span| draw(spans, span, zero, depth + 1, out));
}

/// A call that is tried again, a query that fails, a file, and what is not asked of a source.
fn story() -> Vec<Event> {
    let jobs = [
        ("fx", "http", Some("rates"), true),
        ("sales", "postgres", Some("shop"), false),
        ("pause", "sleep", None, false),
    ];
    let mut story = Story::new(&jobs, &[("run", 1024)]);
    let url = "https://rates.example/v1/EUR";
    let asked = |status| {
        let about = [
            ("http.request.method", "GET"),
            ("url.full", url),
            ("http.response.status_code", status),
            ("error.type", "http_status"),
        ];
        attributes(&about)
    };
    story.queue(0.0, 0, 0, Some("EUR")).queue(0.0, 1, 0, None).queue(0.0, 2, 0, None);
    story.start(0.1, (0, 0, 1), 0, &[wait(Reason::Rate, 0.1)]).phase(0.1, 0, 0, "request");
    story.start(0.1, (1, 0, 1), 1, &[]).start(0.1, (2, 0, 1), 2, &[]);
    story.tell(0.3, EventKind::Attributes { job: 0, item: 0, attributes: asked("503") });
    story.stop(0.3, 0, 0, State::Failed, Some(0.2));
    let failed = [("db.system.name", "postgresql"), ("db.query.summary", "SELECT"), ("error.type", "sql")];
    story.tell(0.4, EventKind::Attributes { job: 1, item: 0, attributes: attributes(&failed) });
    story.stop(0.4, 1, 0, State::Failed, None).end(
        0.4,
        1,
        0,
        State::Failed,
        Some("no table"),
        Brought::default(),
    );
    story
        .start(0.5, (0, 0, 2), 0, &[wait(Reason::Retry, 0.2)])
        .phase(0.5, 0, 0, "request")
        .phase(0.6, 0, 0, "body");
    story.tell(0.7, EventKind::Attributes { job: 0, item: 0, attributes: asked("200") });
    story.stop(0.7, 0, 0, State::Done, None);
    let brought = Brought { bytes: 812, output: Some("fx/EUR.json".into()), ..Brought::default() };
    story.end(0.7, 0, 0, State::Done, None, brought).done(0.8, 2, 0);
    for job in 0..3 {
        let (done, failed) = if job == 1 { (0, 1) } else { (1, 0) };
        let counts = crate::gather::Counts { submitted: 1, done, failed, ..Default::default() };
        story.tell(0.8, EventKind::JobEnded { job, counts, why: None });
    }
    story.finish(0.9, 1)
}

#[test]
fn a_run_is_a_tree_of_spans_by_the_conventions_names() {
    insta::assert_snapshot!(tree(&spans(&story())), @r#"
    run nightly 0..900 ERROR "exit code 1"
    | fanout.run=20261122-101500-7f3a fanout.plan=nightly process.executable.name=fanout process.exit.code=1 error.type=1 fanout.items=3 fanout.items.done=2 fanout.items.failed=1
      job fx 0..800
      | fanout.job=fx fanout.role=items fanout.source=rates fanout.kind=http fanout.items=1 fanout.items.done=1
        item fx 0..700
        | fanout.job=fx fanout.key=EUR fanout.outcome=done fanout.attempts=2 fanout.bytes=812 fanout.output=fx/EUR.json
        * 0 wait fanout.wait.reason=rate fanout.wait.duration=0.100
        * 300 wait fanout.wait.reason=retry fanout.wait.duration=0.200
          GET CLIENT 100..300 ERROR "reset by peer"
          | fanout.job=fx fanout.key=EUR fanout.outcome=failed http.request.method=GET http.response.status_code=503 url.full=https://rates.example/v1/EUR error.type=503 fanout.attempt=1 fanout.lane=0 fanout.waited=0.100
          * 100 request
          GET CLIENT 500..700
          | fanout.job=fx fanout.key=EUR fanout.outcome=done http.request.method=GET http.response.status_code=200 url.full=https://rates.example/v1/EUR fanout.attempt=2 fanout.lane=0 fanout.waited=0.200
          * 500 request
          * 600 body
      job sales 0..800 ERROR "1 of 1 item lost"
      | fanout.job=sales fanout.role=items fanout.source=shop fanout.kind=postgres fanout.items=1 fanout.items.failed=1
        item sales 0..400 ERROR "no table"
        | fanout.job=sales fanout.outcome=failed fanout.attempts=1 fanout.why=no table
          SELECT CLIENT 100..400 ERROR "reset by peer"
          | fanout.job=sales fanout.outcome=failed db.query.summary=SELECT db.system.name=postgresql error.type=sql fanout.attempt=1 fanout.lane=1 fanout.waited=0.000
      job pause 0..800
      | fanout.job=pause fanout.role=items fanout.source=sleep fanout.kind=sleep fanout.items=1 fanout.items.done=1
        item pause 0..800
        | fanout.job=pause fanout.outcome=done fanout.attempts=1
          attempt 100..800
          | fanout.job=pause fanout.outcome=done fanout.attempt=1 fanout.lane=2 fanout.waited=0.000
    "#);
}

#[test]
fn every_attempt_has_one_span_with_its_times_below_its_item() {
    for events in [classic(false), classic(true), mixed(), forty(), story()] {
        let spans = spans(&events);
        let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
        assert_eq!(ids.len(), spans.len(), "every id is another's");
        assert!(spans.iter().all(|span| span.span_id.len() == 8 && span.trace_id == spans[0].trace_id));
        let zero = spans.last().unwrap().start_time_unix_nano;
        let by_times = |span: &Span| (span.start_time_unix_nano - zero, span.end_time_unix_nano - zero);
        let said = |span: &Span, name: &str| span.attributes.iter().any(|pair| pair.key == name);
        let mut attempts: Vec<_> =
            spans.iter().filter(|span| said(span, "fanout.attempt")).map(by_times).collect();
        attempts.sort_unstable();
        assert_eq!(attempts, logged(&events));
    }
}

/// Start and end of every attempt in nanoseconds, as the events say it.
fn logged(events: &[Event]) -> Vec<(u64, u64)> {
    let (mut open, mut all) = (BTreeMap::new(), Vec::new());
    for event in events {
        let at = event.at.as_micros() as u64 * 1000;
        match event.kind {
            EventKind::AttemptStarted { job, item, .. } => drop(open.insert((job, item), at)),
            EventKind::AttemptEnded { job, item, .. } => all.push((open.remove(&(job, item)).unwrap(), at)),
            _ => {}
        }
    }
    all.sort_unstable();
    all
}

#[test]
fn the_log_of_a_run_gives_the_same_spans() {
    let mut bytes = Vec::new();
    let mut live = mixed();
    // A clock tells nanoseconds, a log microseconds.
    live.iter_mut().for_each(|event| event.at += std::time::Duration::from_nanos(999));
    live.iter().for_each(|event| log::encode(event, &mut bytes).unwrap());
    let mut reader = log::Reader::new(&bytes[..]);
    let mut read = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        read.push(event);
    }
    assert_eq!(spans(&live), spans(&read));
}

#[test]
fn a_run_below_a_parent_is_in_its_trace_with_ids_of_its_own() {
    let parent = Parent::read(PARENT).unwrap();
    let (alone, below) = (spans(&story()), below(Some(parent), &story()));
    assert_eq!(below.last().unwrap().parent_span_id, parent.span);
    assert_eq!(alone.last().unwrap().parent_span_id, Vec::<u8>::new());
    assert!(below.iter().all(|span| span.trace_id == parent.trace));
    let mut other = story();
    if let EventKind::RunStarted(info) = &mut other[0].kind {
        info.id.push('x');
    }
    let ids = |spans: Vec<Span>| spans.into_iter().map(|span| span.span_id).collect::<BTreeSet<_>>();
    assert!(ids(below).is_disjoint(&ids(self::below(Some(parent), &other))), "two runs of one trace");
}

#[test]
fn a_parent_that_is_not_valid_is_none() {
    let parent = Parent::read(PARENT).unwrap();
    assert!(parent.sampled && !Parent::read(&PARENT.replace("-01", "-00")).unwrap().sampled);
    assert_eq!(Parent::read(&format!("{}-more", PARENT.replacen("00", "01", 1))), Some(parent));
    let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let wrong = [
        "",
        "00",
        &PARENT.to_uppercase(),
        &format!("{PARENT}-more"),
        &PARENT.replacen("00", "ff", 1),
        zero,
        &PARENT[1..],
        "00-ä-b-01",
    ];
    for text in wrong {
        assert_eq!(Parent::read(text), None, "{text}");
    }
}

#[test]
fn what_is_stopped_is_no_error_and_what_runs_out_of_time_is() {
    let mut story = Story::new(&[("fx", "http", Some("rates"), true)], &[]);
    for (item, key) in [(0, "a"), (1, "b"), (2, "c")] {
        story.queue(0.0, 0, item, Some(key));
    }
    story.start(0.1, (0, 0, 1), 0, &[]).start(0.1, (0, 1, 1), 1, &[]);
    let said = attributes(&[("error.type", "cancelled")]);
    story.stop(0.2, 0, 1, State::TimedOut, None).end(
        0.2,
        0,
        1,
        State::TimedOut,
        Some("late"),
        Brought::default(),
    );
    story.tell(0.3, EventKind::Cancelling { job: None, cause: Cause::Signal(2) });
    story.tell(0.3, EventKind::Attributes { job: 0, item: 0, attributes: said });
    story.stop(0.3, 0, 0, State::Cancelled, None).end(0.3, 0, 0, State::Cancelled, None, Brought::default());
    story.end(0.3, 0, 2, State::NotStarted, Some("interrupted"), Brought::default());
    let spans = spans(&story.finish(0.4, 130));
    let errors: Vec<_> = spans.iter().filter(|span| span.status.is_some()).collect();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors.iter().all(|span| span.end_time_unix_nano - spans[0].end_time_unix_nano == 0));
    let kinds: Vec<_> =
        spans.iter().flat_map(|span| &span.attributes).filter(|pair| pair.key == "error.type").collect();
    assert_eq!(text(&kinds.into_iter().cloned().collect::<Vec<_>>()), "error.type=timeout error.type=130");
}

#[test]
fn a_request_holds_the_spans_and_who_made_them() {
    let spans = spans(&story());
    let service = [("service.name".to_owned(), "nightly".to_owned())];
    let request = ExportTraceServiceRequest::decode(&*encode(&service, spans.clone())).unwrap();
    let [of] = &request.resource_spans[..] else { panic!("one resource") };
    assert_eq!(text(&of.resource.as_ref().unwrap().attributes), "service.name=nightly");
    assert_eq!(of.scope_spans[0].spans, spans);
}

#[test]
fn an_answer_may_reject_some() {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 3, error_message: String::new() });
    assert_eq!(rejected(&ExportTraceServiceResponse { partial_success }.encode_to_vec()), 3);
    assert_eq!((rejected(b""), rejected(b"<html>")), (0, 0));
}

proptest! {
    #[test]
    fn no_log_however_damaged_breaks_it(events in prop::collection::vec(near(), 0..80)) {
        for span in spans(&events) {
            prop_assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        }
    }
}
