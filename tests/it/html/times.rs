//! Where times are drawn: bars, waits, how many at once, and the part of the run that is shown.

use super::{again, known, logs, middle, number, open, render, words};
use fanout::gather::EventKind;
use serde_json::Value;

/// A span of a row: how it is drawn, and when it begins and ends, in seconds.
type Span<'a> = (&'a str, f64, f64);

const EMEA: [Span; 3] = [("wait of-connect", 0.0, 0.5), ("run rank-0", 0.5, 0.75), ("run rank-2", 0.75, 1.5)];
const APAC: [Span; 5] = [
    ("wait of-concurrency", 0.0, 1.5),
    ("run rank-2 bad", 1.5, 2.0),
    ("wait of-retry", 2.0, 2.25),
    ("wait of-concurrency", 2.25, 2.5),
    ("run rank-2", 2.5, 3.0),
];
const EUR: [Span; 2] = [("wait of-rate", 0.0, 0.25), ("run rank-2 bad", 0.25, 1.25)];

/// Checks what is drawn in a row of a part of the run, to a pixel.
#[track_caller]
fn lies(drawn: &Value, expected: &[Span], (from, to): (f64, f64), width: f64) {
    let x = |seconds: f64| (seconds - from) / (to - from) * width;
    let drawn = drawn.as_array().unwrap();
    assert_eq!(drawn.len(), expected.len(), "{drawn:?}");
    for (drawn, (class, start, end)) in drawn.iter().zip(expected) {
        assert!(drawn[0].as_str().unwrap().starts_with(class), "{drawn} is not {class}");
        let (left, right) = (number(&drawn[1]), number(&drawn[1]) + number(&drawn[2]));
        assert!((left - x(*start)).abs() < 1.0, "{drawn} begins at {}", x(*start));
        assert!((right - x(*end)).abs() < 1.0, "{drawn} ends at {}", x(*end));
    }
}

#[test]
fn bars_lie_where_the_log_says() {
    let Some(mut page) = known("") else { return };
    let width = number(&page.run("box($('axis')).width"));
    for (label, expected) in [("sales[emea]", &EMEA[..]), ("sales[apac]", &APAC), ("fx[EUR]", &EUR)] {
        lies(&page.run(&format!("spans('{label}')")), expected, (0.0, 4.0), width);
    }
    lies(&page.run("spans('report')"), &[("run rank-2", 0.0, 4.0)], (0.0, 4.0), width);
    again(&mut page, "from=500000&to=2500000");
    let drawn = page.run("spans('sales[emea]').slice(1)");
    lies(&drawn, &EMEA[1..], (0.5, 2.5), width);
}

/// Where the log does not say what it was, nothing is drawn; how many waited is told by those whose wait is known.
#[test]
fn an_item_that_never_started_shows_what_it_waited_for_last_or_nothing() {
    let Some(mut page) = known("") else { return };
    let width = number(&page.run("box($('axis')).width"));
    lies(&page.run("spans('fx[USD]')"), &[("wait of-rate", 0.0, 1.25)], (0.0, 4.0), width);
    let mut silent = logs::known();
    for event in &mut silent {
        if let EventKind::ItemEnded { waits, .. } = &mut event.kind {
            waits.clear();
        }
    }
    let Some(mut page) = open(&render(&silent, 100), "") else { return };
    assert_eq!(page.run("spans('fx[USD]').length"), 0);
    assert_eq!(page.run("$('legend').textContent.includes('something else')"), false);
}

#[test]
fn ticks_lie_at_their_times() {
    let Some(mut page) = known("") else { return };
    let width = number(&page.run("box($('axis')).width"));
    let texts = page.run("texts('#axis text')");
    assert_eq!(words(&texts), ["0", "500ms", "1s", "1.5s", "2s", "2.5s", "3s", "3.5s"]);
    let lines =
        page.run("[...$('axis').querySelectorAll('line')].map((l) => box(l).left - box($('axis')).left)");
    for (at, line) in lines.as_array().unwrap().iter().enumerate() {
        assert!((number(line) - at as f64 / 8.0 * width).abs() < 1.0, "{lines}");
    }
}

#[test]
fn lost_attempts_have_a_cross_at_their_end() {
    let Some(mut page) = known("") else { return };
    let width = number(&page.run("box($('axis')).width"));
    for (label, seconds) in [("sales[apac]", 2.0), ("fx[EUR]", 1.25), ("fx[USD]", 1.25)] {
        let crosses = page.run(&format!("crosses('{label}')"));
        assert_eq!(crosses.as_array().unwrap().len(), 1, "{label}: {crosses}");
        assert!((number(&crosses[0]) - seconds / 4.0 * width).abs() < 1.0, "{label}: {crosses}");
    }
    assert_eq!(page.run("crosses('sales[emea]').length"), 0);
}

