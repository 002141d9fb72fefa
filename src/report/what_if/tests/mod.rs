//! Replays beside the runs that they are of, and the runs that they speak of.

mod advised;
mod changes;

use super::{Change, what_if};
use crate::gather::{Event, EventKind};
use crate::report::Timeline;
use crate::report::real::{Case, OneItem, OneJob, OneLimit, Then, Try, cases, config, ms};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn with_nothing_changed_a_replay_takes_as_long_as_the_run(case in cases()) {
        let timeline = case.run();
        let found = what_if(&timeline, &[]).unwrap();
        prop_assert_eq!(found.changed, timeline.wall());
    }

    #[test]
    fn with_a_limit_changed_it_takes_as_long_as_a_run_with_that_limit(
        case in cases(),
        (which, most) in (any::<prop::sample::Index>(), 1..9_u64),
    ) {
        let mut other = case.clone();
        let place = which.index(case.limits.len() + 1);
        let change = match place.checked_sub(1) {
            None => {
                other.most = most;
                format!("limits.concurrency={most}")
            }
            Some(place) => {
                other.limits[place].concurrency = Some(most);
                let kind = if case.limits[place].connects.is_some() { "sources" } else { "limits" };
                format!("{kind}.l{place}.concurrency={most}")
            }
        };
        let change: Change = change.parse().unwrap();
        let found = what_if(&case.run(), &[change]).unwrap();
        prop_assert_eq!(found.changed, other.run().wall());
    }
}

#[test]
fn a_source_is_connected_again_after_the_recorded_pauses() {
    let item = |tries: &[Try]| OneItem { source: Some(0), tries: tries.to_vec(), ..OneItem::default() };
    let long = item(&[Try(5000, Then::Done)]);
    let first = item(&[Try(70, Then::Unconnected), Try(80, Then::Unconnected), Try(3000, Then::Done)]);
    let source = OneLimit { concurrency: Some(2), connects: Some(40), every: None };
    let items = [vec![first], vec![long; 7]].concat();
    let case = Case { most: 9, limits: vec![source], jobs: vec![OneJob { items, ..OneJob::default() }] };
    let found = what_if(&case.run(), &["sources.l0.concurrency=4".parse().unwrap()]).unwrap();
    assert_eq!(found.unchanged, found.measured);
    let mut other = case;
    other.limits[0].concurrency = Some(4);
    assert_eq!(found.changed, other.run().wall());
    assert_eq!(found.limits[0].peaks, Some((2, 4)));
    assert!(found.changed < found.measured - ms(5000));
}

#[test]
fn an_item_that_a_busy_machine_took_late_holds_up_nothing() {
    let item = OneItem { limits: vec![0], tries: vec![Try(100, Then::Done)], ..OneItem::default() };
    let limit = OneLimit { concurrency: Some(50), ..OneLimit::default() };
    let jobs = vec![OneJob { items: vec![item; 1000], ..OneJob::default() }];
    let mut events = Case { most: 999, limits: vec![limit], jobs }.events();
    let is_of = |event: &Event| matches!(event.kind, EventKind::ItemQueued { item: 900, .. });
    events.iter_mut().find(|event| is_of(event)).unwrap().at += ms(20);
    let found = what_if(&Timeline::of(&events), &["limits.l0.concurrency=100".parse().unwrap()]).unwrap();
    assert_eq!((found.measured, found.changed), (ms(2000), ms(1000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_log_that_lacks_lines_is_played_or_refused(
        missing in vec(any::<prop::sample::Index>(), 0..6),
        late in weighted(0.5, (any::<prop::sample::Index>(), any::<u64>())),
    ) {
        let mut events = crate::report::story::mixed();
        for at in missing {
            events.remove(at.index(events.len() - 1));
        }
        if let Some((at, nanos)) = late {
            let at = at.index(events.len());
            events[at].at = std::time::Duration::from_nanos(nanos);
        }
        let _ = what_if(&crate::report::Timeline::of(&events), &[]);
    }
}
