//! `output`: how it is read, and outputs that would be one file, found before the run where the paths are known then. Not
//! here: writing them.

use super::each::CHECKED;
use super::job::Draft;
use super::keys::OutputKeys;
use super::load::Reading;
use super::{Output, check};
use crate::expr::{Data, Node, Problem, Scope};
use crate::output::{PathError, file_path};
use crate::sources::Problems;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Reads `output = "path"` or `{ file, join, mode }`.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Output> {
    let known = problems.len();
    let keys = keys(node, problems)?;
    let mut wrong = |message: &str, hint: &str| {
        problems.push(Problem::new(node.span.clone(), message).hint(hint));
    };
    let path = keys.file?;
    let source = path.source();
    let folder = source.ends_with('/');
    if folder && keys.join {
        wrong("`output` is a folder, and `join` makes one file", "");
    }
    // Of a folder, a file in it stands for all.
    let file = if folder { format!("{source}file") } else { source.clone() };
    if let Some(why) = wrong_path(&file) {
        wrong(&format!("`output`: \"{source}\" {why}"), path_hint(why));
    }
    let mode = keys.mode.as_deref().map(mode);
    if mode == Some(None) {
        wrong("`output.mode` must be permissions such as \"0640\"", "");
    }
    let output = Output { path, folder, join: keys.join, mode: mode.flatten() };
    (problems.len() == known).then_some(output)
}

/// Why a path, as far as it is written outright, is none of an output. A home folder is not below the output folder.
fn wrong_path(path: &str) -> Option<PathError> {
    let is_home = path == "~" || path.starts_with("~/");
    file_path(path).err().or(is_home.then_some(PathError::Outside))
}

fn path_hint(why: PathError) -> &'static str {
    match why {
        PathError::Outside => "outputs are under the plan's folder; --output-dir moves them",
        PathError::NoFile => "a folder ends in /",
        PathError::Nul | PathError::Unfinished => "",
    }
}

fn keys(node: &Node, problems: &mut Problems) -> Option<OutputKeys> {
    let Data::Table(table) = &node.data else {
        let file = node.read("output", problems)?;
        return Some(OutputKeys { file: Some(file), ..OutputKeys::default() });
    };
    let mut table = table.clone();
    let known = ["file", "join", "mode"];
    check::unknown_keys(&mut table, &known, problems);
    let keys = table.read(&known, problems);
    if !table.has("file") {
        problems.push(Problem::new(node.span.clone(), "`output.file` is missing"));
    }
    (!table.keys().iter().any(|key| table.is_wrong(key))).then_some(keys)
}

fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
}

/// Looks at the outputs of all jobs, and at references to jobs whose results are not kept.
pub(super) fn check(drafts: &[Draft], reading: &Reading<'_>, problems: &mut Problems) {
    let mut taken = Taken::default();
    for draft in drafts {
        for name in &draft.references {
            let other = drafts.iter().find(|other| other.name == *name);
            if let Some(why) = other.and_then(not_kept) {
                let why = format!("refers to job \"{name}\", {why}");
                problems.push(Problem::new(draft.place_of(name), why));
            }
        }
        let Some(output) =
            draft.output.as_ref().filter(|_| draft.is_right(&["for_each", "key", "duplicates"]))
        else {
            continue;
        };
        let same = wrong_shape(draft, output, &reading.known.scope).or_else(|| {
            paths(draft, output, &reading.known.scope, &mut |label, path| match path {
                Ok(path) => taken.claim(&label, &path),
                Err(message) => Some(format!("`output`: {message}")),
            })
        });
        problems.extend(same.map(|why| Problem::new(draft.common.key_span("output"), why)));
    }
}

/// Why others can't look at a job's results.
fn not_kept(draft: &Draft) -> Option<&'static str> {
    if draft.common.has("output") {
        return Some("whose result goes to its `output` and is not kept");
    }
    draft.keys.incremental.then_some("which is `incremental`: what has not changed has no result")
}

