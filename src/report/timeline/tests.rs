use super::{ATTEMPTS, Gauge, Losses, MOMENTS, REASONS, Scope, Timeline, WARNINGS};
use crate::gather::{Brought, EventKind, LimitInfo, Reason, Role, State};
use crate::report::story::{Story, classic, files, forty, mixed, s};
use std::time::Duration;

#[test]
fn only_running_time_is_summed() {
    let (in_turn, at_once) = (Timeline::of(&classic(true)), Timeline::of(&classic(false)));
    assert_eq!((in_turn.wall(), in_turn.sum()), (s(7.006), s(7.004)));
    assert_eq!((at_once.wall(), at_once.sum()), (s(4.004), s(7.004)));
    assert_eq!(format!("{:.3} {:.3}", in_turn.overlap(), at_once.overlap()), "1.000 1.749");
    assert_eq!((in_turn.running.peak(), at_once.running.peak()), (1, 3));
    assert_eq!((in_turn.lanes, at_once.lanes), (1, 3));
}

#[test]
fn waits_are_summed_by_reason_and_limit() {
    let timeline = Timeline::of(&mixed());
    let waits = timeline.waits.longest_first();
    let first = (waits[0].0, waits[0].1, waits[0].2.time, waits[0].2.count);
    assert_eq!(first, (Reason::Concurrency, Some("source:shop"), s(1.2), 1));
    assert_eq!(waits.len(), 5);
}

#[test]
fn concurrency_is_counted_by_source() {
    let timeline = Timeline::of(&mixed());
    let figures = |number: usize| {
        let source = &timeline.sources[number];
        (source.name.as_str(), source.running.peak(), source.running.sum(s(9.0)), source.attempts)
    };
    assert_eq!(figures(0), ("partner", 2, s(4.2), 2));
    assert_eq!(figures(1), ("shop", 2, s(4.25), 3));
    assert_eq!(figures(2), ("rates", 2, s(2.8), 3));
}

#[test]
fn pages_belong_to_the_job_they_list_for_and_are_not_counted() {
    let timeline = Timeline::of(&files(10));
    assert_eq!(timeline.counts.submitted, 10);
    assert_eq!(timeline.sources[0].attempts, 11);
    let labels: Vec<_> = timeline.items().map(|(_, item)| timeline.label(item)).collect();
    assert_eq!(labels[..2], ["inbox: page 1", "inbox[out/00000.csv]"]);
}

#[test]
fn details_are_bounded_and_sums_exact() {
    let mut small = Timeline::with_detail(50);
    files(5000).iter().for_each(|event| small.add(event));
    let whole = Timeline::of(&files(5000));
    assert_eq!(small.items().count(), 50);
    assert_eq!(small.dropped(), 5001 - 50);
    assert_eq!((small.counts, small.sum()), (whole.counts, whole.sum()));
    assert_eq!(
        (small.received, &small.slowest, &small.waits),
        (whole.received, &whole.slowest, &whole.waits)
    );
}

#[test]
fn nested_jobs_leave_nothing_behind_when_details_are_full() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for job in 1..1000 {
        let name = format!("nested {job}").into();
        story.tell(0.0, EventKind::JobStarted { job, name, role: Role::Nested, parent: Some(0) });
        story.queue(0.0, job, 0, None).start(0.0, (job, 0, 1), 0, &[]).done(0.0, job, 0);
        story.tell(0.0, EventKind::JobEnded { job, counts: Default::default(), why: None });
    }
    let mut timeline = Timeline::with_detail(10);
    story.finish(0.0, 0).iter().for_each(|event| timeline.add(event));
    assert_eq!((timeline.jobs.len(), timeline.counts.done, timeline.dropped()), (11, 999, 989));
}

/// Items that were there and left out say nothing of those that could not be found out.
#[test]
fn a_job_whose_first_items_were_skipped_may_have_failed_and_one_that_was_skipped_has_not() {
    let ended = |code: &'static str| {
        let mut story = Story::new(&[("a", "http", None, true)], &[]);
        story.queue(0.0, 0, 0, Some("x")).tell(
            0.0,
            EventKind::ItemEnded {
                job: 0,
                item: 0,
                state: State::Skipped,
                why: None,
                code: Some(code.into()),
                waits: Vec::new(),
                brought: Brought::default(),
            },
        );
        let why = Some("why".to_owned());
        story.tell(0.0, EventKind::JobEnded { job: 0, counts: Default::default(), why });
        Timeline::of(&story.finish(0.0, 1)).jobs[&0].failure().map(str::to_owned)
    };
    assert_eq!(ended("unchanged").as_deref(), Some("why"));
    assert_eq!(ended("need_failed"), None);
}

