mod checksums;
mod consequences;
mod items;
mod mistakes;
mod outputs;
mod schema;

use super::*;
use serde_json::{Value as Json, json};

/// A folder with files, and in it a plan that is read with the first of them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Folder(folder)
    }

    fn load(&self, vars: &[(&str, &str)]) -> Result<Plan, String> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let time = "2026-11-21T23:30:00Z".parse().unwrap();
        let run = Some(RunIdentity { id: "r1".to_owned(), time });
        let path = self.0.path().join("plan.toml");
        let plan = Plan::load(&path, &Overrides { vars, run, asking: None });
        if plan.is_ok() {
            schema::accepts(&std::fs::read_to_string(path).unwrap());
        }
        plan.map_err(|errors| errors.to_string().replace(&format!("{}/", self.0.path().display()), ""))
    }
}

fn load(text: &str) -> Result<Plan, String> {
    Folder::with(&[("plan.toml", text)]).load(&[])
}

fn errors(text: &str) -> String {
    load(text).map(|_| "no mistake".to_owned()).unwrap_or_else(|errors| errors)
}

/// A plan with a source for the jobs that are tried out.
fn jobs(text: &str) -> String {
    format!(
        "version = 1\n[limits.slow]\nrate = '1/s'\n[sources.api]\nkind = 'http'\nbase_url = 'https://api.example/'\n{text}"
    )
}

const WHOLE: &str = r#"
version = 1
name = "nightly"
timezone = "Europe/Berlin"
vars = { day = "${{ run.day }}", before = "${{ vars.day | days(-1) }}", width = 4 }

[secrets]
token = { env = "FANOUT_TEST_TOKEN" }

[limits]
concurrency = 512
deadline = "5h"
[limits.shared]
concurrency = 10

[defaults.http]
rate = "20/s"
retries = { count = 4, delay = "1s" }

[sources.api]
kind = "http"
base_url = "https://api.example/v1/"
headers = { authorization = "Bearer ${{ secrets.token }}" }
limit = "shared"
concurrency = "${{ vars.width }}"
retries = { count = 1 }
timeout = { attempt = "30s" }

[jobs.list]
source = "api"
get = "list?day=${{ vars.before }}"

[jobs.each]
source = "api"
get = "thing/${{ item.id }}"
for_each = "${{ jobs.list.json.things }}"
key = "${{ item.id }}"
output = "things/${{ vars.day }}/${{ item.id }}.json"
allow_failures = "1%"
policy = "fail_fast"
retries = 0
timeout = { attempt = "5s", total = "1m" }
needs = "wait"

[jobs.wait]
sleep = "2s"
keep = "2MiB"
"#;

#[test]
fn a_whole_plan_is_read() {
    let plan = Folder::with(&[("plan.toml", WHOLE)]).load(&[]).unwrap();
    assert_eq!((plan.name.as_str(), plan.limits.concurrency), ("nightly", 512));
    assert_eq!(plan.limits.deadline, Some(Duration::from_secs(5 * 3600)));
    assert_eq!(
        Json::Object(plan.globals.vars.clone()),
        json!({ "day": "2026-11-22", "before": "2026-11-21", "width": 4 })
    );
    assert_eq!(plan.globals.run["time"], json!("2026-11-22T00:30:00+01:00"));
    assert_eq!(plan.jobs.iter().map(|job| &*job.name).collect::<Vec<_>>(), ["list", "each", "wait"]);
    let api = &plan.sources[0];
    assert_eq!((api.kind, api.concurrency, api.bounds.rate.unwrap().count), ("http", 4, 20));
    let (list, each) = (plan.job("list").unwrap(), plan.job("each").unwrap());
    assert_eq!((list.retries.count, list.retries.delay, each.retries.count), (1, Duration::from_secs(1), 0));
    assert_eq!(each.timeouts.attempt, Some(Duration::from_secs(5)));
    assert_eq!(
        (list.timeouts.attempt, list.timeouts.idle),
        (Some(Duration::from_secs(30)), Some(Duration::from_secs(60)))
    );
    assert_eq!(each.needs, ["wait", "list"]);
    assert_eq!(each.named_limits, ["shared"]);
    assert!(each.allow_failures.allows(1, 100) && !each.allow_failures.allows(2, 100));
    assert_eq!((each.policy, list.policy), (Policy::FailFast, Policy::Settle));
    let wait = plan.job("wait").unwrap();
    assert_eq!((wait.source.kind, wait.source.built_in, wait.keep), ("sleep", true, Size(2 << 20)));
}

