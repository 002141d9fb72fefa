//! Where a secret comes from, as a plan says it, and fetching it from there.

use super::{LARGEST, Redactor, Secret, command};
use crate::expr::{Scope, Template};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a secret comes from, as written in a plan: `{ env = }`, `{ file = }`, `{ command = [..] }` or `{ plain = }`;
/// or a template that uses `secrets.NAME`. A literal string is refused when it is read.
#[derive(Clone)]
pub struct SecretRef {
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    Env(Template),
    File(Template),
    Command(Vec<Template>),
    Plain(Template),
    Template(Template),
}

impl Origin {
    fn templates(&self) -> &[Template] {
        match self {
            Origin::Command(words) => words,
            Origin::Env(one) | Origin::File(one) | Origin::Plain(one) | Origin::Template(one) => {
                std::slice::from_ref(one)
            }
        }
    }
}

impl SecretRef {
    /// Fetches it: reads the environment or file, or runs the command. Blocking. From then on the process's
    /// [`Redactor`] knows it. The error names where it was looked for, never what was found.
    pub fn resolve(&self, scope: &Scope, folder: &Path) -> Result<Secret, String> {
        let text = |template: &Template| template.text(scope).map_err(|error| error.message);
        let secret = match &self.origin {
            Origin::Env(name) => from_environment(&text(name)?)?,
            Origin::File(path) => from_file(&located(&text(path)?, folder))?,
            Origin::Command(words) => {
                let words = words.iter().map(text).collect::<Result<Vec<_>, _>>()?;
                without_newline(command::output(&words, folder, command::LONGEST)?)
            }
            Origin::Plain(plain) => Secret::new(text(plain)?),
            Origin::Template(template) => template.secret(scope).map_err(|error| error.message)?,
        };
        if secret.expose().is_empty() {
            return Err(format!("{} is empty", self.origin()));
        }
        Redactor::process().add(&secret);
        Ok(secret)
    }

    /// The same for a secret that is a URL: what expressions put into it is percent-encoded where it stands.
    pub fn resolve_url(&self, scope: &Scope, folder: &Path) -> Result<Secret, String> {
        match &self.origin {
            Origin::Template(template) => {
                let url = template.url(scope).map_err(|error| error.message)?;
                Redactor::process().add(&url);
                Ok(url)
            }
            _ => self.resolve(scope, folder),
        }
    }

    /// Where it comes from, in words: `environment variable SHOP_URL`. Never the secret.
    pub fn origin(&self) -> String {
        match &self.origin {
            Origin::Env(name) => format!("environment variable {}", name.source()),
            Origin::File(path) => format!("file {}", path.source()),
            Origin::Command(words) => {
                format!("command {}", words.first().map(Template::source).unwrap_or_default())
            }
            Origin::Plain(_) => "plain text of the plan".to_owned(),
            Origin::Template(template) => template.source(),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({})", self.origin())
    }
}

fn from_environment(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(text) => Ok(Secret::new(text)),
        Err(std::env::VarError::NotPresent) => Err(format!("environment variable {name} is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("environment variable {name} is not UTF-8")),
    }
}

/// Where a file is that a plan names: `~/` is the home folder, a relative path is under the plan's folder.
pub fn located(path: &str, folder: &Path) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(path),
    }
}

fn from_file(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(failed)?;
    let text = read_text(file).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(without_newline(text))
}

fn read_text(from: impl Read) -> Result<String, String> {
    let mut text = String::new();
    from.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err("too large for a secret".to_owned());
    }
    Ok(text)
}

/// Files and commands end their one line; that newline is not part of the secret.
fn without_newline(text: String) -> Secret {
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Secret::new(line.strip_suffix('\r').unwrap_or(line))
}

const KEYS: &[&str] = &["env", "file", "command", "plain"];
const FORMS: &str = "{ env = \"NAME\" }, { file = \"PATH\" }, { command = [..] } or \"${{ secrets.NAME }}\"";

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SecretRef, D::Error> {
        from.deserialize_newtype_struct(crate::expr::AS_WRITTEN, RefVisitor)
    }
}

struct RefVisitor;

impl<'de> Visitor<'de> for RefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret: {FORMS}")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<SecretRef, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, source: &str) -> Result<SecretRef, E> {
        let template = Template::parse(source).map_err(E::custom)?;
        match template.uses("secrets") {
            true => Ok(SecretRef { origin: Origin::Template(template) }),
            false => Err(E::custom(format!("must not stand in the plan\n  (write {FORMS})"))),
        }
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        self.visit_str("")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<SecretRef, A::Error> {
        let Some(key) = entries.next_key::<String>()? else {
            return Err(de::Error::custom(format!("must be {FORMS}")));
        };
        let origin = match key.as_str() {
            "env" => Origin::Env(entries.next_value()?),
            "file" => Origin::File(entries.next_value()?),
            "command" => Origin::Command(entries.next_value()?),
            "plain" => Origin::Plain(entries.next_value()?),
            other => return Err(de::Error::unknown_field(other, KEYS)),
        };
        if origin.templates().iter().any(|template| template.uses("secrets")) {
            return Err(de::Error::custom("can't be made of another secret"));
        }
        match entries.next_key::<String>()? {
            Some(second) => {
                Err(de::Error::custom(format!("must be one of `{key}` and `{second}`, not both")))
            }
            None => Ok(SecretRef { origin }),
        }
    }
}

impl schemars::JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let text = || serde_json::json!({ "type": "string" });
        schemars::json_schema!({
            "description": "where a secret comes from; a literal password is refused",
            "anyOf": [
                { "type": "string", "pattern": r"\$\{\{.*secrets" },
                {
                    "type": "object",
                    "properties": {
                        "env": text(),
                        "file": text(),
                        "command": { "type": "array", "items": text(), "minItems": 1 },
                        "plain": text(),
                    },
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}
