//! Runs made up for tests: [`Story`] writes their events, with times in seconds.

use crate::gather::{
    Brought, Counts, Event, EventKind, ItemNumber, JobInfo, JobNumber, LimitInfo, LimitUse, Reason, Role,
    RunInfo, SourceInfo, State, Wait,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The events of a run, in the order in which they are told.
#[derive(Default)]
pub(super) struct Story {
    pub(super) events: Vec<Event>,
    counts: Counts,
    /// What the items of each job take, as long as it is not told.
    takes: BTreeMap<JobNumber, Arc<[LimitUse]>>,
}

/// Seconds.
pub(super) fn s(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6).round() as u64)
}

/// A wait for a limit's concurrency.
pub(super) fn turn(limit: &str, seconds: f64) -> Wait {
    Wait { reason: Reason::Concurrency, limit: Some(limit.into()), duration: s(seconds) }
}

/// A wait for a reason without a limit.
pub(super) fn wait(reason: Reason, seconds: f64) -> Wait {
    Wait { reason, limit: None, duration: s(seconds) }
}

impl Story {
    /// A run of jobs `(name, kind, source, many)`, all started at once, with limits `(name, concurrency)`.
    pub(super) fn new(jobs: &[(&str, &str, Option<&str>, bool)], limits: &[(&str, u64)]) -> Story {
        let job = |&(name, kind, source, many): &(&str, &str, Option<&str>, bool)| JobInfo {
            name: name.into(),
            kind: kind.into(),
            source: source.map(str::to_owned),
            needs: Vec::new(),
            many,
        };
        let limit = |&(name, concurrency): &(&str, u64)| LimitInfo {
            name: name.into(),
            concurrency: Some(concurrency),
            ..LimitInfo::default()
        };
        let mut sources: Vec<SourceInfo> = Vec::new();
        for &(_, kind, source, _) in jobs {
            let name = source.unwrap_or_default().to_owned();
            if !name.is_empty() && sources.iter().all(|known| known.name != name) {
                sources.push(SourceInfo {
                    target: format!("{kind}://{name}.example"),
                    name,
                    kind: kind.into(),
                });
            }
        }
        let info = RunInfo {
            log: crate::gather::LOG_VERSION,
            version: "0.1.0".into(),
            id: "20261122-101500-7f3a".into(),
            started: "2026-11-22T10:15:00Z".into(),
            name: "nightly".into(),
            limits: limits.iter().map(limit).collect(),
            jobs: jobs.iter().map(job).collect(),
            sources,
            ..RunInfo::default()
        };
        let takes = (0..).zip(jobs).filter_map(|(number, (_, _, source, _))| {
            let limit = format!("source:{}", (*source)?);
            let is_known = limits.iter().any(|(name, _)| **name == limit);
            is_known.then(|| (number, [LimitUse { limit: limit.into(), weight: 1 }].into()))
        });
        let mut story = Story { takes: takes.collect(), ..Story::default() };
        story.tell(0.0, EventKind::RunStarted(Box::new(info)));
        for (number, (name, ..)) in (0..).zip(jobs) {
            let name: Arc<str> = (*name).into();
            story.tell(0.0, EventKind::JobStarted { job: number, name, role: Role::Items, parent: None });
        }
        story
    }

    /// The items of a job take these limits, beside the run's own.
    pub(super) fn takes(&mut self, job: JobNumber, limits: &[&str]) -> &mut Story {
        let uses = limits.iter().map(|name| LimitUse { limit: (*name).into(), weight: 1 });
        self.takes.insert(job, uses.collect());
        self
    }

    /// One more event.
    pub(super) fn tell(&mut self, at: f64, kind: EventKind) -> &mut Story {
        self.events.push(Event { at: s(at), kind });
        self
    }

