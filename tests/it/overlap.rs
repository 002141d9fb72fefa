//! That work overlaps, and stays within its limits: told by the servers' own clocks, and by the spans and the event log,
//! which must agree with them. Not here: how long anything takes.

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::log::{Span, peak};
use crate::support::plan::Plan;
use crate::support::proxy::Proxy;
use crate::support::sources::{SHOP_URL, events, http, know, partner, shop};
use crate::support::{nginx, postgres, sshd};
use fanout::gather::{Event, EventKind};
use std::collections::HashMap;
use std::time::Duration;

/// How long each request takes, long enough that all that may start have started before the first ends.
const LONG: Duration = Duration::from_millis(100);

/// A server that takes its time, and a plan of twelve requests to it.
fn twelve(more: &str) -> (ClockServer, Plan) {
    requests(12, more)
}

fn requests(count: u32, more: &str) -> (ClockServer, Plan) {
    let server = ClockServer::start(|_| Answer { delay: LONG, ..Answer::default() });
    let plan = Plan::new(&format!(
        "version = 1\n{}{more}\n[jobs.calls]\nsource = \"web\"\nget = \"${{{{ item }}}}\"\nfor_each = {{ range = [1, {count}] }}\noutput = \"${{{{ item }}}}\"\n",
        http("web", &server.url(""))
    ));
    (server, plan)
}

