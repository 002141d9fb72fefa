//! `for_each`: what makes a job many items, and the keys they have. Not here: reading the input files (`input`).

use super::input::{self, Values};
use super::keys::Duplicates;
use crate::expr::{Data, ExprError, Node, Problem, Scope, Table, Template, dates, suggest};
use crate::sources::Problems;
use indexmap::IndexMap;
use jiff::civil::Date;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What makes a job many items.
#[derive(Debug, Clone, PartialEq)]
pub enum ForEach {
    /// The values themselves.
    List(Arc<[Json]>),
    /// A file: each line of a `.txt`, each record of a `.csv` or `.jsonl`.
    File(PathBuf),
    /// All whole numbers between two, both included.
    Range(i64, i64),
    /// All days between two, both included.
    Dates(Date, Date),
    /// A table for each combination, the last name changing fastest.
    Matrix(Arc<IndexMap<String, Vec<Json>>>),
    /// A list that is known once other jobs are done.
    Expression(Template),
}

/// An item to be: its key and what `item` is.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The item's key.
    pub key: Arc<str>,
    /// What `item` is.
    pub value: Json,
    /// Whether an earlier item has the same key. Only with `duplicates = "first"`.
    pub duplicate: bool,
}

/// The items one after another, made when they are asked for. An error ends them.
pub type Inputs = Box<dyn Iterator<Item = Result<Input, String>> + Send>;

/// How many duplicate keys an error names.
const NAMED: usize = 5;
/// Lists of more items than this are looked at only when they run.
pub(super) const CHECKED: u64 = 10_000;

const FORMS: &str = "a list, { file = \"..\" }, { range = [1, 100] }, { dates = [\"..\", \"..\"] }, { matrix = {..} } or \"${{ jobs.NAME.rows }}\"";

impl ForEach {
    /// Reads it. `made` says that a file may not be there yet.
    pub(super) fn read(node: &Node, folder: &Path, made: bool, problems: &mut Problems) -> Option<ForEach> {
        let problem = |message: String| Problem::new(node.span.clone(), message);
        match &node.data {
            _ if node.is_wrong() => None,
            Data::Text(_, Some(value)) => ForEach::read(value, folder, made, problems),
            Data::Text(template, None) if template.is_expression() => {
                Some(ForEach::Expression(template.clone()))
            }
            Data::List(items) => {
                let values = items.iter().map(Node::json).collect::<Option<Arc<[Json]>>>();
                if values.is_none() {
                    let late = problem("`for_each`: a list can't hold what is known only later".to_owned());
                    problems.push(late.hint("make the whole list one expression"));
                }
                values.map(ForEach::List)
            }
            Data::Table(table) => ForEach::of_table(table, folder, made, problems),
            _ => {
                problems.push(problem(format!("`for_each` must be {FORMS}")));
                None
            }
        }
    }

    fn of_table(table: &Table, folder: &Path, made: bool, problems: &mut Problems) -> Option<ForEach> {
        let known = ["file", "range", "dates", "matrix"];
        let (Some(key), 1) = (table.keys().first().copied(), table.keys().len()) else {
            problems.push(Problem::new(table.span(), format!("`for_each` must be {FORMS}")));
            return None;
        };
        let node = table.get(key)?;
        let read = match key {
            "file" => file(node.read("for_each.file", problems)?, folder, made),
            "range" => match node.read("for_each.range", problems)? {
                (first, last) if first <= last => Ok(ForEach::Range(first, last)),
                (first, last) => Err(format!("`for_each.range`: {first} is more than {last}")),
            },
            "dates" => days(node.read("for_each.dates", problems)?),
            "matrix" => Ok(ForEach::Matrix(Arc::new(node.read("for_each.matrix", problems)?))),
            other => {
                let unknown = Problem::new(table.key_span(other), format!("unknown key `for_each.{other}`"));
                problems.push(unknown.hint(suggest(other, known)));
                return None;
            }
        };
        read.map_err(|message| problems.push(Problem::new(node.span.clone(), message))).ok()
    }

    /// How many items it makes, if that is known without reading anything.
    pub fn count(&self) -> Option<u64> {
        match self {
            ForEach::List(values) => Some(values.len() as u64),
            ForEach::Range(first, last) => Some(first.abs_diff(*last).saturating_add(1)),
            ForEach::Dates(first, last) => Some(dates::between(*first, *last).count() as u64),
            ForEach::Matrix(matrix) => {
                Some(matrix.values().map(|values| values.len() as u64).fold(1, u64::saturating_mul))
            }
            ForEach::File(_) | ForEach::Expression(_) => None,
        }
    }

    /// The items, lazily. `key` is the job's expression for the key. Blocking: reads files. Unless duplicates are
    /// skipped, the keys are looked at first, so that equal ones are an error before any item has started.
    pub fn inputs(
        &self,
        scope: &Scope,
        key: Option<&Template>,
        duplicates: Duplicates,
    ) -> Result<Inputs, String> {
        let keys =
            Keys { scope: scope.clone(), key: key.cloned(), combined: matches!(self, ForEach::Matrix(_)) };
        match (duplicates, self.distinct() && key.is_none()) {
            (_, true) => {}
            (Duplicates::First, _) => return Ok(Box::new(first_ones(keys.items(self.values(scope)?)))),
            (Duplicates::Error, _) => refuse_duplicates(keys.items(self.values(scope)?))?,
        }
        Ok(Box::new(keys.items(self.values(scope)?)))
    }

