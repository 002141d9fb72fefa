//! `fanout history` and `fanout show`: what is recorded of runs, also of one that was killed or goes on; one run of a plan
//! at a time. Not here: each view (unit tests beside it).

use crate::support::plan::Plan;
use rustix::process::Signal;

/// One job that is done at once and one that is not.
const LONG: &str = r#"
version = 1
name = "nightly"
[jobs.quick]
sleep = "1ms"
[jobs.long]
sleep = "10m"
"#;

const SHORT: &str = r#"
version = 1
[jobs.wait]
for_each = ["a", "b"]
sleep = "1ms"
"#;

#[test]
fn a_run_that_was_killed_is_told_from_one_that_goes_on_and_is_shown_as_far_as_it_went() {
    let plan = Plan::new(LONG);
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until_it_says("quick");
    let process = format!("running, process {}", running.id());
    plan.fanout(&["history"]).run().exits(0).prints(&process).prints("nightly");
    plan.fanout(&["show"]).run().exits(0).prints("the run has not ended");
    running.signal(Signal::KILL);
    running.wait().killed_by(Signal::KILL);
    plan.fanout(&["history"]).run().exits(0).prints("killed");
    plan.fanout(&["show", "nightly"]).run().exits(0).prints("1 done").prints("the run has not ended");
}

#[test]
fn a_plan_that_runs_is_not_begun_again_but_where_that_is_asked_for() {
    let plan = Plan::new(LONG);
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until_it_says("quick");
    let again = plan.fanout(&["run", "plan.toml"]).run();
    again.exits(8).complains(&format!("plan \"nightly\" is running already: process {}", running.id()));
    let allowed = plan.fanout(&["run", "plan.toml", "quick", "--overlap", "allow"]).run();
    allowed.exits(0);
    let mut waits = plan.fanout(&["run", "plan.toml", "quick", "--overlap", "wait"]).start();
    waits.until("the one that waits is there", || logs(&plan) == 3);
    running.signal(Signal::KILL);
    running.wait();
    waits.wait().exits(0).complains("1 item: 1 done");
}

/// However long it waited for another run of its plan, or for its secrets.
#[test]
fn a_run_began_when_its_clock_did_in_its_log_the_history_and_the_lock() {
    let plan = Plan::new(
        "version = 1\nname = \"nightly\"\n[jobs.long]\nsleep = \"10m\"\n[jobs.quick]\nsleep = \"1ms\"\n",
    );
    let mut first = plan.fanout(&["run", "plan.toml"]).start();
    first.until_it_says("quick");
    let mut waits = plan.fanout(&["run", "plan.toml", "quick", "--overlap", "wait"]).start();
    waits.until("the one that waits is there", || logs(&plan) == 2);
    first.signal(Signal::KILL);
    first.wait();
    waits.wait().exits(0);
    let mut last = plan.fanout(&["run", "plan.toml"]).start();
    last.until_it_says("quick");
    let listed = plan.fanout(&["history", "--json"]).run();
    let runs: Vec<serde_json::Value> =
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.len(), 3, "one that was killed, one that waited, one that goes on");
    let logged = |run: &serde_json::Value| -> serde_json::Value {
        let log = plan.fanout(&["show", run["id"].as_str().unwrap(), "--as", "events"]).run();
        serde_json::from_str(log.stdout.lines().next().unwrap()).unwrap()
    };
    for run in &runs {
        assert_eq!(run["started"], logged(run)["started"]);
    }
    let since = format!("since {}", runs[0]["started"].as_str().unwrap());
    plan.fanout(&["run", "plan.toml"]).run().exits(8).complains(&since);
}

