//! From a file to a checked plan, in the order in which one thing needs another.

use super::include::{self, Included};
use super::job::Draft;
use super::place::{Files, PlanErrors};
use super::setup::{self, RunIdentity};
use super::{Overrides, Plan, PlanSource, RunLimits, check, job, outputs, passwords, source};
use crate::expr::{Known, Node, Problem, Scope, Table, meant, nearest, suggest};
use crate::secret::SecretRef;
use crate::sources::{Asking, Problems, kinds};
use indexmap::{IndexMap, IndexSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The plan's own keys.
pub(super) const KEYS: [&str; 10] =
    ["version", "name", "timezone", "include", "vars", "secrets", "limits", "defaults", "sources", "jobs"];

/// The most bytes of a name.
const LONGEST_NAME: usize = 100;

/// What is known of the plan while its sources and jobs are read.
pub(super) struct Reading<'a> {
    pub(super) folder: &'a Path,
    pub(super) known: Known,
    pub(super) limits: &'a RunLimits,
    pub(super) secrets: &'a IndexMap<String, Option<SecretRef>>,
    /// The names of all jobs, in file order.
    pub(super) jobs: IndexSet<String>,
    /// Whether there may be more sources and jobs, in a file that could not be read.
    pub(super) incomplete: bool,
    /// Who can be asked while a source connects.
    pub(super) asking: Option<&'a Asking>,
}

impl Reading<'_> {
    /// Whether a source or job that is not there may stand in a file that could not be read. One that is named like
    /// another is taken for that.
    pub(super) fn may_have<'n>(&self, name: &str, others: impl Iterator<Item = &'n str>) -> bool {
        self.incomplete && nearest(name, others).is_none()
    }
}

impl Plan {
    /// Reads and checks a plan, its includes with it. Blocking: reads files. All mistakes are reported together.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Plan, PlanErrors> {
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| PlanErrors::of_file(&shown, error.to_string()))?;
        Plan::of_text(path, text, overrides)
    }

    /// The same, with a text in place of the file's. Relative paths are under the folder that `path` is in.
    pub fn of_text(path: &Path, text: String, overrides: &Overrides) -> Result<Plan, PlanErrors> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (mut files, mut problems) = (Files::default(), Vec::new());
        let base = files.add(path.display().to_string(), text.clone());
        let (root, whole) = Table::parse_at(&text, base, &mut problems);
        if !whole {
            files.learn(&root);
            return Err(PlanErrors::of(problems, &files));
        }
        let plan = read(root, path, folder, overrides, &mut files, &mut problems);
        plan.filter(|_| problems.is_empty()).ok_or_else(|| PlanErrors::of(problems, &files))
    }
}

