//! `[jobs.NAME]`: what all jobs have in common is taken out, the rest is the operation's to read.

use super::bounds::{BOUNDS, Bounds, Retries, Timeouts};
use super::each::ForEach;
use super::keys::{EXPECT_LATER, JOB, JobKeys, KEEP, LATER, OutputKeys};
use super::load::Reading;
use super::{Job, Output, PlanSource, check, setup, source};
use crate::expr::{Data, Node, Problem, Table, Template, suggest};
use crate::sources::{Kind, Operation, kinds};
use indexmap::IndexMap;
use std::sync::Arc;

/// Reads one job. Nothing and no mistake where the job is right but its source is not.
pub(super) fn read(
    name: &str,
    mut table: Table,
    sources: &IndexMap<String, Option<Arc<PlanSource>>>,
    reading: &Reading<'_>,
) -> Result<Option<Job>, Vec<Problem>> {
    let mut problems = later(&mut table);
    let source = match source_of(&mut table, sources, reading) {
        Ok(source) => source,
        Err(problem) => {
            problems.push(problem);
            return Err(problems);
        }
    };
    let Some(source) = source else { return if problems.is_empty() { Ok(None) } else { Err(problems) } };
    let Some(kind) = kinds().find(|kind| kind.name() == source.kind) else { return Err(problems) };
    let span = table.span();
    let common = Common::read(&mut table, reading, &mut problems);
    problems.extend(check::unknown_keys(&mut table, &[&JOB[..], &BOUNDS[..]].concat(), &kind.schemas().1));
    problems.extend(one_operation(kind, &table));
    let uses_item = item_users(&table, &common);
    let operation = match source.source.operation(name, table) {
        Ok(operation) => Some(operation),
        Err(more) => {
            // What was said already of a place need not be said again in the kind's words.
            let said: Vec<_> = problems.iter().map(|problem| problem.span.clone()).collect();
            problems.extend(more.into_iter().filter(|problem| !said.contains(&problem.span)));
            None
        }
    };
    match operation {
        Some(operation) => {
            problems.extend(common.check(name, operation.as_ref(), uses_item, span, reading));
            if problems.is_empty() { Ok(Some(common.job(name, source, operation))) } else { Err(problems) }
        }
        None => Err(problems),
    }
}

/// Keys whose time has not come say so.
fn later(table: &mut Table) -> Vec<Problem> {
    let not_yet =
        |span, key: &str| Problem::new(span, format!("`{key}` is not there yet: a later version brings it"));
    let keys: Vec<_> = LATER.iter().filter(|key| table.has(key)).collect();
    let mut problems: Vec<Problem> = keys.iter().map(|key| not_yet(table.key_span(key), key)).collect();
    keys.into_iter().for_each(|key| drop(table.take(key)));
    let span = table.key_span("expect");
    if let Some(Node { data: Data::Table(mut expect), span: place }) = table.take("expect") {
        for key in EXPECT_LATER.iter().filter(|key| expect.has(key)) {
            problems.push(not_yet(expect.key_span(key), &format!("expect.{key}")));
        }
        drop(expect.split(&EXPECT_LATER));
        if !expect.keys().is_empty() {
            table.insert("expect", span, Node { data: Data::Table(expect), span: place });
        }
    }
    problems
}

/// The source a job uses; nothing if that has mistakes of its own.
fn source_of(
    table: &mut Table,
    sources: &IndexMap<String, Option<Arc<PlanSource>>>,
    reading: &Reading<'_>,
) -> Result<Option<Arc<PlanSource>>, Problem> {
    let names = || sources.keys().map(String::as_str);
    if let Some(node) = table.take("source") {
        let name = node
            .text()
            .ok_or_else(|| Problem::new(node.span.clone(), "`source` must be the name of a source"))?;
        let unknown = || {
            Problem::new(node.span.clone(), format!("unknown source \"{name}\"")).hint(suggest(name, names()))
        };
        return sources.get(name).cloned().ok_or_else(unknown);
    }
    let fits =
        |kind: &&dyn Kind| kind.built_in() && kind.operations().iter().any(|operation| table.has(operation));
    match kinds().find(|kind| fits(kind)) {
        Some(kind) => match source::built_in(kind, reading) {
            Ok(source) => Ok(Some(Arc::new(source))),
            Err(mut problems) => Err(problems.remove(0)),
        },
        None => {
            let hint = if sources.is_empty() { String::new() } else { suggest("", names()) };
            Err(Problem::new(table.span(), "`source` is missing: where the job does its work").hint(hint))
        }
    }
}

/// Of the keys that say what to do there is exactly one.
fn one_operation(kind: &dyn Kind, table: &Table) -> Option<Problem> {
    let listed = |keys: &[&str]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
    let there: Vec<&str> = kind.operations().iter().copied().filter(|key| table.has(key)).collect();
    match there.as_slice() {
        [_] => None,
        [] => {
            let keys = listed(kind.operations());
            let which = if keys.len() == 1 { keys[0].clone() } else { format!("one of {}", keys.join(", ")) };
            Some(Problem::new(table.span(), format!("needs {which}: what to do at the source")))
        }
        [_, second, ..] => {
            let keys = listed(&there).join(" and ");
            Some(Problem::new(
                table.key_span(second),
                format!("{keys} can't stand together: a job is one operation"),
            ))
        }
    }
}

/// What all jobs have in common, as one of them has it.
struct Common {
    keys: JobKeys,
    bounds: Bounds,
    output: Option<Output>,
    for_each: Option<ForEach>,
    /// The secrets that the job uses.
    secrets: Vec<String>,
    /// The common keys themselves, for the places of mistakes.
    table: Table,
}

