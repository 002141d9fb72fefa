//! Ends of attempts that are easily told wrong.

use crate::gather::{Context, Gather, Item, Reason, Timeouts};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

struct DoneAtOnce(Bomb);

impl Future for DoneAtOnce {
    type Output = Result<(), ()>;

    fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_future_is_dropped_is_a_panic() {
    let slow = |_: Context| async move {
        let _bomb = Bomb;
        sleep(100 * SECOND).await;
        Ok::<(), ()>(())
    };
    let timeouts = Timeouts { attempt: Some(SECOND), ..Timeouts::default() };
    let report = Gather::over([Item::new(slow)]).timeouts(timeouts).run().await;
    assert_eq!(report.counts.panicked, 1, "{report:?}");
    let report = Gather::over([Item::new(|_: Context| DoneAtOnce(Bomb))]).run().await;
    assert_eq!(report.counts.panicked, 1, "{report:?}");
}

#[tokio::test]
async fn a_result_of_blocking_work_that_nobody_takes_is_dropped_before_the_gather_is_over() {
    static DROPPED: AtomicBool = AtomicBool::new(false);
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(SECOND / 4);
            DROPPED.store(true, SeqCst);
        }
    }
    let call = |context: Context| async move {
        let work = context.blocking(|cancel| {
            while !cancel.is_set() {
                std::thread::sleep(SECOND / 100);
            }
            Slow
        });
        work.await;
        Ok::<(), ()>(())
    };
    let timeouts = Timeouts { attempt: Some(SECOND / 10), ..Timeouts::default() };
    let report = Gather::over([Item::new(call)]).timeouts(timeouts).run().await;
    assert_eq!(report.counts.timed_out, 1);
    assert!(DROPPED.load(SeqCst), "it still runs");
}

#[tokio::test(start_paused = true)]
async fn an_idle_time_of_zero_does_not_keep_the_clock_from_going_on() {
    let call = |context: Context| async move {
        context.set_aside(Reason::Sync);
        sleep(SECOND).await;
        Ok::<(), ()>(())
    };
    let timeouts = Timeouts { idle: Some(Duration::ZERO), ..Timeouts::default() };
    let report = Gather::over([Item::new(call)]).timeouts(timeouts).run().await;
    assert_eq!((report.counts.done, report.wall), (1, SECOND));
}