#[test]
fn lost_items_are_grouped_by_reason_without_their_key() {
    let timeline = Timeline::of(&forty());
    let [loss] = timeline.losses.groups() else { panic!("{:?}", timeline.losses) };
    assert_eq!((loss.count, loss.scope), (3, Scope::Job(0)));
    assert_eq!(loss.labels, ["sales[report-05]", "sales[report-18]", "sales[report-31]"]);
}

#[test]
fn a_key_is_no_part_of_an_address() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for item in 0..40 {
        let why = format!("GET http://127.0.0.1:1123/{item}: status 404");
        story.queue(0.0, 0, item, Some(&item.to_string()));
        story.end(0.0, 0, item, State::Failed, Some(&why), Brought::default());
    }
    let timeline = Timeline::of(&story.finish(1.0, 1));
    assert_eq!(timeline.losses.groups().len(), 1, "{:?}", timeline.losses);
}

/// The key stands for itself in the path and, of a few items, in what else the text says too.
#[test]
fn a_key_that_occurs_elsewhere_in_the_text_makes_no_group_of_its_own() {
    for first in [0, 127, 500] {
        let mut losses = Losses::default();
        for item in [first].into_iter().chain(0..1500) {
            let why =
                format!("GET http://127.0.0.1:11235/api/v1/{item}: status 500 Internal Server Error: 500");
            losses.add(State::Failed, Scope::Job(0), &why, Some(&item.to_string()), "a");
        }
        assert_eq!(losses.groups().len(), 1, "{:?}", losses.groups());
    }
    let mut losses = Losses::default();
    for (key, status) in [("a", 500), ("404", 404), ("b", 404), ("500", 500), ("c", 500)] {
        losses.add(State::Failed, Scope::Job(0), &format!("GET /{key}: status {status}"), Some(key), key);
    }
    let counts: Vec<_> = losses.groups().iter().map(|loss| loss.count).collect();
    assert_eq!(counts, [3, 2], "{:?}", losses.groups());
}

#[test]
fn the_gravest_and_largest_losses_are_kept_in_their_order() {
    let mut losses = Losses::default();
    for (state, why) in [
        (State::Failed, "a"),
        (State::Cancelled, "b"),
        (State::Failed, "c"),
        (State::Failed, "d"),
        (State::Failed, "d"),
        (State::Panicked, "e"),
    ] {
        losses.add(state, Scope::Run, why, None, "x");
    }
    let whys: Vec<_> = losses.gravest(3).iter().map(|loss| loss.why.as_str()).collect();
    assert_eq!((whys, losses.count()), (vec!["a", "d", "e"], 6));
}

/// The limits of a run with one job whose 40 items take these, of which so many run; what the others wait for.
fn waited_for(limits: &[LimitInfo], takes: &[&str], running: u64) -> (Option<(Reason, String)>, Reason) {
    let mut story = Story::new(&[("nap", "sleep", None, true)], &[]);
    if let EventKind::RunStarted(info) = &mut story.events[0].kind {
        info.limits = limits.to_vec();
    }
    story.takes(0, takes);
    for item in 0..40 {
        story.queue(0.0, 0, item, Some("k"));
    }
    for item in 0..running + 1 {
        story.start(0.0, (0, item, 1), 0, &[]);
    }
    story.stop(0.5, 0, running, State::Failed, None);
    story.end(0.5, 0, running, State::Failed, None, Brought::default());
    let timeline = Timeline::of(&story.events);
    let waits = timeline.waits_for(&timeline.jobs[&0]).map(|(reason, limit)| (reason, limit.to_owned()));
    (waits, timeline.awaits(timeline.item(0, 39).unwrap()))
}

#[test]
fn what_is_waited_for_is_the_limit_that_is_full_else_the_one_with_a_rate() {
    let most = |name: &str, concurrency| LimitInfo {
        name: name.into(),
        concurrency: Some(concurrency),
        ..LimitInfo::default()
    };
    let rate = |name: &str| LimitInfo { name: name.into(), rate: Some("5/s".into()), ..LimitInfo::default() };
    let (room, takes) = ([most("run", 9), most("limit:s", 4), rate("job:nap")], ["limit:s", "job:nap"]);
    let full = |name: &str| (Some((Reason::Concurrency, name.to_owned())), Reason::Concurrency);
    assert_eq!(waited_for(&room, &takes, 4), full("limit:s"));
    assert_eq!(waited_for(&room, &takes, 9), full("run"));
    assert_eq!(waited_for(&room, &takes, 3), (Some((Reason::Rate, "job:nap".into())), Reason::Rate));
    assert_eq!(waited_for(&room, &["limit:s"], 3), (None, Reason::Concurrency));
}

#[test]
fn items_of_a_source_that_is_down_are_one_loss() {
    let timeline = Timeline::of(&mixed());
    let loss = timeline.losses.in_order()[0];
    assert_eq!((loss.state, loss.scope, loss.count), (State::NotStarted, Scope::Source(3), 2));
}

