//! A job's `params`: a list for `$1`, `$2`.., or a table for `:name`. Not here: how values are bound (each database).

use super::scan::Statement;
use crate::expr::{ExprError, Scope, Tree};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The parameters of a query, each `T`: a tree as in the plan, or a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Params<T> {
    /// By number.
    List(Vec<T>),
    /// By name.
    Table(Vec<(String, T)>),
}

impl<T> Default for Params<T> {
    fn default() -> Params<T> {
        Params::List(Vec::new())
    }
}

impl<T> Params<T> {
    /// Whether `:name` is a parameter.
    pub(super) fn named(&self) -> bool {
        matches!(self, Params::Table(_))
    }

    /// Looks whether a statement's parameters and these are the same.
    pub(super) fn check(&self, statement: &Statement) -> Result<(), String> {
        match self {
            Params::List(list) if list.len() == statement.count() => Ok(()),
            Params::List(list) => Err(format!(
                "the query takes {}, but `params` has {}",
                parameters(statement.count()),
                list.len()
            )),
            Params::Table(table) => check_names(statement.names(), table),
        }
    }
}

fn parameters(count: usize) -> String {
    format!("{count} parameter{}", if count == 1 { "" } else { "s" })
}

fn check_names<T>(names: &[String], table: &[(String, T)]) -> Result<(), String> {
    let known = |name: &str| table.iter().any(|(key, _)| key == name);
    if let Some(missing) = names.iter().find(|name| !known(name)) {
        return Err(format!("the query takes `:{missing}`, but `params` has no `{missing}`"));
    }
    match table.iter().find(|(key, _)| !names.contains(key)) {
        Some((unused, _)) => Err(format!("`params` has `{unused}`, but the query takes no `:{unused}`")),
        None => Ok(()),
    }
}

impl Params<Tree> {
    /// The values.
    pub(super) fn fill(&self, scope: &Scope) -> Result<Params<Value>, ExprError> {
        Ok(match self {
            Params::List(list) => {
                Params::List(list.iter().map(|tree| tree.value(scope)).collect::<Result<_, _>>()?)
            }
            Params::Table(table) => {
                let filled = table.iter().map(|(name, tree)| Ok((name.clone(), tree.value(scope)?)));
                Params::Table(filled.collect::<Result<_, _>>()?)
            }
        })
    }
}

impl Params<Value> {
    /// The values in the order in which a statement numbers them.
    pub(super) fn values(&self, statement: &Statement) -> Result<Vec<Value>, String> {
        self.check(statement)?;
        Ok(match self {
            Params::List(list) => list.clone(),
            Params::Table(table) => {
                let find = |name: &String| table.iter().find(|(key, _)| key == name);
                statement.names().iter().filter_map(find).map(|(_, value)| value.clone()).collect()
            }
        })
    }
}

impl<'de> Deserialize<'de> for Params<Tree> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params<Tree>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values for $1, $2.., or a table of values for :name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Params::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(pair) = table.next_entry()? {
            values.push(pair);
        }
        Ok(Params::Table(values))
    }
}
