//! Waiting without running out of time while the line is busy with others' bytes: a reply may stand in a queue behind
//! megabytes, on a line that brings ten thousand bytes a second. Not here: what is waited for, and the clock of an attempt
//! that makes no progress (`gather`).

use crate::gather::Context;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;

/// How often one who waits looks whether the line moves: often enough for the shortest idle timeout that makes sense.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for something. As long as what was `heard` grows meanwhile, the attempt makes progress.
pub(super) async fn alive<T>(context: &Context, heard: impl Fn() -> u64, what: impl Future<Output = T>) -> T {
    let (mut what, mut before) = (pin!(what), heard());
    loop {
        if let Ok(done) = timeout(LOOK, &mut what).await {
            return done;
        }
        let now = heard();
        if now != before {
            context.progress().beat();
            before = now;
        }
    }
}

/// Waits for something that has limits of its own, for as long as that takes: the attempt makes progress meanwhile.
pub(super) async fn patiently<T>(context: &Context, what: impl Future<Output = T>) -> T {
    let looks = AtomicU64::new(0);
    alive(context, || looks.fetch_add(1, Relaxed), what).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::{Gather, Item, State, Timeouts};
    use std::sync::Arc;
    use tokio::time::sleep;

    /// How an attempt ends that may make no progress for as long as is usual.
    async fn ends<F: Future<Output = ()> + Send + 'static>(
        what: impl Fn(Context) -> F + Send + Sync + 'static,
    ) -> State {
        let call = move |context: Context| {
            let done = what(context);
            async move {
                done.await;
                Ok::<_, ()>(())
            }
        };
        let timeouts = Timeouts { idle: Some(crate::sources::IDLE), ..Timeouts::default() };
        let report = Gather::over([Item::new(call)]).timeouts(timeouts).run().await;
        report.items[0].outcome.state()
    }

    /// How an attempt ends that waits an hour for a reply, on a line over which something comes every `pause`.
    async fn waits(pause: Duration) -> State {
        let heard = Arc::new(AtomicU64::new(0));
        let line = heard.clone();
        tokio::spawn(async move {
            loop {
                sleep(pause).await;
                line.fetch_add(1, Relaxed);
            }
        });
        let call = move |context: Context| {
            let heard = heard.clone();
            async move {
                let reply = sleep(Duration::from_secs(3600));
                alive(&context, || heard.load(Relaxed), reply).await;
            }
        };
        ends(call).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_what_has_limits_of_its_own_never_runs_out_of_time() {
        let hour = Duration::from_secs(3600);
        assert_eq!(
            ends(move |context| async move { patiently(&context, sleep(hour)).await }).await,
            State::Done
        );
        assert_eq!(ends(move |_| sleep(hour)).await, State::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_that_lives_never_runs_out_of_time_and_a_silent_one_does() {
        assert_eq!(waits(Duration::from_secs(1)).await, State::Done);
        assert_eq!(waits(Duration::from_secs(40)).await, State::Done);
        assert_eq!(waits(Duration::from_secs(7200)).await, State::TimedOut);
    }
}
