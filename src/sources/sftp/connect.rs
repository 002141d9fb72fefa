//! One connection: the way to the server, SSH with trust and login, one SFTP channel. Not here: how many there are, and
//! what happens when one is lost (`pool`).

use super::auth::Method;
use super::error::Lost;
use super::link::{End, Link, WINDOW};
use super::opening::{Ended, Opening, Up};
use super::route::{self, Stream};
use super::session::Session;
use super::trust::Trust;
use crate::gather::{Advice, Attributes};
use crate::sources::{Asking, SourceError};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// Key exchange, login and the start of SFTP may take this many times what connecting may: passwords are checked slowly.
const LOGIN_PATIENCE: u32 = 3;
/// The same where a person may be asked for a password or whether a key is right: servers wait two minutes for a login.
const ASKING_PATIENCE: Duration = Duration::from_secs(120);

/// Where to connect, and how.
#[derive(Clone)]
pub(super) struct Target {
    /// For errors: `sftp://host:port`.
    pub(super) name: String,
    /// A name or an address.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
    /// How long TCP may take.
    pub(super) connect_timeout: Duration,
    /// Silence after which the server is asked whether it lives.
    pub(super) keepalive: Duration,
    /// Bytes after which keys are exchanged anew.
    pub(super) rekey: usize,
    /// Who can be asked meanwhile.
    pub(super) asking: Option<Asking>,
}

impl Target {
    /// Says where it is, and what is done there. OpenTelemetry has no names for SFTP beyond those of servers and files.
    pub(super) fn tell(&self, said: &mut Attributes, operation: &'static str) {
        said.set("fanout.sftp.operation", operation);
        said.set("server.address", self.host.as_str());
        said.set("server.port", self.port);
    }

    /// `host`, or `host:port` where it is not 22.
    pub(super) fn address(&self) -> String {
        let shown = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 22 { shown } else { format!("{shown}:{}", self.port) }
    }

    /// How long it may take from TCP to the first answer over SFTP.
    fn patience(&self) -> Duration {
        let patience = self.connect_timeout.saturating_mul(LOGIN_PATIENCE);
        let is_asked = self.asking.as_ref().is_some_and(Asking::is_heard);
        if is_asked { patience.max(ASKING_PATIENCE) } else { patience }
    }

    /// Waits for a login for so long and no longer.
    pub(super) async fn patiently<T>(
        &self,
        login: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let patience = self.patience();
        timeout(patience, login).await.unwrap_or_else(|_| {
            let message = format!("{}: no login within {patience:?}", self.name);
            Err(SourceError::new("connect", message).advice(Advice::SOURCE_AGAIN))
        })
    }
}

/// What is needed to trust the server and to be trusted: read once, from files and secrets.
pub(super) struct Credentials {
    /// Who logs in.
    pub(super) user: String,
    /// How to log in, in order.
    pub(super) methods: Vec<Method>,
    /// What is known of the server.
    pub(super) trust: Arc<Trust>,
    /// The jump hosts on the way to it, the nearest first.
    pub(super) hops: Vec<Hop>,
}

/// A jump host.
pub(super) struct Hop {
    /// Where it is.
    pub(super) target: Target,
    /// What is needed to pass it. It has no hops of its own.
    pub(super) credentials: Credentials,
}

impl Credentials {
    /// What the user should know of the server and the jump hosts, once.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.trusts().flat_map(|trust| trust.warnings()).collect()
    }

    /// See [`Trust::types_unpinned`].
    fn types_unpinned(&self) -> usize {
        self.trusts().map(|trust| trust.types_unpinned()).sum()
    }

    fn trusts(&self) -> impl Iterator<Item = &Arc<Trust>> {
        self.hops.iter().map(|hop| &hop.credentials.trust).chain([&self.trust])
    }
}

