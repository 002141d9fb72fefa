//! What has to fit together: names that are used and names that are there, and that no job waits for itself.

use super::Job;
use super::keys::Names;

use super::load::Reading;
use super::place::Mistakes;
use crate::expr::{Node, Problem, Table, suggest};
use indexmap::IndexSet;
use std::ops::Range;

/// Keys that neither all have in common nor the kind knows are taken out, and are mistakes.
pub(super) fn unknown_keys(table: &mut Table, common: &[&str], kind: &schemars::Schema) -> Vec<Problem> {
    let own: Vec<String> = kind
        .get("properties")
        .and_then(|properties| properties.as_object())
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    let unknown: Vec<String> = table
        .keys()
        .into_iter()
        .filter(|key| !own.iter().any(|known| known == key))
        .map(str::to_owned)
        .collect();
    let problem = |key: &String| {
        let known = own.iter().map(String::as_str).chain(common.iter().copied());
        Problem::new(table.key_span(key), format!("unknown key `{key}`")).hint(suggest(key, known))
    };
    let problems = unknown.iter().map(problem).collect();
    unknown.iter().for_each(|key| drop(table.take(key)));
    problems
}

/// The named limits are there.
pub(super) fn limits(table: &Table, reading: &Reading<'_>) -> Vec<Problem> {
    let names = || reading.limits.named.keys().map(String::as_str);
    let wanted = table.get("limit").and_then(|node| node.read::<Names>("limit").ok()).unwrap_or_default();
    let unknown = wanted.0.iter().filter(|name| !names().any(|known| known == name.as_str()));
    let problem = |name: &String| {
        let hint = match reading.limits.named.is_empty() {
            true => format!("write [limits.{name}] with its `concurrency` or `rate`"),
            false => suggest(name, names()),
        };
        Problem::new(table.key_span("limit"), format!("unknown limit \"{name}\"")).hint(hint)
    };
    unknown.map(problem).collect()
}

/// The jobs that are waited for are there.
pub(super) fn names(
    job: &str,
    needs: &[String],
    table: &Table,
    span: Range<usize>,
    reading: &Reading<'_>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for need in needs.iter().filter(|need| !reading.jobs.contains(need.as_str())) {
        let place = if table.has("needs") { table.key_span("needs") } else { span.clone() };
        let others = reading.jobs.iter().map(String::as_str).filter(|other| *other != job);
        problems.push(Problem::new(place, format!("unknown job \"{need}\"")).hint(suggest(need, others)));
    }
    problems
}

/// The names of the secrets that a table uses.
pub(super) fn used_secrets(table: &Table) -> Vec<String> {
    let nodes = table.keys().into_iter().filter_map(|key| table.get(key));
    nodes.flat_map(Node::templates).flat_map(|(template, _)| template.names("secrets")).collect()
}

/// The secrets that are used are there; and nothing uses what closing jobs alone will know.
pub(super) fn secrets(table: &Table, reading: &Reading<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let nodes = table.keys().into_iter().filter_map(|key| table.get(key));
    for (template, span) in nodes.flat_map(Node::templates) {
        for name in
            template.names("secrets").iter().filter(|name| !reading.secrets.contains_key(name.as_str()))
        {
            let hint = match reading.secrets.is_empty() {
                true => format!("write {name} = {{ env = \"..\" }} under [secrets]"),
                false => suggest(name, reading.secrets.keys().map(String::as_str)),
            };
            problems.push(Problem::new(span.clone(), format!("unknown secret `secrets.{name}`")).hint(hint));
        }
        for name in template.names("run").iter().filter(|name| matches!(name.as_str(), "summary" | "failed"))
        {
            let message = format!("`run.{name}` is not there yet: a later version brings closing jobs");
            problems.push(Problem::new(span.clone(), message));
        }
    }
    problems
}

/// Secrets don't stand in these keys.
pub(super) fn no_secret(table: &Table, keys: &[&str]) -> Vec<Problem> {
    let users = keys.iter().filter_map(|key| Some((*key, table.get(key)?)));
    let templates = users.flat_map(|(key, node)| node.templates().into_iter().map(move |found| (key, found)));
    let found = templates.filter(|(_, (template, _))| template.uses("secrets"));
    found.map(|(key, (_, span))| Problem::new(span, format!("`{key}` can't hold a secret"))).collect()
}

/// No job waits for itself, by way of others either. Each circle is named once, at its first job.
pub(super) fn cycles(
    jobs: &[Option<Job>],
    names: &IndexSet<String>,
    spans: &[Range<usize>],
    mistakes: &mut Mistakes,
) {
    let needs = |at: usize| -> Vec<usize> {
        let needs = jobs[at].iter().flat_map(|job| &job.needs);
        needs.filter_map(|need| names.get_index_of(need)).collect()
    };
    let mut state = vec![State::New; jobs.len()];
    for start in 0..jobs.len() {
        let mut path = Vec::new();
        if let Some(circle) = circle(start, &needs, &mut state, &mut path) {
            let mut shown: Vec<&str> = circle.iter().map(|at| names[*at].as_str()).collect();
            shown.push(shown[0]);
            let first = circle.iter().copied().min().unwrap_or(start);
            let message = format!("waits for itself: {}", shown.join(" -> "));
            mistakes.of(&format!("job \"{}\"", names[first]), [Problem::new(spans[first].clone(), message)]);
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
