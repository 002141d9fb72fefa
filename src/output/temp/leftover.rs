//! A temporary file that is at the name already: whose it is, and whether it may be removed or gone on with.
//! Not here: making one (`temp`), and what is in it (`resume`).

use super::Place;
use crate::output::{OutputError, shown};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;

/// How it is opened: it may be anything.
const LEFTOVER: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Whether a file could be locked.
#[derive(PartialEq, Eq)]
pub(super) enum Lock {
    /// It is ours.
    Ours,
    /// Somebody else's.
    Theirs,
    /// The file system has no locks.
    None,
}

/// Whether there is a file that [`take`] may take.
pub(super) fn is_there(place: &Place, name: &OsStr) -> bool {
    let there = statat(&place.dir.handle, name, AtFlags::SYMLINK_NOFOLLOW);
    there.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Opens and locks it, if it is a file of this user's that has no other name and that nobody writes.
pub(super) fn take(place: &Place, name: &OsStr) -> Option<File> {
    let file = openat(&place.dir.handle, name, OFlags::RDWR | LEFTOVER, Mode::empty()).ok()?;
    let stat = fstat(&file).ok()?;
    let is_ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_nlink == 1;
    let is_locked = is_ours && lock(&file) == Ok(Lock::Ours) && is_at(place, name, &file);
    is_locked.then(|| file.into())
}

/// Removes what a killed run left, unless somebody holds its lock.
pub(super) fn remove(place: &Place, name: &OsStr) -> Result<(), OutputError> {
    let file = match open_leftover(place, name) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::LOOP) => return Err(in_the_way(place, name)),
        Err(errno) => return Err(place.failed(errno)),
    };
    let stat = fstat(&file).map_err(|errno| place.failed(errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(in_the_way(place, name));
    }
    match lock(&file).map_err(|errno| place.failed(errno))? {
        Lock::Theirs => Err(busy(place)),
        Lock::None => Err(place.because(&format!(
            "{} is there, and the file system has no locks to tell whether somebody writes it",
            shown(name)
        ))),
        Lock::Ours if is_at(place, name, &file) => {
            match unlinkat(&place.dir.handle, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(place.failed(errno)),
            }
        }
        Lock::Ours => Ok(()),
    }
}

/// Opens it so that it can be locked: for writing, which NFS asks for, or else for reading.
fn open_leftover(place: &Place, name: &OsStr) -> Result<OwnedFd, Errno> {
    match openat(&place.dir.handle, name, OFlags::RDWR | LEFTOVER, Mode::empty()) {
        Err(Errno::ACCESS) => openat(&place.dir.handle, name, OFlags::RDONLY | LEFTOVER, Mode::empty()),
        other => other,
    }
}

/// Takes the lock, if it is free.
pub(super) fn lock(file: &OwnedFd) -> Result<Lock, Errno> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock::Ours),
        Err(Errno::WOULDBLOCK) => Ok(Lock::Theirs),
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK) => Ok(Lock::None),
        Err(errno) => Err(errno),
    }
}

/// Whether the file is the one at the name.
pub(super) fn is_at(place: &Place, name: &OsStr, file: &OwnedFd) -> bool {
    let there = statat(&place.dir.handle, name, AtFlags::SYMLINK_NOFOLLOW);
    let ours = fstat(file);
    matches!((there, ours), (Ok(there), Ok(ours)) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
}

pub(super) fn busy(place: &Place) -> OutputError {
    place.because("another run or item is writing it")
}

fn in_the_way(place: &Place, name: &OsStr) -> OutputError {
    place.because(&format!("{} is in the way and not a file", shown(name)))
}