/// When each attempt ran, by the event log.
fn attempts(events: &[Event]) -> Vec<Span> {
    let mut open = HashMap::new();
    let mut spans = Vec::new();
    for event in events {
        let at = event.at.as_secs_f64();
        match event.kind {
            EventKind::AttemptStarted { job, item, .. } => drop(open.insert((job, item), at)),
            EventKind::AttemptEnded { job, item, .. } => {
                let begin = open.remove(&(job, item)).expect("it started");
                spans.push(Span { name: format!("{job}/{item}"), begin, end: at });
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "these have no end: {open:?}");
    spans
}

fn logged(plan: &Plan) -> Vec<Span> {
    attempts(&events(&plan.bytes("log.jsonl")))
}

#[test]
fn with_defaults_the_server_and_the_log_see_all_calls_at_once() {
    let (server, plan) = twelve("");
    plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run().exits(0).complains("peak 12");
    assert_eq!((peak(&server.spans()), peak(&logged(&plan))), (12, 12));
}

#[test]
fn in_sequence_nothing_overlaps() {
    let (server, plan) = twelve("");
    plan.fanout(&["run", "plan.toml", "--sequential", "--events=log.jsonl"]).run().exits(0);
    assert_eq!((server.asked(), peak(&server.spans()), peak(&logged(&plan))), (12, 1, 1));
}

#[test]
fn one_thread_is_enough_to_overlap() {
    let (server, plan) = twelve("");
    plan.fanout(&["--threads", "1", "run", "plan.toml"]).run().exits(0);
    assert_eq!(peak(&server.spans()), 12);
}

#[test]
fn a_sources_limit_is_reached_and_never_passed() {
    let (server, plan) = twelve("concurrency = 3");
    plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run().exits(0).complains("peak 3 of 3");
    assert_eq!((server.asked(), peak(&server.spans()), peak(&logged(&plan))), (12, 3, 3));
}

#[test]
fn an_api_gets_sixteen_requests_at_once_where_the_plan_says_nothing() {
    let (server, plan) = requests(40, "");
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("peak 16 of 16");
    assert_eq!((server.asked(), peak(&server.spans())), (40, 16));
}

#[test]
fn the_runs_limit_holds_over_all_jobs() {
    let (server, plan) = twelve("");
    plan.fanout(&["run", "plan.toml", "-j", "2"]).run().exits(0);
    assert_eq!(peak(&server.spans()), 2);
}

#[test]
fn the_spans_agree_with_the_server() {
    let (server, plan) = twelve("concurrency = 4");
    let ended =
        plan.fanout(&["run", "plan.toml", "--progress", "none"]).env("FANOUT_LOG", "fanout=debug").run();
    ended.exits(0);
    let spans: Vec<Span> = ended.stderr.lines().filter_map(closed_attempt).collect();
    assert_eq!(spans.len(), 12, "{ended:?}");
    assert_eq!((peak(&server.spans()), peak(&spans)), (4, 4), "{ended:?}");
}

/// `2026-11-22T11:00:00.123456Z DEBUG run:job{..}:attempt{n=1 .. started=0.1 ended=0.2}: fanout..: close time.busy=..`.
fn closed_attempt(line: &str) -> Option<Span> {
    let (path, _) = line.split_once(": close time.busy=")?;
    let attempt = path.split_once(":attempt{")?.1.split_once('}').filter(|(_, rest)| !rest.contains('{'))?.0;
    let field = |name: &str| attempt.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
    Some(Span { name: attempt.to_owned(), begin: field("started=")?, end: field("ended=")? })
}

#[test]
fn http_sql_and_sftp_overlap_by_their_servers_own_clocks() {
    let (Some(nginx), Some(postgres), Some(sshd)) = (nginx(), postgres(), sshd()) else { return };
    // 64 KiB a second, so each kind takes some seconds.
    nginx.file("overlap/page", vec![1; 256 * 1024]);
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    proxy.set(|faults| faults.bandwidth = Some(4 << 20));
    let (host, port) = (proxy.address().ip().to_string(), proxy.address().port());
    let served = sshd.serve();
    for n in 0..40 {
        served.file(&format!("{n}.dat"), vec![n; 256 * 1024]);
    }
    let plan = Plan::new(&format!(
        r#"
version = 1
{}{}{}
[jobs.pages]
source = "web"
get = "slow/overlap/page?${{{{ item }}}}"
for_each = {{ range = [1, 3] }}
output = "pages/${{{{ item }}}}"

[jobs.queries]
source = "shop"
query = "select clock_timestamp() as begun, pg_sleep(2)::text as slept, clock_timestamp() as ended, $1::int as n"
params = ["${{{{ item }}}}"]
for_each = {{ range = [1, 4] }}
output = "queries/${{{{ item }}}}.jsonl"

[jobs.files]
source = "partner"
fetch = "{}/*.dat"
output = "inbox/"
"#,
        http("web", &nginx.url),
        shop(),
        partner(sshd, &host, port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts_as(&host, port));
    let (web, ssh) = (nginx.log.mark(), sshd.log.mark());
    plan.fanout(&["run", "plan.toml"]).env(SHOP_URL, &postgres.url).run().exits(0);
    nginx.log.wait(web, "the pages", |_| nginx.visits(web, "/slow/overlap/page").len() == 3);
    let opened = || {
        sshd.opened(ssh)
            .into_iter()
            .filter(|span| span.name.starts_with(&served.remote) && span.name.ends_with(".dat"))
    };
    sshd.log.wait(ssh, "the files", |_| opened().count() == 40);
    let pages: Vec<Span> =
        nginx.visits(web, "/slow/overlap/page").into_iter().map(|visit| visit.span).collect();
    let queries: Vec<Span> = (1..=4).map(|n| query(&plan.read(&format!("queries/{n}.jsonl")))).collect();
    let files: Vec<Span> = opened().collect();
    assert_eq!((peak(&pages), peak(&queries)), (3, 4), "{pages:#?}{queries:#?}");
    assert!(peak(&files) > 1, "{files:#?}");
    // All three kinds at one moment: while a page came and a query ran, files were open.
    let all = [pages, queries].concat();
    assert_eq!(peak(&all), 7, "{all:#?}");
    let at_once = |a: &Span, b: &Span| a.begin < b.end && b.begin < a.end;
    assert!(files.iter().any(|file| all.iter().all(|other| at_once(file, other))), "{files:#?}{all:#?}");
}

/// When a query ran, by PostgreSQL's clock.
fn query(row: &str) -> Span {
    let row: serde_json::Value = serde_json::from_str(row).unwrap();
    let time = |name: &str| {
        let text = row[name].as_str().unwrap();
        let time: jiff::Timestamp = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        time.as_duration().as_secs_f64()
    };
    Span { name: row["n"].to_string(), begin: time("begun"), end: time("ended") }
}

#[test]
fn files_of_one_sftp_source_stay_within_its_limit() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    for n in 0..30 {
        served.file(&format!("{n}.dat"), vec![n; 64 * 1024]);
    }
    let plan = Plan::new(&format!(
        "version = 1\n{}concurrency = 3\n[jobs.files]\nsource = \"partner\"\nfetch = \"{}/*.dat\"\noutput = \"inbox/\"\n",
        partner(sshd, &sshd.host, sshd.port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts());
    let mark = sshd.log.mark();
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    let opened = || sshd.opened(mark).into_iter().filter(|span| span.name.starts_with(&served.remote));
    sshd.log.wait(mark, "the files", |_| opened().filter(|span| span.name.ends_with(".dat")).count() == 30);
    let files: Vec<Span> = opened().filter(|span| span.name.ends_with(".dat")).collect();
    assert!((2..=3).contains(&peak(&files)), "{files:#?}");
}
