//! The demo's SFTP server: SSH by russh, one user with one key, and one subsystem.
//!
//! russh-sftp's own server loop answers one packet before it reads the next, so that one slow file would hold up all
//! others of the channel. This one uses its packets with a loop that keeps reading: what a request means is decided in
//! order of arrival, and only the sending of the answer is put off, as the protocol allows.

use super::keys::{Keys, USER};
use super::tree::{self, File, Node, Tree};
use super::visits::{Open, Visits};
use bytes::Bytes;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use russh_sftp::protocol::{self, Attrs, Data, FileAttributes, Handle, Name, Packet, StatusCode, Version};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The longest packet that is read.
const MAX_PACKET: u32 = 256 * 1024;
/// The most bytes that one `read` is answered with.
const MAX_READ: usize = 128 * 1024;
/// How many names one `readdir` is answered with.
const NAMES_A_PAGE: usize = 100;
/// How many handles a channel may have open.
const MAX_HANDLES: usize = 4096;
/// How many answers of a channel may be waiting for their time, and how many for the wire.
const MAX_WAITING: usize = 4096;
/// When all files were last changed: 2026-11-01T00:00:00Z.
const MTIME: u32 = 1_793_491_200;

/// Accepts connections until it is dropped.
pub(super) async fn serve(listener: TcpListener, keys: Arc<Keys>, visits: Visits) {
    let config = Arc::new(config(&keys));
    let tree = Arc::new(Tree::outbox());
    loop {
        // A failed accept is the client's loss (or too many open files: the pause lets some be closed).
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let connection =
            Connection { keys: keys.clone(), tree: tree.clone(), visits: visits.clone(), channel: None };
        tokio::spawn(connect(config.clone(), stream, connection));
    }
}

fn config(keys: &Keys) -> server::Config {
    server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![keys.host.clone()],
        channel_buffer_size: MAX_WAITING,
        nodelay: true,
        ..server::Config::default()
    }
}

/// One connection, from handshake to end. Its errors are the client's to tell.
async fn connect(config: Arc<server::Config>, stream: TcpStream, connection: Connection) {
    let _ = stream.set_nodelay(config.nodelay);
    if let Ok(session) = server::run_stream(config, stream, connection).await {
        let _ = session.await;
    }
}

/// What russh asks about one connection.
struct Connection {
    keys: Arc<Keys>,
    tree: Arc<Tree>,
    visits: Visits,
    /// Open, but nothing asked of it yet.
    channel: Option<Channel<Msg>>,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let known = user == USER && key.public_key.key_data() == self.keys.user.key_data();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.channel.take_if(|channel| channel.id() == id && name == "sftp") {
            Some(channel) => {
                tokio::spawn(answer_all(
                    channel.into_stream(),
                    Files::new(self.tree.clone(), self.visits.clone()),
                ));
                session.channel_success(id)
            }
            None => session.channel_failure(id),
        }
    }

    async fn channel_eof(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.close(id)
    }
}

/// Answers the requests of one channel until its end. Answers without a delay keep the order of their requests.
async fn answer_all(stream: impl AsyncRead + AsyncWrite + Send + 'static, mut files: Files) {
    let (mut requests, wire) = tokio::io::split(stream);
    let (answers, queue) = mpsc::channel(MAX_WAITING);
    let mut waiting = JoinSet::new();
    waiting.spawn(send_all(wire, queue));
    while let Ok(request) = next_request(&mut requests).await {
        let Answer { packet, delay } = files.answer(request);
        if delay.is_zero() {
            let _ = answers.send(packet).await;
        } else {
            let answers = answers.clone();
            waiting.spawn(async move {
                sleep(delay).await;
                let _ = answers.send(packet).await;
            });
        }
        while waiting.try_join_next().is_some() {}
        if waiting.len() > MAX_WAITING {
            waiting.join_next().await;
        }
    }
}

/// Reads one packet. An error ends the channel: what follows a broken packet can't be told apart.
async fn next_request(requests: &mut (impl AsyncRead + Unpin)) -> io::Result<Packet> {
    let length = requests.read_u32().await?;
    if length > MAX_PACKET {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length as usize];
    requests.read_exact(&mut bytes).await?;
    Packet::try_from(&mut Bytes::from(bytes)).map_err(io::Error::other)
}

/// Sends the answers as they come.
async fn send_all(mut wire: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Packet>) {
    while let Some(packet) = queue.recv().await {
        let Ok(bytes) = Bytes::try_from(packet) else { return };
        if wire.write_all(&bytes).await.is_err() || wire.flush().await.is_err() {
            return;
        }
    }
}

/// What a request gets, and when.
struct Answer {
    packet: Packet,
    delay: Duration,
}

/// Behind a handle.
enum Opened {
    /// A file. The visit lasts until its `close`.
    File(File, #[expect(dead_code, reason = "held for its end")] Open),
    /// The names of a folder that were not yet asked for.
    Folder(std::vec::IntoIter<protocol::File>),
}

/// The files as one channel sees them: the tree, and what it has open.
struct Files {
    tree: Arc<Tree>,
    visits: Visits,
    opened: HashMap<String, Opened>,
    next_handle: u64,
}

impl Files {
    fn new(tree: Arc<Tree>, visits: Visits) -> Files {
        Files { tree, visits, opened: HashMap::new(), next_handle: 0 }
    }

