//! Texts of the plan in which a secret may stand: a template, or a table that says where the secret comes from.

use super::address::HIDDEN;
use crate::expr::{AS_WRITTEN, ExprError, Scope, Template};
use crate::secret::{Secret, SecretRef};
use crate::sources::SourceError;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

/// A text in which a secret may stand.
pub(super) enum Text {
    /// A string, perhaps with expressions.
    Template(Template),
    /// A secret from elsewhere, fetched once.
    Secret(Fetched),
}

/// A secret that is fetched when it is needed for the first time.
pub(super) struct Fetched {
    origin: SecretRef,
    secret: OnceLock<Result<Secret, String>>,
}

/// A text, filled in.
pub(super) struct Filled {
    /// The text.
    pub text: Secret,
    /// Whether a secret went into it.
    pub secret: bool,
}

/// A URL or path, filled in.
pub(super) struct FilledUrl {
    /// The text.
    pub text: Secret,
    /// The text as it may be shown. None if all of it is secret.
    pub shown: Option<String>,
    /// The secrets that went into parts of it.
    pub secrets: Vec<Secret>,
}

impl Text {
    /// Fills it in.
    pub(super) fn fill(&self, scope: &Scope, folder: &Path) -> Result<Filled, SourceError> {
        match self {
            Text::Template(template) => {
                let secret = template.uses("secrets");
                template.secret(scope).map(|text| Filled { text, secret }).map_err(unfilled)
            }
            Text::Secret(fetched) => fetched.get(scope, folder).map(|text| Filled { text, secret: true }),
        }
    }

    /// Fills it in as a URL or path: values are percent-encoded, unless one is all there is.
    pub(super) fn fill_url(&self, scope: &Scope, folder: &Path) -> Result<FilledUrl, SourceError> {
        let template = match self {
            Text::Template(template) => template,
            Text::Secret(fetched) => {
                let text = fetched.get(scope, folder)?;
                return Ok(FilledUrl { text, shown: None, secrets: Vec::new() });
            }
        };
        let text = template.url(scope).map_err(unfilled)?;
        let (shown, secrets) = match (template.uses("secrets"), template.is_expression()) {
            (false, _) => (Some(text.expose().to_owned()), Vec::new()),
            (true, true) => (None, Vec::new()),
            (true, false) => {
                let (shown, secrets) = template.url_without_secrets(scope, HIDDEN).map_err(unfilled)?;
                (Some(shown), secrets)
            }
        };
        Ok(FilledUrl { text, shown, secrets })
    }

    /// The text, if it is known already and nothing of it is secret.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Text::Template(template) => template.literal(),
            Text::Secret(_) => None,
        }
    }

    /// As it is written, or where it comes from.
    pub(super) fn source(&self) -> String {
        match self {
            Text::Template(template) => template.source(),
            Text::Secret(fetched) => fetched.origin.origin(),
        }
    }
}

impl Fetched {
    /// The secret. Blocks where it comes from a file or a command, the first time; a failure stays one.
    pub(super) fn get(&self, scope: &Scope, folder: &Path) -> Result<Secret, SourceError> {
        let fetched = self.secret.get_or_init(|| self.origin.resolve(scope, folder));
        fetched.clone().map_err(|why| SourceError::new("expression", why))
    }
}

/// The error of an expression that has no value.
pub(super) fn unfilled(error: ExprError) -> SourceError {
    SourceError::new("expression", error.message)
}

impl<'de> Deserialize<'de> for Fetched {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fetched, D::Error> {
        SecretRef::deserialize(from).map(|origin| Fetched { origin, secret: OnceLock::new() })
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        from.deserialize_newtype_struct(AS_WRITTEN, TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or where a secret comes from")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Text, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, source: &str) -> Result<Text, E> {
        Template::parse(source).map(Text::Template).map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<Text, E> {
        Ok(Text::Template(Template::of_literal(boolean.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
        Ok(Text::Template(Template::of_literal(number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Text, E> {
        Ok(Text::Template(Template::of_literal(number.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Text, A::Error> {
        Fetched::deserialize(MapAccessDeserializer::new(entries)).map(Text::Secret)
    }
}

impl schemars::JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (template, secret) =
            (generator.subschema_for::<Template>(), generator.subschema_for::<SecretRef>());
        schemars::json_schema!({ "anyOf": [template, secret] })
    }
}

impl schemars::JsonSchema for Fetched {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        SecretRef::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<SecretRef>()
    }
}
