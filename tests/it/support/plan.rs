//! A folder with a plan in it, for one test. Not here: running it ([`command`](super::command)).

use super::command::Fanout;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary folder: `plan/` with `plan.toml`, where the program runs, and `home/`, its home folder.
#[derive(Debug)]
pub(crate) struct Plan {
    root: TempDir,
}

impl Plan {
    /// Makes the folder and writes the plan.
    pub(crate) fn new(toml: &str) -> Plan {
        let plan = Plan::empty();
        plan.write("plan.toml", toml);
        plan
    }

    /// A folder without a plan, for commands that need none.
    pub(crate) fn empty() -> Plan {
        let root = tempfile::Builder::new().prefix("fanout-plan-").tempdir().expect("a temporary folder");
        for folder in ["plan", "home", "tmp"] {
            fs::create_dir(root.path().join(folder)).expect("a folder in it");
        }
        Plan { root }
    }

    /// The plan's folder, or a path below it.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder().join(path)
    }

    /// The folder that the program runs in.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("plan")
    }

    /// The program's home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The program's folder for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// Writes a file below the plan's folder, with the folders above it.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let full = self.path(path);
        fs::create_dir_all(full.parent().expect("it is below the folder")).expect("a folder");
        fs::write(full, bytes).expect("a file");
    }

    /// A file's text.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path))
            .unwrap_or_else(|e| panic!("{path}: {e}; there are {:#?}", self.files()))
    }

    /// A file's bytes.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}; there are {:#?}", self.files()))
    }

    /// The paths of all files below the plan's folder, sorted, without `plan.toml`.
    pub(crate) fn files(&self) -> Vec<String> {
        let folder = self.folder();
        let mut files = Vec::new();
        list(&folder, &folder, &mut files);
        files.retain(|file| file != "plan.toml");
        files.sort();
        files
    }

    /// The program, to be run in the plan's folder: `plan.fanout(&["run", "plan.toml"]).run()`.
    pub(crate) fn fanout(&self, arguments: &[&str]) -> Fanout<'_> {
        Fanout::new(self, arguments)
    }
}

fn list(top: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if entry.file_type().expect("its kind").is_dir() {
            list(top, &path, files);
        } else {
            files.push(path.strip_prefix(top).expect("it is below").display().to_string());
        }
    }
}
