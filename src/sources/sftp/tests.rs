//! Whole fetches, against a real OpenSSH server (`real`, `logins`, `trusting`, `jumps`) and against servers that do wrong (`odd`).

use super::auth::Method;
use super::connect::{Credentials, Hop, Target};
use super::entry::Own;
use super::exclude::Excluded;
use super::fetch::File;
use super::known_hosts::{KnownHosts, Name};
use super::list::{Choice, Walk};
use super::pace::Pace;
use super::pattern::Wanted;
use super::pool::Pool;
use super::ready::Waiting;
use super::same::Same;
use super::store::Store;
use super::trust::Trust;
use crate::expr::{Globals, Scope};
use crate::gather::{Context, Listing};
use crate::output::Folder;
use crate::secret::Secret;
use crate::sources::{Asking, Entry, Sink, SourceError};
use futures_util::StreamExt;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod after;
mod asked;
mod asyncssh;
mod bounds;
mod growing;
mod hostile;
mod jumps;
mod left;
mod lists;
mod logins;
mod names;
mod odd;
mod paced;
mod plans;
mod real;
mod sshd;
mod trusting;
mod which;

/// How to reach a server that a test started.
struct Reach {
    host: &'static str,
    port: u16,
    user: String,
    methods: Vec<Method>,
    known: KnownHosts,
    pins: Vec<String>,
    /// The file of known hosts to which an unknown one is added.
    accept_new: Option<PathBuf>,
    /// Who can be asked, and the file to which an unknown host is added after a yes.
    asking: Option<(Asking, Option<PathBuf>)>,
    hops: Vec<Reach>,
    connections: usize,
    bandwidth: Option<&'static str>,
    rekey: usize,
}

impl Reach {
    fn pool(self) -> Arc<Pool> {
        let (target, connections) = (self.target(), self.connections);
        let pace = self.bandwidth.map(|text| Pace::new(text.parse().unwrap()));
        let credentials = std::sync::Mutex::new(Some(self.credentials()));
        let resolve = move || Ok(credentials.lock().unwrap().take().expect("credentials are asked for once"));
        Pool::new(target, connections, pace, Box::new(resolve))
    }

    fn target(&self) -> Target {
        Target {
            name: format!("sftp://{}:{}", self.host, self.port),
            host: self.host.to_owned(),
            port: self.port,
            connect_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(15),
            rekey: self.rekey,
            asking: self.asking.as_ref().map(|(asking, _)| asking.clone()),
        }
    }

    fn credentials(self) -> Credentials {
        let (target, accept_new) = (self.target(), self.accept_new.is_some());
        let file = match self.asking {
            Some((_, file)) => file,
            None => Some(self.accept_new.unwrap_or_else(|| PathBuf::from("known_hosts"))),
        };
        let trust = Trust {
            target: target.name,
            name: Name::new(self.host, self.port, None),
            pins: self.pins,
            file,
            accept_new,
            asking: target.asking,
            known: std::sync::Mutex::new(self.known),
            unpinned: std::sync::Mutex::default(),
            warnings: std::sync::Mutex::default(),
        };
        let hops =
            self.hops.into_iter().map(|hop| Hop { target: hop.target(), credentials: hop.credentials() });
        let hops = hops.collect();
        Credentials { user: self.user, methods: self.methods, trust: Arc::new(trust), hops }
    }
}

/// A choice of everything.
fn all(pool: &Arc<Pool>) -> Choice {
    let scope = Scope::new(Arc::new(Globals::default()));
    let waiting = Waiting::new(pool.clone(), Arc::default(), scope);
    Choice { flatten: false, excluded: Excluded::parse(&[]).unwrap(), follows: None, waiting }
}

/// Everything a listing tells, page by page.
async fn list(pool: &Arc<Pool>, path: &str) -> Result<Vec<Entry>, SourceError> {
    list_some(pool, path, all(pool)).await
}

/// What a listing tells of a choice.
async fn list_some(pool: &Arc<Pool>, path: &str, choice: Choice) -> Result<Vec<Entry>, SourceError> {
    let wanted = Wanted::parse(path).unwrap();
    let mut walk = Walk::new(pool.clone(), wanted, choice);
    let (context, mut entries) = (Context::detached(), Vec::new());
    loop {
        tokio::time::sleep(walk.pause()).await;
        let page = walk.next_page(&context).await?;
        assert!(page.entries.len() <= 1000);
        entries.extend(page.entries);
        if !page.more {
            return Ok(entries);
        }
    }
}

fn keys(entries: &[Entry]) -> Vec<&str> {
    let mut keys: Vec<&str> = entries.iter().map(|entry| &*entry.key).collect();
    keys.sort_unstable();
    keys
}

/// Fetches a path into memory.
async fn get(pool: &Arc<Pool>, path: &str) -> Result<Vec<u8>, SourceError> {
    get_bytes(pool, path.as_bytes(), None).await
}

async fn get_bytes(pool: &Arc<Pool>, path: &[u8], size: Option<u64>) -> Result<Vec<u8>, SourceError> {
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1 << 30 };
    fetch(pool, path, size, &mut sink).await?;
    let Sink::Keep { bytes, .. } = sink else { unreachable!() };
    Ok(bytes)
}

async fn fetch(pool: &Arc<Pool>, path: &[u8], size: Option<u64>, sink: &mut Sink) -> Result<(), SourceError> {
    fetch_as(pool, path, size, &Same::default(), sink).await
}

async fn fetch_as(
    pool: &Arc<Pool>,
    path: &[u8],
    size: Option<u64>,
    same: &Same,
    sink: &mut Sink,
) -> Result<(), SourceError> {
    let context = Context::detached();
    let lease = pool.lease(&context).await?;
    let file = File { lease: &lease, context: &context, target: &pool.target.name, path, size, same };
    file.fetch(&Store::new(sink)).await.map(drop)
}

/// Fetches all entries at once into a folder.
async fn fetch_all(
    pool: &Arc<Pool>,
    entries: &[Entry],
    at_once: usize,
    folder: &Arc<Folder>,
) -> Vec<SourceError> {
    let fetches = entries.iter().map(|entry| async move {
        let own = entry.own.as_ref().and_then(|own| own.downcast_ref::<Own>()).unwrap();
        let (path, attrs) = match own {
            Own::File { path, attrs } => (path, attrs),
            Own::Refused(error) => return Err(error.clone()),
        };
        let below = entry.path.clone().unwrap().join(&b'/');
        let (folder, mtime) = (folder.clone(), super::entry::modified(attrs));
        let open = move || folder.part(OsStr::from_bytes(&below), None).unwrap();
        let part = tokio::task::spawn_blocking(open).await.unwrap();
        let mut sink = Sink::File { part, format: String::new() };
        fetch(pool, path, attrs.size, &mut sink).await?;
        let Sink::File { part, .. } = sink else { unreachable!() };
        tokio::task::spawn_blocking(move || part.commit(mtime).unwrap()).await.unwrap();
        Ok(())
    });
    let results = futures_util::stream::iter(fetches).buffer_unordered(at_once);
    results.filter_map(|result| async { result.err() }).collect().await
}