/// A connection that is logged in, with its session.
pub(super) struct Connection {
    /// SFTP over it.
    pub(super) session: Session,
    /// What the server took to confirm the channel: a round trip, and next to nothing of its own.
    pub(super) round_trip: Duration,
    /// SSH to the server.
    link: Link,
    /// What it goes through, the nearest first.
    way: Vec<Link>,
}

impl Connection {
    /// Connects and logs in. That there is SFTP is told later, by a call of `up` or by the first answer. Where only
    /// fingerprints are known, a server that shows another key is asked for one of each other type.
    pub(super) async fn open(
        target: &Target,
        credentials: Arc<Credentials>,
        mut up: Option<Up>,
    ) -> Result<Connection, SourceError> {
        loop {
            let unpinned = credentials.types_unpinned();
            let opened = Connection::open_once(target, &credentials, &mut up).await;
            // Whatever else failed, a refused login above all, is not to be made again: others connect meanwhile.
            let is_of_key = opened.as_ref().is_err_and(|error| error.code == "host_key");
            if !is_of_key || credentials.types_unpinned() <= unpinned {
                return opened;
            }
        }
    }

    /// Opens one, and waits until the server speaks SFTP over it: one that bears no more sessions may well say so in other words,
    /// which is no reason to do without those there are.
    pub(super) async fn open_heard(
        target: &Target,
        credentials: Arc<Credentials>,
    ) -> Result<Connection, SourceError> {
        let (speaks, heard) = oneshot::channel();
        let up: Up = Box::new(move || speaks.send(()).unwrap_or_default());
        let connection = Connection::open(target, credentials, Some(up)).await?;
        // It is dropped without a word when the session is lost.
        let lost = heard.await.err().and_then(|_| connection.session.lost());
        lost.map_or(Ok(connection), |lost| Err(lost.error(&target.name)))
    }

    async fn open_once(
        target: &Target,
        credentials: &Credentials,
        up: &mut Option<Up>,
    ) -> Result<Connection, SourceError> {
        let (stream, way) = route::reach(target, &credentials.hops).await?;
        let opened = start(stream, &way, target, credentials, up);
        let (session, link, round_trip) = target.patiently(opened).await?;
        Ok(Connection { session, round_trip, link, way })
    }

    /// Tells the server that this is the end, and then those on the way, the nearest last.
    pub(super) async fn close(&self) {
        self.link.close().await;
        for link in self.way.iter().rev() {
            link.close().await;
        }
    }
}

async fn start(
    stream: Stream,
    way: &[Link],
    target: &Target,
    credentials: &Credentials,
    up: &mut Option<Up>,
) -> Result<(Session, Link, Duration), SourceError> {
    let link = Link::open(stream, target, credentials).await?;
    let ended = ended(way, &link, credentials);
    let lost = |lost: Lost| match (&lost, ended()) {
        (Lost::Link(_), Some(why)) => Lost::Link(why.into()).error(&target.name),
        _ => lost.error(&target.name),
    };
    let start = Instant::now();
    let channel = link.channel().await;
    let channel = channel.map_err(|error| lost(Lost::Link(format!("{error}").into())))?;
    let (patience, up, ended) = (target.patience(), up.take(), ended.clone());
    let round_trip = start.elapsed();
    let session = Session::start(channel, Opening { window: WINDOW, patience, up, ended }).await;
    session.map_err(lost).map(|session| (session, link, round_trip))
}

/// Tells why a link of a connection ended, and where: the nearest of them takes the others with it.
fn ended(way: &[Link], link: &Link, credentials: &Credentials) -> Ended {
    let hops = way.iter().zip(&credentials.hops);
    let hops: Vec<_> = hops.map(|(link, hop)| (link.end().clone(), hop.target.address())).collect();
    let own = link.end().clone();
    Arc::new(move || {
        let at_hop = |(end, hop): &(End, String)| Some(format!("at jump host {hop}: {}", end.why()?));
        hops.iter().find_map(at_hop).or_else(|| own.why())
    })
}
