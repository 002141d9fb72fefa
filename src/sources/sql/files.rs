//! `query_file`: one file, or a glob of files, of which each is an item. Not here: what is in them (`scan`).

use crate::gather::{BoxFuture, Context, Listing, Page};
use crate::sources::{Entry, SourceError};
use globset::{GlobBuilder, GlobMatcher};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The most files on a page.
const PAGE: usize = 1000;
/// The most folders below each other that `**` looks into.
const DEPTH: usize = 64;
/// The most bytes of a query's file.
pub(super) const FILE_BYTES: u64 = 16 << 20;

/// Whether a path is a pattern.
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// The files of a pattern, page by page, in the order of their paths.
pub(super) struct Files {
    folder: PathBuf,
    pattern: String,
    found: Option<std::vec::IntoIter<PathBuf>>,
}

impl Files {
    /// The files that match `pattern` below `folder`.
    pub(super) fn new(folder: &Path, pattern: &str) -> Files {
        Files { folder: folder.to_owned(), pattern: pattern.to_owned(), found: None }
    }
}

impl Listing for Files {
    type Entry = Entry;
    type Err = SourceError;

    fn next_page<'a>(&'a mut self, context: &'a Context) -> BoxFuture<'a, Result<Page<Entry>, SourceError>> {
        Box::pin(async move {
            let (folder, pattern) = (self.folder.clone(), self.pattern.clone());
            let found = self.found.take();
            let (entries, rest) = context.blocking(move |_| page(&folder, &pattern, found)).await?;
            let more = rest.len() > 0;
            self.found = Some(rest);
            Ok(Page { entries, more })
        })
    }
}

type Found = std::vec::IntoIter<PathBuf>;

fn page(folder: &Path, pattern: &str, found: Option<Found>) -> Result<(Vec<Entry>, Found), SourceError> {
    let mut found = match found {
        Some(found) => found,
        None => find(folder, pattern)?.into_iter(),
    };
    let entries = found.by_ref().take(PAGE).map(|path| entry(folder, path)).collect::<Result<_, _>>()?;
    Ok((entries, found))
}

/// All files of a pattern, sorted. A path that is no pattern is itself, whether it is there or not.
fn find(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    if !is_glob(pattern) {
        return Ok(vec![folder.join(pattern)]);
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob =
        glob.map_err(|error| SourceError::new("not_found", format!("`{pattern}`: {}", error.kind())))?;
    let fixed = &pattern[..pattern.find(['*', '?', '[', '{']).unwrap_or(0)];
    let start = fixed.rfind('/').map_or("", |slash| &fixed[..=slash]);
    let mut files = Vec::new();
    let depth = if pattern.contains("**") { DEPTH } else { pattern[start.len()..].matches('/').count() };
    walk(folder, Path::new(start), &glob.compile_matcher(), depth, &mut files)?;
    files.sort();
    let mut stems = HashMap::new();
    for file in &files {
        if let Some(other) = stems.insert(file.file_stem(), file) {
            let message =
                format!("`{pattern}`: items have equal keys: {} and {}", other.display(), file.display());
            return Err(SourceError::new("duplicate_key", message)
                .hint("an item's key is the name of its file, without the ending"));
        }
    }
    Ok(files.into_iter().map(|file| folder.join(file)).collect())
}

/// Looks through a folder; symbolic links to folders are not followed.
fn walk(
    root: &Path,
    below: &Path,
    glob: &GlobMatcher,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), SourceError> {
    let folder = root.join(below);
    for found in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
        let found = found.map_err(|error| unreadable(&folder, &error))?;
        let path = below.join(found.file_name());
        let kind = found.file_type().map_err(|error| unreadable(&folder, &error))?;
        if kind.is_dir() && depth > 0 {
            walk(root, &path, glob, depth - 1, files)?;
        } else if !kind.is_dir() && glob.is_match(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn entry(folder: &Path, path: PathBuf) -> Result<Entry, SourceError> {
    let meta = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
    let (Some(name), Some(stem)) = (path.file_name(), path.file_stem()) else {
        return Err(SourceError::new("not_found", format!("{}: not a file", path.display())));
    };
    let [name, stem] = [name, stem].map(|part| part.to_string_lossy().into_owned());
    let mtime = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let mtime = mtime.map(|time| time.as_secs());
    let shown = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
    Ok(Entry {
        key: stem.as_str().into(),
        value: json!({ "path": shown, "name": name, "stem": stem, "size": meta.len(), "mtime": mtime }),
        fingerprint: None,
        not_ready: None,
        path: None,
        own: Some(Arc::new(path)),
    })
}

/// Reads a query's file. Blocking.
pub(super) fn read(path: &Path) -> Result<String, SourceError> {
    let meta = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if meta.len() > FILE_BYTES {
        let message = format!("{}: larger than {FILE_BYTES} bytes, which is no query", path.display());
        return Err(SourceError::new("too_large", message));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    // Editors on Windows put a byte order mark before the text; servers take it for a letter.
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    let code = if error.kind() == std::io::ErrorKind::NotFound { "not_found" } else { "permission" };
    SourceError::new(code, format!("{}: {error}", path.display()))
}
