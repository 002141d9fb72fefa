//! How a driver waits: for whatever comes first of all that can give it something to do. Not here: what it does then.

use super::Driver;
use crate::gather::intake::Intake;
use crate::gather::scheduler::Time;
use std::future::{pending, poll_fn};
use std::task::Poll;
use tokio::time::sleep_until;

impl<I: Intake> Driver<I> {
    /// Waits until there is something to do.
    pub(super) async fn wait(&mut self, wake: Option<Time>) {
        let Driver { run, notify, intake, output, events, pulled, .. } = self;
        let behind = output.is_behind();
        let full = events.as_ref().filter(|_| self.events_full && intake.is_some());
        let running = self.slots.len() > self.free.len();
        let progress = (events.is_some() && running).then_some(self.progress_at);
        let wake = [wake, progress].into_iter().flatten().min();
        let pull = self.intake_waits && !behind && full.is_none();
        let mut over = false;
        tokio::select! {
            () = notify.notified() => {}
            () = async { sleep_until(run.instant(wake.unwrap_or_default())).await }, if wake.is_some() => {}
            () = output.deliver(), if behind => {}
            () = async { match full { Some(events) => events.room().await, None => pending().await } } => {}
            item = poll_fn(|cx| intake.as_mut().map_or(Poll::Pending, |intake| intake.poll_pull(cx))), if pull => {
                match item {
                    Some(item) => pulled.push(item),
                    None => over = true,
                }
            }
        }
        if over {
            self.exhausted();
        }
    }
}
