//! One SFTP session on one SSH channel: requests go out in the order they were asked, replies find who asked by their
//! id, in whatever order they come. Nothing here waits for a disk: the task that reads the channel only hands on. What
//! is in flight is bounded by what the askers hold (bytes, handles), and is given back when the reply is there, even
//! if nobody waits for it any more. Not here: how the channel came to be (`connect`), what is asked (`fetch`, `list`).

use super::codec::{Assembler, INIT_ID, Limits, Malformed, Reply, Request};
use super::error::{Fault, Lost};
use super::opening::{Ended, Opening, Up};
use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
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
}

struct Shared {
    state: Mutex<State>,
    outgoing: Notify,
    read_len: AtomicU64,
    /// Grows whenever something arrives that was asked for, be it a part of a reply.
    heard: AtomicU64,
    /// Files open at once.
    handles: Arc<Semaphore>,
    /// See [`Opening::ended`].
    ended: Ended,
}

#[derive(Default)]
struct State {
    /// The server has told its version.
    greeted: bool,
    up: Option<Up>,
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
    asker: oneshot::Sender<Told>,
    held: Held,
    /// The bytes of the longest answer that makes sense.
    longest: usize,
}

/// What an asker is told, and what is held for it.
type Told = (Result<Reply, Fault>, Held);

impl Waiting {
    /// Keeps nothing of an answer that is too long, and for names no more room than they take.
    fn fit(&mut self, reply: Reply) -> Result<Reply, Fault> {
        if reply.len() > self.longest {
            return Err(Fault::Protocol("an answer that is too long"));
        }
        if let (Reply::Names(names), [Some(room), _]) = (&reply, &mut self.held) {
            drop(room.split(room.num_permits().saturating_sub(names.len())));
        }
        Ok(reply)
    }
}

impl Session {
    /// Starts SFTP on a fresh channel. The subsystem is asked for, INIT sent and the session handed out without waiting
    /// for an answer, so that the first requests are in the flight of INIT; a server that refuses is lost with the reason.
    pub(super) async fn start(channel: Channel<Msg>, opening: Opening) -> Result<Session, Lost> {
        let gone = |error| Lost::Link(format!("{error}").into());
        channel.request_subsystem(true, "sftp").await.map_err(gone)?;
        Ok(Session::on(channel, opening))
    }

    fn on(channel: Channel<Msg>, opening: Opening) -> Session {
        let (bytes, patience) = (Arc::new(Semaphore::new(opening.window as usize)), opening.patience);
        let mut state = State { up: opening.up, ..State::default() };
        Request::Init.encode(INIT_ID, &mut state.outgoing);
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            outgoing: Notify::new(),
            read_len: AtomicU64::new(READ_LEN.into()),
            heard: AtomicU64::new(0),
            handles: Arc::new(Semaphore::new(HANDLES)),
            ended: opening.ended,
        });
        shared.outgoing.notify_one();
        let (read, write) = channel.split();
        let reader = tokio::spawn(pump_in(shared.clone(), read, patience)).abort_handle();
        let writer = tokio::spawn(pump_out(shared.clone(), write)).abort_handle();
        Session { shared, pumps: [reader, writer], bytes }
    }

    /// The slots of open files.
    pub(super) fn handles(&self) -> &Arc<Semaphore> {
        &self.shared.handles
    }

    /// Whether so much is in flight that there is no room for another large request, or another file.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.available_permits() < MOST_READ_LEN as usize
            || self.shared.handles.available_permits() == 0
    }

    /// How much one READ may ask for.
    pub(super) fn read_len(&self) -> u32 {
        self.shared.read_len.load(Relaxed) as u32
    }

    /// Grows whenever something arrives that was asked for.
    pub(super) fn heard(&self) -> u64 {
        self.shared.heard.load(Relaxed)
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
    receiver: oneshot::Receiver<Told>,
    shared: Arc<Shared>,
}

impl Future for Answer {
    type Output = Result<(Reply, Held), Fault>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(task).map(|reply| match reply {
            Ok((Ok(Reply::Status { code, message }), _)) if code != 0 => Err(Fault::Status { code, message }),
            Ok((reply, held)) => Ok((reply?, held)),
            Err(_) => Err(Fault::Lost(self.shared.reason())),
        })
    }
}

