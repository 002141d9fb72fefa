//! One SSH connection over a stream: key exchange with the server's key examined, login, and its orderly end. Not here:
//! where the stream comes from (`route`), and what is done over the connection (`connect`).

use super::auth;
use super::connect::{Credentials, Target};
use super::trust::Trust;
use crate::expr::shortened;
use crate::gather::Advice;
use crate::sources::SourceError;
use russh::client::{self, Config, DisconnectReason, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Disconnect, Limits, Preferred, cipher, kex};
use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The window of a channel: what may be on its way from the server, 160 MB/s at a round trip of 100 ms. It is what is asked
/// for that fills it, and that is bounded for all connections together; a window by the time that connecting took would
/// be too small behind whatever answers in the server's place.
pub(super) const WINDOW: u32 = 16 << 20;
/// The largest SSH packet that the server may send. RFC 4253 6.1 has all of them bear half of this; OpenSSH's needs a fifth less
/// processor time for a large file with it. russh warns of more.
const PACKET: u32 = 65535;
/// How many keepalives in a row may go unanswered.
const KEEPALIVES: usize = 3;

const HUNG_UP: &str = "the server hung up";
/// The most letters of what a server says when it hangs up.
const LONGEST_WORDS: usize = 200;

/// A connection that is logged in. Dropped, it ends.
pub(super) struct Link {
    handle: Handle<Guard>,
    end: End,
}

/// What is known of a connection's end, also by those who don't have it.
#[derive(Clone)]
pub(super) struct End {
    /// The server's own words when it ended the connection, or what else ended it.
    gone: Arc<OnceLock<String>>,
    /// Nothing is ever sent: it closes when the connection is over, before the channels in it do.
    over: watch::Receiver<()>,
}

impl End {
    /// Why the connection is over, if it is.
    pub(super) fn why(&self) -> Option<String> {
        let is_over = self.over.has_changed().is_err();
        self.gone.get().cloned().or_else(|| is_over.then(|| "the link broke".to_owned()))
    }
}

impl Link {
    /// Exchanges keys, examines the server's, and logs in.
    pub(super) async fn open<S>(
        stream: S,
        target: &Target,
        credentials: &Credentials,
    ) -> Result<Link, SourceError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = Arc::new(config(target, &credentials.trust));
        let (lives, over) = watch::channel(());
        let (trust, refusal, gone) = (credentials.trust.clone(), Arc::default(), Arc::default());
        let guard = Guard { trust, refusal, gone, _lives: lives };
        let (refusal, gone) = (guard.refusal.clone(), guard.gone.clone());
        let mut handle = client::connect_stream(config, stream, guard)
            .await
            .map_err(|error| refusal.get().cloned().unwrap_or_else(|| handshake(target, &error)))?;
        auth::login(&mut handle, &target.name, &credentials.user, &credentials.methods).await?;
        Ok(Link { handle, end: End { gone, over } })
    }

    /// Opens a channel for a subsystem.
    pub(super) async fn channel(&self) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    /// Opens a channel that the server goes on to another host and port with.
    pub(super) async fn forward(&self, host: &str, port: u16) -> Result<Channel<Msg>, russh::Error> {
        // Where it comes from is for the server's log, and nowhere that could be connected to.
        self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await
    }

    /// Where its end is told.
    pub(super) fn end(&self) -> &End {
        &self.end
    }

    /// Tells the server that this is the end, and waits until it is.
    pub(super) async fn close(&self) {
        // If it can't be told, it is the end all the same.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
        let _ = self.end.over.clone().changed().await;
    }
}

fn config(target: &Target, trust: &Trust) -> Config {
    Config {
        limits: Limits { rekey_read_limit: target.rekey, ..Limits::default() },
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        // One message a packet: room for a whole window in packets an eighth of the largest.
        channel_buffer_size: (WINDOW / (PACKET / 8)) as usize,
        preferred: preferred(trust),
        keepalive_interval: Some(target.keepalive),
        keepalive_max: KEEPALIVES,
        nodelay: true,
        ..Config::default()
    }
}

/// AES-GCM first where the CPU computes it; key exchanges for servers that allow only the NIST curves last; no
/// compression, which costs more than it saves on all but the slowest links.
fn preferred(trust: &Trust) -> Preferred {
    let default = Preferred::default();
    let ctr = [cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];
    let aead = match computes_aes() {
        true => [cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305],
        false => [cipher::CHACHA20_POLY1305, cipher::AES_128_GCM, cipher::AES_256_GCM],
    };
    let nist = [kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521];
    let (keys, certificates) = trust.algorithms(&default.key);
    Preferred {
        kex: default.kex.iter().copied().chain(nist).collect(),
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Owned(certificates),
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
    trust: Arc<Trust>,
    /// Why the key was refused, if it was.
    refusal: Arc<OnceLock<SourceError>>,
    /// See [`End`].
    gone: Arc<OnceLock<String>>,
    /// See [`End`]. Goes with the handler of the connection.
    _lives: watch::Sender<()>,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let trusted = self.trust.examine(shown).await;
        // It is asked once a connection.
        trusted.map(|()| true).or_else(|refusal| {
            let _ = self.refusal.set(refusal);
            Ok(false)
        })
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                let words = shortened(&said.message, LONGEST_WORDS);
                let _ = self.gone.set(format!("{HUNG_UP}: {words:?}"));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                let _ = self.gone.set(words(&error));
                Err(error)
            }
        }
    }
}

/// The error of a key exchange that failed for another reason than the host's key.
fn handshake(target: &Target, error: &russh::Error) -> SourceError {
    let advice = match error {
        russh::Error::NoCommonAlgo { .. } => Advice::SOURCE_NEVER,
        _ => Advice::SOURCE_AGAIN,
    };
    let why = words(error);
    SourceError::new("connect", format!("{}: no SSH connection: {why}", target.name)).advice(advice)
}

fn words(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect => HUNG_UP.to_owned(),
        russh::Error::IO(error) if error.kind() == ErrorKind::UnexpectedEof => HUNG_UP.to_owned(),
        error => error.to_string(),
    }
}
