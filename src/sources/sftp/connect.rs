//! One connection: TCP, key exchange with the host's key checked, login, one SFTP channel. Not here: how many there are,
//! and what happens when one is lost (`pool`).

use super::auth::{self, Method};
use super::error::Lost;
use super::known_hosts::{KnownHosts, Verdict, described, fingerprint};
use super::session::{Opening, Session, Up};
use crate::gather::{Advice, Attributes};
use crate::sources::{Asking, SourceError};
use russh::client::{self, Config, DisconnectReason, Handle};
use russh::keys::PublicKey;
use russh::keys::PublicKeyOrCertificate;
use russh::{Disconnect, Limits, Preferred, cipher, kex};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The window of a connection: what may be on its way from the server, 160 MB/s at a round trip of 100 ms. It is what is asked
/// for that fills it, and that is bounded for all connections together; a window by the time that connecting took would
/// be too small behind whatever answers in the server's place.
const WINDOW: u32 = 16 << 20;
/// The largest SSH packet that is asked for: servers refuse more.
const PACKET: u32 = 32 * 1024;
/// What is read from the socket at once.
const READ_BUFFER: usize = 256 * 1024;
/// How many keepalives in a row may go unanswered.
const KEEPALIVES: usize = 3;
/// Key exchange, login and the start of SFTP may take this many times what connecting may: passwords are checked slowly.
const LOGIN_PATIENCE: u32 = 3;

/// Where a person may be asked for a password or whether a key is right: servers wait two minutes for a login.
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
}

impl Target {
    /// Says where it is, and what is done there. OpenTelemetry has no names for SFTP beyond those of servers and files.
    pub(super) fn tell(&self, said: &mut Attributes, operation: &'static str) {
        said.set("fanout.sftp.operation", operation);
        said.set("server.address", self.host.as_str());
        said.set("server.port", self.port);
    }
}

/// What is needed to trust the server and to be trusted: read once, from files and secrets.
pub(super) struct Credentials {
    /// Who logs in.
    pub(super) user: String,
    /// How to log in, in order.
    pub(super) methods: Vec<Method>,
    /// What known_hosts files say of the host.
    pub(super) known: KnownHosts,
    /// Fingerprints of which the host's key must have one; then the files don't matter.
    pub(super) pins: Vec<String>,
    /// The file to which a newly accepted key belongs, for the hint.
    pub(super) file: PathBuf,
    /// Who can be asked.
    pub(super) asking: Option<Asking>,
    /// Whether nobody is asked about an unknown key.
    pub(super) is_strict: bool,
    /// The key that was said to be.
    pub(super) accepted: OnceLock<PublicKey>,
}

impl Credentials {
    /// How long a login may take.
    fn patience(&self, target: &Target) -> Duration {
        let patience = target.connect_timeout * LOGIN_PATIENCE;
        let is_asked = self.asking.as_ref().is_some_and(Asking::is_heard);
        if is_asked { patience.max(ASKING_PATIENCE) } else { patience }
    }

    /// Asks a person about a key that nobody knows.
    async fn agree(&self, target: &Target, key: &PublicKey) -> bool {
        if let Some(accepted) = self.accepted.get() {
            return accepted == key;
        }
        let Some(asking) = self.asking.as_ref().filter(|_| !self.is_strict) else { return false };
        let question = format!("{}: unknown host key {}: is it the right one?", target.name, described(key));
        asking.agrees(question).await && *self.accepted.get_or_init(|| key.clone()) == *key
    }
}

/// A connection that is logged in, with its session.
pub(super) struct Connection {
    /// SFTP over it.
    pub(super) session: Session,
    /// Keeps the connection open.
    handle: Handle<Guard>,
}

