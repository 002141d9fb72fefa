//! `[sources.NAME]`: what all sources have in common is taken out, the rest is the kind's to read.

use super::bounds::{BOUNDS, Bounds, Timeouts};
use super::load::Reading;
use super::{PlanSource, check, setup};
use crate::expr::{Node, Problem, Table, suggest};
use crate::sources::{Kind, Surroundings, kinds};

/// Reads one source, into which its kind's defaults have been merged.
pub(super) fn read(name: &str, mut table: Table, reading: &Reading<'_>) -> Result<PlanSource, Vec<Problem>> {
    let secrets = check::used_secrets(&table);
    let kind = kind(&mut table)?;
    let own = table.split(&BOUNDS);
    let mut problems = check::unknown_keys(&mut table, &BOUNDS, &kind.schemas().0);
    let bounds: Bounds = own.read(&BOUNDS).unwrap_or_else(|more| {
        problems.extend(more);
        Bounds::default()
    });
    problems.extend(check::limits(&own, reading));
    problems.extend(setup::zero(&own));
    make(name, kind, (bounds, secrets), table, reading, problems)
}

/// A source that nobody wrote down, as the kind has it built in.
pub(super) fn built_in(kind: &'static dyn Kind, reading: &Reading<'_>) -> Result<PlanSource, Vec<Problem>> {
    make(kind.name(), kind, Default::default(), Table::empty(0..0), reading, Vec::new())
}

fn make(
    name: &str,
    kind: &'static dyn Kind,
    (bounds, secrets): (Bounds, Vec<String>),
    table: Table,
    reading: &Reading<'_>,
    mut problems: Vec<Problem>,
) -> Result<PlanSource, Vec<Problem>> {
    let connect_timeout = Timeouts::of(None, bounds.timeout).connect;
    let source = kind.source(name, table, &Surroundings { folder: reading.folder, connect_timeout });
    match source {
        Ok(source) if problems.is_empty() => Ok(PlanSource {
            name: name.to_owned(),
            kind: kind.name(),
            built_in: kind.built_in(),
            concurrency: bounds.concurrency.unwrap_or_else(|| kind.concurrency()),
            source,
            bounds,
            secrets,
        }),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

fn kind(table: &mut Table) -> Result<&'static dyn Kind, Vec<Problem>> {
    let known = || kinds().filter(|kind| !kind.built_in());
    let span = table.key_span("kind");
    let Some(name) = table.take("kind").as_ref().and_then(Node::text).map(str::to_owned) else {
        let names = known().map(|kind| format!("\"{}\"", kind.name())).collect::<Vec<_>>().join(", ");
        return Err(vec![Problem::new(span, "`kind` is missing").hint(format!("one of {names}"))]);
    };
    known().find(|kind| kind.name() == name).ok_or_else(|| {
        let problem = Problem::new(span, format!("unknown kind \"{name}\""));
        vec![problem.hint(suggest(&name, known().map(|kind| kind.name())))]
    })
}
