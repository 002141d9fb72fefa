//! Servers that break off, stall, never end, or don't speak HTTP.

use super::*;
use crate::gather::{Advice, Cause};

#[tokio::test]
async fn a_whole_body_is_kept() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\nhello").await;
    let (payload, bytes) = keep(&get(&server.url("/"))).await.unwrap();
    assert_eq!(bytes, b"hello");
    assert_eq!(payload.brought.bytes, 5);
    assert_eq!(payload.fingerprint.as_deref(), Some("\"e\""));
    assert_eq!(payload.facts["status"], 200);
    assert_eq!(payload.facts["headers"]["content-length"], "5");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_an_error() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    let error = error(&get(&server.url("/a"))).await;
    assert_eq!((error.code, error.advice), ("truncated", Advice::AGAIN));
    assert!(error.message.contains("/a: body broke off after 5 bytes: "), "{error}");
}

#[tokio::test]
async fn a_chunked_body_without_its_end_is_an_error() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let error = error(&get(&server.url("/"))).await;
    assert_eq!((error.code, error.advice), ("truncated", Advice::AGAIN));
}

#[tokio::test]
async fn a_body_reset_in_the_middle_is_tried_again_only_where_that_is_safe() {
    let server = Server::start(|_, mut stream: TcpStream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
        None
    })
    .await;
    for (method, advice) in [
        (Method::GET, Advice::AGAIN),
        (Method::PUT, Advice::AGAIN),
        (Method::POST, Advice::NEVER),
        (Method::PATCH, Advice::NEVER),
    ] {
        let error = error(&call(method.clone(), &server.url("/"))).await;
        assert_eq!((error.code, error.advice), ("truncated", advice), "{method}: {error}");
    }
}

#[tokio::test]
async fn what_follows_a_whole_body_is_not_taken_for_the_next_answer() {
    let junk =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let server = Server::start(move |_, mut stream: TcpStream| async move {
        stream.write_all(junk.as_bytes()).await.ok()?;
        Some(stream)
    })
    .await;
    let call = get(&server.url("/"));
    assert_eq!(keep(&call).await.unwrap().1, b"hello");
    assert_eq!(keep(&call).await.unwrap().1, b"hello");
    assert_eq!(server.accepted(), 2, "a connection with junk in it must not be used again");
}

#[tokio::test]
async fn a_body_without_an_end_fails_at_the_cap() {
    let server = Server::start(|_, mut stream: TcpStream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        None
    })
    .await;
    let call = get(&server.url("/"));
    let mut sink = Sink::Discard;
    let error = call.call(&Context::detached(), &mut sink).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("too_large", Advice::NEVER));
    assert!(error.message.ends_with("body has more than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_kept_body_past_the_limit_fails_and_is_not_cut() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    for (limit, good) in [(5, true), (4, false)] {
        let mut sink = Sink::Keep { bytes: Vec::new(), limit };
        let result = get(&server.url("/")).call(&Context::detached(), &mut sink).await;
        assert_eq!(result.is_ok(), good, "limit {limit}");
        assert!(result.err().is_none_or(|error| error.code == "too_large"));
    }
}

