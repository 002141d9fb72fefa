//! A file that lies beside others and says something of them, that they are whole or what their bytes are: one beside each
//! (`${{ item.name }}.done`), or one for all of a folder (`_SUCCESS`). Pure. Not here: asking whether it is there (`ready`),
//! and reading it (`checksum`).

use super::error::unshown;
use crate::expr::{Scope, Template};
use crate::sources::SourceError;
use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[cfg(test)]
mod tests;

/// How it is named.
pub(super) struct Beside {
    /// The job's key that says so.
    key: &'static str,
    name: Template,
    /// Matches the names of all that there may be.
    matcher: GlobMatcher,
}

impl Beside {
    /// Reads it as a plan says it. An error says what is wrong.
    pub(super) fn read(key: &'static str, name: Template) -> Result<Beside, String> {
        let pattern = pattern(&name)?;
        let glob = GlobBuilder::new(&pattern).backslash_escape(true).build();
        let matcher = glob.map_err(|error| error.kind().to_string())?.compile_matcher();
        Ok(Beside { key, name, matcher })
    }

    /// Whether one is for all of a folder.
    pub(super) fn is_shared(&self) -> bool {
        !self.name.uses("item")
    }

    /// Whether a name may be that of such a file, which is not one to be taken.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.matcher.is_match(OsStr::from_bytes(name))
    }

    /// The name for the file that is `item` in the scope, byte for byte as the server has it.
    pub(super) fn listed(&self, scope: &Scope) -> Result<Vec<u8>, SourceError> {
        self.text(scope).map(|name| unshown(&name))
    }

    /// The name in a job that names its files itself.
    pub(super) fn text(&self, scope: &Scope) -> Result<String, SourceError> {
        let wrong = |why: String| SourceError::new("expression", format!("`{}`: {why}", self.key));
        let name = self.name.text(scope).map_err(|error| wrong(error.message))?;
        name_only(&name).map_err(|why| wrong(why.to_owned()))?;
        Ok(name)
    }
}

/// What is written out, with `*` in the place of each expression.
fn pattern(name: &Template) -> Result<String, String> {
    if let Some(text) = name.literal() {
        name_only(text)?;
        return Ok(globset::escape(text));
    }
    let source = name.source();
    let mut pieces = source.split("${{");
    let first = pieces.next().unwrap_or_default();
    let after = pieces.map(|piece| piece.split_once("}}").map_or("", |(_, rest)| rest));
    let written: Vec<&str> = std::iter::once(first).chain(after).collect();
    if written.iter().all(|text| text.is_empty()) {
        let why = "it could have any name, and would not be told from the files it is for";
        return Err(format!(
            "{why}\n  (write something beside the expression, as in \"${{{{ item.name }}}}.done\")"
        ));
    }
    written.iter().try_for_each(|text| if text.contains('/') { Err(A_PATH) } else { Ok(()) })?;
    Ok(written.iter().map(|text| globset::escape(text)).collect::<Vec<_>>().join("*"))
}

const A_PATH: &str = "it lies in the folder of the files it is for, and its name holds no /";

fn name_only(name: &str) -> Result<(), &'static str> {
    match name {
        "" | "." | ".." => Err("it has no name"),
        name if name.contains(['/', '\0']) => Err(A_PATH),
        _ => Ok(()),
    }
}
