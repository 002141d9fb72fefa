//! What is sent along with a request: JSON, a form or a text, filled in.

use super::conceal::Concealed;
use super::source::Common;
use super::text::{Text, unfilled};
use crate::expr::{Scope, Tree};
use crate::sources::SourceError;
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::Value;

/// A body with its expressions not yet filled in.
pub(super) enum Outgoing {
    Json(Tree),
    Form(IndexMap<String, Tree>),
    Text(Text),
}

/// A body.
pub(super) struct OutgoingBytes {
    pub bytes: Bytes,
    /// The type it has, unless the job's headers say another.
    pub kind: Option<&'static str>,
    /// Whether a secret went into it.
    pub secret: bool,
}

impl Outgoing {
    /// Fills it in.
    pub(super) fn fill(
        &self,
        source: &Common,
        scope: &Scope,
        concealed: &mut Concealed,
    ) -> Result<OutgoingBytes, SourceError> {
        let (text, kind, secret) = match self {
            Outgoing::Json(tree) => (json_text(tree, scope)?, Some("application/json"), tree.uses("secrets")),
            Outgoing::Form(fields) => {
                let secret = fields.values().any(|tree| tree.uses("secrets"));
                (form_text(fields, scope)?, Some("application/x-www-form-urlencoded"), secret)
            }
            Outgoing::Text(text) => {
                let filled = source.fill(text, scope)?;
                (filled.text.expose().to_owned(), None, filled.secret)
            }
        };
        if secret {
            conceal_body(&text, concealed);
        }
        Ok(OutgoingBytes { bytes: Bytes::from(text), kind, secret })
    }
}

fn json_text(tree: &Tree, scope: &Scope) -> Result<String, SourceError> {
    tree.secret_json(scope).map(|json| json.expose().to_owned()).map_err(unfilled)
}

fn form_text(fields: &IndexMap<String, Tree>, scope: &Scope) -> Result<String, SourceError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, tree) in fields {
        for value in values(name, tree, scope)? {
            form.append_pair(name, &value);
        }
    }
    Ok(form.finish())
}

/// The values of one query parameter or form field.
pub(super) fn values(name: &str, tree: &Tree, scope: &Scope) -> Result<Vec<String>, SourceError> {
    let value = serde_json::from_str(&json_text(tree, scope)?);
    let items = match value.map_err(|error| SourceError::new("expression", format!("`{name}`: {error}")))? {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    items.into_iter().map(|item| one_value(name, item)).collect()
}

fn one_value(name: &str, value: Value) -> Result<String, SourceError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(SourceError::new(
            "expression",
            format!("`{name}` has a value that is no text, number or boolean"),
        )),
    }
}

fn conceal_body(text: &str, concealed: &mut Concealed) {
    concealed.add(text);
    match serde_json::from_str(text) {
        Ok(json) => concealed.add_json(&json),
        Err(_) => url::form_urlencoded::parse(text.as_bytes()).for_each(|(_, value)| concealed.add(&value)),
    }
}
