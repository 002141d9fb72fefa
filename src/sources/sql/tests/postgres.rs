//! A real PostgreSQL server.

use super::server::{PASSWORD, Server, server};
use super::{error, kept, operation, rows, scope, source_in, toml, written};
use crate::gather::{Advice, Cause, Context};
use crate::sources::{Sink, Source};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often something is waited for that the server does by itself, 50 ms apart.
const LOOKS: usize = 400;

async fn running(source: &Arc<dyn Source>, mark: &str) -> usize {
    let query = format!(
        "select pid from pg_stat_activity where state = 'active' and query like '%{mark}%' and pid <> pg_backend_pid()"
    );
    rows(source, &format!("query = {}", toml(&query))).await.lines().count()
}

async fn until(source: &Arc<dyn Source>, mark: &str, count: usize) {
    for _ in 0..LOOKS {
        if running(source, mark).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} statements run, not {count}", running(source, mark).await);
}

fn sleeping(server: &Server, mark: &str) -> (Arc<dyn Source>, Box<dyn crate::sources::Request>) {
    let source = server.source();
    let keys = format!("query = \"select pg_sleep(600) /* {mark} */\"");
    let request = operation(&source, &keys).unwrap().request(&scope(), None).unwrap();
    (source, request)
}

#[tokio::test]
async fn a_cancelled_query_ends_on_the_server() {
    let Some(server) = server("a_cancelled_query_ends_on_the_server") else { return };
    let (source, request) = sleeping(server, "cancel me");
    let context = Context::detached();
    let watched = context.clone();
    let call = tokio::spawn(async move { request.call(&watched, &mut Sink::Discard).await });
    until(&source, "cancel me", 1).await;
    context.cancel().set(Cause::Asked);
    assert_eq!(call.await.unwrap().unwrap_err().code, "cancelled");
    until(&source, "cancel me", 0).await;
}

#[tokio::test]
async fn a_dropped_query_ends_on_the_server() {
    let Some(server) = server("a_dropped_query_ends_on_the_server") else { return };
    let (source, request) = sleeping(server, "drop me");
    let call = tokio::spawn(async move { request.call(&Context::detached(), &mut Sink::Discard).await });
    until(&source, "drop me", 1).await;
    call.abort();
    until(&source, "drop me", 0).await;
}

#[tokio::test]
async fn a_query_whose_output_fails_ends_on_the_server() {
    let Some(server) = server("a_query_whose_output_fails_ends_on_the_server") else { return };
    let source = server.source();
    let query =
        "query = \"select repeat('x', 1000) as v, generate_series(1, 100000000) as n /* too large */\"";
    let failure = error(&source, query).await;
    assert_eq!(failure.code, "too_large");
    until(&source, "too large", 0).await;
}

