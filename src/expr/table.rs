//! The plan as a tree in which every key and value knows its place and strings are templates already. A mistake that was
//! told stays in the tree as such ([`Data::Wrong(_)`]), so that nothing is said of what follows from it. Not here: how the
//! tree comes from TOML (`parse`) and becomes a struct (`read`), and what the keys mean.

use super::Problem;
use super::template::{SECRETS, Template};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::fmt;
use std::ops::Range;

/// A table of the plan, with the place of every key and value, in file order.
#[derive(Clone)]
pub struct Table {
    pub(super) span: Range<usize>,
    pub(super) entries: IndexMap<String, Entry>,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Range<usize>,
    pub(super) node: Node,
}

/// A value of the plan and its place.
#[derive(Clone)]
pub struct Node {
    /// Where it stands, in bytes of the plan's text.
    pub span: Range<usize>,
    /// What it is.
    pub data: Data,
}

/// What a value of the plan can be. Dates are strings.
#[derive(Clone)]
pub enum Data {
    /// A string, and its value once [`Table::substitute`] has filled in what is known before the run.
    Text(Template, Option<Box<Node>>),
    /// A number, a boolean, or null where an expression gave it.
    Scalar(Json),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// A mistake, told when it was found. The key is there, and has no value. What could be read of a string still says
    /// what it refers to.
    Wrong(Option<Template>),
}

impl Table {
    /// A table without keys.
    pub fn empty(span: Range<usize>) -> Table {
        Table { span, entries: IndexMap::new() }
    }

