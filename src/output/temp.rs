//! The temporary file of an output: made or taken over, locked, and given its final name, removed or left to be gone on
//! with. Not here: who writes into it (`part`), where it lies (`folder`), and what is known to be in it (`resume`).
//!
//! Who holds the lock of the file that is at the temporary name, and nobody else, may remove or rename it. As a name
//! may have got another file between opening and locking, the two are compared after locking.

mod leftover;

use super::change;
use super::error::OutputError;
use super::folder::Dir;
use super::resume::{Origin, Resume};
use super::whole::Whole;
use crate::gather::Change;
use leftover::Lock;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, renameat, unlinkat};
use rustix::io::{Errno, pwritev, retry_on_intr};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
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

/// A temporary file that is open, locked and ours. Dropped, it is removed, unless somebody may go on with it.
pub(super) struct Temp {
    place: Place,
    name: OsString,
    file: File,
    /// What is in it, if another attempt or run may go on with it.
    resume: Option<Resume>,
    /// It has its final name.
    finished: bool,
}

impl Temp {
    /// Makes it, in place of an unlocked leftover.
    pub(super) fn create(place: Place, mode: Option<u32>) -> Result<Temp, OutputError> {
        let name = temp_name(&place.name);
        let permissions = permissions(mode).ok_or_else(|| place.because("its mode is not within 0777"))?;
        for _ in 0..TRIES {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match openat(&place.dir.handle, &name, flags, permissions) {
                Ok(file) => file,
                Err(Errno::EXIST) => {
                    leftover::remove(&place, &name)?;
                    continue;
                }
                Err(errno) => return Err(place.failed(errno)),
            };
            let lock = leftover::lock(&file).map_err(|errno| place.failed(errno))?;
            if lock == Lock::Theirs || !leftover::is_at(&place, &name, &file) {
                continue;
            }
            let temp = Temp { place, name, file: file.into(), resume: None, finished: false };
            return temp.with_mode(mode);
        }
        Err(leftover::busy(&place))
    }

    /// Takes over a leftover that has bytes of this origin, or else makes it as `create` does; either can be gone on with.
    pub(super) fn resume(place: Place, mode: Option<u32>, origin: Origin) -> Result<Temp, OutputError> {
        let (name, origin) = (temp_name(&place.name), origin.with_mode(mode));
        let origin = if place.dir.remote { origin.of_this_process() } else { origin };
        if let Some(file) = leftover::take(&place, &name)
            && let Some(resume) = Resume::read(origin, &file)
        {
            return Ok(Temp { place, name, file, resume: Some(resume), finished: false });
        }
        let mut temp = Temp::create(place, mode)?;
        temp.resume = Some(Resume::new(origin));
        Ok(temp)
    }

    /// The umask took away what the mode asks for.
    fn with_mode(self, mode: Option<u32>) -> Result<Temp, OutputError> {
        if let Some(mode) = permissions(mode).filter(|_| mode.is_some()) {
            rustix::fs::fchmod(&self.file, mode).map_err(|errno| self.place.failed(errno))?;
        }
        Ok(self)
    }

    /// Writes all pieces, one behind the other, from an offset on.
    pub(super) fn write_at(&self, pieces: &[impl AsRef<[u8]>], offset: u64) -> Result<(), OutputError> {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece.as_ref())).collect();
        let end = write_all_at(&self.file, &mut slices, offset).map_err(|cause| self.place.failed(cause))?;
        if let Some(resume) = &self.resume {
            resume.wrote(offset..end, &self.file);
        }
        Ok(())
    }

    /// What is to be written yet, if that is known.
    pub(super) fn missing(&self) -> Option<Vec<Range<u64>>> {
        self.resume.as_ref().map(Resume::missing)
    }

    /// Nobody is to go on with it.
    pub(super) fn forget(&mut self) {
        self.resume = None;
    }

    /// Reads up to a buffer's length from an offset; 0 at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, OutputError> {
        self.file
            .read_at(buffer, offset)
            .map_err(|cause| OutputError::io("read back", &self.place.path, cause))
    }

    /// Empties it; nobody is to go on with what was in it.
    pub(super) fn clear(&mut self) -> Result<(), OutputError> {
        self.forget();
        self.set_len(0)
    }

    fn set_len(&self, length: u64) -> Result<(), OutputError> {
        self.file.set_len(length).map_err(|cause| self.place.failed(cause))
    }

    /// Bytes in it, the records not counted.
    pub(super) fn len(&self) -> Result<u64, OutputError> {
        let length = self.file.metadata().map_err(|cause| self.place.failed(cause))?.len();
        Ok(self.resume.as_ref().map_or(length, |resume| length.min(resume.size())))
    }

    /// The final path, for messages.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.place.path
    }

    /// It is written: nothing is missing. Takes off what stands past its end, and sets when it was written to last.
    pub(super) fn complete(&mut self, modified: Option<SystemTime>) -> Result<(), OutputError> {
        let missing: u64 = self.missing().iter().flatten().map(|stretch| stretch.end - stretch.start).sum();
        if missing > 0 {
            return Err(self.place.because(&format!("{missing} bytes of it did not come")));
        }
        if let Some(resume) = self.resume.take() {
            self.set_len(resume.size())?;
        }
        modified.map_or(Ok(()), |time| self.file.set_modified(time)).map_err(|cause| self.place.failed(cause))
    }

    /// Waits until its bytes are on the disk.
    pub(super) fn sync(&self) -> Result<(), OutputError> {
        self.file.sync_data().map_err(|cause| self.place.failed(cause))
    }

    /// Whether syncing that file system syncs it.
    pub(super) fn is_in(&self, whole: &Whole) -> bool {
        fstat(&self.file).is_ok_and(|stat| stat.st_dev == whole.device())
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

    /// Gives it its final name, in place of what is there, once it is complete.
    pub(super) fn finish(self) -> Result<Change, OutputError> {
        if self.place.dir.remote {
            self.sync()?;
        }
        self.rename()
    }

    /// The same, with nothing before it.
    pub(super) fn rename(mut self) -> Result<Change, OutputError> {
        let Place { dir, name, path, .. } = &self.place;
        let change =
            change::compare(&dir.handle, name, &self.file, self.len()?).map_err(|why| why.at(path))?;
        renameat(&dir.handle, &self.name, &dir.handle, name).map_err(|errno| self.place.failed(errno))?;
        self.finished = true;
        Ok(change)
    }
}

/// Whether something is left that [`Temp::resume`] may find to be gone on with.
pub(super) fn has_leftover(place: &Place) -> bool {
    leftover::is_there(place, &temp_name(&place.name))
}

impl Drop for Temp {
    fn drop(&mut self) {
        let is_left = self.finished || self.resume.as_ref().is_some_and(|resume| resume.leave(&self.file));
        if !is_left {
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

/// Writes all bytes of the slices, one behind the other, and says where they end.
fn write_all_at(file: &File, mut slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<u64> {
    let mut end = offset;
    // No more of those that are empty or written.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match retry_on_intr(|| pwritev(file, slices, end))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => {
                end += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
        }
    }
    Ok(end)
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

#[cfg(test)]
mod tests;
