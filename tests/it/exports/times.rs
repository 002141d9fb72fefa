//! When each attempt of a run ran, as each of its exports says it: [`Times`]. All of them name an attempt alike, and count
//! whole microseconds since the run began. Not here: what has to agree.

use crate::support::clock_server::ClockServer;
use crate::support::sources::events;
use fanout::report::Timeline;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Said;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The start and the end of each attempt; `calls[2]#1` is the first one of `calls[2]`.
pub(super) type Times = BTreeMap<String, (u64, u64)>;

/// The job that has a listing.
pub(super) const LISTS: &str = "files";

/// An attempt's name: its item's label and its number.
fn named(label: &str, attempt: u64) -> String {
    format!("{label}#{attempt}")
}

/// How an item of a job is called; without a key it is the first page of a job that lists.
fn label(job: &str, is_page: bool, key: Option<&str>) -> String {
    match key {
        _ if is_page => format!("{job}: page 1"),
        Some(key) => format!("{job}[{key}]"),
        None => job.to_owned(),
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// Seconds as a log or a span writes them.
fn from_seconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

/// The event log as it stands there: the times, and the names in the order of starts (true) and ends.
pub(super) fn log(text: &str) -> (Times, Vec<(String, bool)>) {
    let (mut times, mut order) = (Times::new(), Vec::new());
    let (mut jobs, mut items) = (BTreeMap::new(), BTreeMap::new());
    for event in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let (id, at) = ((number("job"), number("item")), from_seconds(event["t"].as_f64().unwrap()));
        match event["event"].as_str().unwrap() {
            "job_started" => {
                let is_page = event["role"] == "pages";
                let of = if is_page { number("parent") } else { id.0 };
                let name =
                    jobs.get(&of).map_or(event["name"].as_str().unwrap(), |(name, _): &(String, _)| name);
                jobs.insert(id.0, (name.to_owned(), is_page));
            }
            "item_queued" => {
                let (job, is_page) = &jobs[&id.0];
                items.insert(id, (label(job, *is_page, event["key"].as_str()), String::new()));
            }
            "attempt_started" => {
                let (label, open) = items.get_mut(&id).unwrap();
                *open = named(label, number("attempt"));
                times.insert(open.clone(), (at, u64::MAX));
                order.push((open.clone(), true));
            }
            "attempt_ended" => {
                let (_, open) = &items[&id];
                times.get_mut(open).unwrap().1 = at;
                order.push((open.clone(), false));
            }
            _ => {}
        }
    }
    (times, order)
}

/// The report of the log's events.
pub(super) fn timeline(log: &[u8]) -> (Timeline, Times) {
    let timeline = Timeline::of(&events(log));
    let attempts = timeline.items().flat_map(|(_, item)| item.attempts.iter().map(move |it| (item, it)));
    let times = attempts.map(|(item, attempt)| {
        let end = attempt.end.as_ref().expect("the run is over").at;
        let name = named(&timeline.label(item), attempt.number.into());
        (name, (micros(attempt.start), micros(end)))
    });
    let times = times.collect();
    (timeline, times)
}

/// The trace file's slices.
pub(super) fn trace(text: &str) -> Times {
    let trace: Value = serde_json::from_str(text).unwrap();
    let all = trace["traceEvents"].as_array().unwrap().iter();
    let slices = all.filter(|event| event["ph"] == "X" && event["cat"] == "attempt");
    let times = slices.map(|slice| {
        let label = slice["name"].as_str().unwrap().split(" (attempt ").next().unwrap();
        let start = slice["ts"].as_u64().unwrap();
        let name = named(label, slice["args"]["attempt"].as_u64().unwrap());
        (name, (start, start + slice["dur"].as_u64().unwrap()))
    });
    times.collect()
}

/// The columns of the page's data.
pub(super) fn html(page: &str) -> Times {
    let (_, data) = page.split_once("id=\"run\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let labels = data["items"]["label"].as_array().unwrap().iter();
    let counts = data["items"]["attempts"].as_array().unwrap().iter();
    let owners = labels.zip(counts).flat_map(|(label, count)| {
        std::iter::repeat_n(label.as_str().unwrap(), count.as_u64().unwrap() as usize)
    });
    let column = |name: &str, at: usize| data["attempts"][name][at].as_u64().unwrap();
    let times = owners.enumerate().map(|(at, label)| {
        let start = column("start", at);
        (named(label, column("number", at)), (start, start + column("time", at)))
    });
    times.collect()
}

/// The spans that a collector got.
pub(super) fn otlp(collector: &ClockServer) -> Times {
    let requests = collector.visits().into_iter();
    let requests = requests.map(|visit| ExportTraceServiceRequest::decode(visit.asked.body).unwrap());
    let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|of| of.scope_spans);
    let spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (&span.span_id, span)).collect();
    let run = spans.iter().find(|span| said(span, "fanout.run").is_some()).unwrap();
    let since = |time: u64| (time - run.start_time_unix_nano) / 1000;
    let times = spans.iter().filter_map(|span| {
        let number = said(span, "fanout.attempt")?.parse().unwrap();
        let job = by_id[&by_id[&span.parent_span_id].parent_span_id];
        let is_page = said(job, "fanout.role").as_deref() == Some("pages");
        let label = label(&said(span, "fanout.job").unwrap(), is_page, said(span, "fanout.key").as_deref());
        Some((named(&label, number), (since(span.start_time_unix_nano), since(span.end_time_unix_nano))))
    });
    times.collect()
}

