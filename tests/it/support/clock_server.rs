//! An HTTP server that answers as a test tells it to, after a delay if asked, and notes on its own clock when each
//! request came and when its answer left. Not here: answers that are not HTTP.

use super::log::Span;
use super::runtime;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// How many came before it, over all paths.
    pub(crate) number: usize,
    /// Its method.
    pub(crate) method: Method,
    /// Its path and query.
    pub(crate) path: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// What to answer: by default at once, 200, with nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// How long to think about it.
    pub(crate) delay: Duration,
    /// The status; 200 if it is not set.
    pub(crate) status: Option<u16>,
    /// Headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A request that was answered or given up.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// What was asked.
    pub(crate) asked: Asked,
    /// From its arrival to its answer, in seconds since the server's start. The name is `GET /path`.
    pub(crate) span: Span,
    /// Whether it was answered; if not, the client went away first.
    pub(crate) answered: bool,
}

/// A running clock server. Dropped, it closes its port.
#[derive(Debug)]
pub(crate) struct ClockServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::AbortHandle,
}

struct Shared {
    begun: Instant,
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    /// How many came, and the visits that ended.
    visits: Mutex<(usize, Vec<Visit>)>,
}

impl ClockServer {
    /// Starts one whose answers the function gives.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> ClockServer {
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        listener.set_nonblocking(true).expect("it is a socket");
        let address = listener.local_addr().expect("it is bound");
        let shared =
            Arc::new(Shared { begun: Instant::now(), answer: Box::new(answer), visits: Mutex::default() });
        let routes = axum::Router::new().fallback(reply).with_state(shared.clone());
        let serving = runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is a socket");
            let _ = axum::serve(listener, routes).await;
        });
        ClockServer { address, shared, serving: serving.abort_handle() }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path that begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        self.shared.visits.lock().expect("no test panics while it holds it").0
    }

    /// The visits that ended, in the order of their ends.
    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.shared.visits.lock().expect("no test panics while it holds it").1.clone()
    }

    /// When the requests of these visits were open; for [`peak`](super::log::peak).
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.visits().into_iter().map(|visit| visit.span).collect()
    }
}

impl Drop for ClockServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("visits", &self.visits).finish_non_exhaustive()
    }
}

/// Notes the visit when the answer leaves, or when axum drops the request because the client went away.
struct Open {
    shared: Arc<Shared>,
    asked: Asked,
    begin: f64,
    answered: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        let name = format!("{} {}", self.asked.method, self.asked.path);
        let span = Span { name, begin: self.begin, end: self.shared.begun.elapsed().as_secs_f64() };
        let visit = Visit { asked: self.asked.clone(), span, answered: self.answered };
        self.shared.visits.lock().expect("no test panics while it holds it").1.push(visit);
    }
}

async fn reply(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let begin = shared.begun.elapsed().as_secs_f64();
    let number = {
        let mut visits = shared.visits.lock().expect("no test panics while it holds it");
        visits.0 += 1;
        visits.0 - 1
    };
    let asked = Asked { number, method, path: uri.to_string(), headers, body };
    let mut open = Open { shared: shared.clone(), asked, begin, answered: false };
    let answer = (shared.answer)(&open.asked);
    tokio::time::sleep(answer.delay).await;
    open.answered = true;
    let status = StatusCode::from_u16(answer.status.unwrap_or(200)).expect("a status that a test chose");
    let mut response = Response::builder().status(status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).expect("headers that a test chose")
}
