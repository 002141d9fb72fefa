//! What only a driver can get wrong: going on, and building what nobody reads.

use crate::gather::{
    Advice, Cause, Clean, Context, EventKind, Gather, Intake, Item, Limit, Needs, Once, Policy, REST, Reason,
    Retries, Run, RunSettings, Stop, Timeouts,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_job_whose_items_all_end_as_they_are_submitted_goes_on_pulling() {
    let run = Run::new(&RunSettings::default());
    let source = Needs::none().source(run.limit(Limit::new("source:shop").gate(Retries::NONE)));
    let login = |_: Context| async {
        sleep(Duration::from_secs(1)).await;
        Err::<(), &str>("refused")
    };
    let refused = |needs: &Needs, count: usize| {
        let needs = needs.clone();
        let items = (0..count).map(move |_| Item::new(login).needs(needs.clone()));
        Gather::over(items).in_run(&run).advice(|_| Advice::SOURCE_NEVER)
    };
    let first = refused(&source, 1);
    let many = refused(&source, 2000);
    let both = async { tokio::join!(first.run(), many.run()) };
    let (first, many) = timeout(Duration::from_secs(60), both).await.expect("it hangs");
    assert_eq!((first.counts.not_started, many.counts.not_started), (1, 2000));
}

#[tokio::test(start_paused = true)]
async fn jobs_end_whose_last_items_another_job_ended() {
    let run = Run::new(&RunSettings::default());
    let source = Needs::none().source(run.limit(Limit::new("source:shop").gate(Retries::NONE)));
    let job = || {
        let login = |_: Context| async {
            sleep(Duration::from_secs(1)).await;
            Err::<(), &str>("refused")
        };
        let items = [Item::new(login).needs(source.clone())];
        Gather::over(items).in_run(&run).advice(|_| Advice::SOURCE_NEVER)
    };
    let all = async { tokio::join!(job().run(), job().run(), job().run()) };
    let (a, b, c) = timeout(Duration::from_secs(60), all).await.expect("it hangs");
    assert_eq!([a, b, c].map(|report| report.counts.not_started), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_never_comes_is_no_harm() {
    let never = Some(Duration::MAX);
    let item = |n| async move {
        sleep(Duration::from_secs(n)).await;
        Ok::<_, ()>(n)
    };
    let items = (0..2).map(move |n| Item::new(Once::new(item(n))));
    let timeouts = Timeouts { queue: never, attempt: never, idle: never, total: never };
    let report = Gather::over(items).concurrency(1).timeouts(timeouts).run().await;
    assert_eq!(report.counts.done, 2);
}

/// Three items at a source with one start in 4 s; each runs for 60 s and does something after 1 s. When they started.
async fn starts(then: impl Fn(&Context) + Copy + Send + 'static) -> Vec<u64> {
    let run = Run::new(&RunSettings::default());
    let source = run.limit(Limit::new("source:shop").rate(1, Duration::from_secs(4)).gate(Retries::NONE));
    let call = move |context: Context| async move {
        sleep(Duration::from_secs(1)).await;
        then(&context);
        sleep(Duration::from_secs(59)).await;
        Ok::<_, ()>(())
    };
    let items = (0..3).map(move |_| Item::new(call).needs(Needs::none().source(source)));
    let report = Gather::over(items).in_run(&run).run().await;
    report.items.iter().filter_map(|item| item.timing.started()).map(|start| start.as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_says_of_its_source_is_heeded_at_the_time_that_follows_from_it() {
    assert_eq!(starts(Context::source_up).await, [0, 4, 8]);
    let held = |context: &Context| {
        context.source_up();
        context.hold(Duration::from_secs(10));
    };
    // The third is held by the second, which itself was held until 11.
    assert_eq!(starts(held).await, [0, 11, 22]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_over_leaves_the_times_that_others_wait_for_to_them() {
    let run = Run::new(&RunSettings { concurrency: 1, ..RunSettings::default() });
    let api = Needs::none().and(run.limit(Limit::new("limit:api").rate(1, Duration::from_secs(10))));
    let job = || {
        let item = Item::new(Once::new(async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, ()>(())
        }));
        Gather::over([item.needs(api.clone())]).in_run(&run)
    };
    // The second waits for the run, and when the first is over for the rate.
    let both = async { tokio::join!(job().run(), job().run()) };
    let (_, second) = timeout(Duration::from_secs(60), both).await.expect("it hangs");
    assert_eq!(second.items[0].timing.started(), Some(Duration::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn of_a_stopped_job_more_items_than_can_be_told_are_only_counted() {
    let run = Run::new(&RunSettings { events: Some(1 << 20), ..RunSettings::default() });
    let items = (0..1_000_000_000_000_u64).map(|_| Item::new(Once::new(async { Ok::<(), ()>(()) })));
    run.cancel(&Cause::Signal(2), Stop::CancelRunning);
    let mut outcomes = Gather::over(items).in_run(&run).stream();
    let mut told = 0;
    while outcomes.next().await.is_some() {
        told += 1;
    }
    let (counts, _) = outcomes.finish().await;
    assert!(told <= REST, "{told}");
    assert_eq!((counts.submitted, counts.not_started), (1_000_000_000_000, 1_000_000_000_000));
    let mut events = Vec::new();
    run.events().unwrap().read(&mut events).await;
    let end = events.iter().find_map(|event| match &event.kind {
        EventKind::JobEnded { counts, .. } => Some(*counts),
        _ => None,
    });
    assert_eq!(end, Some(counts));
}

#[tokio::test(start_paused = true)]
async fn the_job_that_wakes_for_all_hands_that_on_when_it_ends() {
    let run = Run::new(&RunSettings::default());
    let job = |pause: u64| {
        let retries =
            Retries { count: 1, delay: Duration::from_secs(pause), jitter: false, ..Retries::STANDARD };
        let retries = Retries { max_delay: Duration::from_secs(pause), ..retries };
        let call =
            |context: Context| async move { if context.attempt() == 1 { Err("once") } else { Ok(()) } };
        let gather = Gather::over([Item::new(call)]).in_run(&run).advice(|_| Advice::AGAIN);
        gather.retries(retries)
    };
    let all = async { tokio::join!(job(10).run(), job(30).run(), job(20).run()) };
    let (a, b, c) = timeout(Duration::from_secs(60), all).await.expect("it hangs");
    assert_eq!([a, b, c].map(|report| report.items[0].timing.ended().as_secs()), [10, 30, 20]);
}

#[tokio::test]
async fn without_a_listener_nothing_is_described_or_cleaned() {
    let clean = Some(Clean::new(|_| panic!("nobody listens")));
    let run = Run::new(&RunSettings { clean, ..RunSettings::default() });
    let item = |n: usize| {
        let call = move |context: Context| async move {
            context.phase("read");
            if n == 0 { Ok(()) } else { Err(()) }
        };
        Item::new(call).key(n.to_string())
    };
    let gather = Gather::over([item(0), item(1)]).in_run(&run);
    let gather = gather.describe(|()| panic!("nobody listens")).brought(|()| panic!("nobody listens"));
    let report = gather.run().await;
    assert_eq!((report.counts.done, report.counts.failed), (1, 1));
    assert!(run.events().is_none());
}

const SECOND: Duration = Duration::from_secs(1);

/// Works for a second, waits aside for a hundred, and works for one more.
async fn waits_aside(context: Context) -> Result<(), ()> {
    sleep(SECOND).await;
    let _ = context.cancel().is_set();
    context.set_aside(Reason::Sync);
    sleep(100 * SECOND).await;
    context.go_on().await;
    sleep(SECOND).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_waits_aside_is_neither_in_the_way_nor_idle_nor_lost_when_it_is_asked_to_stop() {
    let items = (0..5).map(|_| Item::new(waits_aside));
    let timeouts = Timeouts { idle: Some(5 * SECOND), ..Timeouts::default() };
    let report = Gather::over(items).concurrency(1).timeouts(timeouts).run().await;
    assert_eq!(report.counts.done, 5, "waiting is not being idle");
    assert_eq!(report.wall, 106 * SECOND, "they wait at once, and work one at a time");
    assert!(report.items.iter().all(|item| item.timing.running() == 2 * SECOND));

    let run = Run::new(&RunSettings { grace: 200 * SECOND, ..RunSettings::default() });
    let stopping = async {
        sleep(50 * SECOND).await;
        run.cancel(&Cause::Asked, Stop::CancelRunning);
    };
    let (report, ()) = tokio::join!(Gather::over([Item::new(waits_aside)]).in_run(&run).run(), stopping);
    assert_eq!(report.counts.done, 1, "it listened, and came to its end");
}

type Ready = fn(Context) -> std::future::Ready<Result<(), ()>>;

fn at_once() -> Item<Ready> {
    Item::new(|_| std::future::ready(Ok(())))
}

/// So many items, all there at once; before each look at how many are left something is done.
struct Looked<F>(u64, F);

impl<F: Fn() + Send + Unpin + 'static> Intake for Looked<F> {
    type Call = Ready;

    fn poll_pull(&mut self, _: &mut std::task::Context<'_>) -> Poll<Option<Item<Ready>>> {
        let Some(rest) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = rest;
        Poll::Ready(Some(at_once()))
    }

    fn remaining(&self) -> Option<u64> {
        (self.1)();
        Some(self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_events_that_catches_up_between_two_looks_does_not_leave_the_job_waiting() {
    let run = Run::new(&RunSettings { events: Some(1), ..RunSettings::default() });
    // The driver has seen that the queue is full, and has not begun to wait.
    let events = run.events().unwrap();
    let items = Looked(3, move || events.take(&mut Vec::new()));
    let job = Gather::from_intake(items).in_run(&run).run();
    assert_eq!(timeout(1000 * SECOND, job).await.expect("it hangs").counts.done, 3);
}

/// How often the driver of a stopped job looks at its intake while nothing happens.
async fn looks<I: Intake>(events: Option<usize>, intake: impl FnOnce(Arc<AtomicUsize>) -> I) -> usize {
    let looks = Arc::new(AtomicUsize::new(0));
    let run = Run::new(&RunSettings { events, ..RunSettings::default() });
    run.cancel(&Cause::Asked, Stop::CancelRunning);
    let job = tokio::spawn(Gather::from_intake(intake(looks.clone())).in_run(&run).run());
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    job.abort();
    looks.load(SeqCst)
}

/// An item is to come, which never does.
struct Late(Arc<AtomicUsize>);

impl Intake for Late {
    type Call = Ready;

    fn poll_pull(&mut self, _: &mut std::task::Context<'_>) -> Poll<Option<Item<Ready>>> {
        self.0.fetch_add(1, SeqCst);
        Poll::Pending
    }

    fn remaining(&self) -> Option<u64> {
        Some(1)
    }
}

#[tokio::test]
async fn a_stopped_job_that_waits_does_not_spin() {
    let late = looks(None, Late).await;
    assert!(late < 100, "{late} looks at an intake that waits");
    let counted = |looks: Arc<AtomicUsize>| {
        Looked(5000, move || {
            looks.fetch_add(1, SeqCst);
        })
    };
    let behind = looks(Some(16), counted).await;
    assert!(behind < 100, "{behind} looks while nobody reads the events");
}

#[tokio::test(start_paused = true)]
async fn a_quorum_or_a_buffer_of_more_than_there_can_be_is_no_harm() {
    let items = (0..600).map(|_| Item::new(|_: Context| async { Err::<(), ()>(()) }));
    let report = Gather::over(items).policy(Policy::Quorum(u64::MAX)).run().await;
    assert_eq!(report.counts.submitted, 600);
    let mut outcomes = Gather::over((0..3).map(|_| at_once())).buffered_outcomes(usize::MAX).stream();
    while outcomes.next().await.is_some() {}
    assert_eq!(outcomes.finish().await.0.done, 3);
}
