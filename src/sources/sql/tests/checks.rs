//! What `check` finds: mistakes that need no server.

use super::{operation, source_in};
use crate::expr::Problem;
use std::path::Path;

fn settings(kind: &str, settings: &str) -> String {
    message(source_in(Path::new("/plans"), kind, settings).map(|_| ()))
}

fn job(kind: &str, keys: &str) -> String {
    let settings = if kind == "sqlite" { "path = 'a.db'" } else { "host = 'db.example'" };
    let source = source_in(Path::new("/plans"), kind, settings).unwrap();
    message(operation(&source, keys).map(|_| ()))
}

fn message(result: Result<(), Vec<Problem>>) -> String {
    result.err().into_iter().flatten().map(|problem| problem.message).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_literal_password_is_refused_wherever_it_stands() {
    for literal in [
        "password = 'hunter2'\nhost = 'a'",
        "url = 'postgres://u:hunter2@h/d'",
        "url = 'postgres://h/d?password=hunter2'",
    ] {
        let said = settings("postgres", literal);
        assert!(said.contains("must not stand in the plan"), "{literal}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(settings("postgres", "url = 'postgres://user@h:5433/d?sslmode=require'"), "");
    assert_eq!(settings("postgres", "url = { env = 'SHOP_URL' }"), "");
}

#[test]
fn wrong_settings_are_named() {
    assert!(settings("postgres", "hots = 'a'").contains("hots"));
    assert!(settings("postgres", "sslmode = 'maybe'").contains("verify-full"));
    assert!(settings("postgres", "url = 'mysql://h/d'").contains("postgres://"));
    assert!(settings("postgres", "url = 'postgres://h/d?nonsense=1'").contains("nonsense"));
    assert!(settings("postgres", "url = 'postgres://h/d'\nhost = 'b'").contains("`host` beside `url`"));
    assert!(settings("sqlite", "").contains("`path` is missing"));
}

#[test]
fn targets_have_no_credentials() {
    let target = |settings| source_in(Path::new("/plans"), "postgres", settings).unwrap().target();
    assert_eq!(target("host = 'db'\nuser = 'me'\ndatabase = 'shop'"), "postgres://db:5432/shop");
    assert_eq!(target("url = 'postgres://me@[::1]:1/shop'"), "postgres://[::1]:1/shop");
    assert_eq!(target("url = { env = 'SHOP_URL' }"), "postgres (environment variable SHOP_URL)");
}

#[test]
fn an_expression_in_a_query_is_refused() {
    assert!(job("postgres", "query = 'select ${{ vars.x }}'").contains("becomes SQL"));
    assert!(job("sqlite", "query = '${{ vars.x }}'").contains("becomes SQL"));
}

#[test]
fn parameters_must_be_those_of_the_query() {
    assert!(job("postgres", "query = 'select :a'\nparams = { b = 1 }").contains("`:a`"));
    assert!(job("postgres", "query = 'select :a'\nparams = { a = 1, b = 1 }").contains("takes no `:b`"));
    assert!(
        job("postgres", "query = 'select $2, $1'\nparams = [1]")
            .contains("takes 2 parameters, but `params` has 1")
    );
    assert!(job("sqlite", "query = 'select ?'").contains("takes 1 parameter, but `params` has 0"));
    assert!(job("sqlite", "query = 'select 1'\nparams = 'x'").contains("list of values"));
    assert_eq!(job("postgres", "query = 'select :a::int[1:2]'\nparams = { a = '{1}' }"), "");
}

#[test]
fn a_query_is_one_statement_that_is_there() {
    assert!(job("postgres", "query = 'select 1; drop table t'").contains("more than one statement"));
    assert!(job("postgres", "query = ''").contains("empty"));
    assert!(job("postgres", "query_file = 'missing.sql'").contains("missing.sql"));
    assert!(job("postgres", "query = 'select 1'\nwrite = true\nread_only = true").contains("contradict"));
    assert!(job("postgres", "query = 'select 1'\nparam = []").contains("param"));
}
