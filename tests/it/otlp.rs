//! A run as spans: what a collector gets of it, held against the event log, and that a collector that is dead harms
//! nothing. Not here: the tree of spans (beside `report::otlp`), the flush's time (beside `telemetry`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::command::Ended;
use crate::support::plan::Plan;
use crate::support::process;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::TcpListener;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// An attempt: its job and item, its number, start and end in microseconds since 1970.
type Attempt = (u64, u64, u64, u64, u64);

/// Three calls of which one is tried again and one is refused, a query, and a pause.
fn plan(server: &ClockServer) -> Plan {
    let plan = Plan::new(&format!(
        "version = 1\nname = \"night\"\n[sources.api]\nkind = \"http\"\nbase_url = \"{}/v1\"\nretries = {{ count = 1, delay = \"20ms\" }}\n\
         [sources.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n\
         [jobs.fx]\nsource = \"api\"\nget = \"${{{{ item }}}}?sig=hidden\"\nfor_each = [\"good\", \"again\", \"bad\"]\noutput = \"fx/${{{{ item }}}}\"\n\
         [jobs.sales]\nsource = \"shop\"\nquery = \"select 'c4nary' from nowhere\"\noutput = \"sales.csv\"\n\
         [jobs.pause]\nsleep = \"10ms\"\n",
        server.url("")
    ));
    // A file of no bytes is a database without tables.
    plan.write("shop.db", "");
    plan
}

/// Answers `good`, answers `again` the second time, and refuses `bad`.
fn api() -> ClockServer {
    let asked_again = std::sync::atomic::AtomicBool::new(false);
    ClockServer::start(move |asked| {
        let first = || !asked_again.swap(true, std::sync::atomic::Ordering::Relaxed);
        let status = match &*asked.path {
            path if path.contains("/again") && first() => 503,
            path if path.contains("/bad") => 404,
            _ => 200,
        };
        Answer { status: Some(status), body: b"x".to_vec(), ..Answer::default() }
    })
}

