//! The temporary file of an output: made, locked, and given its final name or removed.
//! Not here: who writes into it (`part`) and where it lies (`folder`).
//!
//! Who holds the lock of the file that is at the temporary name, and nobody else, may remove or rename it. As a name
//! may have got another file between opening and locking, the two are compared after locking.

use super::change;
use super::error::OutputError;
use super::folder::{Dir, Whole};
use crate::gather::Change;
use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// How the names of temporary files end.
pub(super) const SUFFIX: &str = ".fanout-part";
/// The longest name of a file, in bytes.
pub(super) const LONGEST: usize = 255;
/// How often a leftover is removed and the file made anew before somebody else is said to be busy with it.
const TRIES: usize = 8;

/// Where an output goes.
pub(super) struct Place {
    pub(super) dir: Arc<Dir>,
    /// How many folders that is below the one that outputs are under.
    pub(super) depth: usize,
    /// Its final name in the folder.
    pub(super) name: OsString,
    /// Its whole path, for messages.
    pub(super) path: PathBuf,
}

impl Place {
    /// That the final name is free or a file's, so that an item fails before it asks its source for anything.
    pub(super) fn check_target(&self) -> Result<(), OutputError> {
        change::standing(&self.dir.handle, &self.name).map(drop).map_err(|why| why.at(&self.path))
    }

    fn failed(&self, cause: impl Into<std::io::Error>) -> OutputError {
        OutputError::io("write", &self.path, cause)
    }

    fn because(&self, why: &str) -> OutputError {
        OutputError::because("write", &self.path, why)
    }
}

/// A temporary file that is open, locked and ours. Removed when dropped.
pub(super) struct Temp {
    place: Place,
    name: OsString,
    file: File,
    /// It has its final name.
    finished: bool,
}

/// Whether a file could be locked.
#[derive(PartialEq, Eq)]
enum Lock {
    Ours,
    Theirs,
    /// The file system has no locks.
    None,
}

impl Temp {
    /// Makes it, in place of an unlocked leftover. (To resume a leftover instead, take it over here.)
    pub(super) fn create(place: Place, mode: Option<u32>) -> Result<Temp, OutputError> {
        let name = temp_name(&place.name);
        let permissions = permissions(mode).ok_or_else(|| place.because("its mode is not within 0777"))?;
        for _ in 0..TRIES {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match openat(&place.dir.handle, &name, flags, permissions) {
                Ok(file) => file,
                Err(Errno::EXIST) => {
                    remove_leftover(&place, &name)?;
                    continue;
                }
                Err(errno) => return Err(place.failed(errno)),
            };
            let lock = lock(&file).map_err(|errno| place.failed(errno))?;
            if lock == Lock::Theirs || !is_at(&place, &name, &file) {
                continue;
            }
            let temp = Temp { place, name, file: file.into(), finished: false };
            return temp.with_mode(mode);
        }
        Err(busy(&place))
    }

    /// The umask took away what the mode asks for.
    fn with_mode(self, mode: Option<u32>) -> Result<Temp, OutputError> {
        if let Some(mode) = permissions(mode).filter(|_| mode.is_some()) {
            rustix::fs::fchmod(&self.file, mode).map_err(|errno| self.place.failed(errno))?;
        }
        Ok(self)
    }

