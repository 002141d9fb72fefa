//! The spans of a run to a collector, by `--otlp` or OpenTelemetry's own variables of the environment.
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>
//! Not here: what the spans are (`report`) and how they are sent (`telemetry`).

#[cfg(test)]
mod tests;

use super::Surroundings;
use super::exit::Failure;
use crate::gather::Event;
use crate::report::otlp::{self, Parent, Span, Spans};
use crate::secret::{Redactor, Secret};
use crate::sources::http::bundled_roots;
use crate::telemetry::{Collector, Exporter, Lost};
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use std::time::Duration;

/// Where traces go below a base URL. <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
const PATH: &str = "/v1/traces";
/// How long a request to the collector may take, where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Who sends.
const USER_AGENT: &str = concat!("fanout/", env!("CARGO_PKG_VERSION"));

/// What is asked for.
#[derive(Debug)]
struct Settings {
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    /// What is said of this program: `service.name` and the like.
    service: Vec<(String, String)>,
    /// The span that the run belongs below.
    parent: Option<Parent>,
}

/// The export of one run.
pub(super) struct Export {
    exporter: Exporter<Span>,
    parent: Option<Parent>,
    /// Where to, for the one warning.
    place: String,
}

impl Export {
    /// Begins it, if it is asked for. Nothing is sent yet.
    pub(super) async fn begin(
        flag: Option<&str>,
        surroundings: &Surroundings,
    ) -> Result<Option<Export>, Failure> {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let settings = Settings::read(flag, read, &surroundings.redactor).map_err(Failure::settings)?;
        let Some(settings) = settings else { return Ok(None) };
        let Settings { url, headers, timeout, service, parent } = settings;
        let client = tokio::task::spawn_blocking(move || client(timeout)).await;
        let client = client.expect("making a client does not panic");
        let client = client.map_err(|error| Failure::settings(format!("cannot set up TLS: {error}")))?;
        let place = url.origin().ascii_serialization();
        let collector = Collector { client, url, headers };
        let exporter = Exporter::start(move |spans: Vec<Span>| {
            let (collector, count) = (collector.clone(), spans.len() as u64);
            let message = otlp::encode(&service, spans);
            async move {
                let answer = collector.post(message).await?;
                Ok(count.saturating_sub(otlp::rejected(&answer)))
            }
        });
        Ok(Some(Export { exporter, parent, place }))
    }

    /// What has to see every event of the run.
    pub(super) fn heed(export: Option<&Export>) -> impl FnMut(&Event) + Send + 'static + use<> {
        let mut to = export.map(|export| (Spans::new(export.parent), export.exporter.feed()));
        move |event| {
            if let Some((spans, feed)) = &mut to {
                spans.add(event).into_iter().for_each(|span| feed.push(span));
            }
        }
    }

    /// Waits for what is still on its way, not for long, and says what was lost.
    pub(super) async fn end(export: Option<Export>, surroundings: &Surroundings) {
        let Some(Export { exporter, place, .. }) = export else { return };
        if let Some(Lost { count, of, why }) = exporter.finish().await {
            surroundings.warn(&format!("{count} of {of} spans did not get to {place}: {why}"));
        }
    }
}

/// Reading the system's roots of trust takes files and time: blocking.
fn client(timeout: Duration) -> Result<Client, reqwest::Error> {
    let builder =
        || Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).timeout(timeout);
    builder().build().or_else(|_| builder().tls_certs_only(bundled_roots()).build())
}

impl Settings {
    /// Reads the flag, and what the environment says. None: nothing is to be sent. Logins and the values of headers are
    /// made known as secrets.
    fn read(
        flag: Option<&str>,
        env: impl Fn(&str) -> Option<String>,
        redactor: &Redactor,
    ) -> Result<Option<Settings>, String> {
        let Some((from, text)) = endpoint(flag, &env) else { return Ok(None) };
        let parent = env("TRACEPARENT").and_then(|text| Parent::read(text.trim()));
        if parent.is_some_and(|parent| !parent.sampled) {
            return Ok(None);
        }
        let (name, protocol) = of_traces("PROTOCOL", &env);
        if let Some(protocol) = protocol.filter(|protocol| protocol != "http/protobuf") {
            return Err(format!(
                "{name} is \"{protocol}\": spans can only be sent by http/protobuf\n  (collectors listen for it on port 4318)"
            ));
        }
        let url = url(from, &text, redactor)?;
        let (name, given) = of_traces("HEADERS", &env);
        let headers =
            headers(&given.unwrap_or_default(), redactor).map_err(|why| format!("{name}: {why}"))?;
        let (name, timeout) = of_traces("TIMEOUT", &env);
        let timeout = timeout.map(|text| text.parse().map(Duration::from_millis)).transpose();
        let timeout = timeout.map_err(|_| format!("{name}: must be milliseconds"))?.unwrap_or(TIMEOUT);
        Ok(Some(Settings { url, headers, timeout, service: service(&env)?, parent }))
    }
}

/// Where spans are to go, and who says so. A flag is more than `OTEL_TRACES_EXPORTER`, which is about what the
/// environment asks for; and less than `OTEL_SDK_DISABLED`, which is about everything.
fn endpoint(flag: Option<&str>, env: &impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    if env("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    if let Some(flag) = flag {
        return Some(("--otlp", below(flag)));
    }
    let wanted = env("OTEL_TRACES_EXPORTER");
    if wanted.is_some_and(|names| names.split(',').all(|name| name.trim() != "otlp")) {
        return None;
    }
    let (traces, all) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
    env(traces).map(|url| (traces, url)).or_else(|| env(all).map(|url| (all, below(&url))))
}

fn below(base: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

/// A variable for traces, or else the one for all signals, and its name.
fn of_traces(what: &str, env: &impl Fn(&str) -> Option<String>) -> (String, Option<String>) {
    let (traces, all) = (format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}"));
    match env(&traces) {
        Some(value) => (traces, Some(value)),
        None => (all.clone(), env(&all)),
    }
}

/// The error does not repeat what may have a password in it.
fn url(from: &str, text: &str, redactor: &Redactor) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{from}: not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{from}: must be a URL that begins with http:// or https://"));
    }
    if let Some(password) = url.password() {
        redactor.add(&Secret::new(percent_decode_str(password).decode_utf8_lossy()));
    }
    Ok(url)
}

/// `name=value,name=value`, as in W3C Baggage. What is wrong is said without the values.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |(at, pair): (usize, &str)| {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| format!("entry {} is not NAME=VALUE", at + 1))?;
        let value = percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        Ok((name.trim().to_owned(), value))
    };
    text.split(',').filter(|pair| !pair.trim().is_empty()).enumerate().map(pair).collect()
}

fn headers(text: &str, redactor: &Redactor) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text)? {
        redactor.add(&Secret::new(value.as_str()));
        let wrong = || format!("\"{name}\" is not a header that can be sent");
        let header = HeaderName::try_from(&name).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn service(env: &impl Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, String> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let given = pairs(&env(name).unwrap_or_default()).map_err(|why| format!("{name}: {why}"))?;
    let mut service = vec![
        ("service.name".to_owned(), "fanout".to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let named = env("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    for (name, value) in given.into_iter().chain(named) {
        service.retain(|(known, _)| *known != name);
        service.push((name, value));
    }
    Ok(service)
}
