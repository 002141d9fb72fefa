use super::{LogError, Reader, encode, fields};
use crate::gather::{
    AttributeValue, Attributes, Brought, Cause, Change, Counts, Event, EventKind, JobInfo, LimitInfo,
    LimitUse, Reason, Role, RunInfo, SourceInfo, State, Wait,
};
use crate::report::story::{mixed, s};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// The log of some events.
fn log(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    events.iter().for_each(|event| encode(event, &mut out).unwrap());
    out
}

/// The events of a log and the notes on it.
fn read(log: &[u8]) -> Result<(Vec<Event>, Vec<String>), LogError> {
    let mut reader = Reader::new(log);
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        events.push(event);
    }
    Ok((events, reader.notes().lines()))
}

fn text() -> BoxedStrategy<String> {
    prop_oneof!["[a-z0-9/]{0,12}", any::<String>()].boxed()
}

fn time() -> impl Strategy<Value = Duration> {
    let micros =
        prop_oneof![0..10_u64.pow(15), 0..100_u64, (0..100_u64).prop_map(|seconds| seconds * 1_000_000)];
    micros.prop_map(Duration::from_micros)
}

/// A number that is left out where it is 0.
fn some() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any::<u64>()]
}

fn state() -> impl Strategy<Value = State> {
    use State::*;
    prop::sample::select(vec![Done, Failed, TimedOut, Cancelled, Panicked, Skipped, NotStarted])
}

fn waits() -> impl Strategy<Value = Vec<Wait>> {
    use Reason::*;
    let reason = prop::sample::select(vec![Concurrency, Rate, Hold, Connect, Retry, Until, Need, Sync]);
    let wait = (reason, prop::option::of(text()), time());
    let wait =
        wait.prop_map(|(reason, limit, duration)| Wait { reason, limit: limit.map(Into::into), duration });
    prop::collection::vec(wait, 0..3)
}

fn attributes() -> BoxedStrategy<Attributes> {
    let value = prop_oneof![text().prop_map(Into::into), any::<i64>().prop_map(AttributeValue::Number)];
    let pairs = prop::collection::vec((text(), value), 0..3);
    pairs
        .prop_map(|pairs| {
            let mut attributes = Attributes::default();
            pairs.into_iter().for_each(|(name, value)| attributes.set(name, value));
            attributes
        })
        .boxed()
}

fn limits() -> impl Strategy<Value = Option<Arc<[LimitUse]>>> {
    let limit = (text(), prop_oneof![Just(1), any::<u64>()]);
    let limit = limit.prop_map(|(limit, weight)| LimitUse { limit: limit.into(), weight });
    prop::option::of(prop::collection::vec(limit, 0..3).prop_map(Into::into))
}

fn counts() -> impl Strategy<Value = Counts> {
    any::<[u64; 8]>().prop_map(
        |[submitted, done, failed, timed_out, cancelled, panicked, skipped, not_started]| Counts {
            submitted,
            done,
            failed,
            timed_out,
            cancelled,
            panicked,
            skipped,
            not_started,
        },
    )
}

fn brought() -> BoxedStrategy<Brought> {
    let change =
        prop::sample::select(vec![None, Some(Change::New), Some(Change::Changed), Some(Change::Same)]);
    let brought = (some(), some(), prop::option::of(text()), some(), change);
    let make = |(bytes, rows, output, entries, change)| Brought { bytes, rows, output, entries, change };
    brought.prop_map(make).boxed()
}

fn cause() -> BoxedStrategy<Cause> {
    prop_oneof![
        any::<i32>().prop_map(Cause::Signal),
        text().prop_map(|label| Cause::Sibling(label.into())),
        text().prop_map(|why| Cause::Source(why.into())),
        prop::sample::select(vec![Cause::Deadline, Cause::Policy, Cause::Asked]),
    ]
    .boxed()
}

fn info() -> BoxedStrategy<RunInfo> {
    let limit = (text(), prop::option::of(any::<u64>()), prop::option::of(text()), any::<bool>());
    let limit = limit.prop_map(|(name, concurrency, rate, per_host)| LimitInfo {
        name: name.into(),
        concurrency,
        rate,
        per_host,
    });
    let source = (text(), text(), text()).prop_map(|(name, kind, target)| SourceInfo { name, kind, target });
    let job = (text(), text(), prop::option::of(text()), prop::collection::vec(text(), 0..3), any::<bool>());
    let job = job.prop_map(|(name, kind, source, needs, many)| JobInfo {
        name: name.into(),
        kind,
        source,
        needs,
        many,
    });
    let lists = (
        prop::collection::btree_map(text(), text(), 0..3),
        prop::collection::vec(limit, 0..3),
        prop::collection::vec(source, 0..3),
        prop::collection::vec(job, 0..3),
    );
    let texts = (text(), text(), text(), text(), prop::option::of((text(), text())));
    (texts, lists)
        .prop_map(|((version, id, started, name, plan), (vars, limits, sources, jobs))| RunInfo {
            log: 1,
            version,
            id,
            started,
            name,
            plan,
            vars,
            limits,
            sources,
            jobs,
        })
        .boxed()
}

