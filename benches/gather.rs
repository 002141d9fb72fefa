//! What running an item through `fanout::gather` costs, beside what others cost: no-op items, so that nothing but the
//! machinery is measured.
//!
//! `cargo bench --bench gather` is criterion's statistics, all peers in one process. `bench/gather.sh` makes the table
//! of `bench/RESULTS.md`: it runs this same program once for each peer (`peer NAME THREADS`), because the peak of a
//! process's memory can't be told apart by peer. `bench/log.sh` does so for what the log and spans cost, and runs plans
//! with and without (`plan PLAN FOLDER heard|unheard`).

mod peers;

use criterion::{BenchmarkId, Criterion, Throughput};
use std::process::ExitCode;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

/// A peer of the comparison.
struct Peer {
    /// What it is called in the table.
    name: &'static str,
    /// How many items the table's run has.
    items: u64,
    /// Runs that many items; returns the sum of their numbers.
    run: fn(&Runtime, u64) -> u64,
}

const MILLION: u64 = 1_000_000;

/// All of them, in the order of the table.
const PEERS: &[Peer] = &[
    Peer { name: "JoinSet, no limit", items: MILLION, run: |on, items| on.block_on(peers::join_set(items)) },
    Peer {
        name: "semaphore + JoinSet",
        items: MILLION,
        run: |on, items| on.block_on(peers::semaphore_join_set(items)),
    },
    Peer {
        name: "buffer_unordered, tasks",
        items: MILLION,
        run: |on, items| on.block_on(peers::buffer_unordered_tasks(items)),
    },
    Peer {
        name: "buffer_unordered, no tasks",
        items: MILLION,
        run: |on, items| on.block_on(peers::buffer_unordered_futures(items)),
    },
    Peer { name: "fanout::gather", items: MILLION, run: |on, items| on.block_on(peers::fanout(items)) },
    Peer {
        name: "fanout::gather, streamed",
        items: 10 * MILLION,
        run: |on, items| on.block_on(peers::fanout_streamed(items)),
    },
    #[cfg(feature = "cli")]
    Peer {
        name: "fanout::gather, its log written",
        items: MILLION,
        run: |on, items| on.block_on(peers::told::logged(items)),
    },
    #[cfg(feature = "cli")]
    Peer {
        name: "fanout::gather, a subscriber that takes no span",
        items: MILLION,
        run: |on, items| on.block_on(peers::told::unheard(items)),
    },
];

/// How many items a sample of criterion has.
const SAMPLE_ITEMS: u64 = 100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["peers"] => list(),
        ["peer", name, threads] => return measure(name, threads),
        #[cfg(feature = "cli")]
        ["plan", path, folder, heard] => plan(path, folder, *heard == "heard"),
        _ => statistics(),
    }
    ExitCode::SUCCESS
}

/// Prints each peer's number of items and name.
#[expect(clippy::print_stdout, reason = "a program of its own")]
fn list() {
    for peer in PEERS {
        println!("{} {}", peer.items, peer.name);
    }
}

/// Runs one peer once. Prints nanoseconds an item by the wall clock, the same of processor time (all threads), and the
/// peak of this process's memory in KiB.
#[expect(clippy::print_stdout, reason = "a program of its own")]
fn measure(name: &str, threads: &str) -> ExitCode {
    let (Some(peer), Ok(threads)) = (PEERS.iter().find(|peer| peer.name == name), threads.parse()) else {
        return ExitCode::from(2);
    };
    let runtime = runtime(threads);
    let (start, processor_start) = (Instant::now(), processor_ns());
    let sum = (peer.run)(&runtime, peer.items);
    let (elapsed, processor) = (start.elapsed().as_nanos(), processor_ns() - processor_start);
    check(sum, peer.items);
    let items = u128::from(peer.items);
    println!("{} {} {}", elapsed / items, processor / items, peak_memory_kib().unwrap_or(0));
    ExitCode::SUCCESS
}

/// Runs a plan and prints its milliseconds by the wall clock and of processor time.
#[cfg(feature = "cli")]
#[expect(clippy::print_stdout, reason = "a program of its own")]
fn plan(path: &str, folder: &str, heard: bool) {
    let (start, processor_start) = (Instant::now(), processor_ns());
    runtime(2).block_on(peers::told::plan(path.as_ref(), folder.as_ref(), heard));
    println!("{} {}", start.elapsed().as_millis(), (processor_ns() - processor_start) / 1_000_000);
}

/// All peers on one thread, with criterion's own arguments.
fn statistics() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("gather");
    group.throughput(Throughput::Elements(SAMPLE_ITEMS));
    let runtime = runtime(1);
    for peer in PEERS {
        group.bench_function(BenchmarkId::from_parameter(peer.name), |bencher| {
            bencher.iter(|| check((peer.run)(&runtime, SAMPLE_ITEMS), SAMPLE_ITEMS));
        });
    }
    group.finish();
    criterion.final_summary();
}

/// A runtime as `#[tokio::main]` makes it: on the caller's own thread for one, else with that many of its own.
fn runtime(threads: usize) -> Runtime {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(threads).enable_all().build().expect("threads can be made")
}

/// Every item gave back its number.
fn check(sum: u64, items: u64) {
    assert_eq!(sum, items * (items - 1) / 2, "an item is missing");
}

/// Processor time of all threads of this process so far, to 10 ms. 0 where the system does not say.
fn processor_ns() -> u128 {
    const NS_A_TICK: u128 = 10_000_000;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold spaces; of the fields behind it the 12th and 13th are user and system time.
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u128>().ok());
    ticks.sum::<u128>() * NS_A_TICK
}

/// The most memory that this process had. None where the system does not say.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
