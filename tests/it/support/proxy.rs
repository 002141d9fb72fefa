//! A TCP proxy that breaks things on purpose, in this process, changed while connections run. Latency is a delay line:
//! what comes in leaves that much later, however much is on the way, so throughput suffers only from windows that are
//! too small, as on a real long line. Not here: what a broken line should lead to.

use super::runtime;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;
/// The most bytes on the way in one direction: 1 Gbit/s for half a second. Past it the sender is held up.
const ON_THE_WAY: usize = 64 * 1024 * 1024;
/// The most chunks on the way; small chunks count as much as this allows.
const CHUNKS_ON_THE_WAY: usize = 64 * 1024;
/// Into how many writes a second a limited bandwidth is cut, so that bytes trickle and do not come in gulps.
const PIECES_A_SECOND: u64 = 100;
/// How far a limited line may catch up, because timers fire late.
const BURST: Duration = Duration::from_millis(20);
/// How long a port that was free a moment ago may need to be free again.
const REBIND: Duration = Duration::from_millis(10);

/// What is wrong with the line. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Faults {
    /// How much later each byte arrives, in each direction: half of what is added to a round trip.
    pub(crate) latency: Duration,
    /// Bytes a second, in each direction of each connection.
    pub(crate) bandwidth: Option<u64>,
    /// The most bytes of one write: 1 hands everything on byte by byte.
    pub(crate) slice: Option<usize>,
    /// What happens to a connection that has brought this many bytes from the server, at the next byte.
    pub(crate) after: Option<(u64, Break)>,
    /// Whether nothing moves now; the connections stay open, and go on later.
    pub(crate) stalled: bool,
    /// Whether new connections are refused.
    pub(crate) refuse: bool,
}

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// An orderly end, as if the server had finished: FIN.
    Cut,
    /// An end in the middle: RST.
    Reset,
    /// Silence from the server, for ever.
    Stall,
}

/// A running proxy. Dropped, it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    reset: watch::Sender<u64>,
    counts: Arc<Counts>,
    accepting: tokio::task::AbortHandle,
}

/// What went through.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

impl Proxy {
    /// Starts a proxy without faults in front of a server (`host:port`).
    pub(crate) fn start(server: impl Into<String>) -> Proxy {
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        listener.set_nonblocking(true).expect("it is a socket");
        let address = listener.local_addr().expect("it is bound");
        let (faults, reset, counts) =
            (watch::Sender::default(), watch::Sender::default(), Arc::<Counts>::default());
        let line = Line {
            server: server.into(),
            faults: faults.subscribe(),
            reset: reset.subscribe(),
            counts: counts.clone(),
        };
        let accepting = runtime().spawn(accept(listener, address, line)).abort_handle();
        Proxy { address, faults, reset, counts, accepting }
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the faults, for the connections that are open too.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Faults)) {
        self.faults.send_modify(change);
    }

    /// Resets every connection that is open.
    pub(crate) fn reset(&self) {
        self.reset.send_modify(|times| *times += 1);
    }

    /// How many connections it accepted.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// How many bytes it handed on to the server and to the client.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.counts.to_server.load(Ordering::Relaxed), self.counts.to_client.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What every connection knows.
#[derive(Clone)]
struct Line {
    server: String,
    faults: watch::Receiver<Faults>,
    reset: watch::Receiver<u64>,
    counts: Arc<Counts>,
}

/// Accepts until aborted; while connections are refused, there is no listener.
async fn accept(first: std::net::TcpListener, address: SocketAddr, line: Line) {
    let mut listener = TcpListener::from_std(first).ok();
    let mut faults = line.faults.clone();
    let mut open = JoinSet::new();
    loop {
        let refuse = faults.borrow_and_update().refuse;
        match &listener {
            Some(_) if refuse => listener = None,
            None if !refuse => listener = Some(rebind(address).await),
            None => drop(faults.changed().await),
            Some(accepting) => tokio::select! {
                Ok((client, _)) = accepting.accept() => {
                    line.counts.connections.fetch_add(1, Ordering::Relaxed);
                    open.spawn(connection(client, line.clone()));
                }
                Ok(()) = faults.changed() => {}
                Some(_) = open.join_next() => {}
            },
        }
    }
}

async fn rebind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => sleep(REBIND).await,
        }
    }
}