impl Common {
    fn read(table: &mut Table, reading: &Reading<'_>, problems: &mut Vec<Problem>) -> Common {
        let secrets = check::used_secrets(table);
        let bounds_table = table.split(&BOUNDS);
        let own = table.split(&JOB);
        let mut rest = own.clone();
        let mut keep = |result: Result<Option<Output>, Vec<Problem>>| {
            result.unwrap_or_else(|more| {
                problems.extend(more);
                None
            })
        };
        let output = keep(rest.take("output").map(|node| output(&node)).transpose());
        let for_each =
            rest.take("for_each").map(|node| ForEach::read(&node, reading.folder, own.has("needs")));
        let for_each = for_each.and_then(|result| result.map_err(|problem| problems.push(problem)).ok());
        let bounds =
            bounds_table.read::<Bounds>(&BOUNDS).map_err(|more| problems.extend(more)).unwrap_or_default();
        problems.extend(check::limits(&bounds_table, reading));
        problems.extend(setup::zero(&bounds_table));
        let keys = rest.read::<JobKeys>(&JOB).map_err(|more| problems.extend(more)).unwrap_or_default();
        Common { keys, bounds, output, for_each, secrets, table: own }
    }

    /// What can be said only with the operation at hand.
    fn check(
        &self,
        name: &str,
        operation: &dyn Operation,
        uses_item: Option<std::ops::Range<usize>>,
        span: std::ops::Range<usize>,
        reading: &Reading<'_>,
    ) -> Vec<Problem> {
        let mut problems = check::names(name, &self.needs(operation), &self.table, span, reading);
        if let (Some(place), false, false) = (uses_item, self.table.has("for_each"), operation.lists()) {
            problems.push(
                Problem::new(place, "`item` in a job that has no items").hint("items come from `for_each`"),
            );
        }
        if self.for_each.is_some() && operation.lists() {
            let why = "a job can't list and have a `for_each`";
            problems.push(
                Problem::new(self.table.key_span("for_each"), why)
                    .hint("use `item` in what is listed, or drop one of them"),
            );
        }
        problems.extend(check::no_secret(&self.table, &["output", "for_each", "key"]));
        problems.extend(
            self.for_each
                .as_ref()
                .and_then(|each| each.check(self.keys.key.as_ref(), self.keys.duplicates, reading))
                .map(|message| Problem::new(self.table.key_span("for_each"), message)),
        );
        problems
    }

    /// The jobs it waits for: those it names, then those it refers to.
    fn needs(&self, operation: &dyn Operation) -> Vec<String> {
        let mut needs = self.keys.needs.0.clone();
        let each = self.for_each.iter().flat_map(ForEach::jobs);
        let output = self.output.iter().flat_map(|output| output.path.jobs());
        let key = self.keys.key.iter().flat_map(Template::jobs);
        for name in operation.references().into_iter().chain(each).chain(output).chain(key) {
            if !needs.contains(&name) {
                needs.push(name);
            }
        }
        needs
    }

    fn job(self, name: &str, source: Arc<PlanSource>, operation: Box<dyn Operation>) -> Job {
        let named = self.bounds.limit.clone().or_else(|| source.bounds.limit.clone()).unwrap_or_default();
        Job {
            name: name.into(),
            needs: self.needs(operation.as_ref()),
            operation,
            for_each: self.for_each,
            key: self.keys.key,
            duplicates: self.keys.duplicates,
            output: self.output,
            min_items: self.keys.min_items,
            allow_failures: self.keys.allow_failures,
            policy: self.keys.policy,
            keep: self.keys.keep.unwrap_or(KEEP),
            retries: Retries::of(self.bounds.retries, source.bounds.retries),
            timeouts: Timeouts::of(self.bounds.timeout, source.bounds.timeout),
            named_limits: named.0,
            secrets: self.secrets,
            bounds: self.bounds,
            source,
        }
    }
}

/// Where `item` is used first.
fn item_users(table: &Table, common: &Common) -> Option<std::ops::Range<usize>> {
    let nodes = [table, &common.table];
    let all = nodes.iter().flat_map(|table| table.keys().into_iter().filter_map(|key| table.get(key)));
    all.flat_map(Node::templates).find(|(template, _)| template.uses("item")).map(|(_, span)| span)
}

/// `output = "path"` or `{ file, join, mode }`.
fn output(node: &Node) -> Result<Output, Vec<Problem>> {
    let problem = |message: &str| vec![Problem::new(node.span.clone(), message)];
    let keys = match &node.data {
        Data::Table(table) => table.read::<OutputKeys>(&["file", "join", "mode"])?,
        _ => {
            let path = node.read::<Template>("output").map_err(|problem| vec![problem])?;
            OutputKeys { file: Some(path), ..OutputKeys::default() }
        }
    };
    let path = keys.file.ok_or_else(|| problem("`output.file` is missing"))?;
    let source = path.source();
    let folder = source.ends_with('/');
    if folder && keys.join {
        return Err(problem("`output` is a folder, and `join` makes one file"));
    }
    if source.is_empty() || source.starts_with('/') || source.split('/').any(|part| part == "..") {
        return Err(vec![
            Problem::new(node.span.clone(), format!("`output`: \"{source}\" is not below the output folder"))
                .hint("outputs are under the plan's folder; --output-dir moves them"),
        ]);
    }
    let mode = keys
        .mode
        .map(|text| mode(&text).ok_or_else(|| problem("`output.mode` must be permissions such as \"0640\"")));
    Ok(Output { path, folder, join: keys.join, mode: mode.transpose()? })
}

fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
}