/// Reads the whole plan as far as it can be read. None where there is a mistake.
fn read(
    mut root: Table,
    path: &Path,
    folder: &Path,
    overrides: &Overrides,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<Plan> {
    check::unknown_keys(&mut root, &KEYS, problems);
    files.learn(&root);
    setup::version(&mut root, problems);
    let name = setup::text(&mut root, "name", problems);
    let timezone = setup::timezone(&mut root, problems);
    let run = overrides.run.clone().unwrap_or_else(RunIdentity::now);
    let (globals, wrong) = setup::vars(&mut root, overrides, &run, &timezone, problems);
    let known = Known { scope: Scope::new(Arc::new(globals.clone())), wrong };
    let mut included = included(&mut root, &known, folder, files, problems);
    let source_tables = tables("sources", &mut root, &mut included.tables, files, problems);
    let job_tables = tables("jobs", &mut root, &mut included.tables, files, problems);
    root.substitute(&known, problems);
    let secrets = setup::secrets(&mut root, problems);
    let limits = setup::limits(&mut root, problems);
    let defaults = defaults(&mut root, problems);
    let jobs = job_tables.iter().map(|(name, _)| name.clone()).collect();
    let incomplete = included.incomplete;
    let asking = overrides.asking.as_ref();
    let reading = Reading { folder, known, limits: &limits, secrets: &secrets, jobs, incomplete, asking };
    let sources = sources(source_tables, &defaults, &reading, problems);
    if reading.jobs.is_empty() && problems.is_empty() {
        problems.push(Problem::new(0..0, "the plan has no jobs").hint("write [jobs.NAME]"));
    }
    let drafts = jobs_of(job_tables, &sources, &reading, problems);
    check::cycles(&drafts, problems);
    outputs::check(&drafts, &reading, problems);
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Some(Plan {
        named: name.is_some(),
        name: name.unwrap_or(stem),
        path: path.to_owned(),
        folder: folder.to_owned(),
        digest: digest(files),
        timezone,
        run,
        globals,
        sources: sources.into_iter().map(|(_, source)| source).collect::<Option<_>>()?,
        jobs: drafts.into_iter().map(Draft::job).collect::<Option<_>>()?,
        secrets: secrets.into_iter().map(|(name, secret)| Some((name, secret?))).collect::<Option<_>>()?,
        limits,
    })
}

fn included(
    root: &mut Table,
    known: &Known,
    folder: &Path,
    files: &mut Files,
    problems: &mut Problems,
) -> Included {
    let mut own = root.split(&["include"]);
    own.substitute(known, problems);
    match own.take("include") {
        Some(node) => include::read(&node, folder, files, problems),
        None => Included { tables: Vec::new(), incomplete: own.has("include") },
    }
}

/// `[defaults.KIND]`: what stands in them is checked with the sources that get it.
fn defaults(root: &mut Table, problems: &mut Problems) -> Vec<(&'static str, Table)> {
    let known = || kinds().filter(|kind| !kind.built_in());
    let mut defaults = Vec::new();
    let names = || known().map(|kind| kind.name());
    for (name, span, node) in setup::section(root, "defaults", problems) {
        if !names().any(|known| known == name) {
            problems.push(Problem::new(span, "no kind of source is named so").hint(suggest(&name, names())));
        }
        let name = names().find(|known| *known == name).or_else(|| meant(&name, names()));
        if let Some(mut table) = node.table("it", problems) {
            let kind = known().find(|kind| Some(kind.name()) == name);
            check::unknown_keys(&mut table, check::source_keys(kind), problems);
            defaults.extend(kind.map(|kind| (kind.name(), table)));
        }
    }
    defaults
}

/// A name, and its table if it has one.
type Named = (String, Option<Table>);

/// `[sources]` or `[jobs]` of all files: the tables by name, none where there should be one. Equal names are a mistake.
fn tables(
    section: &str,
    root: &mut Table,
    included: &mut [Table],
    files: &Files,
    problems: &mut Problems,
) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut first: IndexMap<String, Range<usize>> = IndexMap::new();
    for table in std::iter::once(root).chain(included) {
        for (name, span, node) in setup::section(table, section, problems) {
            problems.extend(bad_name(&name, &span));
            if let Some(other) = first.insert(name.clone(), span.clone()) {
                let message = format!("is there already: {}", files.show(&other));
                problems.push(Problem::new(span, message));
            }
            found.push((name, node.table("it", problems)));
        }
    }
    found
}

/// Names stand in paths, limit keys and on the terminal.
fn bad_name(name: &str, span: &Range<usize>) -> Option<Problem> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits);
    (!good).then(|| Problem::new(span.clone(), "a name is made of letters, digits, `-`, `_` and `.`"))
}

/// The sources by name; none in the place of one whose kind is not known.
pub(super) type Sources = IndexMap<String, Option<Arc<PlanSource>>>;

fn sources(
    tables: Vec<Named>,
    defaults: &[(&'static str, Table)],
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> Sources {
    let mut sources = IndexMap::new();
    for (name, table) in tables {
        let Some(mut table) = table else {
            sources.insert(name, None);
            continue;
        };
        let kind = table.get("kind").and_then(Node::text);
        if let Some((_, defaults)) = defaults.iter().find(|(other, _)| Some(*other) == kind) {
            table.merge_below(defaults);
        }
        passwords::of_source(&mut table, problems);
        table.substitute(&reading.known, problems);
        check::secrets(&table, reading, problems);
        let source = source::read(&name, table, reading, problems);
        sources.insert(name, source.map(Arc::new));
    }
    sources
}

fn jobs_of(
    tables: Vec<Named>,
    sources: &Sources,
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (name, mut table) in tables.into_iter().filter_map(|(name, table)| Some((name, table?))) {
        passwords::of_job(&mut table, problems);
        table.substitute(&reading.known, problems);
        check::secrets(&table, reading, problems);
        drafts.push(job::read(&name, table, sources, reading, problems));
    }
    drafts
}

/// SHA-256 of all texts, in hex.
fn digest(files: &Files) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    files.texts().for_each(|text| context.update(text.as_bytes()));
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
