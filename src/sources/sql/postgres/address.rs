//! Where a server is and who logs in: from the plan's settings, or from a URL that is a secret. The secrets are read when
//! the source is first connected to. Not here: connecting (`sessions`).

use super::settings::ssl_mode;
use crate::expr::{Scope, Template};
use crate::gather::{Advice, Context};
use crate::secret::{Secret, SecretRef};
use crate::sources::SourceError;
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where to connect to: its name in messages, and all that a login needs.
pub(super) struct Address {
    /// Without credentials.
    pub(super) target: String,
    /// The database's name, where one was said: a user's name may be a secret.
    pub(super) database: Option<String>,
    /// With credentials: never shown.
    pub(super) options: PgConnectOptions,
}

/// How to log in, as the plan says it.
#[derive(Clone)]
pub(super) enum Login {
    /// A secret that is a URL.
    Url(SecretRef),
    /// Everything by itself.
    Parts(Box<Parts>),
}

/// The parts of a login.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<Template>,
    pub(super) password: Option<SecretRef>,
    pub(super) database: Option<String>,
    pub(super) mode: PgSslMode,
    pub(super) root: Option<PathBuf>,
    /// A client's certificate and its key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
}

/// What the driver takes from the environment and can't be kept from taking.
const ENVIRONMENT: &[&str] = &["PGOPTIONS", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];

impl Address {
    /// Says where it is.
    pub(super) fn tell(&self, context: &Context) {
        context.attributes(|said| {
            match self.options.get_socket() {
                Some(socket) => said.set("server.address", socket.display().to_string()),
                None => {
                    said.set("server.address", self.options.get_host());
                    said.set("server.port", self.options.get_port());
                }
            }
            if let Some(database) = &self.database {
                said.set("db.namespace", database.as_str());
            }
        });
    }
}

impl Login {
    /// Where it is, as far as that is known without reading a secret.
    pub(super) fn target(&self) -> String {
        match self {
            Login::Url(secret) => format!("postgres ({})", secret.origin()),
            Login::Parts(parts) => parts.target(),
        }
    }

    /// Reads the secrets.
    pub(super) async fn resolve(
        &self,
        scope: &Scope,
        folder: &Path,
        context: &Context,
    ) -> Result<Arc<Address>, SourceError> {
        for name in ENVIRONMENT.iter().filter(|name| std::env::var_os(name).is_some()) {
            context
                .warn(format!("the environment variable {name} is set, and the PostgreSQL driver uses it"));
        }
        let (login, scope, folder) = (self.clone(), scope.clone(), folder.to_owned());
        let resolved = context.blocking(move |_| login.address(&scope, &folder)).await;
        resolved.map(Arc::new).map_err(|why| {
            SourceError::new("login", format!("{}: {why}", self.target())).advice(Advice::SOURCE_NEVER)
        })
    }

    fn address(&self, scope: &Scope, folder: &Path) -> Result<Address, String> {
        match self {
            Login::Parts(parts) => {
                let password =
                    parts.password.as_ref().map(|secret| secret.resolve(scope, folder)).transpose()?;
                parts.address(scope, password)
            }
            Login::Url(secret) => {
                let text = secret.resolve_url(scope, folder)?;
                let url = Url::read(text.expose())?;
                let password = url.password.clone();
                url.parts(folder)?.address(scope, password)
            }
        }
    }
}

impl Default for Parts {
    fn default() -> Parts {
        Parts {
            host: "localhost".to_owned(),
            port: 5432,
            user: None,
            password: None,
            database: None,
            mode: PgSslMode::Prefer,
            root: None,
            certificate: None,
        }
    }
}

impl Parts {
    fn target(&self) -> String {
        let Parts { host, port, .. } = self;
        let database = self.database.as_deref().unwrap_or_default();
        match (host.starts_with('/'), host.contains(':')) {
            (true, _) => format!("postgres:{host}:{port}/{database}"),
            (false, true) => format!("postgres://[{host}]:{port}/{database}"),
            (false, false) => format!("postgres://{host}:{port}/{database}"),
        }
    }

    fn address(&self, scope: &Scope, password: Option<Secret>) -> Result<Address, String> {
        let user = match &self.user {
            Some(user) => user.secret(scope).map_err(|error| error.message)?,
            None => Secret::new(system_user()?),
        };
        let database = self.database.clone().unwrap_or_else(|| user.expose().to_owned());
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(user.expose())
            .password(password.as_ref().map_or("", Secret::expose))
            .database(&database)
            .ssl_mode(self.mode)
            .extra_float_digits(None)
            .disable_statement_logging();
        options = match self.host.starts_with('/') {
            true => options.socket(&self.host),
            false => options.host(&self.host),
        };
        if let Some(root) = &self.root {
            options = options.ssl_root_cert(root);
        }
        if let Some((certificate, key)) = &self.certificate {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        Ok(Address { target: self.target(), database: self.database.clone(), options })
    }
}

/// The user that runs fanout.
fn system_user() -> Result<String, String> {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    name.filter(|name| !name.is_empty())
        .ok_or_else(|| "no `user`, and the system does not say who runs fanout".to_owned())
}

/// A URL taken apart. Errors never show it.
pub(super) struct Url {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<Secret>,
    database: Option<String>,
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Url {
    /// Reads `postgres://user:password@host:port/database?sslmode=..`, the form that libpq takes.
    pub(super) fn read(text: &str) -> Result<Url, String> {
        let url = url::Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err("a URL of PostgreSQL begins with `postgres://`".to_owned());
        }
        let some = |text: &str| (!text.is_empty()).then(|| decoded(text)).transpose();
        let mut read = Url {
            host: url.host_str().map(|host| decoded(host.trim_matches(['[', ']']))).transpose()?,
            port: url.port(),
            user: some(url.username())?,
            password: url.password().map(decoded).transpose()?.map(Secret::new),
            database: some(url.path().trim_start_matches('/'))?,
            mode: None,
            root: None,
            certificate: None,
            key: None,
        };
        for (key, value) in url.query_pairs() {
            read.set(&key, value.into_owned())?;
        }
        Ok(read)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "host" => self.host = Some(value),
            "port" => self.port = Some(value.parse().map_err(|_| "`port` is not a port".to_owned())?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.database = Some(value),
            "sslmode" => self.mode = Some(value),
            "sslrootcert" => self.root = Some(value),
            "sslcert" => self.certificate = Some(value),
            "sslkey" => self.key = Some(value),
            // Both have a key of their own in plans, and a name of their own at the server.
            "connect_timeout" | "application_name" => {}
            other => return Err(format!("the URL has an unknown parameter `{other}`")),
        }
        Ok(())
    }

    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Its parts but for the password.
    pub(super) fn parts(self, folder: &Path) -> Result<Parts, String> {
        let otherwise = Parts::default();
        Ok(Parts {
            host: self.host.filter(|host| !host.is_empty()).unwrap_or(otherwise.host),
            port: self.port.unwrap_or(otherwise.port),
            user: self.user.map(Template::of_literal),
            password: otherwise.password,
            database: self.database,
            mode: ssl_mode(self.mode.as_deref(), self.root.is_some())?,
            root: self.root.map(|path| folder.join(path)),
            certificate: self
                .certificate
                .zip(self.key)
                .map(|(cert, key)| (folder.join(cert), folder.join(key))),
        })
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "the URL is not UTF-8 once decoded".to_owned())
}
