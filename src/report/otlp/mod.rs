//! A run as spans of OpenTelemetry: `run` > `job` > `item` > `attempt`, each given when it ends, so that they can be sent
//! while the run goes on. Phases are events of their attempt, waits events of their item. Names are those of the
//! semantic conventions where there are some, and else `fanout.*`; they are described in `docs/tracing.md`.
//! Not here: sending them (`telemetry`).

mod attribute;
mod ids;

#[cfg(test)]
mod tests;

pub use ids::Parent;
pub use opentelemetry_proto::tonic::trace::v1::Span;

use super::Timeline;
use super::text::counted;
use super::timeline::{Attempt, End, Item, Job};
use crate::gather::{Counts, Event, EventKind, ItemNumber, JobNumber, Role, State};
use attribute::{Said, error, error_type, name};
use ids::{Ids, Of};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event as SpanEvent, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, SpanFlags};
use prost::Message;
use std::time::Duration;

/// The flag of a trace that is recorded. <https://www.w3.org/TR/trace-context/#sampled-flag>
const SAMPLED: u32 = 1;

/// The spans of a run, made of its events one by one.
pub struct Spans {
    /// Of items that go on; ended ones are forgotten.
    timeline: Timeline,
    parent: Option<Parent>,
    ids: Ids,
    /// When the run began, in nanoseconds since 1970.
    began: u64,
}

impl Spans {
    /// No span yet. With a parent they are in its trace, below it.
    pub fn new(parent: Option<Parent>) -> Spans {
        Spans { timeline: Timeline::with_detail(0), parent, ids: Ids::default(), began: 0 }
    }

    /// Takes in an event, and gives the spans that ended with it.
    pub fn add(&mut self, event: &Event) -> Vec<Span> {
        let mut spans = Vec::new();
        match &event.kind {
            EventKind::ItemEnded { job, item, state, why, code, waits, brought } => {
                let known = self.timeline.item(*job, *item).cloned();
                let known = known.unwrap_or_else(|| Item::new(*job, *item, None, event.at));
                if known.running().is_some() {
                    let (job, item, state, error) = (*job, *item, *state, why.clone());
                    let kind = EventKind::AttemptEnded { job, item, state, error, retry_in: None };
                    return [self.add(&Event { at: event.at, kind }), self.add(event)].concat();
                }
                self.timeline.add(event);
                let (why, code, waits, brought) = (why.clone(), code.clone(), waits.clone(), brought.clone());
                let at = self.timeline.now;
                spans.push(self.item(&known, &End { at, state: *state, why, code, waits, brought }));
            }
            EventKind::JobEnded { job, why, .. } => {
                let known = self.timeline.jobs.get(job).cloned();
                self.timeline.add(event);
                spans.extend(known.map(|known| self.job(&known, why.as_deref())));
            }
            EventKind::AttemptEnded { job, item, .. } => {
                let runs = self.timeline.item(*job, *item).is_some_and(|item| item.running().is_some());
                self.timeline.add(event);
                spans.extend(runs.then(|| self.attempt(*job, *item)).flatten());
            }
            EventKind::RunStarted(info) => {
                self.timeline.add(event);
                self.ids = Ids::new(info, self.parent);
                self.began = nanoseconds(&info.started);
            }
            EventKind::RunEnded { exit, .. } => {
                self.timeline.add(event);
                spans.push(self.run(*exit));
            }
            _ => self.timeline.add(event),
        }
        spans
    }

    fn run(&self, exit: u8) -> Span {
        let info = &self.timeline.info;
        let failed = exit != 0;
        let said = Said::default()
            .text("fanout.run", info.id.as_str())
            .text("fanout.plan", info.name.as_str())
            .text("process.executable.name", "fanout")
            .number("process.exit.code", exit.into())
            .some("error.type", failed.then(|| exit.to_string()).as_deref());
        let mut span = self.span(Of::Run, self.ids.above(), (Duration::ZERO, self.timeline.now));
        span.name = format!("run {}", info.name);
        span.attributes = items(said, &self.timeline.counts).list();
        if failed && self.timeline.stopping.is_none() {
            span.status = error(Some(&format!("exit code {exit}")));
        }
        span
    }