fn said(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|pair| pair.key == name)?.value.clone()?.value?;
    match value {
        Said::StringValue(text) => Some(text),
        Said::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An attempt's span as the subscriber writes it when it closes.
pub(super) struct Closed {
    pub(super) name: String,
    /// The scheduler's times, which are fields of it.
    pub(super) times: (u64, u64),
    /// When it was opened and closed on its own clock, in microseconds since 1970.
    pub(super) own: (f64, f64),
}

/// `TIME INFO run:job{name="calls"}:item{.. key="2"}:attempt{n=1 ..}: TARGET: close time.busy=1.2ms time.idle=100ms`.
pub(super) fn closed(line: &str) -> Option<Closed> {
    let (path, took) = line.split_once(": close time.busy=")?;
    let (item, attempt) = path.split_once(":attempt{")?;
    let attempt = attempt.split_once('}').filter(|(_, rest)| !rest.contains('{'))?.0;
    let field = |name: &str, of: &str| {
        let value = of.split([' ', '{', '}']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let number = |name: &str| field(name, attempt)?.parse::<f64>().ok();
    let (job, item) = item.split_once(":item{")?;
    let job = field("name", job.rsplit_once("job{")?.1)?;
    // A listing's span is named like the job that it lists for; its pages have no keys.
    let key = field("key", item);
    let label = label(&job, job == LISTS && key.is_none(), key.as_deref());
    let (busy, idle) = took.split_once(" time.idle=")?;
    let end: jiff::Timestamp = line.split(' ').next()?.parse().ok()?;
    let end = end.as_duration().as_secs_f64() * 1e6;
    let begin = end - units(busy)? - units(idle.trim())?;
    let times = (from_seconds(number("started")?), from_seconds(number("ended")?));
    Some(Closed { name: named(&label, number("n")? as u64), times, own: (begin, end) })
}

/// `1.2ms`, `35.1µs`, `1.02s` in microseconds.
fn units(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_alphabetic() || c == 'µ')?;
    let unit = match &text[at..] {
        "s" => 1e6,
        "ms" => 1e3,
        "µs" => 1.0,
        "ns" => 1e-3,
        _ => return None,
    };
    Some(text[..at].parse::<f64>().ok()? * unit)
}

/// What JUnit's cases say: of each attempt that was followed by another its start and length, of each item the start of
/// its first attempt and the time to its outcome. In milliseconds, so that it is not exact.
pub(super) fn junit(xml: &str, began: jiff::Timestamp) -> Vec<(String, u64, u64)> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let mut all = Vec::new();
    for case in cases {
        let label = case.attribute("name").unwrap();
        let read = |node: &roxmltree::Node<'_, '_>| {
            let at: jiff::Timestamp = node.attribute("timestamp").unwrap().parse().unwrap();
            let start = at.duration_since(began).as_micros().max(0) as u64;
            (start, start + from_seconds(node.attribute("time").unwrap().parse().unwrap()))
        };
        let tags = ["flakyFailure", "flakyError", "rerunFailure", "rerunError"];
        let reruns = case.children().filter(|node| tags.contains(&node.tag_name().name()));
        for (number, rerun) in (1..).zip(reruns) {
            let (start, end) = read(&rerun);
            all.push((named(label, number), start, end));
        }
        let (start, end) = read(&case);
        all.push((label.to_owned(), start, end));
    }
    all
}
