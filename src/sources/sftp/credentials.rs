//! Reading what a source's settings name: keys, passwords, files of known hosts, for the server and each jump host on the
//! way to it. Blocking, once a run, before the first connection. Not here: what is done with it (`auth`, `trust`).

use super::auth::{Asked, Method};
use super::connect::{Credentials, Hop, Target};
use super::given::Given;
use super::identity::Openers;
use super::known_hosts::record::LARGEST;
use super::known_hosts::{KnownHosts, Name};
use super::settings::{Settings, Texts, local_user};
use super::ssh_config::{Found, Strict};
use super::trust::Trust;
use crate::expr::Scope;
use crate::gather::Advice;
use crate::secret::{SecretRef, located};
use crate::sources::{Asking, SourceError};
use russh::keys::decode_secret_key;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// The files that OpenSSH reads, the user's first: that is where a new key belongs.
const KNOWN_HOSTS: [&str; 2] = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];
const MACHINE_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
/// The keys that OpenSSH tries, where nothing else is said.
const USUAL_KEYS: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];

const MISSING: &str = "no such file";

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
    pub(super) accept_new: Option<bool>,
    /// What the OpenSSH configuration says, for what the plan does not.
    pub(super) found: &'a Found,
}

impl Access<'_> {
    fn accepts_new(&self) -> bool {
        self.accept_new.unwrap_or(matches!(self.found.strict, Some(Strict::AcceptNew | Strict::No)))
    }
}

/// Reads it all.
pub(super) fn read(
    settings: &Settings,
    target: &Target,
    scope: &Scope,
    folder: &Path,
) -> Result<Credentials, SourceError> {
    let read =
        |access, target: &Target, way: &[Hop]| Reading { access, target, way, scope, folder }.credentials();
    let mut hops = Vec::new();
    for hop in settings.jump.hops() {
        let target = hop.target(settings, target);
        hops.push(Hop { credentials: read(hop.access(settings), &target, &hops)?, target });
    }
    let own = read(settings.access(), target, &hops)?;
    Ok(Credentials { hops, ..own })
}

