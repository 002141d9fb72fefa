//! Of a file that is broken off in the middle what came is left, and the next attempt or run asks for the rest alone.

use super::hostile::*;
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use tokio::sync::Notify;

const SIZE: usize = 3_000_000;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 256 + index / 65_536) as u8).collect()
}

/// Where files go to.
struct Into(tempfile::TempDir, Arc<Folder>);

impl Into {
    fn new() -> Into {
        let into = tempfile::tempdir().unwrap();
        let folder = Folder::open(into.path()).unwrap();
        Into(into, folder)
    }

    /// One attempt: the file has its final name if it succeeds.
    async fn get(&self, pool: &Arc<Pool>, size: Option<u64>) -> Result<Vec<u8>, SourceError> {
        let mut sink = Sink::File { part: self.1.late_part("file", None), format: String::new() };
        fetch(pool, b"/file", size, &mut sink).await?;
        let Sink::File { part, .. } = sink else { unreachable!() };
        part.commit(None).unwrap();
        Ok(std::fs::read(self.0.path().join("file")).unwrap())
    }

    fn has_leftover(&self) -> bool {
        self.0.path().join(".file.fanout-part").exists()
    }
}

/// What was served of the file: the stretches of all data that went out.
type Served = Arc<Mutex<Vec<std::ops::Range<usize>>>>;

