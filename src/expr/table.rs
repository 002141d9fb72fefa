//! The plan as a tree in which every key and value knows its place and strings are templates already. Not here: how
//! it becomes a struct (`read`), and what the keys mean.

use super::Problem;
use super::scope::Scope;
use super::template::Template;
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

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
}

impl Table {
    /// A table from TOML text.
    pub fn parse(toml: &str) -> Result<Table, Vec<Problem>> {
        Table::parse_at(toml, 0)
    }

    /// The same, with all places moved by `base`: so that the texts of several files can share one range of numbers.
    pub fn parse_at(toml: &str, base: usize) -> Result<Table, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(toml);
        let mut builder = Builder { base, problems: Vec::new() };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            builder.problem(span, error.message().to_lowercase());
        }
        if !builder.problems.is_empty() {
            return Err(builder.problems);
        }
        let span = table.span();
        let table = builder.table(span, table.into_inner());
        if builder.problems.is_empty() { Ok(table) } else { Err(builder.problems) }
    }

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

    /// A value.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }

    /// Takes a value out.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        self.entries.shift_remove(key).map(|entry| entry.node)
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

    /// Fills in the expressions that need no more than `vars` and `run`, and looks for undefined ones of these names
    /// in the others.
    pub fn substitute(&mut self, scope: &Scope) -> Vec<Problem> {
        self.entries.values_mut().flat_map(|entry| entry.node.substitute(scope)).collect()
    }

    /// The value as JSON, as far as it is known before the run.
    pub fn json(&self) -> Option<serde_json::Map<String, Json>> {
        self.entries.iter().map(|(key, entry)| Some((key.clone(), entry.node.json()?))).collect()
    }
}

impl Node {
    /// Its table. `name` is what the message of a mistake calls it.
    pub fn table(self, name: &str) -> Result<Table, Problem> {
        match self.data {
            Data::Table(table) => Ok(table),
            Data::Text(_, Some(value)) => value.table(name),
            _ => Err(Problem::new(self.span.clone(), format!("{name} must be a table, not {}", self.kind()))),
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
        }
    }

    /// Every template in it, with its place.
    pub fn templates(&self) -> Vec<(&Template, Range<usize>)> {
        match &self.data {
            Data::Text(template, _) => vec![(template, self.span.clone())],
            Data::Scalar(_) => Vec::new(),
            Data::List(items) => items.iter().flat_map(Node::templates).collect(),
            Data::Table(table) => table.entries.values().flat_map(|entry| entry.node.templates()).collect(),
        }
    }

    fn substitute(&mut self, scope: &Scope) -> Vec<Problem> {
        let span = self.span.clone();
        let outcome = match &mut self.data {
            Data::Scalar(_) => Ok(()),
            Data::List(items) => return items.iter_mut().flat_map(|item| item.substitute(scope)).collect(),
            Data::Table(table) => return table.substitute(scope),
            Data::Text(template, _) if template.literal().is_some() => Ok(()),
            Data::Text(template, _) if template.late().is_some() => template.check(scope),
            Data::Text(template, known) => template.value(scope).map(|value| {
                *known = Some(Box::new(Node::of_json(value, &span)));
            }),
        };
        outcome.err().map(|error| Problem::new(span, error.message)).into_iter().collect()
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

/// From the parser's tree to ours.
struct Builder {
    base: usize,
    problems: Vec<Problem>,
}

impl Builder {
    fn place(&self, span: Range<usize>) -> Range<usize> {
        span.start + self.base..span.end + self.base
    }

    fn problem(&mut self, span: Range<usize>, message: impl Into<String>) {
        let span = self.place(span);
        self.problems.push(Problem::new(span, message));
    }

    fn table(&mut self, span: Range<usize>, table: DeTable<'_>) -> Table {
        let mut entries = IndexMap::new();
        for (key, value) in table {
            let key_span = key.span();
            let mut node = self.node(value);
            if let Data::Table(table) = &mut node.data {
                table.span = self.place(key_span.clone());
            }
            entries.insert(key.into_inner().into_owned(), Entry { key: self.place(key_span), node });
        }
        Table { span: self.place(span), entries }
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let data = match value.into_inner() {
            DeValue::String(text) => self.template(&span, &text),
            DeValue::Integer(integer) => self.integer(&span, &integer),
            DeValue::Float(float) => self.float(&span, float.as_str()),
            DeValue::Boolean(boolean) => Data::Scalar(Json::Bool(boolean)),
            DeValue::Datetime(time) => Data::Text(Template::of_literal(time.to_string()), None),
            DeValue::Array(items) => Data::List(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Data::Table(self.table(span.clone(), table)),
        };
        Node { span: self.place(span), data }
    }

    fn template(&mut self, span: &Range<usize>, text: &str) -> Data {
        let template = Template::parse(text).unwrap_or_else(|error| {
            self.problem(span.clone(), error.message);
            Template::of_literal("")
        });
        Data::Text(template, None)
    }

    fn integer(&mut self, span: &Range<usize>, integer: &DeInteger<'_>) -> Data {
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or_else(|_| {
            self.problem(span.clone(), format!("{integer} is too large a number"));
            0
        });
        Data::Scalar(number.into())
    }

    fn float(&mut self, span: &Range<usize>, text: &str) -> Data {
        let number = text.parse().ok().and_then(serde_json::Number::from_f64);
        if number.is_none() {
            self.problem(span.clone(), format!("{text} is not a number that can be used"));
        }
        Data::Scalar(number.map_or(Json::Null, Json::Number))
    }
}
