use super::html;
use super::texts::bound;
use crate::gather::{Brought, Change, Event, EventKind, Reason, State};
use crate::report::Timeline;
use crate::report::log::tests::event;
use crate::report::story::{Story, files, mixed, s, turn, wait};
use crate::report::timeline::{REASONS, WARNINGS};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

const DATA: &str = "<script type=\"application/json\" id=\"run\">";

fn page(timeline: &Timeline) -> String {
    let mut page = Vec::new();
    html(timeline, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// What lies between two texts, of which the second one is the next after the first.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    page.split_once(start).unwrap().1.split_once(end).unwrap().0
}

fn data(events: &[Event]) -> Value {
    serde_json::from_str(between(&page(&Timeline::of(events)), DATA, "</script>")).unwrap()
}

/// The entries of one column whose numbers stand for texts.
fn texts(data: &Value, table: &str, column: &str) -> Vec<String> {
    let number = |value: &Value| data["texts"][value.as_u64().unwrap() as usize].as_str().unwrap().to_owned();
    data[table][column].as_array().unwrap().iter().map(number).collect()
}

/// One item that waits for a limit, fails, waits and is done, and one that is refused.
fn two() -> Story {
    let mut story =
        Story::new(&[("sales", "postgres", Some("shop"), true)], &[("run", 9), ("source:shop", 1)]);
    story.queue(0.25, 0, 0, Some("emea")).queue(0.25, 0, 1, None);
    story.start(1.5, (0, 0, 1), 3, &[turn("source:shop", 1.25)]);
    story.phase(1.5, 0, 0, "connect").phase(1.75, 0, 0, "query");
    story.stop(2.0, 0, 0, State::Failed, Some(0.5));
    story.start(2.75, (0, 0, 2), 0, &[wait(Reason::Retry, 0.5), turn("source:shop", 0.25)]);
    story.tell(3.0, EventKind::Progress { job: 0, item: 0, bytes: 700, rows: 7 });
    story
}

fn two_ended() -> Vec<Event> {
    let mut story = two();
    let output = Some("out/emea.csv".to_owned());
    let brought = Brought { bytes: 812, rows: 9, output, change: Some(Change::New), ..Brought::default() };
    story.stop(3.5, 0, 0, State::Done, None).end(3.5, 0, 0, State::Done, None, brought);
    story.end(3.75, 0, 1, State::NotStarted, Some("deadline"), Brought::default());
    story.finish(4.0, 1)
}

#[test]
fn columns_hold_the_numbers_of_the_log() {
    let data = data(&two_ended());
    let item = &data["items"];
    assert_eq!(item["label"], json!(["sales[emea]", "sales"]));
    assert_eq!((&item["queued"], &item["end"]), (&json!([250_000, 250_000]), &json!([3_500_000, 3_750_000])));
    assert_eq!(item["state"], json!(["done", "not_started"]));
    assert_eq!(
        (&item["bytes"], &item["rows"], &item["attempts"]),
        (&json!([812, 0]), &json!([9, 0]), &json!([2, 0]))
    );
    assert_eq!(texts(&data, "items", "why"), ["", "deadline"]);
    assert_eq!(texts(&data, "items", "output"), ["out/emea.csv", ""]);
    assert_eq!(texts(&data, "items", "change"), ["new", ""]);
    let attempt = &data["attempts"];
    assert_eq!((&attempt["number"], &attempt["lane"]), (&json!([1, 2]), &json!([3, 0])));
    assert_eq!(
        (&attempt["start"], &attempt["time"]),
        (&json!([1_500_000, 2_750_000]), &json!([500_000, 750_000]))
    );
    assert_eq!((&attempt["state"], &attempt["again"]), (&json!(["failed", "done"]), &json!([500_000, null])));
    assert_eq!(texts(&data, "attempts", "error"), ["reset by peer", ""]);
    assert_eq!((&attempt["waits"], &attempt["phases"]), (&json!([1, 2]), &json!([2, 0])));
    assert_eq!((&attempt["bytes"], &attempt["rows"]), (&json!([0, 700]), &json!([0, 7])));
    assert_eq!(data["waits"], json!({ "what": [0, 1, 0], "time": [1_250_000, 500_000, 250_000] }));
    let what = json!({ "reason": "concurrency", "words": "for source:shop (concurrency 1)" });
    assert_eq!(data["whats"], json!([what, { "reason": "retry", "words": "before another attempt" }]));
    assert_eq!(data["phases"], json!({ "name": [0, 1], "after": [0, 250_000] }));
    assert_eq!(
        data["phase_names"],
        json!([{ "name": "connect", "rank": 0 }, { "name": "query", "rank": 1 }])
    );
    assert_eq!(data["course"], json!(null));
}

#[test]
fn figures_are_those_of_the_summary() {
    let data = data(&two_ended());
    let head = &data["head"];
    assert_eq!((&head["wall"], &head["sum"]), (&json!(4_000_000), &json!(1_250_000)));
    assert_eq!((&head["peak"], &head["limit"], &head["exit"]), (&json!(1), &json!(9), &json!(1)));
    assert_eq!((&head["bytes"], &head["rows"], &head["left_out"]), (&json!(812), &json!(9), &json!(0)));
    assert_eq!(
        (&head["verdict"], &head["counts"]["done"]),
        (&json!("2 items: 1 done, 1 not started"), &json!(1))
    );
    let waited = |words: &str, reason: &str, limit: Value, time: u64, count: u64| json!({ "reason": reason, "limit": limit, "words": words, "time": time, "count": count });
    let turn = waited("for source:shop (concurrency 1)", "concurrency", json!("source:shop"), 1_500_000, 2);
    assert_eq!(
        data["waited"],
        json!([turn, waited("before another attempt", "retry", json!(null), 500_000, 1)])
    );
    let source = &data["sources"][0];
    assert_eq!((&source["name"], &source["target"]), (&json!("shop"), &json!("postgres://shop.example")));
    assert_eq!(
        (&source["peak"], &source["limit"], &source["running"]),
        (&json!(1), &json!(1), &json!(1_250_000))
    );
    assert_eq!(data["losses"][0]["labels"], json!(["sales"]));
}

#[test]
fn what_has_not_ended_has_no_end() {
    let data = data(&two().events);
    assert_eq!(
        (&data["items"]["end"], &data["items"]["state"]),
        (&json!([null, null]), &json!([null, null]))
    );
    assert_eq!(
        (&data["attempts"]["time"], &data["attempts"]["state"]),
        (&json!([500_000, null]), &json!(["failed", null]))
    );
    assert_eq!((&data["head"]["exit"], &data["head"]["wall"]), (&json!(null), &json!(3_000_000)));
    assert_eq!(data["items"]["bytes"], json!([700, 0]), "those of a running attempt");
}

#[test]
fn items_that_were_left_out_are_counted_and_their_course_is_kept() {
    let mut timeline = Timeline::with_detail(50);
    files(1000).iter().for_each(|event| timeline.add(event));
    let page = page(&timeline);
    let data: Value = serde_json::from_str(between(&page, DATA, "</script>")).unwrap();
    assert_eq!(data["items"]["label"].as_array().unwrap().len(), 50);
    assert_eq!((&data["head"]["left_out"], &data["head"]["counts"]["done"]), (&json!(951), &json!(1000)));
    let running: Vec<f64> =
        data["course"]["running"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    let mean = running.iter().sum::<f64>() / running.len() as f64 / 100.0;
    assert!((mean - timeline.overlap()).abs() < 0.05, "{mean} {}", timeline.overlap());
}

#[test]
fn each_text_is_written_once() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for item in 0..20 {
        story.queue(0.0, 0, item, None).end(
            0.0,
            0,
            item,
            State::Failed,
            Some("no route"),
            Brought::default(),
        );
    }
    let data = data(&story.finish(1.0, 1));
    assert_eq!(data["texts"], json!(["", "no route"]));
    assert_eq!(texts(&data, "items", "why"), ["no route"; 20]);
}

#[test]
fn notes_say_how_much_more_there_was() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    story.tell(0.0, EventKind::JobEnded { job: 0, counts: Default::default(), why: Some("no file".into()) });
    for item in 0..REASONS as u64 + 5 {
        let why = format!("reason {}", "x".repeat(item as usize));
        story.queue(0.0, 0, item, None).end(0.0, 0, item, State::Failed, Some(&why), Brought::default());
        story.tell(0.0, EventKind::Warning { message: "w".into() });
    }
    let data = data(&story.finish(1.0, 1));
    let notes = data["notes"].as_array().unwrap();
    let more = REASONS + 5 - WARNINGS;
    let told = [
        format!("and {more} more warnings"),
        "a: no file".into(),
        "and 5 more items not done, for other reasons".into(),
    ];
    assert_eq!(notes[WARNINGS..], told);
}

