//! What a plan's mistakes get: all of them at once, each with its file and line, exit code 3, and nothing is done. Not
//! here: every mistake there is (`plan`'s own tests), and what goes wrong in a run (`errors`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::command::Ended;
use crate::support::plan::Plan;
use crate::support::sources::http;

/// Checks and runs a plan; both say the same, and nothing is asked of the server.
#[track_caller]
fn refused(plan: &Plan) -> Ended {
    let checked = plan.fanout(&["check", "plan.toml"]).run();
    checked.exits(3);
    assert_eq!(checked.stdout, "", "{checked:?}");
    let before = plan.files();
    let run = plan.fanout(&["run", "plan.toml"]).run();
    run.exits(3);
    assert_eq!((&run.stderr, plan.files()), (&checked.stderr, before), "{run:?}");
    checked
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_line() {
    let server = ClockServer::start(|_| Answer::default());
    let plan = Plan::new(&format!(
        r#"version = 1
nonsense = 3
{}concurency = 4

[sources.other]
kind = "http"
base_url = "http://127.0.0.1:9/"

[jobs.undefined]
source = "other"
get = "${{{{ vars.nobody }}}}"
output = "undefined"

[jobs.type]
source = "other"
get = ["a", "list"]
output = "type"

[jobs.first]
source = "other"
get = "first"
needs = ["second"]
output = "first"

[jobs.second]
source = "other"
get = "second"
needs = ["first"]
output = "second"

[jobs.twin]
source = "other"
get = "twin"
output = "undefined.csv"

[jobs.double]
source = "other"
get = "double"
output = "undefined.csv"

[jobs.lost]
source = "othr"
get = "lost"
"#,
        http("web", &server.url(""))
    ));
    let ended = refused(&plan);
    for (line, text) in [
        ("fanout: plan.toml:2", "unknown key `nonsense`"),
        ("plan.toml:6: source \"web\"", "unknown key `concurency`"),
        ("plan.toml:14: job \"undefined\"", "`vars.nobody` is not defined"),
        ("plan.toml:19: job \"type\"", "`get`"),
        ("plan.toml:22: job \"first\"", "waits for itself: first -> second -> first"),
        ("plan.toml:39: job \"double\"", "have one output: undefined.csv"),
        ("plan.toml:45: job \"lost\"", "unknown source \"othr\""),
    ] {
        let told = ended.stderr.lines().any(|said| said.starts_with(line) && said.contains(text));
        assert!(told, "no line {line}: {text}\n{ended:?}");
    }
    ended.complains("did you mean `concurrency`?").complains("did you mean `other`?");
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_duplicate_key_is_named_with_its_line() {
    let plan = Plan::new("version = 1\n[jobs.nap]\nsleep = \"1s\"\nsleep = \"2s\"\n");
    refused(&plan).complains("fanout: plan.toml:4: duplicate key");
}

#[test]
fn a_missing_plan_is_named() {
    Plan::empty().fanout(&["run", "none.toml"]).run().exits(3).complains("fanout: none.toml: No such file");
    Plan::empty().fanout(&["run"]).run().exits(3).complains("fanout.toml");
}

#[test]
fn missing_input_files_are_named_with_their_line() {
    let plan = Plan::new(
        "version = 1\n[sources.l]\nkind = \"sqlite\"\npath = \"l.db\"\n[jobs.a]\nsource = \"l\"\nquery_file = \"nope.sql\"\noutput = \"a.csv\"\n[jobs.b]\nsource = \"l\"\nquery = \"select :x\"\nparams = { x = \"${{ item.x }}\" }\nfor_each = { file = \"no.csv\" }\noutput = \"b/${{ item.x }}.csv\"\n",
    );
    let ended = refused(&plan);
    ended.complains("plan.toml:7: job \"a\"").complains("nope.sql");
    ended.complains("plan.toml:13: job \"b\"").complains("no.csv");
}

#[test]
fn a_literal_password_is_refused_and_not_repeated() {
    let plan = Plan::new(
        r#"version = 1
[sources.a]
kind = "postgres"
url = "postgres://me:hunter2-a@127.0.0.1/db"
[sources.b]
kind = "sftp"
host = "127.0.0.1"
user = "me"
password = "hunter2-b"
[sources.c]
kind = "http"
base_url = "http://127.0.0.1/"
headers = { authorization = "Bearer hunter2-c" }
[jobs.a]
source = "c"
get = "http://me:hunter2-d@127.0.0.1/x"
output = "a"
"#,
    );
    let ended = refused(&plan);
    for line in [4, 9, 13] {
        ended.complains(&format!("plan.toml:{line}: "));
    }
    ended.never_says("hunter2").complains("{ env = ");
}

#[test]
fn sql_is_never_pasted_together() {
    let plan = Plan::new(
        "version = 1\nvars = { day = \"1\" }\n[sources.l]\nkind = \"sqlite\"\npath = \"l.db\"\n[jobs.a]\nsource = \"l\"\nquery = \"select ${{ vars.day }}\"\noutput = \"a.csv\"\n",
    );
    refused(&plan).complains("plan.toml:8: job \"a\"").complains("params");
}

#[test]
fn a_secret_that_cannot_be_had_stops_the_run_before_it_begins() {
    let server = ClockServer::start(|_| Answer::default());
    let plan = Plan::new(&format!(
        "version = 1\n[secrets]\ntoken = {{ env = \"NOT_SET_ANYWHERE\" }}\n{}headers = {{ x-token = \"${{{{ secrets.token }}}}\" }}\n[jobs.it]\nsource = \"web\"\nget = \"it\"\noutput = \"it\"\n",
        http("web", &server.url(""))
    ));
    plan.fanout(&["run", "plan.toml"]).run().exits(3).complains("NOT_SET_ANYWHERE");
    assert_eq!((server.asked(), plan.files().len()), (0, 0));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let plan = Plan::new("version = 1\n[jobs.nap]\nsleep = \"1ms\"\n");
    plan.write("settings.toml", "colour = \"always\"\n");
    plan.fanout(&["run", "plan.toml", "--config", "settings.toml"]).run().exits(3).complains("colour");
    plan.fanout(&["run", "plan.toml"]).env("FANOUT_LOG", "a=b=c").run().exits(3).complains("a=b=c");
}
