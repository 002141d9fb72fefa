//! Whether to go on with a server that has shown its key or certificate: one of the fingerprints that the plan names,
//! or else what the files of known hosts say; where the plan wants it, the key of a host of which nothing is known is
//! recorded, and so it is where a person says that it is the right one. Nothing secret is sent before, and a refusal is
//! final. Not here: reading the files (`known_hosts`).

use super::known_hosts::record;
use super::known_hosts::{KnownHosts, Name, Verdict, described, fingerprint, is_type};
use crate::gather::Advice;
use crate::sources::{Asking, SourceError};
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines in one warning.
const NAMED: usize = 5;

/// What is known of one server.
pub(super) struct Trust {
    /// For errors: `sftp://host:port`.
    pub(super) target: String,
    /// What it is called in the files.
    pub(super) name: Name,
    /// Fingerprints of which its key must have one; then the files don't matter.
    pub(super) pins: Vec<String>,
    /// The file to which a newly accepted key belongs. None where it is not to be kept.
    pub(super) file: Option<PathBuf>,
    /// Whether the key of an unknown host is accepted, and recorded.
    pub(super) accept_new: bool,
    /// Who is asked about the key of an unknown host.
    pub(super) asking: Option<Asking>,
    /// What the files say, and what was accepted since.
    pub(super) known: Mutex<KnownHosts>,
    /// Keys that were shown where others are pinned, one of a type. A fingerprint tells no type: the server may have the key
    /// that is meant beside one of these.
    pub(super) unpinned: Mutex<Vec<PublicKey>>,
    /// What the user should know and was not told yet.
    pub(super) warnings: Mutex<Vec<String>>,
}

