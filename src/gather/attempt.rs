//! One attempt as a task of its own: its panic is caught, its times are kept, and its end is told exactly once, after
//! nothing of it runs any more. Not here: what follows from it (`driver`, `scheduler`).

use super::call::Ended;
use super::context::Context;
use super::finish::{Finished, Finishes};
use super::outcome::{Panic, Timeout};
use super::panic::catch;
use super::policy::Timeouts;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// How often in its time an idle attempt is looked at.
const IDLE_LOOKS: u32 = 4;

/// How an attempt ended.
pub(super) enum Ran<T, E> {
    Itself(Ended<T, E>),
    TimedOut(Timeout),
    Panicked(Box<Panic>),
    Aborted,
}

/// Tells the attempt's end, once: when it is dropped, at the latest, also when the task is aborted before its first
/// poll.
pub(super) struct Teller<T: Send + 'static, E: Send + 'static> {
    slot: u32,
    context: Context,
    /// `None` once it has told.
    to: Option<Arc<Finishes<T, E>>>,
}

impl<T: Send + 'static, E: Send + 'static> Teller<T, E> {
    pub(super) fn new(slot: u32, context: Context, to: Arc<Finishes<T, E>>) -> Self {
        Teller { slot, context, to: Some(to) }
    }

    pub(super) fn tell(&mut self, ran: Ran<T, E>) {
        let Some(to) = self.to.take() else { return };
        let finished = Finished { slot: self.slot, ran };
        // Nobody looks at it any more if the whole gather was dropped.
        self.context.when_nothing_blocks(move || to.push(finished));
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Teller<T, E> {
    fn drop(&mut self) {
        self.tell(Ran::Aborted);
    }
}

pin_project! {
    /// Runs one attempt to its end and tells it. Written out, since an `async fn` would hold the future twice, as its
    /// parameter and pinned, and tasks are copied when they are spawned. Fields are dropped in their order: the end is
    /// told after the future is gone.
    pub(super) struct Attempt<F, T, E>
    where
        T: Send,
        T: 'static,
        E: Send,
        E: 'static,
    {
        #[pin]
        future: Option<F>,
        watch: Option<Box<Watch>>,
        teller: Teller<T, E>,
    }
}

impl<F, T: Send + 'static, E: Send + 'static> Attempt<F, T, E> {
    pub(super) fn new(future: F, timeouts: &Timeouts, teller: Teller<T, E>) -> Self {
        let watch = Watch::new(timeouts, &teller.context);
        Attempt { future: Some(future), watch, teller }
    }
}

impl<F, T, E> Future for Attempt<F, T, E>
where
    F: Future<Output: Into<Ended<T, E>>>,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let ran = match (catch(|| future.poll(cx)), this.watch) {
            (Ok(Poll::Ready(ended)), _) => Ran::Itself(ended.into()),
            (Err(panic), _) => Ran::Panicked(panic),
            (Ok(Poll::Pending), None) => return Poll::Pending,
            (Ok(Poll::Pending), Some(watch)) => Ran::TimedOut(ready!(watch.poll(&this.teller.context, cx))),
        };
        let dropped = catch(|| this.future.set(None));
        this.teller.tell(dropped.map_or_else(Ran::Panicked, |()| ran));
        Poll::Ready(())
    }
}

/// Watches an attempt that may not take any time it likes.
struct Watch {
    whole: Option<(Duration, Pin<Box<Sleep>>)>,
    idle: Option<Idle>,
}

impl Watch {
    fn new(timeouts: &Timeouts, context: &Context) -> Option<Box<Watch>> {
        if timeouts.attempt.is_none() && timeouts.idle.is_none() {
            return None;
        }
        let whole = timeouts.attempt.map(|limit| (limit, Box::pin(sleep(limit))));
        Some(Box::new(Watch { whole, idle: timeouts.idle.map(|limit| Idle::new(limit, context)) }))
    }

    fn poll(&mut self, context: &Context, cx: &mut TaskContext<'_>) -> Poll<Timeout> {
        if let Some((limit, sleep)) = &mut self.whole
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Timeout::Attempt(*limit));
        }
        self.idle.as_mut().map_or(Poll::Pending, |idle| idle.poll(context, cx))
    }
}

/// The time between two looks: the clock's own steps at the least.
fn between_looks(limit: Duration) -> Duration {
    (limit / IDLE_LOOKS).max(Duration::from_millis(1))
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
        let look = Box::pin(sleep(between_looks(limit)));
        Idle { limit, beats: context.progress().beats(), since: Instant::now(), look }
    }

    fn poll(&mut self, context: &Context, cx: &mut TaskContext<'_>) -> Poll<Timeout> {
        while self.look.as_mut().poll(cx).is_ready() {
            let (now, beats) = (Instant::now(), context.progress().beats());
            if beats != self.beats || context.rests() {
                (self.beats, self.since) = (beats, now);
            } else if now - self.since >= self.limit {
                return Poll::Ready(Timeout::Idle(self.limit));
            }
            self.look = Box::pin(sleep_until(now + between_looks(self.limit)));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
