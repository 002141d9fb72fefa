//! How an output compares with what stands at its final name. Not here: the rename that follows.

use super::error::OutputError;
use crate::gather::Change;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much of each file is read at a time.
const CHUNK: usize = 128 * 1024;

/// What stands at a name and may be replaced.
pub(super) enum Standing {
    /// Nothing.
    Nothing,
    /// A symlink, which is replaced itself: where it leads is left alone.
    Symlink,
    /// A file of so many bytes.
    File(u64),
}

/// Why a final name cannot be had.
pub(super) enum Taken {
    /// The system says so.
    By(io::Error),
    /// Something that is no file is there: what it is.
    Kind(&'static str),
}

impl Taken {
    /// The error for an output at `path`.
    pub(super) fn at(self, path: &Path) -> OutputError {
        match self {
            Taken::By(cause) => OutputError::io("write", path, cause),
            Taken::Kind(kind) => OutputError::because("write", path, &format!("a {kind} is there")),
        }
    }
}

/// What stands at a name in a folder. A folder, a device, a pipe or a socket is never replaced.
pub(super) fn standing(dir: &OwnedFd, name: &OsStr) -> Result<Standing, Taken> {
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Standing::Nothing),
        Err(errno) => return Err(Taken::By(errno.into())),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Standing::File(u64::try_from(stat.st_size).unwrap_or(0))),
        FileType::Symlink => Ok(Standing::Symlink),
        FileType::Directory => Err(Taken::Kind("folder")),
        FileType::Fifo => Err(Taken::Kind("pipe")),
        FileType::Socket => Err(Taken::Kind("socket")),
        _ => Err(Taken::Kind("device")),
    }
}

/// Compares a finished file of so many bytes with what stands at its final name: first by size, then by content.
pub(super) fn compare(dir: &OwnedFd, name: &OsStr, new: &File, length: u64) -> Result<Change, Taken> {
    match standing(dir, name)? {
        Standing::Nothing => Ok(Change::New),
        Standing::Symlink => Ok(Change::Changed),
        Standing::File(old) if old == length => same_bytes(dir, name, new, length),
        Standing::File(_) => Ok(Change::Changed),
    }
}

/// A file that may not be read counts as changed: it is replaced without having been compared.
fn same_bytes(dir: &OwnedFd, name: &OsStr, new: &File, length: u64) -> Result<Change, Taken> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(old) = openat(dir, name, flags, Mode::empty()) else { return Ok(Change::Changed) };
    let old = File::from(old);
    let most = usize::try_from(length).unwrap_or(CHUNK).min(CHUNK);
    let (mut left, mut right) = (vec![0; most], vec![0; most]);
    let mut offset = 0;
    while offset < length {
        let count = usize::try_from(length - offset).unwrap_or(most).min(most);
        new.read_exact_at(&mut left[..count], offset).map_err(Taken::By)?;
        if old.read_exact_at(&mut right[..count], offset).is_err() || left[..count] != right[..count] {
            return Ok(Change::Changed);
        }
        offset += count as u64;
    }
    Ok(Change::Same)
}
