//! A source of the kind: its client, and what every request of it has in common. Not here: what its settings may say
//! (`settings`), and what a job asks for (`job`).

use super::address::{self, Address};
use super::answer::Expected;
use super::call::Call;
use super::client::LazyClient;
use super::conceal::Concealed;
use super::job::{HttpOperation, MAX_BYTES};
use super::redirect::MAX_REDIRECTS;
use super::settings::{Auth, Settings};
use super::text::{Filled, FilledUrl, Text};
use crate::expr::{Scope, Table};
use crate::gather::{BoxFuture, Context};
use crate::secret::Secret;
use crate::sources::{Operation, Problems, Request, Sink, Source, SourceError, Surroundings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// A named HTTP API, or, without a `base_url`, any host.
pub(super) struct HttpSource(Arc<Common>);

/// What a source's operations share.
pub(super) struct Common {
    settings: Settings,
    folder: PathBuf,
    pub(super) client: Arc<LazyClient>,
}

impl HttpSource {
    /// Makes a source of its settings.
    pub(super) fn new(mut table: Table, surroundings: &Surroundings, problems: &mut Problems) -> HttpSource {
        let settings = Settings::read(&mut table, problems);
        let client = Arc::new(LazyClient::new(settings.client(&table, surroundings, problems)));
        HttpSource(Arc::new(Common { settings, folder: surroundings.folder.to_owned(), client }))
    }
}

impl Source for HttpSource {
    fn target(&self) -> String {
        let Some(base) = &self.0.settings.base_url else { return "http".to_owned() };
        let shown =
            base.literal().and_then(|base| Address::new(base, false).ok()).map(|address| address.shown);
        shown.unwrap_or_else(|| base.source())
    }

    fn has_hosts(&self) -> bool {
        self.0.settings.base_url.is_none()
    }

    fn operation(&self, _job: &str, keys: Table, problems: &mut Problems) -> Option<Box<dyn Operation>> {
        Some(Box::new(HttpOperation::new(Arc::clone(&self.0), keys, problems)?))
    }

    /// Asks for the head of `base_url`, without login: any answer shows that the host is there and can be trusted.
    fn connect<'a>(
        &'a self,
        context: &'a Context,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            match self.0.probe(scope)? {
                Some(call) => call.call(context, &mut Sink::Discard).await.map(drop),
                None => Ok(()),
            }
        })
    }
}

impl Common {
    /// A request that any answer satisfies. None without a `base_url`.
    fn probe(&self, scope: &Scope) -> Result<Option<Call>, SourceError> {
        let Some(base) = self.base(scope)? else { return Ok(None) };
        let address = Address::below(None, base)?;
        Ok(Some(Call {
            client: Arc::clone(&self.client),
            method: Method::HEAD,
            address,
            host: None,
            headers: HeaderMap::new(),
            conditional: false,
            body: None,
            body_is_secret: false,
            expected: Expected(vec![100..=999]),
            max_bytes: MAX_BYTES,
            checksum: None,
            redirects: 0,
            concealed: Concealed::default(),
        }))
    }

    /// The most redirects of a request.
    pub(super) fn redirects(&self) -> u32 {
        self.settings.redirects.unwrap_or(MAX_REDIRECTS)
    }

    /// Fills in a text.
    pub(super) fn fill(&self, text: &Text, scope: &Scope) -> Result<Filled, SourceError> {
        text.fill(scope, &self.folder)
    }

    fn base(&self, scope: &Scope) -> Result<Option<FilledUrl>, SourceError> {
        self.settings.base_url.as_ref().map(|base| base.fill_url(scope, &self.folder)).transpose()
    }

    /// Where a path or URL leads, and whether that is at the source's `base_url`.
    pub(super) fn address(&self, path: &Text, scope: &Scope) -> Result<(Address, bool), SourceError> {
        let base = self.base(scope)?;
        let path = path.fill_url(scope, &self.folder)?;
        let address = Address::below(base.as_ref(), path)?;
        let base = base.and_then(|base| Url::parse(base.text.expose()).ok());
        let home = base.is_some_and(|base| base.origin() == address.url.origin());
        Ok((address, home))
    }

    /// The headers of a request: the source's, the login, and the job's, of which later ones replace earlier ones.
    /// Another host than that of `base_url` (`home` is false) gets nothing secret of the source's.
    pub(super) fn headers(
        &self,
        job: &IndexMap<String, Text>,
        scope: &Scope,
        at: &Place<'_>,
        concealed: &mut Concealed,
    ) -> Result<HeaderMap, SourceError> {
        let own = at.home || self.settings.base_url.is_none();
        let mut headers = HeaderMap::new();
        for (name, value) in &self.settings.headers {
            let value = self.fill(value, scope)?;
            if own || !(value.secret || address::is_secret_name(name)) {
                insert(&mut headers, name, &value, concealed)?;
            }
        }
        if let Some(login) = self.login(scope, at, own)? {
            insert(&mut headers, AUTHORIZATION.as_str(), &login, concealed)?;
        }
        for (name, value) in job {
            insert(&mut headers, name, &self.fill(value, scope)?, concealed)?;
        }
        Ok(headers)
    }

    /// The login: that of the URL, or else the source's.
    fn login(&self, scope: &Scope, at: &Place<'_>, own: bool) -> Result<Option<Filled>, SourceError> {
        let login = match (at.login, &self.settings.auth) {
            (Some((user, password)), _) => basic(user, password),
            (None, Some(auth)) if own => self.source_login(auth, scope)?,
            _ => return Ok(None),
        };
        Ok(Some(Filled { text: login, secret: true }))
    }

    fn source_login(&self, auth: &Auth, scope: &Scope) -> Result<Secret, SourceError> {
        let get = |secret: &Option<super::text::Fetched>| {
            secret.as_ref().map_or_else(|| Ok(Secret::new("")), |secret| secret.get(scope, &self.folder))
        };
        let Some(user) = &auth.user else {
            return Ok(Secret::new(format!("Bearer {}", get(&auth.bearer)?.expose())));
        };
        Ok(basic(self.fill(user, scope)?.text.expose(), get(&auth.password)?.expose()))
    }
}

/// Where a request goes, as far as its headers depend on it.
pub(super) struct Place<'a> {
    /// Whether it goes to the source's `base_url`.
    pub home: bool,
    /// The login that stood in its URL.
    pub login: Option<(&'a str, &'a str)>,
}

fn basic(user: &str, password: &str) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn insert(
    headers: &mut HeaderMap,
    name: &str,
    value: &Filled,
    concealed: &mut Concealed,
) -> Result<(), SourceError> {
    let refused = |what| SourceError::new("expression", format!("header `{name}`: its {what} can't be sent"));
    let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("name"))?;
    // The reason would quote the value.
    let mut sent = HeaderValue::from_str(value.text.expose()).map_err(|_| refused("value"))?;
    if value.secret {
        sent.set_sensitive(true);
        concealed.add(value.text.expose());
    }
    headers.insert(known, sent);
    Ok(())
}
