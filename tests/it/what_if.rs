//! What a run would have taken under another limit, beside a run of the same plan under that limit. The clock is paused,
//! so that a busy machine changes nothing. Not here: what else there is to replay (the tests beside `report::what_if`).

use fanout::plan::{Overrides, Plan};
use fanout::report::Timeline;
use fanout::report::what_if::{Change, what_if};
use fanout::run::{Execution, Options};
use std::sync::Arc;
use std::time::Duration;

/// The run of a plan, as its log tells it.
fn run(text: &str) -> Timeline {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("version = 1\n{text}");
    let plan = Plan::of_text(&folder.path().join("plan.toml"), text.clone(), &Overrides::default());
    let plan = Arc::new(plan.unwrap_or_else(|errors| panic!("{errors}\n{text}")));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let execution =
            Execution::new(plan, Options { events: Some(1 << 20), ..Options::default() }).await.unwrap();
        let events = execution.run().events().unwrap();
        assert_eq!(execution.finish().await.counts.lost(), 0);
        let mut read = Vec::new();
        events.read(&mut read).await;
        Timeline::of(&read)
    })
}

/// Runs a plan as it is, and with one of its lines changed; says what both took. What the first run's log tells of the
/// second has to be within a tenth of it.
fn compare(plan: &str, (from, to): (&str, &str), change: &str) -> (Duration, Duration) {
    assert_eq!(plan.matches(from).count(), 1, "{from} in {plan}");
    let first = run(plan);
    let change: Change = change.parse().unwrap();
    let found = what_if(&first, &[change]).unwrap();
    assert_eq!(found.unchanged, first.wall(), "with nothing changed");
    let second = run(&plan.replace(from, to)).wall();
    let off = found.changed.as_secs_f64() / second.as_secs_f64() - 1.0;
    assert!(off.abs() < 0.1, "{:?} replayed, {second:?} measured", found.changed);
    (first.wall(), second)
}

/// Sleeps of many lengths, in milliseconds.
fn sleeps(count: u64) -> String {
    let lengths: Vec<_> = (0..count).map(|n| format!("\"{}ms\"", 300 + n * 7919 % 1301)).collect();
    format!("sleep = \"${{{{ item }}}}\"\nfor_each = [{}]\nduplicates = \"first\"", lengths.join(", "))
}

#[test]
fn a_limit_that_is_twice_as_large() {
    let plan = format!("[limits.shop]\nconcurrency = 4\n[jobs.sales]\nlimit = \"shop\"\n{}", sleeps(40));
    let (first, second) = compare(&plan, ("concurrency = 4", "concurrency = 8"), "limits.shop.concurrency=8");
    assert!(second < first * 6 / 10, "{first:?} {second:?}");
}

#[test]
fn two_limits_that_jobs_share() {
    // Not all at the same moment: which of them would be the first is not the same in every run.
    let plan = format!(
        "[limits.disk]\nconcurrency = 3\n[limits.line]\nconcurrency = 5\n\
         [jobs.first]\nsleep = \"7ms\"\n[jobs.second]\nsleep = \"19ms\"\n\
         [jobs.a]\nlimit = [\"disk\", \"line\"]\n{}\n\
         [jobs.b]\nneeds = [\"first\"]\nlimit = \"line\"\nconcurrency = 4\n{}\n\
         [jobs.c]\nneeds = [\"second\"]\nlimit = \"disk\"\n{}",
        sleeps(20),
        sleeps(17),
        sleeps(11)
    );
    compare(&plan, ("concurrency = 3", "concurrency = 6"), "limits.disk.concurrency=6");
    compare(&plan, ("concurrency = 4", "concurrency = 1"), "jobs.b.concurrency=1");
}

#[test]
fn a_rate() {
    let plan = format!("[limits.api]\nrate = \"10/s\"\n[jobs.calls]\nlimit = \"api\"\n{}", sleeps(50));
    compare(&plan, ("10/s", "25/s"), "limits.api.rate=25/s");
}

#[test]
fn jobs_that_need_others() {
    let plan = format!(
        "[limits]\nconcurrency = 3\n[jobs.list]\nsleep = \"900ms\"\n[jobs.orders]\nneeds = [\"list\"]\n{}\n\
         [jobs.load]\nsleep = \"1500ms\"\nneeds = [\"orders\"]\n\
         [jobs.first]\nsleep = \"7ms\"\n[jobs.beside]\nneeds = [\"first\"]\n{}",
        sleeps(12),
        sleeps(5)
    );
    compare(&plan, ("concurrency = 3", "concurrency = 7"), "limits.concurrency=7");
}

#[test]
fn more_items_than_are_looked_ahead_for() {
    let plan = format!(
        "[limits]\nconcurrency = 20\n[jobs.many]\nconcurrency = 8\n{}\n[jobs.few]\nneeds = [\"many\"]\n{}",
        sleeps(900),
        sleeps(30)
    );
    compare(&plan, ("concurrency = 8", "concurrency = 16"), "jobs.many.concurrency=16");
}