impl Connection {
    /// Connects and logs in. That there is SFTP is told later, by a call of `up` or by the first answer.
    pub(super) async fn open(
        target: &Target,
        credentials: Arc<Credentials>,
        up: Option<Up>,
    ) -> Result<Connection, SourceError> {
        let stream = dial(target).await?;
        let patience = credentials.patience(target);
        let opening = Opening { window: WINDOW, patience, up };
        let opened = timeout(patience, Connection::over(stream, opening, target, credentials)).await;
        opened.unwrap_or_else(|_| {
            let message = format!("{}: no login within {patience:?}", target.name);
            Err(SourceError::new("connect", message).advice(Advice::SOURCE_AGAIN))
        })
    }

    /// Tells the server that this is the end.
    pub(super) async fn close(&self) {
        // If it can't be told, it is the end all the same.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }

    async fn over(
        stream: TcpStream,
        opening: Opening,
        target: &Target,
        credentials: Arc<Credentials>,
    ) -> Result<Connection, SourceError> {
        let config = Arc::new(config(target, &credentials.known));
        let guard = Guard {
            target: target.clone(),
            credentials: credentials.clone(),
            verdict: Arc::default(),
            gone: Arc::default(),
        };
        let (verdict, gone) = (guard.verdict.clone(), guard.gone.clone());
        let stream = BufReader::with_capacity(READ_BUFFER, stream);
        let mut handle = client::connect_stream(config, stream, guard).await.map_err(|error| {
            let refused = verdict.get().map(|(verdict, key)| distrust(target, &credentials, verdict, key));
            refused.unwrap_or_else(|| handshake(target, &error))
        })?;
        auth::login(&mut handle, &target.name, &credentials.user, &credentials.methods).await?;
        let lost = |lost: Lost| match (&lost, gone.get()) {
            (Lost::Link(_), Some(why)) => Lost::Link(why.as_str().into()).error(&target.name),
            _ => lost.error(&target.name),
        };
        let channel = handle.channel_open_session().await;
        let channel = channel.map_err(|error| lost(Lost::Link(format!("{error}").into())))?;
        let session = Session::start(channel, opening).await.map_err(lost)?;
        Ok(Connection { session, handle })
    }
}

/// Connects to the first of the host's addresses that answers.
async fn dial(target: &Target) -> Result<TcpStream, SourceError> {
    let fail = |code, why: String| {
        SourceError::new(code, format!("{}: {why}", target.name)).advice(Advice::SOURCE_AGAIN)
    };
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    let addresses = match timeout(target.connect_timeout, lookup).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(fail("dns", format!("can't look up {}: {error}", target.host))),
        Err(_) => return Err(fail("dns", format!("no answer about {} in time", target.host))),
    };
    let mut last = fail("dns", format!("{} has no address", target.host));
    for address in addresses {
        match dial_one(address, target.connect_timeout).await {
            Ok(dialed) => return Ok(dialed),
            Err(why) => last = fail("connect", format!("can't connect to {address}: {why}")),
        }
    }
    Err(last)
}

