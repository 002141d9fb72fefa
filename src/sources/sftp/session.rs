//! One SFTP session on one SSH channel: requests go out in the order they were asked, replies find who asked by their
//! id, in whatever order they come. Nothing here waits for a disk: the task that reads the channel only hands on. What
//! is in flight is bounded by what the askers hold (bytes, handles), and is given back when the reply is there, even
//! if nobody waits for it any more. Not here: how the channel came to be (`connect`), what is asked (`fetch`, `list`).

use super::codec::{Assembler, INIT_ID, Limits, Reply, Request};
use super::error::{Fault, Lost};
use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;

/// READs where a server doesn't say how much it bears: what every server bears.
const READ_LEN: u32 = 32 * 1024;
/// The largest READ: OpenSSH's own limit, 1 KiB under its largest packet.
const MOST_READ_LEN: u32 = 255 * 1024;
/// Files open at once where a server doesn't say how many it bears.
const HANDLES: usize = 100;
/// Files open at once, however many a server bears.
const MOST_HANDLES: usize = 512;
/// How much of what the far end says besides SFTP is kept for the error.
const MOST_WORDS: usize = 300;

/// What an asker holds while its request is in flight: bytes of budgets, or the slot of a handle.
pub(super) type Held = [Option<OwnedSemaphorePermit>; 2];

/// An SFTP session. Dropped, it is over.
pub(super) struct Session {
    shared: Arc<Shared>,
    pumps: [AbortHandle; 2],
    /// Bytes asked for and not yet written: no more than the channel's window.
    pub(super) bytes: Arc<Semaphore>,
    /// Files open at once.
    pub(super) handles: Arc<Semaphore>,
}

struct Shared {
    state: Mutex<State>,
    outgoing: Notify,
    read_len: AtomicU64,
}

#[derive(Default)]
struct State {
    last_id: u32,
    waiting: HashMap<u32, Waiting>,
    /// Packets that the writing task has not taken yet.
    outgoing: Vec<u8>,
    lost: Option<Lost>,
    /// What the far end said besides SFTP.
    words: Vec<u8>,
}

impl State {
    /// An id that nothing in flight has.
    fn next_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(INIT_ID + 1);
            if !self.waiting.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

struct Waiting {
    asker: oneshot::Sender<(Reply, Held)>,
    held: Held,
}

impl Session {
    /// Starts SFTP on a fresh channel: the subsystem is asked for and INIT sent in one flight. `window` is the
    /// channel's.
    pub(super) async fn start(channel: Channel<Msg>, window: u32) -> Result<Session, Lost> {
        let gone = |error| Lost::Link(format!("{error}").into());
        channel.request_subsystem(true, "sftp").await.map_err(gone)?;
        let session = Session::on(channel, window);
        match session.ask(Request::Init, Held::default()).await {
            Ok((Reply::Version { version: 3.., limits }, _)) => {
                if limits {
                    session.learn_limits();
                }
                Ok(session)
            }
            Ok((Reply::Version { version, .. }, _)) => {
                Err(Lost::NoSftp(format!("the server speaks only version {version}").into()))
            }
            Ok(_) => Err(Lost::NoSftp("the server's first packet is not its version".into())),
            Err(Fault::Lost(Lost::Link(why))) if why.starts_with("the server sent text") => {
                Err(Lost::NoSftp(why))
            }
            Err(Fault::Lost(lost)) => Err(lost),
            Err(fault) => Err(Lost::NoSftp(format!("{fault:?}").into())),
        }
    }

    fn on(channel: Channel<Msg>, window: u32) -> Session {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            outgoing: Notify::new(),
            read_len: AtomicU64::new(READ_LEN.into()),
        });
        let (read, write) = channel.split();
        let reader = tokio::spawn(pump_in(shared.clone(), read)).abort_handle();
        let writer = tokio::spawn(pump_out(shared.clone(), write)).abort_handle();
        let bytes = Arc::new(Semaphore::new(window as usize));
        Session { shared, pumps: [reader, writer], bytes, handles: Arc::new(Semaphore::new(HANDLES)) }
    }

    /// Asks for the server's limits and goes on without waiting: until they come the careful ones hold.
    fn learn_limits(&self) {
        let answer = self.ask(Request::Limits, Held::default());
        let (shared, handles) = (self.shared.clone(), self.handles.clone());
        // Ends with the session, which ends every answer.
        tokio::spawn(async move {
            if let Ok((Reply::Extended(body), _)) = answer.await
                && let Some(limits) = Limits::decode(&body)
            {
                let read_len = if limits.read_len == 0 { READ_LEN.into() } else { limits.read_len };
                shared.read_len.store(read_len.min(MOST_READ_LEN.into()), Relaxed);
                let wanted = match limits.open_handles {
                    0 => HANDLES,
                    most => (most / 2).clamp(1, MOST_HANDLES as u64) as usize,
                };
                handles.add_permits(wanted.saturating_sub(HANDLES));
                handles.forget_permits(HANDLES.saturating_sub(wanted));
            }
        });
    }

    /// How much one READ may ask for.
    pub(super) fn read_len(&self) -> u32 {
        self.shared.read_len.load(Relaxed) as u32
    }

    /// Why the session is over, if it is.
    pub(super) fn lost(&self) -> Option<Lost> {
        self.shared.state().lost.clone()
    }

    /// Sends a request at once, in the order of the calls; the answer can be waited for, or dropped.
    pub(super) fn ask(&self, request: Request<'_>, held: Held) -> Answer {
        Answer { receiver: self.shared.ask(request, held), shared: self.shared.clone() }
    }

    /// Closes a handle without waiting for the answer, which gives back what is held.
    pub(super) fn close(&self, handle: &[u8], held: Held) {
        drop(self.ask(Request::Close(handle), held));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.lose(Lost::Link("closed".into()));
        self.pumps.iter().for_each(AbortHandle::abort);
    }
}