    /// Where the table itself stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where a key stands; the table's own place if it has no such key.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.entries.get(key).map_or_else(|| self.span(), |entry| entry.key.clone())
    }

    /// The keys in file order.
    pub fn keys(&self) -> Vec<&str> {
        self.entries.keys().map(String::as_str).collect()
    }

    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A value; none for a mistake.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node).filter(|node| !matches!(node.data, Data::Wrong(_)))
    }

    /// A value, to be changed; none for a mistake.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let node = self.entries.get_mut(key).map(|entry| &mut entry.node);
        node.filter(|node| !matches!(node.data, Data::Wrong(_)))
    }

    /// Takes a value out. A mistake stays, so that the key does not seem to be missing.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        self.get(key)?;
        self.entries.shift_remove(key).map(|entry| entry.node)
    }

    /// Whether there is a mistake at a key, or in the value it has.
    pub fn is_wrong(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.node.is_wrong())
    }

    /// Puts a mistake that was told in the place of a key's value.
    pub fn mark_wrong(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.node.data = Data::Wrong(None);
        }
    }

    /// Gives a key another name. What has that name already stays; of two tables one is made.
    pub fn rename(&mut self, key: &str, to: &str) {
        let Some(entry) = self.entries.shift_remove(key) else { return };
        self.merge_below(&Table {
            span: self.span(),
            entries: [(to.to_owned(), entry)].into_iter().collect(),
        });
    }

    /// Tells where secrets stand in the values of these keys, which can hold none.
    pub fn refuse_secrets(&self, keys: &[&str], problems: &mut Vec<Problem>) {
        for (key, node) in keys.iter().filter_map(|key| Some((key, self.get(key)?))) {
            let found = node.templates().into_iter().filter(|(template, _)| template.uses("secrets"));
            let problem = |span| Problem::new(span, format!("`{key}` can't hold a secret")).hint(SECRETS);
            problems.extend(found.map(|(_, span)| problem(span)));
        }
    }

    /// Every template in it, with its place.
    pub fn templates(&self) -> Vec<(&Template, Range<usize>)> {
        self.entries.values().flat_map(|entry| entry.node.templates()).collect()
    }

    /// All keys with their places and values, in file order.
    pub fn into_entries(self) -> impl Iterator<Item = (String, Range<usize>, Node)> {
        self.entries.into_iter().map(|(key, entry)| (key, entry.key, entry.node))
    }

    /// Takes all of `keys` out that are there, as a table of its own.
    pub fn split(&mut self, keys: &[&str]) -> Table {
        let mut taken = Table::empty(self.span());
        for key in keys {
            if let Some((key, entry)) = self.entries.shift_remove_entry(*key) {
                taken.entries.insert(key, entry);
            }
        }
        taken
    }

    /// Puts a value in, at the end.
    pub fn insert(&mut self, key: &str, key_span: Range<usize>, node: Node) {
        self.entries.insert(key.to_owned(), Entry { key: key_span, node });
    }

    /// Adds what it lacks from `defaults`, within its tables too.
    pub fn merge_below(&mut self, defaults: &Table) {
        for (key, entry) in &defaults.entries {
            match self.entries.get_mut(key).map(|own| &mut own.node.data) {
                None => {
                    self.entries.insert(key.clone(), entry.clone());
                }
                Some(Data::Table(own)) => {
                    if let Data::Table(defaults) = &entry.node.data {
                        own.merge_below(defaults);
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// The value as JSON, as far as it is known before the run.
    pub fn json(&self) -> Option<serde_json::Map<String, Json>> {
        self.entries.iter().map(|(key, entry)| Some((key.clone(), entry.node.json()?))).collect()
    }
}

impl Node {
    /// Its table. `name` is what the message of a mistake calls it.
    pub fn table(self, name: &str, problems: &mut Vec<Problem>) -> Option<Table> {
        match self.data {
            Data::Table(table) => Some(table),
            Data::Text(_, Some(value)) => value.table(name, problems),
            Data::Wrong(_) => None,
            _ => {
                let message = format!("{name} must be a table, not {}", self.kind());
                problems.push(Problem::new(self.span.clone(), message));
                None
            }
        }
    }

    /// Whether it is a mistake, or holds one.
    pub fn is_wrong(&self) -> bool {
        match &self.data {
            Data::Wrong(_) => true,
            Data::Text(_, value) => value.as_ref().is_some_and(|value| value.is_wrong()),
            Data::Scalar(_) => false,
            Data::List(items) => items.iter().any(Node::is_wrong),
            Data::Table(table) => table.entries.values().any(|entry| entry.node.is_wrong()),
        }
    }

    /// The values of a list, if they are known before the run; of anything else itself.
    pub fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            Data::Text(_, Some(value)) => value.items(),
            _ => std::slice::from_ref(self),
        }
    }

    /// Its text, if that is known before the run.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(_, Some(value)) => value.text(),
            Data::Text(template, None) => template.literal(),
            _ => None,
        }
    }

    /// Its template, if it is a string.
    pub fn template(&self) -> Option<&Template> {
        match &self.data {
            Data::Text(template, _) => Some(template),
            _ => None,
        }
    }

    /// Its value as JSON, as far as it is known before the run.
    pub fn json(&self) -> Option<Json> {
        match &self.data {
            Data::Text(_, Some(value)) => value.json(),
            Data::Text(template, None) => template.literal().map(Json::from),
            Data::Scalar(scalar) => Some(scalar.clone()),
            Data::Wrong(_) => None,
            Data::List(items) => items.iter().map(Node::json).collect::<Option<_>>().map(Json::Array),
            Data::Table(table) => table.json().map(Json::Object),
        }
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Text(_, Some(value)) => value.kind(),
            Data::Text(..) => "a string",
            Data::Scalar(Json::Bool(_)) => "a boolean",
            Data::Scalar(Json::Null) => "null",
            Data::Scalar(_) => "a number",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
            Data::Wrong(_) => "a mistake",
        }
    }

    /// Every template in it, with its place.
    pub fn templates(&self) -> Vec<(&Template, Range<usize>)> {
        match &self.data {
            Data::Text(template, _) => vec![(template, self.span.clone())],
            Data::Wrong(template) => template.iter().map(|template| (template, self.span.clone())).collect(),
            Data::Scalar(_) => Vec::new(),
            Data::List(items) => items.iter().flat_map(Node::templates).collect(),
            Data::Table(table) => table.templates(),
        }
    }

    /// Tells its place and that of every key and value in it.
    pub fn places(&self, tell: &mut dyn FnMut(usize)) {
        tell(self.span.start);
        match &self.data {
            Data::List(items) => items.iter().for_each(|item| item.places(tell)),
            Data::Table(table) => {
                for entry in table.entries.values() {
                    tell(entry.key.start);
                    entry.node.places(tell);
                }
            }
            Data::Text(..) | Data::Scalar(_) | Data::Wrong(_) => {}
        }
    }
}

impl fmt::Debug for Table {
    /// Keys only: values may be what must not be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}
