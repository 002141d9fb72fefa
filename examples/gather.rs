//! Three waits that know nothing of each other, at once: `cargo run --example gather` takes 4 s, not 7.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fanout::gather::{Gather, Item, Once};
use std::io;
use std::time::Duration;

/// Stands for any I/O that takes its time.
async fn wait(name: &'static str, seconds: u64) -> Result<u64, io::Error> {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    println!("{name} ended");
    Ok(seconds)
}

#[tokio::main]
async fn main() {
    let waits = [("function1", 2), ("function2", 4), ("function3", 1)];
    let items = waits.map(|(name, seconds)| Item::new(Once::new(wait(name, seconds))).key(name));
    let report = Gather::over(items).run().await;
    // They end in the order 3, 1, 2. The report has them in the order 1, 2, 3, and shows what ran beside what.
    println!("{report}");
}
