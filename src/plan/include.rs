//! `include = ["partners/*.toml"]`: the sources and jobs of other files of the same folder or below. Not here: what stands
//! in them.

use super::place::Files;
use super::select::matches;
use crate::expr::{Data, Node, Problem, Table};
use std::path::{Path, PathBuf};

/// The most files a plan may be made of.
const MOST_FILES: usize = 1000;

/// Reads all included files, in the order of the patterns, each pattern's files by name.
pub(super) fn read(include: &Node, folder: &Path, files: &mut Files) -> Result<Vec<Table>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut paths: Vec<(PathBuf, Node)> = Vec::new();
    for node in patterns(include) {
        match found(&node, folder) {
            Ok(more) => paths.extend(more.into_iter().map(|path| (path, node.clone()))),
            Err(problem) => problems.push(problem),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    paths.retain(|(path, _)| seen.insert(path.clone()));
    let tables = paths.into_iter().take(MOST_FILES).filter_map(|(path, node)| {
        read_one(&path, &node, folder, files).map_err(|more| problems.extend(more)).ok()
    });
    let tables = tables.collect();
    if problems.is_empty() { Ok(tables) } else { Err(problems) }
}

fn patterns(include: &Node) -> Vec<Node> {
    match &include.data {
        Data::List(items) => items.clone(),
        _ => vec![include.clone()],
    }
}

/// The files a pattern stands for.
fn found(node: &Node, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let problem = |message: String| Problem::new(node.span.clone(), message);
    let pattern = node
        .text()
        .ok_or_else(|| problem(format!("`include` must be a list of paths, not {}", node.kind())))?;
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

fn read_one(path: &Path, node: &Node, folder: &Path, files: &mut Files) -> Result<Table, Vec<Problem>> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(folder.join(path))
        .map_err(|error| vec![Problem::new(node.span.clone(), format!("`include`: {shown}: {error}"))])?;
    let base = files.add(shown, text.clone());
    let table = Table::parse_at(&text, base)?;
    let other = table.keys().into_iter().filter(|key| !matches!(*key, "sources" | "jobs" | "version"));
    let wrong = |key| {
        Problem::new(table.key_span(key), format!("`{key}` can't stand in an included file"))
            .hint("only [sources.NAME] and [jobs.NAME] can")
    };
    let problems: Vec<Problem> = other.map(wrong).collect();
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}
