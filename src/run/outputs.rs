//! Where items write: parts below the one output folder, and which item has which final name. Not here: how a file is
//! made whole (`output`).

use super::item::Place;
use crate::expr::Scope;
use crate::output::{Folder, OutputError, component, file_path, server_name, shown};
use crate::plan::Job;
use crate::sources::{Entry, SourceError};
use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Outputs {
    /// Not there in a dry run, which writes nothing, and where no job has an output.
    folder: Option<Arc<Folder>>,
    claims: Mutex<Claims>,
}

/// Who writes each final name. There may be millions: each name is kept as two hashes by keys of this run's own, 128 bits
/// together, so that two of them are not taken for one by chance or by intent.
#[derive(Default)]
struct Claims {
    keys: [RandomState; 2],
    owners: HashMap<[u64; 2], Owner>,
    /// What the first of them are called.
    labels: HashMap<Owner, Arc<str>>,
}

/// Items whose labels are kept to name them if another one would write what they do: after that it is said without.
const MOST_NAMED: usize = 100_000;

/// An item, by its job and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) job: u32,
    pub(super) item: u64,
}

impl Outputs {
    pub(super) fn new(folder: Option<Arc<Folder>>) -> Outputs {
        Outputs { folder, claims: Mutex::default() }
    }

    /// The one folder that outputs are under.
    pub(super) fn folder(&self) -> Result<&Arc<Folder>, SourceError> {
        self.folder.as_ref().ok_or_else(|| SourceError::new("output", "this run writes nothing"))
    }

    /// Claims a final name for an item, which may claim it again. An error is the owner that has it, and what it is
    /// called if that is still known.
    pub(super) fn claim(
        &self,
        path: &Path,
        by: Owner,
        label: &Arc<str>,
    ) -> Result<(), (Owner, Option<Arc<str>>)> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let name = [0, 1].map(|key: usize| claims.keys[key].hash_one(path));
        let owner = *claims.owners.entry(name).or_insert(by);
        if owner != by {
            return Err((owner, claims.labels.get(&owner).cloned()));
        }
        if claims.labels.len() < MOST_NAMED {
            claims.labels.insert(by, label.clone());
        }
        Ok(())
    }
}

/// Where one item's result goes, by the job's `output`.
pub(super) fn place(
    job: &Job,
    scope: &Scope,
    entry: Option<&Entry>,
    key: Option<&str>,
) -> Result<Option<Place>, SourceError> {
    let Some(output) = &job.output else { return Ok(None) };
    let wrong =
        |error: crate::expr::ExprError| SourceError::new("expression", format!("output: {}", error.message));
    let mut path = PathBuf::from(output.path.path(scope).map_err(wrong)?);
    if output.folder {
        path.extend(below(entry, key)?);
    }
    let refuse = |why| SourceError::new("output", format!("output {}: the path {why}", shown(&path)));
    let path = file_path(&path).map_err(refuse)?;
    Ok(Some(Place { format: format_of(&path), path, mode: output.mode }))
}

/// The path of an item below its job's folder: what the listing says, or else its key as one name.
fn below(entry: Option<&Entry>, key: Option<&str>) -> Result<Vec<OsString>, SourceError> {
    let refuse = |error: String| SourceError::new("output", error);
    match entry.and_then(|entry| entry.path.as_ref()) {
        Some(names) => {
            names.iter().map(|name| server_name(name).map_err(|error| refuse(error.to_string()))).collect()
        }
        None => {
            let name = component(key.unwrap_or("result")).map_err(|error| refuse(error.to_string()))?;
            Ok(vec![OsString::from(&*name)])
        }
    }
}

fn format_of(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// An output that could not be written, as the error of an item.
pub(super) fn failed(error: &OutputError) -> SourceError {
    SourceError::new("output", error.message.clone())
}
