//! One file that a listing found: its key, its values for expressions, its fingerprint; and what a name from a server
//! may be. Not here: which files are found (`list`).

use super::codec::Attrs;
use super::error::shown;
use crate::sources::{Entry, SourceError};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an entry of this kind carries for its own request.
pub(super) enum Own {
    /// A file: its exact path, and what the listing told of it.
    File {
        /// As the server knows it.
        path: Vec<u8>,
        /// Size and mtime.
        attrs: Attrs,
    },
    /// Something that can't be fetched and must not go unseen: its item fails with this.
    Refused(SourceError),
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe, a socket.
    Special,
    /// The server doesn't say.
    Unknown,
}

/// The type from the permissions, else from the first letter of a line in `ls -l` form.
pub(super) fn kind(attrs: &Attrs, sign: Option<u8>) -> Kind {
    match (attrs.mode.map(|mode| mode & 0o170_000), sign) {
        (Some(0o100_000), _) | (None | Some(0), Some(b'-')) => Kind::File,
        (Some(0o040_000), _) | (None | Some(0), Some(b'd')) => Kind::Folder,
        (Some(0o120_000), _) | (None | Some(0), Some(b'l')) => Kind::Symlink,
        (None | Some(0), _) => Kind::Unknown,
        (Some(_), _) => Kind::Special,
    }
}

/// The entry of a file at `path`, `below` the listing's base.
pub(super) fn file(path: Vec<u8>, below: Vec<Vec<u8>>, attrs: Attrs) -> Entry {
    let key = shown(&path);
    let name = shown(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => &name,
    };
    Entry {
        value: json!({ "path": key, "name": name, "stem": stem, "size": attrs.size, "mtime": attrs.mtime }),
        key: key.as_str().into(),
        fingerprint: fingerprint(&attrs),
        path: Some(below),
        own: Some(Arc::new(Own::File { path, attrs })),
    }
}

/// The entry of something that can't be fetched.
pub(super) fn refused(path: &[u8], below: &[Vec<u8>], error: SourceError) -> Entry {
    let attrs = Attrs::default();
    let entry = file(path.to_vec(), below.to_vec(), attrs);
    Entry { own: Some(Arc::new(Own::Refused(error))), ..entry }
}

/// What tells whether a file is the one it was.
pub(super) fn fingerprint(attrs: &Attrs) -> Option<String> {
    Some(format!("{} bytes at {}", attrs.size?, attrs.mtime?))
}

/// When the file was written to last.
pub(super) fn modified(attrs: &Attrs) -> Option<SystemTime> {
    attrs.mtime.map(|mtime| UNIX_EPOCH + Duration::from_secs(mtime.into()))
}
