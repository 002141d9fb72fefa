//! Listings: where the items of a job come from when a server has to be asked for them (a folder, a glob, pages).
//! A listing is a chain of leaf items, one bounded page each; it never holds a slot while its children wait.
//! Not here: what a page is asked for with (the sources), and what becomes of its entries (`run`).

use super::context::Context;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A boxed future, for the few places where a trait object needs one.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One bounded page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it lists, in the server's order.
    pub entries: Vec<T>,
    /// Whether there may be another page.
    pub more: bool,
}

/// Something that is listed page by page.
pub trait Listing: Send {
    /// What a page holds.
    type Entry: Send + 'static;
    /// Why a page could not be had.
    type Err: Send + 'static;

    /// Asks for the next page: at most some thousand entries, so that memory stays bounded. After an error it may be
    /// called again for the same page. Not called again after a page that says there is no more.
    fn next_page<'a>(
        &'a mut self,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Page<Self::Entry>, Self::Err>>;

    /// How long there is nothing to be asked for: what takes two looks has time between them, in which the listing holds
    /// no slot.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }
}