    pub(super) fn queue(
        &mut self,
        at: f64,
        job: JobNumber,
        item: ItemNumber,
        key: Option<&str>,
    ) -> &mut Story {
        self.counts.submitted += 1;
        let limits = self.takes.remove(&job);
        self.tell(at, EventKind::ItemQueued { job, item, key: key.map(Into::into), limits })
    }

    pub(super) fn start(
        &mut self,
        at: f64,
        id: (JobNumber, ItemNumber, u32),
        lane: u32,
        waits: &[Wait],
    ) -> &mut Story {
        let (job, item, attempt) = id;
        self.tell(at, EventKind::AttemptStarted { job, item, attempt, lane, waits: waits.to_vec() })
    }

    pub(super) fn phase(
        &mut self,
        at: f64,
        job: JobNumber,
        item: ItemNumber,
        name: &'static str,
    ) -> &mut Story {
        self.tell(at, EventKind::Phase { job, item, name: name.into() })
    }

    pub(super) fn stop(
        &mut self,
        at: f64,
        job: JobNumber,
        item: ItemNumber,
        state: State,
        retry: Option<f64>,
    ) -> &mut Story {
        let error = (state != State::Done).then(|| "reset by peer".to_owned());
        self.tell(at, EventKind::AttemptEnded { job, item, state, error, retry_in: retry.map(s) })
    }

    pub(super) fn end(
        &mut self,
        at: f64,
        job: JobNumber,
        item: ItemNumber,
        state: State,
        why: Option<&str>,
        brought: Brought,
    ) -> &mut Story {
        self.counts.add(state);
        let code = why.filter(|why| *why == "unchanged").map(Into::into);
        let (why, waits) = (why.map(Into::into), Vec::new());
        self.tell(at, EventKind::ItemEnded { job, item, state, why, code, waits, brought })
    }

    /// The last attempt and the item end well.
    pub(super) fn done(&mut self, at: f64, job: JobNumber, item: ItemNumber) -> &mut Story {
        self.stop(at, job, item, State::Done, None).end(at, job, item, State::Done, None, Brought::default())
    }

    pub(super) fn finish(&mut self, at: f64, exit: u8) -> Vec<Event> {
        let counts = self.counts;
        self.tell(at, EventKind::RunEnded { counts, exit });
        std::mem::take(&mut self.events)
    }
}

/// The classic example: three jobs of 2 s, 4 s and 1 s.
pub(super) fn classic(in_turn: bool) -> Vec<Event> {
    let jobs = ["function1", "function2", "function3"].map(|name| (name, "sleep", None, false));
    let limit = if in_turn { 1 } else { 1024 };
    let mut story = Story::new(&jobs, &[("run", limit)]);
    for job in 0..3 {
        story.queue(0.0, job, 0, None);
    }
    if in_turn {
        for (job, from, to) in [(0, 0.001, 2.002), (1, 2.002, 6.003), (2, 6.003, 7.005)] {
            let waits = if job == 0 { vec![] } else { vec![turn("run", from)] };
            story.start(from, (job, 0, 1), 0, &waits).done(to, job, 0);
        }
        return story.finish(7.006, 0);
    }
    for job in 0..3 {
        story.start(0.001, (job, 0, 1), job, &[]);
    }
    story.done(1.002, 2, 0).done(2.002, 0, 0).done(4.003, 1, 0);
    story.finish(4.004, 0)
}