#[test]
fn reasons_warnings_and_attempts_are_bounded() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for item in 0..1000 {
        story.queue(0.0, 0, item, None);
        story.end(0.0, 0, item, State::Failed, Some(&format!("reason {item}")), Brought::default());
        story.tell(0.0, EventKind::Warning { message: format!("warning {item}") });
    }
    story.queue(0.0, 0, 1000, None);
    for attempt in 1..=500 {
        story.start(f64::from(attempt), (0, 1000, attempt), 0, &[]);
        story.stop(f64::from(attempt) + 0.5, 0, 1000, State::Failed, Some(0.5));
    }
    let timeline = Timeline::of(&story.finish(501.0, 1));
    assert_eq!((timeline.losses.groups().len(), timeline.losses.others()), (REASONS, 1000 - REASONS as u64));
    assert_eq!((timeline.warnings.len(), timeline.more_warnings), (WARNINGS, 1000 - WARNINGS as u64));
    let item = timeline.item(0, 1000).unwrap();
    assert_eq!((item.attempts.len(), item.tries(), timeline.sum()), (ATTEMPTS, 500, s(250.0)));
}

#[test]
fn the_course_of_a_gauge_has_the_same_sum_at_any_length() {
    for length in [0.3, 4.0, 77.0, 90_000.0] {
        let mut gauge = Gauge::default();
        gauge.up(s(0.1 * length));
        gauge.up(s(0.2 * length));
        gauge.down(s(0.5 * length));
        let sum = gauge.sum(s(length));
        let course = gauge.course(s(length), 10);
        let drawn: f64 = course.iter().sum::<f64>() * length / 10.0;
        assert!((drawn - sum.as_secs_f64()).abs() < 1e-6 * length, "{drawn} {sum:?}");
        assert!((sum.as_secs_f64() / length - 1.2).abs() < 1e-6);
        assert_eq!((gauge.peak(), gauge.count()), (2, 1));
        assert!((gauge.mean(s(length)) - 1.2 / 0.9).abs() < 1e-6);
        assert!((course[3] - 2.0).abs() < 0.05 && course[0].abs() < 0.05, "{course:?}");
    }
}

#[test]
fn time_never_goes_back() {
    let mut gauge = Gauge::default();
    gauge.up(s(5.0));
    gauge.down(s(3.0));
    assert_eq!(gauge.sum(s(9.0)), Duration::ZERO);
}

#[test]
fn a_source_that_is_down_is_one_loss_whatever_the_keys() {
    let mut losses = Losses::default();
    let why = "source: cannot connect to 127.0.0.1:1";
    for key in ["1", "2", "5"] {
        losses.add(State::NotStarted, Scope::Source(0), why, Some(key), key);
    }
    assert_eq!(losses.groups().len(), 1);
}

#[test]
fn bytes_flow_between_the_times_at_which_they_were_told() {
    let mut story = Story::new(&[("a", "http", Some("api"), false)], &[]);
    let told = |bytes| EventKind::Progress { job: 0, item: 0, bytes, rows: 0 };
    story.queue(0.0, 0, 0, None).start(1.0, (0, 0, 1), 0, &[]);
    story.tell(2.0, told(100)).tell(4.0, told(300)).stop(5.0, 0, 0, State::Failed, Some(1.0));
    story.start(6.0, (0, 0, 2), 0, &[]).tell(7.0, told(50)).stop(8.0, 0, 0, State::Done, None);
    let brought = Brought { bytes: 450, ..Brought::default() };
    story.end(10.0, 0, 0, State::Done, None, brought);
    let timeline = Timeline::of(&story.finish(10.0, 0));
    let course = timeline.sources[0].bytes.course(s(10.0), 10);
    let rounded: Vec<_> = course.iter().map(|rate| (rate / 10.0).round() as u64).collect();
    assert_eq!(rounded, [0, 10, 10, 10, 0, 0, 5, 40, 0, 0]);
}

#[test]
fn what_is_about_no_item_is_kept_with_its_time_and_bounded() {
    let mut story = Story::new(&[("a", "http", None, true)], &[]);
    for second in 0..MOMENTS + 5 {
        let at = second as f64;
        story.tell(at, EventKind::Warning { message: second.to_string() });
        story.tell(at, EventKind::SourceUp { source: "source:a".into() }).queue(at, 0, second as u64, None);
    }
    let timeline = Timeline::of(&story.finish(20_000.0, 0));
    assert_eq!((timeline.moments.len(), timeline.more_moments), (MOMENTS, WARNINGS as u64 + 5));
    assert_eq!([14, 15, MOMENTS - 1].map(|at| timeline.moments[at].at), [s(7.0), s(7.0), s(9899.0)]);
}
