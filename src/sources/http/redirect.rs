//! Redirects: where the next request goes, what it may carry along, and which are refused. reqwest's own following is
//! switched off because it takes only the usual headers away when a redirect leads to another host, not the secret
//! ones of a plan.

use super::address::{self, is_secret_name};
use super::call::Call;
use crate::gather::Context;
use crate::sources::SourceError;
use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, LOCATION,
    PROXY_AUTHORIZATION,
};
use reqwest::{Method, StatusCode};
use url::Url;

/// The most redirects that one request follows.
pub(super) const MAX_REDIRECTS: u32 = 10;

/// One request on the way to an answer.
pub(super) struct Hop {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Method and URL, as shown.
    pub target: String,
    /// Redirects before it.
    pub number: u32,
    /// Whether it still goes to where the plan said: same scheme, host and port.
    pub home: bool,
}

impl Hop {
    /// The request as the plan has it.
    pub(super) fn first(call: &Call) -> Hop {
        Hop {
            method: call.method.clone(),
            url: call.address.url.clone(),
            headers: call.headers.clone(),
            body: call.body.clone(),
            target: format!("{} {}", call.method, call.address.shown),
            number: 0,
            home: true,
        }
    }

    /// The request that an answer asks for instead, or none if it asks for none.
    pub(super) fn next(
        &self,
        call: &Call,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Hop>, SourceError> {
        if !is_redirect(status) || call.redirects == 0 || call.expected.has(status) {
            return Ok(None);
        }
        let Some(location) = headers.get(LOCATION) else { return Ok(None) };
        if self.number == call.redirects {
            return Err(self.refuse(&format!("more than {} redirects", call.redirects)));
        }
        let location = String::from_utf8_lossy(location.as_bytes());
        let url = self.url.join(&location).map_err(|_| self.refuse("it redirects to what is not a URL"))?;
        self.check_scheme(&url)?;
        let mut hop = self.to(url, call);
        hop.change_method(status);
        hop.drop_secrets(self, call)?;
        Ok(Some(hop))
    }

    fn to(&self, mut url: Url, call: &Call) -> Hop {
        url.set_fragment(None);
        // A password in a redirect is the server's wish, not the plan's.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        // Servers repeat what they were asked for in where they redirect to.
        let shown = call.concealed.hide(&address::shown(&url, call.url_is_secret()));
        Hop {
            target: format!("{} {shown}", self.method),
            home: url.origin() == call.address.url.origin(),
            url,
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            number: self.number + 1,
        }
    }

    /// Says what is asked for, in place of what was asked for before.
    pub(super) fn tell(&self, context: &Context) {
        context.attributes(|said| {
            said.set("http.request.method", self.method.as_str());
            said.set("url.full", self.url_shown());
            said.set("server.address", self.url.host_str().unwrap_or_default());
            if let Some(port) = self.url.port_or_known_default() {
                said.set("server.port", port);
            }
            if self.number > 0 {
                said.set("http.request.resend_count", self.number);
            }
        });
    }

    /// The URL, as shown.
    pub(super) fn url_shown(&self) -> &str {
        self.target.split_once(' ').map_or("", |(_, url)| url)
    }

    fn refuse(&self, why: &str) -> SourceError {
        SourceError::new("redirect", format!("{}: {why}", self.target))
    }

    fn check_scheme(&self, next: &Url) -> Result<(), SourceError> {
        match (self.url.scheme(), next.scheme()) {
            ("https", "http") => Err(self.refuse("it redirects from https to http, which is refused")),
            (_, "http" | "https") => Ok(()),
            _ => Err(self.refuse("it redirects to what is neither http nor https")),
        }
    }

    /// As browsers and curl do: 303 asks to GET the result; 301 and 302 turn POST into GET; 307 and 308 change nothing.
    fn change_method(&mut self, status: StatusCode) {
        let see_other = status == StatusCode::SEE_OTHER && self.method != Method::HEAD;
        let moved = matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND);
        if see_other || (moved && self.method == Method::POST) {
            self.target = self.target.replacen(self.method.as_str(), "GET", 1);
            self.method = Method::GET;
            self.body = None;
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                self.headers.remove(name);
            }
        }
    }

    /// Takes away what only the first host may see. It does not come back on the way back.
    fn drop_secrets(&mut self, before: &Hop, call: &Call) -> Result<(), SourceError> {
        if self.url.origin() == before.url.origin() {
            return Ok(());
        }
        if self.body.is_some() && call.body_is_secret {
            return Err(
                before.refuse("it redirects a body with a secret in it to another host, which is refused")
            );
        }
        let secret: Vec<HeaderName> =
            self.headers.iter().filter(is_secret).map(|(name, _)| name.clone()).collect();
        for name in secret {
            self.headers.remove(name);
        }
        Ok(())
    }
}

fn is_secret((name, value): &(&HeaderName, &reqwest::header::HeaderValue)) -> bool {
    let usual = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
    value.is_sensitive() || usual.contains(name) || is_secret_name(name.as_str())
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
