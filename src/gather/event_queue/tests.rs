use super::{EventQueue, LULL};
use crate::gather::{Event, EventKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Half of what the queue holds.
const HALF: usize = 8;

fn warnings(count: usize) -> Vec<Event> {
    let kind = EventKind::Warning { message: String::new() };
    vec![Event { at: Duration::ZERO, kind }; count]
}

/// Reads a queue to its end while others push so many events after so many milliseconds, with which it is closed if that is none.
/// Says when something was read, and how much.
async fn reads(pushes: &[(u64, usize)]) -> Vec<(u128, usize)> {
    let queue = Arc::new(EventQueue::new(2 * HALF, None));
    for (after, count) in pushes.to_vec() {
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
