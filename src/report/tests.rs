mod damage;

use super::log::tests::event;
use super::plain::Plain;
use super::story::{Story, mixed, s};
use super::terminal::frame;
use super::{Line, Style, Timeline, end, line, summary, text, waterfall};
use crate::gather::{Brought, Event, EventKind, Role, State};
use proptest::prelude::*;

fn style() -> impl Strategy<Value = Style> {
    (0..140_usize, any::<bool>()).prop_map(|(width, unicode)| Style { width, unicode, color: false })
}

/// Events that belong together more often than not: few jobs, few items, short times.
pub(super) fn near() -> BoxedStrategy<Event> {
    (event(), 0..5_000_000_u64, 0..3_u32, 0..4_u64)
        .prop_map(|(mut event, micros, near_job, near_item)| {
            event.at = std::time::Duration::from_micros(micros);
            match &mut event.kind {
                EventKind::ItemQueued { job, item, .. }
                | EventKind::AttemptStarted { job, item, .. }
                | EventKind::Phase { job, item, .. }
                | EventKind::Progress { job, item, .. }
                | EventKind::Attributes { job, item, .. }
                | EventKind::AttemptEnded { job, item, .. }
                | EventKind::ItemEnded { job, item, .. } => (*job, *item) = (near_job, near_item),
                EventKind::JobStarted { job, parent, .. } => {
                    *job = near_job;
                    *parent = parent.map(|_| near_item as u32);
                }
                EventKind::JobEnded { job, .. } => *job = near_job,
                _ => {}
            }
            if let EventKind::AttemptStarted { lane, .. } = &mut event.kind {
                *lane %= 40;
            }
            event
        })
        .boxed()
}

/// Every line that any view has for these events.
fn every_line(events: &[Event], style: &Style) -> Vec<String> {
    let mut timeline = Timeline::with_detail(5);
    let mut plain = Plain::new(Vec::new(), *style);
    let mut lines: Vec<Line> = Vec::new();
    for event in events {
        timeline.add(event);
        plain.add(event).unwrap();
    }
    lines.extend(frame(&timeline, 7, style, 10));
    let whole = Timeline::of(events);
    for timeline in [&timeline, &whole] {
        lines.extend(waterfall::waterfall(timeline, style));
        lines.extend(summary::summary(timeline, style));
        lines.extend(super::plain::running(timeline, timeline.now, style));
    }
    line::render(&lines, style).lines().map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_line_of_any_view_is_too_wide_or_can_harm_a_terminal(
        events in prop::collection::vec(prop_oneof![4 => near(), 1 => event()].boxed(), 0..60),
        style in style(),
    ) {
        for line in every_line(&events, &style) {
            prop_assert!(text::width(&line) <= style.width, "{line:?} in {}", style.width);
            prop_assert!(!line.contains(char::is_control), "{line:?}");
            prop_assert!(style.unicode || line.is_ascii(), "{line:?}");
        }
    }

    #[test]
    fn counts_are_sums_whatever_happens(events in prop::collection::vec(near(), 0..80), detail in 0..8_usize) {
        let mut timeline = Timeline::with_detail(detail);
        for event in &events {
            timeline.add(event);
            let kept: u64 = timeline.jobs.values().filter(|job| job.role != Role::Pages).flat_map(|job| job.items.values())
                .filter(|item| item.end.is_none()).count() as u64;
            let pages_changed_role = events.iter().any(|e| matches!(e.kind, EventKind::JobStarted { .. } | EventKind::JobEnded { .. }));
            if !pages_changed_role {
                prop_assert_eq!(timeline.counts.submitted, timeline.counts.ended() + kept);
            }
            prop_assert!(timeline.running.count() == timeline.active().len() as u64);
        }
    }

    #[test]
    fn a_line_is_cut_to_any_width(words in any::<String>(), style in style()) {
        let line = Line::new().text(&words).render(&style);
        prop_assert!(text::width(&line) <= style.width);
        let fitted = text::fit(&text::escape(&words, &style), style.width, &style).into_owned();
        prop_assert!(text::width(&fitted) <= style.width, "{fitted:?}");
    }

    #[test]
    fn wrapping_loses_nothing_but_spaces(words in "[a-zäß ]{0,80}", room in 1..30_usize) {
        let lines = text::wrap(&words, room);
        prop_assert!(lines.iter().all(|line| text::width(line) <= room), "{lines:?}");
        prop_assert_eq!(lines.concat().replace(' ', ""), words.replace(' ', ""));
    }
}

