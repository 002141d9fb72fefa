//! Whom to trust: known hosts, certificates, revocation, new hosts, against OpenSSH.

use super::logins::connect;
use super::sshd::{Sshd, keygen, read};
use super::*;
use crate::gather::Advice;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_refused_with_the_way_to_accept_it() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    reach.known = KnownHosts::default();
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
    let hint = error.hint.unwrap();
    assert!(error.message.contains("unknown host key ssh-ed25519 SHA256:"), "{}", error.message);
    // What it says to do makes the host known.
    let line = hint.split('\'').nth(1).unwrap();
    let mut reach = sshd.reach();
    reach.known = sshd.knows(line);
    connect(reach).await.unwrap();
    assert!(!sshd.log().contains("Failed"), "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_is_refused_with_old_new_and_place() {
    let Some(sshd) = Sshd::start("") else { return };
    keygen(&sshd.path("other"), "ed25519", "");
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&format!("# a comment\n{}", sshd.known("other")));
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
    let told = ["changed", "the server shows ssh-ed25519 SHA256:", "known_hosts:2 has ssh-ed25519 SHA256:"];
    assert!(told.iter().all(|told| error.message.contains(told)), "{error}");
    assert!(error.hint.unwrap().contains("remove known_hosts:2, then: echo '[127.0.0.1]:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_key_that_is_known_is_asked_for() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&sshd.known("host_rsa"));
    connect(reach).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_key_is_enough_and_another_is_refused() {
    let Some(sshd) = Sshd::start("") else { return };
    let pin = pin(&sshd, "host");
    for (pins, good) in
        [(vec!["SHA256:else".to_owned(), pin.clone()], true), (vec!["SHA256:else".to_owned()], false)]
    {
        let mut reach = sshd.reach();
        (reach.known, reach.pins) = (KnownHosts::default(), pins);
        let result = connect(reach).await;
        assert_eq!(result.is_ok(), good, "{result:?}");
        if let Err(error) = result {
            assert!(error.hint.unwrap().contains(&pin));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_key_is_found_beside_keys_of_other_types_at_every_host_on_the_way() {
    let Some(sshd) = Sshd::start("") else { return };
    let near = Sshd::start("").unwrap();
    let pinned = |sshd: &Sshd| {
        let mut reach = sshd.reach();
        (reach.known, reach.pins) = (KnownHosts::default(), vec![pin(sshd, "host_rsa")]);
        reach
    };
    let mut reach = pinned(&sshd);
    reach.hops = vec![pinned(&near)];
    let pool = reach.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let connections = |sshd: &Sshd| sshd.log().matches("Connection from").count();
    assert_eq!((connections(&near), connections(&sshd)), (3, 2));
    // From then on it is the first that is asked for.
    let place = lease.others().next().unwrap();
    assert!(lease.another(place).await.is_some(), "{}", sshd.log());
    assert_eq!((connections(&near), connections(&sshd)), (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_key_is_the_pinned_one_each_is_told_and_nobody_logs_in() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    (reach.known, reach.pins) = (KnownHosts::default(), vec!["SHA256:else".to_owned()]);
    let pool = reach.pool();
    let pins = ["host", "host_rsa"].map(|name| pin(&sshd, name));
    for _ in 0..2 {
        let error = get(&pool, "/file").await.unwrap_err();
        assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
        let hint = error.hint.unwrap();
        assert!(
            pins.iter().all(|pin| error.message.contains(pin) && hint.contains(pin)),
            "{}",
            error.message
        );
    }
    let log = sshd.log();
    assert_eq!(log.matches("Connection from").count(), 3, "{log}");
    assert!(!log.contains("Accepted") && !log.contains("Failed") && !log.contains("authenticating"), "{log}");
}

/// A key's fingerprint.
pub(super) fn pin(sshd: &Sshd, key: &str) -> String {
    let key = russh::keys::PublicKey::from_openssh(&read(&sshd.path(&format!("{key}.pub")))).unwrap();
    super::super::known_hosts::fingerprint(&key)
}

/// An sshd whose host key is certified by an authority `ca` of this type, with these arguments.
fn certified(ca: &str, host: &str, arguments: &[&str]) -> Option<Sshd> {
    Sshd::prepared(|folder| {
        keygen(&folder.join("ca"), ca, "");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-I", "the host", "-s"]).arg(folder.join("ca")).args(arguments);
        assert!(command.arg(folder.join(host).with_extension("pub")).status().unwrap().success());
        format!("HostCertificate {}/{host}-cert.pub", folder.display())
    })
}

/// A line of known hosts for an authority, or a revoked key.
fn marked(sshd: &Sshd, marker: &str, key: &str) -> String {
    format!("{marker} * {}", read(&sshd.path(&format!("{key}.pub"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_trusted_authority_is_enough() {
    for (ca, host) in [("ed25519", "host"), ("rsa", "host_rsa"), ("ecdsa", "host")] {
        let Some(sshd) = certified(ca, host, &["-h", "-n", "other.example,127.0.0.?"]) else { return };
        for hosts in ["*", "127.0.0.1", "[127.0.0.*]:*"] {
            let mut reach = sshd.reach();
            reach.known = sshd.knows(&marked(&sshd, "@cert-authority", "ca").replacen('*', hosts, 1));
            connect(reach).await.unwrap_or_else(|error| panic!("{ca} {host} {hosts}: {error}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_no_good_is_told_and_its_key_may_still_be_known() {
    for (arguments, told) in [
        (vec!["-h", "-n", "other.example"], "is for other.example, not for 127.0.0.1"),
        (vec!["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"], "expired at 2020-01-02T"),
        (vec!["-h", "-n", "127.0.0.1", "-V", "20900101:20900102"], "is not valid before 2090-01-01T"),
        (vec!["-h"], "names no host"),
    ] {
        let Some(sshd) = certified("ed25519", "host", &arguments) else { return };
        let authority = marked(&sshd, "@cert-authority", "ca");
        let mut reach = sshd.reach();
        reach.known = sshd.knows(&authority);
        // Not even where unknown hosts are accepted.
        let file = sshd.path("accepted");
        reach.accept_new = Some(file.clone());
        let error = connect(reach).await.unwrap_err();
        assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
        assert!(error.message.contains(told) && error.message.contains("known_hosts:1"), "{error}");
        assert!(!file.exists());
        let mut reach = sshd.reach();
        reach.known = sshd.knows(&(authority + &sshd.known("host")));
        connect(reach).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_or_authority_is_refused_whatever_else_is_known() {
    let Some(sshd) = certified("ed25519", "host", &["-h", "-n", "127.0.0.1"]) else { return };
    let known = marked(&sshd, "@cert-authority", "ca") + &sshd.known("host");
    for (revoked, told) in
        [("host", " is revoked at known_hosts:3"), ("ca", "which is revoked at known_hosts:3")]
    {
        let mut reach = sshd.reach();
        reach.known = sshd.knows(&(known.clone() + &marked(&sshd, "@revoked", revoked)));
        reach.accept_new = Some(sshd.path("accepted"));
        let error = connect(reach).await.unwrap_err();
        assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
        assert!(error.message.ends_with(told), "{error}");
    }
    assert!(!sshd.path("accepted").exists());
    assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_worth_what_its_key_is() {
    let Some(sshd) = certified("ed25519", "host", &["-h", "-n", "127.0.0.1"]) else { return };
    let other = marked(&sshd, "@cert-authority", "user");
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&(other.clone() + &sshd.known("host")));
    connect(reach).await.unwrap();
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&other);
    assert!(connect(reach).await.unwrap_err().message.contains("unknown host key ssh-ed25519 SHA256:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_than_the_known_one_is_a_change_even_where_new_hosts_are_accepted() {
    let Some(sshd) = Sshd::start("") else { return };
    keygen(&sshd.path("other"), "ecdsa", "");
    let file = sshd.path("accepted");
    std::fs::write(&file, sshd.known("other")).unwrap();
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&sshd.known("other"));
    reach.accept_new = Some(file.clone());
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
    assert!(error.message.contains("known_hosts:1 has ecdsa-sha2-nistp256"), "{error}");
    assert_eq!(read(&file), sshd.known("other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_new_to_many_at_once_is_recorded_once_and_known_from_then_on() {
    let Some(sshd) = Sshd::start("") else { return };
    let file = sshd.path("home/.ssh/known_hosts");
    let reach = || {
        let mut reach = sshd.reach();
        (reach.known, reach.accept_new) = (KnownHosts::default(), Some(file.clone()));
        reach
    };
    let connected = futures_util::future::join_all((0..6).map(|_| connect(reach()))).await;
    assert!(connected.iter().all(Result::is_ok), "{connected:?}");
    let key = sshd.known("host");
    let key = key.split(' ').take(3).collect::<Vec<_>>().join(" ");
    assert_eq!(read(&file), format!("{key}\n"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    // Known without the permission to accept, too.
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&read(&file));
    connect(reach).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn further_connections_to_an_accepted_host_must_show_the_same_key() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    (reach.known, reach.accept_new) = (KnownHosts::default(), Some(sshd.path("accepted")));
    let trust = reach.credentials().trust;
    let shown = |name: &str| {
        let key = russh::keys::PublicKey::from_openssh(&read(&sshd.path(&format!("{name}.pub"))));
        russh::keys::PublicKeyOrCertificate::from(key.unwrap())
    };
    trust.examine(&shown("host")).await.unwrap();
    let [warning] = &trust.warnings()[..] else { panic!("one warning") };
    assert!(warning.contains("unknown host key ssh-ed25519 SHA256:") && warning.ends_with("/accepted"));
    trust.examine(&shown("host")).await.unwrap();
    let error = trust.examine(&shown("host_rsa")).await.unwrap_err();
    assert!(
        error.message.contains("the host key changed") && error.message.contains("/accepted:1 has"),
        "{error}"
    );
    assert!(trust.warnings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_recorded_is_not_accepted() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut reach = sshd.reach();
    (reach.known, reach.accept_new) = (KnownHosts::default(), Some(sshd.path("user/known_hosts")));
    let error = connect(reach).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("host_key", Advice::SOURCE_NEVER));
    assert!(error.message.contains("and it can't be added to"), "{error}");
    assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
}
