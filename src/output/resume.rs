//! What makes a temporary file one that another attempt or run can go on with: which of its bytes are there, and a record
//! of them past its end. Not here: the file's name and lock (`temp`), and who goes on with it (`part`).
//!
//! The record lies behind the last byte that the file will have, so that there is one file, one name and one lock; it is
//! cut off before the file gets its final name. It has two places, written in turn, each with a checksum: a process that
//! is killed in the middle of writing one leaves the other. Bytes are claimed only after they were handed to the system,
//! which keeps them whatever becomes of the process. It does not keep them when the power goes, and may by then have
//! written the record and not the bytes; so a record is believed only as long as the machine runs that wrote it. Syncing
//! the bytes before each record instead would make every large file wait for the disk, for the sake of a rare event. On a
//! network the system may find out later that there is no space for them, and tells that only who still has the file open:
//! there a record is believed by the process alone that wrote it.

use super::extents::Extents;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes that may arrive before they are recorded: what a killed process has to fetch again, beside what was in flight.
/// A file that is smaller has a record only if it is left behind in the middle.
const UNRECORDED: u64 = 1 << 20;
/// The length of a record. Two of them are at the end of a file.
const RECORD: usize = 4096;
/// How a record begins: its form has a number.
const MAGIC: &[u8; 16] = b"fanout-part v1\r\n";
/// Checksum of a record, and digest of an origin.
const DIGEST: usize = 32;
/// Magic, origin, number of the record, number of stretches.
const HEAD: usize = MAGIC.len() + DIGEST + 8 + 8;
/// Stretches that a record has room for; of more the smallest are not claimed.
const MOST_STRETCHES: usize = (RECORD - HEAD - DIGEST) / 16;

/// Where the bytes of a part come from, and how many there will be. What an earlier attempt or run left of the same origin
/// is gone on with; of another one nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    digest: [u8; DIGEST],
    size: u64,
}

impl Origin {
    /// `what` names the bytes and tells whether they are still the same: the server, the path, the time of the last change.
    pub fn new(what: &[u8], size: u64) -> Origin {
        let said = [boot().as_bytes(), &size.to_be_bytes(), what].concat();
        Origin { digest: digest(&said), size }
    }

    /// The same for a file with these permissions, which it has from its beginning.
    pub(super) fn with_mode(self, mode: Option<u32>) -> Origin {
        let mode = mode.map_or(u32::MAX, |mode| mode);
        self.and(&mode.to_be_bytes())
    }

    /// The same where a system may yet lose what it was handed, as on a network: what another process left there is of
    /// another origin.
    pub(super) fn of_this_process(self) -> Origin {
        self.and(process().as_bytes())
    }

    fn and(self, what: &[u8]) -> Origin {
        Origin { digest: digest(&[&self.digest[..], what].concat()), ..self }
    }
}

/// Which bytes of a file are there.
pub(super) struct Resume {
    origin: Origin,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    extents: Extents,
    /// The number of the last record: the higher one of two counts.
    number: u64,
    /// Bytes since then.
    unrecorded: u64,
}

impl Resume {
    /// Of a file that has nothing in it.
    pub(super) fn new(origin: Origin) -> Resume {
        Resume { origin, state: Mutex::default() }
    }

    /// Of a file that is there, if it says that it has bytes of this origin.
    pub(super) fn read(origin: Origin, file: &File) -> Option<Resume> {
        let records = [0, 1].into_iter().filter_map(|place| {
            let mut record = [0; RECORD];
            file.read_exact_at(&mut record, origin.place(place)?).ok()?;
            decode(&record, origin)
        });
        let (number, extents) = records.max_by_key(|(number, _)| *number)?;
        Some(Resume { origin, state: Mutex::new(State { extents, number, unrecorded: 0 }) })
    }

    /// The length that the file will have.
    pub(super) fn size(&self) -> u64 {
        self.origin.size
    }

    /// What is to be written yet.
    pub(super) fn missing(&self) -> Vec<Range<u64>> {
        self.state().extents.missing(self.origin.size)
    }

    /// Notes that bytes were written, and records it now and then. That a record can't be written harms nobody but who
    /// would go on with the file.
    pub(super) fn wrote(&self, stretch: Range<u64>, file: &File) {
        let mut state = self.state();
        state.unrecorded += stretch.end.saturating_sub(stretch.start);
        state.extents.add(stretch);
        if state.unrecorded >= UNRECORDED {
            self.record(&mut state, file);
        }
    }

    /// Records all that is there, for whoever finds the file; says whether it is worth finding.
    pub(super) fn leave(&self, file: &File) -> bool {
        let mut state = self.state();
        state.extents.total() > 0 && self.record(&mut state, file)
    }

    fn record(&self, state: &mut State, file: &File) -> bool {
        state.number += 1;
        state.unrecorded = 0;
        let record = encode(self.origin, state.number, &state.extents.largest(MOST_STRETCHES));
        let place = self.origin.place(state.number % 2);
        place.is_some_and(|place| file.write_all_at(&record, place).is_ok())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    /// Where the first or the second record lies.
    fn place(&self, place: u64) -> Option<u64> {
        self.size.checked_add(place * RECORD as u64)
    }
}

fn encode(origin: Origin, number: u64, stretches: &[Range<u64>]) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    let said = stretches.iter().flat_map(|stretch| [stretch.start, stretch.end]);
    let said = [number, stretches.len() as u64].into_iter().chain(said).flat_map(u64::to_be_bytes);
    let bytes = MAGIC.iter().chain(&origin.digest).copied().chain(said);
    record.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    let sum = digest(&record[..RECORD - DIGEST]);
    record[RECORD - DIGEST..].copy_from_slice(&sum);
    record
}

/// A record's number and what it claims, if it is whole and of this origin.
fn decode(record: &[u8; RECORD], origin: Origin) -> Option<(u64, Extents)> {
    let (said, sum) = record.split_at(RECORD - DIGEST);
    let rest = said.strip_prefix(MAGIC)?.strip_prefix(&origin.digest)?;
    if sum != digest(said) {
        return None;
    }
    let mut numbers =
        rest.chunks_exact(8).filter_map(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
    let (number, count) = (numbers.next()?, usize::try_from(numbers.next()?).ok()?);
    let mut extents = Extents::default();
    for _ in 0..count {
        let (start, end) = (numbers.next()?, numbers.next()?);
        if start >= end || end > origin.size {
            return None;
        }
        extents.add(start..end);
    }
    Some((number, extents))
}

fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    std::array::from_fn(|at| digest.as_ref()[at])
}

/// What is the same as long as the machine runs, and never again. Where the system doesn't tell, it is as long as the
/// process: what it leaves behind is then fetched anew.
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    BOOT.get_or_init(|| read().unwrap_or_else(|_| process().to_owned()))
}

/// What is the same as long as the process runs, and never again.
fn process() -> &'static str {
    static PROCESS: OnceLock<String> = OnceLock::new();
    PROCESS.get_or_init(|| format!("process {:x}", RandomState::new().build_hasher().finish()))
}

#[cfg(test)]
mod tests;
