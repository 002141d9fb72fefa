//! fanout where somebody listens: what the event log and spans cost. Needs the feature `cli`, which has both.

use super::{LIMIT, item};
use fanout::gather::{EventQueue, Gather, Item, Once, Outcome, Run, RunSettings};
use fanout::plan::{Overrides, Plan};
use fanout::report::log::encode;
use fanout::run::{Execution, Exit, Options};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Events that may wait for the thread that writes them, as in the program.
const QUEUE: usize = 16 * 1024;

/// The log is written by a thread of its own, into a file that is gone at the end.
pub(crate) async fn logged(items: u64) -> u64 {
    let run = Run::new(&RunSettings { events: Some(QUEUE), ..RunSettings::default() });
    let events = run.events().expect("it was asked for");
    let reading = events.clone();
    let writer = std::thread::spawn(move || write(&reading));
    let sum = gather(&run, items).await;
    events.close();
    writer.join().expect("it does not panic");
    sum
}

fn write(events: &Arc<EventQueue>) {
    let path = std::env::temp_dir().join(format!("fanout-bench-{}.jsonl", std::process::id()));
    let mut file = File::create(&path).expect("a temporary file");
    let _ = std::fs::remove_file(&path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (mut batch, mut lines) = (Vec::new(), Vec::new());
        while events.read(&mut batch).await {
            lines.clear();
            batch.iter().for_each(|event| encode(event, &mut lines).expect("events are JSON"));
            file.write_all(&lines).expect("the file takes them");
        }
    });
}

/// There is a subscriber, and it takes no span of these.
pub(crate) async fn unheard(items: u64) -> u64 {
    fanout::telemetry::init("warn", false, std::io::sink).expect("there is no other");
    gather(&Run::new(&RunSettings::default()), items).await
}

/// Runs a plan into a folder: with nobody who listens, or with its log written and a subscriber that takes no span.
pub(crate) async fn plan(path: &Path, folder: &Path, told: bool) {
    let Ok(plan) = Plan::load(path, &Overrides::default()) else { panic!("the plan has mistakes") };
    if told {
        fanout::telemetry::init("warn", false, std::io::sink).expect("there is no other");
    }
    let events = told.then_some(QUEUE);
    let options =
        Options { events, output_dir: Some(folder.into()), keep_results: false, ..Options::default() };
    let execution = Execution::new(Arc::new(plan), options).await.expect("it begins");
    let writer = execution.run().events().map(|events| std::thread::spawn(move || write(&events)));
    let report = execution.finish().await;
    writer.into_iter().for_each(|writer| writer.join().expect("it does not panic"));
    assert!(report.counts.done > 0 && report.exit() == Exit::Done, "all of it has to be done");
}

async fn gather(run: &Run, items: u64) -> u64 {
    let calls =
        (0..items).map(|number| Item::new(Once::new(async move { Ok::<u64, ()>(item(number).await) })));
    let outcomes = Gather::over(calls).in_run(run).concurrency(LIMIT as u64).run().await.into_outcomes();
    outcomes.into_iter().filter_map(Outcome::done).sum()
}
