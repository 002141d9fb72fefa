//! What a `[sources.NAME]` of the kind says, and the mistakes there can be in it. Not here: what is done with it
//! (`source`).

use super::address::{Address, is_secret_name};
use super::client::ClientSettings;
use super::redirect::MAX_REDIRECTS;
use super::text::{Fetched, Text};
use crate::expr::{Problem, Table};
use crate::secret::located;
use crate::sources::{Problems, Surroundings};
use indexmap::IndexMap;
use reqwest::Certificate;
use reqwest::header::{AUTHORIZATION, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The keys of a source.
pub(super) const SOURCE_KEYS: &[&str] = &["base_url", "headers", "auth", "ca_file", "redirects", "proxy"];

/// A source as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Settings {
    /// What jobs' paths are below. Without it, jobs name whole URLs, limits hold for each host by itself, and the
    /// login goes to all of them.
    pub base_url: Option<Text>,
    /// Headers of every request. To other hosts than that of `base_url` no secret one is sent.
    #[schemars(with = "BTreeMap<String, Text>")]
    pub headers: IndexMap<String, Text>,
    /// A login: a bearer token, or user and password.
    pub auth: Option<Auth>,
    /// A file of certificates (PEM): these authorities are trusted, and no others. Default: the system's.
    pub ca_file: Option<String>,
    /// The most redirects that are followed, 0 to 10.
    pub redirects: Option<u32>,
    /// "environment": through the proxies that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name. Default: "none".
    pub proxy: Proxy,
}

/// A login.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Auth {
    /// A token, sent as `Authorization: Bearer TOKEN`.
    pub bearer: Option<Fetched>,
    /// A user name.
    pub user: Option<Text>,
    /// The user's password.
    pub password: Option<Fetched>,
}

/// Which proxies are used.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Proxy {
    /// None, whatever the environment says: a plan does the same everywhere.
    #[default]
    None,
    /// Those that the environment names.
    Environment,
}

impl Settings {
    /// Reads and checks them.
    pub(super) fn read(table: &mut Table, problems: &mut Problems) -> Settings {
        let settings: Settings = table.read(SOURCE_KEYS, problems);
        let mut found = |key: &str, why: Option<String>| {
            problems.extend(why.map(|why| Problem::new(table.key_span(key), why)));
        };
        found("base_url", settings.base_url.as_ref().and_then(wrong_base));
        let whole = settings.auth.as_ref().filter(|_| !table.is_wrong("auth"));
        found("auth", whole.and_then(|auth| wrong_auth(auth, &settings.headers)));
        found("redirects", settings.redirects.and_then(too_many_redirects));
        problems.extend(wrong_headers(&settings.headers, table));
        settings
    }

    /// What the client needs of them. Reads `ca_file`.
    pub(super) fn client(
        &self,
        table: &Table,
        surroundings: &Surroundings,
        problems: &mut Problems,
    ) -> ClientSettings {
        let roots = self.ca_file.as_ref().map(|path| read_roots(&located(path, surroundings.folder)));
        let mut wrong =
            |why| problems.push(Problem::new(table.key_span("ca_file"), format!("`ca_file`: {why}")));
        ClientSettings {
            roots: roots.and_then(|roots| roots.map_err(&mut wrong).ok()),
            connect_timeout: surroundings.connect_timeout(),
            environment_proxy: self.proxy == Proxy::Environment,
        }
    }
}

fn wrong_base(base: &Text) -> Option<String> {
    let base = base.literal()?;
    match Address::new(base, false) {
        Err(error) => Some(format!("`base_url`: {}", error.message)),
        Ok(Address { login: Some((_, password)), .. }) if !password.is_empty() => Some(
            "`base_url`: a password must not stand in the plan\n  (put user and password into `auth`)"
                .to_owned(),
        ),
        Ok(_) => None,
    }
}

fn wrong_auth(auth: &Auth, headers: &IndexMap<String, Text>) -> Option<String> {
    let twice = headers.keys().any(|name| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
    match (&auth.bearer, &auth.user, &auth.password) {
        (Some(_), None, None) | (None, Some(_), Some(_)) if twice => {
            Some("`auth` and the header `authorization` say the same thing: one is enough".to_owned())
        }
        (Some(_), None, None) | (None, Some(_), Some(_)) => None,
        _ => Some("`auth` needs either `bearer`, or `user` and `password`".to_owned()),
    }
}

fn too_many_redirects(redirects: u32) -> Option<String> {
    (redirects > MAX_REDIRECTS).then(|| format!("`redirects` must be at most {MAX_REDIRECTS}"))
}

/// Names that are none, and secrets that stand in the plan.
pub(super) fn wrong_headers(headers: &IndexMap<String, Text>, table: &Table) -> Problems {
    let problem = |why: String| Problem::new(table.key_span("headers"), why);
    let wrong = |(name, value): (&String, &Text)| match HeaderName::from_bytes(name.as_bytes()) {
        Err(_) => Some(problem(format!("`headers`: `{name}` is no name of a header"))),
        Ok(_) if is_secret_name(name) && value.literal().is_some_and(|value| !value.is_empty()) => {
            let why = format!("`headers.{name}`: a secret must not stand in the plan");
            Some(
                problem(why).hint("write \"${{ secrets.NAME }}\", { env = \"NAME\" } or { file = \"PATH\" }"),
            )
        }
        Ok(_) => None,
    };
    headers.iter().filter_map(wrong).collect()
}

fn read_roots(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    // The parser's own words would quote the file.
    let roots = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if roots.is_empty() { Err(format!("{} holds no certificate", path.display())) } else { Ok(roots) }
}
