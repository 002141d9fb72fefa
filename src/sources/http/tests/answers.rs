//! What becomes of answers with a status that was not hoped for.

use super::super::again::{MAX_RETRY_AFTER, retry_after};
use super::super::answer::excerpt;
use super::*;
use crate::gather::Advice;
use reqwest::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue, RETRY_AFTER};

fn again(seconds: u64) -> Advice {
    Advice::AGAIN.after(Duration::from_secs(seconds))
}

async fn refusing(status: &str, headers: &str, body: &str) -> Server {
    let length = body.len();
    Server::saying(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn an_unexpected_status_is_named_with_the_start_of_its_body() {
    let server = refusing("500 Internal Server Error", "", "oops:\r\n  \x1b[31mred\x07").await;
    let error = error(&get(&server.url("/v1/x?page=2&api_key=canary"))).await;
    let url = server.url("/v1/x?page=2&api_key=***");
    let status = "status 500 Internal Server Error";
    assert_eq!(error.message, format!("GET {url}: {status}: oops: \\u{{1b}}[31mred\\u{{7}}"));
    assert_eq!((error.code, error.advice), ("http_status", Advice::AGAIN));
}

#[tokio::test]
async fn a_long_error_is_cut() {
    let server = refusing("404 Not Found", "", &"ä".repeat(20_000)).await;
    let error = error(&get(&server.url("/"))).await;
    assert!(error.message.ends_with(&format!(": status 404 Not Found: {}...", "ä".repeat(300))), "{error}");
    assert_eq!(error.advice, Advice::NEVER);
}

#[test]
fn characters_that_turn_text_around_are_escaped() {
    assert_eq!(excerpt("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
}

#[tokio::test]
async fn passing_failures_are_tried_again_where_repeating_is_safe() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let server = refusing(&format!("{status} X"), "", "").await;
        for (method, advice) in [
            (Method::GET, Advice::AGAIN),
            (Method::HEAD, Advice::AGAIN),
            (Method::PUT, Advice::AGAIN),
            (Method::DELETE, Advice::AGAIN),
            (Method::POST, Advice::NEVER),
            (Method::PATCH, Advice::NEVER),
        ] {
            let error = error(&call(method.clone(), &server.url("/"))).await;
            assert_eq!(error.advice, advice, "{method} {status}");
        }
    }
    for status in [400, 401, 403, 404, 409, 410, 422, 501, 505] {
        let server = refusing(&format!("{status} X"), "Retry-After: 1\r\n", "").await;
        assert_eq!(error(&get(&server.url("/"))).await.advice, Advice::NEVER, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_up_to_a_limit() {
    for (header, advice) in [
        ("Retry-After: 7\r\n", again(7)),
        ("Retry-After: 0\r\n", again(0)),
        ("Retry-After: 600\r\n", again(600)),
        ("Retry-After: 601\r\n", Advice::NEVER),
        ("Retry-After: 99999999999999999999999\r\n", Advice::NEVER),
        ("Retry-After: -5\r\n", Advice::AGAIN),
        ("Retry-After: 1.5\r\n", Advice::AGAIN),
        ("Retry-After: soon\r\n", Advice::AGAIN),
        ("Retry-After: \r\n", Advice::AGAIN),
        ("Retry-After: Fri, 99 Foo 2026 00:00:00 GMT\r\n", Advice::AGAIN),
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", again(30)),
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:40:00 GMT\r\n", again(0)),
        (
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sat, 06 Nov 2004 08:49:37 GMT\r\n",
            Advice::NEVER,
        ),
        ("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", again(0)),
    ] {
        let server = refusing("429 Too Many Requests", header, "").await;
        let error = error(&get(&server.url("/"))).await;
        assert_eq!(error.advice, advice, "{header}");
        let too_long = error.message.contains(", which is more than the 600 s it would wait");
        assert_eq!(too_long, advice == Advice::NEVER, "{header}: {error}");
    }
}

#[test]
fn a_date_without_the_servers_own_clock_is_measured_on_ours() {
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&in_an_hour).unwrap();
    let headers = [(RETRY_AFTER, HeaderValue::from_str(&text).unwrap())].into_iter().collect();
    let wait = retry_after(&headers).unwrap();
    assert!(wait > MAX_RETRY_AFTER && wait <= Duration::from_secs(3600), "{wait:?}");
    let broken = [(RETRY_AFTER, HeaderValue::from_static("5")), (DATE, HeaderValue::from_static("now"))];
    assert_eq!(retry_after(&broken.into_iter().collect()), Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn a_status_can_be_hoped_for_and_then_is_no_error() {
    let server = refusing("404 Not Found", "", "none").await;
    let call = Call { expected: Expected(vec![200..=200, 404..=404]), ..get(&server.url("/")) };
    let (payload, bytes) = keep(&call).await.unwrap();
    assert_eq!((payload.facts["status"].as_u64(), bytes.as_slice()), (Some(404), b"none".as_slice()));
    let call = Call { expected: Expected(vec![404..=404]), ..get(&server.url("/")) };
    assert!(keep(&call).await.is_ok());
    let ok = refusing("200 OK", "", "").await;
    let call = Call { expected: Expected(vec![404..=404]), ..get(&ok.url("/")) };
    let broken = error(&call).await;
    assert_eq!(broken.code, "check");
    assert!(broken.message.contains("status 200 OK, expected 404"), "{}", broken.message);
}

#[tokio::test]
async fn a_server_that_repeats_secrets_does_not_get_them_into_errors() {
    let server = Server::start(|head: String, mut stream: TcpStream| async move {
        let answer = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        Some(stream)
    })
    .await;
    let mut call = get(&server.url("/a"));
    call.address.add("k", "canary+one", true);
    call.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer canary-two"));
    call.headers.insert(HeaderName::from_static("x-mine"), HeaderValue::from_static("canary three"));
    for secret in ["canary+one", "Bearer canary-two", "canary three"] {
        call.concealed.add(secret);
    }
    let error = error(&call).await;
    assert!(error.message.contains("/a?k=***: status 403 Forbidden: GET /a?k=*** HTTP/1.1"), "{error}");
    assert!(!error.message.contains("canary"), "{error}");
}
