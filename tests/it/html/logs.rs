//! The runs that are shown: a small one, of which every time is known, and as large a one as is wanted.

use fanout::gather::{Brought, Event, EventKind, JobInfo, Reason, RunInfo, State, Wait};
use fanout::report::log::Reader;
use std::time::Duration;

/// A run of 4 s with two sources, a job without, waits, a retry, a failure, and an item that never started.
pub(super) fn known() -> Vec<Event> {
    let mut reader = Reader::new(include_bytes!("known.jsonl").as_slice());
    let events = std::iter::from_fn(|| reader.next_event().unwrap()).collect();
    assert!(reader.notes().lines().is_empty(), "{:?}", reader.notes());
    events
}

/// The known run as far as it came by 3 s.
pub(super) fn cut() -> Vec<Event> {
    known().into_iter().take_while(|event| event.at < Duration::from_secs(3)).collect()
}

/// A run of many items, eight at once, each of 125 ms, of which every hundredth fails.
pub(super) fn many(count: u64) -> Vec<Event> {
    let job = JobInfo { name: "inbox".into(), kind: "sftp".into(), many: true, ..JobInfo::default() };
    let info = RunInfo { log: 1, name: "many".into(), jobs: vec![job], ..RunInfo::default() };
    let mut events = vec![event(0, EventKind::RunStarted(Box::new(info)))];
    for item in 0..count {
        let key = Some(format!("2026/11/21/delivery-{item:05}.csv").into());
        events.push(event(0, EventKind::ItemQueued { job: 0, item, key, limits: None }));
    }
    (0..count).for_each(|item| events.extend(life(item)));
    events.sort_by_key(|event| event.at);
    let last = events.last().map_or(0, |event| event.at.as_millis() as u64);
    events.push(event(last, EventKind::RunEnded { counts: Default::default(), exit: 0 }));
    events
}

/// What happens to one of the many.
fn life(item: u64) -> Vec<Event> {
    let start = item / 8 * 125;
    let (job, lane) = (0, (item % 8) as u32);
    let (reason, limit) = (Reason::Concurrency, Some("source:partner".into()));
    let waits = vec![Wait { reason, limit, duration: Duration::from_millis(start) }];
    let phase = |name: &'static str| EventKind::Phase { job, item, name: name.into() };
    let lost = item % 100 == 99;
    let state = if lost { State::Failed } else { State::Done };
    let why = lost.then(|| format!("read {item}: permission denied"));
    let output = Some(format!("inbox/delivery-{item:05}.csv"));
    let brought = Brought { bytes: item, output, ..Brought::default() };
    vec![
        event(start, EventKind::AttemptStarted { job, item, attempt: 1, lane, waits }),
        event(start, phase("open")),
        event(start + 31, phase("read")),
        event(start + 125, EventKind::AttemptEnded { job, item, state, error: why.clone(), retry_in: None }),
        event(
            start + 125,
            EventKind::ItemEnded { job, item, state, why, code: None, waits: vec![], brought },
        ),
    ]
}

fn event(milliseconds: u64, kind: EventKind) -> Event {
    Event { at: Duration::from_millis(milliseconds), kind }
}
