//! A value that may be a secret and need not be: a user's name, the path of a key or the key itself.

use crate::expr::{AS_WRITTEN, Scope, Template};
use crate::secret::{Secret, SecretRef};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::path::Path;

/// Text of the plan, or a secret.
#[derive(Clone)]
pub(super) enum Given {
    /// Stands in the plan.
    Text(Template),
    /// Has to be fetched.
    Secret(SecretRef),
}

impl Given {
    /// A value that is known.
    pub(super) fn of_literal(text: impl Into<String>) -> Given {
        Given::Text(Template::of_literal(text))
    }

    /// The value, if it stands in the plan.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Given::Text(template) => template.literal(),
            Given::Secret(_) => None,
        }
    }

    /// The value. Blocking, for a secret.
    pub(super) fn resolve(&self, scope: &Scope, folder: &Path) -> Result<Secret, String> {
        match self {
            Given::Text(template) => template.text(scope).map(Secret::new).map_err(|error| error.message),
            Given::Secret(secret) => secret.resolve(scope, folder),
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Given, D::Error> {
        from.deserialize_newtype_struct(AS_WRITTEN, GivenVisitor)
    }
}

struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a secret ({ env = \"NAME\" }, { file = \"PATH\" }, { command = [..] })")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Given, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, source: &str) -> Result<Given, E> {
        let template = Template::parse(source).map_err(E::custom)?;
        match template.uses("secrets") {
            true => SecretRef::deserialize(StrDeserializer::new(source)).map(Given::Secret),
            false => Ok(Given::Text(template)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Given, A::Error> {
        SecretRef::deserialize(MapAccessDeserializer::new(entries)).map(Given::Secret)
    }
}

impl schemars::JsonSchema for Given {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TextOrSecret".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let secret = generator.subschema_for::<SecretRef>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, secret] })
    }
}