/// Three sources, phases, waits for a limit and a rate, a retry, a failure with a hint, a source that is down.
pub(super) fn mixed() -> Vec<Event> {
    let mut story = Story::new(
        &[
            ("invoices", "sftp", Some("partner"), true),
            ("sales", "postgres", Some("shop"), true),
            ("fx", "http", Some("rates"), true),
            ("stock", "postgres", Some("depot"), true),
        ],
        &[
            ("run", 1024),
            ("source:partner", 256),
            ("source:shop", 2),
            ("source:rates", 16),
            ("source:depot", 8),
        ],
    );
    mixed_start(&mut story);
    let change = Some(crate::gather::Change::New);
    let some = |bytes, rows| Brought { bytes, rows, change, ..Brought::default() };
    story
        .phase(0.62, 1, 0, "read")
        .phase(0.7, 1, 1, "read")
        .phase(0.75, 0, 0, "read")
        .phase(0.8, 0, 1, "read");
    story.stop(0.9, 2, 1, State::Failed, Some(1.0));
    story.stop(1.2, 1, 0, State::Done, None).end(1.2, 1, 0, State::Done, None, some(81_920, 1200));
    story.start(1.2, (1, 2, 1), 6, &[turn("source:shop", 1.2)]).phase(1.2, 1, 2, "query");
    story.stop(1.4, 0, 0, State::Done, None).end(1.4, 0, 0, State::Done, None, some(5_242_880, 0));
    story.stop(1.5, 2, 0, State::Done, None).end(1.5, 2, 0, State::Done, None, some(812, 0));
    story.start(1.9, (2, 1, 2), 4, &[wait(Reason::Retry, 1.0)]).phase(1.95, 2, 1, "wait");
    story.stop(2.1, 1, 1, State::Done, None).end(2.1, 1, 1, State::Done, None, some(640, 12));
    story.stop(2.3, 1, 2, State::Failed, None);
    let why = "query on shop: column \"amonut\" does not exist (42703) at line 3\n(did you mean \"amount\"?)";
    story.end(2.3, 1, 2, State::Failed, Some(why), Brought::default());
    story.phase(2.4, 2, 1, "read").stop(2.6, 2, 1, State::Done, None);
    story.end(2.6, 2, 1, State::Done, None, some(799, 0));
    story.stop(3.2, 0, 1, State::Done, None).end(3.2, 0, 1, State::Done, None, some(23_068_672, 0));
    story.finish(3.21, 1)
}

fn mixed_start(story: &mut Story) {
    for (job, item, key) in [
        (0, 0, "2026/a.csv"),
        (0, 1, "2026/b.csv"),
        (1, 0, "daily"),
        (1, 1, "emea"),
        (1, 2, "apac"),
        (2, 0, "EUR"),
        (2, 1, "USD"),
        (3, 0, "north"),
        (3, 1, "south"),
    ] {
        story.queue(0.0, job, item, Some(key));
    }
    story.start(0.0, (0, 0, 1), 0, &[]).phase(0.0, 0, 0, "connect");
    story.start(0.0, (1, 0, 1), 1, &[]).phase(0.0, 1, 0, "connect");
    story.start(0.0, (2, 0, 1), 2, &[]).phase(0.0, 2, 0, "connect");
    story.start(0.0, (3, 0, 1), 3, &[]).phase(0.0, 3, 0, "connect");
    story.phase(0.1, 2, 0, "wait").phase(0.15, 1, 0, "query");
    let rate = Wait { reason: Reason::Rate, limit: Some("source:rates".into()), duration: s(0.3) };
    let connect = |limit: &str, seconds| Wait {
        reason: Reason::Connect,
        limit: Some(limit.into()),
        duration: s(seconds),
    };
    story.tell(0.15, EventKind::SourceUp { source: "source:shop".into() });
    story.start(0.15, (1, 1, 1), 5, &[connect("source:shop", 0.15)]).phase(0.15, 1, 1, "query");
    let why = "login refused for user \"acme\" at depot.example:5432";
    story.stop(0.2, 3, 0, State::Failed, None);
    story.tell(0.2, EventKind::SourceDown { source: "source:depot".into(), why: why.into() });
    for item in [0, 1] {
        let why = format!("source: {why}");
        story.end(0.2, 3, item, State::NotStarted, Some(&why), Brought::default());
    }
    story.start(0.3, (2, 1, 1), 4, &[rate]).phase(0.35, 2, 1, "wait");
    story.phase(0.4, 2, 0, "read").phase(0.4, 0, 0, "wait");
    story.tell(0.4, EventKind::SourceUp { source: "source:partner".into() });
    story.start(0.4, (0, 1, 1), 3, &[connect("source:partner", 0.4)]).phase(0.4, 0, 1, "wait");
}

