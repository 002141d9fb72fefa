//! A million items from an iterator, their outcomes taken as they come. Items are pulled only when there is room for
//! them, so memory stays flat: `cargo run --release --example stream [ITEMS]`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fanout::gather::{Gather, Item, Once};
use std::convert::Infallible;
use std::time::Instant;

#[tokio::main]
async fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000_u64);
    let items = (0..count).map(|number| Item::new(Once::new(async move { Ok::<_, Infallible>(number % 7) })));
    let begin = Instant::now();
    let mut outcomes = Gather::over(items).concurrency(64).stream();
    let mut sum = 0;
    while let Some(item) = outcomes.next().await {
        sum += item.outcome.done().unwrap_or_default();
    }
    let (counts, _) = outcomes.finish().await;
    println!("{} of {} done in {:.1?}, sum {sum}", counts.done, counts.submitted, begin.elapsed());
    if let Some(memory) = peak_memory() {
        println!("peak of memory: {memory}");
    }
}

/// The most memory that this process ever had, where the system tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
