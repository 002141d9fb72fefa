//! What a job fetches: one path, a folder, or a pattern with `**`, `*`, `?`, `[..]`, `{a,b}`; and which names of a folder
//! a pattern leads to. Pure. Not here: asking the server (`list`).

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[cfg(test)]
mod tests;

/// The most parts of a pattern below its last plain folder.
const MOST_PARTS: usize = 60;

/// A path as written in a plan.
pub(super) enum Wanted {
    /// One file; or a folder, if the server says so.
    Plain(Vec<u8>),
    /// Everything below a folder that a pattern leads to.
    Pattern(Pattern),
}

/// A folder, and what is wanted below it.
#[derive(Clone)]
pub(super) struct Pattern {
    /// The last folder before the first wildcard, as the server knows it.
    pub(super) base: Vec<u8>,
    /// Whether it was written as a pattern: one that matches nothing is no mistake. A folder has to be there.
    pub(super) is_glob: bool,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    /// `**`: any number of folders, none included.
    Folders { hidden: bool },
    /// One name.
    Name { matcher: GlobMatcher, hidden: bool },
}

/// How far a folder's path may have matched: a set of parts, one of which its names have to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress(u64);

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// If it is a file, it is wanted.
    pub(super) wanted: bool,
    /// If it is a folder, how far it matches; none: nothing below it is wanted.
    pub(super) below: Option<Progress>,
}

impl Wanted {
    /// Reads a path. An error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Wanted, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("an empty path, or one with a NUL in it".to_owned());
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts.iter().position(|part| is_wild(part)) {
            None if text.ends_with('/') => {
                Ok(Wanted::Pattern(Pattern::folder(folder(&parts[..parts.len() - 1]))))
            }
            None => Ok(Wanted::Plain(
                parts.iter().map(|part| unescaped(part)).collect::<Vec<_>>().join("/").into(),
            )),
            Some(first) => Pattern::glob(folder(&parts[..first]), &parts[first..]).map(Wanted::Pattern),
        }
    }
}

/// Whether a path as written asks for more than one file.
pub fn is_many(text: &str) -> bool {
    text.ends_with('/') || text.split('/').any(is_wild)
}

/// A template's text with each expression as one plain letter.
pub(super) fn outline(source: &str) -> String {
    let mut pieces = source.split("${{");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + "x" + piece.split_once("}}").map_or("", |(_, rest)| rest))
}

/// The path of a folder from its parts: `/` for none but the first, empty, one; `.` for the login folder.
fn folder(parts: &[&str]) -> Vec<u8> {
    match parts {
        [] => b".".to_vec(),
        [""] => b"/".to_vec(),
        parts => parts.iter().map(|part| unescaped(part)).collect::<Vec<_>>().join("/").into(),
    }
}

/// Whether a part has a wildcard in it that is not escaped.
fn is_wild(part: &str) -> bool {
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '*' | '?' | '[' | '{' | '}' => return true,
            _ => {}
        }
    }
    false
}

/// A part without its backslashes.
fn unescaped(part: &str) -> String {
    let mut letters = part.chars();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

impl Pattern {
    /// Everything below a folder, hidden names too.
    pub(super) fn folder(base: Vec<u8>) -> Pattern {
        // `*` is a good glob.
        let matcher = GlobBuilder::new("*").build().map(|glob| glob.compile_matcher());
        let name = matcher.into_iter().map(|matcher| Part::Name { matcher, hidden: true });
        let parts = std::iter::once(Part::Folders { hidden: true }).chain(name).collect();
        Pattern { base, is_glob: false, parts }
    }

    fn glob(base: Vec<u8>, parts: &[&str]) -> Result<Pattern, String> {
        let (last, folders) = parts.split_last().map_or(("", parts), |(last, folders)| (*last, folders));
        let mut read = folders
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| Part::parse(part))
            .collect::<Result<Vec<_>, _>>()?;
        match last {
            // A folder's pattern: everything below the folders it matches.
            "" => read.extend(Pattern::folder(Vec::new()).parts),
            "**" => read.extend([Part::parse("**")?, Part::parse("*")?]),
            name => read.push(Part::parse(name)?),
        }
        if read.len() > MOST_PARTS {
            return Err(format!("more than {MOST_PARTS} parts after the first wildcard"));
        }
        Ok(Pattern { base, is_glob: true, parts: read })
    }

    /// Where a walk begins: in the base folder.
    pub(super) fn start(&self) -> Progress {
        Progress(self.reached(0))
    }

    /// Where a name in a folder that matched so far leads to.
    pub(super) fn step(&self, progress: Progress, name: &[u8]) -> Step {
        let (mut wanted, mut below) = (false, 0);
        for (index, part) in self.parts.iter().enumerate().filter(|(index, _)| progress.0 & (1 << index) != 0)
        {
            match part {
                Part::Folders { hidden } if *hidden || !is_hidden(name) => below |= self.reached(index),
                Part::Name { matcher, hidden }
                    if (*hidden || !is_hidden(name)) && matcher.is_match(OsStr::from_bytes(name)) =>
                {
                    wanted |= index + 1 == self.parts.len();
                    below |= self.reached(index + 1);
                }
                _ => {}
            }
        }
        Step { wanted, below: (below != 0).then_some(Progress(below)) }
    }

    /// The set of a part and, as `**` may stand for nothing, of those after it.
    fn reached(&self, index: usize) -> u64 {
        match self.parts.get(index) {
            None => 0,
            Some(Part::Name { .. }) => 1 << index,
            Some(Part::Folders { .. }) => (1 << index) | self.reached(index + 1),
        }
    }
}

impl Part {
    fn parse(text: &str) -> Result<Part, String> {
        if text == "**" {
            return Ok(Part::Folders { hidden: false });
        }
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
        let matcher = glob.map_err(|error| format!("in {text:?}: {}", error.kind()))?.compile_matcher();
        // As in shells: a leading dot has to be asked for.
        Ok(Part::Name { matcher, hidden: text.starts_with('.') || text.starts_with("\\.") })
    }
}

fn is_hidden(name: &[u8]) -> bool {
    name.first() == Some(&b'.')
}