#[test]
fn every_kind_can_stand_in_one_plan() {
    let text = r#"
version = 1
name = "nightly"
vars = { day = "${{ run.day }}" }
[secrets]
rates = { plain = "open" }
[limits.warehouse]
concurrency = 10
[defaults.sftp]
user = "acme"
host_key = "SHA256:uwhOoCVTS7b3wlX1popZs5k609OaD1vQurHU34cCWPk"
[sources.partner]
kind = "sftp"
host = "sftp.partner.example"
password = { env = "FANOUT_TEST_UNSET" }
[sources.shop]
kind = "postgres"
host = "db.example"
limit = "warehouse"
[sources.local]
kind = "sqlite"
path = "local.db"
[sources.rates]
kind = "http"
base_url = "https://rates.example/v1/"
headers = { authorization = "Bearer ${{ secrets.rates }}" }
rate = "20/s"
retries = { count = 4, delay = "200ms", max_delay = "10s", jitter = true }
[jobs.invoices]
source = "partner"
fetch = "/outbox/${{ vars.day }}/**/*.csv"
output = "inbox/"
min_items = 1
[jobs.sales]
source = "shop"
query_file = "reports/*.sql"
params = { day = "${{ vars.day }}" }
output = "reports/${{ vars.day }}/${{ item.stem }}.csv"
[jobs.count]
source = "local"
query = "select count(*) from t where day = $1"
params = ["${{ vars.day }}"]
[jobs.fx]
source = "rates"
get = "latest/${{ item }}"
for_each = ["EUR", "USD", "GBP"]
output = "fx/${{ item }}.json"
[jobs.function1]
sleep = "2s"
"#;
    let sql = "select 1 where :day is not null";
    let plan = Folder::with(&[("plan.toml", text), ("reports/a.sql", sql)]).load(&[]).unwrap();
    let shown = plan.jobs.iter().map(|job| format!("{} {} {}", job.name, job.source.kind, job.many()));
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r"
    invoices sftp true
    sales postgres true
    count sqlite false
    fx http true
    function1 sleep false
    ");
}

#[test]
fn the_digest_is_that_of_the_text() {
    let plan = load("version = 1\n[jobs.a]\nsleep = '1s'\n").unwrap();
    assert_eq!(plan.name, "plan");
    assert_eq!(plan.digest, "665184fa334f3353d714fd368d62dc4f3860a93e7badcb095c63ad7b4d71fdd6");
}

