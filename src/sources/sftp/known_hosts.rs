//! Whether a server is who it should be: known_hosts files read as OpenSSH reads them (hashed, wildcard, negated,
//! `[host]:port`, `@revoked`, several keys), and pinned fingerprints. Strict: an unknown host is refused. Not here:
//! asking a person, and certificates of hosts (`@cert-authority` lines are left aside).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// What the files say of one host.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    /// Lines for exactly this host and port.
    lines: Vec<Line>,
    /// Lines for this host that name no port, where the port is not 22: an equal key among them is good, too.
    portless: Vec<Line>,
}

/// A line that is about the host.
#[derive(Debug, Clone)]
struct Line {
    key: PublicKey,
    revoked: bool,
    place: Place,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What is to be thought of a key that a server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's.
    Known,
    /// Nothing is known of the host.
    Unknown,
    /// Another key is known: its type and fingerprint, and where.
    Changed(String, Place),
    /// It is revoked there.
    Revoked(Place),
}

impl KnownHosts {
    /// Adds what one file says of the host. Lines that can't be read say nothing.
    pub(super) fn read(&mut self, file: &Path, text: &str, host: &str, port: u16) {
        let host = host.to_lowercase();
        let named = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
        for (index, text) in text.lines().enumerate() {
            let Some((hosts, key, revoked)) = parse(text) else { continue };
            let line = || Line { key, revoked, place: Place { file: file.to_owned(), line: index + 1 } };
            if matches(hosts, &named) {
                self.lines.push(line());
            } else if port != 22 && matches(hosts, &host) {
                self.portless.push(line());
            }
        }
    }

    /// Judges a key.
    pub(super) fn judge(&self, key: &PublicKey) -> Verdict {
        let same = |line: &&Line| line.key.key_data() == key.key_data();
        let mut all = self.lines.iter().chain(&self.portless);
        if let Some(line) = all.find(|line| line.revoked && same(line)) {
            return Verdict::Revoked(line.place.clone());
        }
        let mut good = self.lines.iter().filter(|line| !line.revoked);
        match good
            .clone()
            .find(same)
            .or_else(|| self.portless.iter().find(|line| !line.revoked && same(line)))
        {
            Some(_) => Verdict::Known,
            None => good
                .next()
                .map_or(Verdict::Unknown, |line| Verdict::Changed(described(&line.key), line.place.clone())),
        }
    }

    /// The algorithms to ask for, those of known keys first: a server that has keys of several types then shows the
    /// one that is known.
    pub(super) fn order(&self, algorithms: &[Algorithm]) -> Vec<Algorithm> {
        let known = |algorithm: &&Algorithm| {
            self.lines.iter().any(|line| !line.revoked && is_type(&line.key.algorithm(), algorithm))
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = algorithms.iter().partition(known);
        first.extend(rest);
        first.into_iter().cloned().collect()
    }
}

/// An RSA key goes with every RSA signature.
fn is_type(key: &Algorithm, algorithm: &Algorithm) -> bool {
    key == algorithm || matches!((key, algorithm), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

/// A key for people: `ssh-ed25519 SHA256:..`.
pub(super) fn described(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), fingerprint(key))
}

/// A key's fingerprint as OpenSSH writes it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Splits a line: hosts, key, whether it is revoked. None for empty lines, comments, authorities and nonsense.
fn parse(line: &str) -> Option<(&str, PublicKey, bool)> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().filter(|word| !word.starts_with('#'))?;
    let (revoked, hosts) = match first {
        "@revoked" => (true, words.next()?),
        // A certificate's authority is no host's own key.
        marker if marker.starts_with('@') => return None,
        hosts => (false, hosts),
    };
    let (kind, key) = (words.next()?, words.next()?);
    let key = PublicKey::from_openssh(&format!("{kind} {key}")).ok()?;
    Some((hosts, key, revoked))
}

/// Whether a line's first field is about a host. One negated pattern that matches rules the line out.
fn matches(hosts: &str, host: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return matches_hash(hashed, host).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        let (negated, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        if wildcard(pattern.to_lowercase().as_bytes(), host.as_bytes()) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// `SALT|HASH`: the HMAC-SHA1 of the host's name.
fn matches_hash(hashed: &str, host: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &STANDARD.decode(salt).ok()?);
    Some(hmac::verify(&key, host.as_bytes(), &STANDARD.decode(hash).ok()?).is_ok())
}

/// `*` and `?`, as in OpenSSH's patterns. Goes back to the last `*` only, so a long pattern costs no more than its
/// length times the host's.
pub(super) fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
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
