//! `fanout run`: one plan with every kind of source on real servers; jobs that wait for others and use their results;
//! what goes to stdout, stderr and the event log. Not here: that work overlaps (`overlap`), what goes wrong (`errors`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::log::peak;
use crate::support::plan::Plan;
use crate::support::sources::{SHOP_URL, events, http, know, ledger, make_ledger, outcomes, partner, shop};
use crate::support::{nginx, postgres, sshd};
use fanout::gather::{EventKind, State};
use std::time::Duration;

#[test]
fn one_plan_with_every_kind_of_source_brings_all_bytes() {
    let (Some(nginx), Some(postgres), Some(sshd)) = (nginx(), postgres(), sshd()) else { return };
    let page: Vec<u8> = (0..100_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    nginx.file("mixed/page.bin", &page);
    let served = sshd.serve();
    let file = |n: u32| (0..5000 * n).map(|byte| (byte % 253) as u8).collect::<Vec<_>>();
    for n in 1..=5 {
        served.file(&format!("box/deep/{n}.dat"), file(n));
    }
    let plan = Plan::new(&format!(
        r#"
version = 1
{}{}{}{}
[jobs.page]
source = "web"
get = "mixed/page.bin"
output = "page.bin"

[jobs.sales]
source = "shop"
query = "select n, 'row ' || n as text, null::int as nothing from generate_series(1, 1000) n where n > $1"
params = [1]
output = "sales.csv"

[jobs.squares]
source = "ledger"
query = "select id, square from entries where id <= :most order by id"
params = {{ most = 3 }}
output = "squares.jsonl"

[jobs.files]
source = "partner"
fetch = "{}/box/**/*.dat"
output = "inbox/"
"#,
        http("web", &nginx.url),
        shop(),
        ledger(),
        partner(sshd, &sshd.host, sshd.port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts());
    make_ledger(&plan, 10);
    let ended = plan.fanout(&["run", "plan.toml"]).env(SHOP_URL, &postgres.url).run();
    ended.exits(0).complains("8 items: 8 done");
    for job in ["page", "sales", "squares", "files"] {
        ended.complains(job);
    }
    assert!(plan.bytes("page.bin") == page);
    let rows: String = (2..=1000).map(|n| format!("{n},row {n},\n")).collect();
    assert_eq!(plan.read("sales.csv").replace("\r\n", "\n"), format!("n,text,nothing\n{rows}"));
    assert_eq!(
        plan.read("squares.jsonl"),
        "{\"id\":1,\"square\":1}\n{\"id\":2,\"square\":4}\n{\"id\":3,\"square\":9}\n"
    );
    for n in 1..=5 {
        assert!(plan.bytes(&format!("inbox/deep/{n}.dat")) == file(n), "{n}");
    }
    assert_eq!(plan.files().len(), 9, "{:#?}", plan.files());
}

#[test]
fn a_job_uses_the_rows_and_the_json_of_others_and_waits_for_them() {
    let server = ClockServer::start(|asked| Answer {
        delay: Duration::from_millis(30),
        body: match asked.path.as_str() {
            "/list" => br#"{"items": ["a b", "c/d"]}"#.to_vec(),
            path => path.to_owned().into_bytes(),
        },
        ..Answer::default()
    });
    let plan = Plan::new(&format!(
        r#"
version = 1
{}{}
[jobs.last]
source = "web"
get = "last"
needs = ["by_name"]
output = "last.txt"

[jobs.by_name]
source = "web"
get = "name/${{{{ item }}}}"
for_each = "${{{{ jobs.list.json.items }}}}"
output = "names/${{{{ item }}}}.txt"

[jobs.by_row]
source = "web"
get = "row/${{{{ item.id }}}}"
for_each = "${{{{ jobs.ids.rows }}}}"
key = "${{{{ item.id }}}}"
output = "rows/${{{{ item.square }}}}.txt"

[jobs.list]
source = "web"
get = "list"

[jobs.ids]
source = "ledger"
query = "select id, square from entries order by id"
"#,
        http("web", &server.url("")),
        ledger()
    ));
    make_ledger(&plan, 3);
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(0);
    assert_eq!(ended.stdout, "", "what others use goes nowhere else");
    assert_eq!(plan.read("names/a b.txt"), "/name/a%20b");
    assert_eq!(plan.read("names/c%2Fd.txt"), "/name/c%2Fd");
    for id in 1..=3 {
        assert_eq!(plan.read(&format!("rows/{}.txt", id * id)), format!("/row/{id}"));
    }
    let spans = server.spans();
    let of = |path: &str| {
        spans.iter().filter(|span| span.name.starts_with(&format!("GET {path}"))).collect::<Vec<_>>()
    };
    let (list, names, last) = (of("/list"), of("/name/"), of("/last"));
    assert_eq!((list.len(), names.len(), last.len()), (1, 2, 1), "{spans:#?}");
    assert!(names.iter().all(|name| name.begin >= list[0].end && name.end <= last[0].begin), "{spans:#?}");
}

#[test]
fn a_job_whose_need_failed_is_skipped_and_asks_nothing() {
    let server = ClockServer::start(|asked| Answer {
        status: Some(if asked.path == "/bad" { 404 } else { 200 }),
        ..Answer::default()
    });
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.bad]\nsource = \"web\"\nget = \"bad\"\noutput = \"bad.txt\"\n[jobs.then]\nsource = \"web\"\nget = \"then\"\nneeds = [\"bad\"]\noutput = \"then.txt\"\n",
        http("web", &server.url(""))
    ));
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("1 skipped");
    assert_eq!(server.asked(), 1);
    assert_eq!(plan.files(), Vec::<String>::new());
}

