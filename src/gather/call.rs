//! What an item is made of: something that can be attempted, a key, and what it needs. Not here: when it runs.

use super::context::Context;
use super::limit::Needs;
use super::outcome::Skip;
use std::future::Future;
use std::sync::Arc;

/// Something that can be attempted, and after an error perhaps attempted again.
///
/// A function from a [`Context`] to a future is one; so is every `Once` around a future, which can be attempted once.
pub trait Call: Send + 'static {
    /// The result.
    type Ok: Send + 'static;
    /// The error.
    type Err: Send + 'static;

    /// Makes the future of one attempt. It runs as a task of its own.
    fn attempt(
        &mut self,
        context: Context,
    ) -> impl Future<Output: Into<Ended<Self::Ok, Self::Err>>> + Send + 'static;

    /// Whether it can be attempted another time.
    fn can_repeat(&self) -> bool {
        true
    }
}

/// How an attempt ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<T, E> {
    /// With a result.
    Done(T),
    /// With an error.
    Failed(E),
    /// There was nothing to do.
    Skipped(Skip),
}

impl<T, E> From<Result<T, E>> for Ended<T, E> {
    fn from(result: Result<T, E>) -> Ended<T, E> {
        match result {
            Ok(value) => Ended::Done(value),
            Err(error) => Ended::Failed(error),
        }
    }
}

impl<F, Fut, T, E> Call for F
where
    F: FnMut(Context) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Ok = T;
    type Err = E;

    fn attempt(&mut self, context: Context) -> impl Future<Output: Into<Ended<T, E>>> + Send + 'static {
        self(context)
    }
}

/// A future as a [`Call`]: it can be attempted once.
pub struct Once<Fut>(Option<Fut>);

impl<Fut> Once<Fut> {
    /// Wraps it.
    pub fn new(future: Fut) -> Once<Fut> {
        Once(Some(future))
    }
}

impl<Fut, T, E> Call for Once<Fut>
where
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Ok = T;
    type Err = E;

    fn attempt(&mut self, _: Context) -> impl Future<Output: Into<Ended<T, E>>> + Send + 'static {
        self.0.take().expect("the scheduler repeats only what can_repeat")
    }

    fn can_repeat(&self) -> bool {
        false
    }
}

/// One item to submit.
#[derive(Debug, Clone)]
pub struct Item<C> {
    /// Its identity in its job, if the job has more than one item.
    pub key: Option<Arc<str>>,
    /// What it needs before it may start.
    pub needs: Needs,
    /// What it does.
    pub call: C,
}

impl<C> Item<C> {
    /// An item without a key that needs nothing but the run's own limit.
    pub fn new(call: C) -> Item<C> {
        Item { key: None, needs: Needs::none(), call }
    }

    /// The same item with a key.
    #[must_use]
    pub fn key(self, key: impl Into<Arc<str>>) -> Item<C> {
        Item { key: Some(key.into()), ..self }
    }

    /// The same item with other needs.
    #[must_use]
    pub fn needs(self, needs: Needs) -> Item<C> {
        Item { needs, ..self }
    }
}
