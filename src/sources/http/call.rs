//! One request, filled in and ready to be carried out any number of times.

use super::address::{self, Address};
use super::again::is_repeatable;
use super::answer::{self, Expected};
use super::body::{receive, unless_cancelled};
use super::client::LazyClient;
use super::conceal::Concealed;
use super::failure::{Sent, before_answer};
use super::redirect::Hop;
use crate::gather::{BoxFuture, Brought, Context};
use crate::sources::{Checksum, Content, Payload, Request, Sink, SourceError};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::{Client, Method, Response, StatusCode};
use std::sync::Arc;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// A request with everything filled in.
pub(super) struct Call {
    /// The source's client.
    pub client: Arc<LazyClient>,
    /// What to do.
    pub method: Method,
    /// Where to.
    pub address: Address,
    /// `host:port`, if that is not where the source's `base_url` is.
    pub host: Option<String>,
    /// Headers; those that a secret went into are marked as sensitive.
    pub headers: HeaderMap,
    /// Whether the answer may be that nothing has changed.
    pub conditional: bool,
    /// What is sent along.
    pub body: Option<Bytes>,
    /// Whether a secret went into the body.
    pub body_is_secret: bool,
    /// The statuses that are hoped for.
    pub expected: Expected,
    /// The most bytes of a body, decoded.
    pub max_bytes: u64,
    /// What the body, decoded, must be.
    pub checksum: Option<Checksum>,
    /// The most redirects to follow.
    pub redirects: u32,
    /// The secrets that went into it, to be kept out of what servers say.
    pub concealed: Concealed,
}

impl Request for Call {
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn target(&self) -> String {
        format!("{} {}", self.method, self.address.shown)
    }

    fn identity(&self) -> String {
        // The URL may hold secrets, and this is written down.
        let digest = digest(&SHA256, self.address.url.as_str().as_bytes());
        let digest = STANDARD.encode(digest);
        format!("{} {digest}", self.target())
    }

    fn unless(&mut self, fingerprint: &str) {
        let Ok(value) = HeaderValue::from_str(fingerprint) else { return };
        // What the plan says itself stands.
        let has_own =
            self.headers.contains_key(IF_NONE_MATCH) || self.headers.contains_key(IF_MODIFIED_SINCE);
        if !has_own && matches!(self.method, Method::GET | Method::HEAD) {
            let name = if fingerprint.ends_with('"') { IF_NONE_MATCH } else { IF_MODIFIED_SINCE };
            self.headers.insert(name, value);
            self.conditional = true;
        }
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>> {
        Box::pin(self.perform(context, sink))
    }
}

impl Call {
    async fn perform(&self, context: &Context, sink: &mut Sink) -> Result<Payload, SourceError> {
        let client = self.client.get(context).await?;
        context.phase("request");
        let (hop, response) = self.follow(client, context).await?;
        let host = address::host(&hop.url);
        let sent = self.sent(&hop, &host);
        if self.conditional && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Payload { unchanged: true, ..Payload::default() });
        }
        if !self.expected.has(response.status()) {
            let error = answer::unexpected(response, context, &sent, &self.concealed, &self.expected);
            return Err(unless_cancelled(context, error).await?);
        }
        self.take(response, &sent, context, sink).await
    }

    /// Sends the request, and what it is redirected to, until there is an answer.
    async fn follow(&self, client: &Client, context: &Context) -> Result<(Hop, Response), SourceError> {
        let mut hop = Hop::first(self);
        loop {
            let response = self.ask(client, &hop, context).await?;
            let status = response.status().as_u16();
            context.attributes(|said| said.set("http.response.status_code", status));
            context.source_up();
            context.progress().beat();
            let Some(next) = hop.next(self, response.status(), response.headers())? else {
                return Ok((hop, response));
            };
            // Read, so that its connection can be used again.
            unless_cancelled(context, answer::start_of(response)).await?;
            hop = next;
        }
    }

    /// Sends a request. Its source is up as soon as there is a connection, however long the answer takes: other items
    /// are not to wait for it.
    async fn ask(&self, client: &Client, hop: &Hop, context: &Context) -> Result<Response, SourceError> {
        hop.tell(context);
        let mut connections = self.client.connections();
        let mut answer = std::pin::pin!(unless_cancelled(context, self.send(client, hop)));
        tokio::select! {
            answer = &mut answer => answer?,
            Ok(()) = connections.changed() => {
                context.source_up();
                answer.await?
            }
        }
    }

    async fn send(&self, client: &Client, hop: &Hop) -> Result<Response, SourceError> {
        let mut request = reqwest::Request::new(hop.method.clone(), hop.url.clone());
        *request.headers_mut() = hop.headers.clone();
        *request.body_mut() = hop.body.clone().map(reqwest::Body::from);
        let span = span(hop);
        let response = client.execute(request).instrument(span.clone()).await.map_err(|error| {
            let host = address::host(&hop.url);
            before_answer(error, &self.sent(hop, &host))
        });
        match &response {
            Ok(response) => span.record("http.response.status_code", response.status().as_u16()),
            Err(error) => span.record("error.type", error.code),
        };
        response
    }

    fn sent<'a>(&self, hop: &'a Hop, host: &'a str) -> Sent<'a> {
        Sent {
            target: &hop.target,
            host,
            home: hop.home,
            repeatable: is_repeatable(&self.method),
            connect_timeout: self.client.connect_timeout(),
        }
    }

    /// Takes the answer that was hoped for.
    async fn take(
        &self,
        response: Response,
        sent: &Sent<'_>,
        context: &Context,
        sink: &mut Sink,
    ) -> Result<Payload, SourceError> {
        let (status, headers) = (response.status(), response.headers());
        let mut payload = Payload {
            content: Content::Body,
            modified: answer::modified(headers),
            fingerprint: answer::fingerprint(headers),
            checksum: self.checksum.clone(),
            facts: answer::facts(status, headers),
            ..Payload::default()
        };
        // An answer to HEAD has the headers of a body that does not follow.
        if self.method != Method::HEAD {
            answer::check_encoding(headers, sent)?;
            context.phase("body");
            let bytes = receive(response, context, sink, sent, self.max_bytes).await?;
            payload.brought = Brought { bytes, ..Brought::default() };
        }
        Ok(payload)
    }

    /// Whether a secret went into its URL.
    pub(super) fn url_is_secret(&self) -> bool {
        self.address.hidden || self.address.shown.contains(address::HIDDEN)
    }
}

/// One request and its answer's head, by OpenTelemetry's names; a redirect is a span of its own.
fn span(hop: &Hop) -> Span {
    tracing::info_span!(
        "request",
        otel.kind = "client",
        http.request.method = hop.method.as_str(),
        http.request.resend_count = hop.number,
        server.address = hop.url.host_str(),
        server.port = hop.url.port_or_known_default(),
        url.full = hop.url_shown(),
        http.response.status_code = Empty,
        error.type = Empty,
    )
}
