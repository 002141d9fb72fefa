//! What a file's bytes must be, as its job says it: by the digest itself (`sha256`), or by a file beside it at the server
//! (`checksum_file`), which is fetched while the file is. No program is run at the server, which would be given names that
//! others made up. Not here: one for all of a folder (`lists`), what such a file says (`sums`), and the comparison
//! (`run`).

use super::codec::Attrs;
use super::entry;
use super::error::shown;
use super::fetch::File;
use super::lists::Lists;
use super::ready::{self, Gate};
use super::same::{Growing, Same};
use super::settings::Keys;
use super::store::Store;
use super::sums::Sums;
use crate::expr::{Scope, Template};
use crate::gather::Advice;
use crate::sources::{Checksum, Sink, SourceError};
use crate::units::Size;
use std::sync::Arc;

/// The most bytes of a file's own checksum file.
const MOST: u64 = 64 * 1024;
/// How many bytes of one are asked for at once: most have a single line.
const USUAL: u64 = 1023;

/// What says what a file's bytes must be.
pub(super) enum Check {
    /// The plan.
    Plan(Checksum),
    /// A file at the server that is for it alone: its path.
    File(Vec<u8>),
    /// One that is for all of its folder.
    List(Arc<Lists>, Vec<u8>),
}

/// Why the files of a job can't be compared with anything, and the key that is wrong.
pub(super) fn wrong(keys: &Keys) -> Option<(&'static str, &'static str)> {
    let is_fixed = |sha256: &Template| !sha256.uses("item");
    if keys.sha256.is_some() && keys.checksum_file.is_some() {
        return Some(("checksum_file", "`sha256` and `checksum_file` say the same thing: one is enough"));
    }
    if keys.is_many() && keys.sha256.as_ref().is_some_and(is_fixed) {
        let why = "`sha256` would be that of all files\n  (use `item` in it, or `checksum_file`)";
        return Some(("sha256", why));
    }
    let has_one = keys.sha256.is_some() || keys.checksum_file.is_some();
    (has_one && keys.growing == Growing::Snapshot).then_some((
        "growing",
        "`growing` beside a checksum: that is of the file when it has all been written\n  (drop one of them)",
    ))
}

impl Check {
    /// What a job says of the file at a path, one that was found by listing or one that it names itself.
    pub(super) fn of(
        keys: &Keys,
        gate: &Gate,
        path: &[u8],
        is_listed: bool,
        scope: &Scope,
    ) -> Result<Option<Check>, SourceError> {
        if let Some(sha256) = &keys.sha256 {
            return Checksum::of(sha256, scope).map(|checksum| Some(Check::Plan(checksum)));
        }
        let Some(beside) = &gate.checksum_file else { return Ok(None) };
        let name = if is_listed { beside.listed(scope)? } else { beside.text(scope)?.into_bytes() };
        let beside_it = ready::beside(path, &name);
        Ok(Some(match beside.is_shared() {
            true => Check::List(gate.lists.clone(), beside_it),
            false => Check::File(beside_it),
        }))
    }

    /// What the bytes of a file must be. Asks the server, if that is where it is said.
    pub(super) async fn checksum(&self, file: &File<'_>) -> Result<Checksum, SourceError> {
        let (path, sums) = match self {
            Check::Plan(checksum) => return Ok(checksum.clone()),
            Check::File(path) => {
                let (_, text) = read(path, Some(USUAL), MOST, file).await?;
                (path, Arc::new(Sums::read(&text)))
            }
            Check::List(lists, path) => (path, lists.sums(path, file).await?),
        };
        match sums.digest_of(entry::name(file.path)) {
            Ok(digest) => Ok(Checksum { digest, said_by: shown(entry::name(path)).into() }),
            Err(why) => {
                let message = format!("{}{}: {why}", file.target, shown(path));
                Err(SourceError::new("checksum", message).advice(Advice::AGAIN))
            }
        }
    }
}

/// Reads a checksum file of no more than so many bytes over the connection of the file that it is for: what the server says of
/// it, and what is in it.
pub(super) async fn read(
    path: &[u8],
    size: Option<u64>,
    most: u64,
    file: &File<'_>,
) -> Result<(Attrs, Vec<u8>), SourceError> {
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: most };
    let same = Same::default();
    let File { lease, context, target, .. } = *file;
    let beside = File { lease, context, target, path, size, same: &same };
    let attrs = beside.fetch(&Store::new(&mut sink)).await.map_err(|error| with_hint(error, most))?;
    let Sink::Keep { bytes, .. } = sink else { unreachable!("it was made above") };
    Ok((attrs, bytes))
}

/// What can be done about a checksum file that can't be had, of so many bytes at most.
pub(super) fn with_hint(error: SourceError, most: u64) -> SourceError {
    match error.code {
        "not_found" => error.hint(
            "`checksum_file` asks for it; with a `done_file` of that name, files are skipped until it is there",
        ),
        "too_large" => error.hint(format!("a checksum file may have {}", Size(most))),
        _ => error,
    }
}
