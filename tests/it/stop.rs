//! Runs that end before their time: signals, deadlines, fail fast; and what can't be written at the end. Not here: what
//! is left of a stopped transfer (`fetch`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::plan::Plan;
use crate::support::sources::{SHOP_URL, events, http, outcomes, shop};
use crate::support::{or_skip, postgres, process};
use fanout::gather::State;
use rustix::process::Signal;
use std::time::Duration;

/// Longer than any test waits.
const EVER: Duration = Duration::from_secs(600);

/// A server that answers `/quick` at once and nothing else, ever.
fn slow() -> ClockServer {
    ClockServer::start(|asked| Answer {
        delay: if asked.path == "/quick" { Duration::ZERO } else { EVER },
        status: Some(200),
        body: b"quick".to_vec(),
        ..Answer::default()
    })
}

fn plan(server: &ClockServer, more: &str) -> Plan {
    let job =
        |name: &str| format!("[jobs.{name}]\nsource = \"web\"\nget = \"{name}\"\noutput = \"{name}.txt\"\n");
    Plan::new(&format!(
        "version = 1\n{more}{}{}{}{}",
        http("web", &server.url("")),
        job("quick"),
        job("never"),
        "[jobs.after]\nsource = \"web\"\nget = \"after\"\nneeds = [\"never\"]\noutput = \"after.txt\"\n"
    ))
}

#[test]
fn a_termination_ends_the_run_and_keeps_what_is_done() {
    let server = slow();
    let plan = plan(&server, "");
    let mut running = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).start();
    running.until("both requests", || server.asked() == 2 && plan.path("quick.txt").exists());
    running.signal(Signal::TERM);
    running.wait().exits(143).complains("1 done").complains("1 cancelled");
    assert_eq!(plan.files(), ["log.jsonl", "quick.txt"]);
    let outcomes = outcomes(&events(&plan.bytes("log.jsonl")));
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert!(outcomes.contains(&("never".to_owned(), State::Cancelled)), "{outcomes:?}");
    assert!(server.visits().iter().any(|visit| !visit.answered), "the server saw its client go");
}

#[test]
fn a_signal_says_more_than_a_log_that_cannot_be_written() {
    let server = slow();
    let plan = plan(&server, "");
    let mut running = plan.fanout(&["run", "plan.toml", "--events=/dev/full"]).start();
    running.until("both requests", || server.asked() == 2 && plan.path("quick.txt").exists());
    running.signal(Signal::TERM);
    running.wait().exits(143).complains("the event log /dev/full could not be written").complains("1 done");
}

/// A plan whose secret is never told: its command writes its process id to `pid` and waits.
fn plan_of_a_secret() -> Plan {
    Plan::new(&format!(
        "version = 1\n[secrets]\ntoken = {{ command = [\"sh\", \"-c\", \"echo $$ > pid; exec sleep 600\"] }}\n{}headers = {{ x-token = \"${{{{ secrets.token }}}}\" }}\n[jobs.it]\nsource = \"web\"\nget = \"it\"\noutput = \"it\"\n",
        http("web", "http://127.0.0.1:9")
    ))
}

#[test]
fn who_asks_what_runs_before_anything_does_ends_nothing() {
    let plan = plan_of_a_secret();
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("the command", || plan.files().contains(&"pid".to_owned()));
    running.signal(Signal::USR1);
    running.signal(Signal::TERM);
    running.wait().exits(143);
}

#[test]
fn a_termination_ends_the_command_that_is_asked_for_a_secret() {
    let plan = plan_of_a_secret();
    for arguments in
        [&["run", "plan.toml"][..], &["run", "plan.toml", "-n"], &["check", "plan.toml", "--connect"]]
    {
        let mut running = plan.fanout(arguments).start();
        running.until("the command", || {
            plan.files().contains(&"pid".to_owned()) && plan.read("pid").ends_with('\n')
        });
        let process = format!("/proc/{}", plan.read("pid").trim());
        std::fs::remove_file(plan.path("pid")).unwrap();
        running.signal(Signal::TERM);
        running.wait().exits(143);
        assert!(!std::path::Path::new(&process).exists(), "{arguments:?} left its command running");
    }
}

#[test]
fn a_run_says_what_runs_when_it_is_asked_and_goes_on() {
    let server = slow();
    let plan = plan(&server, "");
    for arguments in [&["run", "plan.toml"][..], &["run", "plan.toml", "--quiet"]] {
        let before = server.asked();
        let mut running = plan.fanout(arguments).start();
        running.until("both requests", || server.asked() == before + 2);
        running.signal(Signal::USR1);
        running.until_it_says("never");
        running.signal(Signal::TERM);
        running.wait().exits(143);
    }
}

#[test]
fn a_deadline_ends_the_run_with_a_code_of_its_own() {
    let server = slow();
    let by_flag = plan(&server, "");
    by_flag.fanout(&["run", "plan.toml", "--deadline", "500ms"]).run().exits(7).complains("deadline");
    assert_eq!(by_flag.files(), ["quick.txt"]);
    let by_plan = plan(&server, "[limits]\ndeadline = \"500ms\"\n");
    by_plan.fanout(&["run", "plan.toml"]).run().exits(7).complains("deadline");
    assert_eq!(by_plan.files(), ["quick.txt"]);
}

