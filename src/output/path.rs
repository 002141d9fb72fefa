//! The path of an output below the output folder: one spelling for each file, and what none may be. Not here: the names
//! in it that come from servers and from data (`names`), and opening it (`folder`).

use super::temp::SUFFIX;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a path can't be that of an output: reads on from the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is absolute, or holds `..`.
    #[error("is not below the output folder")]
    Outside,
    /// It is empty, or ends in `/` or `.`.
    #[error("names no file")]
    NoFile,
    /// It holds a NUL.
    #[error("holds a NUL")]
    Nul,
    /// It ends as the names of temporary files do.
    #[error("ends in .fanout-part, as the names of files do that are not finished")]
    Unfinished,
}

/// The path of a file below the output folder, without the components that mean nothing: `./a//b` is `a/b`.
pub fn file_path(path: impl AsRef<Path>) -> Result<PathBuf, PathError> {
    let bytes = path.as_ref().as_os_str().as_bytes();
    let names = || bytes.split(|byte| *byte == b'/');
    if bytes.starts_with(b"/") || names().any(|name| name == b"..") {
        return Err(PathError::Outside);
    }
    if names().next_back().is_none_or(|name| matches!(name, b"" | b".")) {
        return Err(PathError::NoFile);
    }
    if bytes.contains(&0) {
        return Err(PathError::Nul);
    }
    if bytes.ends_with(SUFFIX.as_bytes()) {
        return Err(PathError::Unfinished);
    }
    Ok(path.as_ref().components().filter(|name| matches!(name, std::path::Component::Normal(_))).collect())
}
