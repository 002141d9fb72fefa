//! What a `[sources.NAME]` and a job of the kind say, and the mistakes there can be in it. Not here: reading the key and
//! password files that it names (`credentials`).

use super::connect::Target;
use super::given::Given;
use super::ssh_config::{self, Asked, Found};
use crate::expr::{Problem, Table, Template};
use crate::secret::{SecretRef, located};
use crate::sources::{Problems, Surroundings};
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// The keys of a source.
pub(super) const SOURCE_KEYS: &[&str] = &[
    "host",
    "port",
    "user",
    "key",
    "passphrase",
    "password",
    "agent",
    "known_hosts",
    "host_key",
    "connections",
    "keepalive",
    "ssh_config",
];
/// The keys of a job.
pub(super) const JOB_KEYS: &[&str] = &["fetch", "flatten"];

/// Connections where the source doesn't say how many.
const CONNECTIONS: usize = 4;
/// The most connections: more are a burden to the server and no gain.
const MOST_CONNECTIONS: usize = 8;
/// Silence after which the server is asked whether it lives: servers drop idle links after two minutes.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Bytes after which keys are exchanged anew: what is safe for every cipher.
const REKEY: usize = 1 << 30;

/// A source as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Settings {
    /// The server's name or address.
    host: Option<String>,
    /// Its port. Default: 22.
    port: Option<u16>,
    /// Who logs in. Default: who runs this.
    pub(super) user: Option<Given>,
    /// A private key: the path of its file, or a secret that is the key itself.
    pub(super) key: Option<Given>,
    /// What opens the key.
    pub(super) passphrase: Option<SecretRef>,
    /// The user's password.
    pub(super) password: Option<SecretRef>,
    /// Whether the agent at SSH_AUTH_SOCK is asked. Default: if there is neither key nor password.
    pub(super) agent: Option<bool>,
    /// A file of known hosts. Default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
    pub(super) known_hosts: Option<String>,
    /// Fingerprints (SHA256:..) one of which the server's key must have; then known_hosts doesn't matter.
    pub(super) host_key: Option<Pins>,
    /// The most connections, 1 to 8. Default: 4.
    connections: Option<usize>,
    /// Silence after which the server is asked whether it lives. Default: 15s.
    #[schemars(with = "Option<String>")]
    keepalive: Option<Span>,
    /// Whether the OpenSSH configuration (~/.ssh/config and /etc/ssh/ssh_config, or a file) says what this does not. Then
    /// `host` may be an alias of it. Default: false.
    ssh_config: Option<Config>,
    /// What it says.
    #[serde(skip)]
    pub(super) found: Found,
}

/// The user's and the machine's configuration, or a file.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
enum Config {
    /// The user's and the machine's, or none.
    Usual(bool),
    /// A file.
    File(String),
}

/// One fingerprint or several.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub(super) enum Pins {
    /// One.
    One(String),
    /// Several: of servers behind one name, or before and after a change.
    Many(Vec<String>),
}

impl Pins {
    /// All of them.
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Pins::One(pin) => vec![pin.clone()],
            Pins::Many(pins) => pins.clone(),
        }
    }
}

impl Settings {
    /// Reads and checks them.
    pub(super) fn read(
        mut table: Table,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Settings {
        let mut settings: Settings = table.read(SOURCE_KEYS, problems);
        let mut wrong = |key: &str, is_wrong: bool, why: &str| {
            if is_wrong {
                problems.push(Problem::new(table.key_span(key), why));
            }
        };
        let is_nowhere = !table.has("host") || settings.host.as_ref().is_some_and(String::is_empty);
        wrong("host", is_nowhere, "needs `host`");
        wrong("port", settings.port == Some(0), "`port` must be 1 to 65535");
        let pins = settings.host_key.as_ref().map(Pins::list);
        wrong(
            "host_key",
            pins.is_some_and(|pins| pins.is_empty() || pins.iter().any(|pin| !pin.starts_with("SHA256:"))),
            "`host_key` must be a fingerprint such as \"SHA256:..\", or a list of them",
        );
        let connections = settings.connections.unwrap_or(CONNECTIONS);
        wrong("connections", !(1..=MOST_CONNECTIONS).contains(&connections), "`connections` must be 1 to 8");
        let is_short = settings.keepalive.is_some_and(|keepalive| keepalive.0 < Duration::from_secs(1));
        wrong("keepalive", is_short, "`keepalive` must be at least 1s");
        let is_idle = settings.passphrase.is_some() && !table.has("key");
        wrong("passphrase", is_idle, "`passphrase` opens a `key`, and there is none");
        match settings.look_up(surroundings) {
            Ok(found) => settings.found = found,
            Err(why) => {
                problems.push(Problem::new(table.key_span("ssh_config"), format!("`ssh_config`: {why}")))
            }
        }
        settings
    }

    /// Asks the configuration, if it is to be asked, about the host.
    fn look_up(&self, surroundings: &Surroundings<'_>) -> Result<Found, String> {
        let host = self.host.clone().unwrap_or_default();
        let file = match &self.ssh_config {
            Some(Config::File(path)) => Some(located(path, surroundings.folder)),
            Some(Config::Usual(true)) => None,
            Some(Config::Usual(false)) | None => return Ok(Found { host, ..Found::default() }),
        };
        // Of a secret nothing is known yet; the configuration's own user stands in for it.
        let user = self.user.as_ref().and_then(|user| user.literal().map(str::to_owned));
        let local_user = local_user().unwrap_or_default();
        let found = ssh_config::look_up(file.as_deref(), &Asked { host, user, port: self.port, local_user })?;
        match found.jump.is_empty() {
            true => Ok(found),
            false => Err(format!("ProxyJump: the way over {} is not there yet", found.jump.join(","))),
        }
    }

    /// Where they lead, and over how many connections.
    pub(super) fn target(&self, surroundings: &Surroundings<'_>) -> (Target, usize) {
        let (host, port) = (self.found.host.clone(), self.port.or(self.found.port).unwrap_or(22));
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let target = Target {
            name: if port == 22 { format!("sftp://{shown}") } else { format!("sftp://{shown}:{port}") },
            host,
            port,
            connect_timeout: surroundings
                .connect_timeout
                .or(self.found.connect_timeout)
                .unwrap_or(surroundings.connect_timeout()),
            keepalive: self
                .keepalive
                .map(|keepalive| keepalive.0)
                .or(self.found.keepalive)
                .unwrap_or(KEEPALIVE),
            rekey: REKEY,
        };
        (target, self.connections.unwrap_or(CONNECTIONS))
    }
}

/// Who runs this, as the environment says.
pub(super) fn local_user() -> Option<String> {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty())
}

/// A job as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Keys {
    /// A file, a folder (ending in `/`), or a pattern with `**`, `*`, `?`, `[..]`, `{a,b}`.
    pub(super) fetch: Option<Template>,
    /// Whether files lose the folders they lie in. Default: false.
    pub(super) flatten: bool,
}
