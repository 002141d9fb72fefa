use super::{Live, PAUSE, RUNNING, Size, frame};
use crate::gather::{Event, State};
use crate::report::story::{Story, classic, files, forty, mixed, s};
use crate::report::{Line, Style, Timeline, line};
use std::time::Duration;

const SIZE: Size = Size { columns: 80, rows: 24 };

/// The frame at a time, in seconds.
fn at(events: &[Event], seconds: f64, rows: usize) -> String {
    let until: Vec<_> = events.iter().filter(|event| event.at <= s(seconds)).cloned().collect();
    let (style, mut timeline) = (Style::default(), Timeline::of(&until));
    timeline.advance(s(seconds));
    line::render(&frame(&timeline, 1 << 20, &style, rows), &style)
}

#[test]
fn a_frame_has_a_row_for_each_item_while_they_fit() {
    insta::assert_snapshot!(at(&classic(false), 1.5, 24), @r#"
    nightly  1.50 s · 1/3 done · 2 running
               0            500ms           1s            1.5s            2s
               ├──────────────┼──────────────┼──────────────┼──────────────┤
    function1  █████████████████████████████████████████████                 1.50 s
    function2  █████████████████████████████████████████████                 1.50 s
    function3  ██████████████████████████████                                1.00 s
    at once    ██████████████████████████████▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅                 peak 3
    "#);
}

#[test]
fn a_frame_shows_phases_progress_losses_and_waits() {
    insta::assert_snapshot!(at(&mixed(), 2.2, 24), @r#"
    nightly  2.20 s · 4/9 done · 3 running · 2 not done · 5.08 MiB (1.00 MiB/s)
                            0      1s      2s      3s      4s      5s
                            ├───────┼───────┼───────┼───────┼───────┤
    partner (sftp)
      invoices[2026/a.csv]  ▒▒▒▓▓▓█████▎                                   1.40 s
      invoices[2026/b.csv]  ╌╌╌▓▓▓▐██████████▋                             1.80 s
    shop (postgres)
      sales[daily]          ▒▓▓▓▓████▋                                     1.20 s
      sales[emea]           ╌▓▓▓▓▓██████████▊                              1.95 s
      sales[apac]           ░░░░░░░░░░▓▓▓▓▓▓▓▓                             1.00 s
    rates (http)
      fx[EUR]               ▒▓▓█████████                                   1.50 s
      fx[USD]               ┄┄▓▓▓▓▓×·······▓▓▓                             1.90 s
    depot (postgres)
      stock[north]          ▒×                                        not started
      stock[south]                                                    not started
    at once                 ▅▆▆████▇▇▇▇▆▄▄▄▅▅▄                             peak 6
                            waiting for ╌ the connection   ░ a limit   ┄ the rate
                            · a retry   running ▒ connect   ▓ query, wait   █ read
                            × not done
      NOT STARTED  stock[north] +1  source: login refused for user "acme" at depot.…
    "#);
}

#[test]
fn of_more_items_it_has_their_course_what_runs_longest_and_what_the_rest_waits_for() {
    insta::assert_snapshot!(at(&forty(), 3.0, 24), @r#"
    nightly  3.00 s · 7/40 done · 8 running · 1 not done
               0          1s          2s          3s          4s          5s
               ├───────────┼───────────┼───────────┼───────────┼───────────┤
    shop       ████████████████████████████████████                          peak 8
      waiting  ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▅▅▅▅▅▅▅▅▅▅▅▅▅                          peak 40
      sales[report-03]     3.00 s  query
      sales[report-06]     3.00 s  query
      sales[report-09]     1.88 s  query
      sales[report-10]     1.69 s  query
      sales[report-12]     1.07 s  query
      sales[report-13]     950 ms  query
      sales[report-14]     640 ms  query
      sales[report-15]     330 ms  query
      FAILED  sales[report-05]  query report-05 on shop: canceling statement due to…
      waiting: 24 for source:shop (concurrency 8)
    "#);
}

#[test]
fn what_is_waited_for_is_the_named_limit_that_is_full() {
    let mut story = Story::new(&[("nap", "sleep", None, true)], &[("run", 1024), ("limit:s", 4)]);
    story.takes(0, &["source:sleep", "limit:s"]);
    for item in 0..40 {
        story.queue(0.0, 0, item, Some(&item.to_string()));
    }
    for (item, lane) in (0..4).zip(0..) {
        story.start(0.0, (0, item, 1), lane, &[]);
    }
    story.stop(0.5, 0, 3, State::Failed, Some(9.0)).start(0.5, (0, 4, 1), 3, &[]);
    let frame = at(&story.events, 1.0, 24);
    let last = frame.lines().last().unwrap();
    assert_eq!(last, "  waiting: 1 before another attempt, 35 for limit:s (concurrency 4)");
}

#[test]
fn a_frame_is_never_taller_than_the_terminal() {
    for rows in 0..30 {
        assert!(at(&files(500), 0.41, rows).lines().count() <= rows.min(RUNNING + 8), "{rows}");
        assert!(at(&mixed(), 0.6, rows).lines().count() <= rows, "{rows}");
    }
    insta::assert_snapshot!(at(&files(500), 0.41, 6), @r#"
    nightly  410 ms · 0/500 done · 21 running
      inbox[out/00000.csv]      10 ms
      inbox[out/00001.csv]      10 ms
      inbox[out/00002.csv]       9 ms
      … and 18 more running
      waiting: 479 for partner
    "#);
}

/// A terminal that understands what the view writes: lines, cursor up, clear. Anything else is a failure.
#[derive(Default)]
struct Screen {
    lines: Vec<String>,
    row: usize,
    frames: usize,
}

impl std::io::Write for &mut Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.frames += 1;
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.starts_with("\x1b[?2026h\x1b[?7l"), "{text:?}");
        assert_eq!(
            text.matches("\x1b[?7h\x1b[?2026l").count(),
            1,
            "what was changed is given back: {text:?}"
        );
        let mut rest = text;
        while !rest.is_empty() {
            rest = self.take(rest);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn take<'a>(&mut self, text: &'a str) -> &'a str {
        if let Some(rest) = text.strip_prefix("\x1b[") {
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            match (&rest[..end], &rest[end..=end]) {
                (rows, "A") => self.row -= rows.parse::<usize>().unwrap(),
                ("", "K") => {}
                ("", "J") => self.lines.truncate(self.row),
                ("?2026" | "?7", "h" | "l") => {}
                other => panic!("{other:?}"),
            }
            return &rest[end + 1..];
        }
        if let Some(rest) = text.strip_prefix("\r\n") {
            self.row += 1;
            return rest;
        }
        if let Some(rest) = text.strip_prefix('\r') {
            return rest;
        }
        let end = text.find(['\x1b', '\r']).unwrap_or(text.len());
        self.lines.resize(self.lines.len().max(self.row + 1), String::new());
        self.lines[self.row] = text[..end].to_owned();
        &text[end..]
    }
}

/// Plays events into a view with a tick at each and one at the time of the last.
fn play(events: &[Event], screen: &mut Screen, last: Duration) {
    let mut live = Live::new(screen, Style::default());
    for event in events {
        live.tick(event.at, SIZE).unwrap();
        live.add(event);
    }
    live.tick(last, SIZE).unwrap();
    std::mem::forget(live);
}

#[test]
fn a_frame_replaces_the_one_before() {
    let mut screen = Screen::default();
    let events = mixed();
    play(&events[..events.len() - 3], &mut screen, s(3.1));
    insta::assert_snapshot!(screen.lines.join("\n"), @r#"
    nightly  3.10 s · 5/9 done · 1 running · 3 not done · 5.08 MiB (1.64 MiB/s)
                            0      1s      2s      3s      4s      5s
                            ├───────┼───────┼───────┼───────┼───────┤
    partner (sftp)
      invoices[2026/a.csv]  ▒▒▒▓▓▓█████▎                                   1.40 s
      invoices[2026/b.csv]  ╌╌╌▓▓▓▐█████████████████▊                      2.70 s
    shop (postgres)
      sales[daily]          ▒▓▓▓▓████▋                                     1.20 s
      sales[emea]           ╌▓▓▓▓▓██████████▊                              1.95 s
      sales[apac]           ░░░░░░░░░░▓▓▓▓▓▓▓▓×                            failed
    rates (http)
      fx[EUR]               ▒▓▓█████████                                   1.50 s
      fx[USD]               ┄┄▓▓▓▓▓×·······▓▓▓▓█▊                          2.30 s
    depot (postgres)
      stock[north]          ▒×                                        not started
      stock[south]                                                    not started
    at once                 ▅▆▆████▇▇▇▇▆▄▄▄▅▅▄▃▃▂▁▁▁▁                      peak 6
                            waiting for ╌ the connection   ░ a limit   ┄ the rate
                            · a retry   running ▒ connect   ▓ query, wait   █ read
                            × not done
      NOT STARTED  stock[north] +1  source: login refused for user "acme" at depot…
      FAILED  sales[apac]  query on shop: column "amonut" does not exist (42703) a…
    "#);
}

#[test]
fn at_the_end_the_view_is_gone() {
    let mut screen = Screen::default();
    let mut live = Live::new(&mut screen, Style::default());
    forty().iter().for_each(|event| {
        live.add(event);
        live.tick(event.at, SIZE).unwrap();
    });
    assert_eq!(live.finish().0.counts.submitted, 40);
    assert!(screen.frames > 10);
    assert_eq!((screen.lines, screen.row), (vec![], 0));
}

#[test]
fn a_view_that_is_dropped_erases_itself() {
    let mut screen = Screen::default();
    let mut live = Live::new(&mut screen, Style::default());
    live.tick(s(0.0), SIZE).unwrap();
    drop(live);
    assert_eq!((screen.lines, screen.row), (vec![], 0));
}

#[test]
fn there_are_at_most_ten_frames_a_second() {
    let mut screen = Screen::default();
    let mut live = Live::new(&mut screen, Style::default());
    (0..3000).for_each(|millis| live.tick(Duration::from_millis(millis), SIZE).unwrap());
    std::mem::forget(live);
    assert_eq!(screen.frames as u128, 3000 / PAUSE.as_millis());
}

#[test]
fn what_is_said_stays_above_the_view() {
    let mut screen = Screen::default();
    let mut live = Live::new(&mut screen, Style::default());
    classic(false)[..10].iter().for_each(|event| live.add(event));
    live.tick(s(0.5), SIZE).unwrap();
    live.say(&[Line::new().text("one"), Line::new().text("two")]).unwrap();
    live.tick(s(0.6), SIZE).unwrap();
    live.finish().1.unwrap();
    assert_eq!(screen.lines, ["one", "two"]);
}

#[test]
fn a_narrower_terminal_has_wrapped_the_lines_that_are_to_be_erased() {
    let mut out = Vec::new();
    let mut live = Live::new(&mut out, Style::default());
    mixed()[..40].iter().for_each(|event| live.add(event));
    live.tick(s(1.0), SIZE).unwrap();
    let rows: usize = live.shown.iter().map(|width| width.div_ceil(30)).sum();
    assert!(rows > live.shown.len(), "{:?}", live.shown);
    assert_eq!(live.back(Size { columns: 30, rows: 200 }), format!("\r\x1b[{rows}A"));
    assert_eq!(live.back(Size { columns: 30, rows: 5 }), "\r\x1b[4A");
    drop(live);
}