    /// Writes all bytes at an offset.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), OutputError> {
        self.file.write_all_at(bytes, offset).map_err(|cause| self.place.failed(cause))
    }

    /// Reads up to a buffer's length from an offset; 0 at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, OutputError> {
        self.file
            .read_at(buffer, offset)
            .map_err(|cause| OutputError::io("read back", &self.place.path, cause))
    }

    /// Cuts or grows it to a length.
    pub(super) fn set_len(&self, length: u64) -> Result<(), OutputError> {
        self.file.set_len(length).map_err(|cause| self.place.failed(cause))
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> Result<u64, OutputError> {
        self.file.metadata().map(|found| found.len()).map_err(|cause| self.place.failed(cause))
    }

    /// The final path, for messages.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.place.path
    }

    /// Sets when it was written to last.
    pub(super) fn set_modified(&self, time: Option<SystemTime>) -> Result<(), OutputError> {
        time.map_or(Ok(()), |time| self.file.set_modified(time)).map_err(|cause| self.place.failed(cause))
    }

    /// Waits until its bytes are on the disk.
    pub(super) fn sync(&self) -> Result<(), OutputError> {
        self.file.sync_data().map_err(|cause| self.place.failed(cause))
    }

    /// Whether syncing that file system syncs it.
    pub(super) fn is_in(&self, whole: &Whole) -> bool {
        fstat(&self.file).is_ok_and(|stat| stat.st_dev == whole.device)
    }

    /// Its folder, and how many folders that is below the one that outputs are under.
    pub(super) fn dir(&self) -> (Arc<Dir>, usize) {
        (Arc::clone(&self.place.dir), self.place.depth)
    }

    /// How its folder could not be synced.
    pub(super) fn unsynced(&self) -> impl FnOnce(Errno) -> OutputError + use<> {
        let path = self.place.path.clone();
        move |errno| OutputError::io("sync the folder of", &path, errno)
    }

    /// Gives it its final name, in place of what is there.
    pub(super) fn finish(self) -> Result<Change, OutputError> {
        if self.place.dir.remote {
            self.sync()?;
        }
        self.rename()
    }

    /// The same, with nothing before it.
    pub(super) fn rename(mut self) -> Result<Change, OutputError> {
        let Place { dir, name, path, .. } = &self.place;
        let change = change::compare(&dir.handle, name, &self.file).map_err(|why| why.at(path))?;
        renameat(&dir.handle, &self.name, &dir.handle, name).map_err(|errno| self.place.failed(errno))?;
        self.finished = true;
        Ok(change)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is left to tell; what can't be removed now is an unlocked leftover for the next run.
            let _ = unlinkat(&self.place.dir.handle, &self.name, AtFlags::empty());
        }
    }
}

/// The permissions a file is made with; `None` for bits beyond 0777.
fn permissions(mode: Option<u32>) -> Option<Mode> {
    let mode = mode.unwrap_or(0o666);
    (mode & !0o777 == 0).then(|| Mode::from_bits_truncate(mode as rustix::fs::RawMode))
}

/// `.NAME.fanout-part`; for a long name its start and a hash of it.
fn temp_name(name: &OsStr) -> OsString {
    let mut temp = OsString::from(".");
    temp.push(fitted(name, LONGEST - SUFFIX.len() - 1));
    temp.push(SUFFIX);
    temp
}

/// A name that has room in so many bytes; in the place of a longer one its start and a hash of it.
pub(super) fn fitted(name: &OsStr, room: usize) -> OsString {
    let bytes = name.as_bytes();
    if bytes.len() <= room {
        return name.to_owned();
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let hash: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // Cut where a letter begins: some file systems take only UTF-8.
    let room = room - hash.len() - 1;
    let cut = (0..=room).rev().find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(room);
    OsString::from_vec([&bytes[..cut], b"~", hash.as_bytes()].concat())
}

/// Removes what a killed run left, unless somebody holds its lock.
fn remove_leftover(place: &Place, name: &OsStr) -> Result<(), OutputError> {
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
            super::shown(name)
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
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(&place.dir.handle, name, OFlags::RDWR | flags, Mode::empty()) {
        Err(Errno::ACCESS) => openat(&place.dir.handle, name, OFlags::RDONLY | flags, Mode::empty()),
        other => other,
    }
}

/// Takes the lock, if it is free.
fn lock(file: &OwnedFd) -> Result<Lock, Errno> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock::Ours),
        Err(Errno::WOULDBLOCK) => Ok(Lock::Theirs),
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK) => Ok(Lock::None),
        Err(errno) => Err(errno),
    }
}

/// Whether the file is the one at the name.
fn is_at(place: &Place, name: &OsStr, file: &OwnedFd) -> bool {
    let there = statat(&place.dir.handle, name, AtFlags::SYMLINK_NOFOLLOW);
    let ours = fstat(file);
    matches!((there, ours), (Ok(there), Ok(ours)) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
}

fn busy(place: &Place) -> OutputError {
    place.because("another run or item is writing it")
}

fn in_the_way(place: &Place, name: &OsStr) -> OutputError {
    place.because(&format!("{} is in the way and not a file", super::shown(name)))
}

#[cfg(test)]
mod tests;
