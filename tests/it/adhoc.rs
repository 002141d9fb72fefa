//! `fanout fetch`: URLs and flags in the place of a plan, against OpenSSH's server. Not here: transfers (`fetch`), and what
//! a URL says by itself (`cli::fetch`).

use crate::support::command::{Ended, Fanout};
use crate::support::plan::Plan;
use crate::support::sources::know;
use crate::support::sshd::{PASSPHRASE, PASSWORD, Served, Sshd, USER};
use crate::support::{or_skip, sshd};
use std::fs;
use std::os::unix::fs::MetadataExt;

mod agent;
mod asked;
mod config;
mod jumps;

/// A folder with a home where the server is known, and a folder of it with three files.
fn begin(sshd: &Sshd) -> (Plan, Served) {
    let (plan, served) = (Plan::empty(), sshd.serve());
    know(&plan, &sshd.known_hosts());
    for name in ["a.csv", "b.csv", "deep/c.txt"] {
        served.file(name, name);
    }
    (plan, served)
}

/// `sftp://user@host:port` and a path.
fn url(sshd: &Sshd, path: &str) -> String {
    format!("sftp://{USER}@{}:{}{path}", sshd.host, sshd.port)
}

/// The program with the key that may log in, away from any terminal of whoever runs the tests.
fn fetch<'a>(plan: &'a Plan, sshd: &Sshd, arguments: &[&str]) -> Fanout<'a> {
    let key = sshd.key("user_ed25519");
    let all = [&["fetch", "-i", key.to_str().unwrap()], arguments].concat();
    alone(plan, &all)
}

/// The user's file of known hosts.
fn known(plan: &Plan) -> String {
    fs::read_to_string(plan.home().join(".ssh/known_hosts")).unwrap()
}

fn alone<'a>(plan: &'a Plan, arguments: &[&str]) -> Fanout<'a> {
    plan.fanout(arguments).through("exec setsid --wait \"$@\"")
}

#[track_caller]
fn has(plan: &Plan, ended: &Ended, files: &[&str]) {
    ended.exits(0);
    assert_eq!(plan.files(), files, "{ended:?}");
}

#[test]
fn one_file_keeps_its_name_and_time_or_takes_the_one_it_is_given() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let ended = fetch(&plan, sshd, &[&url, "inbox/"]).run();
    has(&plan, &ended, &["inbox/a.csv"]);
    ended.complains("1 new");
    let time = |path| fs::metadata(path).unwrap().mtime();
    assert_eq!(time(plan.path("inbox/a.csv")), time(served.local.join("a.csv")));
    // A folder that is there needs no slash.
    fs::create_dir(plan.path("there")).unwrap();
    fetch(&plan, sshd, &[&url, "there"]).run().exits(0);
    fetch(&plan, sshd, &[&url, "new/other.csv"]).run().exits(0);
    assert_eq!(plan.files(), ["inbox/a.csv", "new/other.csv", "there/a.csv"]);
    assert_eq!(plan.read("new/other.csv"), "a.csv");
}

#[test]
fn patterns_folders_and_several_urls_go_into_a_folder() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let csv = url(sshd, &format!("{}/*.csv", served.remote));
    let ended = fetch(&plan, sshd, &[&csv, "inbox/"]).run();
    has(&plan, &ended, &["inbox/a.csv", "inbox/b.csv"]);
    // Absolute, and through a link of the user's own.
    std::os::unix::fs::symlink("inbox", plan.path("link")).unwrap();
    let folder = url(sshd, &format!("{}/", served.remote));
    fetch(&plan, sshd, &[&folder, "link/all/"]).run().exits(0);
    assert_eq!(plan.read("inbox/all/deep/c.txt"), "deep/c.txt");
    let away = plan.home().join("away");
    let deep = url(sshd, &format!("{}/deep/c.txt", served.remote));
    let one = url(sshd, &format!("{}/b.csv", served.remote));
    let ended = fetch(&plan, sshd, &[&deep, &one, &format!("{}/", away.display())]).run();
    ended.exits(0).complains("2 new");
    assert!(away.join("c.txt").exists() && away.join("b.csv").exists(), "{ended:?}");
}

