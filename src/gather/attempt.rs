//! One attempt as a task of its own: its panic is caught, its times are kept, and its end is told exactly once, after
//! nothing of it runs any more. Not here: what follows from it (`driver`, `scheduler`).

use super::call::Ended;
use super::context::Context;
use super::outcome::{Panic, Timeout};
use super::panic::catch;
use super::policy::Timeouts;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// How often in its time an idle attempt is looked at.
const IDLE_LOOKS: u32 = 4;

/// An attempt that ended.
pub(super) struct Finished<T, E> {
    pub(super) slot: u32,
    pub(super) ran: Ran<T, E>,
}

/// How it ended.
pub(super) enum Ran<T, E> {
    Itself(Ended<T, E>),
    TimedOut(Timeout),
    Panicked(Panic),
    Aborted,
}

/// Tells the attempt's end when it is dropped, also when the task is aborted, even before its first poll.
pub(super) struct Teller<T: Send + 'static, E: Send + 'static> {
    slot: u32,
    ran: Option<Ran<T, E>>,
    context: Context,
    to: UnboundedSender<Finished<T, E>>,
}

impl<T: Send + 'static, E: Send + 'static> Teller<T, E> {
    pub(super) fn new(slot: u32, context: Context, to: UnboundedSender<Finished<T, E>>) -> Self {
        Teller { slot, ran: None, context, to }
    }

    pub(super) fn tell(mut self, ran: Ran<T, E>) {
        self.ran = Some(ran);
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Teller<T, E> {
    fn drop(&mut self) {
        let finished = Finished { slot: self.slot, ran: self.ran.take().unwrap_or(Ran::Aborted) };
        let to = self.to.clone();
        // Nobody listens any more if the whole gather was dropped.
        self.context.when_nothing_blocks(move || drop(to.send(finished)));
    }
}

/// Runs one attempt to its end and tells it. The teller is the first parameter, so that it is dropped after the
/// future.
pub(super) async fn run<T: Send + 'static, E: Send + 'static>(
    teller: Teller<T, E>,
    context: Context,
    timeouts: Timeouts,
    future: impl Future<Output = Ended<T, E>>,
) {
    let ran = if timeouts.attempt.is_none() && timeouts.idle.is_none() {
        let mut future = pin!(future);
        poll_fn(|cx| poll_caught(future.as_mut(), cx)).await
    } else {
        // Boxed, so that attempts without such timeouts stay small: they are copied when they are spawned.
        Box::pin(within(future, &context, timeouts)).await
    };
    teller.tell(ran);
}

fn poll_caught<T, E>(
    future: Pin<&mut impl Future<Output = Ended<T, E>>>,
    cx: &mut std::task::Context<'_>,
) -> Poll<Ran<T, E>> {
    match catch(|| future.poll(cx)) {
        Ok(Poll::Ready(ended)) => Poll::Ready(Ran::Itself(ended)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Ran::Panicked(panic)),
    }
}

async fn within<T, E>(
    future: impl Future<Output = Ended<T, E>>,
    context: &Context,
    timeouts: Timeouts,
) -> Ran<T, E> {
    let mut future = pin!(future);
    let mut whole = pin!(timeouts.attempt.map(sleep));
    let mut idle = pin!(timeouts.idle.map(|limit| Idle::new(limit, context)));
    poll_fn(|cx| {
        if let Poll::Ready(ran) = poll_caught(future.as_mut(), cx) {
            return Poll::Ready(ran);
        }
        if whole.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(cx).is_ready()) {
            return Poll::Ready(Ran::TimedOut(Timeout::Attempt(timeouts.attempt.unwrap_or_default())));
        }
        match idle.as_mut().get_mut() {
            Some(idle) => idle.poll(context, cx).map(Ran::TimedOut),
            None => Poll::Pending,
        }
    })
    .await
}

/// Watches an attempt's progress.
struct Idle {
    limit: Duration,
    beats: u64,
    since: Instant,
    look: Pin<Box<Sleep>>,
}

impl Idle {
    fn new(limit: Duration, context: &Context) -> Idle {
        let look = Box::pin(sleep(limit / IDLE_LOOKS));
        Idle { limit, beats: context.progress().beats(), since: Instant::now(), look }
    }

    fn poll(&mut self, context: &Context, cx: &mut std::task::Context<'_>) -> Poll<Timeout> {
        while self.look.as_mut().poll(cx).is_ready() {
            let (now, beats) = (Instant::now(), context.progress().beats());
            if beats != self.beats {
                (self.beats, self.since) = (beats, now);
            } else if now - self.since >= self.limit {
                return Poll::Ready(Timeout::Idle(self.limit));
            }
            self.look = Box::pin(sleep_until(now + self.limit / IDLE_LOOKS));
        }
        Poll::Pending
    }
}
