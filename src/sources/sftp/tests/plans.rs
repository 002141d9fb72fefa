//! As a plan says it: keys of sources and jobs, and their mistakes.

use super::sshd::{Sshd, read};
use super::*;
use crate::expr::{Globals, Scope, Table};
use crate::gather::Advice;
use crate::sources::{Kind, Operation, Problems, Source, Surroundings};
use std::path::Path;

fn source(toml: &str, folder: &Path) -> Result<Arc<dyn Source>, Problems> {
    let surroundings = Surroundings { folder, connect_timeout: Some(Duration::from_secs(10)), asking: None };
    let mut problems = Vec::new();
    let kind = super::super::source::Sftp;
    let source = kind.source("partner", Table::parse(toml).unwrap(), &surroundings, &mut problems);
    if problems.is_empty() { Ok(source) } else { Err(problems) }
}

fn wrong(toml: &str) -> Vec<String> {
    let problems = source(toml, Path::new("/")).err().expect("it is wrong");
    problems.into_iter().map(|problem| problem.message).collect()
}

fn operation(source: &Arc<dyn Source>, toml: &str) -> Result<Box<dyn Operation>, Vec<String>> {
    let mut problems = Vec::new();
    let operation = source.operation("job", Table::parse(toml).unwrap(), &mut problems);
    let wrong = operation.filter(|_| problems.is_empty());
    wrong.ok_or_else(|| problems.into_iter().map(|problem| problem.message).collect())
}

fn scope() -> Scope {
    Scope::new(Arc::new(Globals::default()))
}

/// Lists a job and fetches all of it, one by one, into memory.
async fn run(source: &Arc<dyn Source>, job: &str) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let operation = operation(source, job).unwrap();
    let context = Context::detached();
    let page = operation.listing(&scope())?.next_page(&context).await?;
    assert!(!page.more);
    let mut files = Vec::new();
    for entry in page.entries {
        let scope = scope().with_item(entry.value.clone());
        let request = operation.request(&scope, Some(&entry))?;
        let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1000 };
        let payload = request.call(&context, &mut sink).await?;
        let Sink::Keep { bytes, .. } = sink else { unreachable!() };
        assert_eq!(payload.brought.bytes, bytes.len() as u64);
        assert_eq!(payload.fingerprint, entry.fingerprint);
        assert!(payload.modified.is_some());
        files.push((String::from_utf8(entry.path.unwrap().join(&b'/')).unwrap(), bytes));
    }
    files.sort();
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_fetches_a_pattern() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::create_dir(sshd.data("day")).unwrap();
    std::fs::write(sshd.data("day/a.csv"), "a").unwrap();
    std::fs::write(sshd.data("b.csv"), "b").unwrap();
    std::fs::write(sshd.path("known"), sshd.known("host")).unwrap();
    std::fs::write(sshd.path("phrase"), "open sesame\n").unwrap();
    let user = sshd.reach().user;
    let common =
        format!("host = \"127.0.0.1\"\nport = {}\nuser = \"{user}\"\nknown_hosts = \"known\"\n", sshd.port);
    for key in [
        "key = \"user\"",
        "key = { file = \"user_rsa\" }",
        "key = { file = \"user_locked\" }\npassphrase = { file = \"phrase\" }",
    ] {
        let source = source(&format!("{common}{key}"), sshd.folder.path()).unwrap();
        let fetch = format!("fetch = \"{}\"", sshd.data("**/*.csv"));
        let both = [("b.csv".to_owned(), b"b".to_vec()), ("day/a.csv".to_owned(), b"a".to_vec())];
        assert_eq!(run(&source, &fetch).await.unwrap(), both);
        let flat = [("a.csv".to_owned(), b"a".to_vec()), ("b.csv".to_owned(), b"b".to_vec())];
        assert_eq!(run(&source, &format!("{fetch}\nflatten = true")).await.unwrap(), flat);
        source.close().await;
    }
    assert!(read(&sshd.path("known")).contains("ssh-ed25519"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_keys_are_told_before_anything_is_sent() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::write(sshd.path("known"), sshd.known("host")).unwrap();
    let common = format!("host = \"127.0.0.1\"\nport = {}\nknown_hosts = \"known\"\n", sshd.port);
    for (keys, told) in [
        ("key = \"missing\"", "key missing: no such file"),
        ("key = \"known\"", "key known: not a private key"),
        ("key = \"user_locked\"", "it needs a `passphrase`"),
        (
            "key = \"user_locked\"\npassphrase = { plain = \"wrong\" }",
            "not a private key that the `passphrase` opens",
        ),
        ("password = { env = \"FANOUT_TEST_NOT_SET\" }", "FANOUT_TEST_NOT_SET is not set"),
    ] {
        let source = source(&format!("{common}user = \"u\"\n{keys}"), sshd.folder.path()).unwrap();
        let error = source
            .connect(&Context::detached(), &crate::expr::Scope::new(std::sync::Arc::default()))
            .await
            .unwrap_err();
        assert_eq!((error.code, error.advice), ("login", Advice::SOURCE_NEVER));
        assert!(error.message.contains(told), "{}", error.message);
    }
    assert!(!sshd.log().contains("Connection from"), "{}", sshd.log());
}

#[test]
fn mistakes_of_a_source_are_all_told() {
    assert_eq!(wrong(""), ["needs `host`"]);
    let all = wrong(
        "host = \"h\"\nport = 0\nhost_key = [\"MD5:x\"]\nconnections = 9\nkeepalive = \"10ms\"\npassphrase = { env = \"P\" }",
    );
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(wrong("host = \"h\"\npasword = { env = \"P\" }")[0].contains("unknown key `pasword`"));
    let literal = &wrong("host = \"h\"\npassword = \"hunter2\"")[0];
    assert!(literal.contains("must not stand in the plan") && !literal.contains("hunter2"), "{literal}");
}

#[tokio::test]
async fn a_job_says_whether_it_has_to_be_listed() {
    let source = source("host = \"h\"\nconnections = 1", Path::new("/")).unwrap();
    assert_eq!(source.target(), "sftp://h");
    let lists = |fetch: &str| operation(&source, &format!("fetch = '{fetch}'")).unwrap().lists();
    assert!(lists("/in/*.csv") && lists("/in/") && lists("/in/a.csv") && lists("/in/${{ vars.day }}/*"));
    assert!(!lists("/in/${{ item }}.csv") && lists("/in/${{ item }}/*.csv"));
    assert!(operation(&source, "fetch = '/in/['").err().unwrap()[0].contains("unclosed"));
    let request = operation(&source, "fetch = '/in/${{ item }}'").unwrap();
    let request = request.request(&scope().with_item("a[1].csv".into()), None).unwrap();
    assert_eq!(request.target(), "sftp://h/in/a[1].csv");
}

#[test]
fn the_schema_knows_every_key() {
    let (source, job) = super::super::source::Sftp.schemas();
    let keys = |schema: &schemars::Schema| -> Vec<String> {
        schema.as_value()["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    let known = |keys: &[&str]| sorted(keys.iter().map(|key| (*key).to_owned()).collect());
    assert_eq!(sorted(keys(&source)), known(super::super::settings::SOURCE_KEYS));
    assert_eq!(sorted(keys(&job)), known(super::super::settings::JOB_KEYS));
}
