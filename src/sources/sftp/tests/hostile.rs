//! A server made of russh's server side whose SFTP answers are whatever bytes a test says. Bytes that are no SFTP end the
//! connection for who reads them, after all that was answered before.

use super::*;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session};
use russh::{Channel, ChannelId};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// A request as it arrived: its type, its id, and what follows.
pub(super) struct Asked {
    pub(super) kind: u8,
    pub(super) id: u32,
    pub(super) body: Vec<u8>,
    /// Over which connection, from 0.
    pub(super) connection: usize,
}

/// What to answer: any bytes, perhaps none yet.
type Behavior = Arc<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

/// A running server. Ends with the test.
pub(super) struct Hostile {
    pub(super) port: u16,
    pub(super) fingerprint: String,
    /// How many connections it saw, and how many tries to log in.
    pub(super) seen: Arc<[AtomicUsize; 2]>,
    task: JoinHandle<()>,
}

impl Hostile {
    /// Serves any number of connections; `behave` answers everything, INIT too.
    pub(super) async fn start(behave: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Hostile {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let rejection = Duration::ZERO;
        let config = Arc::new(Config {
            keys: vec![key],
            auth_rejection_time: rejection,
            auth_rejection_time_initial: Some(rejection),
            ..Config::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<[AtomicUsize; 2]> = Arc::default();
        let (behave, counts): (Behavior, _) = (Arc::new(behave), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counts[0].fetch_add(1, SeqCst);
                let visitor = Visitor {
                    behave: behave.clone(),
                    channel: Mutex::default(),
                    number,
                    seen: counts.clone(),
                };
                let session = russh::server::run_stream(config.clone(), stream, visitor).await;
                tokio::spawn(async move { session.unwrap().await });
            }
        });
        Hostile { port, fingerprint, seen, task }
    }

    /// A pool that logs in with the right password.
    pub(super) fn pool(&self) -> Arc<Pool> {
        self.reach("right").pool()
    }

    /// A pool whose two connections are there.
    pub(super) async fn pool_of_two(&self) -> Arc<Pool> {
        let pool = Reach { connections: 2, ..self.reach("right") }.pool();
        let lease = pool.lease(&Context::detached()).await.unwrap();
        let place = lease.others().next().unwrap();
        assert!(lease.another(place).await.is_some());
        pool
    }

    pub(super) fn reach(&self, password: &str) -> Reach {
        reach(self.port, &self.fingerprint, password)
    }
}

/// How to reach a server with this key.
pub(super) fn reach(port: u16, fingerprint: &str, password: &str) -> Reach {
    Reach {
        host: "127.0.0.1",
        port,
        user: "somebody".to_owned(),
        methods: vec![Method::Password(Secret::new(password))],
        known: KnownHosts::default(),
        pins: vec![fingerprint.to_owned()],
        asking: None,
        accept_new: None,
        hops: Vec::new(),
        connections: 1,
        bandwidth: None,
        rekey: 1 << 30,
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Visitor {
    behave: Behavior,
    channel: Mutex<Option<Channel<Msg>>>,
    number: usize,
    seen: Arc<[AtomicUsize; 2]>,
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.seen[1].fetch_add(1, SeqCst);
        Ok(if password == "right" { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        *self.channel.lock().unwrap() = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        let channel = self.channel.lock().unwrap().take().unwrap();
        tokio::spawn(serve(channel, self.number, self.behave.clone()));
        Ok(())
    }
}

/// Answers one request after the other. They are taken off the channel without waiting for the answers: russh hands a
/// connection's packets on in order, so that the end of a full window would not arrive behind requests that nobody takes.
async fn serve(channel: Channel<Msg>, connection: usize, behave: Behavior) -> std::io::Result<()> {
    let (mut requests, mut wire) = tokio::io::split(channel.into_stream());
    let (taken, mut queue) = tokio::sync::mpsc::unbounded_channel();
    let take = async move {
        while let Ok(asked) = next(&mut requests, connection).await {
            let _ = taken.send(asked);
        }
        Ok(())
    };
    let answer = async move {
        while let Some(asked) = queue.recv().await {
            let answer = behave(&asked);
            if answer == LAST_WORDS {
                wire.shutdown().await?;
            } else if !answer.is_empty() {
                wire.write_all(&answer).await?;
            }
        }
        Ok(())
    };
    tokio::try_join!(take, answer).map(drop)
}

async fn next(requests: &mut (impl AsyncRead + Unpin), connection: usize) -> std::io::Result<Asked> {
    let len = requests.read_u32().await? as usize;
    let mut packet = vec![0; len];
    requests.read_exact(&mut packet).await?;
    let id = u32::from_be_bytes(packet[1..5].try_into().unwrap());
    Ok(Asked { kind: packet[0], id, body: packet[5..].to_vec(), connection })
}

pub(super) const INIT: u8 = 1;
pub(super) const OPEN: u8 = 3;
pub(super) const READ: u8 = 5;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const REALPATH: u8 = 16;
pub(super) const STAT: u8 = 17;
pub(super) const EXTENDED: u8 = 200;

impl Asked {
    /// A READ's offset and length.
    pub(super) fn range(&self) -> (usize, usize) {
        let handle = u32::from_be_bytes(self.body[..4].try_into().unwrap()) as usize;
        let rest = &self.body[4 + handle..];
        let offset = u64::from_be_bytes(rest[..8].try_into().unwrap());
        (offset as usize, u32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize)
    }

    pub(super) fn packet(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 5).to_be_bytes()[..], &[kind], &self.id.to_be_bytes(), body].concat()
    }

    pub(super) fn handle(&self) -> Vec<u8> {
        self.packet(102, &string(&[&[0xff, 0x00][..], &self.id.to_be_bytes()].concat()))
    }

    /// Whether this is the first request with just this body: the first READDIR of a folder, a first READ.
    pub(super) fn is_first(&self, seen: &Mutex<HashSet<Vec<u8>>>) -> bool {
        seen.lock().unwrap().insert(self.body.clone())
    }

    pub(super) fn data(&self, data: &[u8]) -> Vec<u8> {
        self.packet(103, &string(data))
    }

    pub(super) fn status(&self, code: u32) -> Vec<u8> {
        self.packet(101, &[&code.to_be_bytes()[..], &string(b"words"), &string(b"")].concat())
    }

    pub(super) fn attrs(&self, size: u64, mtime: u32) -> Vec<u8> {
        self.packet(105, &file_attrs(size, mtime))
    }

    /// Attributes of a folder.
    pub(super) fn folder(&self) -> Vec<u8> {
        self.packet(105, &[&4u32.to_be_bytes()[..], &0o040_755u32.to_be_bytes()].concat())
    }

    pub(super) fn names(&self, names: &[(&[u8], u32)]) -> Vec<u8> {
        let mut body = (names.len() as u32).to_be_bytes().to_vec();
        for (name, mode) in names {
            body.extend([string(name), string(b"")].concat());
            body.extend([&4u32.to_be_bytes()[..], &mode.to_be_bytes()].concat());
        }
        self.packet(104, &body)
    }

    /// What a good server answers that has one file, `content`, in every folder.
    pub(super) fn good(&self, content: &[u8]) -> Vec<u8> {
        match self.kind {
            INIT => vec![0, 0, 0, 5, 2, 0, 0, 0, 3],
            OPEN | OPENDIR => self.handle(),
            READ => {
                let (offset, len) = self.range();
                match content.get(offset..) {
                    None | Some([]) => self.status(1),
                    Some(rest) => self.data(&rest[..len.min(rest.len())]),
                }
            }
            FSTAT | STAT => self.attrs(content.len() as u64, 1_700_000_000),
            READDIR => self.status(1),
            _ => self.status(0),
        }
    }
}

/// For an answer: says that nothing follows on the channel, which stays open.
pub(super) const LAST_WORDS: &[u8] = b"nothing follows";

/// What is no SFTP: whoever reads it is lost.
pub(super) fn nonsense() -> Vec<u8> {
    vec![0xff; 100]
}

pub(super) fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

fn file_attrs(size: u64, mtime: u32) -> Vec<u8> {
    let fields = [0o100_644u32, mtime, mtime].map(u32::to_be_bytes).concat();
    [&0xdu32.to_be_bytes()[..], &size.to_be_bytes(), &fields].concat()
}
