//! What a `[sources.NAME]` of kind `postgres` says. Libpq's defaults hold, but not its environment variables: a plan
//! means the same wherever it runs. Not here: reading the secrets (`address`).

use super::address::{Login, Parts, Url};
use crate::expr::{Node, Problem, Table, Template};
use crate::secret::SecretRef;
use crate::sources::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::postgres::PgSslMode;
use std::path::Path;

/// The keys.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Keys {
    /// `postgres://user@host:5432/database?sslmode=verify-full`, or a secret that is a URL. A password can only be in
    /// a secret. Takes the place of all keys below.
    #[schemars(with = "Option<SecretOrText>")]
    url: Option<serde::de::IgnoredAny>,
    /// The server's name or address, or the folder of its socket (default localhost).
    host: Option<String>,
    /// Its port (default 5432).
    port: Option<u16>,
    /// The role (default: the user that runs fanout).
    #[schemars(with = "Option<String>")]
    user: Option<Template>,
    /// Its password, a secret.
    password: Option<SecretRef>,
    /// The database (default: the role's name).
    database: Option<String>,
    /// disable, allow, prefer (default), require, verify-ca or verify-full (default if there is an `sslrootcert`).
    sslmode: Option<String>,
    /// A file with the certificates of the authorities that the server's certificate may be from.
    sslrootcert: Option<String>,
    /// A file with a certificate to log in with.
    sslcert: Option<String>,
    /// A file with its key.
    sslkey: Option<String>,
    /// Whether jobs only read unless they say otherwise (default true).
    read_only: Option<bool>,
}

/// For the schema: a URL, or where it comes from.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum SecretOrText {
    Text(String),
    Secret(SecretRef),
}

const KNOWN: &[&str] = &[
    "url",
    "host",
    "port",
    "user",
    "password",
    "database",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "read_only",
];
/// The keys that may stand beside a URL.
const BESIDE_URL: &[&str] = &["url", "read_only"];

/// Reads the settings: how to log in, and whether jobs only read unless they say otherwise.
pub(super) fn read(mut settings: Table, folder: &Path, problems: &mut Problems) -> (Login, bool) {
    let keys: Keys = settings.read(KNOWN, problems);
    let read_only = keys.read_only.unwrap_or(true);
    if !settings.has("url") {
        return (Login::Parts(Box::new(parts(keys, &settings, folder, problems))), read_only);
    }
    for key in KNOWN.iter().filter(|key| settings.has(key) && !BESIDE_URL.contains(key)) {
        let problem = Problem::new(settings.key_span(key), format!("`{key}` beside `url`"));
        problems.push(problem.hint("put it into the url"));
    }
    let login = settings.get("url").and_then(|url| login(url, folder, problems));
    (login.unwrap_or_else(|| Login::Parts(Box::default())), read_only)
}

/// What a `url` says: one that stands in the plan, or where it comes from.
fn login(url: &Node, folder: &Path, problems: &mut Problems) -> Option<Login> {
    let Some(text) = url.text() else { return url.read("url", problems).map(Login::Url) };
    let mut wrong = |message: String| problems.push(Problem::new(url.span.clone(), message));
    literal(text, folder).map_err(&mut wrong).ok().map(|parts| Login::Parts(Box::new(parts)))
}

/// A URL that stands in the plan.
fn literal(text: &str, folder: &Path) -> Result<Parts, String> {
    let url = Url::read(text)?;
    if url.has_password() {
        return Err("a password must not stand in the plan\n  \
            (write `url = { env = \"NAME\" }`, or the parts and `password = { env = \"NAME\" }`)"
            .to_owned());
    }
    url.parts(folder)
}

fn parts(keys: Keys, settings: &Table, folder: &Path, problems: &mut Problems) -> Parts {
    let mut wrong = |key: &str, why: String| problems.push(Problem::new(settings.key_span(key), why));
    if settings.has("sslcert") != settings.has("sslkey") {
        let alone = if settings.has("sslcert") { "sslcert" } else { "sslkey" };
        wrong(alone, "`sslcert` and `sslkey` go together".to_owned());
    }
    let mode = ssl_mode(keys.sslmode.as_deref(), keys.sslrootcert.is_some());
    let otherwise = Parts::default();
    Parts {
        host: keys.host.unwrap_or(otherwise.host),
        port: keys.port.unwrap_or(otherwise.port),
        user: keys.user,
        password: keys.password,
        database: keys.database,
        mode: mode.map_err(|why| wrong("sslmode", why)).unwrap_or(otherwise.mode),
        root: keys.sslrootcert.map(|path| folder.join(path)),
        certificate: keys.sslcert.zip(keys.sslkey).map(|(cert, key)| (folder.join(cert), folder.join(key))),
    }
}

/// Certificates to trust are given to be looked at, so then the default is to verify.
pub(super) fn ssl_mode(mode: Option<&str>, has_root: bool) -> Result<PgSslMode, String> {
    match mode {
        Some(mode) => mode.parse().map_err(|_| {
            format!("`sslmode` is disable, allow, prefer, require, verify-ca or verify-full, not `{mode}`")
        }),
        None if has_root => Ok(PgSslMode::VerifyFull),
        None => Ok(PgSslMode::Prefer),
    }
}
