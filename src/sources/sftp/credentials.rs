//! Reading what a source's settings name: keys, passwords, files of known hosts. Blocking, once a run, before the first
//! connection. Not here: what is done with it (`auth`, `connect`).

use super::auth::{Asked, Method};
use super::connect::{Credentials, Target};
use super::given::Given;
use super::identity::Openers;
use super::known_hosts::KnownHosts;
use super::settings::{Pins, Settings, local_user};
use super::ssh_config::Strict;
use crate::expr::Scope;
use crate::gather::Advice;
use crate::secret::located;
use crate::sources::{Asking, SourceError};
use russh::keys::decode_secret_key;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::OnceCell;

/// The files that OpenSSH reads, the user's first: that is where a new key belongs.
const KNOWN_HOSTS: [&str; 2] = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];
const MACHINE_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
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
    asking: Option<&Asking>,
) -> Result<Credentials, SourceError> {
    let reading = Reading { settings, scope, folder, asking };
    let wrong = |code: &'static str| {
        move |why: String| {
            SourceError::new(code, format!("{}: {why}", target.name)).advice(Advice::SOURCE_NEVER)
        }
    };
    let (known, file) = reading.known_hosts(target).map_err(wrong("host_key"))?;
    let user = reading.user().map_err(wrong("login"))?;
    let methods = reading.methods(&format!("{user}@{}", target.host)).map_err(wrong("login"))?;
    let pins = settings.host_key.as_ref().map(Pins::list).unwrap_or_default();
    let (asking, is_strict) = (asking.cloned(), settings.found.strict == Some(Strict::Yes));
    Ok(Credentials { user, methods, known, pins, file, asking, is_strict, accepted: OnceLock::new() })
}

struct Reading<'a> {
    settings: &'a Settings,
    scope: &'a Scope,
    folder: &'a Path,
    asking: Option<&'a Asking>,
}

impl Reading<'_> {
    fn user(&self) -> Result<String, String> {
        if let Some(user) = &self.settings.user {
            return Ok(user.resolve(self.scope, self.folder)?.expose().to_owned());
        }
        let user = self.settings.found.user.clone().or_else(local_user);
        user.ok_or_else(|| "no `user`, and USER is not set".to_owned())
    }

    /// The ways to log in, in order. `of` is whose password a person would be asked for.
    fn methods(&self, of: &str) -> Result<Vec<Method>, String> {
        let settings = self.settings;
        let is_bare = settings.key.is_none() && settings.password.is_none();
        let has_agent = std::env::var_os("SSH_AUTH_SOCK").is_some();
        let all_of_agent = settings.agent.unwrap_or(is_bare && has_agent && !settings.found.identities_only);
        // Where the agent is asked for all that it has, it need not be asked for each.
        let by_agent = has_agent && !all_of_agent && settings.agent != Some(false);
        let openers = Openers { by_agent, asking: self.asking };
        let mut methods = Vec::new();
        if let Some(key) = &settings.key {
            methods.push(self.key(key, openers)?);
        }
        if all_of_agent {
            methods.push(Method::Agent);
        }
        if let Some(password) = &settings.password {
            methods.push(Method::Password(password.resolve(self.scope, self.folder)?));
        }
        if is_bare && settings.agent.is_none() {
            methods.extend(self.identities(openers));
        }
        if let Some(asking) = self.asking.filter(|_| settings.password.is_none()) {
            let asked = Asked { asking: asking.clone(), of: of.to_owned(), good: OnceCell::new() };
            methods.push(Method::Asked(Arc::new(asked)));
        }
        Ok(methods)
    }

    fn key(&self, given: &Given, openers: Openers<'_>) -> Result<Method, String> {
        let (text, name, file) = match given {
            Given::Text(template) => {
                let path = template.text(self.scope).map_err(|error| error.message)?;
                let file = located(&path, self.folder);
                let text = read_text(&file).map_err(|why| format!("key {path}: {why}"))?;
                (zeroize::Zeroizing::new(text), path, Some(file))
            }
            Given::Secret(secret) => {
                let text = secret.resolve(self.scope, self.folder).map_err(|why| format!("key: {why}"))?;
                (zeroize::Zeroizing::new(text.expose().to_owned()), secret.origin(), None)
            }
        };
        let Some(passphrase) = &self.settings.passphrase else {
            return openers.read(&text, &name, file.as_deref()).map_err(|why| format!("key {name}: {why}"));
        };
        let passphrase = passphrase.resolve(self.scope, self.folder)?;
        let key = decode_secret_key(&text, Some(passphrase.expose()));
        let why = |error| format!("key {name}: not a private key that the `passphrase` opens ({error})");
        Ok(Method::Key(Arc::new(key.map_err(why)?), name.clone()))
    }

    /// The keys that the configuration names, each with what is wrong with it; else the usual ones that are there.
    fn identities(&self, openers: Openers<'_>) -> Vec<Method> {
        match &self.settings.found.identities {
            Some(files) => files.iter().map(|file| identity(file, openers)).collect(),
            None => {
                let files = USUAL_KEYS.map(|path| located(path, self.folder));
                files.iter().filter(|file| file.exists()).map(|file| identity(file, openers)).collect()
            }
        }
    }

    /// What is known of the host, and the file to which more would be added.
    fn known_hosts(&self, target: &Target) -> Result<(KnownHosts, PathBuf), String> {
        let mut known = KnownHosts::default();
        // An alias is a name of its own, whatever the port.
        let alias = self.settings.found.alias.as_deref();
        let (host, port) = alias.map_or((target.host.as_str(), target.port), |alias| (alias, 22));
        if let Some(path) = &self.settings.known_hosts {
            let file = located(path, self.folder);
            let text = read_text(&file).map_err(|why| format!("known_hosts {path}: {why}"))?;
            known.read(&file, &text, host, port);
            return Ok((known, file));
        }
        let files = self.known_hosts_files();
        for file in files.iter().filter(|file| file.exists()) {
            let text = read_text(file).map_err(|why| format!("{}: {why}", file.display()))?;
            known.read(file, &text, host, port);
        }
        let first = files.into_iter().next().unwrap_or_else(|| located(KNOWN_HOSTS[0], self.folder));
        Ok((known, first))
    }

    /// The user's files, then the machine's: those that the configuration names, else the usual ones.
    fn known_hosts_files(&self) -> Vec<PathBuf> {
        let usual = |paths: &[&str]| paths.iter().map(|path| located(path, self.folder)).collect();
        let found = &self.settings.found;
        let mut files: Vec<PathBuf> = found.user_known_hosts.clone().unwrap_or_else(|| usual(&KNOWN_HOSTS));
        files.extend(found.global_known_hosts.clone().unwrap_or_else(|| usual(&MACHINE_KNOWN_HOSTS)));
        files
    }
}

/// A key in a file.
fn identity(file: &Path, openers: Openers<'_>) -> Method {
    let name = file.display().to_string();
    if let Some(method) = (!file.exists()).then(|| openers.public(file, &name)).flatten() {
        return method;
    }
    let text = read_text(file).map(zeroize::Zeroizing::new);
    let read = text.and_then(|text| openers.read(&text, &name, Some(file)));
    read.unwrap_or_else(|why| Method::Unusable(name, why))
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
