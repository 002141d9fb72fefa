//! Reading what a source's settings name: keys, passwords, files of known hosts, for the server and each jump host on the
//! way to it. Blocking, once a run, before the first connection. Not here: what is done with it (`auth`, `trust`).

use super::auth::Method;
use super::connect::{Credentials, Hop, Target};
use super::given::Given;
use super::known_hosts::record::LARGEST;
use super::known_hosts::{KnownHosts, Name};
use super::settings::{Settings, Texts};
use super::trust::Trust;
use crate::expr::Scope;
use crate::gather::Advice;
use crate::secret::{SecretRef, located};
use crate::sources::SourceError;
use russh::keys::decode_secret_key;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The files that OpenSSH reads, the user's first: that is where a new key belongs.
const KNOWN_HOSTS: [&str; 4] =
    ["~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
/// The keys that OpenSSH tries, where nothing else is said.
const USUAL_KEYS: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];

/// What a plan says of getting into one server.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    /// Who logs in.
    pub(super) user: Option<&'a Given>,
    /// A private key.
    pub(super) key: Option<&'a Given>,
    /// What opens the key.
    pub(super) passphrase: Option<&'a SecretRef>,
    /// The user's password.
    pub(super) password: Option<&'a SecretRef>,
    /// Whether the agent is asked.
    pub(super) agent: Option<bool>,
    /// Files of known hosts.
    pub(super) known_hosts: Option<&'a Texts>,
    /// Fingerprints.
    pub(super) host_key: Option<&'a Texts>,
    /// The name in the files of known hosts.
    pub(super) alias: Option<&'a str>,
    /// Whether the key of an unknown host is accepted.
    pub(super) accept_new: bool,
}

/// Reads it all.
pub(super) fn read(
    settings: &Settings,
    target: &Target,
    scope: &Scope,
    folder: &Path,
) -> Result<Credentials, SourceError> {
    let read = |access, target: &Target| Reading { access, target, scope, folder }.credentials();
    let own = read(settings.access(), target)?;
    let hops = settings.jump.0.iter().map(|hop| {
        let target = hop.target(target);
        Ok(Hop { credentials: read(hop.access(settings), &target)?, target })
    });
    Ok(Credentials { hops: hops.collect::<Result<_, SourceError>>()?, ..own })
}

struct Reading<'a> {
    access: Access<'a>,
    target: &'a Target,
    scope: &'a Scope,
    folder: &'a Path,
}

impl Reading<'_> {
    fn credentials(&self) -> Result<Credentials, SourceError> {
        let wrong = |code: &'static str| {
            move |why: String| {
                SourceError::new(code, format!("{}: {why}", self.target.name)).advice(Advice::SOURCE_NEVER)
            }
        };
        let trust = Arc::new(self.trust().map_err(wrong("host_key"))?);
        trust.warn_of_wrong_lines();
        let methods = self.methods().map_err(wrong("login"))?;
        let user = self.user().map_err(wrong("login"))?;
        Ok(Credentials { user, methods, trust, hops: Vec::new() })
    }

    fn user(&self) -> Result<String, String> {
        if let Some(user) = self.access.user {
            return Ok(user.resolve(self.scope, self.folder)?.expose().to_owned());
        }
        let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        named.filter(|name| !name.is_empty()).ok_or_else(|| "no `user`, and USER is not set".to_owned())
    }

    fn methods(&self) -> Result<Vec<Method>, String> {
        let Access { key, password, agent, .. } = self.access;
        let is_bare = key.is_none() && password.is_none();
        let mut methods = Vec::new();
        if let Some(key) = key {
            methods.push(self.key(key)?);
        }
        if agent.unwrap_or(is_bare && std::env::var_os("SSH_AUTH_SOCK").is_some()) {
            methods.push(Method::Agent);
        }
        if let Some(password) = password {
            methods.push(Method::Password(password.resolve(self.scope, self.folder)?));
        }
        if is_bare && agent.is_none() {
            methods.extend(USUAL_KEYS.iter().filter_map(|path| usual_key(&located(path, self.folder))));
        }
        Ok(methods)
    }

    fn key(&self, given: &Given) -> Result<Method, String> {
        let (text, name) = match given {
            Given::Text(template) => {
                let path = template.text(self.scope).map_err(|error| error.message)?;
                let text = read_text(&located(&path, self.folder))
                    .map_err(|error| format!("key {path}: {}", told(&error)))?;
                (zeroize::Zeroizing::new(text), path)
            }
            Given::Secret(secret) => {
                let text = secret.resolve(self.scope, self.folder).map_err(|why| format!("key: {why}"))?;
                (zeroize::Zeroizing::new(text.expose().to_owned()), secret.origin())
            }
        };
        let passphrase = self.access.passphrase;
        let passphrase = passphrase.map(|from| from.resolve(self.scope, self.folder)).transpose()?;
        let key = decode_secret_key(&text, passphrase.as_ref().map(|passphrase| passphrase.expose()));
        let key = key.map_err(|error| format!("key {name}: {}", unreadable(&error, passphrase.is_some())))?;
        Ok(Method::Key(Arc::new(key), name))
    }

    fn trust(&self) -> Result<Trust, String> {
        let Access { host_key, alias, accept_new, .. } = self.access;
        let name = Name::new(&self.target.host, self.target.port, alias);
        let (known, file) = self.known_hosts(&name)?;
        let (target, pins) = (self.target.name.clone(), host_key.map(Texts::list).unwrap_or_default());
        let (known, warnings) = (Mutex::new(known), Mutex::default());
        Ok(Trust { target, name, pins, file, accept_new, known, warnings })
    }

    /// What is known of the host, and the file to which more would be added.
    fn known_hosts(&self, name: &Name) -> Result<(KnownHosts, PathBuf), String> {
        let (named, usual) = (self.access.known_hosts.map(Texts::list), KNOWN_HOSTS.map(str::to_owned));
        let paths = named.as_deref().unwrap_or(&usual);
        let mut known = KnownHosts::default();
        for (index, path) in paths.iter().enumerate() {
            let file = located(path, self.folder);
            // The first one is made when the first host is accepted.
            let may_be_missing = named.is_none() || (index == 0 && self.access.accept_new);
            match read_text(&file) {
                Ok(text) => known.read(&file, &text, name),
                Err(error) if error.kind() == ErrorKind::NotFound && may_be_missing => {}
                Err(error) => return Err(format!("known_hosts {path}: {}", told(&error))),
            }
        }
        Ok((known, paths.first().map(|path| located(path, self.folder)).unwrap_or_default()))
    }
}

/// A key that is there and that no passphrase locks.
fn usual_key(path: &Path) -> Option<Method> {
    let text = zeroize::Zeroizing::new(read_text(path).ok()?);
    let key = decode_secret_key(&text, None).ok()?;
    Some(Method::Key(Arc::new(key), path.display().to_string()))
}

fn unreadable(error: &russh::keys::Error, has_passphrase: bool) -> String {
    match (error, has_passphrase) {
        (russh::keys::Error::KeyIsEncrypted, false) => "it is locked: it needs a `passphrase`".to_owned(),
        (_, true) => format!("not a private key that the `passphrase` opens ({error})"),
        (_, false) => format!("not a private key ({error})"),
    }
}

/// A file's text; what is not UTF-8 in a comment does no harm.
fn read_text(path: &Path) -> Result<String, Error> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(Error::other("it is too large"));
    }
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn told(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        _ => error.to_string(),
    }
}
