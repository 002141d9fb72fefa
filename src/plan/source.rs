//! `[sources.NAME]`: what all sources have in common is taken out, the rest is the kind's to read.

use super::bounds::{BOUNDS, Bounds};
use super::load::Reading;
use super::{PlanSource, check};
use crate::expr::{Problem, Table, meant, suggest};
use crate::sources::{Kind, Problems, Surroundings, kinds};
use std::num::NonZeroU64;

/// Reads one source, into which its kind's defaults have been merged: as far as it can be read, and nothing only where
/// its kind is not known.
pub(super) fn read(
    name: &str,
    mut table: Table,
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> Option<PlanSource> {
    let secrets = check::used_secrets(&table);
    let kind = kind(&mut table, problems);
    check::unknown_keys(&mut table, check::source_keys(kind), problems);
    let mut own = table.split(&BOUNDS);
    check::limits(&own, reading, problems);
    let bounds: Bounds = own.read(&BOUNDS, problems);
    Some(make(name, kind?, (bounds, secrets), table, reading, problems))
}

/// A source that nobody wrote down, as the kind has it built in.
pub(super) fn built_in(
    kind: &'static dyn Kind,
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> PlanSource {
    make(kind.name(), kind, Default::default(), Table::empty(0..0), reading, problems)
}

fn make(
    name: &str,
    kind: &'static dyn Kind,
    (bounds, secrets): (Bounds, Vec<String>),
    table: Table,
    reading: &Reading<'_>,
    problems: &mut Problems,
) -> PlanSource {
    let connect_timeout = bounds.timeout.and_then(|timeout| timeout.connect).map(|span| span.0);
    let surroundings =
        Surroundings { folder: reading.folder, connect_timeout, asking: reading.asking.cloned() };
    PlanSource {
        name: name.to_owned(),
        kind: kind.name(),
        built_in: kind.built_in(),
        concurrency: bounds.concurrency.map_or_else(|| kind.concurrency(), NonZeroU64::get),
        idle: kind.idle(),
        source: kind.source(name, table, &surroundings, problems),
        bounds,
        secrets,
    }
}

/// The kind that it says, or is likely to mean.
fn kind(table: &mut Table, problems: &mut Problems) -> Option<&'static dyn Kind> {
    check::misspelt(table, "kind", check::source_keys(None), problems);
    let kinds = || kinds().filter(|kind| !kind.built_in());
    let names = || kinds().map(|kind| kind.name());
    let place = table.key_span("kind");
    let wrong = |message: &str, hint: String| Problem::new(place, message).hint(hint);
    let all = || names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let Some(node) = table.take("kind") else {
        if !table.has("kind") {
            problems.push(wrong("`kind` is missing", format!("one of {}", all())));
        }
        return None;
    };
    let Some(name) = node.text() else {
        problems.push(wrong("`kind` must be the name of one", format!("one of {}", all())));
        return None;
    };
    if !names().any(|known| known == name) {
        problems.push(wrong(&format!("unknown kind \"{name}\""), suggest(name, names())));
    }
    let name = names().find(|known| *known == name).or_else(|| meant(name, names()))?;
    kinds().find(|kind| kind.name() == name)
}
