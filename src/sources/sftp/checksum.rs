//! What a file's bytes must be, as its job says it: by the digest itself (`sha256`), or by a file beside it at the server
//! (`checksum_file`), which is fetched while the file is. No program is run at the server, which would be given names that
//! others made up. Not here: what such a file says (`sums`), and the comparison (`run`).

use super::entry;
use super::error::shown;
use super::fetch::File;
use super::ready::{self, Gate};
use super::same::{Growing, Same};
use super::settings::Keys;
use super::store::Store;
use super::sums;
use crate::expr::{Scope, Template};
use crate::gather::Advice;
use crate::sources::{Checksum, Sink, SourceError};

/// The most bytes of a checksum file: one for all of a folder has some hundred lines.
const MOST: u64 = 64 * 1024;
/// How many bytes of one are asked for at once: most have a single line.
const USUAL: u64 = 1023;

/// What says what a file's bytes must be.
pub(super) enum Check {
    /// The plan.
    Plan(Checksum),
    /// A file at the server: its path.
    File(Vec<u8>),
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
        Ok(Some(Check::File(ready::beside(path, &name))))
    }

    /// What the bytes of a file must be. Asks the server, if that is where it is said.
    pub(super) async fn checksum(&self, file: &File<'_>) -> Result<Checksum, SourceError> {
        let path = match self {
            Check::Plan(checksum) => return Ok(checksum.clone()),
            Check::File(path) => path,
        };
        let mut sink = Sink::Keep { bytes: Vec::new(), limit: MOST };
        let beside = File {
            lease: file.lease,
            context: file.context,
            target: file.target,
            path,
            size: Some(USUAL),
            same: &Same::default(),
        };
        beside.fetch(&Store::new(&mut sink)).await.map_err(with_hint)?;
        let Sink::Keep { bytes, .. } = sink else { unreachable!("it was made above") };
        match sums::digest_of(entry::name(file.path), &bytes) {
            Ok(digest) => Ok(Checksum { digest, said_by: shown(entry::name(path)).into() }),
            Err(why) => {
                let message = format!("{}{}: {why}", file.target, shown(path));
                Err(SourceError::new("checksum", message).advice(Advice::AGAIN))
            }
        }
    }
}

/// What can be done about a checksum file that can't be had.
fn with_hint(error: SourceError) -> SourceError {
    match error.code {
        "not_found" => error.hint(
            "`checksum_file` asks for it; with a `done_file` of that name, files are skipped until it is there",
        ),
        "too_large" => error.hint("a checksum file may have 64 KiB"),
        _ => error,
    }
}
