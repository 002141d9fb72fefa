//! What a `[sources.NAME]` and a job of the kind say, and the mistakes there can be in it. Not here: reading the key and
//! password files that it names (`credentials`).

use super::after::After;
use super::beside::Beside;
use super::checksum;
use super::connect::Target;
use super::credentials::Access;
use super::exclude::{Excluded, Patterns};
use super::given::Given;
use super::jump::Jump;
use super::pattern::{self, Wanted};
use super::ready::Gate;
use super::same::Growing;
use super::ssh_config::{self, Asked, Found};
use crate::expr::{Problem, Table, Template};
use crate::secret::{SecretRef, located};
use crate::sources::{CONNECT, Checksum, Problems, Surroundings};
use crate::units::{Bandwidth, Span};
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
    "host_key_alias",
    "accept_new",
    "jump",
    "connections",
    "bandwidth",
    "keepalive",
    "ssh_config",
];
/// The keys of a job.
pub(super) const JOB_KEYS: &[&str] = &[
    "fetch",
    "flatten",
    "growing",
    "exclude",
    "symlinks",
    "min_age",
    "stable_for",
    "done_file",
    "sha256",
    "checksum_file",
    "after",
];

/// Connections where the source doesn't say how many.
const CONNECTIONS: usize = 4;
/// The most connections: more are a burden to the server and no gain.
const MOST_CONNECTIONS: usize = 8;
/// Silence after which the server is asked whether it lives: servers drop idle links after two minutes.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Bytes after which keys are exchanged anew: what is safe for every cipher.
const REKEY: usize = 1 << 30;

/// The system's own users.
const USERS: &str = "/etc/passwd";

/// A source as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Settings {
    /// The server's name or address.
    host: Option<String>,
    /// Its port. Default: 22.
    port: Option<u16>,
    /// Who logs in. Default: who runs this.
    user: Option<Given>,
    /// A private key: the path of its file, or a secret that is the key itself.
    key: Option<Given>,
    /// What opens the key.
    passphrase: Option<SecretRef>,
    /// The user's password.
    password: Option<SecretRef>,
    /// Whether the agent at SSH_AUTH_SOCK is asked. Default: if there is neither key nor password.
    agent: Option<bool>,
    /// Files of known hosts. Default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
    known_hosts: Option<Texts>,
    /// Fingerprints (SHA256:..) one of which the server's key must have; then known_hosts doesn't matter.
    host_key: Option<Texts>,
    /// The name that the server has in files of known hosts and in its certificate. Default: host and port.
    host_key_alias: Option<String>,
    /// Whether the key of an unknown host is accepted and added to the first file of known hosts. Default: false.
    accept_new: Option<bool>,
    /// The hosts on the way to the server, in order; or `none`, whatever the OpenSSH configuration says.
    pub(super) jump: Jump,
    /// The most connections, 1 to 8. Default: 4.
    connections: Option<usize>,
    /// How fast files are read, over all connections and jobs together. Default: as fast as they come.
    pub(super) bandwidth: Option<Bandwidth>,
    /// Silence after which the server is asked whether it lives. Default: 15s.
    #[schemars(with = "Option<String>")]
    keepalive: Option<Span>,
    /// Whether the OpenSSH configuration (~/.ssh/config and /etc/ssh/ssh_config, or a file) says what this does not. Then
    /// `host` and `jump` may be aliases of it. Default: false.
    ssh_config: Option<Config>,
    /// What it says.
    #[serde(skip)]
    pub(super) found: Found,
    /// How long connecting may take, as the plan says.
    #[serde(skip)]
    connect: Option<Duration>,
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

/// One text or several: fingerprints of servers behind one name, or before and after a change; files.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub(super) enum Texts {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Texts {
    /// All of them.
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Texts::One(text) => vec![text.clone()],
            Texts::Many(texts) => texts.clone(),
        }
    }
}

/// What is wrong with fingerprints, if anything is.
pub(super) fn wrong_pins(pins: &Texts) -> Option<String> {
    let pins = pins.list();
    let is_wrong = pins.is_empty() || pins.iter().any(|pin| !pin.starts_with("SHA256:"));
    is_wrong.then(|| "`host_key` must be a fingerprint such as \"SHA256:..\", or a list of them".to_owned())
}