    fn job(&self, job: &Job, why: Option<&str>) -> Span {
        let parent = job.parent.filter(|_| job.role != Role::Items).map_or(Of::Run, Of::Job);
        let times = (job.started.unwrap_or(self.timeline.now), self.timeline.now);
        let source = self.timeline.sources.get(job.source);
        let said = Said::default()
            .text("fanout.job", &*job.name)
            .text("fanout.role", name(job.role))
            .some("fanout.source", source.map(|source| &*source.name))
            .some("fanout.kind", source.map(|source| &*source.kind))
            .some("fanout.why", why);
        let mut span = self.span(Of::Job(job.number), Some(self.ids.span(parent)), times);
        span.name = format!("job {}", job.name);
        span.attributes = items(said, &job.counts).list();
        let lost = job.counts.lost() - job.counts.cancelled;
        if lost > 0 && self.timeline.stopping.is_none() {
            span.status = error(Some(&format!("{lost} of {} lost", counted(job.counts.submitted, "item"))));
        }
        span
    }

    fn item(&self, item: &Item, end: &End) -> Span {
        let of = Of::Item(item.job, item.number);
        let mut span = self.span(of, Some(self.ids.span(Of::Job(item.job))), (item.queued, end.at));
        span.name =
            self.timeline.jobs.get(&item.job).map_or("item".to_owned(), |job| format!("item {}", job.name));
        span.attributes = self
            .named(item, end.state)
            .number("fanout.attempts", item.tries().into())
            .count("fanout.bytes", end.brought.bytes)
            .count("fanout.rows", end.brought.rows)
            .some("fanout.output", end.brought.output.as_deref())
            .some("fanout.change", end.brought.change.map(name).as_deref())
            .some("fanout.why", end.why.as_deref())
            .some("fanout.code", end.code.as_deref())
            .list();
        span.events = self.waits(item);
        if self.is_error(end.state) {
            span.status = error(end.why.as_deref());
        }
        span
    }

    /// An item's attempt that has just ended.
    fn attempt(&self, job: JobNumber, item: ItemNumber) -> Option<Span> {
        let item = self.timeline.item(job, item)?;
        let attempt = item.attempts.last()?;
        let end = attempt.end.as_ref()?;
        let of = Of::Attempt(job, item.number, attempt.number);
        let parent = self.ids.span(Of::Item(job, item.number));
        let mut span = self.span(of, Some(parent), (attempt.start, end.at));
        span.name = called(attempt);
        span.kind = if self.is_remote(job) { SpanKind::Client } else { SpanKind::Internal }.into();
        let waited = attempt.waits.iter().map(|wait| wait.duration).sum();
        span.attributes = self
            .named(item, end.state)
            .all(&attempt.attributes, &["error.type"])
            .some("error.type", error_type(end.state, &attempt.attributes).as_deref())
            .number("fanout.attempt", attempt.number.into())
            .number("fanout.lane", attempt.lane.into())
            .time("fanout.waited", waited)
            .list();
        let phases = attempt.spans(end.at).map(|(at, _, phase)| self.event(phase, at, Said::default()));
        span.events = phases.collect();
        if self.is_error(end.state) {
            span.status = error(end.error.as_deref());
        }
        Some(span)
    }

    /// What an item waited for, each wait where it began.
    fn waits(&self, item: &Item) -> Vec<SpanEvent> {
        let mut free = item.queued;
        let mut events = Vec::new();
        for attempt in &item.attempts {
            events.extend(attempt.waited(free).map(|(from, _, wait)| {
                let said = Said::default()
                    .text("fanout.wait.reason", name(wait.reason))
                    .some("fanout.wait.limit", wait.limit.as_deref())
                    .time("fanout.wait.duration", wait.duration);
                self.event("wait", from, said)
            }));
            free = attempt.until(self.timeline.now);
        }
        events
    }