fn item_event() -> BoxedStrategy<EventKind> {
    let id = (any::<u32>(), any::<u64>());
    prop_oneof![
        (id, prop::option::of(text()), limits()).prop_map(|((job, item), key, limits)| {
            EventKind::ItemQueued { job, item, key: key.map(Into::into), limits }
        }),
        (id, any::<u32>(), any::<u32>(), waits()).prop_map(|((job, item), attempt, lane, waits)| {
            EventKind::AttemptStarted { job, item, attempt, lane, waits }
        }),
        (id, text()).prop_map(|((job, item), name)| EventKind::Phase { job, item, name: name.into() }),
        (id, any::<u64>(), any::<u64>()).prop_map(|((job, item), bytes, rows)| EventKind::Progress {
            job,
            item,
            bytes,
            rows
        }),
        (id, attributes()).prop_map(|((job, item), attributes)| EventKind::Attributes {
            job,
            item,
            attributes
        }),
        (id, state(), prop::option::of(text()), prop::option::of(time())).prop_map(
            |((job, item), state, error, retry_in)| EventKind::AttemptEnded {
                job,
                item,
                state,
                error,
                retry_in
            }
        ),
        (id, state(), prop::option::of(text()), prop::option::of(text()), waits(), brought()).prop_map(
            |((job, item), state, why, code, waits, brought)| {
                let code = code.map(Into::into);
                EventKind::ItemEnded { job, item, state, why, code, waits, brought }
            }
        ),
    ]
    .boxed()
}

fn run_event() -> BoxedStrategy<EventKind> {
    let role = prop::sample::select(vec![Role::Items, Role::Pages, Role::Nested]);
    prop_oneof![
        info().prop_map(|info| EventKind::RunStarted(Box::new(info))),
        (any::<u32>(), text(), role, any::<Option<u32>>()).prop_map(|(job, name, role, parent)| {
            EventKind::JobStarted { job, name: name.into(), role, parent }
        }),
        (any::<u32>(), counts(), prop::option::of(text()))
            .prop_map(|(job, counts, why)| EventKind::JobEnded { job, counts, why }),
        (text(), time()).prop_map(|(limit, duration)| EventKind::Held { limit: limit.into(), duration }),
        (text(), any::<u64>())
            .prop_map(|(limit, concurrency)| EventKind::Resized { limit: limit.into(), concurrency }),
        text().prop_map(|source| EventKind::SourceUp { source: source.into() }),
        (text(), text()).prop_map(|(source, why)| EventKind::SourceDown { source: source.into(), why }),
        (any::<Option<u32>>(), cause()).prop_map(|(job, cause)| EventKind::Cancelling { job, cause }),
        text().prop_map(|message| EventKind::Warning { message }),
        (counts(), any::<u8>()).prop_map(|(counts, exit)| EventKind::RunEnded { counts, exit }),
    ]
    .boxed()
}

