//! That all exports of one run say the same of when each of its attempts ran: the event log, the report, the spans of
//! `tracing`, the trace file, the page, JUnit's cases, and what a collector gets. All of them by what they say of each
//! other; no time is taken here. Not here: that the log is true to the servers' clocks (`overlap`).

mod times;

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::command::Ended;
use crate::support::plan::Plan;
use crate::support::sources::{SHOP_URL, http, know, ledger, make_ledger, partner, shop};
use crate::support::{postgres, sshd};
use fanout::report::{Timeline, text};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use times::{LISTS, Times};

/// How long the server of the calls thinks about each.
const THINKS: Duration = Duration::from_millis(40);
/// How many of its first answers are refusals.
const REFUSALS: usize = 3;
/// How exact JUnit's milliseconds are, with the two of a start and a length.
const MILLISECONDS: u64 = 2000;

/// A run of everything, and what came of it.
struct Exports {
    plan: Plan,
    ended: Ended,
    collector: ClockServer,
    log: Times,
    /// The names of attempts as they started (true) and ended.
    order: Vec<(String, bool)>,
}

/// Calls of which the first ones fail, two at once; queries of both databases, of which one job needs the calls; files,
/// three at once; and a pause.
fn jobs() -> &'static str {
    r#"
[jobs.calls]
source = "api"
get = "${{ item }}"
for_each = { range = [1, 8] }
output = "calls/${{ item }}"

[jobs.queries]
source = "shop"
query = "select pg_sleep(0.05)::text as slept, $1::int as n"
params = ["${{ item }}"]
for_each = { range = [1, 6] }
output = "queries/${{ item }}.csv"

[jobs.entries]
source = "ledger"
query = "select * from entries where id >= :id"
params = { id = "${{ item }}" }
for_each = { range = [1, 4] }
needs = ["calls"]
output = "entries/${{ item }}.csv"

[jobs.pause]
sleep = "30ms"
"#
}

/// Runs it, if all servers are there.
fn run() -> Option<Exports> {
    let (postgres, sshd) = (postgres()?, sshd()?);
    let asked = AtomicUsize::new(0);
    let api = ClockServer::start(move |_| {
        let status = if asked.fetch_add(1, Relaxed) < REFUSALS { 503 } else { 200 };
        Answer { delay: THINKS, status: Some(status), body: vec![1; 1000], ..Answer::default() }
    });
    let served = sshd.serve();
    for n in 0..9 {
        served.file(&format!("{n}.dat"), vec![n; 64 * 1024]);
    }
    let plan = Plan::new(&format!(
        "version = 1\n{}concurrency = 2\nretries = {{ count = 3, delay = \"20ms\" }}\n{}{}{}concurrency = 3\n{}\n\
         [jobs.{LISTS}]\nsource = \"partner\"\nfetch = \"{}/*.dat\"\noutput = \"inbox/\"\n",
        http("api", &api.url("")),
        shop(),
        ledger(),
        partner(sshd, &sshd.host, sshd.port),
        jobs(),
        served.remote
    ));
    know(&plan, &sshd.known_hosts());
    make_ledger(&plan, 5);
    let collector = ClockServer::start(|_| Answer::default());
    let command = ["run", "plan.toml", "--events=log.jsonl", "--otlp", &collector.url("")];
    let fanout = plan.fanout(&command).env("FANOUT_LOG", "fanout=info").env(SHOP_URL, &postgres.url);
    let ended = fanout.run();
    ended.exits(0).never_says("spans did not");
    let (log, order) = times::log(&plan.read("log.jsonl"));
    Some(Exports { plan, ended, collector, log, order })
}

impl Exports {
    /// A view of the log.
    fn show(&self, form: &str) -> String {
        let shown = self.plan.fanout(&["show", "log.jsonl", "--as", form]).run();
        shown.exits(0);
        assert_eq!(shown.stderr, "", "nothing of the log was left out");
        shown.stdout
    }

    /// Which attempts ran beside each other, by the order of the events: the log's times may be equal, its order is not.
    fn beside(&self) -> BTreeSet<(&str, &str)> {
        let (mut running, mut pairs) = (BTreeSet::new(), BTreeSet::new());
        for (name, starts) in &self.order {
            let name = name.as_str();
            if *starts {
                pairs.extend(running.iter().map(|&other| pair(name, other)));
                running.insert(name);
            } else {
                running.remove(name);
            }
        }
        pairs
    }

