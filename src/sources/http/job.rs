//! What a job of the kind asks for: its keys, the mistakes there can be in them, and the request that an item makes of
//! them.

use super::address::{self, Address};
use super::answer::Expected;
use super::call::Call;
use super::conceal::Concealed;
use super::expect::Expect;
use super::outgoing::{Outgoing, values};
use super::settings::wrong_headers;
use super::source::{Common, Place};
use super::text::Text;
use crate::expr::{Problem, Scope, Table, Template, Tree};
use crate::sources::{Checksum, Entry, Operation, Problems, Request, SourceError};
use crate::units::Size;
use indexmap::IndexMap;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most bytes of a body, decoded, where the job doesn't say: far more than is usual, far less than a disk.
pub(super) const MAX_BYTES: u64 = 16 << 30;
/// The keys that say what to do.
pub(super) const OPERATIONS: &[&str] = &["get", "head", "post", "put", "patch", "delete"];
/// The keys that say what is sent along, of which there can be one.
const BODIES: [&str; 3] = ["json", "form", "body"];
pub(super) const JOB_KEYS: &[&str] = &[
    "get",
    "head",
    "post",
    "put",
    "patch",
    "delete",
    "params",
    "headers",
    "json",
    "form",
    "body",
    "expect",
    "max_bytes",
    "sha256",
];

/// A job as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Keys {
    /// Path below `base_url`, or URL, to GET.
    get: Option<Text>,
    /// Path or URL to ask for its head.
    head: Option<Text>,
    /// Path or URL to POST to.
    post: Option<Text>,
    /// Path or URL to PUT to.
    put: Option<Text>,
    /// Path or URL to PATCH.
    patch: Option<Text>,
    /// Path or URL to DELETE.
    delete: Option<Text>,
    /// Query parameters. A list gives one for each of its values; null gives none.
    #[schemars(with = "BTreeMap<String, Tree>")]
    params: IndexMap<String, Tree>,
    /// Headers, in place of the source's of the same names.
    #[schemars(with = "BTreeMap<String, Text>")]
    headers: IndexMap<String, Text>,
    /// A body: this value as JSON.
    json: Option<Tree>,
    /// A body: these fields as a web form sends them.
    #[schemars(with = "Option<BTreeMap<String, Tree>>")]
    form: Option<IndexMap<String, Tree>>,
    /// A body: this text.
    body: Option<Text>,
    /// What a good result is.
    expect: Expect,
    /// The most bytes of the result, after decompression. Default 16 GiB.
    max_bytes: Option<Size>,
    /// The SHA-256 that the file must have, 64 hexadecimal digits, after decompression. Of `get` alone.
    sha256: Option<Template>,
}

/// A job of the kind.
pub(super) struct HttpOperation {
    source: Arc<Common>,
    method: Method,
    path: Text,
    params: IndexMap<String, Tree>,
    headers: IndexMap<String, Text>,
    body: Option<Outgoing>,
    expected: Expected,
    max_bytes: u64,
    sha256: Option<Template>,
}

impl HttpOperation {
    /// Reads and checks a job's keys. None without one that says what to do.
    pub(super) fn new(
        source: Arc<Common>,
        mut table: Table,
        problems: &mut Problems,
    ) -> Option<HttpOperation> {
        let mut keys: Keys = table.read(JOB_KEYS, problems);
        problems.extend(wrong_headers(&keys.headers, &table));
        problems.extend(two_bodies(&table));
        Checksum::check(keys.sha256.as_ref(), &table, problems);
        let (method, path) = keys.take_path()?;
        if keys.sha256.is_some() && method != Method::GET {
            let why = "`sha256` is for `get`: anything else may bring nothing, or can't be asked for again";
            problems.push(Problem::new(table.key_span("sha256"), why));
        }
        let body = match (keys.json, keys.form, keys.body) {
            (Some(json), ..) => Some(Outgoing::Json(json)),
            (_, Some(form), _) => Some(Outgoing::Form(form)),
            (.., text) => text.map(Outgoing::Text),
        };
        let expected = keys.expect.status.unwrap_or_default();
        let max_bytes = keys.max_bytes.map_or(MAX_BYTES, |size| size.0);
        Some(HttpOperation {
            source,
            method,
            path,
            params: keys.params,
            headers: keys.headers,
            body,
            expected,
            max_bytes,
            sha256: keys.sha256,
        })
    }

    fn fill(&self, scope: &Scope) -> Result<Call, SourceError> {
        let mut concealed = Concealed::default();
        let (mut address, home) = self.source.address(&self.path, scope)?;
        if address.hidden {
            concealed.add_url(&address.url);
        }
        address.secrets.iter().for_each(|secret| concealed.add(secret.expose()));
        self.add_params(&mut address, scope, &mut concealed)?;
        let login = address.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        let place = Place { home, login };
        let mut headers = self.source.headers(&self.headers, scope, &place, &mut concealed)?;
        let body =
            self.body.as_ref().map(|body| body.fill(&self.source, scope, &mut concealed)).transpose()?;
        if let Some(kind) = body.as_ref().and_then(|body| body.kind) {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        Ok(Call {
            client: Arc::clone(&self.source.client),
            method: self.method.clone(),
            host: (!home).then(|| address::host(&address.url)),
            address,
            headers,
            conditional: false,
            body_is_secret: body.as_ref().is_some_and(|body| body.secret),
            body: body.map(|body| body.bytes),
            expected: self.expected.clone(),
            max_bytes: self.max_bytes,
            checksum: self.sha256.as_ref().map(|sha256| Checksum::of(sha256, scope)).transpose()?,
            redirects: self.source.redirects(),
            concealed,
        })
    }

    fn add_params(
        &self,
        address: &mut Address,
        scope: &Scope,
        concealed: &mut Concealed,
    ) -> Result<(), SourceError> {
        for (name, tree) in &self.params {
            let secret = tree.uses("secrets");
            for value in values(name, tree, scope)? {
                address.add(name, &value, secret);
                if secret {
                    concealed.add(&value);
                }
            }
        }
        Ok(())
    }
}

impl Operation for HttpOperation {
    fn changes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    fn tells_changes(&self) -> bool {
        !self.changes()
    }

    fn has_checksum(&self) -> bool {
        self.sha256.is_some()
    }

    fn request(&self, scope: &Scope, _entry: Option<&Entry>) -> Result<Box<dyn Request>, SourceError> {
        Ok(Box::new(self.fill(scope)?))
    }
}

impl Keys {
    fn take_path(&mut self) -> Option<(Method, Text)> {
        let all = [
            (Method::GET, self.get.take()),
            (Method::HEAD, self.head.take()),
            (Method::POST, self.post.take()),
            (Method::PUT, self.put.take()),
            (Method::PATCH, self.patch.take()),
            (Method::DELETE, self.delete.take()),
        ];
        all.into_iter().find_map(|(method, path)| Some((method, path?)))
    }
}

fn two_bodies(table: &Table) -> Option<Problem> {
    let mut there = BODIES.iter().filter(|key| table.has(key));
    let (first, second) = (there.next()?, there.next()?);
    Some(Problem::new(table.key_span(second), format!("must have one of `{first}` and `{second}`, not both")))
}