impl Settings {
    /// Reads and checks them.
    pub(super) fn read(
        mut table: Table,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Settings {
        let read: Settings = table.read(SOURCE_KEYS, problems);
        let mut settings = Settings { connect: surroundings.connect_timeout, ..read };
        let mut wrong = |key: &str, is_wrong: bool, why: &str| {
            if is_wrong {
                problems.push(Problem::new(table.key_span(key), why));
            }
        };
        let is_nowhere = !table.has("host") || settings.host.as_ref().is_some_and(String::is_empty);
        wrong("host", is_nowhere, "needs `host`");
        wrong("port", settings.port == Some(0), "`port` must be 1 to 65535");
        let pins = settings.host_key.as_ref().and_then(wrong_pins);
        wrong("host_key", pins.is_some(), &pins.unwrap_or_default());
        let files = settings.known_hosts.as_ref().map(Texts::list);
        wrong("known_hosts", files.is_some_and(|files| files.is_empty()), "`known_hosts` has no file in it");
        let is_nobody = settings.host_key_alias.as_ref().is_some_and(String::is_empty);
        wrong("host_key_alias", is_nobody, "`host_key_alias` is empty");
        let connections = settings.connections.unwrap_or(CONNECTIONS);
        wrong("connections", !(1..=MOST_CONNECTIONS).contains(&connections), "`connections` must be 1 to 8");
        let is_short = settings.keepalive.is_some_and(|keepalive| keepalive.0 < Duration::from_secs(1));
        wrong("keepalive", is_short, "`keepalive` must be at least 1s");
        let is_idle = settings.passphrase.is_some() && !table.has("key");
        wrong("passphrase", is_idle, "`passphrase` opens a `key`, and there is none");
        if let Err(why) = settings.look_up(surroundings) {
            problems.push(Problem::new(table.key_span("ssh_config"), format!("`ssh_config`: {why}")));
        }
        settings
    }

    /// Asks the OpenSSH configuration, if it is to be asked, about the host and those on the way.
    fn look_up(&mut self, surroundings: &Surroundings<'_>) -> Result<(), String> {
        let host = self.host.clone().unwrap_or_default();
        let file = match &self.ssh_config {
            Some(Config::File(path)) => Some(located(path, surroundings.folder)),
            Some(Config::Usual(true)) => None,
            Some(Config::Usual(false)) | None => {
                self.found = Found { host, ..Found::default() };
                return Ok(());
            }
        };
        let look_up = |asked| ssh_config::look_up(file.as_deref(), &asked);
        // Of a secret nothing is known yet; the configuration's own user stands in for it.
        let user = self.user.as_ref().and_then(|user| user.literal().map(str::to_owned));
        let local_user = local_user().unwrap_or_default();
        self.found = look_up(Asked { host, user, port: self.port, local_user })?;
        self.user = self.user.take().or_else(|| self.found.user.clone().map(Given::of_literal));
        self.jump.learn(std::mem::take(&mut self.found.jump), look_up)
    }

    /// What it takes to get in.
    pub(super) fn access(&self) -> Access<'_> {
        Access {
            user: self.user.as_ref(),
            key: self.key.as_ref(),
            passphrase: self.passphrase.as_ref(),
            password: self.password.as_ref(),
            agent: self.agent,
            known_hosts: self.known_hosts.as_ref(),
            host_key: self.host_key.as_ref(),
            alias: self.host_key_alias.as_deref().or(self.found.alias.as_deref()),
            accept_new: self.accept_new,
            found: &self.found,
        }
    }

    /// How long connecting to a host may take, and the silence after which it is asked whether it lives: as the plan says,
    /// else as the OpenSSH configuration says of that host.
    pub(super) fn times(&self, found: &Found) -> (Duration, Duration) {
        let keepalive = self.keepalive.map(|keepalive| keepalive.0);
        let connect = self.connect.or(found.connect_timeout).unwrap_or(CONNECT);
        (connect, keepalive.or(found.keepalive).unwrap_or(KEEPALIVE))
    }

    /// Where they lead, and over how many connections.
    pub(super) fn target(&self, surroundings: &Surroundings<'_>) -> (Target, usize) {
        let (connect_timeout, keepalive) = self.times(&self.found);
        let mut target = Target {
            name: String::new(),
            host: self.found.host.clone(),
            port: self.port.or(self.found.port).unwrap_or(22),
            connect_timeout,
            keepalive,
            rekey: REKEY,
            asking: surroundings.asking.clone(),
        };
        target.name = format!("sftp://{}", target.address());
        (target, self.connections.unwrap_or(CONNECTIONS))
    }
}

/// Who runs this, as OpenSSH has it: whom the system knows, whatever the environment says. That counts for users of whom
/// this file knows nothing.
pub(super) fn local_user() -> Option<String> {
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    let id = rustix::process::getuid().as_raw().to_string();
    let known =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find_map(|user| match user[..] {
            [name, _, known, ..] if known == id => Some(name.to_owned()),
            _ => None,
        });
    let named = || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    known.or_else(named).filter(|name| !name.is_empty())
}