    /// Holds times against the log: the same attempts at the same microseconds, so that nothing starts or ends in
    /// another order; and who ran beside whom. Where two times are equal to the microsecond they are not taken for an
    /// order, and may be read as an overlap or not.
    fn agrees(&self, export: &str, times: &Times) {
        assert_eq!(times, &self.log, "{export} says other times than the log");
        let at = |(name, starts): &(String, bool)| if *starts { times[name].0 } else { times[name].1 };
        assert!(self.order.is_sorted_by_key(at), "{export} has another order");
        let beside = self.beside();
        for (a, (a_start, a_end)) in times {
            for (b, (b_start, b_end)) in times.range(a.clone()..).skip(1) {
                let logged = beside.contains(&pair(a, b));
                let overlap = a_start < b_end && b_start < a_end;
                let touch = a_start == b_end || b_start == a_end;
                assert!(overlap == logged || touch, "{export}: {a} and {b} overlap: {overlap}");
            }
        }
    }
}

fn pair<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    (a.min(b), a.max(b))
}

#[test]
fn every_export_has_each_attempt_at_the_same_time() {
    let Some(run) = run() else { return };
    // 8 calls and their refusals, 6 and 4 queries, 9 files and their listing, a pause.
    assert_eq!(run.log.len(), 8 + REFUSALS + 6 + 4 + 9 + 1 + 1, "{:?}", run.log);
    let (timeline, report) = times::timeline(&run.plan.bytes("log.jsonl"));
    run.agrees("the report", &report);
    run.agrees("the trace file", &times::trace(&run.show("trace")));
    run.agrees("the page", &times::html(&run.show("html")));
    run.agrees("the collector", &times::otlp(&run.collector));
    let began: jiff::Timestamp = timeline.info.started.parse().unwrap();
    spans(&run, began);
    junit(&run, &timeline, began);
    figures(&run, &timeline);
    files(&run);
}

/// The spans of `tracing` say the scheduler's times. Their own clock is read when a task is made for the attempt and
/// when its end was judged: later, as much as the machine is busy, and never earlier.
fn spans(run: &Exports, began: jiff::Timestamp) {
    let closed: Vec<_> = run.ended.stderr.lines().filter_map(times::closed).collect();
    assert_eq!(closed.len(), run.log.len(), "{:?}", run.ended);
    run.agrees("tracing", &closed.iter().map(|span| (span.name.clone(), span.times)).collect());
    let began = began.as_duration().as_secs_f64() * 1e6;
    for span in &closed {
        let (start, end) = (began + span.times.0 as f64, began + span.times.1 as f64);
        // Lengths are written with three digits, and the machine's two clocks run apart a little.
        let slack = 5_000.0 + 0.01 * (span.own.1 - span.own.0);
        assert!(span.own.0 >= start - slack, "{}: opened at {:?}, started {start}", span.name, span.own);
        assert!(span.own.1 >= end - slack, "{}: closed at {:?}, ended {end}", span.name, span.own);
    }
}

fn junit(run: &Exports, timeline: &Timeline, began: jiff::Timestamp) {
    let near = |a: u64, b: u64| a.abs_diff(b) <= MILLISECONDS;
    let said = times::junit(&run.show("junit"), began);
    for (name, start, end) in &said {
        let logged = match run.log.get(name) {
            Some(attempt) => *attempt,
            None => {
                let (_, item) = timeline.items().find(|(_, item)| timeline.label(item) == *name).unwrap();
                (run.log[&format!("{name}#1")].0, item.end.as_ref().unwrap().at.as_micros() as u64)
            }
        };
        assert!(near(*start, logged.0) && near(*end, logged.1), "{name}: {start}..{end}, not {logged:?}");
    }
    assert_eq!(said.len(), 28 + REFUSALS, "each counted item, and each attempt before another");
}

/// The figures of the text, made of the log's own numbers; how many ran at once also at the run's end.
fn figures(run: &Exports, timeline: &Timeline) {
    let sum = run.log.values().map(|(start, end)| Duration::from_micros(end - start)).sum();
    let steps = run.order.iter().scan(0_i64, |running, (_, starts)| {
        *running += if *starts { 1 } else { -1 };
        Some(*running)
    });
    let peak = format!("peak {} of 1,024", steps.max().unwrap());
    let shown = run.show("text");
    for figure in [format!("wall      {}", text::time(timeline.wall())), format!("sum {}", text::time(sum))] {
        assert!(shown.contains(&figure), "{figure} is not in\n{shown}");
    }
    assert!(shown.contains(&peak) && run.ended.stderr.contains(&peak), "{peak}\n{shown}\n{:?}", run.ended);
    let counts = "28 items: 28 done";
    assert!(shown.contains(counts) && run.ended.stderr.contains(counts), "{shown}\n{:?}", run.ended);
}

/// Each output with the bytes that it has.
fn files(run: &Exports) {
    let shown = run.show("files");
    let lines: Vec<serde_json::Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 8 + 6 + 4 + 9);
    for line in &lines {
        let bytes = run.plan.bytes(line["output"].as_str().unwrap()).len();
        if ["calls", "files"].iter().any(|job| line["job"] == *job) {
            assert_eq!(line["bytes"], bytes, "{line}");
        }
        assert!(bytes > 0, "{line}");
    }
}
