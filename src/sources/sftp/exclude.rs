//! What a job leaves out: names at any depth, and paths below the folder that its listing begins with. Pure. Not here:
//! what it takes (`pattern`), and asking the server (`list`).

use crate::expr::{AS_WRITTEN, Template};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[cfg(test)]
mod tests;

/// The most patterns of a job.
const MOST: usize = 100;

/// `exclude` as it is written: one pattern or several.
#[derive(Default)]
pub(super) struct Patterns(pub(super) Vec<Template>);

/// What is left out.
pub(super) struct Excluded {
    /// Files and folders.
    any: GlobSet,
    /// Folders, with all below them.
    folders: GlobSet,
}

impl Excluded {
    /// Reads patterns. An error says what is wrong with the first that is.
    pub(super) fn parse(patterns: &[String]) -> Result<Excluded, String> {
        if patterns.len() > MOST {
            return Err(format!("more than {MOST} patterns"));
        }
        let (mut any, mut folders) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let wrong = |why: String| format!("in {pattern:?}: {why}");
            let folder = pattern.strip_suffix('/').or_else(|| pattern.strip_suffix("/**"));
            let path = below(folder.unwrap_or(pattern)).map_err(|why| wrong(why.to_owned()))?;
            let glob = GlobBuilder::new(&path).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|error| wrong(error.kind().to_string()))?;
            if folder.is_some() { &mut folders } else { &mut any }.add(glob);
        }
        let built = |set: GlobSetBuilder| set.build().map_err(|error| error.kind().to_string());
        Ok(Excluded { any: built(any)?, folders: built(folders)? })
    }

    /// Whether a file or folder is left out, by its path below the listing's own folder.
    pub(super) fn has(&self, below: &[Vec<u8>], is_folder: bool) -> bool {
        if self.any.is_empty() && self.folders.is_empty() {
            return false;
        }
        let path = below.join(&b'/');
        let path = Path::new(OsStr::from_bytes(&path));
        self.any.is_match(path) || is_folder && self.folders.is_match(path)
    }
}

/// A pattern as one for a whole path below the listing's folder: a name alone may lie anywhere.
fn below(pattern: &str) -> Result<String, &'static str> {
    if pattern.starts_with('/') {
        return Err("it is meant for paths below the folder that is listed, and begins with a /");
    }
    if pattern.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("a part of it is no name");
    }
    Ok(if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") })
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Patterns, D::Error> {
        from.deserialize_newtype_struct(AS_WRITTEN, PatternsVisitor)
    }
}

struct PatternsVisitor;

impl<'de> Visitor<'de> for PatternsVisitor {
    type Value = Patterns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern or a list of patterns")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Patterns, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, source: &str) -> Result<Patterns, E> {
        Template::parse(source).map(|pattern| Patterns(vec![pattern])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Patterns, A::Error> {
        let mut patterns = Vec::new();
        while let Some(pattern) = items.next_element()? {
            patterns.push(pattern);
        }
        Ok(Patterns(patterns))
    }
}

impl schemars::JsonSchema for Patterns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}