fn wrong_shape(draft: &Draft, output: &Output, scope: &Scope) -> Option<String> {
    let lists = draft.operation.as_ref().map(|operation| (operation.lists(), operation.may_be_one()));
    if output.folder && matches!(lists, Some((false, _))) {
        return Some("`output` is a folder, but its results have no names of their own\n  (name the file: output = \"out/${{ item }}.json\")".to_owned());
    }
    let fits = |ending: String| draft.operation.as_ref()?.fits(&ending).err();
    if let Some(error) = ending(output, scope).and_then(fits) {
        return Some(format!("`output`: {error}"));
    }
    let one = !output.folder && !output.join && !output.path.uses("item");
    let many = draft.for_each.is_some() || lists == Some((true, false));
    (many && one).then(|| {
        "all items would write one `output`\n  (use `item` in it, or { file = \"..\", join = true })"
            .to_owned()
    })
}

/// The ending of the names of its files, in lower case, as far as it is known before the run: empty if they have none.
fn ending(output: &Output, scope: &Scope) -> Option<String> {
    let of = |path: &str| Path::new(path).extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match output.path.path(scope) {
        _ if output.folder => Some(String::new()),
        Ok(path) => Some(of(&path)),
        // An expression may bring an ending unless one follows it.
        Err(_) => Some(of(&format!("name{}", output.path.end()))).filter(|ending| !ending.is_empty()),
    }
}

/// Tells every path that is known before the run, until one is wrong. `visit` gets the item's label and its path.
fn paths(
    draft: &Draft,
    output: &Output,
    scope: &Scope,
    visit: &mut dyn FnMut(String, Result<String, String>) -> Option<String>,
) -> Option<String> {
    let path = |scope: &Scope| output.path.path(scope).map_err(|error| error.message);
    if !output.path.jobs().is_empty() || output.path.uses("secrets") {
        return None;
    }
    if output.folder {
        return if output.path.uses("item") { None } else { visit(draft.name.clone(), path(scope)) };
    }
    let lists = draft.operation.as_ref().is_none_or(|operation| operation.lists());
    match &draft.for_each {
        None if lists && !output.join && output.path.uses("item") => None,
        None => visit(draft.name.clone(), path(scope)),
        Some(_) if output.join => visit(draft.name.clone(), path(scope)),
        Some(each) if each.count().is_some_and(|count| count <= CHECKED) => {
            let inputs = each.inputs(scope, draft.keys.key.as_ref(), draft.keys.duplicates).ok()?;
            inputs.flatten().filter(|input| !input.duplicate).find_map(|input| {
                visit(format!("{}[{}]", draft.name, input.key), path(&scope.with_item(input.value)))
            })
        }
        Some(_) => None,
    }
}

/// What is written by whom, as far as that is known.
#[derive(Default)]
struct Taken {
    files: HashMap<PathBuf, String>,
    /// The folders that outputs are in, each with the first that needs it.
    folders: HashMap<PathBuf, String>,
}

impl Taken {
    /// Takes a path for an item, or all of it that is known, which ends in `/`; or says why it can't be.
    fn claim(&mut self, label: &str, path: &str) -> Option<String> {
        let is_folder = path.ends_with('/');
        let file = match file_path(if is_folder { format!("{path}file") } else { path.to_owned() }) {
            Ok(file) => file,
            Err(why) => return Some(format!("`output`: \"{path}\" {why}")),
        };
        let clash = if is_folder { None } else { self.file(label, &file) };
        clash.or_else(|| file.ancestors().skip(1).find_map(|folder| self.folder(label, folder)))
    }

    fn file(&mut self, label: &str, path: &Path) -> Option<String> {
        if let Some(other) = self.files.insert(path.to_owned(), label.to_owned()) {
            return Some(format!("{label} and {other} have one output: {}", path.display()));
        }
        self.folders.get(path).map(|other| both(label, other, path))
    }

    fn folder(&mut self, label: &str, path: &Path) -> Option<String> {
        if let Some(other) = self.files.get(path) {
            return Some(both(other, label, path));
        }
        self.folders.entry(path.to_owned()).or_insert_with(|| label.to_owned());
        None
    }
}

fn both(file: &str, folder: &str, path: &Path) -> String {
    format!("{} can't be the output of {file} and a folder for that of {folder}", path.display())
}