#[test]
fn what_is_recorded_is_found_by_run_plan_and_item() {
    let plan = Plan::new(SHORT);
    plan.fanout(&["show"]).run().exits(2).complains("nothing is recorded yet");
    for _ in 0..2 {
        plan.fanout(&["run", "plan.toml"]).run().exits(0);
    }
    let listed = plan.fanout(&["history", "plan.toml", "--json"]).run();
    let runs: Vec<serde_json::Value> =
        listed.exits(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.len(), 2);
    assert_eq!((&runs[0]["name"], &runs[0]["exit"]), (&"plan".into(), &0.into()));
    assert_eq!(runs[0]["counts"]["done"], 2);
    let (id, other) = (runs[0]["id"].as_str().unwrap(), runs[1]["id"].as_str().unwrap());
    assert_ne!(id, other);
    plan.fanout(&["history", "plan.toml", "wait[b]"]).run().exits(0).prints(id).prints(other).prints("done");
    let events = plan.fanout(&["show", id, "--as", "events"]).run();
    events.exits(0).prints(&format!("\"id\":\"{id}\"")).prints("run_ended");
    plan.fanout(&["show", "2"]).run().exits(2).complains("more than one run begins with \"2\"");
    plan.fanout(&["show", "plan.toml", "-o", "run.txt"]).run().exits(0).complains("run.txt");
    assert!(plan.read("run.txt").contains("2 items: 2 done"));
    plan.fanout(&["show", "nothing-like-it"]).run().exits(2).complains("neither an event log");
}

/// What a plan is called when it drives a terminal, and how that is shown.
const HOSTILE: (&str, &str) =
    ("x\\u001b]0;pwned\\u0007\\u001b[2J\\nFAKE ROW\\u202e", r"x\x1b]0;pwned\x07\x1b[2J\nFAKE ROW\u{202e}");

#[test]
fn a_plans_name_can_neither_drive_the_terminal_nor_forge_a_line() {
    let (name, shown) = HOSTILE;
    let plan = Plan::new(&LONG.replace("nightly", name));
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until_it_says("quick");
    let again = plan.fanout(&["run", "plan.toml"]).run();
    again.exits(8).complains("FAKE ROW");
    assert_eq!(again.stderr.lines().count(), 2, "{again:?}");
    let listed = plan.fanout(&["history"]).run();
    assert_eq!(listed.exits(0).prints(shown).stdout.lines().count(), 2, "{listed:?}");
    plan.fanout(&["check", "plan.toml"]).run().exits(0).prints(shown);
    for ended in [again, listed] {
        ended.never_says("\x1b").never_says("\x07").never_says("\u{202e}");
    }
    running.signal(Signal::KILL);
    running.wait();
}

#[test]
fn what_a_log_from_elsewhere_names_is_made_visible() {
    let plan = Plan::new(SHORT);
    plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run().exits(0);
    let role = "{\"t\":0.1,\"event\":\"job_started\",\"job\":7,\"name\":\"x\",\"role\":\"zz\\u001b[31m\\nforged\"}\n";
    plan.write("foreign", plan.read("log.jsonl") + role);
    let ended = plan.fanout(&["show", "foreign"]).run();
    ended.exits(0).complains(r"zz\x1b[31m\nforged").never_says("\x1b").never_says("\nforged");
}

#[test]
fn a_log_that_was_cut_before_its_first_byte_is_an_empty_run_wherever_it_comes_from() {
    let plan = Plan::empty();
    plan.write("empty", "");
    plan.fanout(&["show", "empty"]).run().exits(0).prints("0 items");
    plan.fanout(&["show", "-"]).run().exits(0).prints("0 items");
}

#[test]
fn a_plan_with_a_name_is_found_by_its_file_too() {
    let plan = Plan::new("version = 1\nname = \"nightly\"\n[jobs.nap]\nsleep = \"1ms\"\n");
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    for named in ["nightly", "plan.toml", "./plan.toml"] {
        plan.fanout(&["history", named]).run().exits(0).prints("nightly");
        plan.fanout(&["history", named, "nap"]).run().exits(0).prints("done");
        plan.fanout(&["show", named]).run().exits(0).prints("1 item: 1 done");
    }
}

