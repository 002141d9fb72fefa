//! From a file to a checked plan, in the order in which one thing needs another.

use super::passwords::Literal;
use super::place::{Files, Mistakes, PlanErrors};
use super::setup::{self, RunIdentity};
use super::{Job, Overrides, Plan, PlanSource, RunLimits, check, include, job, outputs, source};
use crate::expr::{Node, Problem, Scope, Table, suggest};
use crate::secret::SecretRef;
use crate::sources::kinds;
use indexmap::{IndexMap, IndexSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The plan's own keys.
const KEYS: [&str; 10] =
    ["version", "name", "timezone", "include", "vars", "secrets", "limits", "defaults", "sources", "jobs"];

/// The most bytes of a name.
const LONGEST_NAME: usize = 100;

/// What is known of the plan while its sources and jobs are read.
pub(super) struct Reading<'a> {
    pub(super) folder: &'a Path,
    pub(super) scope: Scope,
    pub(super) limits: &'a RunLimits,
    pub(super) secrets: &'a IndexMap<String, SecretRef>,
    /// The names of all jobs, in file order.
    pub(super) jobs: IndexSet<String>,
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
        let mut files = Files::default();
        let mut mistakes = Mistakes::default();
        files.add(path.display().to_string(), text.clone());
        let root = Table::parse(&text).map_err(|problems| mistakes.extend(problems));
        let plan = root.ok().and_then(|root| read(root, path, folder, overrides, &mut files, &mut mistakes));
        match (plan, mistakes.is_empty()) {
            (Some(plan), true) => Ok(plan),
            _ => Err(mistakes.into_errors(&files)),
        }
    }
}

fn read(
    mut root: Table,
    path: &Path,
    folder: &Path,
    overrides: &Overrides,
    files: &mut Files,
    mistakes: &mut Mistakes,
) -> Option<Plan> {
    setup::version(&mut root, mistakes);
    let name = setup::text(&mut root, "name", mistakes);
    let timezone = setup::timezone(&mut root, mistakes);
    let run = overrides.run.clone().unwrap_or_else(RunIdentity::now);
    let globals = setup::vars(&mut root, overrides, &run, &timezone, mistakes);
    let scope = Scope::new(Arc::new(globals.clone()));
    let mut included = included(&mut root, &scope, folder, files, mistakes);
    unknown(&root, mistakes);
    let source_tables = tables(("source", "sources"), &mut root, &mut included, files, mistakes);
    let job_tables = tables(("job", "jobs"), &mut root, &mut included, files, mistakes);
    mistakes.extend(root.substitute(&scope));
    let secrets = setup::secrets(&mut root, mistakes);
    let limits = setup::limits(&mut root, mistakes);
    let defaults = defaults(&mut root, mistakes);
    let names = job_tables.iter().map(|(name, _)| name.clone()).collect();
    let reading = Reading { folder, scope, limits: &limits, secrets: &secrets, jobs: names };
    let sources = sources(source_tables, &defaults, &reading, mistakes);
    if reading.jobs.is_empty() && mistakes.is_empty() {
        mistakes.add(Problem::new(0..0, "the plan has no jobs").hint("write [jobs.NAME]"));
    }
    let spans: Vec<_> = job_tables.iter().map(|(_, table)| table.span()).collect();
    let jobs = jobs(job_tables, &sources, &reading, mistakes);
    check::cycles(&jobs, &reading.jobs, &spans, mistakes);
    outputs::check(&jobs, &reading, &spans, mistakes);
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
        jobs: jobs.into_iter().collect::<Option<_>>()?,
        secrets,
        limits,
    })
}

fn included(
    root: &mut Table,
    scope: &Scope,
    folder: &Path,
    files: &mut Files,
    mistakes: &mut Mistakes,
) -> Vec<Table> {
    let mut own = root.split(&["include"]);
    mistakes.extend(own.substitute(scope));
    let Some(node) = own.take("include") else { return Vec::new() };
    include::read(&node, folder, files).unwrap_or_else(|problems| {
        mistakes.extend(problems);
        Vec::new()
    })
}

fn unknown(root: &Table, mistakes: &mut Mistakes) {
    for key in root.keys().into_iter().filter(|key| !KEYS.contains(key)) {
        let problem = Problem::new(root.key_span(key), format!("unknown key `{key}`"));
        mistakes.add(problem.hint(suggest(key, KEYS)));
    }
}