/// All spans that came.
fn spans(collector: &ClockServer) -> Vec<Span> {
    let requests = collector.visits().into_iter().map(|visit| {
        assert_eq!(
            (&*visit.asked.path, &visit.asked.headers["content-type"]),
            ("/v1/traces", &"application/x-protobuf".parse().unwrap())
        );
        ExportTraceServiceRequest::decode(visit.asked.body).unwrap()
    });
    let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|of| of.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn value(of: &[KeyValue], name: &str) -> Option<Value> {
    let pair = of.iter().find(|pair| pair.key == name);
    pair.and_then(|pair| pair.value.clone()?.value)
}

fn text(span: &Span, name: &str) -> String {
    match value(&span.attributes, name) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The attempts of the event log.
fn logged(plan: &Plan) -> Vec<Attempt> {
    let log = plan.read("log.jsonl");
    let events: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let began: jiff::Timestamp = events[0]["started"].as_str().unwrap().parse().unwrap();
    let (mut open, mut all) = (BTreeMap::new(), Vec::new());
    for event in &events {
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let at = (event["t"].as_f64().unwrap() * 1e6).round() as u64;
        let at = (began.as_nanosecond() as u64 + at * 1000) / 1000;
        let id = (number("job"), number("item"));
        match event["event"].as_str().unwrap() {
            "attempt_started" => drop(open.insert(id, (number("attempt"), at))),
            "attempt_ended" => {
                let (attempt, start) = open.remove(&id).unwrap();
                all.push((id.0, id.1, attempt, start, at));
            }
            _ => {}
        }
    }
    all.sort_unstable();
    all
}

/// The attempts among the spans, by the places of their jobs and keys in the plan.
fn attempts(spans: &[Span]) -> Vec<Attempt> {
    let place =
        |list: &[&str], name: String| list.iter().position(|known| *known == name).unwrap_or(0) as u64;
    let attempt = |span: &Span| {
        let job = place(&["fx", "sales", "pause"], text(span, "fanout.job"));
        let item = place(&["good", "again", "bad"], text(span, "fanout.key"));
        let number = text(span, "fanout.attempt").parse().ok()?;
        Some((job, item, number, span.start_time_unix_nano / 1000, span.end_time_unix_nano / 1000))
    };
    let mut all: Vec<_> = spans.iter().filter_map(attempt).collect();
    all.sort_unstable();
    all
}

fn run(plan: &Plan, url: &str) -> Ended {
    plan.fanout(&["run", "plan.toml", "--events=log.jsonl", "--otlp", url]).run()
}

#[test]
fn a_collector_gets_every_attempt_as_the_event_log_has_it() {
    let (server, collector) = (api(), ClockServer::start(|_| Answer::default()));
    let plan = plan(&server);
    run(&plan, &collector.url("/")).exits(1).never_says("spans did not");
    let spans = spans(&collector);
    assert_eq!(attempts(&spans), logged(&plan));
    assert_eq!(attempts(&spans).len(), 6, "five items, and one was tried again");
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (&span.span_id, span)).collect();
    assert_eq!(by_id.len(), spans.len());
    for span in &spans {
        let chain = std::iter::successors(Some(span), |span| by_id.get(&span.parent_span_id).copied());
        let words: Vec<_> = chain.map(|span| span.name.split(' ').next().unwrap()).collect();
        let above = ["item", "job", "run"];
        let known = above.iter().position(|word| *word == words[0]).map_or(1, |at| at + 1);
        assert_eq!(
            words[1..],
            above[known.saturating_sub(usize::from(!above.contains(&words[0])))..],
            "{words:?}"
        );
        let parent = by_id.get(&span.parent_span_id).map_or(span, |parent| parent);
        assert!(parent.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(
            span.end_time_unix_nano <= parent.end_time_unix_nano,
            "{} outlasts {}",
            span.name,
            parent.name
        );
    }
    for attempt in spans.iter().filter(|span| span.name == "GET") {
        let key = text(attempt, "fanout.key");
        assert_eq!(text(attempt, "url.full"), server.url(&format!("/v1/{key}?sig=***")));
        assert_eq!(text(attempt, "server.port"), server.address().port().to_string());
        assert_eq!(attempt.kind, 3, "a client's");
        assert!(attempt.events.iter().any(|event| event.name == "request"));
    }
    let failed = spans.iter().find(|span| span.name == "SELECT").unwrap();
    assert_eq!(
        [text(failed, "db.system.name"), text(failed, "error.type"), text(failed, "db.response.status_code")],
        ["sqlite", "sql", "1"]
    );
    let said =
        collector.visits().iter().any(|visit| visit.asked.body.windows(6).any(|bytes| bytes == b"c4nary"));
    assert!(!said, "the text of a query is not sent");
}

#[test]
fn the_environment_says_where_to_and_what_with() {
    let (server, collector) = (api(), ClockServer::start(|_| Answer::default()));
    let plan = plan(&server);
    let fanout = plan.fanout(&["run", "plan.toml"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""));
    let fanout = fanout.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret%20one").env("TRACEPARENT", PARENT);
    fanout.env("OTEL_SERVICE_NAME", "nightly").run().exits(1);
    let visits = collector.visits();
    assert!(visits.iter().all(|visit| visit.asked.headers["x-key"] == "s3cret one"));
    let request = ExportTraceServiceRequest::decode(visits[0].asked.body.clone()).unwrap();
    let service = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert_eq!(value(service, "service.name"), Some(Value::StringValue("nightly".to_owned())));
    let spans = spans(&collector);
    let root = spans.iter().find(|span| span.name == "run night").unwrap();
    assert_eq!(root.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert!(spans.iter().all(|span| span.trace_id.starts_with(&[0x0a, 0xf7, 0x65, 0x19])));
    let quiet = plan.fanout(&["run", "plan.toml"]).env("OTEL_SDK_DISABLED", "true");
    quiet.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")).run().exits(1);
    assert_eq!(collector.visits().len(), visits.len());
    let grpc = plan.fanout(&["run", "plan.toml", "--otlp", &collector.url("")]);
    grpc.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").run().exits(3).complains("http/protobuf");
}

#[test]
fn a_dead_collector_harms_nothing_and_is_said_once() {
    let busy = ClockServer::start(|_| Answer { status: Some(503), ..Answer::default() });
    let refusing = ClockServer::start(|_| Answer { status: Some(401), ..Answer::default() });
    // The kernel takes the connection, and nobody ever answers.
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let places = [
        (format!("http://{}", process::free_address()), "refused"),
        (format!("http://{}", hole.local_addr().unwrap()), "no answer within 2s"),
        (busy.url(""), ""),
        (refusing.url(""), "status 401 Unauthorized"),
    ];
    for (url, why) in places {
        let server = api();
        let plan = plan(&server);
        let ended = run(&plan, &url);
        ended.exits(1);
        let warnings: Vec<_> =
            ended.stderr.lines().filter(|line| line.contains("spans did not get to")).collect();
        assert_eq!(warnings.len(), 1, "{ended:?}");
        assert!(warnings[0].contains(&url) && warnings[0].contains(why), "{warnings:?}");
        assert_eq!((plan.read("fx/good"), plan.read("fx/again")), ("x".to_owned(), "x".to_owned()));
        assert!(plan.read("log.jsonl").contains("\"run_ended\""));
    }
}

#[test]
fn a_run_that_is_to_be_quiet_warns_only_if_it_fails() {
    let server = api();
    let url = format!("http://{}", process::free_address());
    let failing = plan(&server);
    let ended = failing.fanout(&["-q", "run", "plan.toml", "--otlp", &url]).run();
    ended.exits(1).complains("fx[bad]");
    assert_eq!(ended.stderr.matches("spans did not get to").count(), 1, "{ended:?}");
    let done = failing.fanout(&["-q", "run", "plan.toml", "pause", "--otlp", &url]).run();
    assert_eq!((&*done.exits(0).stdout, &*done.stderr), ("", ""));
}

#[test]
fn spans_are_sent_where_only_warnings_are_logged_and_none_is_written() {
    let (server, collector) = (api(), ClockServer::start(|_| Answer::default()));
    let plan = plan(&server);
    let command =
        ["--log", "warn", "--progress", "none", "run", "plan.toml", "pause", "--otlp", &collector.url("")];
    let ended = plan.fanout(&command).run();
    ended.exits(0);
    assert_eq!((attempts(&spans(&collector)).len(), &*ended.stderr), (1, ""));
}
