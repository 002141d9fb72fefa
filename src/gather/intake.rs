//! Where a gather's items come from: pulled one by one, only when there is room for them.

use super::call::{Call, Item};
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;

/// Of a job that is stopped so many items at the most get an outcome each without having been pulled before.
pub const REST: u64 = 10_000;

/// A source of items that is pulled.
pub trait Intake: Send + 'static {
    /// What its items do.
    type Call: Call;

    /// The next item, or `None` after the last.
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item<Self::Call>>>;

    /// How many items are still to come, if that is known. Items that are known to come get an outcome also when the
    /// job is stopped before they were pulled; if there are more of them than [`REST`], they are only counted.
    fn remaining(&self) -> Option<u64>;

    /// Why there are no more items although there should be, once [`Intake::poll_pull`] has said that there are none. It
    /// goes into the event of the job's end.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// An iterator's items.
pub struct Iter<I>(pub(super) I);

impl<I, C> Intake for Iter<I>
where
    I: Iterator<Item = Item<C>> + Send + 'static,
    C: Call,
{
    type Call = C;

    fn poll_pull(&mut self, _: &mut Context<'_>) -> Poll<Option<Item<C>>> {
        Poll::Ready(self.0.next())
    }

    fn remaining(&self) -> Option<u64> {
        match self.0.size_hint() {
            (low, Some(high)) if low == high => Some(low as u64),
            _ => None,
        }
    }
}

/// Items that somebody sends, for instance as a listing finds them. Dropping the sender ends them.
impl<C: Call> Intake for Receiver<Item<C>> {
    type Call = C;

    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item<C>>> {
        self.poll_recv(cx)
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}
