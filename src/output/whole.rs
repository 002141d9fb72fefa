//! A file system that is synced as a whole, for several outputs at once. Not here: which outputs (`durable`).

use super::folder::is_remote;
use rustix::fs::{Dev, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A file system that can be synced as a whole.
pub(super) struct Whole {
    /// Opened before anything is written: what can't be written from then on is told by a sync.
    handle: OwnedFd,
    device: Dev,
    /// It told of something that could not be written. That is told once, and not of which file: perhaps of one that is in
    /// no group yet. From then on each output is synced by itself, which tells of its own.
    failed: AtomicBool,
}

impl Whole {
    /// That of a folder. What is on a network is nothing to be synced as a whole, nor is anything where a sync does not tell
    /// what could not be written.
    pub(super) fn of(folder: &OwnedFd) -> Option<Whole> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = openat(folder, c".", flags, Mode::empty()).ok()?;
        let is_told = !is_remote(&handle) && tells(&rustix::system::uname().release().to_string_lossy());
        let device = fstat(&handle).ok()?.st_dev;
        is_told.then_some(Whole { handle, device, failed: AtomicBool::new(false) })
    }

    /// What its files have in common.
    pub(super) fn device(&self) -> Dev {
        self.device
    }

    /// Syncs it; an error from the first one on that something could not be written.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        if self.failed.load(Relaxed) {
            return Err(Errno::IO);
        }
        syncfs(&self.handle).inspect_err(|_| self.failed.store(true, Relaxed))
    }
}

#[cfg(target_os = "linux")]
fn syncfs(handle: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::syncfs(handle)
}

/// Elsewhere there is no such call.
#[cfg(not(target_os = "linux"))]
fn syncfs(_handle: &OwnedFd) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Whether a kernel of this release tells by syncfs(2) what could not be written: from 5.8 on.
fn tells(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    cfg!(target_os = "linux") && (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::beneath::LOOK;
    use rustix::fs::CWD;

    #[test]
    fn what_could_not_be_written_once_is_not_forgotten_by_the_next_sync() {
        let temp = tempfile::tempdir().unwrap();
        let folder = openat(CWD, temp.path(), LOOK, Mode::empty()).unwrap();
        let Some(mut whole) = Whole::of(&folder) else { return };
        whole.sync().unwrap();
        // One that is open to look beneath it can't be synced.
        let good = std::mem::replace(&mut whole.handle, folder);
        whole.sync().unwrap_err();
        whole.handle = good;
        whole.sync().unwrap_err();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_kernel_that_tells_nothing_is_not_relied_on() {
        for (release, told) in [
            ("4.18.0-553.el8_10.x86_64", false),
            ("5.4.0-200-generic", false),
            ("5.8.0", true),
            ("5.10.0-33-amd64", true),
            ("6.1-rc3", true),
            ("odd", false),
        ] {
            assert_eq!(tells(release), told, "{release}");
        }
    }
}