#[test]
fn fail_fast_stops_the_others_at_the_first_failure() {
    let server = ClockServer::start(|asked| match asked.path.as_str() {
        "/bad" => Answer { status: Some(404), ..Answer::default() },
        _ => Answer { delay: EVER, ..Answer::default() },
    });
    let job =
        |name: &str| format!("[jobs.{name}]\nsource = \"web\"\nget = \"{name}\"\noutput = \"{name}\"\n");
    let plan =
        Plan::new(&format!("version = 1\n{}{}{}", http("web", &server.url("")), job("never"), job("bad")));
    plan.fanout(&["run", "plan.toml", "--fail-fast"]).run().exits(1).complains("404").complains("cancelled");
    assert_eq!(plan.files(), Vec::<String>::new());
}

#[test]
fn a_timeout_of_an_attempt_is_its_items_alone() {
    let server = slow();
    let plan = plan(&server, "").read("plan.toml");
    let plan = Plan::new(
        &plan.replace("[jobs.never]\n", "[jobs.never]\ntimeout = { attempt = \"200ms\" }\nretries = 0\n"),
    );
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("1 timed out").complains("1 skipped");
    assert_eq!(plan.files(), ["quick.txt"]);
}

#[test]
fn a_stopped_query_is_stopped_on_the_server() {
    let Some(postgres) = postgres() else { return };
    let Some(psql) = or_skip(process::program(&["/usr/bin/psql"], "postgresql-client")) else { return };
    // Told apart from other tests' queries by its number.
    let running = || {
        let ask = "select count(*) from pg_stat_activity where query like '%pg_sleep(601.5)%' and pid <> pg_backend_pid() and state = 'active'";
        let output = std::process::Command::new(&psql).args([&postgres.url, "-AtXc", ask]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.long]\nsource = \"shop\"\nquery = \"select pg_sleep(601.5)::text\"\noutput = \"long.csv\"\n",
        shop()
    ));
    let mut program = plan.fanout(&["run", "plan.toml"]).env(SHOP_URL, &postgres.url).start();
    program.until("the query", || running() == "1");
    program.signal(Signal::INT);
    program.wait().exits(130);
    assert_eq!((running().as_str(), plan.files()), ("0", Vec::new()));
}

/// Answers with so many bytes.
fn at_once(bytes: usize) -> ClockServer {
    ClockServer::start(move |_| Answer { body: vec![b'x'; bytes], ..Answer::default() })
}

/// One result that goes to stdout, and one that goes into a file.
fn two_results(server: &ClockServer) -> Plan {
    Plan::new(&format!(
        "version = 1\n{}[jobs.quick]\nsource = \"web\"\nget = \"quick\"\noutput = \"quick.txt\"\n[jobs.said]\nsource = \"web\"\nget = \"said\"\n",
        http("web", &server.url(""))
    ))
}

#[test]
fn an_event_log_that_cannot_be_written_has_a_code_of_its_own_and_the_work_is_done_told_and_recorded() {
    let server = at_once(5);
    let plan = two_results(&server);
    let ended = plan.fanout(&["run", "plan.toml", "--events=/dev/full"]).run();
    ended
        .exits(9)
        .complains("the event log /dev/full could not be written")
        .complains("2 items: 2 done")
        .prints("xxxxx");
    assert_eq!(plan.read("quick.txt"), "xxxxx");
    plan.fanout(&["history", "plan.toml", "quick"]).run().exits(0).prints("done");
}

#[test]
fn a_view_that_cannot_be_written_keeps_nothing_else_from_being_done_told_and_recorded() {
    let server = at_once(5);
    let plan = two_results(&server);
    let full = plan.fanout(&["run", "plan.toml"]).through("exec \"$@\" 2>/dev/full").run();
    full.exits(9).prints("xxxxx");
    let closed = plan.fanout(&["run", "plan.toml"]).through("exec \"$@\" 2>&1 >said | head -c 1").run();
    closed.exits(0);
    assert_eq!((plan.read("said").as_str(), plan.read("quick.txt").as_str()), ("xxxxx", "xxxxx"));
    let history = plan.fanout(&["history", "plan.toml"]).run();
    assert_eq!(history.stdout.matches("2 of 2").count(), 2, "{history:?}");
}

#[test]
fn a_record_that_nobody_asked_for_and_that_cannot_be_written_is_a_warning() {
    let server = at_once(5);
    let plan = two_results(&server);
    // The log of 3,000 items does not fit, and what there is to print does.
    let many = "[jobs.many]\nfor_each = \"${{ range(3000) }}\"\nsleep = \"0s\"\n";
    std::fs::write(plan.folder().join("plan.toml"), plan.read("plan.toml") + many).unwrap();
    let ended = plan.fanout(&["run", "plan.toml"]).largest_file(200).run();
    ended
        .exits(0)
        .prints("xxxxx")
        .complains("warning: the run's record could not be written: ")
        .complains("3,002 items");
}

#[test]
fn after_the_run_a_signal_ends_a_program_whose_results_nobody_reads() {
    let server = at_once(1_000_000);
    let plan = two_results(&server);
    let mut program = plan.fanout(&["run", "plan.toml"]).unread().start();
    program.until_it_says("2 items: 2 done");
    program.signal(Signal::INT);
    program.wait().killed_by(Signal::INT);
}

#[test]
fn a_quiet_run_is_recorded_like_any_other() {
    let plan = Plan::new("version = 1\n[jobs.wait]\nfor_each = [\"a\", \"b\"]\nsleep = \"1ms\"\n");
    plan.fanout(&["-q", "run", "plan.toml"]).run().exits(0);
    plan.fanout(&["history", "plan.toml", "wait[b]"]).run().exits(0).prints("done");
}
