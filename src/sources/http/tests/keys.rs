//! From the plan's keys to what a server sees.

use super::*;
use crate::expr::{Globals, Scope, Table};
use crate::secret::Secret;
use crate::sources::{Operation, Source, Surroundings, kinds};
use serde_json::{Value, json};

fn scope(item: Value) -> Scope {
    let vars = json!({ "day": "2026-11-19" }).as_object().unwrap().clone();
    let mut globals = Globals { vars, ..Globals::default() };
    globals.secrets.insert("token".to_owned(), Secret::new("canary-token"));
    globals.secrets.insert("hook".to_owned(), Secret::new("http://127.0.0.1:1/services/canary-hook"));
    Scope::new(Arc::new(globals)).with_item(item)
}

/// A source of the kind from TOML, or its mistakes with a line each.
fn source(toml: &str) -> Result<Arc<dyn Source>, String> {
    let kind = kinds().find(|kind| kind.name() == "http").unwrap();
    let surroundings = Surroundings {
        folder: std::path::Path::new("/nowhere"),
        connect_timeout: Some(Duration::from_secs(5)),
        asking: None,
    };
    let mut problems = Vec::new();
    let source = kind.source("api", Table::parse(toml).unwrap(), &surroundings, &mut problems);
    if problems.is_empty() { Ok(source) } else { Err(lines(&problems)) }
}

fn operation(source_toml: &str, job: &str) -> Result<Box<dyn Operation>, String> {
    let mut problems = Vec::new();
    let operation = source(source_toml)?.operation("job", Table::parse(job).unwrap(), &mut problems);
    operation.filter(|_| problems.is_empty()).ok_or_else(|| lines(&problems))
}

fn lines(problems: &[crate::expr::Problem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n")
}

fn request(source: &str, job: &str, item: Value) -> Result<Box<dyn Request>, String> {
    let operation = operation(source, job)?;
    operation.request(&scope(item), None).map_err(|error| error.to_string())
}

async fn echo() -> Server {
    Server::start(|_, mut stream: TcpStream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.ok()?;
        Some(stream)
    })
    .await
}

/// What the server sees of a job.
async fn seen(settings: &str, job: &str, item: Value) -> String {
    let server = echo().await;
    let settings = format!("base_url = \"{}\"\n{settings}", server.url("/v1"));
    let request = request(&settings, job, item).unwrap();
    request.call(&Context::detached(), &mut Sink::Discard).await.unwrap();
    server.heads().remove(0)
}

#[tokio::test]
async fn values_are_encoded_where_they_stand() {
    let job = "get = \"users/${{ item.name }}/x?q=${{ item.q }}\"\nparams = { day = \"${{ vars.day }}\", n = [1, \"${{ item.q }}\"], all = \"${{ item.list }}\", none = \"${{ item.none }}\" }";
    let head = seen("", job, json!({ "name": "a/b c", "q": "x&y", "list": ["p", true], "none": null })).await;
    let line = "GET /v1/users/a%2Fb%20c/x?q=x%26y&day=2026-11-19&n=1&n=x%26y&all=p&all=true HTTP/1.1\r\n";
    assert!(head.starts_with(line), "{head}");
    assert!(head.contains(concat!("user-agent: fanout/", env!("CARGO_PKG_VERSION"))), "{head}");
}

#[tokio::test]
async fn one_expression_is_a_path_or_a_url_as_it_stands() {
    let head = seen("", "get = \"${{ item }}\"", json!("a/b?c=d")).await;
    assert!(head.starts_with("GET /v1/a/b?c=d HTTP/1.1"), "{head}");
    let server = echo().await;
    let url = server.url("/whole");
    let request = request("", "get = \"${{ item }}\"", json!(url)).unwrap();
    assert_eq!(request.target(), format!("GET {url}"));
    assert_eq!(request.host(), Some(server.address.to_string().as_str()));
}

