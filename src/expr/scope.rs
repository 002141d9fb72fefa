//! What names mean: `vars`, `run`, `secrets`, `jobs`, and for each item `item`. Made once a run, then once an item, which
//! costs one allocation: all that the items share is shared, and a record's columns are looked up when they are asked for.

use super::result::JobResult;
use crate::secret::Secret;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What holds for all of a run.
#[derive(Clone, Default)]
pub struct Globals {
    /// `vars.NAME`.
    pub vars: Map<String, Json>,
    /// `run.id`, `run.day`, `run.time`.
    pub run: Map<String, Json>,
    /// `secrets.NAME`.
    pub secrets: BTreeMap<String, Secret>,
    /// `jobs.NAME`: the results of the jobs that have ended.
    pub jobs: BTreeMap<String, Arc<JobResult>>,
}

/// What names mean: `vars`, `item`, `run`, `secrets`, `jobs`. Cheap to clone.
#[derive(Clone)]
pub struct Scope {
    frame: Arc<Frame>,
    context: Value,
}

/// The five names, ready for the engine.
#[derive(Clone)]
struct Frame {
    vars: Value,
    run: Value,
    secrets: Value,
    jobs: Value,
    item: Option<Value>,
}

impl Scope {
    /// A scope without an item.
    pub fn new(globals: Arc<Globals>) -> Scope {
        let jobs =
            globals.jobs.iter().map(|(name, result)| (name.clone(), Value::from_dyn_object(result.clone())));
        Scope::of(Frame {
            vars: Value::from_object(Record(Arc::new(globals.vars.clone()))),
            run: Value::from_object(Record(Arc::new(globals.run.clone()))),
            jobs: jobs.collect::<BTreeMap<String, Value>>().into(),
            secrets: Value::from_object(Secrets(globals)),
            item: None,
        })
    }

    /// The same names, and `item`.
    pub fn with_item(&self, item: Json) -> Scope {
        Scope::of(Frame { item: Some(owned_value(item)), ..self.frame.as_ref().clone() })
    }

    fn of(frame: Frame) -> Scope {
        let frame = Arc::new(frame);
        Scope { context: Value::from_dyn_object(frame.clone()), frame }
    }

    /// For the engine.
    pub(super) fn context(&self) -> &Value {
        &self.context
    }
}

impl Object for Frame {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "vars" => Some(self.vars.clone()),
            "run" => Some(self.run.clone()),
            "secrets" => Some(self.secrets.clone()),
            "jobs" => Some(self.jobs.clone()),
            "item" => self.item.clone(),
            _ => None,
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

/// The secrets by name. They become text of the engine's, which templates refuse where no secret may stand.
struct Secrets(Arc<Globals>);

impl Object for Secrets {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.secrets.get(key.as_str()?).map(|secret| Value::from(secret.expose()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.secrets.keys().map(Value::from).collect())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// A table whose values are converted one by one, when they are asked for.
#[derive(Debug)]
pub(super) struct Record(pub(super) Arc<Map<String, Json>>);

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).map(value)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(Value::from).collect())
    }
}

/// JSON for the engine.
pub(super) fn value(json: &Json) -> Value {
    match json {
        Json::Object(map) => Value::from_object(Record(Arc::new(map.clone()))),
        Json::Array(list) => list.iter().map(value).collect::<Vec<_>>().into(),
        Json::String(text) => Value::from(text.as_str()),
        Json::Bool(boolean) => Value::from(*boolean),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Null => Value::from(()),
    }
}

/// JSON for the engine, without a copy of its outermost table.
pub(super) fn owned_value(json: Json) -> Value {
    match json {
        Json::Object(map) => Value::from_object(Record(Arc::new(map))),
        Json::String(text) => Value::from(text),
        other => value(&other),
    }
}

/// JSON from the engine.
pub(super) fn json(value: &Value) -> Result<Json, String> {
    if let Some(record) = value.downcast_object_ref::<Record>() {
        return Ok(Json::Object(record.0.as_ref().clone()));
    }
    serde_json::to_value(value).map_err(|error| error.to_string())
}
