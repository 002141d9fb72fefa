use super::*;
use crate::secret::Secret;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn scope() -> Scope {
    let table = |json: Json| json.as_object().unwrap().clone();
    let mut globals = Globals {
        vars: table(
            json!({ "day": "2026-11-19", "n": 3, "slash": "a/b ü", "trap": "${{ run.id }}", "nothing": null }),
        ),
        run: table(json!({ "id": "r1", "day": "2026-11-22", "time": "2026-11-22T03:00:00+01:00" })),
        ..Globals::default()
    };
    globals.secrets.insert("token".to_owned(), Secret::new("s3cret/"));
    let rows = Kept { key: "q".into(), bytes: b"{\"id\":1}\n{\"id\":2}\n".as_slice().into(), rows: true };
    let body = Kept { key: "b".into(), bytes: b"{\"list\":[1,2]}".as_slice().into(), rows: false };
    globals.jobs.insert("query".to_owned(), Arc::new(JobResult::new(vec![rows])));
    globals.jobs.insert("a-body".to_owned(), Arc::new(JobResult::new(vec![body])));
    Scope::new(Arc::new(globals))
        .with_item(json!({ "name": "x", "size": 7, "to-do": [1], "gone": null, "up": ".." }))
}

fn known(wrong: &[&str]) -> Known {
    Known { scope: scope(), wrong: wrong.iter().map(|name| (*name).to_owned()).collect() }
}

fn with<T>(source: &str, fill: impl Fn(&Template, &Scope) -> Result<T, ExprError>) -> Result<T, String> {
    let template = Template::parse(source).map_err(|error| error.message)?;
    fill(&template, &scope()).map_err(|error| error.message)
}

fn value(source: &str) -> Result<Json, String> {
    with(source, Template::value)
}

fn url(source: &str) -> Result<String, String> {
    with(source, |template, scope| template.url(scope).map(|secret| secret.expose().to_owned()))
}

fn path(source: &str) -> Result<String, String> {
    with(source, Template::path)
}

#[test]
fn exactly_one_expression_keeps_its_type() {
    assert_eq!(value("${{ vars.n }}"), Ok(json!(3)));
    assert_eq!(value("${{ vars.n * 2 > 5 }}"), Ok(json!(true)));
    assert_eq!(value("${{ item['to-do'] }}"), Ok(json!([1])));
    assert_eq!(
        value("${{ item }}"),
        Ok(json!({ "name": "x", "size": 7, "to-do": [1], "gone": null, "up": ".." }))
    );
    assert_eq!(value("${{ {'a': {'b': '}}'}} }}"), Ok(json!({ "a": { "b": "}}" } })));
    assert_eq!(value("n=${{ vars.n }}"), Ok(json!("n=3")));
    assert_eq!(value("${{ vars.nothing }}"), Ok(Json::Null));
}

#[test]
fn dollars_and_braces_are_literal() {
    for text in ["", "$", "$$", "${X}", "{{ vars.n }}", "{% if %}", "$HOME }}", "ü"] {
        assert_eq!(value(text), Ok(json!(text)));
    }
    assert_eq!(value("$${{ vars.n }} ${{ vars.n }}"), Ok(json!("${{ vars.n }} 3")));
}

#[test]
fn a_value_that_looks_like_an_expression_is_not_one() {
    assert_eq!(value("${{ vars.trap }}"), Ok(json!("${{ run.id }}")));
    let mut table = Table::parse("a = '${{ vars.trap }}'\nb = 'x${{ vars.trap }}'").unwrap();
    let mut problems = Vec::new();
    table.substitute(&known(&[]), &mut problems);
    assert_eq!(problems, []);
    assert_eq!(table.get("a").unwrap().text(), Some("${{ run.id }}"));
    assert_eq!(table.get("b").unwrap().text(), Some("x${{ run.id }}"));
}