/// `[defaults.KIND]`.
fn defaults(root: &mut Table, mistakes: &mut Mistakes) -> Vec<(String, Table)> {
    let known = || kinds().filter(|kind| !kind.built_in()).map(|kind| kind.name());
    let mut defaults = Vec::new();
    for (kind, span, node) in setup::section(root, "defaults", mistakes) {
        if !known().any(|known| known == kind) {
            let problem = Problem::new(span, format!("`defaults.{kind}`: no kind of source is named so"));
            mistakes.add(problem.hint(suggest(&kind, known())));
        }
        match node.table(&format!("`defaults.{kind}`")) {
            Ok(own) => defaults.push((kind, own)),
            Err(problem) => mistakes.add(problem),
        }
    }
    defaults
}

/// `[sources]` or `[jobs]` of all files: the tables by name. Equal names are a mistake.
fn tables(
    (what, key): (&str, &str),
    root: &mut Table,
    included: &mut [Table],
    files: &Files,
    mistakes: &mut Mistakes,
) -> Vec<(String, Table)> {
    let mut found: IndexMap<String, Table> = IndexMap::new();
    for table in std::iter::once(root).chain(included) {
        for (name, span, node) in setup::section(table, key, mistakes) {
            let twice = |other: &Table| {
                Problem::new(span.clone(), format!("is there already: {}", files.show(&other.span())))
            };
            let one = match found.get(&name).map(twice).or_else(|| bad_name(&name, &span)) {
                Some(problem) => Err(vec![problem]),
                None => node.table("it").map_err(|problem| vec![problem]),
            };
            if let Some(one) = mistakes.keep(&format!("{what} \"{name}\""), one) {
                found.insert(name, one);
            }
        }
    }
    found.into_iter().collect()
}

/// Names stand in paths, limit keys and on the terminal.
fn bad_name(name: &str, span: &Range<usize>) -> Option<Problem> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits);
    (!good).then(|| Problem::new(span.clone(), "a name is made of letters, digits, `-`, `_` and `.`"))
}

/// The sources by name; none in the place of one that has mistakes.
type Sources = IndexMap<String, Option<Arc<PlanSource>>>;

fn sources(
    tables: Vec<(String, Table)>,
    defaults: &[(String, Table)],
    reading: &Reading<'_>,
    mistakes: &mut Mistakes,
) -> Sources {
    let mut sources = IndexMap::new();
    for (name, mut table) in tables {
        let kind = table.get("kind").and_then(Node::text);
        if let Some((_, defaults)) = defaults.iter().find(|(other, _)| Some(other.as_str()) == kind) {
            table.merge_below(defaults);
        }
        let subject = format!("source \"{name}\"");
        let literal = Literal::of_source(&table);
        prepare(&subject, &mut table, &literal, reading, mistakes);
        let source = source::read(&name, table, reading).map_err(|problems| literal.others(problems));
        sources.insert(name, mistakes.keep(&subject, source).map(Arc::new));
    }
    sources
}

/// The jobs in order; none in the place of one that has mistakes.
fn jobs(
    tables: Vec<(String, Table)>,
    sources: &Sources,
    reading: &Reading<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Option<Job>> {
    let mut jobs = Vec::new();
    for (name, mut table) in tables {
        let subject = format!("job \"{name}\"");
        let literal = Literal::of_job(&table);
        prepare(&subject, &mut table, &literal, reading, mistakes);
        let job = job::read(&name, table, sources, reading).map_err(|problems| literal.others(problems));
        jobs.push(mistakes.keep(&subject, job).flatten());
    }
    jobs
}

/// What is done with sources and jobs alike, before they are read.
fn prepare(
    subject: &str,
    table: &mut Table,
    literal: &Literal,
    reading: &Reading<'_>,
    mistakes: &mut Mistakes,
) {
    mistakes.of(subject, literal.problems());
    mistakes.of(subject, table.substitute(&reading.scope));
    mistakes.of(subject, check::secrets(table, reading));
}

/// SHA-256 of all texts, in hex.
fn digest(files: &Files) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    files.texts().for_each(|text| context.update(text.as_bytes()));
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