#[test]
fn several_files_and_one_name_are_a_mistake() {
    let plan = Plan::empty();
    for urls in [&["sftp://host/*.csv"][..], &["sftp://host/a/"], &["sftp://host/a", "sftp://host/b"]] {
        let ended = alone(&plan, &[&["fetch"], urls, &["out.csv"]].concat()).run();
        ended.exits(2).complains("a folder ends in /: out.csv/");
    }
}

#[test]
fn a_path_below_the_login_folder() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let name = served.local.file_name().unwrap().to_str().unwrap();
    // The user's home is `data`, and so is the folder of a login.
    let ended = fetch(&plan, sshd, &[&url(sshd, &format!("/~/{name}/a.csv")), "./"]).run();
    has(&plan, &ended, &["a.csv"]);
    let ended = fetch(&plan, sshd, &[&url(sshd, &format!("/~/{name}/d*/")), "./"]).run();
    ended.exits(0);
    assert_eq!(plan.read("deep/c.txt"), "deep/c.txt", "{ended:?}");
}

#[test]
fn several_hosts_in_one_command_each_with_its_own_login() {
    let Some(first) = sshd() else { return };
    let Some(second) = or_skip(Sshd::start(&[])) else { return };
    let (plan, served) = begin(first);
    know(&plan, &[first.known_hosts(), second.known_hosts()].concat());
    let other = second.serve();
    other.file("z.csv", "z");
    let urls =
        [url(first, &format!("{}/*.csv", served.remote)), url(&second, &format!("{}/z.csv", other.remote))];
    // Each server takes its own key only.
    let config =
        [first, &second].map(|sshd| format!("IdentityFile {}\n", sshd.key("user_ed25519").display()));
    plan.write("config", config.concat());
    let ended = alone(&plan, &["fetch", "-F", "config", &urls[0], &urls[1], "in/"]).run();
    ended.exits(0).complains("3 new");
    assert_eq!(plan.files(), ["config", "in/a.csv", "in/b.csv", "in/z.csv"]);
}

#[test]
fn urls_on_stdin_are_one_a_line() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let lines = ["a.csv", "deep/c.txt"].map(|name| url(sshd, &format!("{}/{name}\n", served.remote)));
    let ended = fetch(&plan, sshd, &["-", "in/"]).stdin(lines.join("\n")).run();
    has(&plan, &ended, &["in/a.csv", "in/c.txt"]);
    let ended = fetch(&plan, sshd, &["-", "in/"]).run();
    ended.exits(2).complains("no URL on stdin");
}

#[test]
fn bad_urls_are_all_told_and_nothing_runs() {
    let plan = Plan::empty();
    let ended = alone(&plan, &["fetch", "host:a", "sftp://host", "sftp://u:s3cret@host/a", "in/"]).run();
    ended.exits(2).complains("sftp://host/~/a").complains("no path").complains("at a terminal");
    ended.never_says("s3cret");
    assert_eq!(plan.files(), Vec::<String>::new());
}

#[test]
fn nothing_there_is_not_success() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let pattern = url(sshd, &format!("{}/*.none", served.remote));
    fetch(&plan, sshd, &[&pattern, "in/"]).run().exits(6);
    let missing = url(sshd, &format!("{}/none.csv", served.remote));
    fetch(&plan, sshd, &[&missing, "in/"]).run().exits(1).complains("stat: No such file");
}

#[test]
fn the_plan_it_stands_for_does_the_same() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/*.csv", served.remote));
    let printed = fetch(&plan, sshd, &["--print-plan", "-j", "3", &url, "in/"]).run();
    printed.exits(0);
    assert_eq!(plan.files(), Vec::<String>::new());
    plan.write("printed.toml", &printed.stdout);
    plan.fanout(&["check", "printed.toml"]).run().exits(0);
    plan.fanout(&["run", "printed.toml"]).run().exits(0).complains("2 new");
    assert_eq!(plan.files(), ["in/a.csv", "in/b.csv", "printed.toml"]);
}

#[test]
fn a_dry_run_says_what_would_come() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/*.csv", served.remote));
    let ended = fetch(&plan, sshd, &["-n", &url, "in/"]).run();
    ended.exits(0).prints("in/a.csv").prints("2 items of 1 job would run");
    assert_eq!(plan.files(), Vec::<String>::new());
    let stranger = sshd.key("user_stranger");
    let ended = alone(&plan, &["fetch", "-n", "-i", stranger.to_str().unwrap(), &url, "in/"]).run();
    ended.exits(1).complains("login of fanout refused");
}
