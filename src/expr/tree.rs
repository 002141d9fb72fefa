//! Any value of the plan with templates at its leaves: a JSON body, the parameters of a query.

use super::ExprError;
use super::scope::Scope;
use super::template::Template;
use super::visit;
use crate::secret::Secret;
use serde::de::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// Any value of the plan with templates at its leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Leaf(Template),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
}

impl Tree {
    /// The value, filled in. An error if a secret would go into it.
    pub fn value(&self, scope: &Scope) -> Result<Json, ExprError> {
        self.build(&|leaf| leaf.value(scope))
    }

    /// The value as JSON text, where secrets may stand.
    pub fn secret_json(&self, scope: &Scope) -> Result<Secret, ExprError> {
        self.build(&|leaf| leaf.value_with_secrets(scope)).map(|json| Secret::new(json.to_string()))
    }

    /// Whether it refers to `item`, `secrets`, or another of the names that expressions start from.
    pub fn uses(&self, name: &str) -> bool {
        self.leaves().into_iter().any(|leaf| leaf.uses(name))
    }

    /// All templates in it, in order.
    pub fn leaves(&self) -> Vec<&Template> {
        match &self.shape {
            Shape::Leaf(template) => vec![template],
            Shape::List(items) => items.iter().flat_map(Tree::leaves).collect(),
            Shape::Table(entries) => entries.iter().flat_map(|(_, tree)| tree.leaves()).collect(),
        }
    }

    fn build(&self, leaf: &dyn Fn(&Template) -> Result<Json, ExprError>) -> Result<Json, ExprError> {
        match &self.shape {
            Shape::Leaf(template) => leaf(template),
            Shape::List(items) => items.iter().map(|item| item.build(leaf)).collect(),
            Shape::Table(entries) => {
                let pairs = entries.iter().map(|(key, tree)| Ok((key.clone(), tree.build(leaf)?)));
                pairs.collect::<Result<_, _>>().map(Json::Object)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Tree, D::Error> {
        from.deserialize_newtype_struct(visit::AS_WRITTEN, visit::TreeVisitor)
    }
}

impl schemars::JsonSchema for Tree {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tree".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::default()
    }
}
