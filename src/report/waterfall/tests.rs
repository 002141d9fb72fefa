use super::{Axis, waterfall};
use crate::gather::{Event, State};
use crate::report::story::{Story, classic, files, forty, mixed, s};
use crate::report::{Style, Timeline, line};

/// The waterfall at 80 columns.
fn draw(events: &[Event]) -> String {
    at(events, Style::default())
}

fn at(events: &[Event], style: Style) -> String {
    line::render(&waterfall(&Timeline::of(events), &style), &style)
}

#[test]
fn the_classic_example_in_turn() {
    insta::assert_snapshot!(draw(&classic(true)), @r#"
               0      1s      2s      3s      4s      5s      6s      7s
               ├───────┼───────┼───────┼───────┼───────┼───────┼───────┤
    function1  ████████████████                                          2.00 s
    function2  ░░░░░░░░░░░░░░░░████████████████████████████████          4.00 s
    function3  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░████████  1.00 s
    at once    1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈  peak 1
               waiting for ░ a limit   █ running
    "#);
}

#[test]
fn the_classic_example_at_once() {
    insta::assert_snapshot!(draw(&classic(false)), @r#"
               0             1s             2s             3s             4s
               ├──────────────┼──────────────┼──────────────┼──────────────┤
    function1  ██████████████████████████████                                2.00 s
    function2  ████████████████████████████████████████████████████████████  4.00 s
    function3  ███████████████                                               1.00 s
    at once    3┈┈┈┈┈┈┈┈┈┈┈┈┈┈2┈┈┈┈┈┈┈┈┈┈┈┈┈┈1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈  peak 3
    "#);
}

#[test]
fn the_classic_example_in_ascii() {
    insta::assert_snapshot!(at(&classic(true), Style { unicode: false, ..Style::default() }), @r#"
               0      1s      2s      3s      4s      5s      6s      7s
               |-------+-------+-------+-------+-------+-------+-------|
    function1  ################                                          2.00 s
    function2  ................################################          4.00 s
    function3  ................................................########  1.00 s
    at once    1-------------------------------------------------------  peak 1
               waiting for . a limit   # running
    "#);
}

#[test]
fn sources_phases_waits_a_retry_and_failures() {
    insta::assert_snapshot!(at(&mixed(), Style { width: 100, ..Style::default() }), @r#"
                            0      500ms     1s      1.5s      2s      2.5s      3s
                            ├────────┼────────┼────────┼────────┼────────┼────────┼───┤
    partner (sftp)
      invoices[2026/a.csv]  ▒▒▒▒▒▒▒▓▓▓▓▓▓▓███████████▎                                       1.40 s
      invoices[2026/b.csv]  ╌╌╌╌╌╌╌▓▓▓▓▓▓▓▐██████████████████████████████████████████▋       2.80 s
    shop (postgres)
      sales[daily]          ▒▒▒▓▓▓▓▓▓▓▓██████████▋                                           1.20 s
      sales[emea]           ╌╌╌▓▓▓▓▓▓▓▓▓▓████████████████████████▊                           1.95 s
      sales[apac]           ░░░░░░░░░░░░░░░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓×                       failed
    rates (http)
      fx[EUR]               ▒▒▓▓▓▓▓████████████████████                                      1.50 s
      fx[USD]               ┄┄┄┄┄▓▓▓▓▓▓▓▓▓▓▓×·················▓▓▓▓▓▓▓▓▓███▊                  2.30 s
    depot (postgres)
      stock[north]          ▒▒▒×                                                        not started
      stock[south]                                                                      not started
    at once                 4┈┈545┈6┈┈┈┈┈┈┈┈5┈┈┈┈┈┈┈┈4┈3┈┈┈┈┈┈4┈┈┈3┈┈2┈┈┈┈┈1┈┈┈┈┈┈┈┈┈┈       peak 6
                            waiting for ╌ the connection   ░ a limit   ┄ the rate   · a retry
                            running ▒ connect   ▓ query, wait   █ read   × not done
    "#);
}

#[test]
fn the_same_in_ascii() {
    insta::assert_snapshot!(at(&mixed(), Style { width: 100, unicode: false, ..Style::default() }), @r#"
                            0      500ms     1s      1.5s      2s      2.5s      3s
                            |--------+--------+--------+--------+--------+--------+---|
    partner (sftp)
      invoices[2026/a.csv]  -------=======############                                       1.40 s
      invoices[2026/b.csv]  _______=======############################################       2.80 s
    shop (postgres)
      sales[daily]          ---========###########                                           1.20 s
      sales[emea]           ___==========#########################                           1.95 s
      sales[apac]           ......................===================x                       failed
    rates (http)
      fx[EUR]               --=====####################                                      1.50 s
      fx[USD]               ~~~~~===========x:::::::::::::::::=========####                  2.30 s
    depot (postgres)
      stock[north]          ---x                                                        not started
      stock[south]                                                                      not started
    at once                 4--545-6--------5--------4-3------4---3--2-----1----------       peak 6
                            waiting for _ the connection   . a limit   ~ the rate   : a retry
                            running - connect   = query, wait   # read   x not done
    "#);
}

#[test]
fn many_items_are_drawn_by_lane() {
    insta::assert_snapshot!(draw(&forty()), @r#"
             0        2s        4s        6s        8s        10s       12s
             ├─────────┼─────────┼─────────┼─────────┼─────────┼─────────┼┤
    lane 0   ██▌███▌████████▐████▉████████▌█████▐report-31█████×             83%
    lane 1   █report-01███▐report-15██▐report-25████████▐████▊               81%
    lane 2   ███████▐█▋█report-12███▐report-23███▐█▉███████                  76%
    lane 3   █report-03████████▐███▐█▌██████▊██████████▐report-37█▊          89%
    lane 4   █report-04█▊█report-14███████▊█report-28██████▎                 76%
    lane 5   █████×█report-09████▌█report-20████▐████████▐report-39██████▌  100%
    lane 6   █report-06██████▐report-17██████▉████▐report-34███▎             83%
    lane 7   ██████████▐██████▐report-18×█report-26█▐report-36████████▌      95%
    at once  8┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈6┈┈53┈┈┈2┈┈1┈┈┈  peak 8
             running █ query   × not done
    "#);
}

#[test]
fn very_many_items_are_drawn_as_the_course_of_their_source() {
    insta::assert_snapshot!(draw(&files(2000)), @r#"
               0       500ms      1s       1.5s       2s       2.5s
               ├─────────┼─────────┼─────────┼─────────┼─────────┼───┤
                        ███████████████████████████████████████████▄
                       █████████████████████████████████████████████
    partner    ▁▁▁▁▁▁▁▁█████████████████████████████████████████████▄  peak 64
      waiting          ██▇▇▇▇▇▇▆▆▆▆▆▆▅▅▅▅▅▄▄▄▄▄▄▃▃▃▃▃▂▂▂▂▂▂▁▁▁▁▁▁▁▁▁   peak 2,000
    "#);
}

#[test]
fn long_names_lose_their_middle() {
    let mut story = Story::new(&[("invoices", "sftp", Some("partner"), true)], &[]);
    story.queue(0.0, 0, 0, Some("/outbox/2026/11/22/very/long/path/to/the/one/file-0001.csv"));
    story.start(0.0, (0, 0, 1), 0, &[]).done(1.0, 0, 0);
    insta::assert_snapshot!(at(&story.finish(1.0, 0), Style { width: 60, ..Style::default() }), @r#"
                          0            500ms           1s
                          ├──────────────┼──────────────┤
    invoices[/…0001.csv]  ██████████████████████████████  1.00 s
    at once               1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈  peak 1
    "#);
}

#[test]
fn a_run_that_goes_on_is_drawn_until_now() {
    let mut events = classic(false);
    events.retain(|event| event.at < s(2.0));
    insta::assert_snapshot!(draw(&events), @r#"
               0         200ms       400ms       600ms       800ms        1s
               ├───────────┼───────────┼───────────┼───────────┼───────────┤
    function1  ████████████████████████████████████████████████████████████  1.00 s
    function2  ████████████████████████████████████████████████████████████  1.00 s
    function3  ████████████████████████████████████████████████████████████  1.00 s
    at once    ████████████████████████████████████████████████████████████  peak 3
    "#);
}

#[test]
fn nothing_is_drawn_where_nothing_ran_or_no_room_is() {
    assert_eq!(draw(&Story::new(&[("a", "sleep", None, false)], &[]).finish(1.0, 0)), "");
    assert_eq!(at(&mixed(), Style { width: 20, ..Style::default() }), "");
}

#[test]
fn an_attempt_too_short_for_a_cell_is_still_seen() {
    let mut story = Story::new(&[("a", "sleep", None, false), ("b", "sleep", None, false)], &[]);
    story.queue(0.0, 0, 0, None).queue(0.0, 1, 0, None);
    story.start(0.0, (0, 0, 1), 0, &[]).start(50.0, (1, 0, 1), 1, &[]);
    story.stop(50.000_01, 1, 0, State::Failed, Some(1.0));
    story.start(52.0, (1, 0, 2), 1, &[]).done(52.000_01, 1, 0).done(100.0, 0, 0);
    insta::assert_snapshot!(draw(&story.finish(100.0, 0)), @r#"
             0       15s      30s      45s      1m      1m15s    1m30s
             ├────────┼────────┼────────┼────────┼────────┼────────┼─────┤
    a        ████████████████████████████████████████████████████████████  1 m 40 s
    b                                      ×█                                2.00 s
    at once  1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈    peak 2
             █ running   × not done
    "#);
}

#[test]
fn ticks_lie_on_whole_cells_and_on_round_times() {
    let ruler = |seconds: f64| {
        let style = Style { width: 70, ..Style::default() };
        line::render(&Axis::new(s(seconds), 60).ruler(0, &style)[..1], &style)
    };
    let spans = [0.000_2, 0.012, 0.7, 4.004, 7.0, 42.0, 75.0, 600.0, 5000.0, 30_000.0, 1e6];
    insta::assert_snapshot!(spans.map(ruler).concat(), @r#"
    0            50us           100us          150us          200us
    0        2ms       4ms       6ms       8ms      10ms      12ms
    0     100ms   200ms   300ms   400ms   500ms   600ms   700ms
    0            1s            2s            3s            4s
    0      1s      2s      3s      4s      5s      6s      7s
    0            10s           20s           30s           40s
    0      10s     20s     30s     40s     50s     1m     1m10s
    0          2m          4m          6m          8m          10m
    0        15m       30m       45m       1h       1h15m
    0            2h            4h            6h            8h
    0        2d        4d        6d        8d        10d
    "#);
}
