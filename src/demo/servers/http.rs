//! The demo's HTTP server. Every path answers after a delay; the paths are listed at `Servers::http_url`.

use super::visits::{Open, Visits};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The longest delay that can be asked for.
const MAX_DELAY_MS: u64 = 60_000;
/// How many documents `items` lists.
const ITEMS: u64 = 40;
/// How many chunks a stream can have.
const MAX_CHUNKS: u64 = 10_000;
/// How many names of `busy` are remembered; past it none is busy.
const MAX_NAMES: usize = 10_000;

/// What the answers share.
#[derive(Clone)]
struct Shared {
    visits: Visits,
    busy_before: Arc<Mutex<HashSet<String>>>,
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: TcpListener, visits: Visits) {
    let shared = Shared { visits, busy_before: Arc::default() };
    let router = Router::new()
        .route("/wait/{ms}", get(wait))
        .route("/items", get(items))
        .route("/items/{number}", get(item))
        .route("/busy/{name}", get(busy))
        .route("/stream/{chunks}/{ms}", get(chunks))
        .with_state(shared);
    // Never returns: it goes on after an error.
    let _ = axum::serve(listener, router).await;
}

async fn wait(State(shared): State<Shared>, uri: Uri, Path(ms): Path<u64>) -> Response {
    let _visit = shared.visits.arrive("http", uri.path());
    if ms > MAX_DELAY_MS {
        return too_much("longest delay", MAX_DELAY_MS);
    }
    sleep(Duration::from_millis(ms)).await;
    document(json!({ "waited_ms": ms }))
}

async fn items(State(shared): State<Shared>, uri: Uri) -> Response {
    let _visit = shared.visits.arrive("http", uri.path());
    document(json!({ "items": (1..=ITEMS).collect::<Vec<_>>() }))
}

/// Some documents take longer than others, as they do.
async fn item(State(shared): State<Shared>, uri: Uri, Path(number): Path<u64>) -> Response {
    let _visit = shared.visits.arrive("http", uri.path());
    if !(1..=ITEMS).contains(&number) {
        return (StatusCode::NOT_FOUND, "no such item\n").into_response();
    }
    sleep(Duration::from_millis(80 + 40 * (number % 8))).await;
    document(json!({ "id": number, "name": format!("item {number}"), "price_cents": 100 + 37 * number }))
}

async fn busy(State(shared): State<Shared>, uri: Uri, Path(name): Path<String>) -> Response {
    let _visit = shared.visits.arrive("http", uri.path());
    let first = {
        let mut names = shared.busy_before.lock().unwrap_or_else(PoisonError::into_inner);
        names.len() < MAX_NAMES && names.insert(name.clone())
    };
    if first {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "busy, come back\n")
            .into_response();
    }
    document(json!({ "name": name }))
}

async fn chunks(State(shared): State<Shared>, uri: Uri, Path((count, ms)): Path<(u64, u64)>) -> Response {
    let visit = shared.visits.arrive("http", uri.path());
    if ms > MAX_DELAY_MS {
        return too_much("longest delay", MAX_DELAY_MS);
    }
    if count > MAX_CHUNKS {
        return too_much("most chunks", MAX_CHUNKS);
    }
    let body = slowly(count, Duration::from_millis(ms), visit);
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}

/// A body of `count` lines, each sent after a pause. The visit lasts as long as the body.
fn slowly(count: u64, pause: Duration, visit: Open) -> Body {
    Body::from_stream(stream::unfold((1, visit), move |(number, visit)| async move {
        if number > count {
            return None;
        }
        sleep(pause).await;
        let line = Bytes::from(format!("chunk {number} of {count}\n"));
        Some((Ok::<_, Infallible>(line), (number + 1, visit)))
    }))
}

fn document(value: Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn too_much(what: &str, limit: u64) -> Response {
    (StatusCode::BAD_REQUEST, format!("{what}: {limit}\n")).into_response()
}
