//! What a simulated run consists of, and how proptest makes one up. All times are in milliseconds.

use crate::gather::limit::{Limit, Rate};
use crate::gather::outcome::Advice;
use crate::gather::policy::{Backoff, Policy, Retries, Stop, Timeouts, Tolerance};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use std::rc::Rc;
use std::time::Duration;

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) seed: u64,
    /// How long a driver takes to notice something.
    pub(super) lag: u64,
    /// The run's own limit first.
    pub(super) limits: Vec<Limit>,
    pub(super) jobs: Vec<(u64, Rc<JobPlan>)>,
    pub(super) disturbances: Vec<(u64, Disturbance)>,
}

/// What somebody outside does.
#[derive(Debug, Clone)]
pub(super) enum Disturbance {
    Cancel(usize, Stop),
    CancelAll(Stop),
    AbortAll,
    /// Nobody waits for the job any more.
    Drop(usize),
}

#[derive(Debug, Clone)]
pub(super) struct JobPlan {
    pub(super) policy: Policy,
    pub(super) stop: Stop,
    pub(super) retries: Retries,
    pub(super) timeouts: Timeouts,
    /// From its start.
    pub(super) deadline: Option<u64>,
    pub(super) concurrency: Option<u64>,
    pub(super) rate: Option<Rate>,
    /// The number of its items is known beforehand.
    pub(super) is_known: bool,
    pub(super) look_ahead: u64,
    pub(super) items: Vec<Rc<ItemPlan>>,
}

#[derive(Debug, Clone)]
pub(super) struct ItemPlan {
    /// After the job's start.
    pub(super) arrives: u64,
    /// Places in [`Case::limits`], and weights.
    pub(super) needs: Vec<(usize, u64)>,
    pub(super) source: Option<usize>,
    pub(super) can_repeat: bool,
    pub(super) attempts: Vec<AttemptPlan>,
    /// The last attempt comes again and again; else one that is done.
    pub(super) forever: bool,
    pub(super) obeys: Obeys,
    /// Blocking work goes on for so long after an abort.
    pub(super) blocks: u64,
}

/// What it does when it is asked to stop.
#[derive(Debug, Clone)]
pub(super) enum Obeys {
    /// It does not listen, and is aborted.
    NotAware,
    After(u64, End),
    Never,
}

#[derive(Debug, Clone)]
pub(super) struct AttemptPlan {
    /// One after another, each after a delay.
    pub(super) moments: Vec<(u64, Moment)>,
    pub(super) end: End,
}

#[derive(Debug, Clone)]
pub(super) enum Moment {
    Nothing,
    Up,
    Hold(u64),
    Resize(u64),
    Children(Rc<JobPlan>),
}

#[derive(Debug, Clone)]
pub(super) enum End {
    Done,
    Skipped,
    Failed(Advice),
    TimedOut,
    Panicked,
}

impl JobPlan {
    /// A job that asks for nothing.
    pub(super) fn plain(items: Vec<ItemPlan>) -> JobPlan {
        JobPlan {
            policy: Policy::Settle,
            stop: Stop::CancelRunning,
            retries: Retries::NONE,
            timeouts: Timeouts::default(),
            deadline: None,
            concurrency: None,
            rate: None,
            is_known: true,
            look_ahead: 256,
            items: items.into_iter().map(Rc::new).collect(),
        }
    }
}

impl ItemPlan {
    /// An item that is done after this time.
    pub(super) fn taking(duration: u64) -> ItemPlan {
        ItemPlan {
            arrives: 0,
            needs: Vec::new(),
            source: None,
            can_repeat: true,
            attempts: vec![AttemptPlan { moments: vec![(duration, Moment::Nothing)], end: End::Done }],
            forever: true,
            obeys: Obeys::NotAware,
            blocks: 0,
        }
    }
}

/// Any run.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    (1..5usize).prop_flat_map(|others| {
        let limits = (run_limit(), vec(limit(), others)).prop_map(|(run, others)| {
            let named = others.into_iter().enumerate();
            let named = named.map(|(n, limit)| Limit { name: format!("limit:{n}").into(), ..limit });
            std::iter::once(run).chain(named).collect()
        });
        let jobs = vec((0..200u64, job(others, 2, 10).prop_map(Rc::new)), 1..4);
        let disturbances = vec((0..800u64, disturbance()), 0..3);
        (any::<u64>(), 0..3u64, limits, jobs, disturbances).prop_map(
            |(seed, lag, limits, jobs, disturbances)| Case { seed, lag, limits, jobs, disturbances },
        )
    })
}

fn run_limit() -> impl Strategy<Value = Limit> {
    (1..6u64, weighted(0.1, rate()))
        .prop_map(|(most, rate)| Limit { rate, ..Limit::new("run").concurrency(most) })
}

fn limit() -> impl Strategy<Value = Limit> {
    let concurrency = weighted(0.8, prop_oneof![Just(1u64), 1..8u64]);
    (concurrency, weighted(0.25, rate()), of(retries())).prop_map(|(concurrency, rate, gate)| Limit {
        concurrency,
        rate,
        gate,
        ..Limit::new("")
    })
}

