//! A collector of traces, spoken to by OTLP over HTTP: bytes in, POST out, tried again where the protocol says that this
//! can help. <https://opentelemetry.io/docs/specs/otlp/#otlphttp> Not here: what the bytes mean.

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use std::error::Error;
use std::time::Duration;
use tokio::time::sleep;

/// How often one request is tried.
const TRIES: u32 = 3;
/// The pause before the second try; each further one is twice as long.
const DELAY: Duration = Duration::from_millis(500);
/// The longest pause that a collector can ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// As much of an answer is read.
const ANSWER: usize = 64 * 1024;

/// See the module.
#[derive(Clone)]
pub struct Collector {
    /// What it is asked with; follows no redirects and has a timeout.
    pub client: Client,
    /// Where spans go.
    pub url: Url,
    /// What is said with each request.
    pub headers: HeaderMap,
}

/// Why a request was not taken, and whether and when it may be tried again.
struct Refused {
    why: String,
    again: bool,
    after: Option<Duration>,
}

impl Collector {
    /// Sends a protobuf message and gives the answer's.
    ///
    /// # Errors
    /// Says why it was not taken at last.
    pub async fn post(&self, message: Vec<u8>) -> Result<Vec<u8>, String> {
        let message = bytes::Bytes::from(message);
        let mut delay = DELAY;
        for _ in 1..TRIES {
            match self.once(message.clone()).await {
                Err(refused) if refused.again => {
                    sleep(refused.after.unwrap_or(delay).min(LONGEST_DELAY)).await;
                    delay *= 2;
                }
                done => return done.map_err(|refused| refused.why),
            }
        }
        self.once(message).await.map_err(|refused| refused.why)
    }

    async fn once(&self, message: bytes::Bytes) -> Result<Vec<u8>, Refused> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let sent = request.header(CONTENT_TYPE, "application/x-protobuf").body(message).send().await;
        let response = sent.map_err(|error| Refused { why: cause(error), again: true, after: None })?;
        let status = response.status();
        if !status.is_success() {
            let again = matches!(status.as_u16(), 429 | 502..=504);
            return Err(Refused { why: reason(status), again, after: after(&response) });
        }
        Ok(start_of(response).await)
    }
}

fn reason(status: StatusCode) -> String {
    format!("status {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
        .trim_end()
        .to_owned()
}

fn after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The answer's body, read so that the connection can be used again.
async fn start_of(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER {
            break;
        }
    }
    body
}

/// The innermost cause, which says most; never the URL, which may hold a password.
fn cause(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if timed_out { "no answer in time".to_owned() } else { cause.to_string() }
}
