//! Real SQLite files.

use super::{error, kept, operation, rows, scope, source_in, toml, written};
use crate::gather::{Advice, Cause, Context};
use crate::sources::{Sink, Source};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A database made by this SQL.
async fn database(sql: &str) -> (TempDir, Arc<dyn Source>) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("shop.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let source = source_in(folder.path(), "sqlite", "path = 'shop.db'").unwrap();
    (folder, source)
}

#[tokio::test]
async fn values_come_by_their_own_type_without_loss() {
    let (_folder, source) = database(
        "create table t (n integer, v);
         insert into t values (1, null), (2, 9223372036854775807), (3, 0.1), (4, 'text'), (5, x'00ff'), (6, ''),
            (7, 1e300), (8, -0.0), (9, cast(x'ff' as text)), (10, 9e999), (11, x''), (12, '12')",
    )
    .await;
    let text = rows(&source, "query = 'select v from t order by n'").await;
    let expected = [
        "null",
        "9223372036854775807",
        "0.1",
        "\"text\"",
        "\"\\\\x00ff\"",
        "\"\"",
        "1e+300",
        "-0.0",
        "\"\\\\xff\"",
        "\"Infinity\"",
        "\"\\\\x\"",
        "\"12\"",
    ];
    for (line, expected) in text.lines().zip(expected) {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(line)["v"], parse(expected), "{line}");
    }
    assert_eq!(text.lines().count(), expected.len());
}

#[tokio::test]
async fn parameters_by_number_and_by_name_keep_their_type() {
    let (_folder, source) = database("create table t (a)").await;
    let types = "query = 'select typeof(?1) as a, typeof(?2) as b, typeof(?3) as c, typeof(?4) as d, ?5 as e'\nparams = [1, 1.5, 'x', true, ['a']]";
    let expected = r#"{"a":"integer","b":"real","c":"text","d":"integer","e":"[\"a\"]"}"#;
    assert_eq!(rows(&source, types).await.trim(), expected);
    let named = "query = \"select :b || :a || ':a' as v\"\nparams = { a = \"'; drop table t\", b = 'x' }";
    assert_eq!(rows(&source, named).await, "{\"v\":\"x'; drop table t:a\"}\n");
    let question = "query = 'select ? as a, ? as b'\nparams = [1, 2]";
    assert_eq!(rows(&source, question).await, "{\"a\":1,\"b\":2}\n");
}

#[tokio::test]
async fn a_missing_file_is_not_made_and_another_file_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let source = source_in(folder.path(), "sqlite", "path = 'missing.db'\nread_only = false").unwrap();
    let failure = error(&source, "query = 'select 1'").await;
    assert!(failure.message.contains("no such file"), "{failure}");
    assert_eq!(failure.advice, Advice::SOURCE_NEVER);
    assert!(!folder.path().join("missing.db").exists());
    std::fs::write(folder.path().join("text.db"), "not a database, but longer than a header is".repeat(50))
        .unwrap();
    let source = source_in(folder.path(), "sqlite", "path = 'text.db'").unwrap();
    let failure = error(&source, "query = 'select * from t'").await;
    assert!(failure.message.contains("not a database"), "{failure}");
    assert_eq!(failure.advice, Advice::SOURCE_NEVER);
}

#[tokio::test]
async fn a_job_only_reads_unless_it_says_otherwise() {
    let (_folder, source) = database("create table t (a)").await;
    let failure = error(&source, "query = 'insert into t values (1)'").await;
    assert!(failure.hint.unwrap().contains("write = true"), "{}", failure.message);
    let (payload, _) = kept(&source, "query = 'insert into t values (1), (2)'\nwrite = true").await.unwrap();
    assert_eq!(payload.facts["affected"], 2);
    assert_eq!(rows(&source, "query = 'select count(*) as n from t'").await, "{\"n\":2}\n");
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_leave_the_connection_usable() {
    let (_folder, source) = database("create table t (a)").await;
    let failure = error(&source, "query = 'select b from t'").await;
    assert!(failure.message.contains("no such column: b"), "{failure}");
    assert_eq!((failure.code, failure.advice), ("sql", Advice::NEVER));
    assert_eq!(rows(&source, "query = 'select 1 as a'").await, "{\"a\":1}\n");
}

#[tokio::test]
async fn a_cancelled_or_dropped_statement_ends() {
    let (folder, source) = database("create table t (a)").await;
    let endless =
        "query = 'with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n'";
    for _ in 0..5 {
        let context = Context::detached();
        let request = operation(&source, endless).unwrap().request(&scope(), None).unwrap();
        let watched = context.clone();
        let call = tokio::spawn(async move { request.call(&watched, &mut Sink::Discard).await });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        context.cancel().set(Cause::Asked);
        // Meanwhile SQLite stops, so that the call finds both: that it is cancelled, and that it was interrupted.
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(call.await.unwrap().unwrap_err().code, "cancelled");
    }
    let request = operation(&source, endless).unwrap().request(&scope(), None).unwrap();
    let call = tokio::spawn(async move { request.call(&Context::detached(), &mut Sink::Discard).await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    closed(folder.path()).await;
}

/// Waits until this process has no file in a folder open: each connection's thread closes it when its statement ended.
async fn closed(folder: &Path) {
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
    };
    for _ in 0..400 {
        if !open().any(|path| path.starts_with(folder)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("a statement still runs");
}

#[tokio::test]
async fn many_rows_go_into_a_file_as_they_come() {
    let (_folder, source) = database("create table t (a)").await;
    let query = "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000) select i, 'row ' || i as t from n";
    let csv = written(&source, &format!("query = {}", toml(query)), "csv").await.unwrap();
    assert_eq!(csv.lines().count(), 100_001);
    assert_eq!(csv.lines().last(), Some("100000,row 100000"));
}

#[tokio::test]
async fn a_database_locked_by_another_may_be_tried_again() {
    let (folder, source) = database("create table t (a)").await;
    let mut other =
        SqliteConnectOptions::new().filename(folder.path().join("shop.db")).connect().await.unwrap();
    sqlx::raw_sql("begin exclusive").execute(&mut other).await.unwrap();
    let failure = error(&source, "query = 'select * from t'").await;
    assert!(failure.message.contains("locked"), "{failure}");
    assert_eq!(failure.advice, Advice::AGAIN);
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    assert_eq!(rows(&source, "query = 'select count(*) as n from t'").await, "{\"n\":0}\n");
}
