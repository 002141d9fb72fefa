//! The servers that the other tests stand on: each starts, answers, is told apart from the system's own, and is gone
//! when the test process is gone.

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::log::{Span, peak};
use crate::support::process::{is_running, program};
use crate::support::sshd::{PASSPHRASE, PASSWORD, Served, Sshd, USER};
use crate::support::{LOCAL, nginx, or_skip, postgres, sshd};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// What makes this binary a test process whose servers are to outlive nothing.
const HOLD: &str = "FANOUT_TEST_HOLD";
/// How long a server may take to end.
const END: Duration = Duration::from_secs(15);

#[test]
fn sshd_serves_files_to_each_key_that_may_log_in() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("deep/down/a.txt", "hello");
    for key in ["user_ed25519", "user_rsa"] {
        let output = sftp(sshd, &served, &["-i", sshd.key(key).to_str().unwrap()], None);
        assert!(output.status.success(), "{key}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("deep/down/a.txt"), "{output:?}");
    }
    let stranger = sftp(sshd, &served, &["-i", sshd.key("user_stranger").to_str().unwrap()], None);
    assert!(!stranger.status.success(), "{stranger:?}");
}

#[test]
fn sshd_takes_a_password_and_a_passphrase() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("deep/down/a.txt", "hello");
    let mark = sshd.log.mark();
    let by_password = ["-o", "PubkeyAuthentication=no"];
    assert!(sftp(sshd, &served, &by_password, Some(PASSWORD)).status.success());
    assert!(!sftp(sshd, &served, &by_password, Some("wrong horse")).status.success());
    let key = sshd.key("user_locked");
    let locked = ["-i", key.to_str().unwrap(), "-o", "PasswordAuthentication=no"];
    assert!(sftp(sshd, &served, &locked, Some(PASSPHRASE)).status.success());
    sshd.log.wait(mark, "a failed login", |lines| {
        lines.iter().any(|line| line.text.starts_with("Failed password"))
    });
}

#[test]
fn sshd_logs_when_each_file_was_open() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("deep/down/a.txt", "hello");
    let mark = sshd.log.mark();
    let output = sftp(sshd, &served, &["-i", sshd.key("user_ed25519").to_str().unwrap()], None);
    assert!(output.status.success(), "{output:?}");
    let path = format!("{}/deep/down/a.txt", served.remote);
    sshd.log.wait(mark, "its close", |_| sshd.opened(mark).iter().any(|span| span.name == path));
    let span = sshd.opened(mark).into_iter().find(|span| span.name == path).unwrap();
    assert!(span.begin > 0.0 && span.end >= span.begin, "{span:?}");
}

#[test]
fn sshd_can_be_told_how_many_sessions_a_connection_may_have() {
    let Some(sshd) = or_skip(Sshd::start(&["MaxSessions 0"])) else { return };
    let served = sshd.serve();
    let output = sftp(&sshd, &served, &["-i", sshd.key("user_ed25519").to_str().unwrap()], None);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(sshd.log.count(0, "Accepted publickey"), 1, "{output:?}");
}

#[test]
fn postgres_answers_who_knows_its_password_and_logs_who_does_not() {
    let Some(postgres) = postgres() else { return };
    let Some(psql) = or_skip(program(&["/usr/bin/psql"], "postgresql-client")) else { return };
    let query = |url: &str| Command::new(&psql).args([url, "-AtXc", "select 6 * 7"]).output().unwrap();
    let mark = postgres.log.mark();
    let output = query(&postgres.url);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{output:?}");
    assert!(!query(&postgres.url_with_password("wrong")).status.success());
    let refused = "password authentication failed";
    let lines =
        postgres.log.wait(mark, refused, |lines| lines.iter().any(|line| line.text.contains(refused)));
    assert!(lines.iter().all(|line| line.at > 0.0 || line.text.starts_with('\t')), "{lines:#?}");
}

#[test]
fn nginx_serves_files_and_logs_who_came_when() {
    let Some(nginx) = nginx() else { return };
    let path = nginx.file("servers/hello.txt", "hello");
    let mark = nginx.log.mark();
    assert!(get(&nginx.url, &path).ends_with("\r\n\r\nhello"));
    assert!(get(&nginx.url, "/status/503").contains("Retry-After: 1"));
    assert!(get(&nginx.url, "/private/servers/hello.txt").starts_with("HTTP/1.1 401"));
    nginx.log.wait(mark, "three requests", |_| nginx.visits(mark, "/").len() >= 3);
    let visits = nginx.visits(mark, &path);
    assert_eq!(visits.len(), 1, "{visits:#?}");
    assert_eq!(visits[0].status, 200);
    assert!(visits[0].span.begin > 1.7e9 && visits[0].span.end >= visits[0].span.begin, "{visits:#?}");
}

