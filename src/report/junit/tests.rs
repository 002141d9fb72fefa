use super::junit;
use crate::gather::{Brought, Cause, Event, EventKind, Reason, Role, State};
use crate::report::Timeline;
use crate::report::story::{Story, classic, files, mixed, wait};
use crate::report::tests::near;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn xml(timeline: &Timeline) -> String {
    let mut out = Vec::new();
    junit(timeline, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The numbers that a CI system reads: of the elements themselves, after they were held against what each suite says.
fn counts(text: &str) -> BTreeMap<&'static str, u64> {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let all = |node: roxmltree::Node, name: &str| {
        node.descendants().filter(|n| n.has_tag_name(name)).count() as u64
    };
    let said = |node: roxmltree::Node, name| node.attribute(name).and_then(|n| n.parse::<u64>().ok());
    let root = document.root_element();
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite") || *node == root) {
        for (attribute, element) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
            assert_eq!(said(suite, attribute), Some(all(suite, element)), "{attribute} in\n{text}");
        }
    }
    let names = ["testsuite", "testcase", "failure", "error", "skipped", "flakyFailure", "rerunFailure"];
    names.into_iter().map(|name| (name, all(root, name))).filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_suite_is_a_job_and_a_case_is_an_item() {
    insta::assert_snapshot!(xml(&Timeline::of(&classic(false))), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="nightly" tests="3" skipped="0" failures="0" errors="0" timestamp="2026-11-22T10:15:00.000+00:00" time="4.004">
        <testsuite name="function1" tests="1" skipped="0" errors="0" failures="0" timestamp="2026-11-22T10:15:00.000+00:00" time="4.004">
            <testcase name="function1" classname="nightly.function1" timestamp="2026-11-22T10:15:00.001+00:00" time="2.001"/>
        </testsuite>
        <testsuite name="function2" tests="1" skipped="0" errors="0" failures="0" timestamp="2026-11-22T10:15:00.000+00:00" time="4.004">
            <testcase name="function2" classname="nightly.function2" timestamp="2026-11-22T10:15:00.001+00:00" time="4.002"/>
        </testsuite>
        <testsuite name="function3" tests="1" skipped="0" errors="0" failures="0" timestamp="2026-11-22T10:15:00.000+00:00" time="4.004">
            <testcase name="function3" classname="nightly.function3" timestamp="2026-11-22T10:15:00.001+00:00" time="1.001"/>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn failures_errors_and_attempts_that_came_before_are_told_apart() {
    let text = xml(&Timeline::of(&mixed()));
    insta::assert_snapshot!(text, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="nightly" tests="9" skipped="0" failures="1" errors="2" timestamp="2026-11-22T10:15:00.000+00:00" time="3.210">
        <testsuite name="invoices" tests="2" skipped="0" errors="0" failures="0" timestamp="2026-11-22T10:15:00.000+00:00" time="3.210">
            <testcase name="invoices[2026/a.csv]" classname="nightly.invoices" timestamp="2026-11-22T10:15:00.000+00:00" time="1.400"/>
            <testcase name="invoices[2026/b.csv]" classname="nightly.invoices" timestamp="2026-11-22T10:15:00.400+00:00" time="2.800"/>
        </testsuite>
        <testsuite name="sales" tests="3" skipped="0" errors="0" failures="1" timestamp="2026-11-22T10:15:00.000+00:00" time="3.210">
            <testcase name="sales[daily]" classname="nightly.sales" timestamp="2026-11-22T10:15:00.000+00:00" time="1.200"/>
            <testcase name="sales[emea]" classname="nightly.sales" timestamp="2026-11-22T10:15:00.150+00:00" time="1.950"/>
            <testcase name="sales[apac]" classname="nightly.sales" timestamp="2026-11-22T10:15:01.200+00:00" time="1.100">
                <failure message="query on shop: column &quot;amonut&quot; does not exist (42703) at line 3" type="failed">query on shop: column &quot;amonut&quot; does not exist (42703) at line 3
    (did you mean &quot;amount&quot;?)</failure>
            </testcase>
        </testsuite>
        <testsuite name="fx" tests="2" skipped="0" errors="0" failures="0" timestamp="2026-11-22T10:15:00.000+00:00" time="3.210">
            <testcase name="fx[EUR]" classname="nightly.fx" timestamp="2026-11-22T10:15:00.000+00:00" time="1.500"/>
            <testcase name="fx[USD]" classname="nightly.fx" timestamp="2026-11-22T10:15:00.300+00:00" time="2.300">
                <flakyFailure timestamp="2026-11-22T10:15:00.300+00:00" time="0.600" message="reset by peer" type="failed">reset by peer</flakyFailure>
            </testcase>
        </testsuite>
        <testsuite name="stock" tests="2" skipped="0" errors="2" failures="0" timestamp="2026-11-22T10:15:00.000+00:00" time="3.210">
            <testcase name="stock[north]" classname="nightly.stock" timestamp="2026-11-22T10:15:00.000+00:00" time="0.200">
                <error message="source: login refused for user &quot;acme&quot; at depot.example:5432" type="not_started">source: login refused for user &quot;acme&quot; at depot.example:5432</error>
            </testcase>
            <testcase name="stock[south]" classname="nightly.stock" timestamp="2026-11-22T10:15:00.000+00:00" time="0.000">
                <error message="source: login refused for user &quot;acme&quot; at depot.example:5432" type="not_started">source: login refused for user &quot;acme&quot; at depot.example:5432</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
    let expected = [("testsuite", 4), ("testcase", 9), ("failure", 1), ("error", 2), ("flakyFailure", 1)];
    assert_eq!(counts(&text), expected.into());
}

/// A run of one job whose items end in these ways.
fn ending(states: &[State]) -> Story {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for (item, state) in (0..).zip(states) {
        story.queue(0.0, 0, item, Some(&item.to_string()));
        story.end(1.0, 0, item, *state, Some("unchanged"), Brought::default());
    }
    story
}

#[test]
fn every_outcome_has_its_element() {
    use State::*;
    let states = [Done, Failed, TimedOut, Cancelled, Panicked, Skipped, NotStarted];
    let text = xml(&Timeline::of(&ending(&states).finish(1.0, 1)));
    let expected = [("testsuite", 1), ("testcase", 7), ("failure", 2), ("error", 3), ("skipped", 1)];
    assert_eq!(counts(&text), expected.into());
}

#[test]
fn an_item_that_failed_after_retries_tells_each_of_them() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    story.queue(0.0, 0, 0, Some("k"));
    for attempt in 1..=3 {
        let at = f64::from(attempt);
        story.start(at, (0, 0, attempt), 0, &[wait(Reason::Retry, 0.5)]);
        story.stop(at + 0.5, 0, 0, State::Failed, (attempt < 3).then_some(0.5));
    }
    story.end(3.5, 0, 0, State::Failed, Some("GET x: 500\n(the server is ill)"), Brought::default());
    let text = xml(&Timeline::of(&story.finish(3.5, 1)));
    assert_eq!(
        counts(&text),
        [("testsuite", 1), ("testcase", 1), ("failure", 1), ("rerunFailure", 2)].into()
    );
    let document = roxmltree::Document::parse(&text).unwrap();
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.attribute("message"), Some("GET x: 500"));
    assert_eq!(failure.text(), Some("GET x: 500\n(the server is ill)"));
}

#[test]
fn a_page_of_a_listing_is_a_case_only_if_it_was_not_done() {
    assert_eq!(counts(&xml(&Timeline::of(&files(5)))), [("testsuite", 1), ("testcase", 5)].into());
    let mut story = Story::new(&[("inbox", "sftp", Some("partner"), true)], &[]);
    story.tell(0.0, EventKind::JobStarted { job: 1, name: "x".into(), role: Role::Pages, parent: Some(0) });
    story.queue(0.0, 1, 0, None).end(1.0, 1, 0, State::Failed, Some("no such folder"), Brought::default());
    let text = xml(&Timeline::of(&story.finish(1.0, 1)));
    assert_eq!(counts(&text), [("testsuite", 1), ("testcase", 1), ("failure", 1)].into());
    assert!(text.contains("name=\"inbox: page 1\"") && text.contains("<testsuite name=\"inbox\""), "{text}");
}

#[test]
fn what_is_not_kept_in_detail_is_still_counted_as_lost() {
    let states: Vec<State> =
        (0..50).map(|item| if item == 40 { State::Failed } else { State::Done }).collect();
    let mut timeline = Timeline::with_detail(10);
    ending(&states).finish(1.0, 1).iter().for_each(|event| timeline.add(event));
    let text = xml(&timeline);
    assert_eq!(counts(&text), [("testsuite", 1), ("testcase", 11), ("failure", 1)].into());
    assert!(text.contains("a: 40 more items") && text.contains("1 of them not done"), "{text}");
}

#[test]
fn a_run_that_was_killed_is_red() {
    let events = classic(false);
    let text = xml(&Timeline::of(&events[..events.len() - 3]));
    assert_eq!(counts(&text)["error"], 2, "{text}");
    assert!(text.contains("it still ran") && text.contains("the run has not ended"), "{text}");
}

#[test]
fn a_run_that_ended_badly_without_a_lost_item_is_red() {
    let mut story = ending(&[State::Done]);
    story.tell(1.0, EventKind::Warning { message: "job \"b\": nothing matched".into() });
    let text = xml(&Timeline::of(&story.finish(1.0, 6)));
    assert_eq!(counts(&text)["error"], 1);
    assert!(text.contains("exit code 6") && text.contains("nothing matched"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_log_gives_xml_that_another_reader_takes(events in prop::collection::vec(near(), 0..80), detail in 0..20_usize) {
        let mut timeline = Timeline::with_detail(detail);
        events.iter().for_each(|event| timeline.add(event));
        counts(&xml(&timeline));
    }

    #[test]
    fn any_text_is_legal_xml(text in any::<String>()) {
        let text = format!("{text}\0\u{1b}[31m\u{fffe}\u{ffff}]]>&<\"");
        let mut story = Story::new(&[(&text, "http", None, true)], &[]);
        story.queue(0.0, 0, 0, Some(&text)).start(0.0, (0, 0, 1), 0, &[]);
        story.tell(0.5, EventKind::AttemptEnded { job: 0, item: 0, state: State::Failed, error: Some(text.clone()), retry_in: Some(Default::default()) });
        story.end(1.0, 0, 0, State::Cancelled, Some(&text), Brought::default());
        story.tell(1.0, EventKind::Cancelling { job: None, cause: Cause::Sibling(text.as_str().into()) });
        let events: Vec<Event> = story.finish(1.0, 1);
        prop_assert_eq!(counts(&xml(&Timeline::of(&events)))["error"], 1);
    }
}
