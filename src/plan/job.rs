//! `[jobs.NAME]`: what all jobs have in common is taken out, the rest is the operation's to read. A job with mistakes is
//! read as far as it can be, so that none hides another.

use super::bounds::{BOUNDS, Bounds, Retries, Timeouts};
use super::each::ForEach;
use super::keys::{Allowance, EXPECT_LATER, JOB, JobKeys, KEEP, LATER};
use super::load::{Reading, Sources};
use super::{Job, Output, PlanSource, check, outputs, source};
use crate::expr::{Data, Node, Problem, Table, meant, suggest};
use crate::sources::{Kind, Operation, Problems, kinds};
use std::ops::Range;
use std::sync::Arc;

/// A job as far as it could be read.
pub(super) struct Draft {
    pub(super) name: String,
    /// Where it begins.
    pub(super) span: Range<usize>,
    /// None where it is not known, or its kind isn't.
    source: Option<Arc<PlanSource>>,
    /// None where too much is wrong with the keys of the kind.
    pub(super) operation: Option<Box<dyn Operation>>,
    /// The jobs it waits for, each with the place where it is named: those it says, then those it refers to.
    pub(super) needs: Vec<(String, Range<usize>)>,
    /// The jobs whose results it looks at.
    pub(super) references: Vec<String>,
    pub(super) keys: JobKeys,
    pub(super) output: Option<Output>,
    pub(super) for_each: Option<ForEach>,
    bounds: Bounds,
    /// The secrets that it uses.
    secrets: Vec<String>,
    /// Where the keys of the kind use `item`.
    item: Option<Range<usize>>,
    /// The keys that all jobs have in common: where they stand, and which are wrong.
    pub(super) common: Table,
}

