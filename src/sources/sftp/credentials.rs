//! Reading what a source's settings name: keys, passwords, files of known hosts. Blocking, once a run, before the first
//! connection. Not here: what is done with it (`auth`, `connect`).

use super::auth::Method;
use super::connect::{Credentials, Target};
use super::given::Given;
use super::known_hosts::KnownHosts;
use super::settings::{Pins, Settings};
use crate::expr::Scope;
use crate::gather::Advice;
use crate::secret::located;
use crate::sources::SourceError;
use russh::keys::decode_secret_key;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files that OpenSSH reads, the user's first: that is where a new key belongs.
const KNOWN_HOSTS: [&str; 3] = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts"];
/// The keys that OpenSSH tries, where nothing else is said.
const USUAL_KEYS: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
/// The largest key file or file of known hosts that is read.
const LARGEST: u64 = 16 << 20;

/// Reads it all.
pub(super) fn read(
    settings: &Settings,
    target: &Target,
    scope: &Scope,
    folder: &Path,
) -> Result<Credentials, SourceError> {
    let reading = Reading { settings, scope, folder };
    let wrong = |code: &'static str| {
        move |why: String| {
            SourceError::new(code, format!("{}: {why}", target.name)).advice(Advice::SOURCE_NEVER)
        }
    };
    let (known, file) = reading.known_hosts(target).map_err(wrong("host_key"))?;
    let methods = reading.methods().map_err(wrong("login"))?;
    let user = reading.user().map_err(wrong("login"))?;
    let pins = settings.host_key.as_ref().map(Pins::list).unwrap_or_default();
    Ok(Credentials { user, methods, known, pins, file })
}

struct Reading<'a> {
    settings: &'a Settings,
    scope: &'a Scope,
    folder: &'a Path,
}

impl Reading<'_> {
    fn user(&self) -> Result<String, String> {
        if let Some(user) = &self.settings.user {
            return Ok(user.resolve(self.scope, self.folder)?.expose().to_owned());
        }
        let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        named.filter(|name| !name.is_empty()).ok_or_else(|| "no `user`, and USER is not set".to_owned())
    }

    fn methods(&self) -> Result<Vec<Method>, String> {
        let is_bare = self.settings.key.is_none() && self.settings.password.is_none();
        let mut methods = Vec::new();
        if let Some(key) = &self.settings.key {
            methods.push(self.key(key)?);
        }
        if self.settings.agent.unwrap_or(is_bare && std::env::var_os("SSH_AUTH_SOCK").is_some()) {
            methods.push(Method::Agent);
        }
        if let Some(password) = &self.settings.password {
            methods.push(Method::Password(password.resolve(self.scope, self.folder)?));
        }
        if is_bare && self.settings.agent.is_none() {
            methods.extend(USUAL_KEYS.iter().filter_map(|path| usual_key(&located(path, self.folder))));
        }
        Ok(methods)
    }

    fn key(&self, given: &Given) -> Result<Method, String> {
        let (text, name) = match given {
            Given::Text(template) => {
                let path = template.text(self.scope).map_err(|error| error.message)?;
                let text =
                    read_text(&located(&path, self.folder)).map_err(|why| format!("key {path}: {why}"))?;
                (zeroize::Zeroizing::new(text), path)
            }
            Given::Secret(secret) => {
                let text = secret.resolve(self.scope, self.folder).map_err(|why| format!("key: {why}"))?;
                (zeroize::Zeroizing::new(text.expose().to_owned()), secret.origin())
            }
        };
        let passphrase = self.settings.passphrase.as_ref();
        let passphrase = passphrase.map(|from| from.resolve(self.scope, self.folder)).transpose()?;
        let key = decode_secret_key(&text, passphrase.as_ref().map(|passphrase| passphrase.expose()));
        let key = key.map_err(|error| format!("key {name}: {}", unreadable(&error, passphrase.is_some())))?;
        Ok(Method::Key(Arc::new(key), name))
    }

    /// What is known of the host, and the file to which more would be added.
    fn known_hosts(&self, target: &Target) -> Result<(KnownHosts, PathBuf), String> {
        let mut known = KnownHosts::default();
        if let Some(path) = &self.settings.known_hosts {
            let file = located(path, self.folder);
            let text = read_text(&file).map_err(|why| format!("known_hosts {path}: {why}"))?;
            known.read(&file, &text, &target.host, target.port);
            return Ok((known, file));
        }
        let files = KNOWN_HOSTS.map(|path| located(path, self.folder));
        for file in &files {
            if file.exists() {
                let text = read_text(file).map_err(|why| format!("{}: {why}", file.display()))?;
                known.read(file, &text, &target.host, target.port);
            }
        }
        let [first, ..] = files;
        Ok((known, first))
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
fn read_text(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        _ => error.to_string(),
    };
    if std::fs::metadata(path).map_err(told)?.len() > LARGEST {
        return Err("it is too large".to_owned());
    }
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(told)
}