#[test]
fn no_text_from_a_server_can_end_the_script_or_be_taken_for_a_comment() {
    let hostile = "</script><script>alert(1)</script><!--<script>]]>&lt;\u{2028}\"'\\";
    let mut story = Story::new(&[(hostile, "http", Some(hostile), true)], &[]);
    story.queue(0.0, 0, 0, Some(hostile)).start(0.0, (0, 0, 1), 0, &[turn(hostile, 0.0)]);
    story.end(1.0, 0, 0, State::Failed, Some(hostile), Brought::default());
    let events = story.finish(1.0, 1);
    let page = page(&Timeline::of(&events));
    let ends = [DATA, "<script type=\"module\">"].map(|start| between(&page, start, "</script>").len());
    assert!(ends.iter().all(|length| *length > 1000), "{ends:?}");
    assert_eq!(page.matches("</script").count(), 2);
    assert_eq!(texts(&data(&events), "items", "why"), [hostile.replace('\u{2028}', "\\u{2028}")]);
}

#[test]
fn the_policy_lets_run_what_is_in_the_page_and_nothing_else() {
    let page = page(&Timeline::of(&mixed()));
    let policy = between(&page, "<meta http-equiv=\"Content-Security-Policy\" content=\"", "\">");
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let script = hash(between(&page, "<script type=\"module\">", "</script>"));
    let style = hash(between(&page, "<style>", "</style>"));
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(&format!("script-src 'sha256-{script}';")), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{style}';")), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn text_is_put_into_the_page_only_as_text() {
    for word in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "import("]
    {
        assert!(!super::SCRIPT.contains(word), "{word}");
    }
    assert!(!super::PAGE.contains(" style="), "the policy forbids it");
}

