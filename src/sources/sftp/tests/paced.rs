//! Under a `bandwidth`: what a server is asked for, by its own clock, and what is counted. The limit by itself is in `pace`.

use super::hostile::*;
use super::*;
use std::sync::Mutex;
use tokio::time::{Instant, timeout};

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 256 + index / 65_536) as u8).collect()
}

/// What a server was asked for, and when.
type Reads = Arc<Mutex<Vec<(Instant, usize, usize)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_asked_for_than_the_time_allows_over_all_files_and_connections() {
    const SIZE: usize = 100_000;
    let (reads, whole) = (Reads::default(), content(SIZE));
    let (seen, file) = (reads.clone(), whole.clone());
    let server = Hostile::start(move |asked| {
        if asked.kind == READ {
            let (offset, len) = asked.range();
            seen.lock().unwrap().push((Instant::now(), offset, len));
        }
        asked.good(&file)
    });
    let server = server.await;
    let mut reach = server.reach("right");
    (reach.connections, reach.bandwidth) = (3, Some("400kB/s"));
    let (start, pool) = (Instant::now(), reach.pool());
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let others = futures_util::future::join_all(lease.others().map(|place| lease.another(place))).await;
    // With the size from a listing, and without.
    let hints = [None, Some(SIZE as u64), None, Some(SIZE as u64), None, Some(SIZE as u64)];
    let gets = hints.into_iter().map(|hint| get_bytes(&pool, b"/in/file", hint));
    for bytes in futures_util::future::join_all(gets).await {
        assert!(bytes.unwrap() == whole);
    }
    assert_eq!(others.iter().flatten().count(), 2);
    let mut asked = 0;
    for (at, offset, len) in std::mem::take(&mut *reads.lock().unwrap()) {
        assert!((1..=25_000).contains(&len) && offset + len <= SIZE + 1, "{len} at {offset}");
        asked += len.min(SIZE - offset);
        let allowed = 50_000.0 + 400_000.0 * at.duration_since(start).as_secs_f64();
        assert!(asked as f64 <= allowed, "{asked} after {:?}", at.duration_since(start));
    }
    assert_eq!(asked, hints.len() * SIZE);
}

/// Fetches a file so many times under a limit that lets 2048 bytes through, and no more for as long as a test takes.
async fn comes(times: usize, size: usize, most: usize, hint: Option<u64>) {
    let (whole, file) = (content(size), content(size));
    let server = Hostile::start(move |asked| match asked.kind {
        READ if asked.range().0 < file.len() => {
            let (offset, len) = asked.range();
            asked.data(&file[offset..][..len.min(most).min(file.len() - offset)])
        }
        _ => asked.good(&file),
    });
    let server = server.await;
    let mut reach = server.reach("right");
    reach.bandwidth = Some("1B/h");
    let pool = reach.pool();
    for _ in 0..times {
        let bytes = timeout(Duration::from_secs(60), get_bytes(&pool, b"/in/file", hint)).await;
        assert!(bytes.expect("it waits for its turn").unwrap() == whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_and_does_not_come_is_not_counted() {
    // Replies that are shorter than what was asked for.
    comes(1, 1500, 100, Some(1500)).await;
    comes(1, 1500, 100, None).await;
    // Files that are smaller than they were in the listing, and empty ones.
    comes(10, 100, 1000, Some(900)).await;
    comes(10, 0, 1000, Some(900)).await;
    comes(20, 100, 1000, None).await;
}
