//! When a server says to come back: `Retry-After`, and which answers and methods can be tried again at all. Not here:
//! the waiting itself, and how often (`gather`).

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use std::time::Duration;

/// The longest that a server's `Retry-After` is waited for. A server that asks for more ends the item at once.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Whether a request may be sent a second time when nobody knows what became of the first.
pub(super) fn is_repeatable(method: &Method) -> bool {
    // An idempotency key, once a job can have one, makes POST and PATCH repeatable, too.
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE)
}

/// Whether an answer says that the same request may succeed later.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Whether an answer speaks for the whole host, so that nobody else should ask it for a while.
pub(super) fn is_overload(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// How long the server asks to be left alone. None if it doesn't say, or says nothing that can be understood.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only an overflow can fail here: more seconds than anyone will wait.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    // Measured on the server's own clock where it tells its time: a client whose clock is wrong waits right.
    let now = headers.get(DATE).and_then(|date| date_of(date.to_str().ok()?)).unwrap_or_else(Timestamp::now);
    let wait = date_of(text)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// An HTTP date.
pub(super) fn date_of(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|date| date.timestamp())
}
