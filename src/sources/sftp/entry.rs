//! One file that a listing found: its key, its values for expressions, its fingerprint; and what a name from a server
//! may be. Not here: which files are found (`list`).

use super::codec::Attrs;
use super::error::shown;
use crate::sources::{Entry, SourceError};
use serde_json::{Value, json};
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

/// A file that a listing found.
pub(super) struct Found {
    /// As the server knows it.
    pub(super) path: Vec<u8>,
    /// Its path below the listing's base, or its name alone.
    pub(super) below: Vec<Vec<u8>>,
    /// Size and mtime.
    pub(super) attrs: Attrs,
}

impl Found {
    /// What `item` is in expressions.
    pub(super) fn value(&self) -> Value {
        let name = shown(name(&self.path));
        let stem = match name.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => &name,
        };
        let Attrs { size, mtime, .. } = self.attrs;
        json!({ "path": shown(&self.path), "name": name, "stem": stem, "size": size, "mtime": mtime })
    }

    /// Its entry.
    pub(super) fn entry(self) -> Entry {
        let value = self.value();
        let Found { path, below, attrs } = self;
        Entry {
            key: shown(&path).into(),
            value,
            fingerprint: fingerprint(&attrs),
            not_ready: None,
            path: Some(below),
            own: Some(Arc::new(Own::File { path, attrs })),
        }
    }

    /// Its entry if it is not to be taken yet.
    pub(super) fn not_ready(self, why: &str) -> Entry {
        Entry { not_ready: Some(why.into()), ..self.entry() }
    }

    /// Its entry if it can't be fetched.
    pub(super) fn refused(self, error: SourceError) -> Entry {
        Entry { own: Some(Arc::new(Own::Refused(error))), ..self.entry() }
    }
}

/// The entry of something that can't be fetched.
pub(super) fn refused(path: &[u8], below: &[Vec<u8>], error: SourceError) -> Entry {
    Found { path: path.to_vec(), below: below.to_vec(), attrs: Attrs::default() }.refused(error)
}

/// What tells whether a file is the one it was.
pub(super) fn fingerprint(attrs: &Attrs) -> Option<String> {
    Some(format!("{} bytes at {}", attrs.size?, attrs.mtime?))
}

/// When the file was written to last.
pub(super) fn modified(attrs: &Attrs) -> Option<SystemTime> {
    attrs.mtime.map(|mtime| UNIX_EPOCH + Duration::from_secs(mtime.into()))
}

/// The last name of a path.
pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
