//! What is wrong with the outputs of a plan, as far as it can be known before the run.

use super::*;

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
    plan.toml:15: job "b": b and a have one output: out/a.json
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
      (secrets go into: url, header, query value, form, json, body, user, password)
    "#);
}

#[test]
fn outputs_that_could_not_be_written_are_found() {
    let job =
        |name: &str, output: &str| format!("[jobs.{name}]\nsource = 'api'\nget = 'x'\noutput = {output}\n");
    let listed: Vec<String> = [
        "'.'",
        "'a/.'",
        "'x.fanout-part'",
        "'~/g'",
        "'~'",
        "''",
        "\"a\\u0000\"",
        "'./ok//fine'",
        "'c'",
        "'c/x'",
        "'d/e/f'",
        "'d/e'",
        "'~ok/~'",
    ]
    .iter()
    .enumerate()
    .map(|(at, output)| job(&format!("j{at}"), output))
    .collect();
    insta::assert_snapshot!(errors(&jobs(&listed.concat())), @r#"
    plan.toml:10: job "j0": `output`: "." names no file
      (a folder ends in /)
    plan.toml:14: job "j1": `output`: "a/." names no file
      (a folder ends in /)
    plan.toml:18: job "j2": `output`: "x.fanout-part" ends in .fanout-part, as the names of files do that are not finished
    plan.toml:22: job "j3": `output`: "~/g" is not below the output folder
      (outputs are under the plan's folder; --output-dir moves them)
    plan.toml:26: job "j4": `output`: "~" is not below the output folder
      (outputs are under the plan's folder; --output-dir moves them)
    plan.toml:30: job "j5": `output`: "" names no file
      (a folder ends in /)
    plan.toml:34: job "j6": `output`: "a\u{0}" holds a NUL
    plan.toml:46: job "j9": c can't be the output of j8 and a folder for that of j9
    plan.toml:54: job "j11": d/e can't be the output of j11 and a folder for that of j10
    "#);
    let vars = jobs(&job("v", "'a/${{ vars.dot }}'"))
        .replace("version = 1", "version = 1\nvars = { dot = 'x.fanout-part' }");
    insta::assert_snapshot!(errors(&vars), @r#"plan.toml:11: job "v": `output`: "a/x.fanout-part" ends in .fanout-part, as the names of files do that are not finished"#);
    let folder = "version = 1\n[sources.s]\nkind = 'sftp'\nhost = 'h'\n[jobs.a]\nsource = 's'\nfetch = '/x/'\noutput = 'in/day/'\n[jobs.b]\nsource = 's'\nfetch = '/x'\noutput = 'in/day'\n";
    insta::assert_snapshot!(errors(folder), @r#"plan.toml:12: job "b": in/day can't be the output of b and a folder for that of a"#);
}

#[test]
fn a_joined_output_allows_no_failures() {
    let job = "[jobs.a]\nsource = 'api'\nget = 'x/${{ item }}'\nfor_each = [1, 2]\noutput = { file = 'a.json', join = true }\nallow_failures = ";
    insta::assert_snapshot!(errors(&jobs(&format!("{job}1"))), @r#"
    plan.toml:12: job "a": `allow_failures` beside `join`: a joined output is there only if every item is in it
      (drop one of them)
    "#);
    assert_eq!(errors(&jobs(&format!("{job}0"))), "no mistake");
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
[jobs.e]
source = "api"
get = "x"
incremental = true
[jobs.f]
source = "api"
get = "${{ jobs.e.json.url }}"
"#
    )), @r#"
    plan.toml:14: job "b": refers to job "a", whose result goes to its `output` and is not kept
    plan.toml:17: job "c": unknown job "d"
      (known: a, b, e, f)
    plan.toml:24: job "f": refers to job "e", which is `incremental`: what has not changed has no result
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