    fn named(&self, item: &Item, state: State) -> Said {
        let job = self.timeline.jobs.get(&item.job).map(|job| &*job.name);
        Said::default()
            .some("fanout.job", job)
            .some("fanout.key", item.key.as_deref())
            .text("fanout.outcome", name(state))
    }

    /// A span with its ids and times, and nothing else yet.
    fn span(&self, of: Of, parent: Option<Vec<u8>>, (start, end): (Duration, Duration)) -> Span {
        let remote = matches!(of, Of::Run) && parent.is_some();
        let mut flags = SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32;
        if remote {
            flags |= SpanFlags::ContextIsRemoteMask as u32;
        }
        Span {
            trace_id: self.ids.trace(),
            span_id: self.ids.span(of),
            parent_span_id: parent.unwrap_or_default(),
            flags,
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.time(start),
            end_time_unix_nano: self.time(end),
            ..Span::default()
        }
    }

    fn event(&self, name: &str, at: Duration, said: Said) -> SpanEvent {
        let (name, attributes) = (name.to_owned(), said.list());
        SpanEvent { time_unix_nano: self.time(at), name, attributes, ..SpanEvent::default() }
    }

    /// To the microsecond, as the event log has it.
    fn time(&self, at: Duration) -> u64 {
        self.began.saturating_add((at.as_micros() as u64).saturating_mul(1000))
    }

    /// What was cancelled, or not started because the run is being stopped, is nobody's error.
    fn is_error(&self, state: State) -> bool {
        match state {
            State::Failed | State::TimedOut | State::Panicked => true,
            State::NotStarted => self.timeline.stopping.is_none(),
            State::Done | State::Skipped | State::Cancelled => false,
        }
    }

    /// Whether a job's attempts ask a source, and not something built in.
    fn is_remote(&self, job: JobNumber) -> bool {
        let source = self.timeline.jobs.get(&job).and_then(|job| self.timeline.sources.get(job.source));
        source.is_some_and(|source| self.timeline.info.sources.iter().any(|known| known.name == source.name))
    }
}

/// An attempt's name: few different ones, as the conventions want it.
fn called(attempt: &Attempt) -> String {
    let names = ["http.request.method", "db.query.summary", "fanout.sftp.operation"];
    let name = names.iter().find_map(|name| attempt.attributes.get(name)?.text());
    name.filter(|name| !name.is_empty()).unwrap_or("attempt").to_owned()
}

fn items(said: Said, counts: &Counts) -> Said {
    said.number("fanout.items", counts.submitted)
        .count("fanout.items.done", counts.done)
        .count("fanout.items.failed", counts.failed)
        .count("fanout.items.timed_out", counts.timed_out)
        .count("fanout.items.cancelled", counts.cancelled)
        .count("fanout.items.panicked", counts.panicked)
        .count("fanout.items.skipped", counts.skipped)
        .count("fanout.items.not_started", counts.not_started)
}

/// An RFC 3339 time in nanoseconds since 1970; 0 for what is no time.
fn nanoseconds(time: &str) -> u64 {
    let time = time.parse::<jiff::Timestamp>().ok();
    time.and_then(|time| u64::try_from(time.as_nanosecond()).ok()).unwrap_or_default()
}

/// A request to a collector: spans, and what is said of the one who made them (`service.name`).
pub fn encode(service: &[(String, String)], spans: Vec<Span>) -> Vec<u8> {
    let said = service.iter().fold(Said::default(), |said, (name, value)| said.text(name, value.as_str()));
    let resource = Some(Resource { attributes: said.list(), ..Resource::default() });
    let (name, version) = ("fanout".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let scope = Some(InstrumentationScope { name, version, ..InstrumentationScope::default() });
    let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// How many spans of a request its collector did not take, as its answer says.
pub fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).ok();
    let rejected = answer.and_then(|answer| answer.partial_success).map(|partial| partial.rejected_spans);
    rejected.and_then(|spans| u64::try_from(spans).ok()).unwrap_or_default()
}