#[tokio::test]
async fn a_wrong_password_is_one_login_and_the_sources_own_failure() {
    let Some(server) = server("a_wrong_password_is_one_login_and_the_sources_own_failure") else { return };
    rows(
        &server.source(),
        "query = \"do $$ begin if not exists (select from pg_roles where rolname = 'clerk') then \
        create role clerk login password 'x'; end if; end $$\"\nwrite = true",
    )
    .await;
    let settings =
        server.settings().replace("user = 'postgres'", "user = 'clerk'").replace(PASSWORD, "wr0ng");
    let source = source_in(Path::new("/"), "postgres", &settings).unwrap();
    let failure = error(&source, "query = 'select 1'").await;
    assert_eq!((failure.code, failure.advice), ("login", Advice::SOURCE_NEVER));
    assert!(failure.message.contains("28P01") && !format!("{failure:?}").contains("wr0ng"), "{failure}");
    let attempts = server.log().matches("password authentication failed for user \"clerk\"").count();
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn an_unknown_database_is_never_tried_again_and_a_closed_port_is() {
    let Some(server) = server("an_unknown_database_is_never_tried_again_and_a_closed_port_is") else {
        return;
    };
    let settings = server.settings().replace("database = 'postgres'", "database = 'nowhere'");
    let failure =
        error(&source_in(Path::new("/"), "postgres", &settings).unwrap(), "query = 'select 1'").await;
    assert_eq!((failure.code, failure.advice), ("login", Advice::SOURCE_NEVER));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = server.settings().replace(&format!("port = {}", server.port), &format!("port = {closed}"));
    let failure =
        error(&source_in(Path::new("/"), "postgres", &settings).unwrap(), "query = 'select 1'").await;
    assert_eq!((failure.code, failure.advice), ("connect", Advice::SOURCE_AGAIN));
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_connect_timeout() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = format!("host = '127.0.0.1'\nport = {}\nuser = 'a'", silent.local_addr().unwrap().port());
    let surroundings = crate::sources::Surroundings {
        folder: Path::new("/"),
        connect_timeout: Some(Duration::from_millis(100)),
        asking: None,
    };
    let kind = crate::sources::kinds().find(|kind| kind.name() == "postgres").unwrap();
    let settings = crate::expr::Table::parse(&settings).unwrap();
    let source = kind.source("shop", settings, &surroundings, &mut Vec::new());
    let failure = error(&source, "query = 'select 1'").await;
    assert!(failure.message.contains("no connection within 100ms"), "{failure}");
    assert_eq!(failure.advice, Advice::SOURCE_AGAIN);
}

#[tokio::test]
async fn an_error_says_code_and_place_in_the_query_as_written() {
    let Some(server) = server("an_error_says_code_and_place_in_the_query_as_written") else { return };
    let source = server.source();
    let query = "query = \"select :name::text,\\n  colour\\nfrom pg_class\"\nparams = { name = 'x' }";
    let failure = error(&source, query).await;
    assert_eq!((failure.code, failure.advice), ("sql", Advice::NEVER));
    assert!(
        failure.message.contains("column \"colour\" does not exist (42703) at line 2, column 3: colour"),
        "{failure}"
    );
    let failure = error(&source, "query = 'select $1::date'\nparams = ['tomorrowish']").await;
    assert!(failure.message.contains("tomorrowish") && failure.message.contains("22007"), "{failure}");
    let failure = error(&source, "query = 'select 1/(oid::int - oid::int) from pg_class'").await;
    assert!(failure.message.contains("division by zero (22012)"), "{failure}");
    assert_eq!(rows(&source, "query = 'select 1 as a'").await, "{\"a\":1}\n");
}

#[tokio::test]
async fn a_job_only_reads_unless_it_says_otherwise() {
    let Some(server) = server("a_job_only_reads_unless_it_says_otherwise") else { return };
    let source = server.source();
    for query in ["create table refused (a int)", "select set_config('transaction_read_only', 'off', false)"]
    {
        let failure = error(&source, &format!("query = {}", toml(query))).await;
        assert_eq!(failure.advice, Advice::NEVER, "{failure}");
    }
    // What one job sets for the session does not hold for the next.
    rows(&source, "query = 'set default_transaction_read_only = off'").await;
    let failure = error(&source, "query = 'create table refused (a int)'").await;
    assert!(failure.message.contains("25006") && failure.hint.unwrap().contains("write = true"));
}

#[tokio::test]
async fn what_a_job_writes_is_there_and_what_fails_is_not() {
    let Some(server) = server("what_a_job_writes_is_there_and_what_fails_is_not") else { return };
    let source = server.source();
    rows(&source, "query = 'create table written (a int primary key, b date)'\nwrite = true").await;
    let insert = "query = 'insert into written values (:a, :b) returning a'\nwrite = true\nparams = { a = 1, b = '2026-11-19' }";
    let (payload, text) = kept(&source, insert).await.unwrap();
    assert_eq!((text.as_str(), payload.facts["affected"].as_u64()), ("{\"a\":1}\n", Some(1)));
    assert!(error(&source, insert).await.message.contains("23505"));
    assert_eq!(rows(&source, "query = 'select * from written'").await, "{\"a\":1,\"b\":\"2026-11-19\"}\n");
    let large = "query = \"insert into written select g, null from generate_series(2, 300000) g returning a, repeat('x', 90)\"\nwrite = true";
    assert_eq!(error(&source, large).await.code, "too_large");
    assert_eq!(rows(&source, "query = 'select count(*) as n from written'").await, "{\"n\":1}\n");
    rows(&source, "query = 'vacuum written'\nread_only = false").await;
}

#[tokio::test]
async fn a_million_rows_stream_in_flat_memory() {
    let Some(server) = server("a_million_rows_stream_in_flat_memory") else { return };
    let source = server.source();
    let query =
        "select g as n, g * 1.5 as m, repeat('x', 150) as t, now() as d from generate_series(1, 1000000) g";
    let before = peak();
    let csv = written(&source, &format!("query = {}", toml(query)), "csv").await.unwrap();
    let lines = (csv.lines().count(), csv.len());
    assert_eq!(lines.0, 1_000_001);
    // Reading the file back takes its length and what a grown buffer takes beside it: that much, and no more.
    let grown = peak() - before;
    assert!(grown < lines.1 + (64 << 20), "{grown} bytes for a result of {}", lines.1);
}

/// The most memory this process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn hostile_names_and_values_stay_names_and_values() {
    let Some(server) = server("hostile_names_and_values_stay_names_and_values") else { return };
    let source = server.source();
    let query = "select 1 as \"a\"\"; drop table x; --\", :v as \"quo'te\"";
    for value in ["'; select 1; --", "$$", "\\", "${{", "{\"a\":1}", "E'\\''", "\u{FEFF}ü\n\r\t"] {
        let keys =
            format!("query = {}\nparams = {{ v = {} }}", toml(query), toml(&value.replace("${{", "$${{")));
        let row: serde_json::Value = serde_json::from_str(&rows(&source, &keys).await).unwrap();
        assert_eq!(row["a\"; drop table x; --"], 1);
        assert_eq!(row["quo'te"], value);
    }
    let job = source.operation(
        "it's \"me\"; --",
        crate::expr::Table::parse("query = \"select current_setting('application_name') as n\"").unwrap(),
        &mut Vec::new(),
    );
    let request = job.unwrap().request(&scope(), None).unwrap();
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1000 };
    request.call(&Context::detached(), &mut sink).await.unwrap();
    let Sink::Keep { bytes, .. } = sink else { unreachable!() };
    assert_eq!(String::from_utf8(bytes).unwrap(), "{\"n\":\"fanout/it's \\\"me\\\"; --\"}\n");
}