fn rate() -> impl Strategy<Value = Rate> {
    (1..4u32, 0..60u64).prop_map(|(count, per)| Rate { count, per: ms(per) })
}

fn retries() -> impl Strategy<Value = Retries> {
    (0..4u32, 0..50u64, any::<bool>(), any::<bool>()).prop_map(|(count, delay, jitter, doubling)| Retries {
        count,
        delay: ms(delay),
        max_delay: ms(100),
        backoff: if doubling { Backoff::Exponential } else { Backoff::Constant },
        jitter,
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        6 => Just(Policy::Settle),
        1 => Just(Policy::FailFast),
        1 => (0..5u64).prop_map(Policy::FirstOk),
        1 => (0..8u64).prop_map(Policy::Quorum),
        1 => (0..3u64).prop_map(|most| Policy::Threshold(Tolerance::Items(most))),
        1 => (0.0..1.0f64, 0..5u64)
            .prop_map(|(share, of_at_least)| Policy::Threshold(Tolerance::Share { share, of_at_least })),
    ]
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![Just(Stop::StartNoMore), Just(Stop::CancelRunning)]
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    (weighted(0.15, 0..200u64), weighted(0.15, 0..200u64)).prop_map(|(queue, total)| Timeouts {
        queue: queue.map(ms),
        total: total.map(ms),
        ..Timeouts::default()
    })
}

/// A job whose items may have children, so many levels deep.
fn job(limits: usize, depth: u32, most: usize) -> BoxedStrategy<JobPlan> {
    let asked = (policy(), stop(), retries(), timeouts(), weighted(0.15, 0..400u64));
    let own = (weighted(0.3, 1..4u64), weighted(0.1, rate()), any::<bool>(), 1..8u64);
    let items = vec(item(limits, depth).prop_map(Rc::new), 0..=most);
    (asked, own, items)
        .prop_map(
            |(
                (policy, stop, retries, timeouts, deadline),
                (concurrency, rate, is_known, look_ahead),
                items,
            )| {
                JobPlan {
                    policy,
                    stop,
                    retries,
                    timeouts,
                    deadline,
                    concurrency,
                    rate,
                    is_known,
                    look_ahead,
                    items,
                }
            },
        )
        .boxed()
}

fn item(limits: usize, depth: u32) -> impl Strategy<Value = ItemPlan> {
    let arrives = prop_oneof![3 => Just(0u64), 1 => 0..300u64];
    let weight = prop_oneof![4 => Just(1u64), 1 => 0..12u64];
    let needs = vec((1..=limits, weight), 0..3);
    let attempts = vec(attempt(limits, depth), 0..4);
    let obeys = prop_oneof![
        Just(Obeys::NotAware),
        Just(Obeys::Never),
        (0..80u64, end()).prop_map(|(after, end)| Obeys::After(after, end)),
    ];
    let blocks = prop_oneof![4 => Just(0u64), 1 => 0..50u64];
    (
        arrives,
        needs,
        weighted(0.6, 1..=limits),
        prop::bool::weighted(0.85),
        attempts,
        any::<bool>(),
        obeys,
        blocks,
    )
        .prop_map(|(arrives, needs, source, can_repeat, attempts, forever, obeys, blocks)| ItemPlan {
            arrives,
            needs,
            source,
            can_repeat,
            attempts,
            forever,
            obeys,
            blocks,
        })
}

fn attempt(limits: usize, depth: u32) -> BoxedStrategy<AttemptPlan> {
    let simple = prop_oneof![
        4 => Just(Moment::Nothing),
        2 => Just(Moment::Up),
        1 => (0..150u64).prop_map(Moment::Hold),
        1 => (0..9u64).prop_map(Moment::Resize),
    ];
    let moment = if depth == 0 {
        simple.boxed()
    } else {
        let children = job(limits, depth - 1, 3).prop_map(|job| Moment::Children(Rc::new(job)));
        prop_oneof![8 => simple, 1 => children].boxed()
    };
    (vec((0..60u64, moment), 0..4), end()).prop_map(|(moments, end)| AttemptPlan { moments, end }).boxed()
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Done),
        1 => Just(End::Skipped),
        1 => Just(End::TimedOut),
        1 => Just(End::Panicked),
        6 => advice().prop_map(End::Failed),
    ]
}

fn advice() -> impl Strategy<Value = Advice> {
    let kind = prop_oneof![
        2 => Just(Advice::NEVER),
        4 => Just(Advice::AGAIN),
        4 => Just(Advice::SOURCE_AGAIN),
        1 => Just(Advice::SOURCE_NEVER),
    ];
    (kind, weighted(0.2, 0..120u64)).prop_map(|(kind, after)| Advice { after: after.map(ms), ..kind })
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    prop_oneof![
        3 => (0..4usize, stop()).prop_map(|(job, stop)| Disturbance::Cancel(job, stop)),
        1 => stop().prop_map(Disturbance::CancelAll),
        1 => Just(Disturbance::AbortAll),
        2 => (0..4usize).prop_map(Disturbance::Drop),
    ]
}
