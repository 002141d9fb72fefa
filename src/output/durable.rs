//! Parts that become final so that they outlive a power cut, a group at a time: their bytes are on the disk before they have
//! their names, and their names are when this returns. A disk takes hardly longer for a group than for one.

use super::error::OutputError;
use super::folder::Dir;
use super::part::Part;
use super::temp::Temp;
use crate::gather::Change;
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::SystemTime;

/// How folders are opened to be synced.
const SYNC: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Gives all of them their final names, each in place of what is there, and their modification times. Blocking.
pub fn commit_durably(parts: Vec<(Part, Option<SystemTime>)>) -> Vec<Result<Change, OutputError>> {
    let temps: Vec<Result<Temp, OutputError>> =
        parts.into_iter().map(|(part, modified)| part.into_temp(modified)).collect();
    // All of them are on their way before the first is waited for.
    temps.iter().flatten().for_each(Temp::begin_sync);
    let synced: Vec<Result<Temp, OutputError>> =
        temps.into_iter().map(|temp| temp.and_then(|temp| temp.sync().map(|()| temp))).collect();
    let mut folders = Folders::default();
    let renamed: Vec<_> = synced
        .into_iter()
        .map(|temp| {
            let temp = temp?;
            let (dir, failed) = (temp.dir(), temp.unsynced());
            Ok((temp.rename()?, dir, failed))
        })
        .collect();
    let settle = |renamed: Result<_, OutputError>| {
        let (change, (dir, depth), failed): (Change, (Arc<Dir>, usize), _) = renamed?;
        folders.sync(&dir, depth).map_err(failed)?;
        Ok(change)
    };
    renamed.into_iter().map(settle).collect()
}

/// The folders of a group that are synced, with how it went.
#[derive(Default)]
struct Folders(HashMap<(u64, u64), Result<(), Errno>>);

impl Folders {
    /// Syncs a folder and those above it, which may be as new, up to the one that holds the output folder.
    fn sync(&mut self, dir: &Dir, depth: usize) -> Result<(), Errno> {
        let mut at = self.sync_one(dir.handle.as_fd(), c".")?;
        for _ in 0..depth {
            at = self.sync_one(at.as_fd(), c"..")?;
        }
        // What is above the output folder was there before, or was made with it; it need not be ours to read.
        let _ = self.sync_one(at.as_fd(), c"..");
        Ok(())
    }

    fn sync_one(&mut self, from: BorrowedFd<'_>, path: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
        let folder = openat(from, path, SYNC, Mode::empty())?;
        let stat = fstat(&folder)?;
        let sync = || rustix::fs::fsync(&folder);
        (*self.0.entry((stat.st_dev, stat.st_ino)).or_insert_with(sync))?;
        Ok(folder)
    }
}
