use super::{BATCH, Exporter, FLUSH, Lost, PAUSE, QUEUE, lines};
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::with_default;
use tracing::{Subscriber, info_span, warn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

type Batches = Arc<Mutex<Vec<(Instant, Vec<usize>)>>>;

/// One that takes everything at once, and what it took when.
fn taking() -> (Exporter<usize>, Batches) {
    let batches = Batches::default();
    let taken = batches.clone();
    let exporter = Exporter::start(move |batch: Vec<usize>| {
        let count = batch.len() as u64;
        taken.lock().unwrap().push((Instant::now(), batch));
        async move { Ok(count) }
    });
    (exporter, batches)
}

#[tokio::test(start_paused = true)]
async fn all_arrives_in_order_in_batches_while_the_run_goes_on() {
    let begun = Instant::now();
    let (exporter, batches) = taking();
    let feed = exporter.feed();
    (0..2 * BATCH + 1).for_each(|n| feed.push(n));
    sleep(PAUSE * 2).await;
    let sizes: Vec<_> =
        batches.lock().unwrap().iter().map(|(at, batch)| (at.duration_since(begun), batch.len())).collect();
    let now = std::time::Duration::ZERO;
    assert_eq!(sizes, [(now, BATCH), (now, BATCH), (PAUSE, 1)], "a full one at once, the rest soon");
    feed.push(2 * BATCH + 1);
    drop(feed);
    assert_eq!(exporter.finish().await, None);
    assert_eq!(begun.elapsed(), PAUSE * 2, "at the end nothing waits for company");
    let all: Vec<usize> = batches.lock().unwrap().iter().flat_map(|(_, batch)| batch.clone()).collect();
    assert_eq!(all, (0..2 * BATCH + 2).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_never_answers_is_given_up_after_its_time() {
    let exporter = Exporter::start(|_: Vec<usize>| pending());
    (0..3).for_each(|n| exporter.feed().push(n));
    sleep(PAUSE * 100).await;
    let begun = Instant::now();
    let lost = exporter.finish().await;
    assert_eq!(begun.elapsed(), FLUSH);
    assert_eq!(lost, Some(Lost { count: 3, of: 3, why: format!("no answer within {FLUSH:?}") }));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_left_behind_does_not_outlast_the_time() {
    let (exporter, _) = taking();
    let feed = exporter.feed();
    let begun = Instant::now();
    feed.push(1);
    assert_eq!(exporter.finish().await, None, "it arrived");
    assert_eq!(begun.elapsed(), FLUSH);
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted_and_waits_for_nobody() {
    let exporter = Exporter::start(|_: Vec<usize>| pending());
    let feed = exporter.feed();
    (0..QUEUE + 5).for_each(|n| feed.push(n));
    drop(feed);
    let lost = exporter.finish().await.unwrap();
    let all = QUEUE as u64 + 5;
    assert_eq!((lost.count, lost.of, &*lost.why), (all, all, "it takes them too slowly"));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_with_the_last_reason() {
    let mut number = 0;
    let exporter = Exporter::start(move |batch: Vec<usize>| {
        number += 1;
        let answer = match number {
            1 => Ok(batch.len() as u64 - 2),
            number => Err(format!("no {number}")),
        };
        async move { answer }
    });
    (0..BATCH * 3).for_each(|n| exporter.feed().push(n));
    let lost = exporter.finish().await.unwrap();
    assert_eq!((lost.count, &*lost.why), (BATCH as u64 * 2 + 2, "no 3"));
}

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the spans that it is told of.
struct Counting(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn what_one_layer_wants_switches_on_nothing_for_another() {
    let (written, counted) = (Written::default(), Arc::new(AtomicUsize::new(0)));
    let to = written.clone();
    let warnings = || {
        lines("warn".parse().unwrap(), false, {
            let to = to.clone();
            move || to.clone()
        })
    };
    let tell = || info_span!("run", id = 7).in_scope(|| warn!("odd"));
    with_default(registry().with(warnings()), || {
        assert!(info_span!("run").is_disabled(), "nobody wants it");
    });
    let other = Counting(counted.clone()).with_filter(LevelFilter::INFO);
    with_default(registry().with(warnings()).with(other), tell);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert_eq!((counted.load(Relaxed), text.lines().count()), (1, 1), "{text}");
    assert!(text.contains("odd") && !text.contains("run"), "{text}");
    let other = Counting(counted.clone()).with_filter(LevelFilter::OFF);
    with_default(registry().with(lines("info".parse().unwrap(), false, io::sink)).with(other), tell);
    assert_eq!(counted.load(Relaxed), 1, "nor the other way round");
}
