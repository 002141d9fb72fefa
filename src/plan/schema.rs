//! The plan's JSON Schema, from the structs that read it and from what each kind says of itself. Editors complete plans
//! with it.

use super::bounds::Bounds;
use super::keys::{JobKeys, LimitKeys, RunKeys};
use crate::secret::SecretRef;
use crate::sources::kinds;
use schemars::{Schema, schema_for};
use serde_json::{Map, Value as Json, json};

/// The schema of plans for this build's kinds.
pub fn schema() -> Json {
    let mut definitions = Map::new();
    let bounds = hoist(schema_for!(Bounds), "common", &mut definitions);
    let job = hoist(schema_for!(JobKeys), "common", &mut definitions);
    let limit = hoist(schema_for!(LimitKeys), "common", &mut definitions);
    let run = hoist(schema_for!(RunKeys), "common", &mut definitions);
    let secret = hoist(schema_for!(SecretRef), "common", &mut definitions);
    let (mut sources, mut jobs, mut defaults) = (Vec::new(), Vec::new(), Map::new());
    for kind in kinds() {
        let (own_source, own_job) = kind.schemas();
        let own_source = hoist(own_source, kind.name(), &mut definitions);
        let own_job = hoist(own_job, kind.name(), &mut definitions);
        jobs.push(object(kind.name(), &[&job, &bounds, &own_job], &[]));
        if !kind.built_in() {
            let named = json!({ "properties": { "kind": { "const": kind.name() } } });
            sources.push(object(kind.name(), &[&named, &bounds, &own_source], &["kind"]));
            defaults.insert(kind.name().to_owned(), object(kind.name(), &[&bounds, &own_source], &[]));
        }
    }
    let run = run.get("properties").cloned().unwrap_or_default();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fanout plan",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1, "description": "The version of the plan's language." },
            "name": { "type": "string", "description": "Owns history, memory and a lock. Default: the file's stem." },
            "timezone": { "type": "string", "description": "The time zone of run.day. Default UTC." },
            "include": { "type": "array", "items": { "type": "string" }, "description": "Sources and jobs of other files, same folder or below." },
            "vars": { "type": "object", "description": "Values for expressions, or { env, default }." },
            "secrets": { "type": "object", "additionalProperties": secret },
            "limits": { "type": "object", "properties": run, "additionalProperties": limit },
            "defaults": { "type": "object", "properties": defaults, "additionalProperties": false },
            "sources": { "type": "object", "additionalProperties": { "anyOf": sources } },
            "jobs": { "type": "object", "additionalProperties": { "anyOf": jobs } },
        },
        "$defs": definitions,
    })
}

/// One object of several schemas' properties.
fn object(title: &str, parts: &[&Json], required: &[&str]) -> Json {
    let mut properties = Map::new();
    for part in parts {
        let own = part.get("properties").and_then(Json::as_object).into_iter().flatten();
        properties.extend(own.map(|(name, schema)| (name.clone(), or_expression(schema))));
    }
    json!({
        "title": title, "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

/// A value that is no text may be an expression instead.
fn or_expression(schema: &Json) -> Json {
    let kinds = schema.get("type");
    let texts = kinds.is_some_and(|kinds| {
        *kinds == "string" || kinds.as_array().is_some_and(|kinds| kinds.contains(&json!("string")))
    });
    if texts || kinds.is_none() {
        return schema.clone();
    }
    let mut schema = schema.clone();
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut either = json!({ "anyOf": [schema, { "type": "string", "pattern": r"\$\{\{" }] });
    if let (Some(description), Some(either)) = (description, either.as_object_mut()) {
        either.insert("description".to_owned(), description);
    }
    either
}

/// Moves a schema's definitions to the common ones, under names of their own.
fn hoist(schema: Schema, prefix: &str, definitions: &mut Map<String, Json>) -> Json {
    let mut schema = Json::from(schema);
    rename(&mut schema, prefix);
    let own = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
    if let Some(Json::Object(own)) = own {
        definitions
            .extend(own.into_iter().map(|(name, definition)| (format!("{prefix}.{name}"), definition)));
    }
    schema.as_object_mut().map(|schema| schema.remove("$schema"));
    schema
}

fn rename(schema: &mut Json, prefix: &str) {
    match schema {
        Json::Object(map) => {
            for (key, value) in map {
                match value {
                    Json::String(reference) if key == "$ref" => {
                        *reference = reference.replace("#/$defs/", &format!("#/$defs/{prefix}."));
                    }
                    _ => rename(value, prefix),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| rename(item, prefix)),
        _ => {}
    }
}