#[test]
fn variables_are_given_typed_or_taken_from_the_environment() {
    let text = "version = 1\nvars = { n = 3, s = 'a', e = { env = 'FANOUT_TEST_UNSET', default = 7 }, p = { env = 'PATH' }, t = [1] }\n[jobs.a]\nsleep = '1s'";
    let folder = Folder::with(&[("plan.toml", text)]);
    let plan = folder.load(&[("n", "5"), ("s", "7"), ("e", "8"), ("t", "[2]")]).unwrap();
    let mut vars = plan.globals.vars;
    assert_eq!(vars.remove("p"), std::env::var("PATH").ok().map(Json::String));
    assert_eq!(Json::Object(vars), json!({ "n": 5, "s": "7", "e": 8, "t": [2] }));
    assert_eq!(folder.load(&[]).unwrap().globals.vars["e"], json!(7));
    insta::assert_snapshot!(folder.load(&[("n", "x"), ("m", "1")]).err().unwrap(), @r#"
    plan.toml:2: --var m: the plan has no such variable
      (known: n, s, e, p, t)
    plan.toml:2: --var n: must be a whole number, not "x"
    "#);
    insta::assert_snapshot!(errors("version = 1\nvars.x = { env = 'FANOUT_TEST_UNSET' }\nvars.y = '${{ item }}'\n[jobs.a]\nsleep = '1s'"), @r#"
    plan.toml:2: `vars.x`: environment variable FANOUT_TEST_UNSET is not set
      (export it, or give a default: { env = "FANOUT_TEST_UNSET", default = ".." })
    plan.toml:3: `vars.y` can use `run` and the variables before it, and nothing else
    "#);
}

#[test]
fn included_files_bring_sources_and_jobs() {
    let api = "[sources.api]\nkind = 'http'\nbase_url = 'https://h/'\n";
    let one = format!("{api}[jobs.one]\nsource = 'api'\nget = 'x'\n");
    let files = [
        ("plan.toml", "version = 1\ninclude = ['in/*.toml', 'more.toml']\n[jobs.root]\nsleep = '1s'"),
        ("in/b.toml", "[jobs.two]\nsource = 'api'\nget = '${{ jobs.one.json.x }}'"),
        ("in/a.toml", &one),
        ("in/.c.toml", "nonsense"),
        ("more.toml", "[jobs.three]\nsleep = '1s'"),
    ];
    let plan = Folder::with(&files).load(&[]).unwrap();
    assert_eq!(plan.jobs.iter().map(|job| &*job.name).collect::<Vec<_>>(), ["root", "one", "two", "three"]);

    let broken = [
        (
            "plan.toml",
            "version = 1\ninclude = ['in/*.toml', '../x.toml', 'none.toml']\n[jobs.root]\nsleep = '1s'",
        ),
        ("in/a.toml", "\n[vars]\nx = 1\n[jobs.x]\nsleep = '1s'"),
        ("in/b.toml", "\n[jobs.root]\nsleep = '1s'\n[jobs.y]\nsleep = 's'"),
    ];
    insta::assert_snapshot!(Folder::with(&broken).load(&[]).err().unwrap(), @r#"
    plan.toml:2: `include`: "../x.toml" is not a path in the plan's folder or below
    plan.toml:2: `include`: none.toml: No such file or directory (os error 2)
    in/a.toml:2: `vars` can't stand in an included file
      (only [sources.NAME] and [jobs.NAME] can)
    in/b.toml:2: job "root": is there already: plan.toml:3
    in/b.toml:5: job "y": `sleep`: "s" is not a duration such as "30s", "5m" or "1h30m"
    "#);
    let second = [("plan.toml", "version = 1\ninclude = ['b.toml']\n[jobs.root]\nsleep = '1s'"), broken[2]];
    let second = [second[0], ("b.toml", second[1].1)];
    insta::assert_snapshot!(Folder::with(&second).load(&[]).err().unwrap(), @r#"
    b.toml:2: job "root": is there already: plan.toml:3
    b.toml:5: job "y": `sleep`: "s" is not a duration such as "30s", "5m" or "1h30m"
    "#);
}

#[test]
fn only_the_secrets_that_are_used_are_fetched() {
    let text = r#"
version = 1
[secrets]
a = { plain = "open sesame" }
b = { env = "FANOUT_TEST_UNSET" }
c = { file = "none" }
d = { env = "FANOUT_TEST_UNSET" }
[sources.s]
kind = "http"
base_url = "https://h/"
headers = { x = "${{ secrets.a }}" }
[jobs.one]
source = "s"
get = "x"
[jobs.two]
source = "s"
post = "x"
body = "${{ secrets.b ~ secrets.c }}"
"#;
    let mut plan = load(text).unwrap();
    let error = plan.resolve_secrets().err().unwrap().replace(&plan.folder.display().to_string(), "FOLDER");
    insta::assert_snapshot!(error, @r#"
    secret "b": environment variable FANOUT_TEST_UNSET is not set
    secret "c": FOLDER/none: No such file or directory (os error 2)
    "#);
    plan.select(&Selection { jobs: vec!["one".to_owned()], ..Selection::default() }).unwrap();
    assert_eq!(plan.resolve_secrets().unwrap().keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(crate::secret::Redactor::process().redact("say open+sesame"), "say ***");
}

#[test]
fn jobs_are_selected_with_what_they_need() {
    let text = "version = 1\n[jobs.a1]\nsleep = '1s'\nneeds = 'b'\n[jobs.a2]\nsleep = '1s'\n[jobs.b]\nsleep = '1s'\n[jobs.c]\nsleep = '1s'";
    let select = |jobs: &[&str], sources: &[&str], skip: &[&str]| {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut plan = load(text).unwrap();
        let selection = Selection { jobs: all(jobs), sources: all(sources), skip: all(skip) };
        plan.select(&selection)?;
        Ok::<_, String>(plan.jobs.iter().map(|job| job.name.to_string()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(select(&[], &[], &[]).unwrap(), "a1 a2 b c");
    assert_eq!(select(&["a*"], &[], &[]).unwrap(), "a1 a2 b");
    assert_eq!(select(&["?1"], &[], &[]).unwrap(), "a1 b");
    assert_eq!(select(&[], &[], &["a?"]).unwrap(), "b c");
    assert_eq!(select(&["a1"], &[], &["b"]).unwrap_err(), "job \"a1\" needs \"b\", which is to be skipped");
    assert_eq!(select(&["a3"], &[], &[]).unwrap_err(), "the plan has no job \"a3\"\n  (did you mean `a1`?)");
    assert_eq!(select(&[], &["x"], &[]).unwrap_err(), "the plan has no source \"x\"");
}

#[test]
fn the_schema_knows_every_key_of_every_kind() {
    let schema = super::schema();
    let variants =
        |part: &str| schema["properties"][part]["additionalProperties"]["anyOf"].as_array().unwrap().clone();
    for kind in crate::sources::kinds() {
        let of_kind = |part: &str| variants(part).into_iter().find(|variant| variant["title"] == kind.name());
        let job = of_kind("jobs").unwrap();
        for key in kind.operations().iter().chain(&["source", "for_each", "retries", "timeout", "output"]) {
            assert!(job["properties"].get(key).is_some(), "{} {key}", kind.name());
        }
        assert_eq!(of_kind("sources").is_some(), !kind.built_in());
    }
    let text = schema.to_string();
    for reference in text.split("\"$ref\":\"#/$defs/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schema["$defs"].get(name).is_some(), "{name}");
    }
}

#[test]
fn nothing_that_is_read_panics() {
    let mut words = WHOLE.split_inclusive('\n').collect::<Vec<_>>();
    for at in 0..words.len() {
        let gone = words.remove(at);
        let _ = load(&words.concat());
        words.insert(at, gone);
    }
    for end in (0..WHOLE.len()).step_by(7) {
        let _ = load(&WHOLE[..end]);
    }
}
