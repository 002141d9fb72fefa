use super::{EventQueue, LULL};
use crate::gather::{Event, EventKind, Gather, Item, Once, Run, RunSettings};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Half of what the queue holds.
const HALF: usize = 8;

fn warnings(count: usize) -> Vec<Event> {
    let kind = EventKind::Warning { message: String::new() };
    vec![Event { at: Duration::ZERO, kind }; count]
}

/// Reads a queue to its end while others push so many events after so many milliseconds; none closes it. Says when
/// something was read, and how much.
async fn reads(pushes: &[(u64, usize)]) -> Vec<(u128, usize)> {
    let queue = Arc::new(EventQueue::new(2 * HALF, None));
    for (after, count) in pushes.iter().copied() {
        let queue = queue.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(after)).await;
            match count {
                0 => queue.close(),
                count => queue.push(&mut warnings(count)),
            }
        });
    }
    let (start, mut reads, mut events) = (Instant::now(), Vec::new(), warnings(1));
    while queue.read(&mut events).await {
        reads.push((start.elapsed().as_millis(), events.len()));
    }
    assert!(events.is_empty());
    reads
}

#[tokio::test(start_paused = true)]
async fn the_first_event_is_read_at_once_and_those_soon_after_together() {
    let lull = LULL.as_millis();
    let pushes = [(100, 1), (101, 2), (105, 3), (500, 4), (509, 5), (900, 0)];
    assert_eq!(reads(&pushes).await, [(100, 1), (100 + lull, 5), (500, 4), (500 + lull, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_half_full_is_read_at_once() {
    let pushes = [(100, HALF), (101, HALF - 1), (102, 1), (103, 2 * HALF), (900, 0)];
    assert_eq!(reads(&pushes).await, [(100, HALF), (102, HALF), (103, 2 * HALF)]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_nothing_is_waited_for() {
    assert_eq!(reads(&[(100, 3), (101, 4), (102, 0)]).await, [(100, 3), (102, 4)]);
    assert_eq!(reads(&[(100, 0)]).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_given_up_takes_nothing_and_makes_none_wait_anew() {
    let (queue, mut events) = (EventQueue::new(2 * HALF, None), Vec::new());
    queue.push(&mut warnings(1));
    assert!(queue.read(&mut events).await);
    let start = Instant::now();
    queue.push(&mut warnings(2));
    for _ in 0..3 {
        assert!(timeout(LULL / 4, queue.read(&mut events)).await.is_err());
        assert!(events.is_empty());
    }
    assert!(queue.read(&mut events).await);
    assert_eq!((events.len(), start.elapsed()), (2, LULL));
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_taken_at_once() {
    let (queue, mut events) = (EventQueue::new(2 * HALF, None), warnings(1));
    queue.take(&mut events);
    assert!(events.is_empty());
    queue.push(&mut warnings(2));
    queue.take(&mut events);
    assert_eq!(events.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_one_event_has_room_all_are_read_in_their_order() {
    let run = Run::new(&RunSettings { events: Some(1), ..RunSettings::default() });
    let items = (0..100_u32).map(|_| Item::new(Once::new(async { Ok::<(), ()>(()) })));
    let (queue, mut events, mut queued) = (run.events().unwrap(), Vec::new(), Vec::new());
    let gather = async {
        Gather::over(items).in_run(&run).concurrency(1).run().await;
        queue.close();
    };
    let read = async {
        while queue.read(&mut events).await {
            queued.extend(events.drain(..).filter_map(|event| match event.kind {
                EventKind::ItemQueued { item, .. } => Some(item),
                _ => None,
            }));
        }
    };
    tokio::join!(gather, read);
    assert_eq!(queued, (0..100).collect::<Vec<_>>());
}