#[test]
fn a_named_limit_holds_over_two_sources() {
    let server = ClockServer::start(|_| Answer { delay: Duration::from_millis(20), ..Answer::default() });
    let job = |name: &str| {
        format!(
            "{}limit = \"gate\"\n[jobs.{name}]\nsource = \"{name}\"\nget = \"{name}/${{{{ item }}}}\"\nfor_each = {{ range = [1, 6] }}\noutput = \"{name}/${{{{ item }}}}\"\n",
            http(name, &server.url(""))
        )
    };
    let gate =
        |count: u32| format!("version = 1\n[limits.gate]\nconcurrency = {count}\n{}{}", job("a"), job("b"));
    let plan = Plan::new(&gate(1));
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert_eq!((server.asked(), peak(&server.spans())), (12, 1));
    plan.write("plan.toml", gate(4));
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    let peak = peak(&server.spans());
    assert!((2..=4).contains(&peak), "{peak}");
}

/// Three jobs that end in the order 2, 3, 1.
fn three(server: &ClockServer) -> Plan {
    let job = |n: u32| format!("[jobs.job{n}]\nsource = \"web\"\nget = \"{n}\"\n");
    Plan::new(&format!("version = 1\n{}{}{}{}", http("web", &server.url("")), job(1), job(2), job(3)))
}

fn waiting() -> ClockServer {
    ClockServer::start(|asked| Answer {
        delay: Duration::from_millis(match asked.path.as_str() {
            "/1" => 400,
            "/3" => 200,
            _ => 0,
        }),
        body: format!("result {}", &asked.path[1..]).into_bytes(),
        ..Answer::default()
    })
}

#[test]
fn results_without_an_output_go_to_stdout_in_the_plans_order() {
    let server = waiting();
    let ended = three(&server).fanout(&["run", "plan.toml"]).run().exits(0).stdout.clone();
    assert_eq!(ended, "result 1\nresult 2\nresult 3\n");
    let order: Vec<String> = server.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(order, ["GET /2", "GET /3", "GET /1"]);
}

#[test]
fn a_single_result_goes_to_stdout_byte_for_byte() {
    let server = ClockServer::start(|_| Answer { body: vec![b'a', 0, b'b'], ..Answer::default() });
    let job = "[jobs.it]\nsource = \"web\"\nget = \"it\"\n";
    let plan = Plan::new(&format!("version = 1\n{}{job}", http("web", &server.url(""))));
    assert_eq!(plan.fanout(&["run", "plan.toml"]).run().exits(0).stdout, "a\0b");
}

#[test]
fn the_event_log_in_a_file_tells_the_whole_run() {
    let server = waiting();
    let plan = three(&server);
    plan.fanout(&["run", "plan.toml", "--events=events.jsonl"]).run().exits(0).prints("result 2");
    let events = events(&plan.bytes("events.jsonl"));
    assert!(matches!(&events[0].kind, EventKind::RunStarted(info) if info.jobs.len() == 3), "{events:#?}");
    assert!(matches!(events.last().unwrap().kind, EventKind::RunEnded { exit: 0, .. }), "{events:#?}");
    let mut ended = outcomes(&events);
    ended.sort_by(|a, b| a.0.cmp(&b.0));
    let done = |name: &str| (name.to_owned(), State::Done);
    assert_eq!(ended, [done("job1"), done("job2"), done("job3")]);
    assert!(events.is_sorted_by_key(|event| event.at), "{events:#?}");
}

#[test]
fn the_event_log_on_stdout_and_a_result_there_is_a_usage_error() {
    let server = waiting();
    let plan = three(&server);
    let ended = plan.fanout(&["run", "plan.toml", "--events"]).run();
    ended.exits(2).complains("job \"job1\"").complains("--events=FILE");
    assert_eq!((ended.stdout.as_str(), server.asked()), ("", 0));
}

#[test]
fn the_event_log_goes_to_stdout_if_nothing_else_does() {
    let plan = Plan::new("version = 1\n[jobs.nap]\nsleep = \"1ms\"\n");
    let ended = plan.fanout(&["run", "plan.toml", "--events"]).run();
    ended.exits(0);
    assert_eq!(outcomes(&events(ended.stdout.as_bytes())), [("nap".to_owned(), State::Done)]);
}

#[test]
fn quiet_is_quiet_unless_something_fails() {
    let server = ClockServer::start(|asked| Answer {
        status: Some(if asked.path == "/bad" { 404 } else { 200 }),
        ..Answer::default()
    });
    let job = |path: &str| {
        format!(
            "version = 1\n{}[jobs.it]\nsource = \"web\"\nget = \"{path}\"\noutput = \"it\"\n",
            http("web", &server.url(""))
        )
    };
    let plan = Plan::new(&job("good"));
    let ended = plan.fanout(&["run", "-q", "plan.toml"]).run();
    ended.exits(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    plan.write("plan.toml", job("bad"));
    plan.fanout(&["run", "-q", "plan.toml"]).run().exits(1).complains("404");
    plan.fanout(&["run", "--progress", "none", "plan.toml"]).run().exits(1).complains("404");
}
