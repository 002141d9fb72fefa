//! What is not said: that which follows from a mistake that was told.

use super::*;

const MISSPELT: &str = r#"version = 1
[var]
day = 1
[limit.db]
concurrency = 2
[secret]
key = { env = "K" }
[default.htpp]
rate = "5/s"
[source.api]
knd = "htpp"
base_url = "https://${{ vars.day }}/"
[job.a]
souce = "api"
get = "x?k=${{ secrets.key }}"
limt = "db"
tiemout = { idle = "5" }
[job.b]
source = "ap"
gte = ["x"]
needs = "a"
[job.c]
slep = "2"
[job.d]
source = "api"
get = "x"
exptc = 204
"#;

#[test]
fn a_slip_is_told_and_read_as_what_was_meant() {
    insta::assert_snapshot!(errors(MISSPELT), @r#"
    plan.toml:2: unknown key `var`
      (did you mean `vars`?)
    plan.toml:4: unknown key `limit`
      (did you mean `limits`?)
    plan.toml:6: unknown key `secret`
      (did you mean `secrets`?)
    plan.toml:8: unknown key `default`
      (did you mean `defaults`?)
    plan.toml:8: defaults.htpp: no kind of source is named so
      (did you mean `http`?)
    plan.toml:10: unknown key `source`
      (did you mean `sources`?)
    plan.toml:11: source "api": unknown key `knd`
      (did you mean `kind`?)
    plan.toml:11: source "api": unknown kind "htpp"
      (did you mean `http`?)
    plan.toml:13: unknown key `job`
      (did you mean `jobs`?)
    plan.toml:14: job "a": unknown key `souce`
      (did you mean `source`?)
    plan.toml:16: job "a": unknown key `limt`
      (did you mean `limit`?)
    plan.toml:17: job "a": unknown key `tiemout`
      (did you mean `timeout`?)
    plan.toml:17: job "a": `timeout.idle`: 5 needs a unit: write a duration such as "30s", "5m" or "1h30m"
    plan.toml:19: job "b": unknown source "ap"
      (did you mean `api`?)
    plan.toml:20: job "b": unknown key `gte`
      (did you mean `get`?)
    plan.toml:20: job "b": `get` must be a string, or where a secret comes from, not a list
    plan.toml:23: job "c": unknown key `slep`
      (did you mean `sleep`?)
    plan.toml:23: job "c": `sleep`: 2 needs a unit: write a duration such as "30s", "5m" or "1h30m"
    plan.toml:27: job "d": unknown key `exptc`
      (did you mean `expect`?)
    "#);
}

const BROKEN: &str = r#"version = 1
vars = { day = "${{ run.dya }}", list = [1, "${{ itm }}"] }
secrets = { key = "x", other = 3 }
limits = { db = "${{ itm }}" }
[sources]
odd = 3
none = "${{ itm }}"
api = { kind = "http", auth = { user = "u", pasword = "p" } }
[sources.db]
kind = "postgres"
url = "postgres://u:hunter2@h/d"
[sources.files]
kind = "sftp"
host = 3
key = "${{ vars.nope }}"
passphrase = { env = "P" }
[jobs]
e = 3
[jobs.a]
source = "odd"
get = "${{ vars.day }}/${{ item }}"
for_each = "${{ vars.list }}"
output = "${{ item }}/${{ vars.day }}"
[jobs.b]
source = "none"
limit = "db"
query = "x"
needs = ["c", "d"]
[jobs.c]
source = "db"
query = "select :a, ${{ itm }}"
params = { a = "${{ vars.day }}" }
[jobs.d]
source = "api"
get = "x?k=${{ secrets.key }}&o=${{ secrets.other }}"
output = { fil = "x" }
"#;

#[test]
fn what_follows_from_a_mistake_is_not_told() {
    insta::assert_snapshot!(errors(BROKEN), @r#"
    plan.toml:2: `run.dya` is not defined
      (did you mean `day`?)
    plan.toml:2: `itm` is not defined
      (did you mean `item`?)
    plan.toml:3: secret "key": `key` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:3: secret "other": `other` must not stand in the plan
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:4: limits: `itm` is not defined
      (did you mean `item`?)
    plan.toml:6: source "odd": it must be a table, not a number
    plan.toml:7: source "none": `itm` is not defined
      (did you mean `item`?)
    plan.toml:8: source "api": unknown key `auth.pasword`
      (did you mean `password`?)
    plan.toml:11: source "db": `url` holds a password
      (write { env = "NAME" }, { file = "PATH" }, { command = [..] } or "${{ secrets.NAME }}")
    plan.toml:14: source "files": `host` must be a string, not 3
    plan.toml:15: source "files": `vars.nope` is not defined
    plan.toml:18: job "e": it must be a table, not a number
    plan.toml:31: job "c": `itm` is not defined
      (did you mean `item`?)
    plan.toml:36: job "d": unknown key `fil`
      (did you mean `file`?)
    "#);
}

#[test]
fn what_may_stand_in_a_file_that_could_not_be_read_is_not_said_to_be_missing() {
    let plan = "version = 1\ninclude = ['a.toml', 'none.toml']\n[sources.api]\nkind = 'http'\n[jobs.x]\nsource = 'shop'\nneeds = ['sales', 'y']\nhead = 'x'\n[jobs.y2]\nsource = 'apy'\nget = 'x'";
    let folder =
        Folder::with(&[("plan.toml", plan), ("a.toml", "[sources.shop]\nkind = 'http\n[jobs.sales]\n")]);
    insta::assert_snapshot!(folder.load(&[]).err().unwrap(), @r#"
    plan.toml:2: `include`: none.toml: No such file or directory (os error 2)
    plan.toml:7: job "x": unknown job "y"
      (did you mean `y2`?)
    plan.toml:10: job "y2": unknown source "apy"
      (did you mean `api`?)
    a.toml:2: source "shop": invalid literal string, expected `'`
    "#);
}
