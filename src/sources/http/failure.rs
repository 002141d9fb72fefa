//! What reqwest's errors mean: which failures are the host's and which the item's, whether trying again can help, and
//! what is said about them. A URL never gets from an error of reqwest's into a message. Not here: answers with the
//! wrong status (`answer`).

use crate::gather::Advice;
use crate::sources::SourceError;
use std::error::Error;
use std::io;
use std::iter::successors;
use std::time::Duration;

/// What an error message and its advice need to know of the request.
pub(super) struct Sent<'a> {
    /// Method and URL, as shown.
    pub target: &'a str,
    /// `host:port`.
    pub host: &'a str,
    /// Whether this is the source's own host, and not one that a redirect led to.
    pub home: bool,
    /// Whether the request may be sent a second time.
    pub repeatable: bool,
    /// How long a connect may take.
    pub connect_timeout: Duration,
}

/// hyper's text for a connection that was closed before the answer's head. Its error type has a test for this, but
/// is not reachable through reqwest.
const CLOSED_EARLY: &str = "connection closed before message completed";
/// How texts of HTTP/2's errors begin, hyper's and h2's: the server gave up the stream or the connection.
const HTTP2: [&str; 3] = ["http2 error", "stream error", "connection error"];
/// How the resolver's texts for "ask again later" read, in glibc and in musl. Everything else means no such name.
const DNS_AGAIN: [&str; 2] = ["Temporary failure", "Try again"];

/// An error before the answer's head was there.
pub(super) fn before_answer(error: reqwest::Error, sent: &Sent<'_>) -> SourceError {
    let error = error.without_url();
    if error.is_connect() || error.is_dns() {
        return connecting(&error, sent);
    }
    let cause = last_cause(&error);
    if lost(&error) || cause == CLOSED_EARLY {
        let message = format!("{}: no answer: {cause}", sent.target);
        return SourceError::new("lost", message).advice(repeat(sent));
    }
    SourceError::new("protocol", format!("{}: no valid answer: {cause}", sent.target))
}

/// An error within the answer's body, of which `got` bytes had come.
pub(super) fn within_body(error: reqwest::Error, sent: &Sent<'_>, got: u64) -> SourceError {
    let error = error.without_url();
    let cause = last_cause(&error);
    let message = format!("{}: body broke off after {got} bytes: {cause}", sent.target);
    if lost(&error) {
        return SourceError::new("truncated", message).advice(repeat(sent));
    }
    SourceError::new("encoding", format!("{}: body is broken after {got} bytes: {cause}", sent.target))
}

/// An error before anything was sent, so that trying again is safe for every method.
fn connecting(error: &reqwest::Error, sent: &Sent<'_>) -> SourceError {
    let Sent { host, .. } = sent;
    let cause = last_cause(error);
    let failure = if error.is_dns() {
        let again = DNS_AGAIN.iter().any(|text| cause.contains(text));
        let advice = if again { Advice::SOURCE_AGAIN } else { Advice::SOURCE_NEVER };
        SourceError::new("dns", format!("cannot find {host}: {cause}")).advice(advice)
    } else if is_tls(error) {
        untrusted(host, &cause)
    } else if error.is_timeout() {
        let message = format!("cannot connect to {host}: no answer within {:?}", sent.connect_timeout);
        SourceError::new("connect", message).advice(Advice::SOURCE_AGAIN)
    } else {
        SourceError::new("connect", format!("cannot connect to {host}: {cause}")).advice(Advice::SOURCE_AGAIN)
    };
    let source = sent.home;
    SourceError { advice: Advice { source, ..failure.advice }, ..failure }
}

/// The server's certificate, or something else of its TLS, is not what it must be.
fn untrusted(host: &str, cause: &str) -> SourceError {
    let error = SourceError::new("tls", format!("cannot trust {host}: {cause}")).advice(Advice::SOURCE_NEVER);
    if cause.contains("UnknownIssuer") || cause.contains("CaUsedAsEndEntity") {
        return error
            .hint("if a certificate authority of your own signed it, name its certificate in `ca_file`");
    }
    error
}

/// What is advised when the connection was lost after the request may have been read.
fn repeat(sent: &Sent<'_>) -> Advice {
    if sent.repeatable { Advice::AGAIN } else { Advice::NEVER }
}

/// Whether the handshake failed for what was said in it: rustls reports that as invalid data.
fn is_tls(error: &reqwest::Error) -> bool {
    io_kinds(error).any(|kind| kind == io::ErrorKind::InvalidData)
}

/// Whether the connection was lost, as against an answer that makes no sense.
fn lost(error: &reqwest::Error) -> bool {
    let senseless = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput, io::ErrorKind::Other];
    let broken_off = io_kinds(error).last().is_some_and(|kind| !senseless.contains(&kind));
    let given_up = |cause: String| HTTP2.iter().any(|start| cause.starts_with(start));
    broken_off || causes(error).map(ToString::to_string).any(given_up)
}

fn io_kinds(error: &reqwest::Error) -> impl Iterator<Item = io::ErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The text of the innermost cause: the one that says most.
pub(super) fn last_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// An error and everything it was caused by. An I/O error's `source` skips what it wraps, so that is asked for.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}