/// A reply to come.
pub(super) struct Answer {
    receiver: oneshot::Receiver<(Reply, Held)>,
    shared: Arc<Shared>,
}

impl Future for Answer {
    type Output = Result<(Reply, Held), Fault>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(task).map(|reply| match reply {
            Ok((Reply::Status { code, message }, _)) if code != 0 => Err(Fault::Status { code, message }),
            Ok(reply) => Ok(reply),
            Err(_) => Err(Fault::Lost(self.shared.reason())),
        })
    }
}

impl Drop for Answer {
    /// A handle that nobody waits for any more is closed.
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok((Reply::Handle(handle), held)) = self.receiver.try_recv() {
            self.shared.close_orphan(&handle, held);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked; and a poisoned table of waiters would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, request: Request<'_>, held: Held) -> oneshot::Receiver<(Reply, Held)> {
        let (asker, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.lost.is_none() {
            let id = if matches!(request, Request::Init) { INIT_ID } else { state.next_id() };
            request.encode(id, &mut state.outgoing);
            state.waiting.insert(id, Waiting { asker, held });
            drop(state);
            self.outgoing.notify_one();
        }
        receiver
    }

    /// Closes a handle that nobody waits for any more.
    fn close_orphan(&self, handle: &Bytes, held: Held) {
        drop(self.ask(Request::Close(handle), held));
    }

    /// Hands a reply to who asked. A reply that nobody asked for is dropped.
    fn hand_on(&self, id: u32, reply: Reply) {
        let Some(waiting) = self.state().waiting.remove(&id) else { return };
        if let Err((Reply::Handle(handle), held)) = waiting.asker.send((reply, waiting.held)) {
            self.close_orphan(&handle, held);
        }
    }

    /// Ends the session: everything in flight ends with the first reason.
    fn lose(&self, lost: Lost) {
        let waiting = {
            let mut state = self.state();
            state.lost.get_or_insert(lost);
            state.outgoing = Vec::new();
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.outgoing.notify_one();
    }

    fn reason(&self) -> Lost {
        self.state().lost.clone().unwrap_or_else(|| Lost::Link("no answer".into()))
    }

    /// Keeps what the far end says on its error channel, for the error if there is one.
    fn heard(&self, words: &[u8]) {
        let mut state = self.state();
        let room = MOST_WORDS - state.words.len();
        state.words.extend_from_slice(&words[..room.min(words.len())]);
    }

    fn closed(&self) -> Lost {
        let words = super::error::shown(self.state().words.trim_ascii());
        let says = if words.is_empty() { String::new() } else { format!(", saying {words:?}") };
        Lost::Link(format!("the server closed the channel{says}").into())
    }
}

/// Takes packets off the channel until it ends.
async fn pump_in(shared: Arc<Shared>, mut channel: ChannelReadHalf) {
    let mut assembler = Assembler::default();
    let mut replies = Vec::new();
    let lost = loop {
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => {
                if let Err(malformed) = assembler.push(data, &mut replies) {
                    break malformed.into();
                }
                replies.drain(..).for_each(|(id, reply)| shared.hand_on(id, reply));
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => shared.heard(&data),
            Some(ChannelMsg::Failure) => break Lost::NoSftp("the server refused the sftp subsystem".into()),
            Some(ChannelMsg::Close) | None => break shared.closed(),
            Some(_) => {}
        }
    };
    shared.lose(lost);
}

/// Sends what has been asked since last time in one go, until the session ends.
async fn pump_out(shared: Arc<Shared>, channel: ChannelWriteHalf<Msg>) {
    loop {
        shared.outgoing.notified().await;
        let (packets, over) = {
            let mut state = shared.state();
            (std::mem::take(&mut state.outgoing), state.lost.is_some())
        };
        if over {
            return;
        }
        if let Err(error) = channel.data_bytes(packets).await {
            return shared.lose(Lost::Link(format!("{error}").into()));
        }
    }
}
