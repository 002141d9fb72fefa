//! Whether a server is who it should be: what files of known hosts say of one host, read as OpenSSH reads them (hashed,
//! wildcard, negated, `[host]:port`, `@revoked`, `@cert-authority`, several keys and files), and the verdict on a key or
//! certificate. Strict: the key of a known host that is not known is a change, of whatever type it is. Not here: what
//! follows from a verdict (`trust`), and adding lines (`record`).

use line::{Found, Marker};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use std::fmt;
use std::path::{Path, PathBuf};

mod certificate;
pub(super) mod line;
pub(super) mod record;
#[cfg(test)]
mod tests;

/// What is wrong with a file of revoked keys, most likely.
const KRL: &str = "a list in binary form (KRL) is not supported: one public key a line is";

/// What a server is called in files of known hosts, and in certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// In lower case.
    host: String,
    /// Where it is part of the name: it is not 22, and the name is no alias.
    port: Option<u16>,
}

impl Name {
    /// The name of a server, which is its alias if it has one.
    pub(super) fn new(host: &str, port: u16, alias: Option<&str>) -> Name {
        let port = Some(port).filter(|port| *port != 22 && alias.is_none());
        Name { host: alias.unwrap_or(host).to_ascii_lowercase(), port }
    }
}

impl fmt::Display for Name {
    /// As it stands in a line: `host` or `[host]:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) => write!(f, "[{}]:{port}", self.host),
        }
    }
}

/// What the files say of one host.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    lines: Vec<Line>,
    /// Lines that may be about the host and say nothing.
    wrong: Vec<Place>,
}

/// A line that is about the host.
#[derive(Debug)]
struct Line {
    key: PublicKey,
    marker: Marker,
    /// Whether it is for the host at its very port. One that names no port, where the port is not 22, counts where no key
    /// is known of that port: it makes an equal key good, and another no change.
    exact: bool,
    place: Place,
}

impl Line {
    fn revoked(&self) -> Verdict {
        Verdict::Revoked(described(&self.key), self.place.clone())
    }
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

/// What is to be thought of a key or certificate that a server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's.
    Known,
    /// Nothing is known of the host.
    Unknown,
    /// Another key is known: its type and fingerprint, and where.
    Changed(String, Place),
    /// A key is revoked there, which is its own or that of the authority that signed it: which.
    Revoked(String, Place),
    /// An authority that is trusted there signed it, and it is not good for this host now: why.
    Uncertified(String, Place),
}

impl KnownHosts {
    /// Adds what one file says of the host.
    pub(super) fn read(&mut self, file: &Path, text: &str, name: &Name) {
        let (exact, portless) = (name.to_string(), name.port.map(|_| name.host.as_str()));
        for (index, text) in text.lines().enumerate() {
            let place = || Place { file: file.to_owned(), line: index + 1 };
            match line::find(text, &exact, portless) {
                Found::Nothing => {}
                Found::Wrong => self.wrong.push(place()),
                Found::Key { key, marker, exact } => {
                    self.lines.push(Line { key, marker, exact, place: place() });
                }
            }
        }
    }

    /// Adds the keys of a file that no host may have: a public key a line. An error says which line is none.
    pub(super) fn revoke(&mut self, file: &Path, text: &str) -> Result<(), String> {
        for (index, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let place = Place { file: file.to_owned(), line: index + 1 };
            let key =
                PublicKey::from_openssh(text).map_err(|_| format!("{place}: no public key\n  ({KRL})"))?;
            self.lines.push(Line { key, marker: Marker::Revoked, exact: true, place });
        }
        Ok(())
    }

    /// Adds what was read by itself.
    pub(super) fn extend(&mut self, known: KnownHosts) {
        self.lines.extend(known.lines);
    }

    /// The lines that may be about the host and say nothing, because they can't be read.
    pub(super) fn wrong(&self) -> &[Place] {
        &self.wrong
    }

    /// Judges what the server called `name` shows, at `now` in seconds since 1970.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate, name: &Name, now: u64) -> Verdict {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge_key(key.key_data()),
            PublicKeyOrCertificate::Certificate(shown) => self.judge_certificate(shown, name, now),
        }
    }

    /// Judges a plain key.
    pub(super) fn judge_key(&self, key: &KeyData) -> Verdict {
        if let Some(line) = self.with(Marker::Revoked, key) {
            return line.revoked();
        }
        if self.hosts().any(|line| line.key.key_data() == key) {
            return Verdict::Known;
        }
        // The one that it most likely replaces.
        let others = self.hosts().filter(|line| line.exact);
        let other = others.min_by_key(|line| !is_type(&line.key.algorithm(), &key.algorithm()));
        other.map_or(Verdict::Unknown, |line| Verdict::Changed(described(&line.key), line.place.clone()))
    }

    /// A certificate that is no good is worth what its key is, as for OpenSSH; but not less than unknown.
    fn judge_certificate(&self, shown: &Certificate, name: &Name, now: u64) -> Verdict {
        if let Some(line) = self.with(Marker::Revoked, shown.signature_key()) {
            return line.revoked();
        }
        let authority = self.with(Marker::Authority, shown.signature_key());
        let wrong = match authority.map(|line| (certificate::check(shown, &name.host, now), line)) {
            Some((Ok(()), _)) if self.with(Marker::Revoked, shown.public_key()).is_none() => {
                return Verdict::Known;
            }
            Some((Err(why), line)) => Some(Verdict::Uncertified(why, line.place.clone())),
            _ => None,
        };
        match self.judge_key(shown.public_key()) {
            Verdict::Unknown => wrong.unwrap_or(Verdict::Unknown),
            verdict => verdict,
        }
    }

    /// The host's own keys: those at its very port, or else those that name no port.
    fn hosts(&self) -> impl Iterator<Item = &Line> {
        let hosts = self.lines.iter().filter(|line| line.marker == Marker::Host);
        let has_exact = hosts.clone().any(|line| line.exact);
        hosts.filter(move |line| line.exact || !has_exact)
    }

    fn with(&self, marker: Marker, key: &KeyData) -> Option<&Line> {
        self.lines.iter().find(|line| line.marker == marker && line.key.key_data() == key)
    }

    /// The algorithms to ask for, those of known keys first: a server that has keys of several types then shows the
    /// one that is known.
    pub(super) fn order(&self, algorithms: &[Algorithm]) -> Vec<Algorithm> {
        let is_known =
            |algorithm: &&Algorithm| self.hosts().any(|line| is_type(&line.key.algorithm(), algorithm));
        let (mut first, rest): (Vec<_>, Vec<_>) = algorithms.iter().partition(is_known);
        first.extend(rest);
        first.into_iter().cloned().collect()
    }

    /// Whether certificates are worth asking for.
    pub(super) fn has_authority(&self) -> bool {
        self.lines.iter().any(|line| line.marker == Marker::Authority)
    }
}

/// An RSA key goes with every RSA signature.
pub(super) fn is_type(key: &Algorithm, algorithm: &Algorithm) -> bool {
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
