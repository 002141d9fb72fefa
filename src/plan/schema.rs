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
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fanout plan",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1, "description": "The version of the plan's language." },
            "name": { "type": "string", "description": "Owns history, memory and a lock. Default: the file's stem." },
            "timezone": { "type": "string", "description": "The time zone of run.day. Default UTC." },
            "include": { "type": ["string", "array"], "items": { "type": "string" }, "description": "Sources and jobs of other files, same folder or below." },
            "vars": { "type": "object", "description": "Values for expressions, or { env, default }." },
            "secrets": { "type": "object", "additionalProperties": secret },
            "limits": { "type": "object", "properties": run, "additionalProperties": limit },
            "defaults": { "type": "object", "properties": defaults, "additionalProperties": false },
            "sources": { "type": "object", "additionalProperties": { "anyOf": sources } },
            "jobs": { "type": "object", "additionalProperties": { "anyOf": jobs } },
        },
    });
    open(&mut schema["properties"], &definitions);
    let opened = definitions.iter().map(|(name, definition)| {
        let mut definition = definition.clone();
        open(&mut definition, &definitions);
        (name.clone(), definition)
    });
    schema["$defs"] = opened.collect::<Map<_, _>>().into();
    schema
}

/// One object of several schemas' properties.
fn object(title: &str, parts: &[&Json], required: &[&str]) -> Json {
    let mut properties = Map::new();
    for part in parts {
        let own = part.get("properties").and_then(Json::as_object).into_iter().flatten();
        properties.extend(own.map(|(name, schema)| (name.clone(), schema.clone())));
    }
    json!({
        "title": title, "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

/// Fits a schema to what TOML and plans are: there is no null, and in the place of any value below the plan's own keys
/// there may be an expression.
fn open(schema: &mut Json, definitions: &Map<String, Json>) {
    match schema {
        Json::Object(map) => {
            without_null(map);
            for (key, below) in map.iter_mut() {
                open(below, definitions);
                match (key.as_str(), below) {
                    ("properties", Json::Object(properties)) => {
                        properties.values_mut().for_each(|value| or_expression(value, definitions));
                    }
                    ("items", items) => or_expression(items, definitions),
                    _ => {}
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| open(item, definitions)),
        _ => {}
    }
}

/// What an `Option` leaves behind.
fn without_null(schema: &mut Map<String, Json>) {
    if schema.get("default").is_some_and(Json::is_null) {
        schema.remove("default");
    }
    if let Some(Json::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(Json::Array(forms)) = schema.get_mut("anyOf") {
        forms.retain(|form| form["type"] != "null");
        if let [Json::Object(only)] = forms.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            schema.extend(only);
        }
    }
}

/// Lets an expression stand in a value's place, if that takes none by itself.
fn or_expression(schema: &mut Json, definitions: &Map<String, Json>) {
    if schema.get("const").is_some() || takes_expression(schema, definitions) {
        return;
    }
    let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let form = schema.take();
    *schema = json!({ "anyOf": [form, { "type": "string", "pattern": r"\$\{\{" }] });
    if let Some(about) = about {
        schema["description"] = about;
    }
}

fn takes_expression(schema: &Json, definitions: &Map<String, Json>) -> bool {
    let forms = ["anyOf", "oneOf"].iter().find_map(|key| schema[*key].as_array());
    if let Some(name) = schema["$ref"].as_str().and_then(|place| place.strip_prefix("#/$defs/")) {
        return definitions.get(name).is_some_and(|definition| takes_expression(definition, definitions));
    }
    if let Some(forms) = forms {
        return forms.iter().any(|form| takes_expression(form, definitions));
    }
    let text = match &schema["type"] {
        Json::Null => true,
        Json::Array(kinds) => kinds.iter().any(|kind| kind == "string"),
        kind => kind == "string",
    };
    let any = schema.get("const").is_none() && schema.get("enum").is_none();
    text && any && schema["pattern"].as_str().is_none_or(|pattern| pattern.contains(r"\$\{\{"))
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
