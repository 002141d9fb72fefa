//! What has to fit together: names that are used and names that are there, and that no job waits for itself.

use super::bounds::BOUNDS;
use super::job::Draft;
use super::keys::{JOB, Names};
use super::load::Reading;
use crate::expr::{Problem, Table, meant, nearest, suggest};
use crate::sources::{Kind, Problems, kinds};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

/// The keys that sources and jobs can have, by their kind; with no kind, those of all.
struct Keys {
    sources: HashMap<Option<&'static str>, Vec<String>>,
    jobs: HashMap<Option<&'static str>, Vec<String>>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys { sources: HashMap::new(), jobs: HashMap::new() };
    let mut add = |kind: Option<&'static str>, source: &[String], job: &[String]| {
        keys.sources
            .entry(kind)
            .or_insert_with(|| BOUNDS.map(str::to_owned).to_vec())
            .extend_from_slice(source);
        let common = || JOB.into_iter().chain(BOUNDS).map(str::to_owned).collect();
        keys.jobs.entry(kind).or_insert_with(common).extend_from_slice(job);
    };
    for kind in kinds() {
        let (source, job) = kind.schemas();
        let (source, job) = (keys_of(&source), keys_of(&job));
        add(Some(kind.name()), &source, &job);
        add(None, &source, &job);
    }
    keys
});

/// The keys of the sources of a kind; of all kinds, where it is not known.
pub(super) fn source_keys(kind: Option<&dyn Kind>) -> &'static [String] {
    &KEYS.sources[&kind.map(Kind::name)]
}

/// The keys of the jobs of a kind; of all kinds, where it is not known.
pub(super) fn job_keys(kind: Option<&dyn Kind>) -> &'static [String] {
    &KEYS.jobs[&kind.map(Kind::name)]
}

/// The keys that a schema knows.
fn keys_of(schema: &schemars::Schema) -> Vec<String> {
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

/// Keys that are not known are mistakes. One that may be meant to be another takes its place, so that it is not said to
/// be missing, too; its value is looked at if it was only a slip.
pub(super) fn unknown_keys(table: &mut Table, known: &[impl AsRef<str>], problems: &mut Problems) {
    let names = || known.iter().map(AsRef::as_ref);
    let keys: Vec<String> = table.keys().into_iter().map(str::to_owned).collect();
    for key in keys.iter().filter(|key| !names().any(|known| known == key.as_str())) {
        let problem = Problem::new(table.key_span(key), format!("unknown key `{key}`"));
        problems.push(problem.hint(suggest(key, names())));
        let Some(other) = nearest(key, names()) else {
            drop(table.split(&[key]));
            continue;
        };
        if meant(key, names()).is_none() {
            table.mark_wrong(key);
        }
        table.rename(key, other);
    }
}

/// Looks for a key without which it is not known which others there can be.
pub(super) fn misspelt(table: &mut Table, key: &str, others: &[String], problems: &mut Problems) {
    let names = || others.iter().map(String::as_str).chain([key]);
    let is_meant =
        |other: &&str| !names().any(|known| known == *other) && nearest(other, names()) == Some(key);
    let found = table.keys().into_iter().find(is_meant).map(str::to_owned);
    if let Some(found) = found.filter(|_| !table.has(key)) {
        let problem = Problem::new(table.key_span(&found), format!("unknown key `{found}`"));
        problems.push(problem.hint(suggest(&found, names())));
        table.rename(&found, key);
    }
}

/// The named limits are there.
pub(super) fn limits(table: &Table, reading: &Reading<'_>, problems: &mut Problems) {
    let names = || reading.limits.named.keys().map(String::as_str);
    // What is wrong with the value itself is told when it is read.
    let wanted = table.get("limit").and_then(|node| node.read::<Names>("limit", &mut Vec::new()));
    for name in
        wanted.unwrap_or_default().0.iter().filter(|name| !names().any(|known| known == name.as_str()))
    {
        let hint = match reading.limits.named.is_empty() {
            true => format!("write [limits.{name}] with its `concurrency` or `rate`"),
            false => suggest(name, names()),
        };
        let problem = Problem::new(table.key_span("limit"), format!("unknown limit \"{name}\""));
        problems.push(problem.hint(hint));
    }
}

/// The names in a list of names, or a single one, with their places.
pub(super) fn named(table: &Table, key: &str) -> Vec<(String, Range<usize>)> {
    let Some(node) = table.get(key) else { return Vec::new() };
    let nodes = node.items().iter();
    nodes.filter_map(|node| Some((node.text()?.to_owned(), node.span.clone()))).collect()
}

/// The names of the secrets that a table uses.
pub(super) fn used_secrets(table: &Table) -> Vec<String> {
    table.templates().into_iter().flat_map(|(template, _)| template.names("secrets")).collect()
}

/// The secrets that are used are there; and nothing uses what closing jobs alone will know.
pub(super) fn secrets(table: &Table, reading: &Reading<'_>, problems: &mut Problems) {
    let known = || reading.secrets.keys().map(String::as_str);
    for (template, span) in table.templates() {
        for name in template.names("secrets").iter().filter(|name| !reading.secrets.contains_key(*name)) {
            let hint = match reading.secrets.is_empty() {
                true => format!("write {name} = {{ env = \"..\" }} under [secrets]"),
                false => suggest(name, known()),
            };
            problems.push(Problem::new(span.clone(), format!("unknown secret `secrets.{name}`")).hint(hint));
        }
        for name in template.names("run").iter().filter(|name| matches!(name.as_str(), "summary" | "failed"))
        {
            let message = format!("`run.{name}` is not there yet: a later version brings closing jobs");
            problems.push(Problem::new(span.clone(), message));
        }
    }
}

/// No job waits for itself, by way of others either. Each circle is named once, at its first job.
pub(super) fn cycles(drafts: &[Draft], problems: &mut Problems) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        places.entry(&draft.name).or_insert(at);
    }
    let needs = |at: usize| -> Vec<usize> {
        drafts[at].needs.iter().filter_map(|(need, _)| places.get(need.as_str()).copied()).collect()
    };
    let mut state = vec![State::New; drafts.len()];
    for start in 0..drafts.len() {
        let mut path = Vec::new();
        if let Some(circle) = circle(start, &needs, &mut state, &mut path) {
            let mut shown: Vec<&str> = circle.iter().map(|at| drafts[*at].name.as_str()).collect();
            shown.push(shown[0]);
            let first = circle.iter().copied().min().unwrap_or(start);
            let message = format!("waits for itself: {}", shown.join(" -> "));
            problems.push(Problem::new(drafts[first].span.clone(), message));
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Closed,
}

/// Follows what is waited for, deeper and deeper, without recursion: plans may be long chains.
fn circle(
    start: usize,
    needs: &dyn Fn(usize) -> Vec<usize>,
    state: &mut [State],
    path: &mut Vec<(usize, Vec<usize>)>,
) -> Option<Vec<usize>> {
    if state[start] != State::New {
        return None;
    }
    let mut found = None;
    state[start] = State::Open;
    path.push((start, needs(start)));
    while let Some((here, rest)) = path.last_mut() {
        let here = *here;
        match rest.pop() {
            None => {
                state[here] = State::Closed;
                path.pop();
            }
            Some(next) if state[next] == State::Open => {
                let from = path.iter().position(|(at, _)| *at == next).unwrap_or(0);
                found.get_or_insert_with(|| path[from..].iter().map(|(at, _)| *at).collect());
            }
            Some(next) if state[next] == State::New => {
                state[next] = State::Open;
                path.push((next, needs(next)));
            }
            Some(_) => {}
        }
    }
    found
}
