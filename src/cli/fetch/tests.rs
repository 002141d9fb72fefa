use super::address::Address;
use super::place::Place;
use super::plan;
use crate::cli::args::{Arguments, Command, FetchArguments};
use crate::plan::{Overrides, Plan};
use clap::Parser;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn address(url: &str) -> Address {
    Address::parse(url).unwrap_or_else(|why| panic!("{url}: {why}"))
}

fn wrong(url: &str) -> String {
    Address::parse(url).expect_err(url)
}

fn path(url: &str) -> (String, bool) {
    let Address { path, is_many, .. } = address(&format!("sftp://host{url}"));
    (path, is_many)
}

#[test]
fn a_url_says_where_and_what() {
    let whole = address("SFTP://an%20na@files.example:2222/outbox/a.csv");
    assert_eq!(
        whole,
        Address {
            user: Some("an na".to_owned()),
            host: "files.example".to_owned(),
            port: Some(2222),
            path: "/outbox/a.csv".to_owned(),
            is_many: false,
        }
    );
    let bare = address("sftp://[2001:db8::1]/x");
    assert_eq!((bare.user, bare.host.as_str(), bare.port), (None, "2001:db8::1", None));
    assert_eq!(address("sftp://a@b@host:/x").user.as_deref(), Some("a@b"));
    assert_eq!(address("sftp://anna:@host/x").user.as_deref(), Some("anna"));
}

#[test]
fn a_path_is_absolute_or_below_the_login_folder() {
    for (url, expected) in [
        ("/a/b", ("/a/b", false)),
        ("/a/", ("/a/", true)),
        ("/", ("/", true)),
        ("/~/a/b", ("a/b", false)),
        ("/~/", ("./", true)),
        ("/~", ("./", true)),
        ("/~//a", ("a", false)),
        ("/~anna/a", ("/~anna/a", false)),
        ("/%7E/a", ("/~/a", false)),
        ("/a?b#c", ("/a?b#c", true)),
    ] {
        let (path, is_many) = path(url);
        assert_eq!((path.as_str(), is_many), expected, "{url}");
    }
}

#[test]
fn what_is_encoded_is_itself_and_what_is_not_may_be_a_pattern() {
    for (url, expected) in [
        ("/a%20b%2Fc", ("/a b/c", false)),
        ("/out/*.csv", ("/out/*.csv", true)),
        ("/out/%2a.csv", ("/out/\\*.csv", false)),
        ("/report%5B1%5d%3F%7B%7D", ("/report\\[1\\]\\?\\{\\}", false)),
        ("/a%5cb", ("/a\\\\b", false)),
        ("/100%", ("/100%", false)),
        ("/%zz", ("/%zz", false)),
        ("/%C3%A4", ("/ä", false)),
        ("/ä\\*", ("/ä\\*", false)),
    ] {
        let (path, is_many) = path(url);
        assert_eq!((path.as_str(), is_many), expected, "{url}");
    }
}

#[test]
fn what_is_no_url_is_told_with_what_to_write() {
    assert!(wrong("host:a/b.csv").contains("write sftp://host/~/a/b.csv"));
    assert!(wrong("anna@host:/a/b.csv").contains("write sftp://anna@host/a/b.csv"));
    assert!(wrong("host:~/x").contains("write sftp://host/~/x"));
    assert!(wrong("/a/b").contains("write sftp://HOST/PATH"));
    assert!(wrong("./a:b").contains("write sftp://HOST/PATH"));
    assert!(wrong("https://host/a").contains("no SFTP URL"));
    assert!(wrong("sftp://host").contains("no path"));
    for url in
        ["sftp:///a", "sftp://anna@/a", "sftp://host:0/a", "sftp://host:x/a", "sftp://[::1/a", "sftp://a b/c"]
    {
        assert!(wrong(url).contains("no host, or not a port"), "{url}");
    }
    assert!(wrong("sftp://host/%ff").contains("not UTF-8"));
    assert!(wrong("sftp://host/%00").contains("NUL"));
}

#[test]
fn a_password_in_a_url_is_refused_and_never_repeated() {
    for url in [
        "sftp://anna:s3cret@host/a",
        "https://anna:s3cret@host/a",
        "sftp://anna:s3cret@host",
        "anna:s3cret@host/a",
        "anna:s3cret@host:/a",
        "sftp:anna:s3cret@host/a",
        "sftp:/anna:s3cret@host/a",
        "sftp:///anna:s3cret@host/a",
        "sftp://anna:x/s3cret@host/a",
        "sftp://anna:s3cret/@host",
    ] {
        assert!(!wrong(url).contains("s3cret"), "{}", wrong(url));
    }
    assert!(wrong("sftp://anna:s3cret@host/a").contains("password = { env = \"NAME\" }"));
}

proptest! {
    #[test]
    fn a_name_that_is_encoded_whole_is_one_file_of_that_name(name in "[^/\0]{1,20}") {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (path, is_many) = path(&format!("/{encoded}"));
        prop_assert!(!is_many);
        let mut letters = path[1..].chars();
        let mut plain = String::new();
        while let Some(letter) = letters.next() {
            plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
        }
        prop_assert_eq!(plain, name);
    }
}