#[test]
fn results_of_other_jobs_can_be_looked_at() {
    assert_eq!(value("${{ jobs.query.rows }}"), Ok(json!([{ "id": 1 }, { "id": 2 }])));
    assert_eq!(value("${{ jobs.query.rows[1].id }}"), Ok(json!(2)));
    assert_eq!(value("${{ jobs[\"a-body\"].json.list }}"), Ok(json!([1, 2])));
    assert_eq!(value("${{ jobs['a-body'].items[0].key }}"), Ok(json!("b")));
    assert_eq!(
        value("${{ jobs['a-body'].rows }}"),
        Err("`${{ jobs['a-body'].rows }}`: `rows` is for queries; a body that is JSON is `json`".to_owned())
    );
}

#[test]
fn the_jobs_an_expression_needs_are_known() {
    let template =
        Template::parse("${{ jobs.a.rows }}-${{ jobs['b-c'].json + jobs.a.json ~ ' jobs.no' }}").unwrap();
    assert_eq!(template.jobs(), ["a", "b-c"]);
    assert_eq!(Template::parse("${{ item.jobs }}").unwrap().jobs(), Vec::<String>::new());
    insta::assert_snapshot!(value("${{ jobs[item.name].rows }}").unwrap_err(), @r#"
    `${{ jobs[item.name].rows }}`: a job must be named outright
      (write jobs.NAME, or jobs["NAME"] for a name with a dash)
    "#);
}

#[test]
fn an_undefined_name_is_named_with_a_suggestion() {
    let errors =
        ["vars.dya", "item.nmae", "itm.x", "run.dat", "item.name | dat('%Y')", "vars.n +", "", "missing(1)"];
    let errors = errors.map(|source| value(&format!("${{{{ {source} }}}}")).unwrap_err());
    insta::assert_snapshot!(errors.join("\n"), @r"
    `vars.dya` is not defined
      (did you mean `day`?)
    `item.nmae` is not defined
      (did you mean `name`?)
    `itm` is not defined in `${{ itm.x }}`
      (did you mean `item`?)
    `run.dat` is not defined
      (did you mean `day`?)
    `${{ item.name | dat('%Y') }}`: unknown filter `dat`
      (did you mean `date`?)
    `${{ vars.n + }}`: unexpected end of input, expected expression
    `${{ }}` holds no expression
    `missing` is not defined in `${{ missing(1) }}`
      (known: vars, item, run, secrets, jobs)
    ");
    assert_eq!(value("${{ item.nope | default('-') }}"), Ok(json!("-")));
    assert!(value("${{ vars.n").unwrap_err().starts_with("`${{ vars.n` has no `}}`"));
}

#[test]
fn dates_are_formatted_and_moved() {
    assert_eq!(value("${{ vars.day | date('%Y%m%d') }}"), Ok(json!("20261119")));
    assert_eq!(value("${{ '2026-03-01' | days(-1) }}"), Ok(json!("2026-02-28")));
    assert_eq!(value("${{ run.time | days(1) }}"), Ok(json!("2026-11-23T03:00:00+01:00")));
    assert_eq!(value("${{ run.time | date('%H:%M %z') }}"), Ok(json!("03:00 +0100")));
    assert_eq!(value("${{ '2026-11-22T03:00:00Z' | days(-22) }}"), Ok(json!("2026-10-31T03:00:00Z")));
    insta::assert_snapshot!(value("${{ 'monday' | days(1) }}").unwrap_err(), @r#"`${{ 'monday' | days(1) }}`: "monday" is not a day such as 2026-11-19, nor a time in ISO 8601"#);
}

#[test]
fn a_value_in_a_url_is_one_segment_or_one_query_value() {
    assert_eq!(
        url("v1/${{ vars.slash }}/x?q=${{ vars.slash }}&r=1"),
        Ok("v1/a%2Fb%20%C3%BC/x?q=a%2Fb%20%C3%BC&r=1".to_owned())
    );
    assert_eq!(url("${{ vars.slash }}"), Ok("a/b ü".to_owned()));
    assert_eq!(url("https://u:${{ secrets.token }}@h/"), Ok("https://u:s3cret%2F@h/".to_owned()));
    assert_eq!(url("https://${{ 'h:80' }}/x"), Ok("https://h:80/x".to_owned()));
    insta::assert_snapshot!(url("https://${{ 'a.b/x' }}.example/").unwrap_err(), @"`${{ 'a.b/x' }}` can't be a part of a host name");
    insta::assert_snapshot!(url("a/${{ item.up }}/b").unwrap_err(), @r#"a value makes ".." a part of the path of a URL"#);
    insta::assert_snapshot!(url("a/${{ item.gone }}").unwrap_err(), @r"
    `${{ item.gone }}` is null
      (for a text in its place: | default('..', true))
    ");
    insta::assert_snapshot!(url("${{ 'https://h/' }}x").unwrap_err(), @r"
    `${{ 'https://h/' }}` is a whole URL, and stands at the start of a longer one
      (join them in the expression: ${{ vars.base ~ '/path' }})
    ");
}

#[test]
fn a_value_in_an_output_is_one_component() {
    assert_eq!(path("out/${{ vars.slash }}.csv"), Ok("out/a%2Fb ü.csv".to_owned()));
    assert_eq!(path("out/${{ 'a\\u0001' ~ '\\n' }}"), Ok("out/a%01%0A".to_owned()));
    assert_eq!(path("${{ '.' }}x"), Ok(".x".to_owned()));
    for source in
        ["${{ item.up }}/x", "a/${{ '.' }}", "a/${{ '.' }}${{ '.' }}/b", "a/${{ '' }}/b", "${{ '' }}"]
    {
        assert!(path(source).unwrap_err().starts_with("a value makes"), "{source}");
    }
}

#[test]
fn secrets_stand_only_where_they_may() {
    let template = Template::parse("Bearer ${{ secrets.token }}").unwrap();
    assert_eq!(
        template.secret(&scope()).map(|secret| secret.expose().to_owned()),
        Ok("Bearer s3cret/".to_owned())
    );
    for error in
        [template.text(&scope()).err(), template.value(&scope()).err(), template.path(&scope()).err()]
    {
        assert_eq!(
            error.unwrap().message,
            "`Bearer ${{ secrets.token }}`: a secret can't be used here\n  \
             (secrets go into: url, header, query value, form, json, body, user, password)"
        );
    }
}

#[test]
fn what_an_expression_makes_of_a_secret_is_secret() {
    let mut globals = Globals::default();
    globals.secrets.insert("key".to_owned(), Secret::new("made-of-lower-case"));
    let template = Template::parse("x ${{ secrets.key | upper }}").unwrap();
    template.secret(&Scope::new(Arc::new(globals))).unwrap();
    let redactor = crate::secret::Redactor::process();
    assert_eq!(redactor.redact("key=MADE-OF-LOWER-CASE"), "key=***");
}

#[derive(serde::Deserialize, Default, Debug, PartialEq)]
#[serde(default)]
struct Keys {
    get: Option<Template>,
    count: u32,
    on: bool,
    host: String,
    wait: Option<crate::units::Span>,
    json: Option<Tree>,
    retries: Option<Retries>,
    policy: Option<Policy>,
}

#[derive(serde::Deserialize, Default, Debug, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Retries {
    delay: Option<crate::units::Span>,
    count: u32,
}

#[derive(serde::Deserialize, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Settle,
    FailFast,
}

const KEYS: [&str; 8] = ["get", "count", "on", "host", "wait", "json", "retries", "policy"];

fn read(toml: &str) -> Result<Keys, String> {
    let shown = |problems: Vec<Problem>| {
        let line = |problem: &Problem| toml[..problem.span.start].matches('\n').count() + 1;
        problems.iter().map(|problem| format!("{}: {}\n", line(problem), problem.message)).collect::<String>()
    };
    let mut problems = Vec::new();
    let (mut table, whole) = Table::parse_at(toml, 0, &mut problems);
    if !whole {
        return Err(shown(problems));
    }
    table.substitute(&known(&["broken"]), &mut problems);
    let keys = table.read(&KEYS, &mut problems);
    if problems.is_empty() { Ok(keys) } else { Err(shown(problems)) }
}

#[test]
fn a_table_is_read_with_what_is_known_filled_in() {
    let keys = read(
        "get = 'a/${{ vars.day }}/${{ item.name }}'\ncount = '${{ vars.n }}'\nhost = 'h-${{ vars.n }}'\non = true\n\
         wait = '90m'\njson = { a = ['${{ item.size }}', 1, '${{ vars.n }}'], d = 2026-11-19 }\npolicy = 'fail_fast'",
    )
    .unwrap();
    assert_eq!((keys.count, keys.on, keys.host.as_str()), (3, true, "h-3"));
    assert_eq!(keys.get.unwrap().text(&scope()).unwrap(), "a/2026-11-19/x");
    assert_eq!(keys.json.unwrap().value(&scope()).unwrap(), json!({ "a": [7, 1, 3], "d": "2026-11-19" }));
    assert_eq!(keys.policy, Some(Policy::FailFast));
}

#[test]
fn all_mistakes_are_found_at_once_each_with_its_place() {
    let toml = "gte = 'x'\ncount = 'three'\non = 1\nhost = ['a']\nwait = 30\nretries = { cuont = 1 }\npolicy = 'fast'\njson = 1";
    insta::assert_snapshot!(read(toml).unwrap_err(), @r#"
    1: unknown key `gte`
      (did you mean `get`?)
    2: `count` must be a whole number, 0 or more, not "three"
    3: `on` must be true or false, not 1
    4: `host` must be a string, not a list
    5: `wait`: 30 needs a unit: write a duration such as "30s", "5m" or "1h30m"
    6: unknown key `retries.cuont`
      (did you mean `count`?)
    7: `policy` must be "settle" or "fail_fast", not "fast"
    "#);
    insta::assert_snapshot!(read("retries = { delay = 'x' }\nhost = 'a${{ item.name }}'\ncount = -1\n[policy]").unwrap_err(), @r#"
    1: `retries.delay`: "x" is not a duration such as "30s", "5m" or "1h30m"
    2: `host` can't use `item`: it is read before the plan runs
    3: `count` must be a whole number, 0 or more, not -1
    4: `policy` must be "settle" or "fail_fast", not a table
    "#);
}

#[test]
fn undefined_variables_are_found_before_the_run() {
    let toml = "get = '${{ item.x }}/${{ vars.nope }}'\nhost = '${{ vars.dya }}'\njson = { a = ['${{ vars.x | default(1) ~ item.a }}'] }";
    insta::assert_snapshot!(read(toml).unwrap_err(), @r"
    1: `vars.nope` is not defined
      (known: day, n, slash, trap, nothing)
    2: `vars.dya` is not defined
      (did you mean `day`?)
    ");
}

#[test]
fn syntax_errors_of_toml_are_reported_together() {
    insta::assert_snapshot!(read("count = \nhost = 'a\non = tru\na = 1\na = 2").unwrap_err(), @r"
    1: string values must be quoted, expected literal string
    2: invalid literal string, expected `'`
    3: invalid boolean, expected `true`
    5: duplicate key
    ");
}

#[test]
fn defaults_go_below_what_is_there() {
    let mut own = Table::parse("host = 'own'\nretries = { count = 1 }").unwrap();
    own.merge_below(
        &Table::parse("host = 'other'\non = true\nretries = { count = 2, delay = '1s' }").unwrap(),
    );
    let keys: Keys = own.read(&KEYS, &mut Vec::new());
    let retries = Retries { count: 1, delay: Some(crate::units::Span(std::time::Duration::from_secs(1))) };
    assert_eq!((keys.host.as_str(), keys.on, keys.retries), ("own", true, Some(retries)));
}

proptest! {
    #[test]
    fn no_string_panics_and_what_is_literal_stays(text in "\\PC{0,40}") {
        if let Ok(template) = Template::parse(&text) {
            let again = Template::parse(&template.source()).unwrap();
            prop_assert_eq!(&again, &template);
        }
        prop_assert_eq!(Template::of_literal(text.clone()).text(&scope()).unwrap(), text);
    }

    #[test]
    fn a_component_never_leaves_its_folder(value in "\\PC{0,12}") {
        let template = Template::parse("out/${{ item }}").unwrap();
        if let Ok(path) = template.path(&scope().with_item(json!(value))) {
            prop_assert_eq!(path.matches('/').count(), 1);
            prop_assert!(!matches!(path.rsplit('/').next(), Some("" | "." | "..")));
        }
    }
}
