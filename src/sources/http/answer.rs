//! Answers: whether the status is one that was hoped for, what is said if it is not, and what an answer's head tells
//! besides.

use super::again::{MAX_RETRY_AFTER, date_of, is_overload, is_passing, retry_after};
use super::conceal::Concealed;
use super::failure::Sent;
use crate::gather::{Advice, Context};
use crate::sources::SourceError;
use reqwest::header::{CONTENT_ENCODING, ETAG, HeaderMap, LAST_MODIFIED, SET_COOKIE};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// How much of the body of an unwanted answer is read. More than is shown, so that a short body is read to its end and
/// its connection can be used again.
const READ_OF_ERROR: usize = 8 * 1024;
/// How many characters of it are shown.
const SHOWN_OF_ERROR: usize = 300;
/// How long is waited for it.
const WAIT_FOR_ERROR: Duration = Duration::from_secs(2);

/// The statuses that a job hopes for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected(pub Vec<RangeInclusive<u16>>);

impl Default for Expected {
    fn default() -> Expected {
        Expected(vec![200..=299])
    }
}

impl Expected {
    pub(super) fn has(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }

    /// What is said of a status that is not among them where the plan says what to expect: that is a broken
    /// expectation, and no failure of the server.
    fn broken(&self) -> Option<String> {
        let shown = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        let said = || format!(", expected {}", self.0.iter().map(shown).collect::<Vec<_>>().join(" or "));
        (*self != Expected::default()).then(said)
    }
}

/// The error of an answer with a status that was not hoped for. Holds the host off where the answer asks for that.
pub(super) async fn unexpected(
    response: Response,
    context: &Context,
    sent: &Sent<'_>,
    concealed: &Concealed,
    expected: &Expected,
) -> SourceError {
    let status = response.status();
    let wait = retry_after(response.headers()).filter(|_| is_passing(status));
    if let Some(wait) = wait.filter(|wait| is_overload(status) && *wait <= MAX_RETRY_AFTER) {
        context.hold(wait);
    }
    let reason = status.canonical_reason().map_or(String::new(), |reason| format!(" {reason}"));
    let broken = expected.broken();
    let mut message = format!("{}: status {}{reason}", sent.target, status.as_u16());
    message.push_str(broken.as_deref().unwrap_or_default());
    if let Some(wait) = wait.filter(|wait| *wait > MAX_RETRY_AFTER) {
        let limit = MAX_RETRY_AFTER.as_secs();
        let asked = wait.as_secs();
        message.push_str(&format!(
            ", to be tried again in {asked} s, which is more than the {limit} s it would wait"
        ));
    }
    let said = start_of(response).await;
    // First without secrets, then short: half a secret at the cut would not be found.
    let said = excerpt(&concealed.hide(&String::from_utf8_lossy(&said)));
    if !said.is_empty() {
        message.push_str(&format!(": {said}"));
    }
    let code = if broken.is_some() { "check" } else { "http_status" };
    SourceError::new(code, message).advice(advice(status, wait, sent.repeatable))
}

fn advice(status: StatusCode, wait: Option<Duration>, repeatable: bool) -> Advice {
    match wait {
        _ if !is_passing(status) || !repeatable => Advice::NEVER,
        Some(wait) if wait > MAX_RETRY_AFTER => Advice::NEVER,
        Some(wait) => Advice::AGAIN.after(wait),
        None => Advice::AGAIN,
    }
}

/// The start of a body that is wanted only for what it says of an error. Whatever goes wrong ends it.
pub(super) async fn start_of(mut response: Response) -> Vec<u8> {
    let mut start = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            start.extend_from_slice(&chunk);
            if start.len() >= READ_OF_ERROR {
                break;
            }
        }
    };
    // Too slow is as good as too long: what came is shown.
    let _ = tokio::time::timeout(WAIT_FOR_ERROR, read).await;
    start
}

/// The start of a body on one line: white space runs become one blank, control characters are escaped.
pub(super) fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = String::new();
    for character in line.chars().take(SHOWN_OF_ERROR) {
        if is_shown(character) { shown.push(character) } else { shown.extend(character.escape_unicode()) }
    }
    if line.chars().nth(SHOWN_OF_ERROR).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Neither a control character nor one that changes how the text around it is laid out.
fn is_shown(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An error if the body is encoded in a way that nobody undoes: it must not lie in a file as if it were plain.
pub(super) fn check_encoding(headers: &HeaderMap, sent: &Sent<'_>) -> Result<(), SourceError> {
    // What could be decoded has lost this header by now.
    let encodings =
        headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    match encodings.map(|value| excerpt(&value)).find(|value| !value.is_empty() && value != "identity") {
        Some(encoding) => {
            let message =
                format!("{}: body comes in the encoding `{encoding}`, which is not known", sent.target);
            Err(SourceError::new("encoding", message))
        }
        None => Ok(()),
    }
}

/// When the answer's resource was last changed.
pub(super) fn modified(headers: &HeaderMap) -> Option<SystemTime> {
    Some(SystemTime::from(date_of(headers.get(LAST_MODIFIED)?.to_str().ok()?)?))
}

/// What tells whether it changed since last time: the ETag, or else the time of the last change.
pub(super) fn fingerprint(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED))?;
    value.to_str().ok().map(str::to_owned)
}

/// What expectations may look at: `status`, and `headers` by their names in lower case, without cookies.
pub(super) fn facts(status: StatusCode, headers: &HeaderMap) -> BTreeMap<&'static str, Value> {
    let mut named = Map::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != SET_COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        named.entry(name.as_str()).or_insert(Value::String(value));
    }
    BTreeMap::from([("status", Value::from(status.as_u16())), ("headers", Value::Object(named))])
}