    /// Decides what a request gets. A refusal is a status.
    fn answer(&mut self, request: Packet) -> Answer {
        let id = request.get_request_id();
        let mut delay = Duration::ZERO;
        let answer = match request {
            Packet::Init(_) => Ok(Version::new().into()),
            Packet::Open(open) => self.open(id, &open.filename, &mut delay),
            Packet::Read(read) => self.read(id, &read),
            Packet::Close(close) => {
                self.opened.remove(&close.handle).map(|_| done(id)).ok_or(StatusCode::Failure)
            }
            Packet::Stat(stat) => self.stat(id, &stat.path),
            Packet::Lstat(stat) => self.stat(id, &stat.path),
            Packet::Fstat(stat) => self.stat_opened(id, &stat.handle),
            Packet::OpenDir(open) => self.open_folder(id, &open.path),
            Packet::ReadDir(read) => self.read_folder(id, &read.handle),
            Packet::RealPath(path) => {
                let file = protocol::File::dummy(tree::absolute(&path.path));
                Ok(Name { id, files: vec![file] }.into())
            }
            Packet::Extended(_) => Err(StatusCode::OpUnsupported),
            _ => Err(StatusCode::PermissionDenied),
        };
        Answer { packet: answer.unwrap_or_else(|code| Packet::error(id, code)), delay }
    }

    fn open(&mut self, id: u32, path: &str, delay: &mut Duration) -> Result<Packet, StatusCode> {
        let path = tree::absolute(path);
        let visit = self.visits.arrive("sftp", &path);
        match self.tree.find(&path).ok_or(StatusCode::NoSuchFile)? {
            Node::File(file) => {
                *delay = file.delay;
                self.keep(id, Opened::File(file, visit))
            }
            Node::Folder => Err(StatusCode::Failure),
        }
    }

    fn open_folder(&mut self, id: u32, path: &str) -> Result<Packet, StatusCode> {
        let entries = self.tree.list(&tree::absolute(path)).ok_or(StatusCode::NoSuchFile)?;
        let names: Vec<_> =
            entries.into_iter().map(|(name, node)| protocol::File::new(name, attributes(&node))).collect();
        self.keep(id, Opened::Folder(names.into_iter()))
    }

    fn keep(&mut self, id: u32, opened: Opened) -> Result<Packet, StatusCode> {
        if self.opened.len() >= MAX_HANDLES {
            return Err(StatusCode::Failure);
        }
        self.next_handle += 1;
        let handle = self.next_handle.to_string();
        self.opened.insert(handle.clone(), opened);
        Ok(Handle { id, handle }.into())
    }

    fn read(&self, id: u32, read: &protocol::Read) -> Result<Packet, StatusCode> {
        let Some(Opened::File(file, _)) = self.opened.get(&read.handle) else {
            return Err(StatusCode::Failure);
        };
        let start = usize::try_from(read.offset).unwrap_or(usize::MAX);
        let rest = file.content.get(start..).filter(|rest| !rest.is_empty()).ok_or(StatusCode::Eof)?;
        let length = rest.len().min(read.len as usize).min(MAX_READ);
        Ok(Data { id, data: rest[..length].to_vec() }.into())
    }

    fn read_folder(&mut self, id: u32, handle: &str) -> Result<Packet, StatusCode> {
        let Some(Opened::Folder(names)) = self.opened.get_mut(handle) else {
            return Err(StatusCode::Failure);
        };
        let files: Vec<_> = names.take(NAMES_A_PAGE).collect();
        if files.is_empty() { Err(StatusCode::Eof) } else { Ok(Name { id, files }.into()) }
    }

    fn stat(&self, id: u32, path: &str) -> Result<Packet, StatusCode> {
        let node = self.tree.find(&tree::absolute(path)).ok_or(StatusCode::NoSuchFile)?;
        Ok(Attrs { id, attrs: attributes(&node) }.into())
    }

    fn stat_opened(&self, id: u32, handle: &str) -> Result<Packet, StatusCode> {
        let node = match self.opened.get(handle).ok_or(StatusCode::Failure)? {
            Opened::File(file, _) => Node::File(file.clone()),
            Opened::Folder(_) => Node::Folder,
        };
        Ok(Attrs { id, attrs: attributes(&node) }.into())
    }
}

fn done(id: u32) -> Packet {
    Packet::error(id, StatusCode::Ok)
}

fn attributes(node: &Node) -> FileAttributes {
    let (size, permissions) = match node {
        Node::File(file) => (file.content.len() as u64, 0o100_444),
        Node::Folder => (0, 0o040_555),
    };
    FileAttributes {
        size: Some(size),
        permissions: Some(permissions),
        atime: Some(MTIME),
        mtime: Some(MTIME),
        ..FileAttributes::empty()
    }
}
