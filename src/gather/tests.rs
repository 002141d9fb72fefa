//! The gather layer as its users see it, on paused time.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::{Instant, sleep};

type Text = Result<u64, String>;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn wait(n: u64) -> Text {
    sleep(seconds(n)).await;
    Ok(n)
}

/// Counts what is alive: up when made, down when dropped.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);
struct One(Arc<AtomicUsize>);
impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, SeqCst);
        One(self.0.clone())
    }
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}
impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn waits_at_once_take_as_long_as_the_longest_and_keep_their_order() {
    let begin = Instant::now();
    let outcomes = gather([wait(2), wait(4), wait(1)]).await;
    assert_eq!(begin.elapsed(), seconds(4));
    assert_eq!(outcomes, [Outcome::Done(2), Outcome::Done(4), Outcome::Done(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_two_halves_the_speed() {
    let begin = Instant::now();
    let items = (0..10).map(|_| Item::new(Once::new(wait(1))));
    let report = Gather::over(items).concurrency(2).run().await;
    assert_eq!(begin.elapsed(), seconds(5));
    assert_eq!(report.counts.done, 10);
    assert!(report.items.iter().all(|item| item.timing.lane() < Some(2)));
}

#[tokio::test(start_paused = true)]
async fn outcomes_stream_as_they_come() {
    let items = [3, 1, 2].map(|n| Item::new(Once::new(wait(n))));
    let mut outcomes = Gather::over(items).stream();
    let mut numbers = Vec::new();
    while let Some(item) = outcomes.next().await {
        numbers.push(item.number);
    }
    assert_eq!(numbers, [1, 2, 0]);
    assert_eq!(outcomes.finish().await.0.done, 3);
}

#[tokio::test(start_paused = true)]
async fn one_failure_and_one_panic_do_not_stop_the_others() {
    install_panic_hook();
    let items = (0..4u64).map(|n| {
        Item::new(move |_: Context| async move {
            sleep(seconds(n)).await;
            match n {
                1 => Err("no".to_owned()),
                2 => panic!("at {n}"),
                _ => Ok(n),
            }
        })
    });
    let outcomes = Gather::over(items).run().await.into_outcomes();
    assert_eq!(outcomes[0], Outcome::Done(0));
    assert_eq!(outcomes[1], Outcome::Failed("no".to_owned()));
    let Outcome::Panicked(panic) = &outcomes[2] else { panic!("{:?}", outcomes[2]) };
    assert_eq!(panic.message, "at 2");
    assert!(panic.place.as_ref().is_some_and(|place| place.contains("tests.rs")), "{panic:?}");
    assert_eq!(outcomes[3], Outcome::Done(3));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_gather_aborts_everything() {
    let alive = Alive::default();
    let items = (0..10).map({
        let alive = alive.clone();
        move |_| {
            let one = alive.one();
            Item::new(Once::new(async move {
                let _one = one;
                wait(100).await
            }))
        }
    });
    let gather = Gather::over(items.collect::<Vec<_>>()).run();
    assert!(tokio::time::timeout(seconds(1), gather).await.is_err());
    tokio::task::yield_now().await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_pauses_without_its_slot() {
    let tries = Arc::new(AtomicU64::new(0));
    let failing = {
        let tries = tries.clone();
        move |_: Context| {
            let n = tries.fetch_add(1, SeqCst);
            async move { if n < 2 { Err("again".to_owned()) } else { Ok(7) } }
        }
    };
    let slow = move |_: Context| wait(1);
    let boxed = |call: Box<dyn FnMut(Context) -> BoxFuture<'static, Text> + Send>| Item::new(call);
    let items = [
        boxed(Box::new(move |context| Box::pin(failing(context)))),
        boxed(Box::new(move |context| Box::pin(slow(context)))),
    ];
    let retries = Retries { count: 2, delay: seconds(10), jitter: false, ..Retries::STANDARD };
    let begin = Instant::now();
    let report = Gather::over(items).concurrency(1).retries(retries).advice(|_| Advice::AGAIN).run().await;
    assert_eq!(report.counts.done, 2);
    assert_eq!(report.items[0].timing.attempts(), 3);
    // 10 s and, as the cap of the standard is 10 s, 10 s again; the other ran meanwhile.
    assert_eq!(begin.elapsed(), seconds(20));
    assert_eq!(report.items[1].timing.ended(), seconds(1));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_one_and_three_levels_of_gathers_do_not_deadlock() {
    fn level(context: Context, depth: u64) -> BoxFuture<'static, Text> {
        Box::pin(async move {
            if depth == 0 {
                return wait(1).await;
            }
            let child = move |context: Context| level(context, depth - 1);
            let report = context.gather(Gather::over([Item::new(child), Item::new(child)])).await;
            Ok(report.counts.done)
        })
    }
    let run = Run::new(&RunSettings { concurrency: 1, ..RunSettings::default() });
    let items = (0..2).map(|_| Item::new(|context: Context| level(context, 3)));
    let begin = Instant::now();
    let report = Gather::over(items).in_run(&run).run().await;
    assert_eq!(report.into_outcomes(), [Outcome::Done(2), Outcome::Done(2)]);
    // 2 * 2 * 2 * 2 leaves, one at a time.
    assert_eq!(begin.elapsed(), seconds(16));
}

#[tokio::test(start_paused = true)]
async fn who_listens_has_the_grace_time_and_who_does_not_is_aborted_at_once() {
    let listening = |context: Context| -> BoxFuture<'static, Text> {
        Box::pin(async move {
            let cause = context.cancelled().await;
            sleep(seconds(3)).await;
            Err(cause.to_string())
        })
    };
    let stubborn = |context: Context| -> BoxFuture<'static, Text> {
        Box::pin(async move {
            context.cancelled().await;
            wait(1000).await
        })
    };
    let deaf = |_: Context| -> BoxFuture<'static, Text> { Box::pin(wait(1000)) };
    let run = Run::new(&RunSettings::default());
    type Boxed = Box<dyn FnMut(Context) -> BoxFuture<'static, Text> + Send>;
    let items: [Boxed; 3] = [Box::new(listening), Box::new(stubborn), Box::new(deaf)];
    let gather = Gather::over(items.map(Item::new)).in_run(&run).run();
    let cancel = async {
        sleep(seconds(1)).await;
        run.cancel(&Cause::Signal(2), Stop::CancelRunning);
    };
    let (report, ()) = tokio::join!(gather, cancel);
    let ended: Vec<_> = report.items.iter().map(|item| item.timing.ended().as_secs()).collect();
    assert_eq!(ended, [4, 6, 1]);
    let cause = Outcome::Cancelled(Cause::Signal(2));
    assert!(report.items.iter().all(|item| item.outcome == cause), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_nearest_deadline_wins() {
    let parent = |context: Context| async move {
        let inner = Gather::over([Item::new(Once::new(wait(100)))]).within(seconds(50));
        let report = context.gather(inner).await;
        Ok::<_, String>(report.items[0].outcome.clone())
    };
    let begin = Instant::now();
    let report = Gather::over([Item::new(parent)]).within(seconds(2)).run().await;
    assert_eq!(begin.elapsed(), seconds(2));
    assert_eq!(report.counts.cancelled, 1);
    assert_eq!(report.stopped, Some(Cause::Deadline));
}

#[tokio::test(start_paused = true)]
async fn fail_fast_cancels_the_running_and_the_rest_never_starts() {
    let items = (0..10u64).map(|n| {
        Item::new(Once::new(async move {
            sleep(seconds(n + 1)).await;
            if n == 1 { Err("no".to_owned()) } else { Ok(n) }
        }))
        .key(format!("{n}"))
    });
    let report = Gather::over(items).name("all").concurrency(4).policy(Policy::FailFast).run().await;
    let why = Cause::Sibling("all[1]".into());
    assert_eq!(report.stopped, Some(why.clone()));
    let outcomes = report.into_outcomes();
    assert_eq!(outcomes[0], Outcome::Done(0));
    assert_eq!(outcomes[1], Outcome::Failed("no".to_owned()));
    assert_eq!(outcomes[2], Outcome::Cancelled(why.clone()));
    assert_eq!(outcomes[4], Outcome::Cancelled(why.clone()));
    assert_eq!(outcomes[5..], vec![Outcome::NotStarted(why); 5]);
}

#[tokio::test(start_paused = true)]
async fn the_first_two_are_enough() {
    let items = (0..10u64).map(|n| Item::new(Once::new(wait(n + 1))));
    let begin = Instant::now();
    let report = Gather::over(items).policy(Policy::FirstOk(2)).run().await;
    assert_eq!(begin.elapsed(), seconds(2));
    assert_eq!((report.counts.done, report.counts.cancelled, report.counts.submitted), (2, 8, 10));
}

#[tokio::test(start_paused = true)]
async fn a_quorum_out_of_reach_stops_the_rest() {
    let items = (0..5u64).map(|n| {
        Item::new(Once::new(async move {
            sleep(seconds(n)).await;
            if n < 3 { Err("no") } else { Ok(n) }
        }))
    });
    let report = Gather::over(items).policy(Policy::Quorum(3)).run().await;
    assert_eq!(report.stopped, Some(Cause::Failures));
    assert_eq!((report.counts.failed, report.counts.cancelled), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_connected_fails_once_for_all() {
    let run = Run::new(&RunSettings::default());
    let source =
        run.limit(Limit::new("source:shop").concurrency(8).gate(Retries { count: 0, ..Retries::STANDARD }));
    let logins = Arc::new(AtomicU64::new(0));
    let items = (0..40).map({
        let logins = logins.clone();
        move |_| {
            let logins = logins.clone();
            let call = move |_: Context| {
                logins.fetch_add(1, SeqCst);
                async move {
                    sleep(seconds(1)).await;
                    Err::<u64, _>("password refused")
                }
            };
            Item::new(call).needs(Needs::none().source(source))
        }
    });
    let report = Gather::over(items.collect::<Vec<_>>())
        .in_run(&run)
        .retries(Retries::STANDARD)
        .advice(|_| Advice::SOURCE_NEVER)
        .describe(|error| ((*error).to_owned(), None))
        .run()
        .await;
    assert_eq!(logins.load(SeqCst), 1);
    let down = Outcome::NotStarted(Cause::Source("password refused".into()));
    assert_eq!(report.into_outcomes(), vec![down; 40]);
}

#[tokio::test(start_paused = true)]
async fn the_items_of_a_source_start_one_by_one_until_it_is_up() {
    let run = Run::new(&RunSettings::default());
    let source = run.limit(Limit::new("source:shop").concurrency(8).gate(Retries::NONE));
    let items = (0..8).map(move |_| {
        let call = |context: Context| async move {
            sleep(seconds(1)).await;
            context.source_up();
            wait(10).await
        };
        Item::new(call).needs(Needs::none().source(source))
    });
    let report = Gather::over(items).in_run(&run).run().await;
    let mut ended: Vec<_> = report.items.iter().map(|item| item.timing.ended().as_secs()).collect();
    ended.sort_unstable();
    assert_eq!(ended, [11, 12, 12, 12, 12, 12, 12, 12]);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_host_blocks_only_itself() {
    let run = Run::new(&RunSettings { concurrency: 4, ..RunSettings::default() });
    let slow = run.limit(Limit::new("host:slow").concurrency(1));
    let items = (0..8u64).map(move |n| {
        let needs = if n < 4 { Needs::none().and(slow) } else { Needs::none() };
        Item::new(Once::new(wait(10))).needs(needs)
    });
    let report = Gather::over(items).in_run(&run).run().await;
    let ended: Vec<_> = report.items.iter().map(|item| item.timing.ended().as_secs()).collect();
    assert_eq!(ended, [10, 20, 30, 40, 10, 10, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_spaces_the_starts() {
    let items = (0..5u64).map(|_| Item::new(Once::new(wait(0))));
    let report = Gather::over(items).rate(2, seconds(1)).run().await;
    let started: Vec<_> =
        report.items.iter().map(|item| item.timing.started().unwrap().as_millis()).collect();
    assert_eq!(started, [0, 500, 1000, 1500, 2000]);
}

#[tokio::test(start_paused = true)]
async fn the_four_timeouts_are_told_apart() {
    let timeouts = Timeouts { attempt: Some(seconds(2)), ..Timeouts::default() };
    let report = Gather::over([Item::new(Once::new(wait(5)))]).timeouts(timeouts).run().await;
    assert_eq!(report.into_outcomes(), [Outcome::TimedOut(Timeout::Attempt(seconds(2)))]);

    let timeouts = Timeouts { queue: Some(seconds(2)), ..Timeouts::default() };
    let items = [5, 5].map(|n| Item::new(Once::new(wait(n))));
    let report = Gather::over(items).concurrency(1).timeouts(timeouts).run().await;
    assert_eq!(report.items[1].outcome, Outcome::TimedOut(Timeout::Queue(seconds(2))));
    assert_eq!(report.items[1].timing.ended(), seconds(2));

    let beating = |context: Context| async move {
        for _ in 0..5 {
            sleep(seconds(1)).await;
            context.progress().add_bytes(1);
        }
        wait(100).await
    };
    let timeouts = Timeouts { idle: Some(seconds(4)), ..Timeouts::default() };
    let report = Gather::over([Item::new(beating)]).timeouts(timeouts).run().await;
    assert_eq!(report.items[0].outcome, Outcome::TimedOut(Timeout::Idle(seconds(4))));
    assert_eq!(report.items[0].timing.ended(), seconds(9));

    let failing = |_: Context| async move {
        sleep(seconds(1)).await;
        Err::<u64, _>("again")
    };
    let timeouts = Timeouts { total: Some(seconds(5)), ..Timeouts::default() };
    let retries = Retries { count: 100, delay: seconds(1), backoff: Backoff::Constant, ..Retries::STANDARD };
    let retries = Retries { jitter: false, ..retries };
    let gather = Gather::over([Item::new(failing)]).timeouts(timeouts).retries(retries);
    let report = gather.advice(|_| Advice::AGAIN).run().await;
    assert_eq!(report.items[0].outcome, Outcome::TimedOut(Timeout::Total(seconds(5))));
    assert_eq!(report.items[0].timing.ended(), seconds(5));
}

#[tokio::test]
async fn blocking_work_is_over_when_the_gather_returns() {
    let alive = Alive::default();
    let work = {
        let alive = alive.clone();
        move |context: Context| {
            let one = alive.one();
            async move {
                context
                    .blocking(move |cancel| {
                        let _one = one;
                        while !cancel.is_set() {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    })
                    .await;
                Err::<(), _>("cancelled")
            }
        }
    };
    let report = Gather::over([Item::new(work)]).within(Duration::from_millis(20)).run().await;
    assert_eq!(alive.count(), 0);
    assert_eq!(report.counts.cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_the_intake() {
    let pulled = Arc::new(AtomicU64::new(0));
    let items = (0..1_000_000u64).map({
        let pulled = pulled.clone();
        move |_| {
            pulled.fetch_add(1, SeqCst);
            Item::new(Once::new(async { Ok::<_, String>(()) }))
        }
    });
    let mut outcomes = Gather::over(items).concurrency(4).look_ahead(8).buffered_outcomes(16).stream();
    outcomes.next().await;
    sleep(seconds(10)).await;
    let most = pulled.load(SeqCst);
    assert!(most < 16 + 256 + 64, "{most} items were pulled though only one outcome was read");
}