#[test]
fn a_log_is_shown_on_another_machine() {
    let here = Plan::new(SHORT);
    here.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run().exits(0);
    let there = Plan::empty();
    there.write("from-afar", here.bytes("log.jsonl"));
    there.fanout(&["show", "from-afar"]).run().exits(0).prints("wait[b]").prints("2 items: 2 done");
    there.fanout(&["show", "-"]).stdin(here.bytes("log.jsonl")).run().exits(0).prints("2 items: 2 done");
    there.fanout(&["show", "from-afar", "--as", "events"]).run().exits(0).prints(&here.read("log.jsonl"));
}

#[test]
fn every_view_is_drawn_of_a_recorded_run() {
    let plan = Plan::new(SHORT);
    let summary = plan.path("summary.md");
    plan.fanout(&["run", "plan.toml"]).env("GITHUB_STEP_SUMMARY", &summary).run().exits(0);
    assert!(plan.read("summary.md").contains("2 items: 2 done"), "{}", plan.read("summary.md"));
    let show = |form: &str| plan.fanout(&["show", "--as", form]).run();
    let trace: serde_json::Value = serde_json::from_str(&show("trace").exits(0).stdout).unwrap();
    assert!(trace["traceEvents"].as_array().is_some_and(|events| !events.is_empty()), "{trace}");
    show("junit").exits(0).prints("<testsuite name=\"wait\"").prints("tests=\"2\"");
    assert_eq!(show("files").exits(0).stdout.lines().count(), 0, "a sleep has no output");
}

#[test]
fn a_recorded_run_is_played_again_under_another_limit() {
    let plan = Plan::new(
        "version = 1\n[limits.shop]\nconcurrency = 2\n[jobs.wait]\nlimit = \"shop\"\nsleep = \"60ms\"\n\
         for_each = { range = [1, 12] }\n",
    );
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("raise limits.shop.concurrency 2 -> ");
    let what_if = |change: &str| plan.fanout(&["show", "--what-if", change]).run();
    what_if("limits.shop.concurrency=12")
        .exits(0)
        .prints("what if   limits.shop.concurrency 2 -> 12")
        .prints("less");
    what_if("limits.shpo.concurrency=12").exits(2).complains("shop");
    what_if("limits.shop=12").exits(2);
}

#[test]
fn a_state_folder_that_was_asked_for_must_be_usable_and_the_usual_one_need_not() {
    let plan = Plan::new(SHORT);
    plan.write("file", "");
    let asked = plan.fanout(&["run", "plan.toml", "--state-dir", "file/state"]).run();
    asked.exits(9).complains("state folder file/state");
    let by_variable = plan.fanout(&["run", "plan.toml"]).env("FANOUT_STATE_DIR", "file/state").run();
    by_variable.exits(9);
    let usual = plan.fanout(&["run", "plan.toml"]).env("XDG_STATE_HOME", plan.path("file")).run();
    usual.exits(0).complains("warning: the run is not recorded").complains("2 items: 2 done");
    let nowhere = plan.fanout(&["run", "plan.toml"]).env("HOME", "").run();
    nowhere.exits(0).complains("there is no home for it");
    plan.fanout(&["history"]).env("HOME", "").run().exits(3).complains("--state-dir");
}

#[test]
fn a_run_that_could_not_begin_is_not_recorded() {
    let plan = Plan::new(
        r#"
version = 1
[secrets]
key = { file = "absent" }
[sources.web]
kind = "http"
base_url = "http://127.0.0.1:1/"
headers = { authorization = "${{ secrets.key }}" }
[jobs.a]
source = "web"
get = "a"
"#,
    );
    plan.fanout(&["run", "plan.toml"]).run().exits(3).complains("absent");
    plan.fanout(&["history", "--json"]).run().exits(0);
    assert_eq!(logs(&plan), 0);
}

/// How many logs the usual state folder has.
fn logs(plan: &Plan) -> usize {
    let folder = plan.home().join(".local/state/fanout/runs");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
