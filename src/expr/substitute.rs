//! Filling in what is known before the run: expressions of `vars` and `run` alone become the values they have. Not here:
//! the others, which are filled in for each item (`template`).

use super::Problem;
use super::scope::Scope;
use super::table::{Data, Entry, Node, Table};
use super::template::Template;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::ops::Range;

/// What is known before the run.
#[derive(Clone)]
pub struct Known {
    /// `vars` and `run`.
    pub scope: Scope,
    /// The variables that hold a mistake: nothing is said of what uses them.
    pub wrong: BTreeSet<String>,
}

impl Table {
    /// Fills in the expressions that need no more than `vars` and `run`, and looks for undefined ones of these names
    /// in the others.
    pub fn substitute(&mut self, known: &Known, problems: &mut Vec<Problem>) {
        self.entries.values_mut().for_each(|entry| entry.node.substitute(known, problems));
    }
}

impl Node {
    fn substitute(&mut self, known: &Known, problems: &mut Vec<Problem>) {
        let span = self.span.clone();
        let place = |message: String| Problem::new(span.clone(), message);
        match &mut self.data {
            Data::Scalar(_) | Data::Wrong(None) => {}
            Data::Wrong(Some(template)) => problems.extend(undefined(template, known).map(place)),
            Data::List(items) => items.iter_mut().for_each(|item| item.substitute(known, problems)),
            Data::Table(table) => table.substitute(known, problems),
            Data::Text(template, value) if template.literal().is_none() => match filled_in(template, known) {
                Ok(filled) => *value = filled.map(|json| Box::new(Node::of_json(json, &self.span))),
                Err(messages) => {
                    problems.extend(messages.into_iter().map(place));
                    self.data = Data::Wrong(Some(template.clone()));
                }
            },
            Data::Text(..) => {}
        }
    }

    /// A value from an expression: it stands where the expression stands, and its strings are literal.
    fn of_json(json: Json, span: &Range<usize>) -> Node {
        let data = match json {
            Json::String(text) => Data::Text(Template::of_literal(text), None),
            Json::Array(items) => {
                Data::List(items.into_iter().map(|item| Node::of_json(item, span)).collect())
            }
            Json::Object(map) => {
                let entry =
                    |(key, value)| (key, Entry { key: span.clone(), node: Node::of_json(value, span) });
                Data::Table(Table { span: span.clone(), entries: map.into_iter().map(entry).collect() })
            }
            scalar => Data::Scalar(scalar),
        };
        Node { span: span.clone(), data }
    }
}

/// The value of a string, if it is known before the run; or all that is wrong with it, which is nothing new where a
/// variable is.
fn filled_in(template: &Template, known: &Known) -> Result<Option<Json>, Vec<String>> {
    let wrong: Vec<String> = undefined(template, known).collect();
    let used = template.names("vars");
    match (wrong.is_empty() && !used.iter().any(|name| known.wrong.contains(name)), template.late()) {
        (false, _) => Err(wrong),
        (true, Some(_)) => Ok(None),
        (true, None) => template.value(&known.scope).map(Some).map_err(|error| vec![error.message]),
    }
}

fn undefined(template: &Template, known: &Known) -> impl Iterator<Item = String> {
    template.undefined(known).into_iter().map(|error| error.message)
}
