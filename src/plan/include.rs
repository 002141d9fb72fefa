//! `include = ["partners/*.toml"]`: the sources and jobs of other files of the same folder or below. Not here: what stands
//! in them.

use super::place::Files;
use super::select::matches;
use super::{check, load};
use crate::expr::{Node, Problem, Table};
use crate::sources::Problems;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The most files a plan may be made of.
const MOST_FILES: usize = 1000;

/// What was included.
#[derive(Default)]
pub(super) struct Included {
    /// A table for each file that could be read.
    pub(super) tables: Vec<Table>,
    /// Whether there are more, which could not: what they bring is not known.
    pub(super) incomplete: bool,
}

/// Reads all included files, in the order of the patterns, each pattern's files by name.
pub(super) fn read(include: &Node, folder: &Path, files: &mut Files, problems: &mut Problems) -> Included {
    let mut included = Included { tables: Vec::new(), incomplete: include.is_wrong() };
    let mut seen = BTreeSet::new();
    for node in include.items() {
        let found = found(node, folder).unwrap_or_else(|problem| {
            problems.extend(problem);
            included.incomplete = true;
            Vec::new()
        });
        for path in found {
            if seen.len() == MOST_FILES || !seen.insert(path.clone()) {
                continue;
            }
            match read_one(&path, node, folder, files, problems) {
                Some(table) => included.tables.push(table),
                None => included.incomplete = true,
            }
        }
    }
    included
}

/// The files a pattern stands for, or what is wrong with it, unless that was told.
fn found(node: &Node, folder: &Path) -> Result<Vec<PathBuf>, Option<Problem>> {
    let problem = |message: String| Some(Problem::new(node.span.clone(), message));
    let not_text = || problem(format!("`include` must be a list of paths, not {}", node.kind()));
    let pattern = node.text().ok_or_else(|| if node.is_wrong() { None } else { not_text() })?;
    let parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if pattern.starts_with('/') || parts.contains(&"..") || parts.is_empty() {
        return Err(problem(format!("`include`: \"{pattern}\" is not a path in the plan's folder or below")));
    }
    if !pattern.contains(['*', '?']) {
        return Ok(vec![parts.iter().collect()]);
    }
    let mut paths = vec![PathBuf::new()];
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        paths = paths.iter().flat_map(|path| below(folder, path, part, last)).take(MOST_FILES + 1).collect();
    }
    match paths.len() > MOST_FILES {
        true => Err(problem(format!("`include`: \"{pattern}\" stands for more than {MOST_FILES} files"))),
        false => Ok(paths),
    }
}

/// What of a folder matches one part of a pattern, by name.
fn below(folder: &Path, path: &Path, part: &str, last: bool) -> Vec<PathBuf> {
    if !part.contains(['*', '?']) {
        let path = path.join(part);
        return if folder.join(&path).exists() { vec![path] } else { Vec::new() };
    }
    let entries = std::fs::read_dir(folder.join(path)).into_iter().flatten().flatten();
    let fits = |entry: &std::fs::DirEntry| entry.path().is_file() == last;
    let names = entries.filter(fits).filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| matches(part, name) && !name.starts_with('.')).collect();
    names.sort();
    names.into_iter().map(|name| path.join(name)).collect()
}

fn read_one(
    path: &Path,
    node: &Node,
    folder: &Path,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<Table> {
    let shown = path.display().to_string();
    let unread = |error| Problem::new(node.span.clone(), format!("`include`: {shown}: {error}"));
    let text =
        std::fs::read_to_string(folder.join(path)).map_err(|error| problems.push(unread(error))).ok()?;
    let base = files.add(shown, text.clone());
    let (mut table, whole) = Table::parse_at(&text, base, problems);
    if whole {
        check::unknown_keys(&mut table, &load::KEYS, problems);
    }
    files.learn(&table);
    if !whole {
        return None;
    }
    for key in table.keys().into_iter().filter(|key| !matches!(*key, "sources" | "jobs" | "version")) {
        let wrong = Problem::new(table.key_span(key), format!("`{key}` can't stand in an included file"));
        problems.push(wrong.hint("only [sources.NAME] and [jobs.NAME] can"));
    }
    Some(table)
}