/// 16 MiB of zeros, compressed once by `gzip -9n` and again by hand: one deflate block repeated.
fn bomb() -> Vec<u8> {
    let output =
        std::process::Command::new("sh").args(["-c", "head -c 16777216 /dev/zero | gzip -9n"]).output();
    output.unwrap().stdout
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_compressed_bomb_fails_at_the_cap_of_decoded_bytes() {
    let body = bomb();
    assert!(body.len() < 32 * 1024, "small on the wire: {}", body.len());
    let server = Server::saying(gzipped(&body)).await;
    let context = Context::detached();
    let error = get(&server.url("/")).call(&context, &mut Sink::Discard).await.unwrap_err();
    assert_eq!(error.code, "too_large");
    assert!(context.progress().bytes() < (1 << 20) + 64 * 1024, "stops at the cap");
}

#[tokio::test]
async fn a_compressed_body_is_decoded_and_a_cut_one_is_an_error() {
    let body = bomb();
    let server = Server::saying(gzipped(&body)).await;
    let whole = Call { max_bytes: 1 << 30, ..get(&server.url("/")) };
    let payload = whole.call(&Context::detached(), &mut Sink::Discard).await.unwrap();
    assert_eq!(payload.brought.bytes, 16 << 20);
    let server = Server::saying(gzipped(&body[..body.len() - 9])).await;
    let cut = Call { max_bytes: 1 << 30, ..get(&server.url("/")) };
    let error = cut.call(&Context::detached(), &mut Sink::Discard).await.unwrap_err();
    assert!(["truncated", "encoding"].contains(&error.code), "{error}");
}

#[tokio::test]
async fn an_empty_body_that_claims_to_be_compressed_is_empty() {
    let server = Server::saying(gzipped(b"")).await;
    assert_eq!(keep(&get(&server.url("/"))).await.unwrap().1, b"");
}

#[tokio::test]
async fn a_body_in_an_unknown_encoding_is_an_error() {
    let server =
        Server::saying("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, rot13\r\nContent-Length: 1\r\n\r\nx")
            .await;
    let error = error(&get(&server.url("/"))).await;
    assert_eq!(error.code, "encoding");
    assert!(error.message.contains("`gzip, rot13`"), "{error}");
}

#[tokio::test]
async fn a_slow_drip_is_seen_as_progress_and_stops_when_asked() {
    let server = Server::start(|_, mut stream: TcpStream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    })
    .await;
    let context = Context::detached();
    let (call, watched) = (get(&server.url("/")), context.clone());
    let stop = async move {
        while watched.progress().bytes() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        watched.cancel().set(Cause::Deadline);
    };
    let mut sink = Sink::Discard;
    let (result, ()) = tokio::join!(call.call(&context, &mut sink), stop);
    assert_eq!(result.unwrap_err().code, "cancelled");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_left_when_asked() {
    let server = Server::start(|_, stream| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Some(stream)
    })
    .await;
    let context = Context::detached();
    let call = get(&server.url("/"));
    let stop = async {
        while server.heads().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        context.cancel().set(Cause::Signal(2));
    };
    let mut sink = Sink::Discard;
    let (result, ()) = tokio::join!(call.call(&context, &mut sink), stop);
    assert_eq!(result.unwrap_err().code, "cancelled");
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_lost_and_not_the_sources_fault() {
    let server = Server::saying("").await;
    for (method, advice) in [(Method::GET, Advice::AGAIN), (Method::POST, Advice::NEVER)] {
        let error = error(&call(method, &server.url("/"))).await;
        assert_eq!((error.code, error.advice), ("lost", advice), "{error}");
    }
}

#[tokio::test]
async fn a_head_that_is_not_http_is_an_error_that_is_not_tried_again() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(101));
    let huge = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "b".repeat(1 << 20));
    for head in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/9.9 200 OK\r\n\r\n", "\0\0\0\0\r\n\r\n", &many, &huge] {
        let server = Server::saying(head).await;
        let error = error(&get(&server.url("/"))).await;
        assert_eq!((error.code, error.advice), ("protocol", Advice::NEVER), "{error}");
    }
}

#[tokio::test]
async fn a_refused_connect_is_the_sources_failure_for_every_method() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for method in [Method::GET, Method::POST] {
        let error = error(&call(method, &format!("http://{address}/secret-path"))).await;
        assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_AGAIN));
        assert_eq!(error.message, format!("cannot connect to {address}: Connection refused (os error 111)"));
    }
}

#[tokio::test]
async fn a_host_without_a_name_is_not_looked_for_again() {
    let error = error(&get("http://no-such-host.invalid:1/")).await;
    assert_eq!(error.code, "dns");
    assert!(error.advice.source);
    assert!(error.message.starts_with("cannot find no-such-host.invalid:1: "), "{error}");
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_, mut stream: TcpStream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.ok()?;
        Some(stream)
    })
    .await;
    let call = get(&server.url("/"));
    for _ in 0..20 {
        assert_eq!(keep(&call).await.unwrap().1, b"ok");
    }
    assert_eq!(server.heads().len(), 20);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn head_takes_no_body_whatever_the_headers_say() {
    let server =
        Server::saying("HTTP/1.1 200 OK\r\nContent-Encoding: rot13\r\nContent-Length: 10\r\n\r\n").await;
    let (payload, bytes) = keep(&call(Method::HEAD, &server.url("/"))).await.unwrap();
    assert_eq!((payload.brought.bytes, bytes.len()), (0, 0));
}
