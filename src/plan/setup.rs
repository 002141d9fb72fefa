//! What a plan says of itself, before its sources and jobs: version, name, time zone, variables, secrets, limits.

use super::keys::{CONCURRENCY, LimitKeys, RunKeys};
use super::{NamedLimit, Overrides, RunLimits};
use crate::expr::{Data, Globals, Known, Node, Problem, Scope, Table, suggest};
use crate::secret::SecretRef;
use crate::sources::Problems;
use indexmap::IndexMap;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

/// Which run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// `run.id`: unique, and in the order of time.
    pub id: String,
    /// `run.time`, and in the plan's time zone `run.day`.
    pub time: Timestamp,
}

impl RunIdentity {
    /// A new run that starts now.
    pub fn now() -> RunIdentity {
        let time = Timestamp::now();
        // No secret, so the keys of a hasher are random enough: a source of randomness that is fit for keys takes tens of
        // milliseconds to begin with.
        let random = RandomState::new().hash_one(time.as_nanosecond());
        let id = format!("{}-{:08x}", time.strftime("%Y%m%dT%H%M%SZ"), random as u32);
        RunIdentity { id, time }
    }

    fn names(&self, zone: &TimeZone) -> Map<String, Json> {
        let local: Zoned = self.time.to_zoned(zone.clone());
        let time = local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let pairs = [("id", self.id.clone()), ("day", local.date().to_string()), ("time", time)];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), Json::String(value))).collect()
    }
}

/// `version = 1`, which every plan says.
pub(super) fn version(root: &mut Table, problems: &mut Problems) {
    let span = root.key_span("version");
    let wrong = match root.take("version").map(|node| node.json()) {
        Some(Some(Json::Number(number))) if number.as_i64() == Some(1) => return,
        Some(_) => "`version` must be 1, the only version there is",
        None if root.has("version") => return,
        None => "`version` is missing: write version = 1",
    };
    problems.push(Problem::new(span, wrong));
}

/// A string of the plan's own, which is read before the variables are known.
pub(super) fn text(root: &mut Table, key: &str, problems: &mut Problems) -> Option<String> {
    let node = root.take(key)?;
    if node.template().is_some_and(|template| template.literal().is_none()) {
        problems.push(Problem::new(node.span.clone(), format!("`{key}` can't hold an expression")));
        return None;
    }
    node.read(key, problems)
}

/// `timezone`, by default UTC.
pub(super) fn timezone(root: &mut Table, problems: &mut Problems) -> TimeZone {
    let span = root.key_span("timezone");
    let Some(name) = text(root, "timezone", problems) else { return TimeZone::UTC };
    TimeZone::get(&name).unwrap_or_else(|_| {
        let problem = Problem::new(span, format!("`timezone`: no time zone is named \"{name}\""));
        problems.push(problem.hint("such as \"Europe/Berlin\" or \"UTC\""));
        TimeZone::UTC
    })
}

/// `vars`, each with what those before it are, and with what was given in their place; and the names of those that hold
/// a mistake.
pub(super) fn vars(
    root: &mut Table,
    overrides: &Overrides,
    run: &RunIdentity,
    zone: &TimeZone,
    problems: &mut Problems,
) -> (Globals, BTreeSet<String>) {
    let mut globals = Globals { run: run.names(zone), ..Globals::default() };
    let mut wrong = BTreeSet::new();
    let span = root.key_span("vars");
    let table = root.take("vars").and_then(|node| node.table("`vars`", problems));
    let mut table = table.unwrap_or_else(|| Table::empty(span.clone()));
    for (name, _) in overrides.vars.iter().filter(|(name, _)| !table.has(name)) {
        let problem = Problem::new(span.clone(), format!("--var {name}: the plan has no such variable"));
        problems.push(problem.hint(suggest(name, table.keys())));
    }
    for name in table.keys().into_iter().map(str::to_owned).collect::<Vec<_>>() {
        let mut one = table.split(&[&name]);
        one.substitute(
            &Known { scope: Scope::new(Arc::new(globals.clone())), wrong: wrong.clone() },
            problems,
        );
        let node = if one.is_wrong(&name) { None } else { one.take(&name) };
        let given = overrides.vars.iter().rev().find(|(other, _)| *other == name);
        let given = given.map(|(_, value)| value.as_str());
        let value = node.map(|node| variable(&name, &node, given));
        match value.and_then(|value| value.map_err(|problem| problems.push(problem)).ok()) {
            Some(value) => drop(globals.vars.insert(name, value)),
            None => drop(wrong.insert(name)),
        }
    }
    (globals, wrong)
}

