//! Where items and their keys come from.

use super::*;

fn keys(plan: &Plan, job: &str) -> Vec<String> {
    let job = plan.job(job).unwrap();
    let scope = crate::expr::Scope::new(Arc::new(plan.globals.clone()));
    let inputs = job.for_each.as_ref().unwrap().inputs(&scope, job.key.as_ref(), job.duplicates).unwrap();
    inputs
        .map(|input| input.unwrap())
        .map(|input| format!("{}{}", input.key, if input.duplicate { "!" } else { "" }))
        .collect()
}

const ITEMS: &str = r#"
[jobs.list]
source = "api"
get = "${{ item }}"
for_each = ["a", 2, true]
[jobs.var]
source = "api"
get = "${{ item }}"
for_each = "${{ vars.list }}"
[jobs.txt]
source = "api"
get = "${{ item }}"
for_each = { file = "in/urls.txt" }
[jobs.csv]
source = "api"
get = "${{ item.b }}"
for_each = { file = "in/rows.csv" }
key = "${{ item.b }}"
[jobs.jsonl]
source = "api"
get = "${{ item.id }}"
for_each = { file = "in/rows.jsonl" }
key = "${{ item.id }}-${{ vars.list[0] }}"
duplicates = "first"
[jobs.range]
source = "api"
get = "${{ item }}"
for_each = { range = [-1, 2] }
[jobs.dates]
source = "api"
get = "${{ item }}"
for_each = { dates = ["2026-02-27", 2026-03-01] }
[jobs.matrix]
source = "api"
get = "${{ item.a }}"
for_each = { matrix = { a = ["x", "y"], b = [1, 2] } }
"#;

const MISTAKES: &str = r#"
[jobs.a]
source = "api"
get = "${{ item }}"
for_each = ["a", "b", "a", "c", "b", "a"]
[jobs.b]
source = "api"
get = "${{ item.x }}"
for_each = [{ x = 1 }]
[jobs.c]
source = "api"
get = "${{ item }}"
for_each = { file = "none.txt" }
[jobs.d]
source = "api"
get = "${{ item }}"
for_each = { file = "plan.toml" }
[jobs.e]
source = "api"
get = "${{ item }}"
for_each = { range = [3, 1] }
[jobs.f]
source = "api"
get = "${{ item }}"
for_each = { dates = ["2026-02-30", "x"] }
[jobs.g]
source = "api"
get = "${{ item }}"
for_each = { rnage = [1, 2] }
[jobs.h]
source = "api"
get = "${{ item }}"
for_each = "abc"
[jobs.i]
source = "api"
get = "${{ item }}"
for_each = [""]
[jobs.j]
source = "api"
get = "${{ item.x }}"
key = "${{ item.y }}"
for_each = [{ x = 1 }]
"#;

#[test]
fn items_come_from_lists_files_and_ranges() {
    let text = jobs(ITEMS).replace("version = 1", "version = 1\nvars.list = ['p', 'q']");
    let rows = "{\"id\":1}\n\n{\"id\":2}\n{\"id\":1}";
    let files = [
        ("plan.toml", text.as_str()),
        ("in/urls.txt", "\u{feff}one\r\n\ntwo"),
        ("in/rows.csv", "a,b\n1,\"x\ny\"\n2,z\n"),
        ("in/rows.jsonl", rows),
    ];
    let plan = Folder::with(&files);
    let read = plan.load(&[]).unwrap();
    let all = ["list", "var", "txt", "csv", "jsonl", "range", "dates", "matrix"]
        .map(|job| keys(&read, job).join(" | "));
    insta::assert_snapshot!(all.join("\n"), @r"
    a | 2 | true
    p | q
    one | two
    x
    y | z
    1-p | 2-p | 1-p!
    -1 | 0 | 1 | 2
    2026-02-27 | 2026-02-28 | 2026-03-01
    x,1 | x,2 | y,1 | y,2
    ");
}

#[test]
fn mistakes_of_items() {
    let text = jobs(MISTAKES);
    insta::assert_snapshot!(errors(&text), @r#"
    plan.toml:11: job "a": items have equal keys: "a", "b"
      (say which is which with `key`, or duplicates = "first")
    plan.toml:15: job "b": a record has no key of its own
      (say which: key = "${{ item.x }}")
    plan.toml:19: job "c": `for_each.file`: none.txt: there is no such file
    plan.toml:23: job "d": `for_each.file`: "plan.toml" must end in .txt, .csv or .jsonl
    plan.toml:27: job "e": `for_each.range`: 3 is more than 1
    plan.toml:31: job "f": `for_each.dates`: "2026-02-30" is not a day such as 2026-11-19
    plan.toml:35: job "g": unknown key `for_each.rnage`
      (did you mean `range`?)
    plan.toml:39: job "h": `for_each` must be a list, { file = ".." }, { range = [1, 100] }, { dates = ["..", ".."] }, { matrix = {..} } or "${{ jobs.NAME.rows }}"
    plan.toml:43: job "i": an item's key is empty
    plan.toml:48: job "j": `item.y` is not defined
      (known: x)
    "#);
}

#[test]
fn a_file_with_a_broken_line_says_which() {
    let text = jobs(
        "[jobs.a]\nsource = 'api'\nget = '${{ item.id }}'\nkey = '${{ item.id }}'\nfor_each = { file = 'a.jsonl' }",
    );
    let folder = Folder::with(&[("plan.toml", &text), ("a.jsonl", "{\"id\":1}\n{\"id\":}\n")]);
    let plan = folder.load(&[]).unwrap();
    let job = plan.job("a").unwrap();
    let scope = crate::expr::Scope::new(Arc::default());
    let error =
        job.for_each.as_ref().unwrap().inputs(&scope, job.key.as_ref(), job.duplicates).err().unwrap();
    let error = error.replace(&format!("{}/", folder.0.path().display()), "");
    assert_eq!(error, "a.jsonl:2: expected value at line 1 column 7");
}

#[test]
fn a_job_waits_for_what_it_refers_to_wherever_that_stands() {
    let results: String =
        ["a", "b", "c", "d", "e"].map(|name| format!("[jobs.{name}]\nsource = 'api'\nget = 'x'\n")).concat();
    let plan = load(&jobs(&format!(
        r#"{results}[jobs.all]
source = "api"
post = "${{{{ jobs.a.json.url }}}}"
params = {{ x = "${{{{ jobs.b.json.n }}}}" }}
headers = {{ y = "${{{{ jobs.c.json.n }}}}" }}
json = ["${{{{ jobs.d.json.n }}}}", {{ deep = "${{{{ jobs.a.json.n }}}}" }}]
for_each = "${{{{ jobs.e.json.list }}}}"
"#
    )));
    assert_eq!(plan.unwrap().job("all").unwrap().needs, ["a", "b", "c", "d", "e"]);
}
