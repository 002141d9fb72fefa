//! The files of a configuration, line by line, with what they include. Not here: what a line says (`options`) and for
//! whom (`blocks`).

use super::Asked;
use super::blocks::{self, Block};
use super::options::{self, Options};
use super::words;
use crate::secret::located;
use globset::GlobBuilder;
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// How deep files may include files: as deep as with OpenSSH.
const DEEPEST: usize = 16;
/// The most files that are read.
const MOST_FILES: usize = 1000;
/// The most bytes of a file.
const LARGEST: u64 = 1 << 20;

/// A configuration while it is read for one host.
pub(super) struct Reading<'a> {
    pub(super) asked: &'a Asked,
    pub(super) options: Options,
    /// What was passed over that might matter.
    pub(super) notes: Vec<String>,
    pub(super) files: usize,
}

/// A file to be read.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The folder of relative paths in its `Include`.
    pub(super) base: PathBuf,
    /// Whether it decides where a user logs in although others may write to it.
    pub(super) is_guarded: bool,
    pub(super) depth: usize,
}

impl Reading<'_> {
    /// Reads a file, and gives whether there is one. `block` is the one that it is included in.
    pub(super) fn file(&mut self, source: &Source, mut block: Block) -> Result<bool, String> {
        let shown = source.path.display();
        let text = match text(source) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(format!("{shown}: {error}")),
        };
        self.files += 1;
        if source.depth > DEEPEST || self.files > MOST_FILES {
            return Err(format!("{shown}: files include each other too deeply"));
        }
        for (number, line) in text.lines().enumerate() {
            let place = format!("{shown}:{}", number + 1);
            let words = words::split(line).map_err(|why| format!("{place}: {why}"))?;
            if let Some((keyword, words)) = words {
                self.line(&keyword, &words, source, &mut block, &place)?;
            }
        }
        Ok(true)
    }

    fn line(
        &mut self,
        keyword: &str,
        words: &[String],
        source: &Source,
        block: &mut Block,
        place: &str,
    ) -> Result<(), String> {
        let wrong = |why: String| format!("{place}: {why}");
        match (keyword, &mut *block) {
            ("host", _) => *block = blocks::host(words, &self.asked.host),
            ("match", _) => *block = blocks::criteria(words, self.asked, &self.options).map_err(wrong)?,
            ("include", Block::Holds) => self.include(words, source, place)?,
            (_, Block::Holds) => {
                self.options.set(keyword, words).map_err(|why| wrong(format!("`{keyword}`: {why}")))?;
            }
            (_, Block::Unsure { criterion, told: told @ false }) if options::is_heeded(keyword) => {
                self.notes.push(format!(
                    "{place} is passed over: what depends on `Match {criterion}` is not heeded"
                ));
                *told = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the files say holds here, too; their own blocks end with them.
    fn include(&mut self, patterns: &[String], source: &Source, place: &str) -> Result<(), String> {
        for pattern in patterns {
            let pattern = located(pattern, &source.base);
            for path in found(&pattern).map_err(|why| format!("{place}: {why}"))? {
                let included = Source { path, depth: source.depth + 1, is_guarded: true, ..source.clone() };
                self.file(&included, Block::Holds)?;
            }
        }
        Ok(())
    }
}

/// A file's text, if nobody else could have written it.
fn text(source: &Source) -> io::Result<String> {
    let file = File::open(&source.path)?;
    let meta = file.metadata()?;
    let is_own = meta.uid() == 0 || meta.uid() == geteuid().as_raw();
    if source.is_guarded && (!is_own || meta.mode() & 0o022 != 0) {
        return Err(io::Error::other("others may write to it, so it is not read"));
    }
    let mut bytes = Vec::new();
    if file.take(LARGEST + 1).read_to_end(&mut bytes)? as u64 > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files of a pattern, by name, as the shell has them: `*`, `?`, `[..]`, and no hidden ones.
fn found(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let mut paths = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        if !matches!(part, Component::Normal(_)) || !name.contains(['*', '?', '[']) {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let glob = GlobBuilder::new(&name.replace('{', "\\{").replace('}', "\\}")).build();
        let glob = glob.map_err(|error| format!("\"{name}\": {}", error.kind()))?.compile_matcher();
        let fits = |name: &OsString| glob.is_match(name) && !name.as_encoded_bytes().starts_with(b".");
        paths = paths.iter().flat_map(|folder| names(folder, fits)).take(MOST_FILES).collect();
    }
    Ok(paths)
}

fn names(folder: &Path, fits: impl Fn(&OsString) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).filter(fits).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}
