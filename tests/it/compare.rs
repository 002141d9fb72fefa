//! `fanout compare`: its figures, what it refuses, and that nothing is left of it. Not here: how large the figures are.

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::log::peak;
use crate::support::plan::Plan;
use crate::support::sources::http;
use std::fs;
use std::time::Duration;

fn waiting() -> ClockServer {
    ClockServer::start(|_| Answer {
        delay: Duration::from_millis(50),
        body: b"x".to_vec(),
        ..Answer::default()
    })
}

fn plan(server: &ClockServer, verb: &str) -> Plan {
    Plan::new(&format!(
        "version = 1\n{}[jobs.calls]\nsource = \"web\"\n{verb} = \"${{{{ item }}}}\"\nfor_each = {{ range = [1, 5] }}\noutput = \"out/${{{{ item }}}}\"\n",
        http("web", &server.url(""))
    ))
}

/// What `compare` says after a word, as a number.
fn figure(stdout: &str, name: &str) -> f64 {
    let line =
        stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}:\n{stdout}"));
    line[name.len()..].split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn it_runs_one_by_one_and_at_once_and_leaves_nothing() {
    let server = waiting();
    let plan = plan(&server, "get");
    let ended = plan.fanout(&["compare", "plan.toml"]).run();
    ended.exits(0);
    let (turn, once, saved) = (
        figure(&ended.stdout, "one by one"),
        figure(&ended.stdout, "at once"),
        figure(&ended.stdout, "saved"),
    );
    assert!((turn - once - saved).abs() < 0.02, "{ended:?}");
    let left = fs::read_dir(plan.temporary()).unwrap().count();
    assert_eq!((plan.files(), left), (Vec::new(), 0));
    // The warm-up, one by one, at once: by the server's clock.
    let mut spans = server.spans();
    spans.sort_by(|a, b| a.begin.total_cmp(&b.begin));
    assert_eq!(spans.len(), 15);
    assert_eq!([peak(&spans[..5]), peak(&spans[5..10]), peak(&spans[10..])], [5, 1, 5], "{spans:#?}");
}

#[test]
fn it_refuses_what_changes_something_unless_told() {
    let server = waiting();
    let plan = plan(&server, "post");
    plan.fanout(&["compare", "plan.toml"]).run().exits(2).complains("job \"calls\"").complains("--yes");
    assert_eq!(server.asked(), 0);
    plan.fanout(&["compare", "plan.toml", "--yes"]).run().exits(0).prints("saved");
    assert_eq!(server.asked(), 15);
}

#[test]
fn a_plan_that_fails_is_not_compared() {
    let server = ClockServer::start(|_| Answer { status: Some(404), ..Answer::default() });
    let plan = plan(&server, "get");
    let ended = plan.fanout(&["compare", "plan.toml"]).run();
    ended.exits(1).complains("404");
    let left = fs::read_dir(plan.temporary()).unwrap().count();
    assert_eq!((ended.stdout.as_str(), plan.files(), left), ("", Vec::new(), 0));
}
