//! From TOML text to a tree of the plan's own. Not here: what becomes of the tree (`table`, `substitute`, `read`).

use super::Problem;
use super::table::{Data, Entry, Node, Table};
use super::template::Template;
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// What the parser says of a key that is there already.
const TWICE: &str = "duplicate key";

impl Table {
    /// A table from TOML text.
    pub fn parse(toml: &str) -> Result<Table, Vec<Problem>> {
        let mut problems = Vec::new();
        let (table, _) = Table::parse_at(toml, 0, &mut problems);
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    /// The same, with all places moved by `base`, so that the texts of several files can share one range of numbers;
    /// and whether it is the whole of the text. It is not if that is no TOML. Keys that are there twice are told, as
    /// are values that can't be used, such as expressions with a mistake; the rest is the whole.
    pub fn parse_at(toml: &str, base: usize, problems: &mut Vec<Problem>) -> (Table, bool) {
        let (tree, errors) = DeTable::parse_recoverable(toml);
        let whole = errors.iter().all(|error| error.message() == TWICE);
        let mut of_values = Vec::new();
        let mut builder = Builder { base, problems: &mut of_values };
        let mut table = builder.table(tree.span(), tree.into_inner());
        let mut told = 0..0;
        for error in errors {
            let place = moved(error.span().unwrap_or(0..0), base);
            if !whole {
                problems.push(Problem::new(place, error.message().to_lowercase()));
            } else if !told.contains(&place.start) {
                let double = Double::at(toml, place.start - base, place.end - base);
                problems.push(Problem::new(place, double.message()));
                told = moved(double.keys, base);
                table.cut(&told);
            }
        }
        problems.extend(of_values.into_iter().filter(|_| whole));
        (table, whole)
    }

    /// Takes out the keys that stand in a stretch of the text, in its tables too.
    fn cut(&mut self, stretch: &Range<usize>) {
        self.entries.retain(|_, entry| !stretch.contains(&entry.key.start));
        for entry in self.entries.values_mut() {
            if let Data::Table(table) = &mut entry.node.data {
                table.cut(stretch);
            }
        }
    }
}

fn moved(place: Range<usize>, base: usize) -> Range<usize> {
    place.start + base..place.end + base
}

/// A key or table that is there already. Of a table that is told, and not each of its keys.
struct Double<'t> {
    /// `sleep`, or `[jobs.sales]`.
    what: &'t str,
    /// On which line the table was there first, if its header is written the same.
    first: Option<usize>,
    /// Where the table's keys stand.
    keys: Range<usize>,
}

impl Double<'_> {
    /// The key from `start` to `end`, or the table in whose header it is.
    fn at(toml: &str, start: usize, end: usize) -> Double<'_> {
        let line = toml[..start].rfind('\n').map_or(0, |end| end + 1);
        let text = toml[line..].lines().next().unwrap_or_default();
        let header = text.trim_start().split_inclusive(']').next().filter(|header| header.starts_with('['));
        let Some(what) = header else {
            return Double { what: &toml[start..end], first: None, keys: end..end };
        };
        let first = toml[..line].lines().position(|line| line.trim_start().starts_with(what));
        let keys = line + text.len();
        let end = toml[keys..].find("\n[").map_or(toml.len(), |next| keys + next);
        Double { what, first: first.map(|line| line + 1), keys: keys..end }
    }

    fn message(&self) -> String {
        let Double { what, first, .. } = self;
        match first {
            Some(line) => format!("{what} is there already, on line {line}"),
            None => format!("`{what}` is there twice"),
        }
    }
}

/// From the parser's tree to ours.
struct Builder<'a> {
    base: usize,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    fn place(&self, span: Range<usize>) -> Range<usize> {
        moved(span, self.base)
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
        let (template, errors) = Template::parse_all(text);
        let wrong = !errors.is_empty();
        errors.into_iter().for_each(|error| self.problem(span.clone(), error.message));
        if wrong { Data::Wrong(Some(template)) } else { Data::Text(template, None) }
    }

    fn integer(&mut self, span: &Range<usize>, integer: &DeInteger<'_>) -> Data {
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Data::Scalar(number.into()),
            Err(_) => {
                self.problem(span.clone(), format!("{integer} is too large a number"));
                Data::Wrong(None)
            }
        }
    }

    fn float(&mut self, span: &Range<usize>, text: &str) -> Data {
        match text.parse().ok().and_then(serde_json::Number::from_f64) {
            Some(number) => Data::Scalar(Json::Number(number)),
            None => {
                self.problem(span.clone(), format!("{text} is not a number that can be used"));
                Data::Wrong(None)
            }
        }
    }
}
