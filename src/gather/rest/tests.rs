//! Attempts that give their slot back and want it again, in every order.

use crate::gather::{Cause, Context, Gather, Item, Reason, Run, RunSettings, Stop, Timeouts};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

type Done = Result<(), ()>;

async fn works(seconds: u32) -> Done {
    sleep(seconds * SECOND).await;
    Ok(())
}

fn one_slot() -> Run {
    Run::new(&RunSettings { concurrency: 1, ..RunSettings::default() })
}

/// An item, in a run with one slot, among `others` that work for ten seconds each. When those are done.
async fn among<F>(others: u64, parent: impl FnMut(Context) -> F + Send + 'static) -> Duration
where
    F: Future<Output = Done> + Send + 'static,
{
    beside(others, |_| works(10), parent).await
}

/// The same, among others that do something else.
async fn beside<F, G>(
    others: u64,
    other: impl FnMut(Context) -> G + Clone + Send + 'static,
    parent: impl FnMut(Context) -> F + Send + 'static,
) -> Duration
where
    F: Future<Output = Done> + Send + 'static,
    G: Future<Output = Done> + Send + 'static,
{
    let run = one_slot();
    let parent = Gather::over([Item::new(parent)]).in_run(&run).run();
    let beside = Gather::over((0..others).map(move |_| Item::new(other.clone()))).in_run(&run).run();
    let both = async { tokio::join!(parent, beside) };
    let (parent, beside) = timeout(1000 * SECOND, both).await.expect("it hangs");
    assert_eq!((parent.counts.done, beside.counts.done), (1, others), "{parent:?} {beside:?}");
    beside.wall
}

/// Works for some seconds, with nobody beside it.
async fn works_alone(busy: &AtomicUsize, seconds: u32) -> Done {
    assert_eq!(busy.fetch_add(1, SeqCst), 0, "another holds the only slot");
    sleep(seconds * SECOND).await;
    busy.fetch_sub(1, SeqCst);
    Ok(())
}

/// Runs a parent in a run with one slot, among others that work alone.
async fn among_busy<F>(busy: &'static AtomicUsize, parent: impl FnMut(Context) -> F + Send + 'static)
where
    F: Future<Output = Done> + Send + 'static,
{
    beside(3, |_| works_alone(busy, 10), parent).await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_gave_up_a_gather_below_it_waits_for_its_slot_before_the_next() {
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    let below = || Item::new(|_: Context| works_alone(&BUSY, 1));
    among_busy(&BUSY, move |context| async move {
        // Another works until then, and longer.
        assert!(timeout(SECOND, context.gather(Gather::over([below()]))).await.is_err());
        assert_eq!(context.gather(Gather::over([below(), below()])).await.counts.done, 2);
        works_alone(&BUSY, 3).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn gathers_at_once_below_one_item_share_its_slot_in_order() {
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    let below = |seconds| Gather::over([Item::new(move |_: Context| works_alone(&BUSY, seconds))]);
    among_busy(&BUSY, move |context| async move {
        let (first, second) = tokio::join!(context.gather(below(1)), context.gather(below(5)));
        assert_eq!((first.counts.done, second.counts.done), (1, 1));
        works_alone(&BUSY, 1).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_gather_may_feed_another_below_the_same_item() {
    let parent = |context: Context| async move {
        let (to, from) = mpsc::channel(4);
        let list = context.gather(Gather::over([Item::new(|_: Context| works(1))]));
        let feed = async move {
            for _ in 0..list.await.counts.done {
                to.send(Item::new(|_: Context| works(1))).await.unwrap();
            }
        };
        let ((), fed) = tokio::join!(feed, context.gather(Gather::from_intake(from)));
        if fed.counts.done == 1 { Ok(()) } else { Err(()) }
    };
    among(1, parent).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_its_slot_may_be_given_up_and_begun_again_or_be_for_nothing() {
    let again = |context: Context| async move {
        context.set_aside(Reason::Sync);
        sleep(SECOND).await;
        assert!(timeout(SECOND, context.go_on()).await.is_err(), "another has the slot");
        sleep(20 * SECOND).await;
        context.go_on().await;
        Ok(())
    };
    among(1, again).await;
    let for_nothing = |context: Context| async move {
        context.go_on().await;
        Ok(())
    };
    among(1, for_nothing).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_right_after_a_gather_was_given_up_holds_nothing() {
    let parent = |context: Context| async move {
        let below = Gather::over([Item::new(|_: Context| works(10))]);
        assert!(timeout(SECOND, context.gather(below)).await.is_err());
        context.set_aside(Reason::Sync);
        sleep(50 * SECOND).await;
        context.go_on().await;
        Ok(())
    };
    assert!(among(2, parent).await < 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_gather_while_aside_needs_no_slot_of_its_item() {
    let below = || Gather::over((0..2).map(|_| Item::new(|_: Context| works(1))));
    let before = move |context: Context| async move {
        context.set_aside(Reason::Sync);
        context.gather(below()).await;
        context.go_on().await;
        Ok(())
    };
    among(1, before).await;
    let meanwhile = move |context: Context| async move {
        context.set_aside(Reason::Sync);
        tokio::join!(context.gather(below()), context.go_on());
        Ok(())
    };
    among(1, meanwhile).await;
}

#[tokio::test(start_paused = true)]
async fn a_gather_of_a_task_that_outlives_its_attempt_ends() {
    let (told, tell) = oneshot::channel();
    let mut told = Some(told);
    let parent = move |context: Context| {
        let told = told.take().unwrap();
        async move {
            tokio::spawn(async move {
                sleep(SECOND).await;
                context.gather(Gather::over([Item::new(|_: Context| works(0))])).await;
                told.send(()).unwrap();
            });
            Ok(())
        }
    };
    among(0, parent).await;
    timeout(1000 * SECOND, tell).await.expect("it hangs").unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_listens_below_an_item_that_does_not_has_the_grace_time() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let below = |context: Context| async move {
        context.cancelled().await;
        sleep(SECOND).await;
        ENDED.store(true, SeqCst);
        Ok::<(), ()>(())
    };
    let parent = move |context: Context| async move {
        context.gather(Gather::over([Item::new(below)])).await;
        works(1000).await
    };
    let run = one_slot();
    let stopping = async {
        sleep(SECOND).await;
        run.cancel(&Cause::Asked, Stop::CancelRunning);
    };
    let (report, ()) = tokio::join!(Gather::over([Item::new(parent)]).in_run(&run).run(), stopping);
    assert!(ENDED.load(SeqCst), "{report:?}");
    assert_eq!((report.counts.cancelled, report.wall), (1, 2 * SECOND), "and its parent ends when it has");
}

#[tokio::test]
async fn work_that_blocks_below_an_item_that_timed_out_is_over_when_the_gather_is() {
    static BUSY: AtomicBool = AtomicBool::new(false);
    let below = |context: Context| async move {
        let work = context.blocking(|cancel| {
            BUSY.store(true, SeqCst);
            while !cancel.is_set() {
                std::thread::sleep(SECOND / 100);
            }
            std::thread::sleep(SECOND / 4);
            BUSY.store(false, SeqCst);
        });
        work.await;
        Ok::<(), ()>(())
    };
    let parent = move |context: Context| async move {
        context.gather(Gather::over([Item::new(below)])).await;
        Ok::<(), ()>(())
    };
    let timeouts = Timeouts { attempt: Some(SECOND / 10), ..Timeouts::default() };
    let report = Gather::over([Item::new(parent)]).timeouts(timeouts).run().await;
    assert_eq!(report.counts.timed_out, 1);
    assert!(!BUSY.load(SeqCst), "it still runs");
}