/// Forty reports at eight at once.
pub(super) fn forty() -> Vec<Event> {
    let mut story =
        Story::new(&[("sales", "postgres", Some("shop"), true)], &[("run", 1024), ("source:shop", 8)]);
    for item in 0..40 {
        story.queue(0.0, 0, item, Some(&format!("report-{item:02}")));
    }
    let length = |item: u64| 0.5 + (item * 7 % 11) as f64 * 0.31;
    let mut lanes = [(0.0, None); 8];
    let mut events: Vec<(f64, bool, ItemNumber, u32)> = Vec::new();
    for item in 0..40 {
        let lane = (0..8).min_by(|a, b| f64::total_cmp(&lanes[*a].0, &lanes[*b].0)).unwrap_or(0);
        let start = lanes[lane].0;
        lanes[lane] = (start + length(item), Some(item));
        events.push((start, true, item, lane as u32));
        events.push((start + length(item), false, item, lane as u32));
    }
    events.sort_by(|a, b| f64::total_cmp(&a.0, &b.0).then(a.1.cmp(&b.1)));
    for (at, starts, item, lane) in events {
        let waits = [turn("source:shop", at)];
        if starts {
            story
                .start(at, (0, item, 1), lane, if at > 0.0 { &waits } else { &[] })
                .phase(at, 0, item, "query");
        } else if item % 13 == 5 {
            let why =
                format!("query report-{item:02} on shop: canceling statement due to lock timeout (55P03)");
            story.stop(at, 0, item, State::Failed, None);
            story.end(at, 0, item, State::Failed, Some(&why), Brought::default());
        } else {
            story.done(at, 0, item);
        }
    }
    let last = lanes.iter().map(|lane| lane.0).fold(0.0, f64::max);
    story.finish(last, 1)
}

/// Many small files at 64 at once, after a listing.
pub(super) fn files(count: u64) -> Vec<Event> {
    let jobs = [("inbox", "sftp", Some("partner"), true)];
    let mut story = Story::new(&jobs, &[("run", 1024), ("source:partner", 64)]);
    story.tell(
        0.0,
        EventKind::JobStarted { job: 1, name: "inbox".into(), role: Role::Pages, parent: Some(0) },
    );
    story.takes(1, &["source:partner"]).queue(0.0, 1, 0, None).start(0.0, (1, 0, 1), 0, &[]);
    let page = Brought { entries: count, ..Brought::default() };
    story.stop(0.4, 1, 0, State::Done, None).end(0.4, 1, 0, State::Done, None, page);
    story.tell(0.4, EventKind::JobEnded { job: 1, counts: Counts::default(), why: None });
    for item in 0..count {
        story.queue(0.4, 0, item, Some(&format!("out/{item:05}.csv")));
    }
    let mut ends = std::collections::VecDeque::new();
    let mut at = 0.4;
    for item in 0..count {
        if ends.len() == 64 {
            let (end, ended): (f64, u64) = ends.pop_front().unwrap_or_default();
            at = end.max(at);
            let brought = Brought { bytes: 16_384, ..Brought::default() };
            story.stop(at, 0, ended, State::Done, None).end(at, 0, ended, State::Done, None, brought);
        }
        story.start(at, (0, item, 1), (item % 64) as u32, &[turn("source:partner", at - 0.4)]);
        at += 0.000_5;
        ends.push_back((at + 0.05 + (item % 7) as f64 * 0.004, item));
    }
    for (end, item) in ends {
        at = end.max(at);
        let brought = Brought { bytes: 16_384, ..Brought::default() };
        story.stop(at, 0, item, State::Done, None).end(at, 0, item, State::Done, None, brought);
    }
    story.finish(at, 0)
}