impl Trust {
    /// Looks at what the server shows.
    pub(super) async fn examine(
        self: &Arc<Trust>,
        shown: &PublicKeyOrCertificate,
    ) -> Result<(), SourceError> {
        let key = shown.public_key();
        if !self.pins.is_empty() {
            return self.examine_pinned(&key);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let verdict = self.known().judge(shown, &self.name, now);
        let verdict = match verdict {
            Verdict::Unknown if self.accept_new || self.is_agreed(&key).await => {
                let (trust, key) = (self.clone(), key.clone());
                let accepted = tokio::task::spawn_blocking(move || trust.accept(&key)).await;
                accepted.expect("adding to a file does not panic")?
            }
            verdict => verdict,
        };
        if verdict == Verdict::Known { Ok(()) } else { Err(self.distrust(&verdict, &key)) }
    }

    /// Looks at a key where some are pinned.
    fn examine_pinned(&self, key: &PublicKey) -> Result<(), SourceError> {
        let mut unpinned = self.unpinned();
        let is_same_type = |other: &PublicKey| is_type(&other.algorithm(), &key.algorithm());
        if self.pins.contains(&fingerprint(key)) {
            // Others of its type may be behind the same name.
            unpinned.retain(|other| !is_same_type(other));
            return Ok(());
        }
        if !unpinned.iter().any(is_same_type) {
            unpinned.push(key.clone());
        }
        Err(self.refusal_of_unpinned(&unpinned))
    }

    /// How many types of key were shown that are not pinned. Where there is one more after a refusal, the server may have a
    /// key of another type: its turn is next.
    pub(super) fn types_unpinned(&self) -> usize {
        self.unpinned().len()
    }

    /// The algorithms to ask for, and those whose certificates to ask for. A certificate's type is that of its key.
    pub(super) fn algorithms(&self, all: &[Algorithm]) -> (Vec<Algorithm>, Vec<Algorithm>) {
        let known = self.known();
        let mut keys = known.order(all);
        let unpinned = self.unpinned();
        let turn = |algorithm: &Algorithm| {
            unpinned.iter().position(|key| is_type(&key.algorithm(), algorithm)).map_or(0, |at| at + 1)
        };
        keys.sort_by_key(turn);
        let has_authority = self.pins.is_empty() && known.has_authority();
        let is_certified =
            |algorithm: &&Algorithm| has_authority && **algorithm != Algorithm::Rsa { hash: None };
        let certificates = keys.iter().filter(is_certified).cloned().collect();
        (keys, certificates)
    }

    /// What the user should know, once.
    pub(super) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of the lines that may be about the host and can't be read.
    pub(super) fn warn_of_wrong_lines(&self) {
        let places: Vec<String> = self.known().wrong().iter().map(ToString::to_string).collect();
        if let [named @ .., last] = &places[..places.len().min(NAMED)] {
            let named = named.iter().map(|place| format!("{place}, ")).collect::<String>();
            let more = places.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.warn(format!("{}: not a line of known hosts, left aside: {named}{last}{more}", self.target));
        }
    }

    fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    fn known(&self) -> MutexGuard<'_, KnownHosts> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unpinned(&self) -> MutexGuard<'_, Vec<PublicKey>> {
        self.unpinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a person whether the key of an unknown host is the right one.
    async fn is_agreed(&self, key: &PublicKey) -> bool {
        let Some(asking) = &self.asking else { return false };
        let question = format!("{}: unknown host key {}: is it the right one?", self.target, described(key));
        asking.agrees(question).await
    }

    /// Records the key of an unknown host. Another one may have been recorded in the meantime. What can't be recorded is
    /// good for this run alone, if a person said that it is right. Blocking.
    fn accept(&self, key: &PublicKey) -> Result<Verdict, SourceError> {
        let shown = described(key);
        let accepted = format!("{}: unknown host key {shown} accepted", self.target);
        let Some(file) = &self.file else {
            self.warn(format!("{accepted} for this run"));
            return Ok(self.remember(key));
        };
        match (record::add(file, &self.name, key), file.display()) {
            (Ok((now, is_new)), file) => {
                if is_new {
                    self.warn(format!("{accepted}, and added to {file}"));
                }
                let mut known = self.known();
                known.extend(now);
                Ok(known.judge_key(key.key_data()))
            }
            (Err(why), file) if self.accept_new => {
                let why = format!("unknown host key {shown}, and it can't be added to {file}: {why}");
                Err(self.refusal(why))
            }
            (Err(why), file) => {
                self.warn(format!("{accepted} for this run: it can't be added to {file}: {why}"));
                Ok(self.remember(key))
            }
        }
    }

    /// Knows a key from now on.
    fn remember(&self, key: &PublicKey) -> Verdict {
        if let Ok(line) = record::entry(&self.name, key) {
            self.known().read(Path::new(""), &line, &self.name);
        }
        Verdict::Known
    }

    /// The error of a server that is not trusted, with the exact way to trust it.
    fn distrust(&self, verdict: &Verdict, key: &PublicKey) -> SourceError {
        let shown = described(key);
        let accept = || format!("if it is the right one: {}", self.way_to_accept(key));
        match verdict {
            Verdict::Revoked(revoked, place) => {
                let which = match *revoked == shown {
                    true => format!("host key {shown} is revoked at {place}"),
                    false => {
                        format!(
                            "host key {shown} has a certificate by {revoked}, which is revoked at {place}"
                        )
                    }
                };
                self.refusal(which).hint("others may have it: whoever runs the server has a new one")
            }
            Verdict::Changed(old, place) => {
                let changed = format!("the host key changed: the server shows {shown}, {place} has {old}");
                let accept = self.way_to_accept(key);
                self.refusal(changed)
                    .hint(format!("if the change is genuine, remove {place}, then: {accept}"))
            }
            Verdict::Uncertified(why, place) => {
                let why = format!("host key {shown}: its certificate, by the authority at {place}, {why}");
                self.refusal(why).hint(accept())
            }
            Verdict::Known | Verdict::Unknown => {
                self.refusal(format!("unknown host key {shown}")).hint(accept())
            }
        }
    }

    fn refusal_of_unpinned(&self, shown: &[PublicKey]) -> SourceError {
        let keys = shown.iter().map(described).collect::<Vec<_>>().join(" and ");
        let error = self.refusal(format!("host key {keys} is not {}", self.pins.join(", ")));
        let settings = shown.iter().map(|key| format!("host_key = \"{}\"", fingerprint(key)));
        error.hint(format!("if it is the right one: {}", settings.collect::<Vec<_>>().join(" or ")))
    }

    fn refusal(&self, why: String) -> SourceError {
        SourceError::new("host_key", format!("{}: {why}", self.target)).advice(Advice::SOURCE_NEVER)
    }

    /// What to do to trust a key: the line to add, or the setting.
    fn way_to_accept(&self, key: &PublicKey) -> String {
        let setting = format!("host_key = \"{}\" in the plan", fingerprint(key));
        match (record::entry(&self.name, key), &self.file) {
            (Ok(line), Some(file)) => format!("echo '{line}' >> {}, or {setting}", file.display()),
            _ => setting,
        }
    }
}
