//! Whether a certificate that a trusted authority signed is good for a host: what OpenSSH checks, and no less. Not here:
//! which authorities are trusted, and whether anything is revoked.

use super::line::wildcard;
use crate::sources::sftp::error::shown;
use jiff::Timestamp;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg};

/// Names in one error.
const NAMED: usize = 5;

/// Checks a certificate for a host, in lower case, at `now` in seconds since 1970. The error goes on from "its
/// certificate".
pub(super) fn check(certificate: &Certificate, host: &str, now: u64) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("is a user's and not a host's".to_owned());
    }
    if now < certificate.valid_after() {
        return Err(format!("is not valid before {}", time(certificate.valid_after())));
    }
    if now >= certificate.valid_before() {
        return Err(format!("expired at {}", time(certificate.valid_before())));
    }
    signature(certificate, now)?;
    names(certificate, host)?;
    match certificate.critical_options().keys().next() {
        Some(option) => Err(format!("has the critical option {}, unknown here", shown(option.as_bytes()))),
        None => Ok(()),
    }
}

/// The signature is the authority's. One over SHA-1 proves nothing.
fn signature(certificate: &Certificate, now: u64) -> Result<(), String> {
    let algorithm = certificate.signature().algorithm();
    if matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err(format!("is signed with {algorithm}, which is too weak"));
    }
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    let valid = certificate.validate_at(now, [&authority]);
    valid.map_err(|_| "has a signature that is not its authority's".to_owned())
}

/// A certificate without names would be good for every host: newer versions of OpenSSH refuse it, too.
fn names(certificate: &Certificate, host: &str) -> Result<(), String> {
    let names = certificate.valid_principals();
    if names.iter().any(|name| wildcard(name.as_bytes(), host.as_bytes())) {
        return Ok(());
    }
    let named = names.iter().take(NAMED).map(|name| shown(name.as_bytes())).collect::<Vec<_>>();
    match named.is_empty() {
        true => Err("names no host".to_owned()),
        false => Err(format!("is for {}, not for {host}", named.join(", "))),
    }
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}
