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

/// A plan with a mistake of every sort.
const WRONG: &str = r#"version = 1
include = ["more/*.toml"]
timezone = "Europe/Berln"
vars = { day = "${{ run.dya }}", later = "${{ vars.day }}" }
colour = "red"

[secrets]
hook = "hunter2"

[limits.db]
concurrency = -1

[defaults.http]
base_ulr = "https://api.example/"
redirects = "two"

[sources.shop]
kind = "postgers"
host = 5432

[sources.api]
kind = "http"
timeout = { conect = "5s", idle = "60" }

[sources.rates]
kind = "http"
headers = { authorization = "Bearer hunter2", "x y" = "z" }

[sources.partner]
kind = "sftp"
prot = 2222

[jobs.orders]
source = "shop"
query = "select :day, :shop"
params = { day = "${{ vars.later }}", shop = 1, no = 1 }
outptu = "orders.csv"

[jobs.fx]
source = "api"
get = "latest/${{ itm }}?key=${{ secrets.hook }}&day=${{ vars.dya }}"
for_each = ["EUR", "EUR"]
output = "fx.json"

[jobs.nap]
sleep = "2"
limit = "bd"

[jobs.two]
source = "api"
get = "a"
post = "b"
keep = "1 megabyte"

[jobs.first]
source = "rates"
get = "first"
needs = ["second", "ordrs"]
max_bytes = 10

[jobs.second]
source = "rates"
gett = "second"
needs = ["first"]

[jobs.files]
source = "partner"
fetch = "/out/[a"
output = "/abs/"

[jobs.nothing]
source = "rates"
when = "failed"

[jobs.lost]
source = "rtes"
get = ["a", "list"]

[jobs.homeless]
get = "x"

[jobs.nap]
sleep = "3"
"#;

/// What it includes.
const MORE: &str = r#"[vars]
more = 1

[jobs.two]
sleep = "1s"
min_items = "${{ item }}"
"#;

#[test]
fn all_mistakes_are_told_at_once_each_with_its_line_and_none_for_what_follows_from_it() {
    let plan = Plan::new(WRONG);
    plan.write("more/a.toml", MORE);
    let ended = refused(&plan);
    ended.never_says("hunter2");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_duplicate_key_is_named_with_its_line() {
    let plan = Plan::new("version = 1\n[jobs.nap]\nsleep = \"1s\"\nsleep = \"2s\"\n");
    refused(&plan).complains("fanout: plan.toml:4: job \"nap\": `sleep` is there twice");
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
    assert_eq!(ended.stderr.matches("plan.toml:").count(), 4, "one mistake is told once: {ended:?}");
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