#[test]
fn the_clock_server_notes_what_overlapped() {
    let barrier = std::sync::Barrier::new(3);
    let server = ClockServer::start(|asked| Answer {
        delay: Duration::from_millis(if asked.path == "/slow" { 300 } else { 0 }),
        status: Some(201),
        body: asked.path.clone().into_bytes(),
        ..Answer::default()
    });
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                barrier.wait();
                assert!(get(&server.url(""), "/slow").contains("201 Created"));
            });
        }
    });
    assert_eq!(peak(&server.spans()), 3, "{:#?}", server.spans());
    assert!(server.visits().iter().all(|visit| visit.answered));
}

#[test]
fn the_clock_server_notes_who_went_away() {
    let server = ClockServer::start(|_| Answer { delay: END * 10, ..Answer::default() });
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // Half of it is there before it goes, or there would be nothing to give up.
    while server.asked() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(client);
    wait_until("the visit ended", || !server.visits().is_empty());
    assert!(!server.visits()[0].answered);
}

#[test]
fn the_peak_counts_what_was_open_at_once() {
    let span = |begin: f64, end: f64| Span { name: String::new(), begin, end };
    assert_eq!(peak(&[]), 0);
    assert_eq!(peak(&[span(0.0, 1.0), span(1.0, 2.0)]), 1);
    assert_eq!(peak(&[span(0.0, 3.0), span(1.0, 2.0), span(1.5, 4.0), span(3.5, 5.0)]), 3);
}

#[test]
fn a_missing_server_skips_a_test_by_name_or_fails_it_where_servers_are_required() {
    let name = "servers::nginx_serves_files_and_logs_who_came_when";
    let run = |required: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact"]).env_remove("FANOUT_TEST_HTTP_URL");
        command.env(LOCAL, "0").env("FANOUT_REQUIRE_SERVERS", required).output().unwrap()
    };
    let skipped = run("0");
    let said = String::from_utf8_lossy(&skipped.stderr);
    assert!(
        skipped.status.success() && said.contains(&format!("skipped {name}: no /usr/sbin/nginx")),
        "{said}"
    );
    assert!(!run("1").status.success());
}

/// Runs itself in another process, which starts a server and is killed without a chance to stop it.
#[test]
fn a_server_goes_when_the_test_process_is_killed() {
    if std::env::var_os(HOLD).is_some() {
        let sshd = Sshd::start(&[]).unwrap();
        println!("server {}", sshd.process.as_ref().unwrap().id());
        println!("folder {}", sshd.key("..").parent().unwrap().display());
        std::thread::sleep(END * 10);
    }
    let Some(_) = or_skip(Sshd::start(&[])) else { return };
    let name = "servers::a_server_goes_when_the_test_process_is_killed";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(HOLD, "1");
    let mut other = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
    // libtest writes the test's name before it, on the same line.
    let mut value =
        |word: &str| lines.find_map(|line| line.split_once(word).map(|(_, value)| value.to_owned())).unwrap();
    let id: i32 = value("server ").parse().unwrap();
    let folder = value("folder ");
    assert!(is_running(id));
    other.kill().unwrap();
    other.wait().unwrap();
    wait_until("the server and its folder went", || !is_running(id) && !Path::new(&folder).exists());
}

#[test]
fn a_server_goes_when_it_is_dropped() {
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let id = sshd.process.as_ref().unwrap().id();
    let key = sshd.key("user_rsa");
    assert!(is_running(id) && key.exists());
    drop(sshd);
    assert!(!is_running(id) && !key.exists());
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < END, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// OpenSSH's own client, which fetches `deep/down/a.txt` and lists it. What it asks for is given as its answer.
fn sftp(sshd: &Sshd, served: &Served, options: &[&str], answer: Option<&str>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let known = format!("UserKnownHostsFile={}", write("known_hosts", &sshd.known_hosts()));
    let copy = folder.path().join("copy").display().to_string();
    let fetch = format!("get {0}/deep/down/a.txt {copy}\nls -1 {0}/deep/down/a.txt\n", served.remote);
    let batch = write("batch", &fetch);
    let ask = write("ask", &format!("#!/bin/sh\necho '{}'\n", answer.unwrap_or_default()));
    std::fs::set_permissions(&ask, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let port = sshd.port.to_string();
    let common = ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", &known];
    let mut command = Command::new("/usr/bin/sftp");
    command
        .args(common)
        .args(["-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no", "-P", &port])
        .args(options);
    command.args(["-b", &batch, &format!("{USER}@{}", sshd.host)]);
    command.env("SSH_ASKPASS", &ask).env("SSH_ASKPASS_REQUIRE", "force").env_remove("SSH_AUTH_SOCK");
    command.stdin(Stdio::null()).output().unwrap()
}

/// The answer to a GET, as it comes over the wire.
fn get(url: &str, path: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(host).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}
