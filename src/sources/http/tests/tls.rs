//! Certificates that are wrong in a chosen way, and those that are right.

use super::super::client::bundled_roots;
use super::nginx::Nginx;
use super::*;
use crate::gather::Advice;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Certificate;
use std::fs;
use std::path::Path;

/// An authority, and a certificate that it signed for these names.
struct Signed {
    authority: String,
    certificate: String,
    key: String,
}

fn signed_for(name: &str, change: impl Fn(&mut CertificateParams)) -> Signed {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.signed_by(&key, &authority).unwrap();
    Signed { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
}

fn serve(signed: &Signed, listen: &str, server: &str) -> Option<Nginx> {
    let server =
        format!("ssl_certificate {{folder}}/cert.pem; ssl_certificate_key {{folder}}/key.pem; {server}");
    Nginx::start(listen, &server, |folder: &Path| {
        fs::create_dir(folder.join("www")).unwrap();
        fs::write(folder.join("www/a"), "over TLS").unwrap();
        fs::write(folder.join("cert.pem"), &signed.certificate).unwrap();
        fs::write(folder.join("key.pem"), &signed.key).unwrap();
    })
}

fn secure(nginx: &Nginx, authority: Option<&str>) -> Call {
    let roots = authority.map(|pem| Certificate::from_pem_bundle(pem.as_bytes()).unwrap());
    let connect_timeout = Duration::from_secs(5);
    let client = LazyClient::new(ClientSettings { roots, connect_timeout, environment_proxy: false });
    Call { client: Arc::new(client), ..get(&nginx.url("/a").replace("http:", "https:")) }
}

#[tokio::test]
async fn a_certificate_of_ones_own_authority_is_trusted_and_http2_is_spoken() {
    let signed = signed_for("127.0.0.1", |_| {});
    let Some(nginx) = serve(&signed, "ssl http2", "") else { return };
    let call = secure(&nginx, Some(&signed.authority));
    for _ in 0..3 {
        assert_eq!(keep(&call).await.unwrap().1, b"over TLS");
    }
    let log = fs::read_to_string(nginx.folder.path().join("access.log")).unwrap();
    assert_eq!(log.matches("HTTP/2.0").count(), 3, "{log}");
    assert_eq!(nginx.seen(), (3, 1));
}

#[tokio::test]
async fn an_unknown_authority_is_refused_once_for_all() {
    let signed = signed_for("127.0.0.1", |_| {});
    let Some(nginx) = serve(&signed, "ssl", "") else { return };
    let other = signed_for("127.0.0.1", |_| {}).authority;
    for authority in [None, Some(other.as_str())] {
        let error = error(&secure(&nginx, authority)).await;
        assert_eq!((error.code, error.advice), ("tls", Advice::SOURCE_NEVER));
        let start = format!("cannot trust 127.0.0.1:{}: invalid peer certificate: ", nginx.port);
        assert!(error.message.starts_with(&start), "{error}");
        assert!(error.hint.is_some_and(|hint| hint.contains("`ca_file`")) || authority.is_some());
    }
    assert_eq!(nginx.seen().0, 0, "nothing was asked of a server that is not trusted");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let signed = signed_for("other.example", |_| {});
    let Some(nginx) = serve(&signed, "ssl", "") else { return };
    let error = error(&secure(&nginx, Some(&signed.authority))).await;
    assert_eq!((error.code, error.advice), ("tls", Advice::SOURCE_NEVER));
    assert!(error.message.contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_is_refused() {
    let signed = signed_for("127.0.0.1", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let Some(nginx) = serve(&signed, "ssl", "") else { return };
    let error = error(&secure(&nginx, Some(&signed.authority))).await;
    assert_eq!((error.code, error.advice), ("tls", Advice::SOURCE_NEVER));
    assert!(error.message.contains("expired"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let speak = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = error(&get(&format!("https://{address}/"))).await;
    assert_eq!((error.code, error.advice), ("tls", Advice::SOURCE_NEVER), "{error}");
    speak.abort();
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let plain = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let signed = signed_for("127.0.0.1", |_| {});
    let Some(nginx) = serve(&signed, "ssl", &format!("return 302 {};", plain.url("/"))) else { return };
    let error = error(&secure(&nginx, Some(&signed.authority))).await;
    assert_eq!((error.code, error.advice), ("redirect", Advice::NEVER));
    assert!(error.message.ends_with("/a: it redirects from https to http, which is refused"), "{error}");
    assert!(plain.heads().is_empty());
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_is_a_connect_that_may_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (roots, connect_timeout) = (Some(Vec::new()), Duration::from_millis(50));
    let client = LazyClient::new(ClientSettings { roots, connect_timeout, environment_proxy: false });
    let call = Call { client: Arc::new(client), ..get(&format!("https://{address}/")) };
    let error = error(&call).await;
    assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_AGAIN));
    assert_eq!(error.message, format!("cannot connect to {address}: no answer within 50ms"));
}

#[tokio::test]
async fn an_http2_body_that_breaks_off_is_an_error() {
    let behind = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    let signed = signed_for("127.0.0.1", |_| {});
    let proxy = format!("location / {{ proxy_pass http://{}; }}", behind.address);
    let Some(nginx) = serve(&signed, "ssl http2", &proxy) else { return };
    let error = error(&secure(&nginx, Some(&signed.authority))).await;
    assert_eq!((error.code, error.advice), ("truncated", Advice::AGAIN), "{error}");
    assert!(error.message.contains("body broke off after"), "{error}");
}

#[tokio::test]
async fn the_bundled_roots_can_stand_alone() {
    let roots = bundled_roots();
    assert_eq!(roots.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
    let connect_timeout = Duration::from_secs(5);
    let client =
        LazyClient::new(ClientSettings { roots: Some(roots), connect_timeout, environment_proxy: false });
    assert!(client.get(&Context::detached()).await.is_ok());
}
