//! The servers of the demo: HTTP, SFTP and two SQLite databases in this process, each of which answers after a delay
//! that it is asked for, and says on its own clock when it was asked and when it was done. They run on a thread of
//! their own, so that `--threads 1` leaves the run exactly one. Not here: what the demo does with them.

mod database;
mod folder;
mod http;
mod keys;
mod sftp;
mod tree;
mod visits;

#[cfg(test)]
mod tests;

pub use database::ENTRIES_SQL;
pub use visits::{Visit, peak};

use database::Ledger;
use folder::Folder;
use keys::Keys;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use visits::Visits;

/// How many questions to the ledger may wait to be looked at.
const ASKED_LIMIT: usize = 64;

/// Why the servers could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No temporary folder, no thread or no port.
    #[error("the demo's servers can't start: {0}")]
    System(#[from] io::Error),
    /// The databases could not be made.
    #[error("the demo's databases can't be made: {0}")]
    Database(#[from] sqlx::Error),
    /// The keys could not be made.
    #[error("the demo's keys can't be made: {0}")]
    Keys(#[from] russh::keys::ssh_key::Error),
}

/// The running servers. Dropping it stops them and removes their folder before it returns.
pub struct Servers {
    http: SocketAddr,
    sftp: SocketAddr,
    folder: Folder,
    visits: Visits,
    asked: mpsc::Sender<database::Asked>,
    locked: watch::Receiver<bool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the servers' thread says when it is ready: the addresses of HTTP and SFTP.
type Ready = oneshot::Sender<Result<(SocketAddr, SocketAddr), StartError>>;

impl Servers {
    /// Starts all of them, on 127.0.0.1 and free ports.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start() -> Result<Servers, StartError> {
        let folder = Folder::create()?;
        let visits = Visits::default();
        let (asked, questions) = mpsc::channel(ASKED_LIMIT);
        let (ready, addresses) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (lock, locked) = watch::channel(true);
        let thread =
            Thread { folder: folder.path().to_owned(), visits: visits.clone(), questions, lock, stopped };
        let thread = std::thread::Builder::new().name("demo servers".into()).spawn(|| thread.run(ready))?;
        let (http, sftp) = addresses.await.map_err(|_| io::Error::other("their thread ended"))??;
        Ok(Servers { http, sftp, folder, visits, asked, locked, stop: Some(stop), thread: Some(thread) })
    }

    /// Where HTTP is: `http://127.0.0.1:PORT/`. Paths: `wait/{ms}` answers after that time; `items` lists forty
    /// numbers and `items/{number}` is a small document for each; `busy/{name}` answers 503 with `Retry-After: 1` once
    /// for each name, then 200; `stream/{chunks}/{ms}` sends that many chunks with that pause before each.
    pub fn http_url(&self) -> String {
        format!("http://{}/", self.http)
    }

    /// Where SFTP is. `/wait/{ms}/{name}` is a small file whose `open` is answered after that time, and
    /// `/outbox/{region}/orders-NN.csv` are twenty-four files of three folders.
    pub fn sftp_address(&self) -> SocketAddr {
        self.sftp
    }

    /// The only user of the SFTP server.
    pub fn sftp_user(&self) -> &'static str {
        keys::USER
    }

    /// The file with that user's private key.
    pub fn user_key(&self) -> PathBuf {
        self.folder.path().join(keys::USER_KEY)
    }

    /// The file with the SFTP server's host key, as OpenSSH writes it.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join(keys::KNOWN_HOSTS)
    }

    /// A folder for the results of a run; it goes with the servers.
    pub fn results(&self, name: &str) -> PathBuf {
        self.folder.path().join("results").join(name)
    }

    /// A SQLite database that answers at once: tables `customers` and `orders`.
    pub fn shop(&self) -> PathBuf {
        self.folder.path().join(database::SHOP)
    }

    /// A SQLite database that a writer keeps locked: a query of its table `entries` waits until
    /// [`Servers::ledger_asked`] has the writer finish. The reader's busy timeout must be longer than that.
    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join(database::LEDGER)
    }

    /// Says that the ledger is being queried: its writer finishes `delay` from now, and the query goes through. A
    /// database file can't see who waits for it, so whoever sends the query says so. Needed once a query.
    pub fn ledger_asked(&self, delay: Duration) {
        let visit = self.visits.arrive("sqlite", "ledger");
        let asked = database::Asked { until: Instant::now() + delay, visit };
        // Past the limit the question is dropped: the query is let through with those before it.
        let _ = self.asked.try_send(asked);
    }

    /// Waits until the ledger is locked: to be called before each run that queries it, because for a moment after an
    /// answer it is open to everybody.
    pub async fn ledger_locked(&self) {
        // An error means that the servers' thread has ended, and then nothing is worth waiting for.
        let _ = self.locked.clone().wait_for(|locked| *locked).await;
    }

    /// Everything the servers were asked for so far, in order of arrival.
    pub fn visits(&self) -> Vec<Visit> {
        self.visits.all()
    }

    /// Forgets what the servers were asked for so far, so that the next run is told apart.
    pub fn forget_visits(&self) {
        self.visits.clear();
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by its hook, and there is nobody left to hurt.
            let _ = thread.join();
        }
    }
}

/// What the servers' thread has.
struct Thread {
    folder: PathBuf,
    visits: Visits,
    questions: mpsc::Receiver<database::Asked>,
    lock: watch::Sender<bool>,
    stopped: oneshot::Receiver<()>,
}

impl Thread {
    /// Serves until it is told to stop. When it returns, nothing of it runs: the runtime goes with it.
    fn run(self, ready: Ready) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.serve(ready)),
            Err(error) => drop(ready.send(Err(error.into()))),
        }
    }

    async fn serve(mut self, ready: Ready) {
        let (mut ledger, addresses) = match self.open().await {
            Ok(opened) => opened,
            Err(error) => return drop(ready.send(Err(error))),
        };
        if ready.send(Ok(addresses)).is_ok() {
            tokio::select! {
                () = ledger.keep(&mut self.questions, &self.lock) => {}
                _ = &mut self.stopped => {}
            }
        }
        ledger.close().await;
    }

    /// Makes everything and starts listening.
    async fn open(&self) -> Result<(Ledger, (SocketAddr, SocketAddr)), StartError> {
        database::create_shop(&self.folder).await?;
        let ledger = Ledger::create(&self.folder).await?;
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let sftp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addresses = (http.local_addr()?, sftp.local_addr()?);
        let keys = Keys::create(&self.folder, addresses.1)?;
        tokio::spawn(http::serve(http, self.visits.clone()));
        tokio::spawn(sftp::serve(sftp, Arc::new(keys), self.visits.clone()));
        Ok((ledger, addresses))
    }
}
