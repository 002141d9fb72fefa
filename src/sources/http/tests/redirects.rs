//! Where redirects may lead, and what goes along.

use super::*;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};

async fn redirecting(status: u16, location: &str) -> Server {
    Server::saying(format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
        .await
}

async fn final_server() -> Server {
    Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere").await
}

#[tokio::test]
async fn a_loop_ends_after_ten() {
    let server = redirecting(302, "/again?token=canary").await;
    let error = error(&get(&server.url("/"))).await;
    assert_eq!(error.code, "redirect");
    assert_eq!(server.heads().len(), 11);
    assert!(error.message.ends_with("/again?token=***: more than 10 redirects"), "{error}");
}

#[tokio::test]
async fn none_are_followed_where_the_source_says_so_or_the_status_is_hoped_for() {
    let end = final_server().await;
    let server = redirecting(302, &end.url("/")).await;
    let error = error(&Call { redirects: 0, ..get(&server.url("/")) }).await;
    assert!(error.message.ends_with(": status 302 Found"), "{error}");
    let hoped = Call { expected: Expected(vec![300..=399]), ..get(&server.url("/")) };
    assert_eq!(keep(&hoped).await.unwrap().0.facts["status"], 302);
    assert!(end.heads().is_empty());
}

#[tokio::test]
async fn methods_change_as_in_browsers() {
    for (status, method, expected, body) in [
        (301, Method::POST, "GET / HTTP/1.1", false),
        (302, Method::POST, "GET / HTTP/1.1", false),
        (303, Method::POST, "GET / HTTP/1.1", false),
        (303, Method::DELETE, "GET / HTTP/1.1", false),
        (303, Method::HEAD, "HEAD / HTTP/1.1", true),
        (302, Method::PUT, "PUT / HTTP/1.1", true),
        (307, Method::POST, "POST / HTTP/1.1", true),
        (308, Method::PATCH, "PATCH / HTTP/1.1", true),
    ] {
        let end = final_server().await;
        let server = redirecting(status, &end.url("/")).await;
        let mut call = call(method.clone(), &server.url("/from"));
        call.body = Some(Bytes::from_static(b"payload"));
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        keep(&call).await.unwrap();
        let head = end.heads().remove(0);
        assert!(head.starts_with(expected), "{status} {method}: {head}");
        assert_eq!(head.ends_with("payload"), body, "{status} {method}: {head}");
        assert_eq!(head.contains("content-type: text/plain"), body, "{status} {method}: {head}");
    }
}

fn with_secrets(url: &str) -> Call {
    let mut call = get(url);
    let mut secret = HeaderValue::from_static("canary-one");
    secret.set_sensitive(true);
    call.headers.insert(HeaderName::from_static("x-own"), secret);
    call.headers.insert(HeaderName::from_static("x-api-key"), HeaderValue::from_static("canary-two"));
    call.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer canary-three"));
    call.headers.insert(HeaderName::from_static("x-plain"), HeaderValue::from_static("plain"));
    call
}

#[tokio::test]
async fn secrets_do_not_follow_to_another_host_and_not_back() {
    let home = Arc::new(Mutex::new(String::new()));
    let back = home.clone();
    let away = Server::start(move |_, mut stream: TcpStream| {
        let location = back.lock().unwrap().clone();
        async move {
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
            Some(stream)
        }
    })
    .await;
    let there = away.url("/there");
    let server = Server::start(move |head: String, mut stream: TcpStream| {
        let answer = if head.starts_with("GET /end") {
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n")
        };
        async move {
            stream.write_all(answer.as_bytes()).await.ok()?;
            Some(stream)
        }
    })
    .await;
    *home.lock().unwrap() = server.url("/end");
    keep(&with_secrets(&server.url("/start"))).await.unwrap();
    assert_eq!(server.heads()[0].matches("canary").count(), 3);
    for head in [&away.heads()[0], &server.heads()[1]] {
        assert!(!head.contains("canary"), "{head}");
        assert!(head.contains("x-plain: plain"), "{head}");
        assert!(!head.contains("referer"), "{head}");
    }
}

#[tokio::test]
async fn secrets_follow_on_the_same_host() {
    let server = Server::start(|head: String, mut stream: TcpStream| async move {
        let end = head.starts_with("GET /end");
        let head = if end { "200 OK" } else { "302 Found\r\nLocation: /end" };
        stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.ok()?;
        Some(stream)
    })
    .await;
    keep(&with_secrets(&server.url("/start"))).await.unwrap();
    assert_eq!(server.heads()[1].matches("canary").count(), 3);
    assert_eq!(server.accepted(), 1, "the connection is used again after a redirect");
}

#[tokio::test]
async fn a_body_with_a_secret_is_not_sent_on_to_another_host() {
    let end = final_server().await;
    let server = redirecting(307, &end.url("/")).await;
    let mut call = call(Method::POST, &server.url("/"));
    call.body = Some(Bytes::from_static(b"canary"));
    call.body_is_secret = true;
    let error = error(&call).await;
    assert_eq!(error.code, "redirect");
    assert!(end.heads().is_empty());
}

#[tokio::test]
async fn a_redirect_of_a_secret_url_shows_no_more_than_the_host() {
    let server = redirecting(302, "/hooks/canary/moved").await;
    let mut call = get(&server.url("/"));
    call.address = Address::new(&server.url("/hooks/canary"), true).unwrap();
    let error = error(&call).await;
    assert_eq!(error.message, format!("GET http://{}/***: more than 10 redirects", server.address));
}

#[tokio::test]
async fn redirects_to_what_is_not_http_are_refused() {
    for location in ["file:///etc/passwd", "ftp://x/y", "javascript:alert(1)"] {
        let server = redirecting(302, location).await;
        let error = error(&get(&server.url("/"))).await;
        assert!(
            error.message.ends_with("it redirects to what is neither http nor https"),
            "{location}: {error}"
        );
    }
    let server = redirecting(302, "http://[").await;
    assert!(error(&get(&server.url("/"))).await.message.ends_with("it redirects to what is not a URL"));
}

#[tokio::test]
async fn an_unreachable_host_behind_a_redirect_is_not_the_sources_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let server = redirecting(302, &format!("http://{gone}/")).await;
    let error = error(&get(&server.url("/"))).await;
    assert_eq!((error.code, error.advice.source, error.advice.again), ("connect", false, true));
}
