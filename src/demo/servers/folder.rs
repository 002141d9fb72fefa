//! A temporary folder that only this user can enter, removed when it is dropped.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How many names are tried before giving up.
const TRIES: u32 = 1000;

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a new one in the system's folder for temporary files.
    pub(super) fn create() -> io::Result<Folder> {
        let parent = std::env::temp_dir();
        let names = (0..TRIES).map(|try_| parent.join(format!("fanout-demo-{}-{try_}", std::process::id())));
        for path in names {
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a temporary folder"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed stays in the folder for temporary files: nothing better is left to do.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
