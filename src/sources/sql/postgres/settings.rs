//! What a `[sources.NAME]` of kind `postgres` says. Libpq's defaults hold, but not its environment variables: a plan
//! means the same wherever it runs. Not here: reading the secrets (`address`).

use super::address::{Login, Parts, Url};
use crate::expr::{Problem, Table, Template};
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
const BESIDE_URL: &[&str] = &["read_only"];

/// Reads the settings: how to log in, and whether jobs only read unless they say otherwise.
pub(super) fn read(mut settings: Table, folder: &Path) -> Result<(Login, bool), Problems> {
    let place = settings.key_span("url");
    let url = settings.take("url");
    let keys: Keys = settings.read(KNOWN)?;
    let read_only = keys.read_only.unwrap_or(true);
    let login = match url {
        None => Login::Parts(Box::new(parts(keys, &settings, folder)?)),
        Some(node) => {
            let beside = settings.keys().into_iter().find(|key| !BESIDE_URL.contains(key));
            if let Some(key) = beside {
                let message = format!("`{key}` beside `url` (put it into the url)");
                return Err(vec![Problem { span: settings.key_span(key), message }]);
            }
            match node.text() {
                Some(text) => Login::Parts(Box::new(
                    literal(text, folder).map_err(|message| vec![Problem { span: place, message }])?,
                )),
                None => Login::Url(node.read("url").map_err(|problem| vec![problem])?),
            }
        }
    };
    Ok((login, read_only))
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

fn parts(keys: Keys, settings: &Table, folder: &Path) -> Result<Parts, Problems> {
    let problem = |key: &str, message: String| vec![Problem { span: settings.key_span(key), message }];
    let mode = ssl_mode(keys.sslmode.as_deref(), keys.sslrootcert.is_some())
        .map_err(|why| problem("sslmode", why))?;
    if keys.sslcert.is_some() != keys.sslkey.is_some() {
        return Err(problem("sslcert", "`sslcert` and `sslkey` go together".to_owned()));
    }
    Ok(Parts {
        host: keys.host.unwrap_or_else(|| "localhost".to_owned()),
        port: keys.port.unwrap_or(5432),
        user: keys.user,
        password: keys.password,
        database: keys.database,
        mode,
        root: keys.sslrootcert.map(|path| folder.join(path)),
        certificate: keys.sslcert.zip(keys.sslkey).map(|(cert, key)| (folder.join(cert), folder.join(key))),
    })
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