/// Reads one job.
pub(super) fn read(
    name: &str,
    mut table: Table,
    sources: &Sources,
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> Draft {
    later(&mut table, problems);
    let source = source_of(&mut table, sources, reading, problems);
    let kind = source.as_ref().and_then(|source| kinds().find(|kind| kind.name() == source.kind));
    let written: Vec<&str> = kind.map(|kind| operations(kind, &table)).unwrap_or_default();
    check::unknown_keys(&mut table, check::job_keys(kind), problems);
    let (needs, references) = needs(&table);
    let mut draft = Draft {
        name: name.to_owned(),
        span: table.span(),
        needs,
        references,
        secrets: check::used_secrets(&table),
        bounds: bounds(&mut table, reading, problems),
        common: table.split(&JOB),
        item: item_user(&table),
        keys: JobKeys::default(),
        output: None,
        for_each: None,
        operation: None,
        source,
    };
    draft.read_common(reading, problems);
    if let Some((kind, source)) = kind.zip(draft.source.as_ref()) {
        problems.extend(one_operation(kind, &written, &table));
        draft.operation = source.source.operation(name, table, problems);
    }
    draft.check(reading, problems);
    draft
}

impl Draft {
    /// Reads what all jobs have in common. What is wrong is marked in `common`.
    fn read_common(&mut self, reading: &Reading<'_>, problems: &mut Problems) {
        let mut rest = self.common.clone();
        if let Some(node) = rest.take("output") {
            self.output = outputs::read(&node, problems);
            self.mark("output", self.output.is_none());
        }
        if let Some(node) = rest.take("for_each") {
            let made = self.common.has("needs");
            self.for_each = ForEach::read(&node, reading.folder, made, problems);
            self.mark("for_each", self.for_each.is_none());
        }
        self.keys = rest.read(&JOB, problems);
        JOB.iter().for_each(|key| self.mark(key, rest.is_wrong(key)));
    }

    fn mark(&mut self, key: &str, wrong: bool) {
        if wrong {
            self.common.mark_wrong(key);
        }
    }

    /// Whether nothing is wrong with these of the common keys.
    pub(super) fn is_right(&self, keys: &[&str]) -> bool {
        !keys.iter().any(|key| self.common.is_wrong(key))
    }

    /// What its keys have to do with each other and with other jobs.
    fn check(&self, reading: &Reading<'_>, problems: &mut Problems) {
        for (need, place) in self.needs.iter().filter(|(need, _)| !reading.jobs.contains(need)) {
            let others = || reading.jobs.iter().map(String::as_str).filter(|other| *other != self.name);
            if reading.may_have(need, others()) {
                continue;
            }
            let problem = Problem::new(place.clone(), format!("unknown job \"{need}\""));
            problems.push(problem.hint(suggest(need, others())));
        }
        let has_items = self.common.has("for_each");
        let lists = self.operation.as_ref().map(|operation| operation.lists());
        let item = self.item.clone().or_else(|| item_user(&self.common));
        if let (Some(place), false, Some(false)) = (item, has_items, lists) {
            let problem = Problem::new(place, "`item` in a job that has no items");
            problems.push(problem.hint("items come from `for_each`"));
        }
        if has_items && lists == Some(true) {
            let place = self.common.key_span("for_each");
            let problem = Problem::new(place, "a job can't list and have a `for_each`");
            problems.push(problem.hint("use `item` in what is listed, or drop one of them"));
        }
        let joins = self.output.as_ref().is_some_and(|output| output.join);
        if joins && self.keys.allow_failures != Allowance::default() {
            let place = self.common.key_span("allow_failures");
            let message =
                "`allow_failures` beside `join`: a joined output is there only if every item is in it";
            problems.push(Problem::new(place, message).hint("drop one of them"));
        }
        problems.extend(self.wrong_increments());
        problems.extend(self.wrong_after());
        problems.extend(self.wrong_checksum());
        self.common.refuse_secrets(&["output", "for_each", "key"], problems);
        if let Some(each) = self.for_each.as_ref().filter(|_| self.is_right(&["key", "duplicates"])) {
            let wrong = each.check(self.keys.key.as_ref(), self.keys.duplicates, &reading.known.scope);
            problems.extend(wrong.map(|message| Problem::new(self.common.key_span("for_each"), message)));
        }
    }

    /// Why it can't leave out what has not changed.
    fn wrong_increments(&self) -> Option<Problem> {
        let operation = self.operation.as_ref().filter(|_| self.keys.incremental)?;
        let wrong = |message: &str, hint: &str| {
            Some(Problem::new(self.common.key_span("incremental"), message).hint(hint))
        };
        if self.output.as_ref().is_some_and(|output| output.join) {
            return wrong(
                "`incremental` beside `join`: what is left out would not be in it",
                "drop one of them",
            );
        }
        if !operation.tells_changes() {
            return wrong("`incremental`: nothing tells whether its results have changed", "");
        }
        None
    }

    /// Why its results can't be synced, or nothing be done at its source after that.
    fn wrong_after(&self) -> Option<Problem> {
        let has_after = self.operation.as_ref().is_some_and(|operation| operation.has_after());
        let joins = self.output.as_ref().is_some_and(|output| output.join);
        match (has_after, self.common.has("output")) {
            (true, false) => Some(Problem::new(
                self.span.clone(),
                "`after` in a job without an `output`: what leaves the server has to be kept",
            )),
            (true, true) if joins => {
                Some(Problem::new(self.span.clone(), "`after` beside `join`: an item is not kept by itself"))
            }
            (false, false) if self.keys.durable => {
                Some(Problem::new(self.common.key_span("durable"), "`durable` in a job without an `output`"))
            }
            _ => None,
        }
    }

    /// Why its results can't be compared with what they must be.
    fn wrong_checksum(&self) -> Option<Problem> {
        let has_checksum = self.operation.as_ref().is_some_and(|operation| operation.has_checksum());
        (has_checksum && !self.common.has("output")).then(|| {
            let message = "a checksum in a job without an `output`: it is of a file";
            Problem::new(self.span.clone(), message)
        })
    }

    /// Where it names a job that it waits for.
    pub(super) fn place_of(&self, need: &str) -> Range<usize> {
        let named = self.needs.iter().find(|(name, _)| name == need);
        named.map_or_else(|| self.span.clone(), |(_, place)| place.clone())
    }

    /// The job, if there was no mistake.
    pub(super) fn job(self) -> Option<Job> {
        let (source, operation) = (self.source?, self.operation?);
        let named = self.bounds.limit.clone().or_else(|| source.bounds.limit.clone()).unwrap_or_default();
        let durable = self.keys.durable || operation.has_after();
        Some(Job {
            name: self.name.into(),
            needs: self.needs.into_iter().map(|(need, _)| need).collect(),
            references: self.references,
            operation,
            for_each: self.for_each,
            key: self.keys.key,
            duplicates: self.keys.duplicates,
            output: self.output,
            min_items: self.keys.min_items,
            allow_failures: self.keys.allow_failures,
            policy: self.keys.policy,
            keep: self.keys.keep.unwrap_or(KEEP),
            incremental: self.keys.incremental,
            durable,
            retries: Retries::of(self.bounds.retries, source.bounds.retries),
            timeouts: Timeouts::of(self.bounds.timeout, source.bounds.timeout, source.idle),
            named_limits: named.0,
            secrets: self.secrets,
            bounds: self.bounds,
            source,
        })
    }
}

/// Keys whose time has not come say so.
fn later(table: &mut Table, problems: &mut Problems) {
    let not_yet =
        |span, key: &str| Problem::new(span, format!("`{key}` is not there yet: a later version brings it"));
    problems.extend(LATER.iter().filter(|key| table.has(key)).map(|key| not_yet(table.key_span(key), key)));
    drop(table.split(&LATER));
    let Some(Node { data: Data::Table(expect), .. }) = table.get_mut("expect") else { return };
    for key in EXPECT_LATER.iter().filter(|key| expect.has(key)) {
        problems.push(not_yet(expect.key_span(key), &format!("expect.{key}")));
    }
    drop(expect.split(&EXPECT_LATER));
    if expect.keys().is_empty() {
        drop(table.split(&["expect"]));
    }
}

/// The source that a job names, or is likely to mean; or the one that is built in for what it does.
fn source_of(
    table: &mut Table,
    sources: &Sources,
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> Option<Arc<PlanSource>> {
    check::misspelt(table, "source", check::job_keys(None), problems);
    let names = || sources.keys().map(String::as_str);
    if let Some(node) = table.take("source") {
        let Some(name) = node.text() else {
            problems.push(Problem::new(node.span, "`source` must be the name of a source"));
            return None;
        };
        if !sources.contains_key(name) && !reading.may_have(name, names()) {
            let problem = Problem::new(node.span.clone(), format!("unknown source \"{name}\""));
            problems.push(problem.hint(suggest(name, names())));
        }
        return sources.get(name).or_else(|| sources.get(meant(name, names())?)).cloned().flatten();
    }
    if table.has("source") {
        return None;
    }
    let built_in = built_in(table, problems);
    if built_in.is_none() {
        check::unknown_keys(table, check::job_keys(None), problems);
        let hint = if sources.is_empty() { String::new() } else { suggest("", names()) };
        let missing = Problem::new(table.span(), "`source` is missing: where the job does its work");
        problems.push(missing.hint(hint));
    }
    built_in.map(|kind| Arc::new(source::built_in(kind, reading, problems)))
}

/// The kind that a job without a source is of, by what it does.
fn built_in(table: &mut Table, problems: &mut Problems) -> Option<&'static dyn Kind> {
    let mut kinds = kinds().filter(|kind| kind.built_in());
    kinds.find(|kind| {
        let mut operations = kind.operations().iter();
        operations.any(|operation| {
            check::misspelt(table, operation, check::job_keys(None), problems);
            table.has(operation)
        })
    })
}

fn bounds(table: &mut Table, reading: &Reading<'_>, problems: &mut Problems) -> Bounds {
    let mut own = table.split(&BOUNDS);
    check::limits(&own, reading, problems);
    let bounds: Bounds = own.read(&BOUNDS, problems);
    if bounds.timeout.is_some_and(|timeout| timeout.connect.is_some()) {
        let message = "`timeout.connect` in a job: connections are its source's, which other jobs use, too";
        problems.push(Problem::new(own.key_span("timeout"), message).hint("write it at the source"));
    }
    bounds
}

/// The jobs that a job waits for, and of those the ones whose results it looks at.
fn needs(table: &Table) -> (Vec<(String, Range<usize>)>, Vec<String>) {
    let mut needs = check::named(table, "needs");
    let mut references: Vec<String> = Vec::new();
    for (template, place) in table.templates() {
        for name in template.jobs() {
            needs.push((name.clone(), place.clone()));
            references.push(name);
        }
    }
    let mut seen = Vec::new();
    needs.retain(|(name, _)| {
        !seen.contains(name) && {
            seen.push(name.clone());
            true
        }
    });
    references.sort();
    references.dedup();
    (needs, references)
}

/// Where `item` is used first.
fn item_user(table: &Table) -> Option<Range<usize>> {
    let users = table.templates().into_iter().filter(|(template, _)| template.uses("item"));
    users.map(|(_, place)| place).min_by_key(|place| place.start)
}

/// The keys in a table that say what to do.
fn operations(kind: &dyn Kind, table: &Table) -> Vec<&'static str> {
    kind.operations().iter().copied().filter(|key| table.has(key)).collect()
}

/// Of the keys that say what to do there is exactly one: in the table, where a key that was misspelt stands under the
/// name that was meant, at least one; and as they are written no more.
fn one_operation(kind: &dyn Kind, written: &[&str], table: &Table) -> Option<Problem> {
    let listed = |keys: &[&str]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
    match written {
        [] if operations(kind, table).is_empty() => {
            let keys = listed(kind.operations());
            let which = if keys.len() == 1 { keys[0].clone() } else { format!("one of {}", keys.join(", ")) };
            Some(Problem::new(table.span(), format!("needs {which}: what to do at the source")))
        }
        [] | [_] => None,
        [_, second, ..] => {
            let keys = listed(written).join(" and ");
            Some(Problem::new(
                table.key_span(second),
                format!("{keys} can't stand together: a job is one operation"),
            ))
        }
    }
}