/// A server of one file that breaks off each connection after so many replies with data.
async fn breaks_after(replies: usize, len: usize, served: &Served) -> Hostile {
    let (content, served, count) = (content(len), served.clone(), Mutex::new((0, 0)));
    Hostile::start(move |asked| {
        let (connection, answered) = &mut *count.lock().unwrap();
        if asked.kind != READ {
            return asked.good(&content);
        }
        if std::mem::replace(connection, asked.connection) != asked.connection {
            *answered = 0;
        }
        *answered += 1;
        if *answered > replies {
            return nonsense();
        }
        let (offset, len) = asked.range();
        served.lock().unwrap().push(offset..(offset + len).min(content.len()).max(offset));
        asked.good(&content)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_asks_for_what_the_ones_before_did_not_bring() {
    // With the size from a listing, and without.
    for hint in [Some(SIZE as u64), None] {
        let served = Served::default();
        let server = breaks_after(20, SIZE, &served).await;
        let (pool, into) = (server.pool(), Into::new());
        let (mut attempts, bytes) = (
            1,
            loop {
                match into.get(&pool, hint).await {
                    Ok(bytes) => break bytes,
                    Err(error) => {
                        assert!(error.advice.again && error.advice.source && error.advice.further, "{error}");
                        assert!(into.has_leftover());
                    }
                }
            },
        );
        attempts += server.seen[0].load(SeqCst) - 1;
        assert!(bytes == content(SIZE) && !into.has_leftover());
        assert!(attempts > 3, "{attempts}");
        // Where no size was told the first read is asked for before it is known that something is left.
        let twice = if hint.is_some() { 0 } else { 32 * 1024 * attempts };
        let sent: usize = served.lock().unwrap().iter().map(std::ops::Range::len).sum();
        assert!((SIZE..=SIZE + twice).contains(&sent), "{sent} bytes were sent in {attempts} attempts");
    }
}

#[tokio::test]
async fn an_attempt_that_brings_nothing_got_no_further() {
    let server = Hostile::start(|asked| if asked.kind == READ { nonsense() } else { asked.good(&[1; SIZE]) });
    let server = server.await;
    let into = Into::new();
    let error = into.get(&server.pool(), Some(SIZE as u64)).await.unwrap_err();
    assert!(error.advice.again && !error.advice.further && !into.has_leftover(), "{error}");
}

#[tokio::test]
async fn a_file_that_is_another_by_now_is_fetched_anew() {
    let times = AtomicUsize::new(0);
    let server = Hostile::start(move |asked| match asked.kind {
        READ if asked.connection == 0 && asked.range().0 > 500_000 => nonsense(),
        // The same size: the bytes and the time differ.
        FSTAT if asked.connection > 0 => asked.attrs(SIZE as u64, 1_800_000_000),
        READ if asked.connection > 0 => {
            times.fetch_add(1, SeqCst);
            asked.good(&vec![9; SIZE])
        }
        _ => asked.good(&content(SIZE)),
    });
    let server = server.await;
    let (pool, into) = (server.pool(), Into::new());
    assert!(into.get(&pool, Some(SIZE as u64)).await.is_err());
    assert!(into.has_leftover());
    assert!(into.get(&pool, Some(SIZE as u64)).await.unwrap() == vec![9; SIZE]);
}

#[tokio::test]
async fn of_a_file_that_broke_its_word_nothing_is_left() {
    let truncated = |asked: &Asked| match asked.kind {
        READ if asked.range().0 > 500_000 => asked.status(1),
        _ => asked.good(&content(SIZE)),
    };
    let stats = AtomicUsize::new(0);
    let changed = move |asked: &Asked| match asked.kind {
        FSTAT => asked.attrs(SIZE as u64, stats.fetch_add(1, SeqCst) as u32),
        _ => asked.good(&content(SIZE)),
    };
    for (server, code) in
        [(Hostile::start(truncated).await, "truncated"), (Hostile::start(changed).await, "changed")]
    {
        let into = Into::new();
        let error = into.get(&server.pool(), Some(SIZE as u64)).await.unwrap_err();
        assert_eq!((error.code, error.advice.further, into.has_leftover()), (code, false, false));
    }
}

#[tokio::test]
async fn of_a_small_file_nothing_is_left() {
    let server = Hostile::start(|asked| match asked.kind {
        READ if asked.range().0 > 0 => nonsense(),
        READ => asked.data(&[7; 20_000]),
        _ => asked.good(&[7; 60_000]),
    });
    let into = Into::new();
    let error = into.get(&server.await.pool(), Some(60_000)).await.unwrap_err();
    assert!(error.advice.again && !error.advice.further && !into.has_leftover(), "{error}");
}

/// A server that breaks off each connection after some of a file, of which it says this.
async fn breaks_off(fstat: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Hostile {
    Hostile::start(move |asked| match asked.kind {
        READ if asked.range().0 > 500_000 => nonsense(),
        FSTAT => fstat(asked),
        _ => asked.good(&content(SIZE)),
    })
    .await
}

#[tokio::test]
async fn who_can_not_go_on_with_what_came_got_no_further_and_is_not_tried_for_ever() {
    // Size and permissions: no time that tells whether it is still the same.
    let untimed = |asked: &Asked| {
        let fields = [&5u32.to_be_bytes()[..], &(SIZE as u64).to_be_bytes(), &0o100_644u32.to_be_bytes()];
        asked.packet(105, &fields.concat())
    };
    let into = Into::new();
    let error = into.get(&breaks_off(untimed).await.pool(), Some(SIZE as u64)).await.unwrap_err();
    assert!(error.advice.again && !error.advice.further && !into.has_leftover(), "{error}");
    // A part that is on the disk from its beginning, as those of joined outputs are.
    let server = breaks_off(|asked| asked.good(&content(SIZE))).await;
    let mut sink = Sink::File { part: into.1.part("file", None).unwrap(), format: String::new() };
    let error = fetch(&server.pool(), b"/file", Some(SIZE as u64), &mut sink).await.unwrap_err();
    assert!(error.advice.again && !error.advice.further, "{error}");
}

#[tokio::test]
async fn of_a_file_that_is_another_each_time_no_attempt_gets_further_than_the_first() {
    let server = breaks_off(|asked| asked.attrs(SIZE as u64, 7 + asked.connection as u32 / 2)).await;
    let (pool, into, same) = (server.pool(), Into::new(), Same::default());
    let mut further = Vec::new();
    for _ in 0..4 {
        let mut sink = Sink::File { part: into.1.late_part("file", None), format: String::new() };
        let error = fetch_as(&pool, b"/file", Some(SIZE as u64), &same, &mut sink).await.unwrap_err();
        further.push(error.advice.further);
    }
    // It is another one over the third connection, and that one still over the fourth: of which nothing new came.
    assert_eq!(further, [true, false, false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_is_dropped_leaves_what_came() {
    let (served, silent) = (Served::default(), Arc::new(Notify::new()));
    let (first, told) = (served.clone(), silent.clone());
    let server = Hostile::start(move |asked| {
        if asked.kind == READ {
            let (offset, len) = asked.range();
            if asked.connection == 0 && offset > 1_000_000 {
                told.notify_one();
                return Vec::new();
            }
            first.lock().unwrap().push(offset..(offset + len).min(SIZE));
        }
        asked.good(&content(SIZE))
    })
    .await;
    let (pool, into) = (server.pool(), Into::new());
    tokio::select! {
        _ = into.get(&pool, Some(SIZE as u64)) => panic!("there is no answer to some of it"),
        // All that was asked before it is answered before it, if not yet written.
        () = silent.notified() => {}
    }
    pool.close().await;
    assert!(into.get(&pool, Some(SIZE as u64)).await.unwrap() == content(SIZE));
}

#[tokio::test]
async fn what_is_there_as_a_whole_is_not_asked_for_again() {
    let reads = Arc::new(AtomicUsize::new(0));
    let count = reads.clone();
    let server = Hostile::start(move |asked| {
        count.fetch_add(usize::from(asked.kind == READ), SeqCst);
        asked.good(&content(SIZE))
    })
    .await;
    let (pool, into) = (server.pool(), Into::new());
    let mut sink = Sink::File { part: into.1.late_part("file", None), format: String::new() };
    fetch(&pool, b"/file", Some(SIZE as u64), &mut sink).await.unwrap();
    // The run ends before it gets its final name.
    drop(sink);
    let before = reads.load(SeqCst);
    assert!(into.get(&pool, Some(SIZE as u64)).await.unwrap() == content(SIZE));
    assert_eq!(reads.load(SeqCst), before);
}

/// A large file over two connections, of which `lost` is lost after some reads.
async fn over_two(lost: impl Fn(usize) -> bool + Send + Sync + 'static) -> (Hostile, Arc<Pool>, Vec<u8>) {
    let reads = AtomicUsize::new(0);
    // Late enough that both are at it.
    let answer = move |asked: &Asked| {
        let is_lost = asked.kind == READ && asked.connection < 2 && lost(asked.connection);
        (is_lost && reads.fetch_add(1, SeqCst) > 300).then(nonsense)
    };
    answered_by(answer).await
}

/// A large file over two connections, of which a server answers some requests in its own way.
async fn answered_by(
    answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Hostile, Arc<Pool>, Vec<u8>) {
    let whole: Vec<u8> = (0..17_000_000u32).flat_map(u32::to_be_bytes).collect();
    let bytes = whole.clone();
    let server = Hostile::start(move |asked| answer(asked).unwrap_or_else(|| asked.good(&bytes))).await;
    let pool = server.pool_of_two().await;
    (server, pool, whole)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_connection_did_not_bring_another_does() {
    for lost in [0, 1] {
        let (server, pool, whole) = over_two(move |connection| connection == lost).await;
        let into = Into::new();
        assert!(into.get(&pool, Some(whole.len() as u64)).await.unwrap() == whole, "without {lost}");
        assert_eq!(server.seen[0].load(SeqCst), 2, "nothing connects anew within an attempt");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_of_a_connection_that_was_lost_at_once_another_brings() {
    let answer = |asked: &Asked| (asked.kind == FSTAT && asked.connection == 1).then(nonsense);
    let (server, pool, whole) = answered_by(answer).await;
    let into = Into::new();
    assert!(into.get(&pool, Some(whole.len() as u64)).await.unwrap() == whole);
    assert_eq!(server.seen[0].load(SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_connections_are_lost_the_next_attempt_goes_on() {
    let (_server, pool, whole) = over_two(|_| true).await;
    let into = Into::new();
    let error = into.get(&pool, Some(whole.len() as u64)).await.unwrap_err();
    assert!(error.advice.again && error.advice.further && into.has_leftover(), "{error}");
    assert!(into.get(&pool, Some(whole.len() as u64)).await.unwrap() == whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn what_is_lost_when_all_others_are_done_one_of_them_reads() {
    let (stats, reads) = ((Mutex::new(0), Condvar::new()), AtomicUsize::new(0));
    let answer = move |asked: &Asked| {
        let (count, told) = &stats;
        if asked.kind == FSTAT && asked.connection == 0 {
            *count.lock().unwrap() += 1;
            told.notify_all();
        }
        if asked.kind == READ && asked.connection == 1 && reads.fetch_add(1, SeqCst) > 20 {
            // Not before the first has read all else and looks at the file a second time.
            drop(told.wait_while(count.lock().unwrap(), |count| *count < 2).unwrap());
            return Some(nonsense());
        }
        None
    };
    let (server, pool, whole) = answered_by(answer).await;
    let into = Into::new();
    assert!(into.get(&pool, Some(whole.len() as u64)).await.unwrap() == whole);
    assert_eq!(server.seen[0].load(SeqCst), 2);
}
