//! Checksum files that are for all of a folder: each is read once, for all files that are fetched meanwhile, and again when
//! the server shows another one there. Not here: what such a file says (`sums`), and those that are for one file
//! (`checksum`).

use super::alive::patiently;
use super::asking;
use super::checksum::{read, with_hint};
use super::codec::Request;
use super::entry;
use super::fetch::File;
use super::session::Held;
use super::sums::Sums;
use crate::sources::SourceError;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The most bytes of a list: one of 50,000 files is about as long.
const MOST: u64 = 4 << 20;
/// How many lists are kept: a listing goes through one folder after the other.
const KEPT: usize = 4;
/// The most bytes of lists that are being read at once: items of very many folders may be in flight.
const ROOM: u64 = KEPT as u64 * MOST;
/// Room is taken in so many bytes, one more than the server told the size to need: a list may grow until it is open.
const STEP: u64 = 64 * 1024;

/// The lists of a job.
pub(super) struct Lists {
    /// That which was asked for last is the last.
    kept: Mutex<VecDeque<Arc<List>>>,
    /// What is left of `ROOM`.
    room: Semaphore,
}

impl Default for Lists {
    fn default() -> Lists {
        Lists { kept: Mutex::default(), room: Semaphore::new(ROOM as usize) }
    }
}

struct List {
    path: Vec<u8>,
    /// Who holds it reads it for all that wait.
    read: tokio::sync::Mutex<Option<Read>>,
}

/// What was read of a list.
struct Read {
    /// When its reading began.
    at: Instant,
    /// What the server said of it then.
    fingerprint: String,
    sums: Arc<Sums>,
}

impl Lists {
    /// What the list at a path says to one that fetches a file.
    pub(super) async fn sums(&self, path: &[u8], file: &File<'_>) -> Result<Arc<Sums>, SourceError> {
        let (list, begun) = (self.at(path), Instant::now());
        let answer =
            file.lease.wait(file.context, file.lease.ask(Request::Stat(path), Held::default())).await;
        let attrs = answer.and_then(|(reply, _)| asking::attrs(reply));
        let attrs = attrs.map_err(|fault| with_hint(fault.error(file.target, "stat", path), MOST))?;
        let now = entry::fingerprint(&attrs);
        let mut kept = patiently(file.context, list.read.lock()).await;
        // A list that was written twice within a second may look the same: whose file was another than it said looks itself.
        let is_new = |read: &Read| file.context.attempt() == 1 || read.at >= begun;
        if let Some(read) =
            kept.as_ref().filter(|read| now.as_ref() == Some(&read.fingerprint) && is_new(read))
        {
            return Ok(read.sums.clone());
        }
        let most = attrs.size.map_or(MOST, |size| (size / STEP + 1).saturating_mul(STEP).min(MOST));
        let _room = patiently(file.context, self.room.acquire_many(most as u32)).await;
        let at = Instant::now();
        let (attrs, text) = read(path, attrs.size, most, file).await?;
        let sums = Arc::new(file.context.blocking(move |_| Sums::read(&text)).await);
        *kept = entry::fingerprint(&attrs).map(|fingerprint| Read { at, fingerprint, sums: sums.clone() });
        Ok(sums)
    }

    fn at(&self, path: &[u8]) -> Arc<List> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|list| list.path == path);
        let list = place
            .and_then(|place| kept.remove(place))
            .unwrap_or_else(|| Arc::new(List { path: path.to_vec(), read: tokio::sync::Mutex::default() }));
        kept.push_back(list.clone());
        if kept.len() > KEPT {
            kept.pop_front();
        }
        list
    }
}
