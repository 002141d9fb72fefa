//! The folder that outputs are under, and the handles of the folders beneath it that were used last.
//! Not here: how a file in one of them is written (`temp`, `part`).

use super::beneath::{self, Blocked, LOOK};
use super::part::Part;
use super::path::file_path;
use super::resume::Origin;
use super::temp::{self, Place, Temp};
use super::whole::Whole;
use super::{OutputError, shown};
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, accessat, fstat, openat};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many folders beneath are kept open at most.
const KEPT: usize = 64;
/// How long a kept handle is trusted: after that the path is looked up again, as somebody may have moved the folder.
const TRUSTED: Duration = Duration::from_secs(1);

/// The folder all of a run's outputs are under, opened once. Nothing is written outside of it, no symlink beneath it
/// is followed.
pub struct Folder {
    path: PathBuf,
    root: Arc<Dir>,
    kept: Mutex<Vec<Kept>>,
}

/// An open folder.
pub(super) struct Dir {
    pub(super) handle: OwnedFd,
    /// It is on a network: whether its disk is full is known only when a file is synced.
    pub(super) remote: bool,
    /// The file system of the folder that all outputs are under, if it can be synced as a whole.
    pub(super) whole: Option<Arc<Whole>>,
}

/// A folder beneath that was used lately; the one used last is at the end.
struct Kept {
    path: OsString,
    dir: Arc<Dir>,
    opened: Instant,
}

/// Cuts the start of an `output`, up to its first expression, after its last `/`: what is before is the author's own
/// and goes to [`Folder::open`]; what is after begins the path beneath it. `../reports/x.csv` is (`../reports/`,
/// `x.csv`).
pub fn split_output(start: &str) -> (&str, &str) {
    start.split_at(start.rfind('/').map_or(0, |slash| slash + 1))
}

impl Folder {
    /// Opens it, making it if it is not there. The path is the plan author's: it may be absolute, hold `..` and lead
    /// through symlinks; an empty one is the current folder. An error if nothing can be written in it. Blocking.
    pub fn open(path: &Path) -> Result<Arc<Folder>, OutputError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let failed = |cause| OutputError::io("make the output folder", path, cause);
        std::fs::create_dir_all(path).map_err(failed)?;
        let usable = accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty());
        let handle = usable.and_then(|()| openat(CWD, path, LOOK, Mode::empty()));
        let handle = handle.map_err(|errno| OutputError::io("write in the output folder", path, errno))?;
        let whole = Whole::of(&handle).map(Arc::new);
        let root = Arc::new(Dir::new(handle, whole));
        Ok(Arc::new(Folder { path: path.to_owned(), root, kept: Mutex::default() }))
    }

    /// Its path, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the part of an output at `path` (relative, `/` between components), making folders. The file will have
    /// the permissions `mode`, or 0666 less umask. A part that another run or item writes is an error. Blocking.
    pub fn part(self: &Arc<Folder>, path: impl AsRef<Path>, mode: Option<u32>) -> Result<Part, OutputError> {
        let path = path.as_ref().to_owned();
        Ok(Part::new(Late { folder: Arc::clone(self), path, mode, origin: None }.make()?))
    }

    /// The same, but nothing is done on the disk before something is to be written, and so errors come as late. For
    /// thousands of small files, which then are made, written and final in one go. Not blocking.
    pub fn late_part(self: &Arc<Folder>, path: impl AsRef<Path>, mode: Option<u32>) -> Part {
        Part::late(Late { folder: Arc::clone(self), path: path.as_ref().to_owned(), mode, origin: None })
    }

    /// Where an output goes: its folder, opened, and its name in it.
    fn place(&self, path: &Path) -> Result<Place, OutputError> {
        let wrong = |why| OutputError::because("write", &self.path.join(path), &format!("the path {why}"));
        let path = file_path(path).map_err(wrong)?;
        let dir = self.dir(path.parent().map_or(OsStr::new(""), Path::as_os_str))?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let depth = path.components().count() - 1;
        Ok(Place { dir, depth, name, path: self.path.join(path) })
    }

    /// The handle of the folder at a checked path beneath.
    fn dir(&self, path: &OsStr) -> Result<Arc<Dir>, OutputError> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        if let Some(dir) = self.recall(path) {
            return Ok(dir);
        }
        let handle =
            beneath::open(self.root.handle.as_fd(), path).map_err(|blocked| self.blocked(path, &blocked))?;
        let dir = Arc::new(Dir::new(handle, self.root.whole.clone()));
        self.keep(path, &dir);
        Ok(dir)
    }

    /// A kept handle that is still trusted.
    fn recall(&self, path: &OsStr) -> Option<Arc<Dir>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().rposition(|entry| entry.path == path)?;
        let entry = kept.remove(place);
        let is_removed = fstat(&entry.dir.handle).is_ok_and(|stat| stat.st_nlink == 0);
        if is_removed || entry.opened.elapsed() > TRUSTED {
            return None;
        }
        let dir = Arc::clone(&entry.dir);
        kept.push(entry);
        Some(dir)
    }

    /// Keeps a handle, in place of the one that was not used for the longest time.
    fn keep(&self, path: &OsStr, dir: &Arc<Dir>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|entry| entry.path != path);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Kept { path: path.to_owned(), dir: Arc::clone(dir), opened: Instant::now() });
    }

    fn blocked(&self, path: &OsStr, blocked: &Blocked) -> OutputError {
        let place = self.path.join(OsStr::from_bytes(&path.as_bytes()[..blocked.length]));
        let why = match blocked.found {
            Some(FileType::Symlink) => "it is a symlink, which is not followed",
            Some(_) => "it is there and not a folder",
            None => return OutputError::io("make the folder", &place, blocked.errno),
        };
        OutputError::because("make the folder", &place, why)
    }
}