/// A variable's value: given, or from the environment where the plan says so, or the plan's own.
fn variable(name: &str, node: &Node, given: Option<&str>) -> Result<Json, Problem> {
    let problem = |message: String| Problem::new(node.span.clone(), message);
    let late =
        || problem(format!("`vars.{name}` can use `run` and the variables before it, and nothing else"));
    let own = node.json().ok_or_else(late)?;
    let Some((variable, default)) = from_environment(&own) else {
        return given.map_or(Ok(own.clone()), |given| {
            typed(given, &own).map_err(|why| problem(format!("--var {name}: {why}")))
        });
    };
    let default = default.cloned();
    let like = default.clone().unwrap_or_else(|| Json::String(String::new()));
    match (given.map(str::to_owned).or_else(|| std::env::var(variable).ok()), default) {
        (Some(text), _) => typed(&text, &like).map_err(|why| problem(format!("`vars.{name}`: {why}"))),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(problem(format!("`vars.{name}`: environment variable {variable} is not set"))
            .hint(format!("export it, or give a default: {{ env = \"{variable}\", default = \"..\" }}"))),
    }
}

/// `{ env = "NAME", default = .. }`.
fn from_environment(value: &Json) -> Option<(&str, Option<&Json>)> {
    let table = value.as_object()?;
    let only = table.keys().all(|key| matches!(key.as_str(), "env" | "default"));
    table.get("env").and_then(Json::as_str).filter(|_| only).map(|name| (name, table.get("default")))
}

/// A text as a value of the same type as another.
fn typed(text: &str, like: &Json) -> Result<Json, String> {
    let (value, expected) = match like {
        Json::Number(number) if number.is_i64() => {
            (text.parse::<i64>().ok().map(Json::from), "a whole number")
        }
        Json::Number(_) => (text.parse::<f64>().ok().map(Json::from), "a number"),
        Json::Bool(_) => (text.parse::<bool>().ok().map(Json::from), "true or false"),
        Json::Array(_) | Json::Object(_) => {
            (serde_json::from_str(text).ok(), "JSON, as the plan's own value is no text")
        }
        _ => (Some(Json::from(text)), ""),
    };
    value.ok_or_else(|| format!("must be {expected}, not \"{text}\""))
}

/// `[secrets]`; none in the place of one that holds a mistake.
pub(super) fn secrets(root: &mut Table, problems: &mut Problems) -> IndexMap<String, Option<SecretRef>> {
    let mut secrets = IndexMap::new();
    for (name, _, node) in section(root, "secrets", problems) {
        let uses_secret = node.templates().iter().any(|(template, _)| template.uses("secrets"));
        let secret = if uses_secret {
            problems.push(Problem::new(node.span.clone(), "can't be made of another secret"));
            None
        } else {
            node.read(&name, problems)
        };
        secrets.insert(name, secret);
    }
    secrets
}

/// The limits of the run itself.
const OF_RUN: [&str; 2] = ["concurrency", "deadline"];

/// `[limits]` and `[limits.NAME]`.
pub(super) fn limits(root: &mut Table, problems: &mut Problems) -> RunLimits {
    let mut named = IndexMap::new();
    let mut own = Table::empty(root.key_span("limits"));
    for (name, span, node) in section(root, "limits", problems) {
        match node.data {
            Data::Table(_) if OF_RUN.contains(&name.as_str()) => {
                let problem = Problem::new(span, "is the run's own, and no name for a limit");
                problems.push(problem.hint(format!("write `{name} = ..` under [limits]")));
            }
            Data::Table(table) => drop(named.insert(name, named_limit(span, table, problems))),
            Data::Wrong(_) => drop(named.insert(name, NamedLimit { concurrency: None, rate: None })),
            _ => own.insert(&name, span, node),
        }
    }
    let keys: RunKeys = own.read(&OF_RUN, problems);
    RunLimits {
        concurrency: keys.concurrency.map_or(CONCURRENCY, NonZeroU64::get),
        deadline: keys.deadline.map(|deadline| deadline.0),
        named,
    }
}

fn named_limit(span: Range<usize>, mut table: Table, problems: &mut Problems) -> NamedLimit {
    let keys: LimitKeys = table.read(&["concurrency", "rate"], problems);
    if table.keys().is_empty() {
        problems.push(Problem::new(span, "needs `concurrency` or `rate`"));
    }
    NamedLimit { concurrency: keys.concurrency.map(NonZeroU64::get), rate: keys.rate }
}

/// The entries of a part of the plan.
pub(super) fn section(
    root: &mut Table,
    key: &str,
    problems: &mut Problems,
) -> Vec<(String, Range<usize>, Node)> {
    let table = root.take(key).and_then(|node| node.table(&format!("`{key}`"), problems));
    table.into_iter().flat_map(Table::into_entries).collect()
}
