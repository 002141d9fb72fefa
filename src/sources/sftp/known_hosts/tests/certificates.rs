//! Certificates that no `ssh-keygen` makes.

use super::*;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::certificate::{Builder, CertType};

const NOW: u64 = 1_800_000_000;

fn private() -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
}

/// A host's certificate, for nobody unless `change` says so.
fn certificate(change: impl FnOnce(&mut Builder)) -> Certificate {
    certificate_of(CertType::Host, change)
}

fn certificate_of(kind: CertType, change: impl FnOnce(&mut Builder)) -> Certificate {
    let key = private().public_key().clone();
    let mut builder = Builder::new(vec![1; 16], key.key_data().clone(), NOW - 10, NOW + 10).unwrap();
    builder.cert_type(kind).unwrap().key_id("id").unwrap();
    change(&mut builder);
    builder.sign(&private()).unwrap()
}

fn check(change: impl FnOnce(&mut Builder), now: u64) -> Result<(), String> {
    super::super::certificate::check(&certificate(change), "host", now)
}

#[test]
fn a_certificate_holds_from_its_first_second_to_before_its_last() {
    let for_host = |builder: &mut Builder| drop(builder.valid_principal("host"));
    assert_eq!(check(for_host, NOW - 10), Ok(()));
    assert_eq!(check(for_host, NOW + 9), Ok(()));
    assert!(check(for_host, NOW - 11).unwrap_err().starts_with("is not valid before 2027-01-15T"));
    assert!(check(for_host, NOW + 10).unwrap_err().starts_with("expired at 2027-01-15T"));
}

#[test]
fn a_critical_option_is_refused_and_an_extension_is_not() {
    let option = |builder: &mut Builder| {
        builder.valid_principal("host").unwrap().critical_option("force-command", "true").unwrap();
    };
    assert_eq!(check(option, NOW).unwrap_err(), "has the critical option force-command, unknown here");
    let extension = |builder: &mut Builder| {
        builder.valid_principal("host").unwrap().extension("whatever", "").unwrap();
    };
    assert_eq!(check(extension, NOW), Ok(()));
}

#[test]
fn a_certificate_must_name_the_host() {
    let all = |builder: &mut Builder| drop(builder.all_principals_valid());
    assert_eq!(check(all, NOW).unwrap_err(), "names no host");
    let other = |builder: &mut Builder| {
        builder.valid_principal("*.host").unwrap().valid_principal("evil\n\x1b[2J").unwrap();
    };
    let told = check(other, NOW).unwrap_err();
    assert!(told.starts_with("is for *.host, evil") && !told.contains(['\n', '\x1b']), "{told:?}");
    assert_eq!(check(|builder| drop(builder.valid_principal("h*")), NOW), Ok(()));
}

#[test]
fn a_certificate_of_a_user_is_none_of_a_host() {
    let user = certificate_of(CertType::User, |builder| drop(builder.valid_principal("host")));
    let told = super::super::certificate::check(&user, "host", NOW).unwrap_err();
    assert_eq!(told, "is a user's and not a host's");
}

#[test]
fn a_signature_that_is_not_the_authoritys_is_refused() {
    let good = certificate(|builder| drop(builder.valid_principal("host")));
    let mut bytes = good.to_bytes().unwrap();
    // The key's name is in what is signed.
    let at = bytes.windows(2).position(|bytes| bytes == b"id").unwrap();
    bytes[at] = b'x';
    let forged = Certificate::from_bytes(&bytes).unwrap();
    let told = super::super::certificate::check(&forged, "host", NOW).unwrap_err();
    assert_eq!(told, "has a signature that is not its authority's");
    let authority = PublicKey::new(good.signature_key().clone(), "");
    let name = Name::new("host", 22, None);
    let known = read(&line("@cert-authority *", &authority), "host", 22);
    let verdict = |shown| known.judge(&PublicKeyOrCertificate::Certificate(shown), &name, NOW);
    assert_eq!(verdict(forged), Verdict::Uncertified(told, place(1)));
    assert_eq!(verdict(good), Verdict::Known);
}
