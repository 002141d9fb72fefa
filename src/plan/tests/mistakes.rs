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
    insta::assert_snapshot!(errors("[jobs.a]\nsleep = '1s'"), @"plan.toml:1: `version` is missing: write version = 1");
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
fn what_is_repeated_of_a_plan_can_neither_drive_the_terminal_nor_fill_it() {
    let long = "x".repeat(20_000);
    let text = format!(
        "[jobs.\"a\\u001b[2J\"]\nsource = \"b\\u001b\"\n\"c\\u0007\\nd\" = 1\n[jobs.{long}]\nsource = \"{long}\"\nget = '${{{{ {long} }}}}'\nneeds = \"\\u009b\\n\"\n{long} = 1\n"
    );
    let errors = errors(&jobs(&text));
    assert!(!errors.chars().any(|c| c.is_control() && c != '\n'), "{errors:?}");
    assert!(errors.lines().all(|line| line.chars().count() < 2_500), "{errors}");
    assert!(errors.lines().all(|line| line.starts_with("plan.toml:") || line.starts_with("  (")), "{errors}");
    for shown in ["a\\u{1b}[2J", "b\\u{1b}", "c\\u{7}\\nd", "xx…xx"] {
        assert!(errors.contains(shown), "{shown} is not in {errors}");
    }
}

#[test]
fn only_keys_that_the_job_can_have_are_suggested() {
    insta::assert_snapshot!(errors(&jobs(r#"
[jobs.nap]
sleep = "1s"
foo = 1
[jobs.nod]
slep = "1s"
jsn = 1
[jobs.a]
source = "api"
get = "x"
bad = "y"
hed = "z"
"#)), @r#"
    plan.toml:10: job "nap": unknown key `foo`
      (known: source, output, for_each, key, duplicates, needs, min_items, allow_failures, policy, keep, incremental, durable, concurrency, rate, limit, retries, timeout, sleep)
    plan.toml:12: job "nod": unknown key `slep`
      (did you mean `sleep`?)
    plan.toml:13: job "nod": unknown key `jsn`
      (known: source, output, for_each, key, duplicates, needs, min_items, allow_failures, policy, keep, incremental, durable, concurrency, rate, limit, retries, timeout, sleep)
    plan.toml:17: job "a": unknown key `bad`
      (known: source, output, for_each, key, duplicates, needs, min_items, allow_failures, policy, keep, incremental, durable, concurrency, rate, limit, retries, timeout, get, head, post, put, patch, delete, params, headers, json, form, body, expect, max_bytes, sha256)
    plan.toml:18: job "a": unknown key `hed`
      (did you mean `head`?)
    "#);
}

#[test]
fn what_has_no_fields_is_said() {
    let text = r#"version = 1
vars = { x = "1", n = 2, t = { day = 1 }, l = [1] }
[jobs.a]
sleep = "${{ vars.x.y }}"
[jobs.b]
sleep = "${{ vars.n.y }}${{ vars.l.y }}${{ vars.t.dya }}"
[jobs.c]
sleep = "${{ jobs.a.jsn }}"
"#;
    insta::assert_snapshot!(errors(text), @r#"
    plan.toml:4: job "a": `vars.x.y` is not defined
      (what is before `.y` is a string, and has no fields)
    plan.toml:6: job "b": `vars.n.y` is not defined
      (what is before `.y` is a number, and has no fields)
    plan.toml:6: job "b": `vars.l.y` is not defined
      (what is before `.y` is a list, and has no fields)
    plan.toml:6: job "b": `vars.t.dya` is not defined
      (did you mean `day`?)
    plan.toml:8: job "c": `jobs.a.jsn` is not defined
      (did you mean `json`?)
    "#);
}

#[test]
fn a_secret_stands_only_where_one_may() {
    let text = r#"version = 1
[secrets]
key = { plain = "hunter2" }
[sources.db]
kind = "sqlite"
path = "db"
[sources.files]
kind = "sftp"
host = "h"
password = { env = "${{ secrets.key }}" }
[jobs.a]
source = "db"
query = "select :k"
params = { k = "${{ secrets.key }}" }
[jobs.b]
sleep = "${{ secrets.key }}"
[jobs.c]
source = "files"
fetch = "/${{ secrets.key }}"
[jobs.d]
sleep = "${{ secrets.kye }}"
"#;
    insta::assert_snapshot!(errors(text), @r#"
    plan.toml:10: source "files": `password` can't be made of another secret
    plan.toml:14: job "a": `params` can't hold a secret
      (secrets go into: url, header, query value, form, json, body, user, password)
    plan.toml:16: job "b": `sleep` can't hold a secret
      (secrets go into: url, header, query value, form, json, body, user, password)
    plan.toml:19: job "c": `fetch` can't hold a secret
      (secrets go into: url, header, query value, form, json, body, user, password)
    plan.toml:21: job "d": unknown secret `secrets.kye`
      (did you mean `key`?)
    plan.toml:21: job "d": `sleep` can't hold a secret
      (secrets go into: url, header, query value, form, json, body, user, password)
    "#);
}

#[test]
fn how_long_connecting_takes_is_for_a_source_to_say() {
    let text = "version = 1\n[jobs.a]\nsleep = \"1s\"\ntimeout = { connect = \"3s\", attempt = \"5s\" }\n";
    insta::assert_snapshot!(errors(text), @r#"
    plan.toml:4: job "a": `timeout.connect` in a job: connections are its source's, which other jobs use, too
      (write it at the source)
    "#);
}

#[test]
fn times_and_limits_that_make_no_sense_are_refused() {
    let text = r#"version = 1
[limits]
deadline = "200000000000000d"
[limits.concurrency]
rate = "1/s"
[jobs.a]
sleep = "0s"
timeout = { queue = "0s", connect = "0s", attempt = "0s", idle = "0s", total = "0s" }
retries = { delay = "0s" }
"#;
    insta::assert_snapshot!(errors(text), @r#"
    plan.toml:3: limits: `deadline`: "200000000000000d" is longer than 100 years
    plan.toml:4: limit "concurrency": is the run's own, and no name for a limit
      (write `concurrency = ..` under [limits])
    plan.toml:8: job "a": `timeout.queue` must be longer than zero
    plan.toml:8: job "a": `timeout.connect` must be longer than zero
    plan.toml:8: job "a": `timeout.attempt` must be longer than zero
    plan.toml:8: job "a": `timeout.idle` must be longer than zero
    plan.toml:8: job "a": `timeout.total` must be longer than zero
    "#);
    insta::assert_snapshot!(errors("version = 1\nlimits.deadline = '0s'\n[jobs.a]\nsleep = '0s'"), @"plan.toml:2: limits: `deadline` must be longer than zero");
    insta::assert_snapshot!(errors("version = 1\nlimits.deadline.rate = '1/s'\n[jobs.a]\nsleep = '0s'"), @r#"
    plan.toml:2: limit "deadline": is the run's own, and no name for a limit
      (write `deadline = ..` under [limits])
    "#);
}
