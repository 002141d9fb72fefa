//! One line of a file of known hosts: `[@marker] hosts type key [comment]`, and whether it is about a host. The key is
//! read only where it is: files have thousands of lines. Not here: what follows from it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// The host's own key.
    Host,
    /// `@cert-authority`: the key signs certificates of such hosts.
    Authority,
    /// `@revoked`: the key is never good.
    Revoked,
}

/// What a line says of a host.
pub(super) enum Found {
    /// It is about others, or about nothing.
    Nothing,
    /// It can't be read, and may be about this host.
    Wrong,
    /// It has a key.
    Key {
        /// The key.
        key: PublicKey,
        /// What the key is for.
        marker: Marker,
        /// Whether it is for the exact name.
        exact: bool,
    },
}

/// Reads a line as one who looks for a host: by the exact name and, if it has a port in it, by the name without.
pub(super) fn find(line: &str, exact: &str, portless: Option<&str>) -> Found {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { return Found::Nothing };
    let (marker, hosts) = match first {
        "@revoked" => (Marker::Revoked, words.next()),
        "@cert-authority" => (Marker::Authority, words.next()),
        marker if marker.starts_with('@') => return Found::Wrong,
        hosts => (Marker::Host, Some(hosts)),
    };
    // A line has one marker: no host begins with `@`.
    let hosts = hosts.filter(|hosts| !hosts.starts_with('@'));
    let (Some(hosts), Some(kind), Some(key)) = (hosts, words.next(), words.next()) else {
        return Found::Wrong;
    };
    let Some(is_exact) = matches(hosts, exact) else { return Found::Wrong };
    if !is_exact && portless.and_then(|name| matches(hosts, name)) != Some(true) {
        return Found::Nothing;
    }
    match PublicKey::from_openssh(&format!("{kind} {key}")) {
        Ok(key) => Found::Key { key, marker, exact: is_exact },
        Err(_) => Found::Wrong,
    }
}

/// Whether a line's hosts have this one among them. One negated pattern that matches rules the line out. None for a hash
/// that is none.
fn matches(hosts: &str, host: &str) -> Option<bool> {
    if hosts.starts_with('|') {
        return matches_hash(hosts, host);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        let (negated, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        if wildcard(pattern.to_ascii_lowercase().as_bytes(), host.as_bytes()) {
            if negated {
                return Some(false);
            }
            found = true;
        }
    }
    Some(found)
}

/// `|1|SALT|HASH`: the HMAC-SHA1 of the host's name.
fn matches_hash(hashed: &str, host: &str) -> Option<bool> {
    let (salt, hash) = hashed.strip_prefix("|1|")?.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let length = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY.digest_algorithm().output_len();
    let is_hash = salt.len() == length && hash.len() == length;
    let key = is_hash.then(|| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt))?;
    Some(hmac::verify(&key, host.as_bytes(), &hash).is_ok())
}

/// `*` and `?`, as in OpenSSH's patterns. Goes back to the last `*` only, so a long pattern costs no more than its
/// length times the host's.
pub(in crate::sources::sftp) fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&letter) if letter == b'?' || letter == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}