/// A job as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Keys {
    /// A file, a folder (ending in `/`), or a pattern with `**`, `*`, `?`, `[..]`, `{a,b}`.
    pub(super) fetch: Option<Template>,
    /// Whether files lose the folders they lie in. Default: false.
    pub(super) flatten: bool,
    /// What to make of a file that grows while it is read: `fail` it, or take the `snapshot` of what it held when it was
    /// opened. Default: fail.
    pub(super) growing: Growing,
    /// What is left out, one pattern or several: a name (`*.tmp`) at any depth, a path (`old/*.csv`) below the folder that
    /// is listed, a folder (ending in `/`) with all in it.
    pub(super) exclude: Patterns,
    /// What is done about symlinks among the names of a folder. Default: they are skipped.
    pub(super) symlinks: Symlinks,
    /// How long ago a file was written to, at least, by this machine's clock; a younger one is skipped.
    #[schemars(with = "Option<String>")]
    pub(super) min_age: Option<Span>,
    /// For how long a file keeps its size and time before it is taken; one that changes meanwhile is skipped.
    #[schemars(with = "Option<String>")]
    pub(super) stable_for: Option<Span>,
    /// The name of the file beside it without which a file is skipped: `${{ item.name }}.done`, `_SUCCESS`.
    pub(super) done_file: Option<Template>,
    /// The SHA-256 that the file must have: 64 hexadecimal digits.
    pub(super) sha256: Option<Template>,
    /// The name of the file beside it that says its SHA-256 or MD5, as sha256sum and md5sum write it:
    /// `${{ item.name }}.sha256`, `SHA256SUMS`.
    pub(super) checksum_file: Option<Template>,
    /// What is done with a file at the server once it is safe here: `{ move = "folder/" }` or `{ delete = true }`.
    pub(super) after: Option<After>,
}

/// What is done about symlinks.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Symlinks {
    /// They are skipped and named.
    #[default]
    Skip,
    /// They are taken for what they lead to.
    Follow,
}

/// A job's keys that only mean something where files are found by listing.
const LISTING: [&str; 3] = ["exclude", "symlinks", "stable_for"];

impl Keys {
    /// Reads and checks them.
    pub(super) fn read(table: &mut Table, problems: &mut Problems) -> Keys {
        table.refuse_secrets(&["fetch", "exclude", "done_file", "checksum_file", "after"], problems);
        let keys: Keys = table.read(JOB_KEYS, problems);
        Checksum::check(keys.sha256.as_ref(), table, problems);
        let mut wrong = |key: &str, why: String| problems.push(Problem::new(table.key_span(key), why));
        if let Some(Err(why)) = keys.fetch.as_ref().and_then(Template::literal).map(Wanted::parse) {
            wrong("fetch", format!("`fetch`: {why}"));
        }
        let excluded = keys.exclude.0.iter().filter_map(|pattern| pattern.literal().map(str::to_owned));
        if let Err(why) = Excluded::parse(&excluded.collect::<Vec<_>>()) {
            wrong("exclude", format!("`exclude`: {why}"));
        }
        for (key, name) in [("done_file", &keys.done_file), ("checksum_file", &keys.checksum_file)] {
            if let Some(Err(why)) = name.clone().map(|name| Beside::read(key, name)) {
                wrong(key, format!("`{key}`: {why}"));
            }
        }
        if let Some((key, why)) = checksum::wrong(&keys) {
            wrong(key, why.to_owned());
        }
        let misplaced = LISTING.iter().filter(|key| table.has(key) && keys.fetch.is_some() && !keys.lists());
        for key in misplaced {
            wrong(
                key,
                format!("`{key}` is for files that are found by listing, and these are named one by one"),
            );
        }
        keys
    }

    /// Whether its files are found by listing. A path that depends on `item` is one file, unless it is written as more;
    /// any other may turn out to be a folder.
    pub(super) fn lists(&self) -> bool {
        self.fetch.as_ref().is_some_and(|path| !path.uses("item") || self.is_many())
    }

    /// Whether it is written as more than one file.
    pub(super) fn is_many(&self) -> bool {
        self.fetch.as_ref().is_some_and(|path| pattern::is_many(&pattern::outline(&path.source())))
    }

    /// What it asks of files before it takes them.
    pub(super) fn gate(&self) -> Gate {
        let beside = |key, name: &Option<Template>| Beside::read(key, name.clone()?).ok();
        Gate {
            min_age: self.min_age.map(|span| span.0),
            stable_for: self.stable_for.map(|span| span.0),
            done_file: beside("done_file", &self.done_file),
            checksum_file: beside("checksum_file", &self.checksum_file),
            ..Gate::default()
        }
    }
}
