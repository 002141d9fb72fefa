//! What every kind of mistake in a plan is answered with.

use super::*;
use std::path::Path;

#[test]
fn mistakes_of_the_whole_plan() {
    insta::assert_snapshot!(errors("nmae = 'x'\ntimezone = 'Europe/Nowhere'\nlimits = { concurrency = 0, deadline = 5, x = {} }\n[defaults.htp]\n[sources]\n[jobs.'a b']\nsleep = '1s'"), @r#"
    plan.toml:1: unknown key `nmae`
      (did you mean `name`?)
    plan.toml:1: `version` is missing: write version = 1
    plan.toml:2: `timezone`: no time zone is named "Europe/Nowhere"
      (such as "Europe/Berlin" or "UTC")
    plan.toml:3: limits: `concurrency` must be a whole number, 1 or more, not 0
    plan.toml:3: limits: `deadline`: 5 needs a unit: write a duration such as "30s", "5m" or "1h30m"
    plan.toml:3: limit "x": needs `concurrency` or `rate`
    plan.toml:4: defaults.htp: no kind of source is named so
      (did you mean `http`?)
    plan.toml:6: job "a b": a name is made of letters, digits, `-`, `_` and `.`
    "#);
    insta::assert_snapshot!(errors("version = 1\nname = '${{ run.day }}'\n[jobs.a]\nsleep = '1s'"), @"plan.toml:2: `name` can't hold an expression");
    insta::assert_snapshot!(errors("version = 2"), @"plan.toml:1: `version` must be 1, the only version there is");
    insta::assert_snapshot!(errors("version = 1"), @r"
    plan.toml:1: the plan has no jobs
      (write [jobs.NAME])
    ");
    insta::assert_snapshot!(errors("version = 1\nname = \njobs = 3\n[jobs.a\n"), @r"
    plan.toml:2: string values must be quoted, expected literal string
    plan.toml:4: cannot extend value of type integer with a dotted key
    plan.toml:4: unclosed table, expected `]`
    ");
    insta::assert_snapshot!(errors("version = 1\njobs = 3"), @"plan.toml:2: `jobs` must be a table, not a number");
    let missing =
        Plan::load(Path::new("/nowhere/plan.toml"), &Overrides::default()).err().unwrap().to_string();
    assert_eq!(missing, "/nowhere/plan.toml: No such file or directory (os error 2)");
}

/// A text with `KINDS` for the names of all kinds, so that a new one changes nothing.
fn without_kinds(text: &str) -> String {
    let names = || crate::sources::kinds().filter(|kind| !kind.built_in()).map(|kind| kind.name());
    let quoted: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
    text.replace(&quoted.join(", "), "KINDS").replace(&names().collect::<Vec<_>>().join(", "), "KINDS")
}

#[test]
fn mistakes_of_sources() {
    insta::assert_snapshot!(without_kinds(&errors(r#"version = 1
[sources.a]
kind = "htpt"
[sources.b]
host = "x"
[sources.c]
kind = "http"
base_ulr = "https://x/"
limit = "slwo"
rate = 20
concurrency = 0
[sources.d]
kind = "sleep"
[jobs.x]
source = "a"
get = "y"
"#)), @r#"
    plan.toml:3: source "a": unknown kind "htpt"
      (did you mean `http`?)
    plan.toml:4: source "b": `kind` is missing
      (one of KINDS)
    plan.toml:8: source "c": unknown key `base_ulr`
      (did you mean `base_url`?)
    plan.toml:9: source "c": unknown limit "slwo"
      (write [limits.slwo] with its `concurrency` or `rate`)
    plan.toml:10: source "c": `rate`: 20 needs a unit: write a rate such as "20/s" or "100/m"
    plan.toml:11: source "c": `concurrency` must be a whole number, 1 or more, not 0
    plan.toml:13: source "d": unknown kind "sleep"
      (known: KINDS)
    "#);
}

#[test]
fn mistakes_of_jobs_are_all_found_at_once() {
    insta::assert_snapshot!(errors(&jobs(r#"
[jobs.one]
source = "aip"
get = "x"
[jobs.two]
source = "api"
gett = "x"
needs = ["on"]
[jobs.three]
source = "api"
get = "x"
post = "y"
limit = "slwo"
keep = 5
min_items = "many"
[jobs.four]
get = "x"
[jobs.five]
source = "api"
get = "x/${{ item.id }}"
when = "failed"
manifest = "m"
expect = { status = 204, rows = 3 }
[jobs.six]
source = "api"
get = "x/${{ vars.nope }}/${{ secrets.none }}/${{ run.summary }}"
allow_failures = "half"
duplicates = "last"
retries = { cuont = 1 }
timeout = "5s"
"#)), @r#"
    plan.toml:9: job "one": unknown source "aip"
      (did you mean `api`?)
    plan.toml:13: job "two": unknown key `gett`
      (did you mean `get`?)
    plan.toml:14: job "two": unknown job "on"
      (did you mean `one`?)
    plan.toml:18: job "three": `get` and `post` can't stand together: a job is one operation
    plan.toml:19: job "three": unknown limit "slwo"
      (did you mean `slow`?)
    plan.toml:20: job "three": `keep`: 5 needs a unit: write a size such as "64MiB" or "10MB"
    plan.toml:21: job "three": `min_items` must be a whole number, 0 or more, not "many"
    plan.toml:22: job "four": `source` is missing: where the job does its work
      (known: api)
    plan.toml:26: job "five": `item` in a job that has no items
      (items come from `for_each`)
    plan.toml:27: job "five": `when` is not there yet: a later version brings it
    plan.toml:28: job "five": `manifest` is not there yet: a later version brings it
    plan.toml:29: job "five": `expect.rows` is not there yet: a later version brings it
    plan.toml:32: job "six": `vars.nope` is not defined
    plan.toml:32: job "six": unknown secret `secrets.none`
      (write none = { env = ".." } under [secrets])
    plan.toml:32: job "six": `run.summary` is not there yet: a later version brings closing jobs
    plan.toml:33: job "six": `allow_failures` must be a number of items, or a share such as "1%", not "half"
    plan.toml:34: job "six": `duplicates` must be "error" or "first", not "last"
    plan.toml:35: job "six": unknown key `retries.cuont`
      (did you mean `count`?)
    plan.toml:36: job "six": `timeout` must be a table, not "5s"
    "#);
}

#[test]
fn literal_passwords_are_refused_and_not_repeated() {
    let text = r#"version = 1
vars.pw = "hunter2"
[sources.b]
kind = "sftp"
host = "h"
user = "u"
password = "hunter2"
[sources.c]
kind = "http"
base_url = "https://me:hunter2@h/"
headers = { authorization = "Bearer hunter2", accept = "x" }
[sources.d]
kind = "sftp"
host = "h"
user = "u"
password = "${{ vars.pw }}"
[secrets]
s = "hunter2"
t = "${{ secrets.s }}"
[jobs.j]
source = "c"
get = "http://u:hunter2@h/"
headers = { x-api-key = "hunter2" }
"#;
    let errors = errors(text);
    assert!(!errors.contains("hunter2"));
    insta::assert_snapshot!(errors, @r#"
    plan.toml:7: source "b": `password` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:10: source "c": `base_url` holds a password
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:11: source "c": `authorization` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:16: source "d": `password` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:18: secret "s": `s` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:19: secret "t": can't be made of another secret
    plan.toml:22: job "j": `get` holds a password
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:23: job "j": `x-api-key` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    "#);
}

#[test]
fn what_waits_for_itself_is_named() {
    insta::assert_snapshot!(errors(r#"version = 1
[jobs.a]
sleep = "1s"
needs = ["b"]
[jobs.b]
sleep = "1s"
needs = ["c", "d"]
[jobs.c]
sleep = "1s"
needs = ["a"]
[jobs.d]
sleep = "1s"
[jobs.e]
sleep = "${{ jobs.e.json }}"
"#), @r#"
    plan.toml:2: job "a": waits for itself: a -> b -> c -> a
    plan.toml:13: job "e": waits for itself: e -> e
    "#);
    let chain: String =
        (0..20_000).map(|n| format!("[jobs.j{n}]\nsleep = '1s'\nneeds = 'j{}'\n", n + 1)).collect();
    assert!(load(&format!("version = 1\n{chain}[jobs.j20000]\nsleep = '1s'")).is_ok());
}

#[test]
fn outputs_that_would_be_one_file_are_found() {
    insta::assert_snapshot!(errors(&jobs(r#"
[jobs.a]
source = "api"
get = "x"
output = "out/a.json"
[jobs.b]
source = "api"
get = "x"
output = "out//./a.json"
[jobs.c]
source = "api"
get = "x/${{ item }}"
for_each = ["1", "2"]
output = "out/c.json"
[jobs.d]
source = "api"
get = "x/${{ item.n }}"
for_each = { matrix = { n = [1, 2], m = [1, 2] } }
output = "out/${{ item.n }}.json"
[jobs.e]
source = "api"
get = "x"
output = "out/"
[jobs.f]
source = "api"
get = "x/${{ item }}"
for_each = ["..", "x"]
output = "${{ item }}/f"
[jobs.g]
source = "api"
get = "${{ jobs.a.json.url }}"
output = "../g"
[jobs.h]
source = "api"
get = "${{ jobs.a.json.url }}"
output = { file = "h/", join = true }
[jobs.i]
source = "api"
get = "${{ jobs.a.json.url }}"
output = "${{ secrets.x }}"
"#)), @r#"
    plan.toml:15: job "b": b and a have one output: out//./a.json
    plan.toml:20: job "c": all items would write one `output`
      (use `item` in it, or { file = "..", join = true })
    plan.toml:25: job "d": d[1,2] and d[1,1] have one output: out/1.json
    plan.toml:29: job "e": `output` is a folder, but its results have no names of their own
      (name the file: output = "out/${{ item }}.json")
    plan.toml:34: job "f": `output`: a value makes ".." a part of the path of an output
    plan.toml:37: job "g": refers to job "a", whose result goes to its `output` and is not kept
    plan.toml:38: job "g": `output`: "../g" is not below the output folder
      (outputs are under the plan's folder; --output-dir moves them)
    plan.toml:41: job "h": refers to job "a", whose result goes to its `output` and is not kept
    plan.toml:42: job "h": `output` is a folder, and `join` makes one file
    plan.toml:45: job "i": refers to job "a", whose result goes to its `output` and is not kept
    plan.toml:46: job "i": unknown secret `secrets.x`
      (write x = { env = ".." } under [secrets])
    plan.toml:46: job "i": `output` can't hold a secret
    "#);
}

#[test]
fn only_kept_results_can_be_referred_to() {
    insta::assert_snapshot!(errors(&jobs(
        r#"
[jobs.a]
source = "api"
get = "x"
output = "a.json"
[jobs.b]
source = "api"
get = "${{ jobs.a.json.url }}"
[jobs.c]
source = "api"
get = "${{ jobs.d.json.url }}"
"#
    )), @r#"
    plan.toml:14: job "b": refers to job "a", whose result goes to its `output` and is not kept
    plan.toml:17: job "c": unknown job "d"
      (known: a, b)
    "#);
}

#[test]
fn a_format_that_rows_do_not_have_is_known_before_the_run() {
    let text = r#"version = 1
vars = { ending = "xml" }
[sources.db]
kind = "sqlite"
path = "db"
[jobs.a]
source = "db"
query = "select 1"
output = "a.Parquet"
[jobs.b]
source = "db"
query = "select :n"
params = { n = "${{ item }}" }
for_each = [1, 2]
output = { file = "b/${{ item }}.xlsx", mode = "0600" }
[jobs.c]
source = "db"
query_file = "*.sql"
output = "c/"
[jobs.d]
source = "db"
query = "select 1"
output = "d.${{ vars.ending }}"
[jobs.e]
source = "db"
query = "select 1"
output = "e.csv/e"
[jobs.f]
source = "db"
query = "select :n"
params = { n = "${{ item }}" }
for_each = { file = "names.txt" }
output = "f.xml/${{ item }}"
[jobs.g]
source = "db"
query = "select 1"
output = "g.JSONL"
[jobs.h]
sleep = "1s"
output = "h.parquet"
"#;
    let folder = Folder::with(&[("plan.toml", text), ("names.txt", "x.csv\n")]);
    insta::assert_snapshot!(folder.load(&[]).err().unwrap(), @r#"
    plan.toml:9: job "a": `output`: rows can't be written as `.parquet`
      (let the output's name end in .csv, .json or .jsonl)
    plan.toml:15: job "b": `output`: rows can't be written as `.xlsx`
      (let the output's name end in .csv, .json or .jsonl)
    plan.toml:19: job "c": `output`: rows need an output whose ending says how they are written
      (let the output's name end in .csv, .json or .jsonl)
    plan.toml:23: job "d": `output`: rows can't be written as `.xml`
      (let the output's name end in .csv, .json or .jsonl)
    plan.toml:27: job "e": `output`: rows need an output whose ending says how they are written
      (let the output's name end in .csv, .json or .jsonl)
    "#);
}