    /// Whether its values differ by themselves.
    fn distinct(&self) -> bool {
        matches!(self, ForEach::Range(..) | ForEach::Dates(..))
    }

    fn values(&self, scope: &Scope) -> Result<Values, String> {
        Ok(match self {
            ForEach::List(values) => {
                let values = values.clone();
                Box::new((0..values.len()).map(move |at| Ok(values[at].clone())))
            }
            ForEach::File(path) => input::file(path)?,
            ForEach::Range(first, last) => Box::new((*first..=*last).map(|number| Ok(number.into()))),
            ForEach::Dates(first, last) => {
                Box::new(dates::between(*first, *last).map(|day| Ok(day.to_string().into())))
            }
            ForEach::Matrix(matrix) => Box::new(input::combinations(matrix.clone()).map(Ok)),
            ForEach::Expression(template) => match template
                .value(scope)
                .map_err(|ExprError { message }| message)?
            {
                Json::Array(values) => Box::new(values.into_iter().map(Ok)),
                other => return Err(format!("`{}` must be a list, not {}", template.source(), kind(&other))),
            },
        })
    }

    /// Looks at the keys before the run, where they are known then and not too many.
    pub(super) fn check(
        &self,
        key: Option<&Template>,
        duplicates: Duplicates,
        scope: &Scope,
    ) -> Option<String> {
        let known =
            self.count().is_some_and(|count| count <= CHECKED) && key.is_none_or(|key| key.jobs().is_empty());
        if !known {
            return None;
        }
        match self.inputs(scope, key, duplicates) {
            Err(message) => Some(message),
            Ok(mut inputs) => inputs.find_map(Result::err),
        }
    }
}

fn file(name: String, folder: &Path, made: bool) -> Result<ForEach, String> {
    let path = folder.join(&name);
    if !input::is_known(&path) {
        return Err(format!("`for_each.file`: \"{name}\" must end in .txt, .csv or .jsonl"));
    }
    if !made && !path.is_file() {
        return Err(format!("`for_each.file`: {name}: there is no such file"));
    }
    Ok(ForEach::File(path))
}

fn days((first, last): (String, String)) -> Result<ForEach, String> {
    let wrong = |text: &str| format!("`for_each.dates`: \"{text}\" is not a day such as 2026-11-19");
    let day = |text: &str| text.parse::<Date>().map_err(|_| wrong(text));
    Ok(ForEach::Dates(day(&first)?, day(&last)?))
}

/// How values get their keys.
#[derive(Clone)]
struct Keys {
    scope: Scope,
    key: Option<Template>,
    /// Whether the values are combinations, whose parts make the key.
    combined: bool,
}

impl Keys {
    fn items(&self, values: Values) -> impl Iterator<Item = Result<Input, String>> + Send + use<> {
        let keys = self.clone();
        values.map(move |value| {
            let value = value?;
            match keys.key_of(&value)? {
                key if key.is_empty() => Err("an item's key is empty".to_owned()),
                key => Ok(Input { key: key.into(), value, duplicate: false }),
            }
        })
    }

    fn key_of(&self, value: &Json) -> Result<String, String> {
        match (&self.key, value.as_object()) {
            (Some(template), _) => {
                let key =
                    template.value(&self.scope.with_item(value.clone())).map_err(|error| error.message)?;
                scalar(&key).ok_or_else(|| format!("`key` must be a text or a number, not {}", kind(&key)))
            }
            (None, Some(parts)) if self.combined => {
                let parts = parts.values().map(|part| scalar(part).unwrap_or_else(|| part.to_string()));
                Ok(parts.collect::<Vec<_>>().join(","))
            }
            (None, _) => own_key(value),
        }
    }
}

/// The key of a value that is one itself.
fn own_key(value: &Json) -> Result<String, String> {
    let first = value.as_object().and_then(|record| record.keys().next());
    scalar(value).ok_or_else(|| {
        let name = first.map_or("id", String::as_str);
        format!("{} has no key of its own\n  (say which: key = \"${{{{ item.{name} }}}}\")", kind(value))
    })
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a record",
    }
}

/// Keys that were there. Eight bytes each: that two of ten million keys look equal by chance is as likely as three in a
/// million.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Seen {
    /// Whether the key is new.
    fn add(&mut self, key: &str) -> bool {
        self.hashes.insert(self.hasher.hash_one(key))
    }
}

fn refuse_duplicates(items: impl Iterator<Item = Result<Input, String>>) -> Result<(), String> {
    let mut seen = Seen::default();
    let mut twice: Vec<Arc<str>> = Vec::new();
    for item in items {
        let item = item?;
        if !seen.add(&item.key) && !twice.contains(&item.key) {
            twice.push(item.key);
        }
        if twice.len() == NAMED {
            break;
        }
    }
    if twice.is_empty() {
        return Ok(());
    }
    let names = twice.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
    Err(format!(
        "items have equal keys: {names}\n  (say which is which with `key`, or duplicates = \"first\")"
    ))
}

fn first_ones(
    items: impl Iterator<Item = Result<Input, String>> + Send,
) -> impl Iterator<Item = Result<Input, String>> + Send {
    let mut seen = Seen::default();
    items.map(move |item| item.map(|item| Input { duplicate: !seen.add(&item.key), ..item }))
}