#[tokio::test]
async fn formats_hold_for_no_rows_and_for_equal_names() {
    let Some(server) = server("formats_hold_for_no_rows_and_for_equal_names") else { return };
    let source = server.source();
    let none = "query = 'select 1 as a, now() as b where false'";
    assert_eq!(written(&source, none, "csv").await.unwrap(), "a,b\n");
    assert_eq!(written(&source, none, "jsonl").await.unwrap(), "");
    let parsed: serde_json::Value =
        serde_json::from_str(&written(&source, none, "json").await.unwrap()).unwrap();
    assert_eq!(parsed, serde_json::json!([]));
    assert!(
        written(&source, "query = 'select 1 as a, 2 as a'", "json")
            .await
            .unwrap_err()
            .message
            .contains("\"a\"")
    );
    assert!(written(&source, none, "xlsx").await.unwrap_err().message.contains("`.xlsx`"));
    assert_eq!(
        written(&source, "query = 'show server_encoding'", "csv").await.unwrap(),
        "server_encoding\nUTF8\n"
    );
}

#[tokio::test]
async fn connections_are_used_again_and_a_lost_one_is_not() {
    let Some(server) = server("connections_are_used_again_and_a_lost_one_is_not") else { return };
    let source = server.source();
    let pid = "query = 'select pg_backend_pid() as pid'";
    let first = rows(&source, pid).await;
    assert_eq!(rows(&source, pid).await, first);
    let number: serde_json::Value = serde_json::from_str(&first).unwrap();
    let kill = format!("query = 'select pg_terminate_backend($1)'\nparams = [{}]", number["pid"]);
    rows(&server.source(), &kill).await;
    let after = kept(&source, pid).await;
    match after {
        Ok((_, text)) => assert_ne!(text, first),
        Err(failure) => {
            assert_eq!(failure.advice, Advice::SOURCE_AGAIN, "{failure}");
            assert_ne!(rows(&source, pid).await, first);
        }
    }
}

#[tokio::test]
async fn a_session_the_server_ends_may_be_tried_again() {
    let Some(server) = server("a_session_the_server_ends_may_be_tried_again") else { return };
    let (source, request) = sleeping(server, "end me");
    let call = tokio::spawn(async move { request.call(&Context::detached(), &mut Sink::Discard).await });
    until(&source, "end me", 1).await;
    rows(&source, "query = \"select pg_terminate_backend(pid) from pg_stat_activity where query like '%end me%' and pid <> pg_backend_pid()\"").await;
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!(failure.advice, Advice::SOURCE_AGAIN, "{failure}");
}

#[tokio::test]
async fn each_file_of_a_glob_is_an_item() {
    let Some(server) = server("each_file_of_a_glob_is_an_item") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("reports/deep")).unwrap();
    for (name, sql) in [
        ("b.sql", "select :day::date + 1 as next"),
        ("a.sql", "\u{feff}select :day as day"),
        ("deep/c.sql", "select 1"),
        ("d.txt", ""),
    ] {
        std::fs::write(folder.path().join("reports").join(name), sql).unwrap();
    }
    let source = source_in(folder.path(), "postgres", &server.settings()).unwrap();
    let job = operation(&source, "query_file = 'reports/*.sql'\nparams = { day = '2026-11-19' }").unwrap();
    assert!(job.lists());
    let context = Context::detached();
    std::fs::write(folder.path().join("reports/deep/a.sql"), "select 1").unwrap();
    let twice = operation(&source, "query_file = 'reports/**/*.sql'").unwrap();
    let error = twice.listing(&scope()).unwrap().next_page(&context).await.unwrap_err();
    assert!(error.to_string().contains("equal keys: reports/a.sql and reports/deep/a.sql"), "{error}");
    let page = job.listing(&scope()).unwrap().next_page(&context).await.unwrap();
    assert!(!page.more);
    assert_eq!(page.entries.iter().map(|entry| &*entry.key).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(page.entries[1].value["path"], "reports/b.sql");
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1000 };
    let request = job.request(&scope(), Some(&page.entries[1])).unwrap();
    request.call(&context, &mut sink).await.unwrap();
    let Sink::Keep { bytes, .. } = sink else { unreachable!() };
    assert_eq!(String::from_utf8(bytes).unwrap(), "{\"next\":\"2026-11-20\"}\n");
}