struct Reading<'a> {
    access: Access<'a>,
    target: &'a Target,
    /// What it is reached through.
    way: &'a [Hop],
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
        let user = self.user().map_err(wrong("login"))?;
        let methods = self.methods(&self.login(&user)).map_err(wrong("login"))?;
        Ok(Credentials { user, methods, trust, hops: Vec::new() })
    }

    fn user(&self) -> Result<String, String> {
        if let Some(user) = self.access.user {
            return Ok(user.resolve(self.scope, self.folder)?.expose().to_owned());
        }
        local_user().ok_or_else(|| "no `user`, and USER is not set".to_owned())
    }

    /// Who logs in where: for two places in the same words a person would be asked once, and one be told the other's
    /// password.
    fn login(&self, user: &str) -> String {
        let login = format!("{user}@{}", self.target.address());
        let way: Vec<String> = self.way.iter().map(|hop| hop.target.address()).collect();
        if way.is_empty() { login } else { format!("{login} through {}", way.join(", ")) }
    }

    /// Who can be asked.
    fn asking(&self) -> Option<&Asking> {
        self.target.asking.as_ref().filter(|_| !self.access.found.is_batch)
    }

    /// The ways to log in, in order. `of` is whose password a person would be asked for.
    fn methods(&self, of: &str) -> Result<Vec<Method>, String> {
        let Access { key, password, agent, found, .. } = self.access;
        let is_bare = key.is_none() && password.is_none();
        let has_agent = std::env::var_os("SSH_AUTH_SOCK").is_some();
        let all_of_agent = agent.unwrap_or(is_bare && has_agent && !found.identities_only);
        let is_named = found.identities.is_some();
        // Where the agent was asked for all that it has, it need not be asked for each of the usual ones.
        let by_agent = has_agent && agent != Some(false) && (is_named || key.is_some() || !all_of_agent);
        let asking = self.asking();
        let openers = Openers { by_agent, asking };
        let identities = if is_bare && agent.is_none() { self.identities(openers) } else { Vec::new() };
        // Servers hang up after a few refusals: what is named comes first.
        let (named, usual) = if is_named { (identities, Vec::new()) } else { (Vec::new(), identities) };
        let mut methods = named;
        if let Some(key) = key {
            methods.push(self.key(key, openers)?);
        }
        if all_of_agent {
            methods.push(Method::Agent(methods.iter().filter_map(Method::public).collect()));
        }
        if let Some(password) = password {
            methods.push(Method::Password(password.resolve(self.scope, self.folder)?));
        }
        methods.extend(usual);
        if let Some(asking) = asking.filter(|_| password.is_none()) {
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
                let text = read_text(&file).map_err(|error| format!("key {path}: {}", told(&error)))?;
                (zeroize::Zeroizing::new(text), path, Some(file))
            }
            Given::Secret(secret) => {
                let text = secret.resolve(self.scope, self.folder).map_err(|why| format!("key: {why}"))?;
                (zeroize::Zeroizing::new(text.expose().to_owned()), secret.origin(), None)
            }
        };
        let Some(passphrase) = self.access.passphrase else {
            return openers.read(&text, &name, file.as_deref()).map_err(|why| format!("key {name}: {why}"));
        };
        let passphrase = passphrase.resolve(self.scope, self.folder)?;
        let key = decode_secret_key(&text, Some(passphrase.expose()));
        let why = |error| format!("key {name}: not a private key that the `passphrase` opens ({error})");
        Ok(Method::Key(Arc::new(key.map_err(why)?), name.clone()))
    }

    /// The keys that the configuration names, each with what is wrong with it; else the usual ones that are there.
    fn identities(&self, openers: Openers<'_>) -> Vec<Method> {
        match &self.access.found.identities {
            Some(files) => files.iter().map(|file| identity(file, openers)).collect(),
            None => {
                let files = USUAL_KEYS.map(|path| located(path, self.folder));
                files.iter().filter(|file| file.exists()).map(|file| identity(file, openers)).collect()
            }
        }
    }

    fn trust(&self) -> Result<Trust, String> {
        let Access { host_key, alias, found, .. } = self.access;
        let name = Name::new(&self.target.host, self.target.port, alias);
        let (mut known, file, missing) = self.known_hosts(&name)?;
        if let Some(file) = &found.revoked {
            let text = read_text(file).map_err(|error| format!("{}: {}", file.display(), told(&error)))?;
            known.revoke(file, &text)?;
        }
        let asking = self.asking().cloned().filter(|_| found.strict != Some(Strict::Yes));
        Ok(Trust {
            target: self.target.name.clone(),
            name,
            pins: host_key.map(Texts::list).unwrap_or_default(),
            file,
            accept_new: self.access.accepts_new(),
            asking,
            known: Mutex::new(known),
            unpinned: Mutex::default(),
            warnings: Mutex::new(missing),
        })
    }

    /// What is known of the host, the file to which more would be added, and the files that are named and not there: as
    /// with OpenSSH nothing is known from those.
    fn known_hosts(&self, name: &Name) -> Result<(KnownHosts, Option<PathBuf>, Vec<String>), String> {
        let mut known = KnownHosts::default();
        let Some(named) = self.access.known_hosts.map(Texts::list) else {
            let [own, others] = self.usual_known_hosts();
            for file in own.iter().chain(&others) {
                read_known(&mut known, name, file).map_err(|why| format!("{}: {why}", file.display()))?;
            }
            return Ok((known, own.into_iter().next(), Vec::new()));
        };
        let files: Vec<PathBuf> = named.iter().map(|path| located(path, self.folder)).collect();
        // The first one is made when the first host is accepted.
        let is_made = self.access.accepts_new() || self.asking().is_some();
        let mut missing = Vec::new();
        for (index, (path, file)) in named.iter().zip(&files).enumerate() {
            let why = |why: &str| format!("known_hosts {path}: {why}");
            let is_there = read_known(&mut known, name, file).map_err(|error| why(&error))?;
            if !is_there && (index > 0 || !is_made) {
                missing.push(format!("{}: {}", self.target.name, why(MISSING)));
            }
        }
        Ok((known, files.into_iter().next(), missing))
    }

    /// The user's files and the machine's: those that the configuration names, else the usual ones.
    fn usual_known_hosts(&self) -> [Vec<PathBuf>; 2] {
        let usual = |paths: &[&str]| paths.iter().map(|path| located(path, self.folder)).collect();
        let found = self.access.found;
        [
            found.user_known_hosts.clone().unwrap_or_else(|| usual(&KNOWN_HOSTS)),
            found.global_known_hosts.clone().unwrap_or_else(|| usual(&MACHINE_KNOWN_HOSTS)),
        ]
    }
}

/// A key in a file.
fn identity(file: &Path, openers: Openers<'_>) -> Method {
    let name = file.display().to_string();
    if let Some(method) = (!file.exists()).then(|| openers.public(file, &name)).flatten() {
        return method;
    }
    let text = read_text(file).map(zeroize::Zeroizing::new).map_err(|error| told(&error));
    let read = text.and_then(|text| openers.read(&text, &name, Some(file)));
    read.unwrap_or_else(|why| Method::Unusable(name, why))
}

/// Adds what a file says of a host, and gives whether there is one.
fn read_known(known: &mut KnownHosts, name: &Name, file: &Path) -> Result<bool, String> {
    match read_text(file) {
        Ok(text) => known.read(file, &text, name),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.to_string()),
    }
    Ok(true)
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
        ErrorKind::NotFound => MISSING.to_owned(),
        _ => error.to_string(),
    }
}
