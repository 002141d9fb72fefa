//! Through jump hosts, which are OpenSSH servers, too.

use super::hostile::Hostile;
use super::logins::connect;
use super::sshd::{Sshd, keygen};
use super::*;
use crate::gather::Advice;
use std::fs;

/// Connections to a port that are still open, as the kernel has them.
fn open_to(port: u16) -> usize {
    let of = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let is_open = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[2].ends_with(&of) && columns[3] == "01"
    };
    table.lines().skip(1).filter(is_open).count()
}

/// Waits until the connections that were given up are over.
async fn until_none_is_open_to(ports: &[u16]) {
    let none = async {
        while ports.iter().any(|port| open_to(*port) > 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), none).await.expect("all connections end");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_through_one_jump_host_and_through_two() {
    let Some(sshd) = Sshd::start("") else { return };
    let (near, far) = (Sshd::start("").unwrap(), Sshd::start("").unwrap());
    for number in 0..300 {
        fs::write(sshd.data(&number.to_string()), vec![number as u8; 20_000]).unwrap();
    }
    for hops in [vec![&near], vec![&near, &far]] {
        let mut reach = sshd.reach();
        reach.hops = hops.iter().map(|hop| hop.reach()).collect();
        let pool = reach.pool();
        let entries = list(&pool, &sshd.data("*")).await.unwrap();
        let into = tempfile::tempdir().unwrap();
        assert_eq!(fetch_all(&pool, &entries, 64, &Folder::open(into.path()).unwrap()).await, []);
        for number in 0..300 {
            let bytes = fs::read(into.path().join(number.to_string())).unwrap();
            assert!(bytes == vec![number as u8; 20_000], "{number} differs");
        }
        assert!(open_to(near.port) > 0);
        pool.close().await;
        assert_eq!(open_to(near.port), 0);
    }
    let logins = |sshd: &Sshd| sshd.log().matches("Accepted publickey").count();
    // Each connection to the server has connections of its own all the way.
    assert_eq!(logins(&near), logins(&sshd));
    assert!(logins(&far) >= 1 && logins(&far) < logins(&near));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_anew_on_every_part_of_the_way() {
    let Some(sshd) = Sshd::start("LogLevel DEBUG") else { return };
    let near = Sshd::start("LogLevel DEBUG").unwrap();
    let (mut reach, mut hop) = (sshd.reach(), near.reach());
    (reach.rekey, hop.rekey, reach.connections) = (1 << 20, 1 << 20, 1);
    reach.hops = vec![hop];
    let pool = reach.pool();
    let paths: Vec<_> = (0..8).map(|number| sshd.data(&format!("{number}"))).collect();
    let content = |number: usize| (0..1 << 20).map(|at: usize| (at / 7 + number) as u8).collect::<Vec<_>>();
    for (number, path) in paths.iter().enumerate() {
        fs::write(path, content(number)).unwrap();
    }
    let got = futures_util::future::join_all(paths.iter().map(|path| get(&pool, path))).await;
    for (number, bytes) in got.into_iter().enumerate() {
        assert!(bytes.unwrap() == content(number), "{number} differs");
    }
    for sshd in [&sshd, &near] {
        let exchanges = sshd.log().matches("SSH2_MSG_KEXINIT received").count();
        // One is before the login. Another may be all: more than the limit can be on the way.
        assert!(exchanges >= 2, "{exchanges} in\n{}", sshd.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_with_another_key_is_not_passed() {
    let Some(sshd) = Sshd::start("") else { return };
    let near = Sshd::start("").unwrap();
    keygen(&near.path("other"), "ed25519", "");
    let (mut reach, mut hop) = (sshd.reach(), near.reach());
    hop.known = near.knows(&near.known("other"));
    reach.hops = vec![hop];
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
    assert!(
        error.message.starts_with(&format!("sftp://127.0.0.1:{}: the host key changed", near.port)),
        "{error}"
    );
    assert!(!near.log().contains("Accepted") && !sshd.log().contains("Connection from"));
    // The server behind a good one is looked at as closely.
    let mut reach = sshd.reach();
    (reach.known, reach.hops) = (KnownHosts::default(), vec![near.reach()]);
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
    assert!(
        error.message.starts_with(&format!("sftp://127.0.0.1:{}: unknown host key", sshd.port)),
        "{error}"
    );
    until_none_is_open_to(&[near.port]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_a_jump_host_refuses_is_tried_once_by_however_many() {
    let Some(sshd) = Sshd::start("") else { return };
    let near = Sshd::start("").unwrap();
    let (mut reach, mut hop) = (sshd.reach(), near.reach());
    hop.methods = vec![Method::Password(Secret::new("wr0ng-passw0rd"))];
    reach.hops = vec![hop];
    let pool = reach.pool();
    for error in futures_util::future::join_all((0..40).map(|_| get(&pool, "/file"))).await {
        let error = error.unwrap_err();
        assert_eq!((error.code, error.advice), ("login", Advice::SOURCE_NEVER));
        assert!(error.message.starts_with(&format!("sftp://127.0.0.1:{}: login of", near.port)), "{error}");
    }
    assert_eq!(near.log().matches("Failed password for").count(), 1, "{}", near.log());
    assert!(!sshd.log().contains("Connection from"));
    until_none_is_open_to(&[near.port]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_server_refuses_leaves_no_connection_on_the_way() {
    let Some(sshd) = Sshd::start("") else { return };
    let (near, far) = (Sshd::start("").unwrap(), Sshd::start("").unwrap());
    let mut reach = sshd.reach();
    reach.methods = Vec::new();
    reach.hops = vec![near.reach(), far.reach()];
    assert_eq!(connect(reach).await.unwrap_err().code, "login");
    assert!(far.log().contains("Accepted publickey"));
    until_none_is_open_to(&[near.port]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_may_not_or_cannot_go_on_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Hostile::start(|asked| asked.good(b"")).await;
    for (settings, port, advice, told) in [
        (
            "AllowTcpForwarding no",
            server.reach("right").port,
            Advice::SOURCE_NEVER,
            "it does not allow forwarding to it",
        ),
        ("", nobody, Advice::SOURCE_AGAIN, "it can't connect"),
    ] {
        let Some(near) = Sshd::start(settings) else { return };
        let mut reach = server.reach("right");
        reach.port = port;
        reach.hops = vec![near.reach()];
        let error = connect(reach).await.unwrap_err();
        assert_eq!((error.code, error.advice), ("connect", advice));
        let message =
            format!("sftp://127.0.0.1:{}: no connection to 127.0.0.1:{port} from there: {told}", near.port);
        assert_eq!(error.message, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_is_told_with_the_host_at_which_it_was_lost() {
    let Some(sshd) = Sshd::start("") else { return };
    let (near, far) = (Sshd::start("").unwrap(), Sshd::start("").unwrap());
    let path = sshd.data("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (cut, told) in [
        (&near, format!("at jump host 127.0.0.1:{}: ", near.port)),
        (&far, format!("at jump host 127.0.0.1:{}: ", far.port)),
        (&sshd, "the ".to_owned()),
    ] {
        let mut reach = sshd.reach();
        reach.hops = vec![near.reach(), far.reach()];
        let pool = reach.pool();
        let lease = pool.lease(&Context::detached()).await.unwrap();
        let stuck = lease.ask(super::super::codec::Request::Open(path.as_bytes()), Default::default());
        cut.cut();
        let error = stuck.await.map(drop).unwrap_err().error("sftp://server", "open", b"/pipe");
        assert!(error.message.starts_with(&format!("sftp://server: connection lost: {told}")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_goes_away_is_a_lost_link_and_the_next_use_connects_anew() {
    let Some(sshd) = Sshd::start("") else { return };
    let near = Sshd::start("").unwrap();
    fs::write(sshd.data("file"), b"content").unwrap();
    let mut reach = sshd.reach();
    reach.hops = vec![near.reach()];
    let pool = reach.pool();
    assert_eq!(get(&pool, &sshd.data("file")).await.unwrap(), b"content");
    let lease = pool.lease(&Context::detached()).await.unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, sshd.data("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let path = sshd.data("pipe");
    // Opening a pipe that nobody writes to has no answer.
    let stuck = lease.ask(super::super::codec::Request::Open(path.as_bytes()), Default::default());
    near.cut();
    let error = stuck.await.map(drop).unwrap_err().error("sftp://server", "open", b"/pipe");
    assert_eq!(error.advice, Advice::SOURCE_AGAIN);
    let lost = format!("sftp://server: connection lost: at jump host 127.0.0.1:{}: ", near.port);
    assert!(error.message.starts_with(&lost), "{error}");
    assert_eq!(get(&pool, &sshd.data("file")).await.unwrap(), b"content");
    assert_eq!(near.log().matches("Accepted publickey").count(), 2);
}
