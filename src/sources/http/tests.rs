//! The kind `http` against servers that are written for the purpose, most of them to do harm.

mod addresses;
mod answers;
mod files;
mod hostile;
mod keys;
mod nginx;
mod redirects;
mod tls;

use super::address::Address;
use super::answer::Expected;
use super::call::Call;
use super::client::{ClientSettings, LazyClient};
use super::conceal::Concealed;
use crate::gather::Context;
use crate::sources::{Payload, Request, Sink, SourceError};
use reqwest::Method;
use reqwest::header::HeaderMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that speaks as it is told. Ends with the test.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Calls `answer` for every request with its head; what it returns is used for the next one.
    async fn start<F, R>(answer: F) -> Server
    where
        F: Fn(String, TcpStream) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Option<TcpStream>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counted, noted) = (accepted.clone(), heads.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, SeqCst);
                let (answer, noted) = (answer.clone(), noted.clone());
                tokio::spawn(async move {
                    let mut open = Some(stream);
                    while let Some(mut stream) = open {
                        let Some(head) = read_head(&mut stream).await else { return };
                        noted.lock().unwrap().push(head.clone());
                        open = answer(head, stream).await;
                    }
                });
            }
        });
        Server { address, accepted, heads, task }
    }

    /// Says the same to everybody, then closes.
    async fn saying(text: impl Into<Vec<u8>>) -> Server {
        let text: Arc<[u8]> = text.into().into();
        Server::start(move |_, mut stream| {
            let text = text.clone();
            async move {
                // A client may hang up in the middle: that is what some tests are about.
                let _ = stream.write_all(&text).await;
                None
            }
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The head of a request, and its body if it tells its length.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let length = text
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(text + &String::from_utf8_lossy(&body))
}

fn plain_client() -> Arc<LazyClient> {
    // No roots of trust: reading the system's takes more time than all the rest.
    let (roots, connect_timeout) = (Some(Vec::new()), Duration::from_secs(5));
    Arc::new(LazyClient::new(ClientSettings { roots, connect_timeout, environment_proxy: false }))
}

fn call(method: Method, url: &str) -> Call {
    Call {
        client: plain_client(),
        method,
        address: Address::new(url, false).unwrap(),
        host: None,
        headers: HeaderMap::new(),
        conditional: false,
        body: None,
        body_is_secret: false,
        expected: Expected::default(),
        max_bytes: 1 << 20,
        checksum: None,
        redirects: 10,
        concealed: Concealed::default(),
    }
}

fn get(url: &str) -> Call {
    call(Method::GET, url)
}

async fn keep(call: &Call) -> Result<(Payload, Vec<u8>), SourceError> {
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1 << 20 };
    let payload = call.call(&Context::detached(), &mut sink).await?;
    let Sink::Keep { bytes, .. } = sink else { unreachable!("it was made above") };
    Ok((payload, bytes))
}

async fn error(call: &Call) -> SourceError {
    keep(call).await.expect_err("this must fail")
}
