//! The commands around a run: `check`, `schema`, `completions`, `--version`. Not here: what a plan's mistakes are called
//! (`mistakes`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::plan::Plan;
use crate::support::sources::{SHOP_URL, http, know, ledger, make_ledger, partner, shop};
use crate::support::{postgres, process, sshd};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn a_plan_without_mistakes_is_checked_without_a_connection() {
    let server = ClockServer::start(|_| Answer::default());
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.it]\nsource = \"web\"\nget = \"it\"\noutput = \"it\"\n",
        http("web", &server.url(""))
    ));
    plan.fanout(&["check", "plan.toml"]).run().exits(0).prints("plan: 1 job, 1 source, no mistakes");
    assert_eq!((server.asked(), plan.files().len()), (0, 0));
}

#[test]
fn connect_logs_in_to_every_source_and_asks_for_nothing_else() {
    let (Some(postgres), Some(sshd)) = (postgres(), sshd()) else { return };
    let server = ClockServer::start(|_| Answer { status: Some(404), ..Answer::default() });
    let plan = Plan::new(&format!(
        "version = 1\n{}{}{}{}[jobs.it]\nsource = \"web\"\nget = \"it\"\noutput = \"it\"\n",
        http("web", &server.url("")),
        ledger(),
        shop(),
        partner(sshd, &sshd.host, sshd.port)
    ));
    know(&plan, &sshd.known_hosts());
    make_ledger(&plan, 1);
    let ended = plan.fanout(&["check", "plan.toml", "--connect"]).env(SHOP_URL, &postgres.url).run();
    ended.exits(0);
    for name in ["web", "ledger", "shop", "partner"] {
        ended.prints(&format!("{name}: connected to "));
    }
    ended.never_says("correct");
    let visits = server.visits();
    assert!(visits.iter().all(|visit| visit.asked.method == "HEAD"), "{visits:#?}");
}

#[test]
fn connect_names_each_source_that_cannot_be_used() {
    let nobody = process::free_address();
    let server = ClockServer::start(|_| Answer::default());
    let plan = Plan::new(&format!(
        "version = 1\n{}{}[jobs.it]\nsource = \"web\"\nget = \"it\"\noutput = \"it\"\n",
        http("web", &server.url("")),
        http("gone", &format!("http://{nobody}"))
    ));
    let ended = plan.fanout(&["check", "plan.toml", "--connect"]).run();
    ended.exits(1).complains("1 of 2 sources can't be used").complains("gone: ").complains("refused");
}

#[test]
fn the_schema_is_json_and_names_every_kind_and_operation() {
    let ended = Plan::empty().fanout(&["schema"]).run();
    ended.exits(0);
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut names = BTreeSet::new();
    collect(&schema, &mut names);
    for name in ["http", "postgres", "sqlite", "sftp", "get", "post", "query", "query_file", "fetch", "sleep"]
    {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let references: Vec<&str> = references(&schema);
    assert!(!references.is_empty());
    for reference in references {
        let place = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        assert!(schema.pointer(place).is_some(), "{reference} leads nowhere");
    }
}

/// Every key and every constant of a schema.
fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            names.insert(name.clone());
            collect(value, names);
        }),
        Value::Array(list) => list.iter().for_each(|value| collect(value, names)),
        Value::String(text) => drop(names.insert(text.clone())),
        _ => {}
    }
}

fn references(value: &Value) -> Vec<&str> {
    let own = value.get("$ref").and_then(Value::as_str);
    let below: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(below.into_iter().flat_map(references)).collect()
}

#[test]
fn bash_can_read_its_completions() {
    let plan = Plan::empty();
    let script = plan.fanout(&["completions", "bash"]).run().exits(0).stdout.clone();
    plan.write("complete.bash", script);
    let command = ". ./complete.bash && COMP_WORDS=(fanout comp) COMP_CWORD=1 && _fanout fanout comp fanout && echo ${COMPREPLY[@]}";
    let output =
        std::process::Command::new("bash").args(["-c", command]).current_dir(plan.folder()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "compare completions\n", "{output:?}");
}

#[test]
fn the_version_is_the_crates_and_names_the_commit_where_git_knows_it() {
    let ended = Plan::empty().fanout(&["--version"]).run();
    ended.exits(0).prints(&format!("fanout {}", env!("CARGO_PKG_VERSION")));
    let git = std::process::Command::new("git")
        .args(["rev-parse", "--is-inside-work-tree"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    if git.is_ok_and(|output| output.status.success()) {
        let commit = ended.stdout.split('(').nth(1).and_then(|rest| rest.split([' ', ')']).next());
        let hexadecimal = |text: &str| text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit());
        assert!(commit.is_some_and(hexadecimal), "{}", ended.stdout);
    }
}

#[test]
fn what_makes_no_sense_on_the_command_line_is_a_usage_error() {
    let plan = Plan::new("version = 1\n[jobs.nap]\nsleep = \"1ms\"\n");
    for arguments in [
        &["fly"][..],
        &["run", "--nonsense"],
        &["run", "plan.toml", "--deadline", "soon"],
        &["run", "plan.toml", "--deadline", "0s"],
        &["run", "plan.toml", "--deadline", "200000000000000d"],
        &["run", "plan.toml", "nobody"],
        &["run", "plan.toml", "--var", "x"],
    ] {
        plan.fanout(arguments).run().exits(2);
    }
    let none = plan.fanout(&["run", "plan.toml", "-j", "0"]).run();
    none.exits(2).complains("'0'").complains("must be a whole number, 1 or more");
    plan.fanout(&["run", "plan.toml", "--var", "x=1"]).run().exits(3).complains("--var x");
}
