//! The peers of the comparison: ways to run many small items at once on tokio, each written as well as it can be. An
//! item does nothing but give back its number; a peer returns the sum of what its items gave back, so that none can be
//! left out. Not here: how they are measured.

#[cfg(feature = "cli")]
pub(crate) mod told;

use fanout::gather::{Gather, Item, Once, Outcome};
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many items may run at once.
const LIMIT: usize = 64;

/// Why a join can't fail here.
const NO_PANIC: &str = "an item does not panic";

/// One item.
async fn item(number: u64) -> u64 {
    std::hint::black_box(number)
}

/// `JoinSet` alone: without a limit, all items are spawned before the first is joined.
pub(crate) async fn join_set(items: u64) -> u64 {
    let mut set: JoinSet<u64> = (0..items).map(item).collect();
    let mut sum = 0;
    while let Some(number) = set.join_next().await {
        sum += number.expect(NO_PANIC);
    }
    sum
}

/// A semaphore whose permit is taken before the item is spawned, and a `JoinSet` that is emptied on the way.
pub(crate) async fn semaphore_join_set(items: u64) -> u64 {
    let semaphore = Arc::new(Semaphore::new(LIMIT));
    let mut set = JoinSet::new();
    let mut sum = 0;
    for number in 0..items {
        let permit = semaphore.clone().acquire_owned().await.expect("nobody closes it");
        set.spawn(async move {
            let number = item(number).await;
            drop(permit);
            number
        });
        while let Some(number) = set.try_join_next() {
            sum += number.expect(NO_PANIC);
        }
    }
    while let Some(number) = set.join_next().await {
        sum += number.expect(NO_PANIC);
    }
    sum
}

/// `buffer_unordered` over spawned tasks: items may use all threads, and a panic ends its item alone.
pub(crate) async fn buffer_unordered_tasks(items: u64) -> u64 {
    let tasks = stream::iter(0..items).map(|number| tokio::spawn(item(number)));
    tasks.buffer_unordered(LIMIT).fold(0, async |sum, number| sum + number.expect(NO_PANIC)).await
}

/// `buffer_unordered` over plain futures: all items on one thread, and a panic ends them all. No task is made, so this
/// is the floor and not a like for like peer.
pub(crate) async fn buffer_unordered_futures(items: u64) -> u64 {
    stream::iter(0..items).map(item).buffer_unordered(LIMIT).fold(0, async |sum, number| sum + number).await
}

/// fanout, its outcomes in order with their times.
pub(crate) async fn fanout(items: u64) -> u64 {
    let calls =
        (0..items).map(|number| Item::new(Once::new(async move { Ok::<u64, ()>(item(number).await) })));
    let outcomes = Gather::over(calls).concurrency(LIMIT as u64).run().await.into_outcomes();
    outcomes.into_iter().filter_map(Outcome::done).sum()
}

/// fanout, its outcomes streamed: nothing is kept.
pub(crate) async fn fanout_streamed(items: u64) -> u64 {
    let calls =
        (0..items).map(|number| Item::new(Once::new(async move { Ok::<u64, ()>(item(number).await) })));
    let mut outcomes = Gather::over(calls).concurrency(LIMIT as u64).stream();
    let mut sum = 0;
    while let Some(item) = outcomes.next().await {
        sum += item.outcome.done().unwrap_or_default();
    }
    sum
}
