//! What a job that has ended means to others: `jobs.NAME.rows`, `.json`, `.items`. Parsed when it is first asked for.
//! Not here: how much of it is kept (`run`).

use super::scope;
use minijinja::value::{Enumerator, Object};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What there is of a job: `jobs.NAME.rows`, `.json`, `.items`.
pub(super) const RESULTS: [&str; 3] = ["rows", "json", "items"];

/// The kept result of one item.
#[derive(Clone)]
pub struct Kept {
    /// The item's key.
    pub key: Arc<str>,
    /// A body, or rows as JSON Lines.
    pub bytes: Arc<[u8]>,
    /// Whether the bytes are rows.
    pub rows: bool,
}

/// The kept results of a job's items, in item order.
pub struct JobResult {
    items: Vec<Arc<Kept>>,
    rows: OnceLock<Value>,
    json: OnceLock<Value>,
}

impl JobResult {
    /// Of the items that are done, in item order.
    pub fn new(items: Vec<Kept>) -> JobResult {
        JobResult {
            items: items.into_iter().map(Arc::new).collect(),
            rows: OnceLock::new(),
            json: OnceLock::new(),
        }
    }

    /// All rows of all items.
    fn rows(&self) -> Value {
        let rows = self.items.iter().map(|item| item.rows()).collect::<Result<Vec<_>, _>>();
        rows.map(|rows| rows.concat()).map_or_else(invalid, Value::from)
    }

    /// The one item's JSON.
    fn json(&self) -> Value {
        match self.items.as_slice() {
            [item] => item.json(),
            items => {
                invalid(format!("`json` is for a job of one item, this one has {}; see `items`", items.len()))
            }
        }
    }
}

impl Object for JobResult {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "rows" => Some(self.rows.get_or_init(|| self.rows()).clone()),
            "json" => Some(self.json.get_or_init(|| self.json()).clone()),
            "items" => {
                Some(self.items.iter().cloned().map(Value::from_dyn_object).collect::<Vec<_>>().into())
            }
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&RESULTS)
    }
}

impl Kept {
    fn rows(&self) -> Result<Vec<Value>, String> {
        if !self.rows {
            return Err("`rows` is for queries; a body that is JSON is `json`".to_owned());
        }
        let lines = self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let parsed = lines.map(|line| serde_json::from_slice::<Json>(line).map(scope::owned_value));
        parsed.collect::<Result<_, _>>().map_err(|error| format!("a kept row can't be read: {error}"))
    }

    fn json(&self) -> Value {
        if self.rows {
            return self.rows().map_or_else(invalid, Value::from);
        }
        match serde_json::from_slice(&self.bytes) {
            Ok(json) => scope::owned_value(json),
            Err(error) => invalid(format!("the body is not JSON: {error}")),
        }
    }
}

impl Object for Kept {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "key" => Some(Value::from(self.key.as_ref())),
            "rows" => Some(self.rows().map_or_else(invalid, Value::from)),
            "json" => Some(self.json()),
            "text" => Some(Value::from(String::from_utf8_lossy(&self.bytes))),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["key", "text"])
    }
}

impl fmt::Debug for JobResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobResult of {}", self.items.len())
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept {}", self.key)
    }
}

/// A value whose use is an error.
fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Value {
    Error::new(ErrorKind::InvalidOperation, message).into()
}
