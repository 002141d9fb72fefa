//! Folders beneath a folder, opened without following a symlink and made where they are missing.
//! Not here: which are kept open (`folder`) and the files in them (`temp`).

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// How folders are opened: to look beneath them, nothing else.
#[cfg(target_os = "linux")]
pub(super) const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// How folders are opened: to look beneath them, nothing else.
#[cfg(not(target_os = "linux"))]
pub(super) const LOOK: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Why a folder beneath could not be opened.
#[derive(Debug)]
pub(super) struct Blocked {
    /// How many bytes of the path lead to what is in the way.
    pub(super) length: usize,
    /// What is there, if it is not a folder.
    pub(super) found: Option<FileType>,
    /// What the system said.
    pub(super) errno: Errno,
}

/// Opens the folder at `path` (components that are neither empty nor dots, `/` between) beneath `root`, making what
/// is missing with 0777 less umask.
pub(super) fn open(root: BorrowedFd<'_>, path: &OsStr) -> Result<OwnedFd, Blocked> {
    at_once(root, path).map_or_else(|| walk(root, path), Ok)
}

/// One system call for the whole path where the kernel has it and all is there; else `walk` finds out why not.
#[cfg(target_os = "linux")]
fn at_once(root: BorrowedFd<'_>, path: &OsStr) -> Option<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, LOOK, Mode::empty(), resolve).ok()
}

/// Other systems have no such call.
#[cfg(not(target_os = "linux"))]
fn at_once(_root: BorrowedFd<'_>, _path: &OsStr) -> Option<OwnedFd> {
    None
}

/// One component at a time, each opened in the one before.
fn walk(root: BorrowedFd<'_>, path: &OsStr) -> Result<OwnedFd, Blocked> {
    let mut at: Option<OwnedFd> = None;
    let mut length = 0;
    for name in path.as_bytes().split(|byte| *byte == b'/') {
        let parent = at.as_ref().map_or(root, AsFd::as_fd);
        let name = OsStr::from_bytes(name);
        length += name.len();
        let next = step(parent, name);
        at = Some(next.map_err(|errno| Blocked { length, found: not_a_folder(parent, name), errno })?);
        length += 1;
    }
    at.ok_or(Blocked { length: 0, found: None, errno: Errno::INVAL })
}

/// Opens one folder in another, making it if it is not there.
fn step(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let look = || openat(parent, name, LOOK | OFlags::NOFOLLOW, Mode::empty());
    match look() {
        Err(Errno::NOENT) => match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => look(),
            Err(errno) => Err(errno),
        },
        other => other,
    }
}

/// What is at the name, if it is something else than a folder.
fn not_a_folder(parent: BorrowedFd<'_>, name: &OsStr) -> Option<FileType> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode)).filter(|found| *found != FileType::Directory)
}

#[cfg(test)]
mod tests;