impl Drop for Answer {
    /// A handle that nobody waits for any more is closed.
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok((Ok(Reply::Handle(handle)), held)) = self.receiver.try_recv() {
            self.shared.close_orphan(&handle, held);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked; and a poisoned table of waiters would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, request: Request<'_>, held: Held) -> oneshot::Receiver<Told> {
        let (asker, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.lost.is_none() {
            let id = state.next_id();
            request.encode(id, &mut state.outgoing);
            state.waiting.insert(id, Waiting { asker, held, longest: request.longest_answer() });
            drop(state);
            self.outgoing.notify_one();
        }
        receiver
    }

    /// Closes a handle that nobody waits for any more.
    fn close_orphan(&self, handle: &Bytes, held: Held) {
        drop(self.ask(Request::Close(handle), held));
    }

    /// Takes a reply: the server's version is the first, each other one is for who asked.
    fn take(self: &Arc<Shared>, id: u32, reply: Reply) -> Result<(), Lost> {
        let greeted = self.state().greeted;
        match reply {
            Reply::Version { version: 3.., limits } if !greeted => self.greet(limits),
            Reply::Version { version, .. } if !greeted => {
                return Err(Lost::NoSftp(format!("the server speaks only version {version}").into()));
            }
            _ if !greeted => {
                return Err(Lost::NoSftp("the server's first packet is not its version".into()));
            }
            reply => self.hand_on(id, reply),
        }
        Ok(())
    }

    fn greet(self: &Arc<Shared>, limits: bool) {
        let up = {
            let mut state = self.state();
            state.greeted = true;
            state.up.take()
        };
        up.into_iter().for_each(|up| up());
        if limits {
            self.learn_limits();
        }
    }

    /// Asks for the server's limits and goes on without waiting: until they come the careful ones hold.
    fn learn_limits(self: &Arc<Shared>) {
        let answer = Answer { receiver: self.ask(Request::Limits, Held::default()), shared: self.clone() };
        let shared = self.clone();
        // Ends with the session, which ends every answer.
        tokio::spawn(async move {
            if let Ok((Reply::Extended(body), _)) = answer.await
                && let Some(limits) = Limits::decode(&body)
            {
                shared.keep_to(limits).await;
            }
        });
    }

    async fn keep_to(&self, limits: Limits) {
        let read_len = if limits.read_len == 0 { READ_LEN.into() } else { limits.read_len };
        self.read_len.store(read_len.min(MOST_READ_LEN.into()), Relaxed);
        let wanted = match limits.open_handles {
            0 => HANDLES,
            most => (most / 2).clamp(1, MOST_HANDLES as u64) as usize,
        };
        self.handles.add_permits(wanted.saturating_sub(HANDLES));
        // Of those that are taken by now none is given again.
        let beyond = self.handles.acquire_many(HANDLES.saturating_sub(wanted) as u32).await;
        beyond.into_iter().for_each(|slots| slots.forget());
    }

    /// Hands a reply to who asked. A reply that nobody asked for is dropped.
    fn hand_on(&self, id: u32, reply: Reply) {
        let Some(mut waiting) = self.state().waiting.remove(&id) else { return };
        self.heard.fetch_add(1, Relaxed);
        let reply = waiting.fit(reply);
        if let Err((Ok(Reply::Handle(handle)), held)) = waiting.asker.send((reply, waiting.held)) {
            self.close_orphan(&handle, held);
        }
    }

    /// Notes that a part of a reply arrived. Bytes that nobody asked for keep nobody alive.
    fn hear(&self, id: u32) {
        if self.state().waiting.contains_key(&id) {
            self.heard.fetch_add(1, Relaxed);
        }
    }

    /// Ends the session: everything in flight ends with the first reason.
    fn lose(&self, lost: Lost) {
        let waiting = {
            let mut state = self.state();
            state.lost.get_or_insert(lost);
            state.outgoing = Vec::new();
            state.up = None;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.outgoing.notify_one();
    }

    fn reason(&self) -> Lost {
        self.state().lost.clone().unwrap_or_else(|| Lost::Link("no answer".into()))
    }

    /// Keeps what the far end says on its error channel, for the error if there is one.
    fn note(&self, words: &[u8]) {
        let mut state = self.state();
        let room = MOST_WORDS - state.words.len();
        state.words.extend_from_slice(&words[..room.min(words.len())]);
    }

    /// What bytes that are no SFTP mean: a server that begins with them has none.
    fn malformed(&self, malformed: Malformed) -> Lost {
        match Lost::from(malformed) {
            Lost::Link(why) if !self.state().greeted => Lost::NoSftp(why),
            lost => lost,
        }
    }

    fn closed(&self) -> Lost {
        let words = super::error::shown(self.state().words.trim_ascii());
        match words.is_empty() {
            true => self.ended("the server closed the channel"),
            false => Lost::Link(format!("the server closed the channel, saying {words:?}").into()),
        }
    }

    /// The link is lost, and if no more is known, for this reason.
    fn ended(&self, why: &str) -> Lost {
        (self.ended)().map_or_else(|| Lost::Link(why.into()), |why| Lost::Link(why.into()))
    }
}

/// Takes packets off the channel until it ends.
async fn pump_in(shared: Arc<Shared>, mut channel: ChannelReadHalf, patience: Duration) {
    let mut assembler = Assembler::default();
    let mut replies = Vec::new();
    let silence = tokio::time::sleep(patience);
    tokio::pin!(silence);
    let lost = loop {
        let message = tokio::select! {
            biased;
            message = channel.wait() => message,
            () = &mut silence, if !shared.state().greeted => {
                break Lost::Link(format!("no answer to the first packet of SFTP within {patience:?}").into());
            }
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                let pushed = assembler.push(data, &mut replies).map_err(|error| shared.malformed(error));
                let taken = replies.drain(..).try_for_each(|(id, reply)| shared.take(id, reply));
                if let Err(lost) = taken.and(pushed) {
                    break lost;
                }
                assembler.coming().into_iter().for_each(|id| shared.hear(id));
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => shared.note(&data),
            Some(ChannelMsg::Failure) => break Lost::NoSftp("the server refused the sftp subsystem".into()),
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break shared.closed(),
            Some(_) => {}
        }
    };
    assembler.rest().into_iter().for_each(|(id, reply)| shared.hand_on(id, reply));
    shared.lose(lost);
}

/// Sends what has been asked since last time in one go, until the session ends.
async fn pump_out(shared: Arc<Shared>, channel: ChannelWriteHalf<Msg>) {
    loop {
        shared.outgoing.notified().await;
        // Who else is ready has its turn first: a packet of many requests costs both sides as much as one of a single one.
        tokio::task::yield_now().await;
        let (packets, over) = {
            let mut state = shared.state();
            (std::mem::take(&mut state.outgoing), state.lost.is_some())
        };
        if over {
            return;
        }
        if let Err(error) = channel.data_bytes(packets).await {
            return shared.lose(shared.ended(&error.to_string()));
        }
    }
}
