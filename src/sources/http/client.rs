//! The HTTP client of a source: made once, at its first request, and shared by all of them, so that connections are
//! reused. Here is what it trusts and what it is bounded by. Not here: what is asked with it (`call`).
//!
//! Certificates are checked against the system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` move them), so that what an
//! administrator trusts is trusted here. A source with a `ca_file` trusts nothing but that file. Where the system has
//! no roots at all, as in a container `FROM scratch`, Mozilla's, bundled, take their place. There is no setting that
//! turns checking off.

use crate::gather::{Advice, Context};
use crate::sources::SourceError;
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use std::time::Duration;
use tokio::sync::{OnceCell, watch};
use tower::util::MapResponseLayer;

/// Who asks.
const USER_AGENT: &str = concat!("fanout/", env!("CARGO_PKG_VERSION"));
/// Connections to one host that are kept for the next request.
const MAX_IDLE_CONNECTIONS: usize = 256;
/// How long they are kept: less than the 60 s after which many load balancers drop them without a word.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// The most that the headers of an HTTP/2 answer may take; HTTP/1 answers are bounded by hyper (100 headers, 400 KiB).
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// A client that is not made before it is needed.
pub(super) struct LazyClient {
    settings: ClientSettings,
    client: OnceCell<Client>,
    /// Counts the connections that were made, TLS included.
    connected: watch::Sender<u64>,
}

/// What a source's settings say of its client.
#[derive(Clone)]
pub(super) struct ClientSettings {
    /// The only roots of trust, if the plan names them.
    pub roots: Option<Vec<Certificate>>,
    /// How long a connect may take, TLS included.
    pub connect_timeout: Duration,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are honored.
    pub environment_proxy: bool,
}

impl LazyClient {
    pub(super) fn new(settings: ClientSettings) -> LazyClient {
        LazyClient { settings, client: OnceCell::new(), connected: watch::Sender::new(0) }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.settings.connect_timeout
    }

    /// The client. Reading the system's roots takes files and time, so it is made on a blocking thread.
    pub(super) async fn get(&self, context: &Context) -> Result<&Client, SourceError> {
        let (settings, connected) = (self.settings.clone(), self.connected.clone());
        self.client.get_or_try_init(|| context.blocking(move |_| build(&settings, &connected))).await
    }

    /// Hears of the connections that are made from now on: one that is used again is not told.
    pub(super) fn connections(&self) -> watch::Receiver<u64> {
        self.connected.subscribe()
    }
}

fn build(settings: &ClientSettings, connected: &watch::Sender<u64>) -> Result<Client, SourceError> {
    let client = match &settings.roots {
        Some(roots) => builder(settings, connected).tls_certs_only(roots.clone()).build(),
        None => builder(settings, connected)
            .build()
            .or_else(|_| builder(settings, connected).tls_certs_only(bundled_roots()).build()),
    };
    client.map_err(|error| {
        let why = super::failure::last_cause(&error.without_url());
        SourceError::new("tls", format!("cannot set up TLS: {why}")).advice(Advice::SOURCE_NEVER)
    })
}

fn builder(settings: &ClientSettings, connected: &watch::Sender<u64>) -> ClientBuilder {
    let connected = connected.clone();
    let count = MapResponseLayer::new(move |connection| {
        connected.send_modify(|count| *count += 1);
        connection
    });
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        // Redirects are followed by `redirect`, which knows which headers are secret.
        .redirect(redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .connector_layer(count)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_max_header_list_size(MAX_HEADER_BYTES);
    if settings.environment_proxy { builder } else { builder.no_proxy() }
}

/// Mozilla's roots, for a client where the system has none.
pub fn bundled_roots() -> Vec<Certificate> {
    // The list holds certificates alone; one that could not be read would be one root less.
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect()
}
