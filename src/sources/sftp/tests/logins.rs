//! Logging in.

use super::hostile::{Hostile, INIT, OPEN};
use super::sshd::{Sshd, keygen};
use super::trusting::pin;
use super::*;
use crate::gather::Advice;
use russh::keys::load_secret_key;
use std::sync::atomic::Ordering::SeqCst;

pub(super) async fn connect(reach: Reach) -> Result<(), SourceError> {
    super::super::list::greet(&reach.pool(), &Context::detached()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_one_failed_login_however_many_items_want_it() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    reach.methods = vec![Method::Password(Secret::new("wr0ng-passw0rd"))];
    let pool = reach.pool();
    let gets = (0..40).map(|_| get(&pool, "/file"));
    for error in futures_util::future::join_all(gets).await {
        let error = error.unwrap_err();
        assert_eq!((error.code, error.advice), ("login", Advice::SOURCE_NEVER));
        assert!(error.message.contains("password: refused"), "{}", error.message);
        assert!(!error.to_string().contains("wr0ng"), "{error}");
    }
    assert_eq!(sshd.log().matches("Failed password for").count(), 1, "{}", sshd.log());
}

#[tokio::test]
async fn a_password_logs_in_and_a_wrong_one_is_tried_once() {
    let server = Hostile::start(|asked| asked.good(b"fine")).await;
    assert!(connect(server.reach("right")).await.is_ok());
    let pool = server.reach("wrong").pool();
    for _ in 0..3 {
        assert_eq!(get(&pool, "/file").await.unwrap_err().code, "login");
    }
    assert_eq!((server.seen[0].load(SeqCst), server.seen[1].load(SeqCst)), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_log_in() {
    let Some(sshd) = Sshd::start("") else { return };
    for (name, passphrase) in [("user", None), ("user_rsa", None), ("user_locked", Some("open sesame"))] {
        let key = load_secret_key(sshd.path(name), passphrase).unwrap();
        let mut reach = sshd.reach();
        reach.methods = vec![Method::Key(Arc::new(key), name.to_owned())];
        connect(reach).await.unwrap_or_else(|error| panic!("{name}: {error}\n{}", sshd.log()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_followed_by_what_else_there_is() {
    let Some(sshd) = Sshd::start("") else { return };
    keygen(&sshd.path("stranger"), "ed25519", "");
    let stranger =
        Method::Key(Arc::new(load_secret_key(sshd.path("stranger"), None).unwrap()), "stranger".to_owned());
    let mut reach = sshd.reach();
    reach.methods.insert(0, stranger.clone());
    connect(reach).await.unwrap();
    let mut reach = sshd.reach();
    reach.methods = vec![stranger];
    let error = connect(reach).await.unwrap_err();
    assert!(error.message.ends_with("key stranger: refused"), "{}", error.message);
    assert!(error.hint.unwrap().contains("publickey"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_sftp_is_told_at_once() {
    for (settings, told) in [
        ("Subsystem other internal-sftp", "refused the sftp subsystem"),
        ("ForceCommand /bin/echo no files here", "text (\"no f\""),
    ] {
        let Some(sshd) = Sshd::start(settings) else { return };
        let error = connect(sshd.reach()).await.unwrap_err();
        assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_NEVER));
        assert!(error.message.contains(told), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_and_may_be_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Hostile::start(|asked| asked.good(b"")).await;
    let mut reach = server.reach("right");
    reach.port = port;
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_AGAIN));
    let mut reach = server.reach("right");
    reach.host = "no-such-host.invalid";
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("dns", Advice::SOURCE_AGAIN));
}

#[tokio::test]
async fn those_who_wait_for_a_connection_share_its_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Hostile::start(|asked| asked.good(b"")).await;
    let mut reach = server.reach("right");
    reach.port = listener.local_addr().unwrap().port();
    let pool = reach.pool();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    let hanging_up = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, SeqCst);
        }
    });
    for round in 1..3 {
        let gets = (0..40).map(|_| get(&pool, "/file"));
        for error in futures_util::future::join_all(gets).await {
            assert_eq!(error.unwrap_err().advice, Advice::SOURCE_AGAIN);
        }
        assert_eq!(count.load(SeqCst), round);
    }
    hanging_up.abort();
}

#[tokio::test]
async fn the_first_requests_are_in_the_flight_of_the_first_packet() {
    let server = Hostile::start(|asked| match asked.kind {
        INIT => Vec::new(),
        OPEN => [vec![0, 0, 0, 5, 2, 0, 0, 0, 3], asked.handle()].concat(),
        _ => asked.good(b"fine"),
    });
    assert_eq!(get(&server.await.pool(), "/file").await.unwrap(), b"fine");
}

#[tokio::test]
async fn a_server_that_is_not_sftp_is_asked_once_by_however_many() {
    let server = Hostile::start(|asked| match asked.kind {
        INIT => b"Welcome to ACME!".to_vec(),
        _ => Vec::new(),
    })
    .await;
    let pool = server.pool();
    for _ in 0..3 {
        let error = get(&pool, "/file").await.unwrap_err();
        assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_NEVER));
    }
    assert_eq!(server.seen[0].load(SeqCst), 1);
}

#[tokio::test]
async fn what_comes_before_the_version_is_no_sftp() {
    let server = Hostile::start(|asked| if asked.kind == INIT { Vec::new() } else { asked.good(b"") }).await;
    let error = get(&server.pool(), "/file").await.unwrap_err();
    assert!(error.message.contains("first packet is not its version"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_login_is_alone_and_never_more_than_four_go_on_at_once() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    reach.connections = 8;
    let pool = reach.pool();
    let gets = futures_util::future::join_all((0..100).map(|_| get(&pool, "/none")));
    assert!(gets.await.iter().all(|got| got.as_ref().is_err_and(|error| error.code == "not_found")));
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let others = futures_util::future::join_all(lease.others().map(|place| lease.another(place))).await;
    assert!(others.len() == 7 && others.iter().all(Option::is_some));
    let (mut now, mut most, mut done) = (0, 0, 0);
    for line in sshd.log().lines() {
        if line.starts_with("Connection from") {
            now += 1;
            assert!(done > 0 || now == 1, "{}", sshd.log());
        } else if line.starts_with("Accepted publickey") {
            (now, done) = (now - 1, done + 1);
        }
        most = most.max(now);
    }
    assert!(done == 8 && most <= 4, "{done} and {most} in\n{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_four_logins_go_on_where_the_only_connection_is_lost_meanwhile() {
    let Some(sshd) = Sshd::start("") else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut reach = sshd.reach();
    (reach.pins, reach.connections) = (vec![pin(&sshd, "host")], 8);
    reach.port = listener.local_addr().unwrap().port();
    let pool = reach.pool();
    // Only the first comes through.
    let through = async {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", sshd.port)).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await }).abort_handle()
    };
    let context = Context::detached();
    let (lease, first) = tokio::join!(pool.lease(&context), through);
    let lease = lease.unwrap();
    let others = lease.others().map(|place| lease.another(place));
    assert!(futures_util::poll!(futures_util::future::join_all(others)).is_pending());
    first.abort();
    while lease.lost().is_none() {
        tokio::task::yield_now().await;
    }
    let again = tokio::spawn(async move { pool.lease(&Context::detached()).await.map(drop) });
    let mut logins = Vec::new();
    while logins.len() < 4 {
        logins.push(listener.accept().await.unwrap());
    }
    drop(logins);
    again.await.unwrap().unwrap_err();
    assert!(futures_util::poll!(std::pin::pin!(listener.accept())).is_pending(), "there was a fifth");
}