#[tokio::test]
async fn bodies_are_sent_with_their_type() {
    let job = "post = \"x\"\njson = { text = \"${{ item }}\", n = 1, deep = [{ token = \"${{ secrets.token }}\" }] }";
    let head = seen("", job, json!("a\"b")).await;
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.ends_with(r#"{"text":"a\"b","n":1,"deep":[{"token":"canary-token"}]}"#), "{head}");
    let job = "put = \"x\"\nform = { a = \"1 & 2\", b = [1, 2], t = \"${{ secrets.token }}\" }";
    let head = seen("", job, json!(null)).await;
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"), "{head}");
    assert!(head.ends_with("a=1+%26+2&b=1&b=2&t=canary-token"), "{head}");
    let job = "patch = \"x\"\nbody = \"day ${{ vars.day }}\"\nheaders = { Content-Type = \"text/plain\" }";
    let head = seen("", job, json!(null)).await;
    assert!(head.starts_with("PATCH ") && head.contains("content-type: text/plain\r\n"), "{head}");
    assert!(head.ends_with("day 2026-11-19"), "{head}");
}

#[tokio::test]
async fn logins_and_headers_are_sent_and_the_jobs_win() {
    let bearer =
        "auth = { bearer = \"${{ secrets.token }}\" }\nheaders = { x-a = \"source\", x-b = \"source\" }";
    let head = seen(bearer, "get = \"x\"\nheaders = { X-A = \"job ${{ item }}\" }", json!(7)).await;
    assert!(head.contains("authorization: Bearer canary-token\r\n"), "{head}");
    assert!(head.contains("x-a: job 7\r\n") && head.contains("x-b: source\r\n"), "{head}");
    let basic = "auth = { user = \"ann\", password = { plain = \"canary\" } }";
    let head = seen(basic, "get = \"x\"", json!(null)).await;
    assert!(head.contains("authorization: Basic YW5uOmNhbmFyeQ==\r\n"), "{head}");
    let own = "headers = { authorization = { plain = \"Bearer own\" } }";
    let head = seen(own, "get = \"x\"", json!(null)).await;
    assert!(head.contains("authorization: Bearer own\r\n"), "{head}");
}

#[tokio::test]
async fn a_login_in_a_secret_base_url_is_used_and_not_shown() {
    let server = echo().await;
    let base = format!("base_url = {{ plain = \"http://ann:canary@{}/v1\" }}", server.address);
    let request = request(&base, "get = \"x\"", json!(null)).unwrap();
    assert_eq!(request.target(), format!("GET http://{}/***", server.address));
    request.call(&Context::detached(), &mut Sink::Discard).await.unwrap();
    assert!(server.heads()[0].starts_with("GET /v1/x "));
    assert!(server.heads()[0].contains("authorization: Basic YW5uOmNhbmFyeQ==\r\n"));
}

#[tokio::test]
async fn another_host_than_that_of_the_base_gets_no_secret_of_the_source() {
    let server = echo().await;
    let settings = "base_url = \"http://api.example/v1/\"\nauth = { bearer = { plain = \"canary\" } }\nheaders = { x-own = { plain = \"canary\" }, x-plain = \"p\" }";
    let request = request(settings, &format!("get = \"{}\"", server.url("/a")), json!(null)).unwrap();
    assert_eq!(request.host(), Some(server.address.to_string().as_str()));
    request.call(&Context::detached(), &mut Sink::Discard).await.unwrap();
    let head = server.heads().remove(0);
    assert!(!head.contains("canary") && head.contains("x-plain: p"), "{head}");
}

#[test]
fn what_lies_at_the_base_falls_under_the_sources_own_limits() {
    let request = request("base_url = \"https://x.example/v1\"", "get = \"a\"", json!(null)).unwrap();
    assert_eq!(request.host(), None);
    assert_eq!(request.target(), "GET https://x.example/v1/a");
}

#[test]
fn secrets_are_not_in_targets() {
    let base = "base_url = \"https://x.example/\"";
    for (source, job, target) in [
        ("", "post = \"${{ secrets.hook }}\"", "POST http://127.0.0.1:1/***"),
        (base, "get = \"a?t=${{ secrets.token }}\"", "GET https://x.example/a?t=***"),
        (base, "get = \"a/${{ secrets.token }}/b?n=1\"", "GET https://x.example/a/***/b?n=1"),
        (
            "base_url = \"https://u:${{ secrets.token }}@x.example/${{ secrets.token }}/v1\"",
            "get = \"a/${{ item.name }}\"",
            "GET https://x.example/***/v1/a/%24",
        ),
        ("base_url = { plain = \"https://x.example/canary/\" }", "get = \"a\"", "GET https://x.example/***"),
        (
            base,
            "get = \"a\"\nparams = { t = \"${{ secrets.token }}\", n = 1 }",
            "GET https://x.example/a?t=***&n=1",
        ),
    ] {
        assert_eq!(request(source, job, json!({ "name": "$" })).unwrap().target(), target);
    }
}

#[tokio::test]
async fn no_error_has_a_secret_in_it() {
    let failing = Server::start(|head: String, mut stream: TcpStream| async move {
        let answer = format!("HTTP/1.1 500 X\r\nContent-Length: {}\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        Some(stream)
    })
    .await;
    let cut = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx").await;
    let redirecting = Server::start(|head: String, mut stream: TcpStream| async move {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = format!("HTTP/1.1 307 X\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.ok()?;
        Some(stream)
    })
    .await;
    let settings = "auth = { user = \"ann\", password = { plain = \"canary-pw\" } }\nheaders = { x-own = { plain = \"canary own\" } }";
    for base in [
        failing.url("/v1"),
        cut.url("/v1"),
        redirecting.url("/v1"),
        "http://127.0.0.1:1/".to_owned(),
        "http://canary.invalid".to_owned(),
    ] {
        for path in ["a/${{ secrets.token }}/b?k=${{ secrets.token }}", "a", "${{ secrets.hook ~ 'x' }}"] {
            let source = format!("base_url = \"{base}\"\n{settings}");
            let job = format!(
                "post = \"{path}\"\nparams = {{ p = \"${{{{ secrets.token }}}}\" }}\njson = {{ deep = [\"${{{{ secrets.token }}}}\"] }}"
            );
            let request = request(&source, &job, json!(null)).unwrap();
            let error = request.call(&Context::detached(), &mut Sink::Discard).await.unwrap_err();
            let said = format!("{error} {error:?} {}", request.target()).replace("canary.invalid", "");
            assert!(!said.contains("canary"), "{base} {path}: {said}");
            assert!(!said.contains("Y2FuYXJ5") && !said.contains("YW5uOm"), "{base} {path}: {said}");
        }
    }
}

#[test]
fn mistakes_of_a_source_are_told_together() {
    let told = source("base_url = \"https://u:pw@x/\"\nredirects = 11\nauth = { bearer = { env = \"T\" }, user = \"u\" }\nheaders = { Authorization = \"Bearer abc\", \"x y\" = \"1\" }").err().unwrap();
    for part in [
        "`base_url`: a password must not stand in the plan",
        "`redirects` must be at most 10",
        "`auth` needs either `bearer`, or `user` and `password`",
        "`headers.Authorization`: a secret must not stand in the plan",
        "`headers`: `x y` is no name of a header",
    ] {
        assert!(told.contains(part), "{part} in:\n{told}");
    }
    assert!(!told.contains("pw"), "{told}");
    for (settings, part) in [
        ("base_url = \"ftp://x/\"", "it is neither http nor https"),
        ("base_url = \"x.example\"", "is not a URL"),
        ("bas_url = \"https://x/\"", "did you mean `base_url`?"),
        ("auth = { bearer = \"literal\" }", "must not stand in the plan"),
        ("ca_file = \"missing.pem\"", "`ca_file`: /nowhere/missing.pem: No such file"),
        ("proxy = \"system\"", "\"none\" or \"environment\""),
        (
            "auth = { bearer = { env = \"T\" } }\nheaders = { authorization = { env = \"T\" } }",
            "one is enough",
        ),
    ] {
        let told = source(settings).err().unwrap();
        assert!(told.contains(part), "{part} in:\n{told}");
    }
}

#[test]
fn mistakes_of_a_job_are_told_together() {
    for (job, part) in [
        ("post = \"a\"\nform = {}\njson = 1", "must have one of `json` and `form`, not both"),
        ("get = \"a\"\nexpect = { status = 99 }", "from 100 to 599"),
        ("get = \"a\"\nexpect = { status = \"6xx\" }", "must be a status, not \"6xx\""),
        ("get = \"a\"\nexpect = { status = [] }", "must name a status"),
        ("get = \"a\"\nexpect = { status = true }", "a status such as 200 or \"2xx\", or a list of them"),
        ("get = \"a\"\nmax_bytes = 5", "needs a unit"),
        ("gett = \"a\"", "did you mean `get`?"),
        ("get = \"a\"\nheaders = { cookie = \"id=1\" }", "a secret must not stand in the plan"),
    ] {
        let told = operation("", job).err().unwrap();
        assert!(told.contains(part), "{part} in:\n{told}");
    }
}

#[tokio::test]
async fn statuses_that_are_hoped_for_can_be_named_in_each_form() {
    let server = Server::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let source = format!("base_url = \"{}\"", server.url("/"));
    for (status, good) in [
        ("404", true),
        ("[200, 404]", true),
        ("\"4xx\"", true),
        ("[\"2xx\", 404]", true),
        ("200", false),
        ("\"5XX\"", false),
    ] {
        let request =
            request(&source, &format!("get = \"a\"\nexpect = {{ status = {status} }}"), json!(null)).unwrap();
        let result = request.call(&Context::detached(), &mut Sink::Discard).await;
        assert_eq!(result.is_ok(), good, "{status}");
    }
}

#[test]
fn whether_a_job_changes_something_is_known() {
    let operation_of = |job| operation("", job).unwrap();
    assert!(operation_of("post = \"x\"").changes() && operation_of("delete = \"x\"").changes());
    assert!(!operation_of("get = \"x\"").changes() && !operation_of("head = \"x\"").changes());
}

#[test]
fn expressions_without_a_value_and_headers_that_cannot_be_sent_are_errors_of_the_item() {
    let base = "base_url = \"https://x/\"";
    for (job, part) in [
        ("get = \"${{ item.nothing }}\"", "nothing"),
        ("get = \"a/${{ item.up }}/b\"", "\"..\""),
        ("get = \"${{ item.climb }}\"", "leaves the source's `base_url`"),
        ("get = \"a\"\nheaders = { x-a = \"${{ item.lines }}\" }", "header `x-a`: its value can't be sent"),
        ("get = \"a\"\nparams = { x = [[1]] }", "`x` has a value that is no text, number or boolean"),
    ] {
        let item = json!({ "up": "..", "climb": "../admin", "lines": "a\r\nx-evil: 1" });
        let told = request(base, job, item).err().unwrap();
        assert!(told.contains(part), "{part} in:\n{told}");
    }
    assert!(request("", "get = \"a\"", json!(null)).err().unwrap().contains("has no `base_url`"));
}

#[test]
fn a_sources_target_has_no_secret() {
    for (settings, target) in [
        ("base_url = \"https://x/v1/?api_key=canary\"", "https://x/v1/?api_key=***"),
        ("base_url = \"https://${{ vars.day }}/\"", "https://${{ vars.day }}/"),
        ("base_url = { env = \"API\" }", "environment variable API"),
        ("", "http"),
    ] {
        assert_eq!(source(settings).unwrap().target(), target);
    }
}

#[tokio::test]
async fn connecting_asks_for_no_more_than_a_head() {
    let server = Server::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let settings =
        format!("base_url = \"{}\"\nauth = {{ bearer = {{ plain = \"canary\" }} }}", server.url("/v1"));
    source(&settings)
        .unwrap()
        .connect(&Context::detached(), &crate::expr::Scope::new(std::sync::Arc::default()))
        .await
        .unwrap();
    assert!(server.heads()[0].starts_with("HEAD /v1 "));
    assert!(!server.heads()[0].contains("canary"));
    let gone = source("base_url = \"http://127.0.0.1:1/\"").unwrap();
    assert_eq!(
        gone.connect(&Context::detached(), &crate::expr::Scope::new(std::sync::Arc::default()))
            .await
            .unwrap_err()
            .code,
        "connect"
    );
    source("")
        .unwrap()
        .connect(&Context::detached(), &crate::expr::Scope::new(std::sync::Arc::default()))
        .await
        .unwrap();
}

#[test]
fn the_schema_knows_every_key() {
    let kind = kinds().find(|kind| kind.name() == "http").unwrap();
    let (source, job) = kind.schemas();
    let keys = |schema: &schemars::Schema| -> Vec<String> {
        schema.get("properties").unwrap().as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&source), super::super::settings::SOURCE_KEYS);
    assert_eq!(keys(&job), super::super::job::JOB_KEYS);
}