/// A part that is not on the disk yet.
pub(super) struct Late {
    folder: Arc<Folder>,
    path: PathBuf,
    mode: Option<u32>,
    /// Where its bytes come from, if another attempt or run may go on with it.
    pub(super) origin: Option<Origin>,
}

impl Late {
    /// Puts it there, if its final name can be had.
    pub(super) fn make(&self) -> Result<Temp, OutputError> {
        let place = self.folder.place(&self.path)?;
        place.check_target()?;
        match self.origin {
            Some(origin) => Temp::resume(place, self.mode, origin),
            None => Temp::create(place, self.mode),
        }
    }

    /// Whether something is left that may be gone on with.
    pub(super) fn has_leftover(&self) -> bool {
        self.folder.place(&self.path).is_ok_and(|place| temp::has_leftover(&place))
    }

    /// Puts it there to be made final at once, which looks at the final name.
    pub(super) fn make_last(&self) -> Result<Temp, OutputError> {
        Temp::create(self.folder.place(&self.path)?, self.mode)
    }

    /// The final path, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path.join(&self.path)
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Folder({})", shown(&self.path))
    }
}

impl Dir {
    fn new(handle: OwnedFd, whole: Option<Arc<Whole>>) -> Dir {
        let remote = is_remote(&handle);
        Dir { handle, remote, whole }
    }
}

/// Whether a folder is on a file system that may take bytes and say only later that there is no space for them.
#[cfg(target_os = "linux")]
pub(super) fn is_remote(handle: &OwnedFd) -> bool {
    /// NFS, SMB, CIFS, SMB2, FUSE, 9P, Ceph, AFS, Lustre.
    const REMOTE: [u32; 9] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x5346_414f,
        0x0bd0_0bd0,
    ];
    // The type's own type differs from machine to machine.
    rustix::fs::fstatfs(handle)
        .is_ok_and(|stat| u32::try_from(stat.f_type).is_ok_and(|kind| REMOTE.contains(&kind)))
}

/// Elsewhere the numbers differ, and a sync for each file is the price of not knowing.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_remote(_handle: &OwnedFd) -> bool {
    false
}
