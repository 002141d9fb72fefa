use super::{SIZE, github};
use crate::gather::{Brought, Event, EventKind, State};
use crate::report::Timeline;
use crate::report::story::{Story, classic, files, mixed};
use crate::report::tests::near;
use proptest::prelude::*;

fn markdown(events: &[Event]) -> String {
    let mut out = Vec::new();
    github(&Timeline::of(events), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_classic_example() {
    insta::assert_snapshot!(markdown(&classic(false)), @r#"
    ### ` nightly `: 3 items: 3 done

    | wall | sum | overlap | peak at once | received | rows | outputs |
    | --- | --- | --- | --- | --- | --- | --- |
    | 4.00 s | 7.00 s | 1.75x | 3 | 0 B | 0 | 0 |

    ```text
               0       500ms      1s       1.5s       2s       2.5s       3s       3.5s       4s
               ├─────────┼─────────┼─────────┼─────────┼─────────┼─────────┼─────────┼─────────┤
    function1  ████████████████████████████████████████                                          2.00 s
    function2  ████████████████████████████████████████████████████████████████████████████████  4.00 s
    function3  ████████████████████                                                              1.00 s
    at once    3┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈2┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈  peak 3
    ```

    ```text
    wall      4.00 s · sum 7.00 s · overlap 1.75x · peak 3 of 1,024
              critical path (100 %): function2
    ```
    "#);
}

#[test]
fn failures_come_before_the_waterfall_and_the_figures_last() {
    insta::assert_snapshot!(markdown(&mixed()), @r#"
    ### ` nightly `: 9 items: 6 done, 2 not started, 1 failed

    | wall | sum | overlap | peak at once | received | rows | outputs |
    | --- | --- | --- | --- | --- | --- | --- |
    | 3.21 s | 11.4 s | 3.57x | 6 | 27.1 MiB | 1,212 | 6 |

    ```text
    NOT STARTED  depot (2 items)  login refused for user "acme" at depot.example:5432
    FAILED       sales[apac]  query on shop: column "amonut" does not exist (42703) at line 3
                 (did you mean "amount"?)
    ```

    ```text
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
    ```

    ```text
    wall      3.21 s · sum 11.4 s · overlap 3.57x · peak 6 of 1,024
              no faster than 2.80 s: invoices[2026/b.csv]
              critical path (100 %): invoices[2026/a.csv] -> invoices[2026/b.csv]
      partner  peak 2 of 256 · mean 1.31 · 1 % used · 2 items · 27.0 MiB
      shop     peak 2 of 2 · mean 1.85 · 66 % used · 3 items · 80.6 KiB · 1,212 rows
      rates    peak 2 of 16 · mean 1.08 · 5 % used · 2 items · 1.57 KiB
      depot    peak 1 of 8 · mean 1.00 · 1 % used · 2 items
    waited    1.20 s  for source:shop (concurrency 2), 1 time
              1.00 s  before another attempt, 1 time
              400 ms  for source:partner to be connected, 1 time
    slowest   2.80 s invoices[2026/b.csv] · 2.30 s fx[USD] in 2 attempts · 1.95 s sales[emea]
              1.50 s fx[EUR] · 1.40 s invoices[2026/a.csv]
    received  27.1 MiB (8.44 MiB/s) · 1,212 rows (378/s) · outputs: 6 new
    ```
    "#);
}

/// A run whose plan, keys and errors are all this text.
fn hostile(text: &str) -> Vec<Event> {
    let mut story = Story::new(&[("a", "http", Some(text), true)], &[]);
    let EventKind::RunStarted(info) = &mut story.events[0].kind else { unreachable!() };
    info.name = text.to_owned();
    story.queue(0.0, 0, 0, Some(text)).start(0.0, (0, 0, 1), 0, &[]).stop(1.0, 0, 0, State::Failed, None);
    story.tell(1.0, EventKind::Warning { message: text.to_owned() });
    story.end(1.0, 0, 0, State::Failed, Some(text), Brought::default());
    story.finish(1.0, 1)
}

/// The lines that are outside of code blocks. A block ends at the next line that begins with its own fence.
fn outside(text: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            None if ticks.len() >= 3 => fence = Some(ticks),
            Some(open) if ticks.len() >= open.len() => fence = None,
            None => lines.push(line),
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "a block has no end:\n{text}");
    lines
}

#[test]
fn no_text_of_a_server_gets_out_of_its_block() {
    let evil = "```\n# owned <img src=x> @everyone [x](http://evil.example) |\n~~~~\n`````` x";
    let text = markdown(&hostile(evil));
    let rest = outside(&text);
    let heading = rest[0];
    let inner = heading.strip_prefix("### ``````` ").and_then(|rest| rest.split_once(" ```````: ")).unwrap();
    assert_eq!(inner.1, "1 item: 1 failed");
    assert!(rest[1..].iter().all(|line| line.is_empty() || line.starts_with("| ")), "{rest:#?}");
    assert!(!rest[1..].concat().contains("owned"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn outside_of_blocks_stands_only_the_heading_and_the_table(
        texts in prop_oneof!["[`~|#\n\r a]{0,40}", any::<String>()],
        events in prop::collection::vec(near(), 0..40),
    ) {
        for text in [markdown(&hostile(&texts)), markdown(&events)] {
            let rest = outside(&text);
            prop_assert!(rest[0].starts_with("### `"), "{}", text);
            prop_assert!(rest[1..].iter().all(|line| line.is_empty() || line.starts_with("| ")), "{}", text);
        }
    }
}

#[test]
fn it_is_bounded_and_keeps_the_gravest() {
    let mut story = Story::new(&[("a", "http", Some("api"), true)], &[]);
    let long = "\u{301}x\u{1F600}".repeat(200);
    for item in 0..250 {
        story.queue(0.0, 0, item, Some(&format!("{item}{long}"))).start(0.0, (0, item, 1), item as u32, &[]);
        story.tell(0.0, EventKind::Warning { message: format!("{item} {long}") });
        let state = if item == 150 { State::Panicked } else { State::Failed };
        story.end(1.0, 0, item, state, Some(&format!("reason {item}\n{long}\n{long}")), Brought::default());
    }
    let text = markdown(&story.finish(2.0, 1));
    assert!(text.len() < SIZE, "{}", text.len());
    assert!(text.contains("PANICKED") && text.contains("… and"), "{}", text.len());
    assert!(markdown(&files(5000)).len() < SIZE / 4);
}