async fn dial_one(address: SocketAddr, patience: Duration) -> Result<TcpStream, String> {
    let stream = timeout(patience, TcpStream::connect(address)).await;
    let stream =
        stream.map_err(|_| format!("no answer within {patience:?}"))?.map_err(|error| error.to_string())?;
    // Without it small requests wait for the acknowledgement of the ones before.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

fn config(target: &Target, known: &KnownHosts) -> Config {
    Config {
        limits: Limits { rekey_read_limit: target.rekey, ..Limits::default() },
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        // One message a packet: room for a whole window in packets a quarter of the largest.
        channel_buffer_size: (WINDOW / (PACKET / 4)) as usize,
        preferred: preferred(known),
        keepalive_interval: Some(target.keepalive),
        keepalive_max: KEEPALIVES,
        nodelay: true,
        ..Config::default()
    }
}

/// AES-GCM first where the CPU computes it; key exchanges for servers that allow only the NIST curves last; no
/// compression, which costs more than it saves on all but the slowest links.
fn preferred(known: &KnownHosts) -> Preferred {
    let default = Preferred::default();
    let ctr = [cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];
    let aead = match computes_aes() {
        true => [cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305],
        false => [cipher::CHACHA20_POLY1305, cipher::AES_128_GCM, cipher::AES_256_GCM],
    };
    let nist = [kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521];
    Preferred {
        kex: default.kex.iter().copied().chain(nist).collect(),
        key: Cow::Owned(known.order(&default.key)),
        cipher: aead.into_iter().chain(ctr).collect(),
        compression: Cow::Borrowed(&[russh::compression::NONE]),
        ..default
    }
}

#[cfg(target_arch = "x86_64")]
fn computes_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn computes_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn computes_aes() -> bool {
    false
}

/// Looks at the server's key before anything secret is sent.
struct Guard {
    target: Target,
    credentials: Arc<Credentials>,
    /// Why the key was refused, if it was.
    verdict: Arc<OnceLock<(Verdict, PublicKey)>>,
    /// The server's own words when it ended the connection.
    gone: Arc<OnceLock<String>>,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        // Certificates are not asked for, so none is shown.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let pins = &self.credentials.pins;
        let verdict = match pins.first() {
            None => self.credentials.known.judge(key),
            Some(_) if pins.contains(&fingerprint(key)) => Verdict::Known,
            Some(_) => Verdict::Unknown,
        };
        let trusted = match verdict {
            Verdict::Known => true,
            Verdict::Unknown if pins.is_empty() => self.credentials.agree(&self.target, key).await,
            _ => false,
        };
        if !trusted {
            let _ = self.verdict.set((verdict, key.clone()));
        }
        Ok(trusted)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                let _ = self.gone.set(format!("the server hung up: {:?}", said.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                let _ = self.gone.set(error.to_string());
                Err(error)
            }
        }
    }
}

/// The error of a host that is not trusted, with the exact way to trust it.
fn distrust(target: &Target, credentials: &Credentials, verdict: &Verdict, key: &PublicKey) -> SourceError {
    let (name, shown) = (&target.name, described(key));
    let (message, hint) = match verdict {
        Verdict::Revoked(place) => (format!("{name}: host key {shown} is revoked at {place}"), None),
        Verdict::Changed(old, place) => (
            format!("{name}: the host key changed: the server shows {shown}, {place} has {old}"),
            Some(format!(
                "if the change is genuine, remove {place}, then: {}",
                accept(target, credentials, key)
            )),
        ),
        _ if !credentials.pins.is_empty() => {
            let pins = credentials.pins.join(", ");
            let hint = format!("if it is the right one: host_key = \"{}\"", fingerprint(key));
            (format!("{name}: host key {shown} is not {pins}"), Some(hint))
        }
        _ => (
            format!("{name}: unknown host key {shown}"),
            Some(format!("if it is the right one: {}", accept(target, credentials, key))),
        ),
    };
    let error = SourceError::new("host_key", message).advice(Advice::SOURCE_NEVER);
    hint.into_iter().fold(error, SourceError::hint)
}

/// What to do to trust a key: the line to add, or the setting.
fn accept(target: &Target, credentials: &Credentials, key: &PublicKey) -> String {
    let host = match target.port {
        22 => target.host.clone(),
        port => format!("[{}]:{port}", target.host),
    };
    let line = key.to_openssh().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let file = credentials.file.display();
    match line {
        Ok(line) => {
            format!("echo '{host} {line}' >> {file}, or host_key = \"{}\" in the plan", fingerprint(key))
        }
        Err(_) => format!("host_key = \"{}\" in the plan", fingerprint(key)),
    }
}

/// The error of a key exchange that failed for another reason than the host's key.
fn handshake(target: &Target, error: &russh::Error) -> SourceError {
    let advice = match error {
        russh::Error::NoCommonAlgo { .. } => Advice::SOURCE_NEVER,
        _ => Advice::SOURCE_AGAIN,
    };
    let why = match error {
        russh::Error::Disconnect => "the server hung up".to_owned(),
        error => error.to_string(),
    };
    SourceError::new("connect", format!("{}: no SSH connection: {why}", target.name)).advice(advice)
}