#[test]
fn waits_and_phases_differ_in_form() {
    let Some(mut page) = known("") else { return };
    let fill = |name: &str| format!("getComputedStyle(document.querySelector('.rows .of-{name}')).fill");
    let fills = ["connect", "concurrency", "retry", "rate"].map(fill).join(", ");
    let fills = page.run(&format!("[{fills}]"));
    let fills = words(&fills);
    for fill in &fills {
        assert!(
            fill.starts_with("url(\"#wait-") && fills.iter().filter(|f| f == &fill).count() == 1,
            "{fills:?}"
        );
        let pattern =
            format!("document.querySelector('pattern{}').children.length > 0", &fill[5..fill.len() - 2]);
        assert_eq!(page.run(&pattern), true, "{fill}");
    }
    let height =
        |of: &str| format!("row('sales[emea]').querySelector('{of}').getBoundingClientRect().height");
    let heights = page.run(&format!("[{}, {}, {}]", height(".wait"), height(".rank-0"), height(".rank-2")));
    assert!(
        number(&heights[1]) < number(&heights[2]) && number(&heights[0]) < number(&heights[2]),
        "{heights}"
    );
}

#[test]
fn the_numbers_at_once_are_those_under_the_pointer() {
    let Some(mut page) = known("") else { return };
    let axis = page.run("box($('axis'))");
    let y = middle(&mut page, "$('running-chart')").1;
    // Beside the edges, where a pixel decides.
    for (seconds, running, waiting) in
        [(0.1, "1", "4"), (0.6, "3", "2"), (1.4, "2", "1"), (2.2, "1", "1"), (3.5, "1", "0")]
    {
        page.point((number(&axis["left"]) + seconds / 4.0 * number(&axis["width"]), y));
        let shown = page.run("[$('running').textContent, $('waiting').textContent]");
        assert_eq!(words(&shown), [running, waiting], "at {seconds} s");
    }
    let peaks = page.run("[$('running-peak').textContent, $('waiting-peak').textContent]");
    assert_eq!(words(&peaks), ["peak 3", "peak 4"]);
}

#[test]
fn charts_of_numbers_lie_on_the_same_axis() {
    let Some(mut page) = known("") else { return };
    for fragment in ["", "from=1000000&to=3000000"] {
        again(&mut page, fragment);
        let places = page.run(
            "[$('axis'), $('running-chart'), $('waiting-chart'), row('report').querySelector('svg')]
                .map(box).map(({ left, width }) => [left, width])",
        );
        let places = places.as_array().unwrap();
        assert!(places.iter().all(|place| place == &places[0]), "{places:?}");
    }
    // From 1 s to 3 s: two or three ran until 1.5 s, then two, one between the attempts, two again.
    let fall = page.run("heights([0.05, 0.4, 0.6, 0.9])");
    let heights: Vec<f64> = fall.as_array().unwrap().iter().map(number).collect();
    assert!(heights[0] > heights[1] && heights[1] > heights[2] && heights[3] == heights[1], "{heights:?}");
}

#[test]
fn keys_and_buttons_zoom_and_the_axis_says_so() {
    let Some(mut page) = known("") else { return };
    let shown = "[$('from').ariaValueNow, $('to').ariaValueNow].join(' ')";
    assert_eq!(page.run(shown), "0 4000000");
    page.keys(&["+"]);
    assert_eq!(page.run(shown), "1000000 3000000");
    page.keys(&["Shift+ArrowRight"]);
    assert_eq!(page.run(shown), "1200000 3200000");
    page.run("$('zoom-out').click()");
    page.settle();
    assert_eq!(page.run(shown), "0 4000000", "nothing lies beyond the ends");
    page.keys(&["+", "+", "0"]);
    assert_eq!(page.run(shown), "0 4000000");
    assert_eq!(page.run("[$('zoom-out').disabled, location.hash].join()"), "true,");
}

#[test]
fn the_wheel_keeps_the_time_under_the_pointer_where_it_is() {
    let Some(mut page) = known("") else { return };
    let axis = page.run("box($('axis'))");
    let (left, width) = (number(&axis["left"]), number(&axis["width"]));
    let y = middle(&mut page, "row('sales[emea]')").1;
    page.wheel_with_control((left + width / 4.0, y), -60.0);
    let [from, to] = ["from", "to"].map(|id| page.run(&format!("Number($('{id}').ariaValueNow)")));
    let (from, to) = (number(&from), number(&to));
    assert!(to - from < 3_500_000.0, "{from} {to}");
    assert!((from + (to - from) / 4.0 - 1_000_000.0).abs() < 10_000.0, "{from} {to}");
}

#[test]
fn the_overview_is_dragged_over_and_its_handles_take_keys() {
    let Some(mut page) = known("") else { return };
    let place = page.run("box($('overview'))");
    let at = |share: f64| (number(&place["left"]) + share * number(&place["width"]), number(&place["y"]));
    let shown = "[$('from'), $('to')].map((handle) => Math.round(handle.ariaValueNow / 1e5) / 10).join(' ')";
    page.drag(&[at(0.25), at(0.4), at(0.5)]);
    assert_eq!(page.run(shown), "1 2");
    page.drag(&[at(0.4), at(0.5), at(0.65)]);
    assert_eq!(page.run(shown), "2 3", "what is shown is moved");
    page.run("$('to').focus()");
    page.keys(&["End"]);
    assert_eq!(page.run(shown), "2 4");
    page.run("$('from').focus()");
    page.keys(&["ArrowLeft"; 5]);
    assert_eq!(page.run(shown), "1.8 4");
}
