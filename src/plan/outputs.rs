//! Outputs that would be one file: found before the run where the paths are known then. Not here: writing them.

use super::each::{CHECKED, ForEach};
use super::load::Reading;
use super::place::Mistakes;
use super::{Job, Output};
use crate::expr::{Problem, Scope};
use std::collections::HashMap;
use std::ops::Range;

/// Looks at the outputs of all jobs, and at references to jobs that keep nothing because they have one.
pub(super) fn check(
    jobs: &[Option<Job>],
    reading: &Reading<'_>,
    spans: &[Range<usize>],
    mistakes: &mut Mistakes,
) {
    let mut taken: HashMap<String, String> = HashMap::new();
    for (job, span) in jobs.iter().zip(spans).filter_map(|(job, span)| Some((job.as_ref()?, span))) {
        let subject = format!("job \"{}\"", job.name);
        let mut found = |message: String| mistakes.of(&subject, [Problem::new(span.clone(), message)]);
        for name in references(job) {
            let other = jobs.iter().flatten().find(|other| *other.name == *name);
            if other.is_some_and(|other| other.output.is_some()) {
                found(format!("refers to job \"{name}\", whose result goes to its `output` and is not kept"));
            }
        }
        let Some(output) = &job.output else { continue };
        if let Some(message) = wrong_shape(job, output) {
            found(message);
            continue;
        }
        paths(job, output, reading, &mut |label, path| match path {
            Ok(path) => taken
                .insert(normal(&path), label.clone())
                .map(|other| format!("{label} and {other} have one output: {path}")),
            Err(message) => Some(format!("`output`: {message}")),
        })
        .into_iter()
        .for_each(found);
    }
}

/// The jobs whose results it looks at.
fn references(job: &Job) -> Vec<String> {
    let mut names = job.operation.references();
    names.extend(job.for_each.iter().flat_map(ForEach::jobs));
    names.extend(job.output.iter().flat_map(|output| output.path.jobs()));
    names.sort();
    names.dedup();
    names
}

fn wrong_shape(job: &Job, output: &Output) -> Option<String> {
    if output.folder && !job.operation.lists() {
        return Some("`output` is a folder, but its results have no names of their own\n  (name the file: output = \"out/${{ item }}.json\")".to_owned());
    }
    let one = !output.folder && !output.join && !output.path.uses("item");
    let many = job.for_each.is_some() || job.operation.lists() && !job.operation.may_be_one();
    (many && one).then(|| {
        "all items would write one `output`\n  (use `item` in it, or { file = \"..\", join = true })"
            .to_owned()
    })
}

/// Tells every path that is known before the run, until one is wrong. `visit` gets the item's label and its path.
fn paths(
    job: &Job,
    output: &Output,
    reading: &Reading<'_>,
    visit: &mut dyn FnMut(String, Result<String, String>) -> Option<String>,
) -> Option<String> {
    let path = |scope: &Scope| output.path.path(scope).map_err(|error| error.message);
    if output.folder || !output.path.jobs().is_empty() || output.path.uses("secrets") {
        return None;
    }
    match &job.for_each {
        None if job.operation.lists() && !output.join => None,
        None => visit(job.name.to_string(), path(&reading.scope)),
        Some(_) if output.join => visit(job.name.to_string(), path(&reading.scope)),
        Some(each) if each.count().is_some_and(|count| count <= CHECKED) => {
            let inputs = each.inputs(&reading.scope, job.key.as_ref(), job.duplicates).ok()?;
            inputs.flatten().filter(|input| !input.duplicate).find_map(|input| {
                visit(format!("{}[{}]", job.name, input.key), path(&reading.scope.with_item(input.value)))
            })
        }
        Some(_) => None,
    }
}

/// One spelling for one path.
fn normal(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}
