//! A log that is cut or damaged: it still gives every view, or an error that says where it is wrong. Not here: which events
//! are read of it (beside `log`).

use crate::gather::Event;
use crate::report::log::{LogError, Reader};
use crate::report::{
    Style, Timeline, end, files, github, html, junit, otlp, plain, terminal, trace, what_if,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// A run with every kind of event.
const NIGHT: &[u8] = include_bytes!("night.jsonl");

fn read(log: &[u8]) -> Result<Vec<Event>, LogError> {
    let mut reader = Reader::new(log);
    std::iter::from_fn(|| reader.next_event().transpose()).collect()
}

/// Draws every view there is. Those that others read are read.
fn draw_all(events: &[Event]) {
    let (timeline, style) = (Timeline::of(events), Style::default());
    let drawn = |draw: fn(&Timeline, &mut Vec<u8>) -> std::io::Result<()>| {
        let mut out = Vec::new();
        draw(&timeline, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    end(&timeline, &style);
    terminal::frame(&timeline, 7, &style, 10);
    let page = drawn(|timeline, out| html::html(timeline, out));
    let (_, data) = page.split_once("id=\"run\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    json(data);
    json(&drawn(|timeline, out| trace::trace(timeline, out)));
    drawn(|timeline, out| files::files(timeline, out)).lines().for_each(|line| drop(json(line)));
    roxmltree::Document::parse(&drawn(|timeline, out| junit::junit(timeline, out))).unwrap();
    drawn(|timeline, out| github::github(timeline, out));
    for change in ["limits.concurrency=2", "sources.shop.concurrency=4", "sources.api.rate=5/s"] {
        // A log that lacks what a replay needs says so.
        let _ = what_if::what_if(&timeline, &[change.parse().unwrap()]);
    }
    let (mut spans, mut plain) = (otlp::Spans::new(None), plain::Plain::new(Vec::new(), style));
    for event in events {
        otlp::encode(&[], spans.add(event));
        plain.add(event).unwrap();
    }
    plain.finish().1.unwrap();
}

#[test]
fn the_log_has_every_kind_of_event() {
    let kind = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].to_string();
    let kinds: BTreeSet<_> = std::str::from_utf8(NIGHT).unwrap().lines().map(kind).collect();
    assert_eq!(kinds.len(), 17, "{kinds:?}");
}

/// At each byte the log is read; the views are drawn wherever what was read is something else than a byte before: they are
/// functions of the events alone.
#[test]
fn a_log_cut_at_any_byte_still_gives_every_view() {
    let mut drawn = None;
    for cut in 0..=NIGHT.len() {
        let events = read(&NIGHT[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        if drawn.replace(events.len()) != Some(events.len()) {
            draw_all(&events);
        }
    }
    assert_eq!(drawn, Some(35), "every line is an event");
}

/// Whatever time one line says, later ones are no earlier.
#[test]
fn a_time_of_a_million_years_harms_no_view() {
    let log = std::str::from_utf8(NIGHT).unwrap();
    for at in 0..log.lines().count() {
        let late = |line: &str| format!("{{\"t\":1e18,{}", line.split_once(',').unwrap().1);
        let line = |(number, line): (usize, &str)| if number == at { late(line) } else { line.to_owned() };
        let lines: Vec<_> = log.lines().enumerate().map(line).collect();
        let events = read(lines.join("\n").as_bytes()).unwrap();
        assert_eq!((events.len(), events[at].at), (35, Duration::from_micros(u64::MAX)));
        draw_all(&events);
    }
}

/// Bytes that make other numbers, texts and structures as often as they make none.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"0123456789eE.-\"\\{}[],:\n".to_vec()), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_log_with_bytes_overwritten_gives_every_view_or_says_which_line_is_wrong(
        bytes in prop::collection::vec((any::<prop::sample::Index>(), byte()), 1..4),
    ) {
        let mut log = NIGHT.to_vec();
        bytes.into_iter().for_each(|(at, byte)| *at.get_mut(&mut log) = byte);
        match read(&log) {
            Ok(events) => draw_all(&events),
            Err(error) => {
                let said = error.to_string();
                prop_assert!(said.contains("line ") || said.contains("version"), "{said}");
            }
        }
    }
}