#[test]
fn a_destination_is_a_folder_or_one_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().to_str().unwrap();
    let place = |destination: &str, is_many| {
        Place::of(destination, is_many).map(|place| (place.output, place.output_dir))
    };
    let below = |output: &str| Ok((output.to_owned(), None));
    assert_eq!(place("inbox/", true), below("inbox/"));
    assert_eq!(place("./", true), below("./"));
    assert_eq!(place("a//b/", true), below("a//b/"));
    assert_eq!(place("src", true), below("src/"), "a folder that is there");
    assert_eq!(place(".", true), below("./"));
    assert_eq!(place("a.csv", false), below("a.csv"));
    assert_eq!(place("a/b.csv", false), below("a/b.csv"));
    let away = |output: &str, folder: &str| Ok((output.to_owned(), Some(PathBuf::from(folder))));
    assert_eq!(place(there, true), away("./", there));
    assert_eq!(place("/nowhere/b.csv", false), away("b.csv", "/nowhere"));
    assert_eq!(place("../b.csv", false), away("b.csv", ".."));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    let link = link.to_str().unwrap();
    assert_eq!(place(&format!("{link}/x/"), true), away("./", &format!("{link}/x/")));
    assert!(place("a.csv", true).unwrap_err().contains("a folder ends in /: a.csv/"));
    for nothing in ["", "-"] {
        assert!(place(nothing, false).is_err());
    }
    let forgotten = place("sftp://anna:s3cret@host/a", false).unwrap_err();
    assert!(forgotten.contains("DEST is missing") && !forgotten.contains("s3cret"), "{forgotten}");
}

fn arguments(line: &str) -> FetchArguments {
    let words = ["fanout", "fetch"].into_iter().chain(line.split(' '));
    let Command::Fetch(arguments) = Arguments::parse_from(words).command else { panic!("another command") };
    arguments
}

fn text(line: &str) -> String {
    let arguments = arguments(line);
    let addresses: Vec<Address> = arguments.urls.iter().map(|url| address(url)).collect();
    plan::text(&addresses, &arguments.destination, &arguments)
}

#[test]
fn a_source_for_each_login_and_a_job_for_each_url() {
    insta::assert_snapshot!(text("sftp://b/x/*.csv sftp://anna@b/~/y sftp://b/z/ sftp://[::1]:7/${{.csv in/ -P 22 -j 3"), @r#"
    version = 1

    [limits]
    concurrency = 3

    [sources.b]
    kind = "sftp"
    host = "b"
    port = 22
    ssh_config = true
    concurrency = 3

    [sources.b-2]
    kind = "sftp"
    host = "b"
    port = 22
    user = "anna"
    ssh_config = true
    concurrency = 3

    [sources.1]
    kind = "sftp"
    host = "::1"
    port = 7
    ssh_config = true
    concurrency = 3

    [jobs.b-1]
    source = "b"
    fetch = "/x/*.csv"
    output = "in/"
    min_items = 1

    [jobs.b-2]
    source = "b"
    fetch = "/z/"
    output = "in/"
    min_items = 1

    [jobs.b-2-2]
    source = "b-2"
    fetch = "y"
    output = "in/"
    min_items = 1

    [jobs.1]
    source = "1"
    fetch = "/$${{.csv"
    output = "in/"
    min_items = 1
    "#);
}

#[test]
fn flags_are_keys_of_the_plan() {
    insta::assert_snapshot!(text("sftp://b/x in/ -i id -J a,u@c:2 --known-hosts known --accept-new -F conf --bandwidth 1.5MiB/s"), @r#"
    version = 1

    [sources.b]
    kind = "sftp"
    host = "b"
    key = "id"
    jump = ["a", "u@c:2"]
    known_hosts = "known"
    accept_new = true
    ssh_config = "conf"
    bandwidth = "1536KiB/s"

    [jobs.b]
    source = "b"
    fetch = "/x"
    output = "in/"
    min_items = 1
    "#);
    assert!(!text("sftp://b/x in/ -F none").contains("ssh_config"));
    assert!(text("sftp://b/x in/ --sha256 0a1b").ends_with("min_items = 1\nsha256 = \"0a1b\"\n"));
}

#[test]
fn what_it_stands_for_is_a_plan() {
    let text =
        text("sftp://a/x/*.csv sftp://a/~/y sftp://%24%7b%7b@a/x sftp://_/%24%7b%7b in/ -F none -i id");
    let plan = Plan::of_text(Path::new("fetch"), text.clone(), &Overrides::default());
    let plan = plan.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let names: Vec<&str> = plan.jobs.iter().map(|job| &*job.name).collect();
    assert_eq!(names, ["a-1", "a-2", "a-2-2", "_"]);
    assert_eq!(plan.sources.len(), 3);
    assert!(plan.jobs.iter().all(|job| job.min_items == 1));
    assert!(text.contains("user = \"$${{\""), "it is no expression: {text}");
}
