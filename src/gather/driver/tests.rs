//! What only a driver can get wrong: going on, and building what nobody reads.

use crate::gather::{
    Advice, Cause, Clean, Context, EventKind, Gather, Item, Limit, Needs, Once, REST, Reason, Retries, Run,
    RunSettings, Stop, Timeouts,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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

/// Works for some seconds, with nobody beside it.
async fn works_alone(busy: &AtomicUsize, seconds: u32) -> Result<(), ()> {
    assert_eq!(busy.fetch_add(1, SeqCst), 0, "another holds the only slot");
    sleep(seconds * SECOND).await;
    busy.fetch_sub(1, SeqCst);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_item_that_gave_up_a_gather_below_it_waits_for_its_slot_before_the_next() {
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    let works = |seconds| Item::new(move |_: Context| works_alone(&BUSY, seconds));
    let parent = move |context: Context| async move {
        // The other one works until then, and longer.
        assert!(timeout(SECOND, context.gather(Gather::over([works(1)]))).await.is_err());
        assert_eq!(context.gather(Gather::over([works(1), works(1)])).await.counts.done, 2);
        works_alone(&BUSY, 3).await
    };
    let run = Run::new(&RunSettings { concurrency: 1, ..RunSettings::default() });
    let others = Gather::over((0..3).map(move |_| works(10))).in_run(&run);
    let both = async { tokio::join!(Gather::over([Item::new(parent)]).in_run(&run).run(), others.run()) };
    let (parent, others) = timeout(1000 * SECOND, both).await.expect("it hangs");
    assert_eq!((parent.counts.done, others.counts.done), (1, 3), "{parent:?} {others:?}");
}

#[tokio::test(start_paused = true)]
async fn gathers_at_once_below_one_item_share_its_slot_in_order() {
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    let works = |seconds| Item::new(move |_: Context| works_alone(&BUSY, seconds));
    let parent = move |context: Context| async move {
        let below = |seconds| {
            let context = context.clone();
            async move {
                let report = context.gather(Gather::over([works(seconds)])).await;
                works_alone(&BUSY, 0).await.map(|()| report.counts.done)
            }
        };
        let (first, second) = tokio::join!(below(1), below(5));
        works_alone(&BUSY, 1).await?;
        Ok::<_, ()>(first? + second?)
    };
    let run = Run::new(&RunSettings { concurrency: 1, ..RunSettings::default() });
    let others = Gather::over((0..3).map(move |_| works(10))).in_run(&run);
    let both = async { tokio::join!(Gather::over([Item::new(parent)]).in_run(&run).run(), others.run()) };
    let (parent, others) = timeout(1000 * SECOND, both).await.expect("it hangs");
    assert_eq!((parent.counts.done, others.counts.done), (1, 3), "{parent:?} {others:?}");
}