#[test]
fn control_characters_in_names_and_errors_are_made_visible() {
    let mut story = Story::new(&[("fx", "http", Some("ra\x1b[2Jtes"), true)], &[]);
    story.queue(0.0, 0, 0, Some("a\x1b]0;x\x07\u{202e}b\r"));
    story.start(0.0, (0, 0, 1), 0, &[]).stop(1.0, 0, 0, State::Failed, None);
    story.end(1.0, 0, 0, State::Failed, Some("GET \x1b[31m\u{9b}5m: 500"), Brought::default());
    insta::assert_snapshot!(end(&Timeline::of(&story.finish(1.0, 1)), &Style::default()), @r#"
                                0     200ms   400ms   600ms   800ms    1s
                                ├───────┼───────┼───────┼───────┼───────┤
    fx[a\x1b]0;x\…\u{202e}b\r]  ███████████████████████████████████████×  failed
    at once                     1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈  peak 1
                                █ running   × not done

    wall      1.00 s · sum 1.00 s · overlap 1.00x · peak 1
      ra\x1b[2Jtes  peak 1 · mean 1.00 · 1 item
    FAILED  fx[a\x1b]0;x\x07\u{202e}b\r]  GET \x1b[31m\u{9b}5m: 500
    1 item: 1 failed
    "#);
}

#[test]
fn colors_are_used_only_if_asked_for_and_always_ended() {
    let timeline = Timeline::of(&mixed());
    let plain = end(&timeline, &Style::default());
    let colored = end(&timeline, &Style { color: true, ..Style::default() });
    assert!(!plain.contains('\x1b') && colored.contains("\x1b[31m"));
    for line in colored.lines().filter(|line| line.contains('\x1b')) {
        assert!(line.rfind("\x1b[0m") == line.rfind('\x1b'), "{line:?}");
    }
    let mut bare = String::new();
    for (at, piece) in colored.split('\x1b').enumerate() {
        bare += if at == 0 { piece } else { piece.split_once('m').unwrap().1 };
    }
    assert_eq!(bare, plain);
}

#[test]
fn quantities_have_three_digits() {
    let times = [
        0.0,
        0.000_012,
        0.000_999_6,
        0.35,
        0.999_7,
        2.0,
        9.996,
        41.02,
        59.96,
        65.0,
        3599.7,
        11_220.0,
        200_000.0,
    ];
    insta::assert_snapshot!(times.map(|time| text::time(s(time))).join("\n"), @r#"
    0 s
    12 us
    1 ms
    350 ms
    1.00 s
    2.00 s
    10.0 s
    41.0 s
    1 m 00 s
    1 m 05 s
    1 h 00 m
    3 h 07 m
    2 d 08 h
    "#);
    let sizes = [0, 817, 1023, 1024, 16_384, 12_345_678, 1 << 40, u64::MAX];
    insta::assert_snapshot!(sizes.map(text::bytes).join("\n"), @r#"
    0 B
    817 B
    1.00 KiB
    1.00 KiB
    16.0 KiB
    11.8 MiB
    1.00 TiB
    16.0 EiB
    "#);
    insta::assert_snapshot!([0, 7, 999, 1000, 1_234_567].map(text::count).join("\n"), @r#"
    0
    7
    999
    1,000
    1,234,567
    "#);
    insta::assert_snapshot!([0.0, 0.25, 1.5, 60.0, 90.0, 5400.0, 90_000.0].map(|t| text::short(s(t))).join("\n"), @r#"
    0
    250ms
    1.5s
    1m
    1m30s
    1h30m
    1d1h
    "#);
}