/// Any event that can be told.
pub(in crate::report) fn event() -> BoxedStrategy<Event> {
    (time(), prop_oneof![item_event(), run_event()]).prop_map(|(at, kind)| Event { at, kind }).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_event_comes_back_as_it_was_written(info in info(), events in prop::collection::vec(event(), 0..20)) {
        let mut all = vec![Event { at: Duration::ZERO, kind: EventKind::RunStarted(Box::new(info)) }];
        all.extend(events);
        let (back, notes) = read(&log(&all)).unwrap();
        prop_assert_eq!(back, all);
        prop_assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn no_line_break_stands_within_an_event(event in event()) {
        let line = log(&[event]);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut whole = log(&mixed()[..3]);
        whole.extend(&bytes);
        let (events, _) = read(&whole).unwrap();
        prop_assert!(events.len() >= 3);
        let _ = read(&bytes);
    }
}

#[test]
fn a_log_cut_at_any_byte_gives_the_events_before_the_cut() {
    let events = mixed();
    let whole = log(&events);
    for cut in 0..whole.len() {
        let (read, notes) = read(&whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert!(read.len() == lines || read.len() == lines + 1, "{} of {lines} at {cut}", read.len());
        assert_eq!(read, events[..read.len()]);
        assert!(notes.len() <= 1, "{notes:?}");
    }
}

#[test]
fn unknown_events_and_fields_are_left_out_with_a_note() {
    let mut text = log(&mixed()[..1]);
    text.extend(b"{\"t\":1.0,\"event\":\"migrated\",\"to\":\"host-b\"}\n");
    text.extend(b"{\"t\":1.5,\"event\":\"migrated\",\"to\":\"host-c\"}\n");
    text.extend(b"{\"t\":2.0,\"event\":\"item_queued\",\"job\":0,\"item\":7,\"weight\":2}\n");
    text.extend(b"{\"t\":2.0,\"event\":\"item_queued\",\"job\":\"x\",\"item\":7}\n");
    text.extend(b"[1, 2]\n\n");
    text.extend(b"{\"t\":3.0,\"event\":\"warning\",\"message\":\"hi\"}\n");
    let (events, notes) = read(&text).unwrap();
    let queued =
        Event { at: s(2.0), kind: EventKind::ItemQueued { job: 0, item: 7, key: None, limits: None } };
    let warning = Event { at: s(3.0), kind: EventKind::Warning { message: "hi".into() } };
    assert_eq!(events[1..], [queued, warning]);
    insta::assert_snapshot!(notes.join("\n"), @r#"
    line 2 and 1 more: unknown event "migrated", left out
    line 4: unknown field item_queued.weight, left out
    line 5: event "item_queued" not understood, left out: invalid type: string "x", expected u32
    line 6: not an event, left out
    "#);
}

#[test]
fn a_note_is_one_line_and_shows_what_the_log_hides() {
    let mut text = log(&mixed()[..1]);
    text.extend(
        br#"{"t":1,"event":"job_started","job":0,"name":"x","role":"zz\u001b[31m\nline 9: forged\u202e"}"#,
    );
    text.extend(b"\n{\"t\":1,\"event\":\"source_up\",\"source\":\"x\",\"\\u001b[2J\\nx\":1}\n");
    insta::assert_snapshot!(read(&text).unwrap().1.join("\n"), @r#"
    line 2: event "job_started" not understood, left out: unknown variant `zz\x1b[31m\nline 9: forged\u{202e}`, expected one of `items`, `pages`, `nested`
    line 3: unknown field source_up.\x1b[2J\nx, left out
    "#);
}

#[test]
fn a_newer_version_is_refused() {
    let text = b"{\"t\":0.0,\"event\":\"run_started\",\"log\":2,\"everything\":{}}\n";
    insta::assert_snapshot!(read(text).unwrap_err(), @r#"
    the event log has version 2, and this build reads up to 1
    (use a newer fanout)
    "#);
}

#[test]
fn another_file_is_not_a_log() {
    for text in
        ["name,age\n1,2\n", "{\"t\":0,\"event\":\"warning\",\"message\":\"x\"}\n", "\n", "{}", "hello"]
    {
        insta::allow_duplicates! {
            insta::assert_snapshot!(read(text.as_bytes()).unwrap_err(), @"not an event log: line 1 is not the event run_started");
        }
    }
    assert_eq!(read(b"").unwrap().0, []);
}

#[test]
fn the_documentation_names_every_event_and_field_with_a_true_example() {
    let text = include_str!("../../../docs/events.md");
    for (event, names) in fields::FIELDS {
        let heading = format!("### `{event}`\n");
        let section = text.split(&heading).nth(1).unwrap_or_else(|| panic!("no section {event}"));
        let section = section.split("\n### ").next().unwrap();
        for name in *names {
            assert!(section.contains(&format!("`{name}`")), "{event}.{name} is not described");
        }
        let line =
            section.lines().find(|line| line.starts_with("{\"t\":")).unwrap_or_else(|| panic!("{event}"));
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(log(&[event]), format!("{line}\n").as_bytes(), "written differently");
        assert_eq!(fields::unknown(line.as_bytes()), Vec::<String>::new());
    }
}

proptest! {
    #[test]
    fn an_event_is_written_as_serde_would(at in time(), kind in item_event()) {
        let event = Event { at, kind };
        let line: serde_json::Value = serde_json::from_slice(&log(std::slice::from_ref(&event))).unwrap();
        let by_serde: serde_json::Value = serde_json::from_slice(&serde_json::to_vec(&event).unwrap()).unwrap();
        prop_assert_eq!(line.to_string(), by_serde.to_string());
    }

    #[test]
    fn the_list_of_fields_is_that_of_the_events(event in event()) {
        let line = log(&[event]);
        let kind = fields::kind(&line).unwrap();
        prop_assert!(fields::of(&kind).is_some(), "{}", kind);
        prop_assert_eq!(fields::unknown(&line), Vec::<String>::new());
    }
}
