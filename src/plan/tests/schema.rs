//! The JSON Schema, by a validator that editors could use: right plans pass, wrong ones are refused.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The schema, compiled as the draft that it declares, which checks it against that draft's own schema.
static SCHEMA: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("plan.json", crate::plan::schema()).unwrap();
    let index = compiler.compile("plan.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
    (schemas, index)
});

fn validate(toml: &str) -> Result<(), String> {
    let (schemas, index) = &*SCHEMA;
    let plan = json(toml::from_str(toml).unwrap());
    schemas.validate(&plan, *index).map_err(|error| format!("{error:#}"))
}

/// As editors see TOML: dates are texts.
fn json(toml: toml::Value) -> Json {
    match toml {
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

#[track_caller]
pub(super) fn accepts(toml: &str) {
    if let Err(error) = validate(toml) {
        panic!("the schema refuses a plan that is right:\n{toml}\n{error}");
    }
}

#[test]
fn plans_that_are_shown_to_people_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    let plans = |folder: &str| files(&root.join(folder), "toml");
    for path in plans("examples").into_iter().chain(plans("src/demo")) {
        accepts(&fs::read_to_string(&path).unwrap());
        seen += 1;
    }
    for path in files(&root.join("docs"), "md").into_iter().chain([root.join("README.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("```toml\nversion = 1\n").skip(1) {
            accepts(&format!("version = 1\n{}", block.split("\n```").next().unwrap()));
            seen += 1;
        }
    }
    assert!(seen >= 9, "only {seen} plans were found");
}

/// All files with this ending of a folder and of those below.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|known| known == ending)).collect()
}

#[test]
fn what_is_wrong_is_refused() {
    let source = "version = 1\n[sources.s]\nkind = 'http'\n";
    let job = "version = 1\n[sources.s]\nkind = 'http'\nbase_url = 'https://x/'\n[jobs.j]\nsource = 's'\nget = 'x'\n";
    accepts(source);
    accepts(job);
    for (plan, wrong) in [
        ("", "[jobs.j]\nsleep = '1s'"),
        ("", "version = 2"),
        ("version = 1\n", "colour = 'red'"),
        ("version = 1\n", "[limits]\nconcurrency = 0"),
        ("version = 1\n", "[limits]\ndeadline = 5"),
        ("version = 1\n", "[limits.x]\nconcurrency = -1"),
        ("version = 1\n", "[limits.x]\nrate = '20'"),
        ("version = 1\n", "[secrets]\nhook = 'open'"),
        ("version = 1\n", "[secrets]\nhook = { env = 'A', file = 'b' }"),
        ("version = 1\n", "[defaults.htp]\nrate = '1/s'"),
        ("version = 1\n", "[defaults.sftp]\nhots = 'x'"),
        ("version = 1\n", "[sources.x]\nkind = 'ftp'"),
        ("version = 1\n", "[sources.x]\nbase_url = 'https://x/'"),
        ("version = 1\n", "[sources.x]\nkind = 'sftp'\nhost = 3"),
        ("version = 1\n", "[sources.x]\nkind = 'sftp'\nhost = 'h'\npassword = 'hunter2'"),
        ("version = 1\n", "[sources.x]\nkind = 'sftp'\nhost = 'h'\npassword = '${{ vars.password }}'"),
        ("version = 1\n", "[sources.x]\nkind = 'sqlite'\nhost = 'h'"),
        ("version = 1\n", "[jobs.x]\nsleep = true"),
        (source, "base_ulr = 'https://x/'"),
        (source, "timeout = { connect = 5 }"),
        (source, "timeout = { conect = '5s' }"),
        (source, "retries = { count = 1, delay = '5' }"),
        (source, "retries = { count = 1, jiter = true }"),
        (source, "concurrency = 1.5"),
        (job, "gte = 'x'"),
        (job, "keep = 5"),
        (job, "keep = '5 apples'"),
        (job, "min_items = 'many'"),
        (job, "needs = [1]"),
        (job, "policy = 'fast'"),
        (job, "output = { join = 'yes', file = 'x' }"),
        (job, "output = { fil = 'x' }"),
        (job, "allow_failures = 'half'"),
        (job, "max_bytes = 10"),
        (job, "expect = { stats = 200 }"),
        (job, "headers = ['x']"),
    ] {
        assert!(validate(&format!("{plan}{wrong}")).is_err(), "the schema lets pass:\n{plan}{wrong}");
    }
}

/// A plan with an expression in every place.
const EXPRESSIONS: &str = r#"version = 1
include = "${{ vars.none }}"
[vars]
text = "a"
none = []
n = 2
on = true
span = "5s"
rate = "5/s"
size = "1MiB"
bandwidth = "1MiB/s"
list = ["b"]
table = { a = "b" }
policy = "settle"
share = "1%"
[limits]
concurrency = "${{ vars.n }}"
deadline = "${{ vars.span }}"
[limits.x]
concurrency = "${{ vars.n }}"
rate = "${{ vars.rate }}"
[defaults.http]
redirects = "${{ vars.n }}"
[sources.api]
kind = "http"
base_url = "https://${{ vars.text }}/"
headers = "${{ vars.table }}"
concurrency = "${{ vars.n }}"
rate = "${{ vars.rate }}"
limit = "x"
retries = "${{ vars.n }}"
timeout = { connect = "${{ vars.span }}", idle = "${{ vars.span }}" }
[sources.files]
kind = "sftp"
host = "${{ vars.text }}"
port = "${{ vars.n }}"
agent = "${{ vars.on }}"
connections = "${{ vars.n }}"
bandwidth = "${{ vars.bandwidth }}"
keepalive = "${{ vars.span }}"
host_key = "SHA256:x"
[sources.db]
kind = "postgres"
port = "${{ vars.n }}"
read_only = "${{ vars.on }}"
[jobs.a]
source = "api"
get = "${{ item }}"
for_each = "${{ vars.list }}"
needs = "${{ vars.list }}"
key = "${{ item }}"
params = "${{ vars.table }}"
retries = { count = "${{ vars.n }}", delay = "${{ vars.span }}", jitter = "${{ vars.on }}" }
timeout = { attempt = "${{ vars.span }}" }
keep = "${{ vars.size }}"
max_bytes = "${{ vars.size }}"
min_items = "${{ vars.n }}"
allow_failures = "${{ vars.share }}"
policy = "${{ vars.policy }}"
expect = { status = "${{ vars.n + 200 }}" }
output = { file = "${{ item }}", join = "${{ not vars.on }}" }
[jobs.b]
source = "db"
query = "select 1"
params = "${{ vars.none }}"
write = "${{ vars.on }}"
[jobs.c]
source = "files"
fetch = "/${{ vars.text }}/"
flatten = "${{ vars.on }}"
[jobs.d]
sleep = "${{ vars.span }}"
"#;

#[test]
fn an_expression_can_stand_wherever_the_plan_takes_one() {
    let plan = super::load(EXPRESSIONS).unwrap();
    assert_eq!(plan.job("a").unwrap().needs, ["b"]);
}