#[test]
fn ten_thousand_items_take_less_than_three_megabytes() {
    let page = page(&Timeline::of(&files(10_000)));
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
}

/// Items with long keys that all fail, each in its own words.
fn own_words(items: u64) -> Timeline {
    let mut story = Story::new(&[("a", "http", Some("shop"), true)], &[("run", 500), ("source:shop", 200)]);
    for item in 0..items {
        let (at, id) = (item as f64 * 0.01, item.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let folder = format!("/outbox/2026-11-19/partners/region-{}/customer-{item:05}", item % 7);
        let why = format!(
            "GET https://api.example.com/v1/customers/{id:020}/invoices/{item:08}?expand=lines: status 500: \
             {{\"error\":\"internal\",\"request_id\":\"{id:032x}\",\"message\":\"upstream did not answer in time\"}}"
        );
        story.queue(at, 0, item, Some(&format!("{folder}/invoice-2026-11-19-{item:08}.csv")));
        story.start(at + 0.003, (0, item, 1), 0, &[turn("source:shop", 0.003)]).phase(
            at + 0.004,
            0,
            item,
            "wait",
        );
        let ended = EventKind::AttemptEnded {
            job: 0,
            item,
            state: State::Failed,
            error: Some(why.clone()),
            retry_in: None,
        };
        story.tell(at + 0.0123, ended);
        story.end(at + 0.0123, 0, item, State::Failed, Some(&why), Brought::default());
    }
    Timeline::of(&story.finish(200.0, 1))
}

#[test]
fn ten_thousand_errors_in_their_own_words_are_shortened_to_three_megabytes_and_names_are_whole() {
    let page = page(&own_words(10_000));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let data: Value = serde_json::from_str(between(&page, DATA, "</script>")).unwrap();
    let whys = texts(&data, "items", "why");
    assert!(whys.iter().all(|why| why.starts_with("GET https://") && why.contains('…')), "{}", whys[9_999]);
    let labels = data["items"]["label"].as_array().unwrap();
    let last = "a[/outbox/2026-11-19/partners/region-3/customer-09999/invoice-2026-11-19-00009999.csv]";
    assert_eq!(labels[9_999], last);
    let notes = data["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains("letters are shortened")), "{notes:?}");
}

#[test]
fn a_thousand_errors_in_their_own_words_are_whole() {
    let page = page(&own_words(1_000));
    let data: Value = serde_json::from_str(between(&page, DATA, "</script>")).unwrap();
    assert!(!data["texts"].to_string().contains('…') && !data["notes"].to_string().contains("shortened"));
}

#[test]
fn the_longest_texts_are_shortened_first_and_only_as_far_as_they_must_be() {
    let bounded = |most| {
        let mut texts = ["", "ab", "äöüäöü", "0123456789"].map(str::to_owned);
        (bound(&mut texts, most), texts.join(" "))
    };
    assert_eq!(bounded(18), (None, " ab äöüäöü 0123456789".into()));
    assert_eq!(bounded(15), (Some(7), " ab äöüäöü 012…789".into()));
    assert_eq!(bounded(12), (Some(5), " ab äö…öü 01…89".into()));
    assert_eq!(bounded(0), (Some(1), " … … …".into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn whatever_a_log_holds_is_shown_as_visible_text(events in prop::collection::vec(event(), 0..40)) {
        let page = page(&Timeline::of(&events));
        let text = between(&page, DATA, "</script>");
        prop_assert!(!text.contains('<'));
        let mut left = vec![serde_json::from_str::<Value>(text).unwrap()];
        while let Some(value) = left.pop() {
            match value {
                Value::String(text) => {
                    let hidden = |c: char| c != '\n' && c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
                    prop_assert!(!text.contains(hidden), "{text:?}");
                }
                Value::Array(values) => left.extend(values),
                Value::Object(values) => left.extend(values.into_values()),
                _ => {}
            }
        }
    }
}

#[test]
fn what_hides_or_reorders_text_is_made_visible_and_line_breaks_of_errors_stay() {
    let mut story = Story::new(&[("fx", "http", Some("ra\x1btes"), true)], &[]);
    story.queue(0.0, 0, 0, Some("a\u{202e}b\u{2066}c\r\nd"));
    story.end(
        s(1.0).as_secs_f64(),
        0,
        0,
        State::Failed,
        Some("no\u{200b} route\n(try \x07later)"),
        Brought::default(),
    );
    let data = data(&story.finish(1.0, 1));
    assert_eq!(data["items"]["label"], json!([r"fx[a\u{202e}b\u{2066}c\r\nd]"]));
    assert_eq!(texts(&data, "items", "why"), ["no\\u{200b} route\n(try \\x07later)"]);
    assert_eq!(data["sources"][0]["name"], json!(r"ra\x1btes"));
}
