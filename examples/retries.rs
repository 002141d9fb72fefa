//! A server that is busy now and then, asked at most twice at once and twenty times a second, and asked again where
//! that can help: `cargo run --example retries`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use fanout::gather::{Advice, Context, Gather, Item, Limit, Needs, Retries, Run, RunSettings};
use std::time::Duration;

/// Why an answer could not be had.
#[derive(Debug)]
enum Error {
    /// The server wants to be left alone for so long.
    Busy(Duration),
    /// There is no such thing: asking again would not change that.
    Unknown,
}

/// A server that is busy whenever it is asked for an odd number for the first time, and that knows nothing of 4.
async fn ask(number: u64, attempt: u32) -> Result<String, Error> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    match number {
        4 => Err(Error::Unknown),
        number if number % 2 == 1 && attempt == 1 => Err(Error::Busy(Duration::from_millis(300))),
        number => Ok(format!("answer {number}")),
    }
}

/// What an error says about trying again. Gather decides whether it is done.
fn advice(error: &Error) -> Advice {
    match error {
        Error::Busy(after) => Advice::AGAIN.after(*after),
        Error::Unknown => Advice::NEVER,
    }
}

#[tokio::main]
async fn main() {
    let run = Run::new(&RunSettings::default());
    // Whatever else runs in this run and needs the server counts against the same limit.
    let server = run.limit(Limit::new("host:server.example").concurrency(2).rate(20, Duration::from_secs(1)));
    // A function from a context to a future, as a future alone could be attempted only once.
    let item = move |number| {
        let call = move |context: Context| ask(number, context.attempt());
        Item::new(call).key(number.to_string()).needs(Needs::none().and(server))
    };
    let retries = Retries { count: 3, ..Retries::STANDARD };
    let report = Gather::over((0..8).map(item)).in_run(&run).retries(retries).advice(advice).run().await;
    for item in &report.items {
        println!("{}: {:?} after {} attempts", item.number, item.outcome, item.timing.attempts());
    }
    println!("{} done, {} failed in {:.1?}", report.counts.done, report.counts.failed, report.wall);
}