/// Carries one connection until both directions ended or it broke.
async fn connection(mut client: TcpStream, mut line: Line) {
    line.reset.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(&line.server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    match carry(&mut client, &mut server, &line).await {
        Ok(()) => {}
        Err(Break::Reset) => drop((client.set_zero_linger(), server.set_zero_linger())),
        Err(Break::Cut | Break::Stall) => {
            drop(server);
            let _ = client.shutdown().await;
            // Closed with bytes unread it would be a reset after all.
            let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        }
    }
}

async fn carry(client: &mut TcpStream, server: &mut TcpStream, line: &Line) -> Result<(), Break> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut reset = line.reset.clone();
    let both = async {
        let up = pipe(from_client, to_server, line, &line.counts.to_server, false);
        let down = pipe(from_server, to_client, line, &line.counts.to_client, true);
        tokio::try_join!(up, down).map(drop)
    };
    tokio::select! {
        ended = both => ended,
        Ok(()) = reset.changed() => Err(Break::Reset),
    }
}

/// Bytes on their way through the delay line; no bytes are the end of the stream.
struct Chunk {
    bytes: Vec<u8>,
    due: Instant,
    _room: Option<OwnedSemaphorePermit>,
}

async fn pipe(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    line: &Line,
    count: &AtomicU64,
    breaks: bool,
) -> Result<(), Break> {
    let (queue, chunks) = mpsc::channel(CHUNKS_ON_THE_WAY);
    let writer = Writer { to, faults: line.faults.clone(), count, breaks, sent: 0, free: Instant::now() };
    tokio::try_join!(read(from, queue, &line.faults), writer.write(chunks)).map(drop)
}

async fn read(
    mut from: ReadHalf<'_>,
    queue: mpsc::Sender<Chunk>,
    faults: &watch::Receiver<Faults>,
) -> Result<(), Break> {
    let room = Arc::new(Semaphore::new(ON_THE_WAY));
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await.map_err(|_| Break::Reset)?;
        let due = Instant::now() + faults.borrow().latency;
        let held = u32::try_from(count).expect("at most a chunk");
        let room = room.clone().acquire_many_owned(held).await.ok();
        let sent = queue.send(Chunk { bytes: buffer[..count].to_vec(), due, _room: room }).await;
        if count == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

/// The end of the delay line.
struct Writer<'a> {
    to: WriteHalf<'a>,
    faults: watch::Receiver<Faults>,
    count: &'a AtomicU64,
    /// Whether `Faults::after` is for this direction.
    breaks: bool,
    sent: u64,
    /// When the line has room for the next byte.
    free: Instant,
}

impl Writer<'_> {
    async fn write(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), Break> {
        while let Some(chunk) = chunks.recv().await {
            sleep_until(chunk.due).await;
            let mut rest = chunk.bytes.as_slice();
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(self.size(rest.len()));
                self.pass(piece).await?;
                rest = later;
            }
        }
        let _ = self.faults.wait_for(|faults| !faults.stalled).await;
        self.to.shutdown().await.map_err(|_| Break::Reset)
    }

    /// How many of so many bytes go in the next write.
    fn size(&self, bytes: usize) -> usize {
        let faults = self.faults.borrow();
        let slice = faults.slice.unwrap_or(usize::MAX);
        let paced = faults.bandwidth.map_or(u64::MAX, |bandwidth| bandwidth / PIECES_A_SECOND);
        let left = match faults.after {
            Some((after, _)) if self.breaks && after > self.sent => after - self.sent,
            _ => u64::MAX,
        };
        bytes.min(slice).min(usize::try_from(paced.min(left)).unwrap_or(usize::MAX)).max(1)
    }

    async fn pass(&mut self, piece: &[u8]) -> Result<(), Break> {
        // A proxy that is dropped has no more changes to wait for; its connections are about to be aborted.
        let _ = self.faults.wait_for(|faults| !faults.stalled).await;
        let (bandwidth, after) = {
            let faults = self.faults.borrow();
            (faults.bandwidth, faults.after)
        };
        match after {
            Some((after, Break::Stall)) if self.breaks && self.sent >= after => std::future::pending().await,
            Some((after, how)) if self.breaks && self.sent >= after => return Err(how),
            _ => {}
        }
        if let Some(bandwidth) = bandwidth {
            let begin = self.free.max(Instant::now() - BURST);
            self.free = begin + Duration::from_secs_f64(piece.len() as f64 / bandwidth as f64);
            sleep_until(self.free).await;
        }
        self.to.write_all(piece).await.map_err(|_| Break::Reset)?;
        self.sent += piece.len() as u64;
        self.count.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
