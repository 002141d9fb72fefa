//! A string of the plan with `${{ expression }}` in it. Not here: how values are encoded where they stand (`encode`).

use super::encode::{self, Filled};
use super::engine::{Compiled, quoted};
use super::names::{Path, quoted_length};
use super::scope::{self, Scope};
use super::substitute::Known;
use super::{ExprError, visit};
use crate::secret::Secret;
use minijinja::Value;
use serde::de::{Deserialize, Deserializer};
use serde_json::Value as Json;
use std::sync::Arc;

/// Where secrets may stand.
pub(super) const SECRETS: &str =
    "secrets go into: url, header, query value, form, json, body, user, password";

/// A string of the plan with `${{ expression }}` in it. Deserialized from a string, or from a number, boolean, date that stands for its text.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
    /// The number or boolean it was read from.
    scalar: Option<Json>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Expression(Arc<Compiled>),
}

impl Template {
    /// Reads a string: `${{ .. }}` are expressions, `$${{` is `${{`, all else is itself. The error is the first mistake.
    pub fn parse(source: &str) -> Result<Template, ExprError> {
        let (template, mut errors) = Template::parse_all(source);
        if errors.is_empty() { Ok(template) } else { Err(errors.swap_remove(0)) }
    }

    /// The same with all mistakes. The template is without the parts that hold them.
    pub(super) fn parse_all(source: &str) -> (Template, Vec<ExprError>) {
        let (mut parts, mut errors) = (Vec::new(), Vec::new());
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find("${{") {
            text.push_str(&rest[..at]);
            let after = &rest[at + 3..];
            if text.ends_with('$') {
                text.push_str("{{");
                rest = after;
                continue;
            }
            let Some(end) = closing(after) else {
                let open = ExprError::new(format!("`${{{{{after}` has no `}}}}`"));
                errors.push(open.hint("for a plain `${{` write `$${{`"));
                break;
            };
            parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
            match Compiled::new(&after[..end]) {
                Ok(compiled) => parts.push(Part::Expression(Arc::new(compiled))),
                Err(more) => errors.extend(more),
            }
            rest = &after[end + 2..];
        }
        text.push_str(rest);
        parts.extend((!text.is_empty()).then_some(Part::Text(text)));
        (Template { parts, scalar: None }, errors)
    }

    /// A template without expressions, whatever the text looks like.
    pub fn of_literal(text: impl Into<String>) -> Template {
        let text = text.into();
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] };
        Template { parts, scalar: None }
    }

    /// A template that stands for a number or boolean.
    pub(super) fn of_scalar(scalar: Json) -> Template {
        Template { scalar: Some(scalar.clone()), ..Template::of_literal(scalar.to_string()) }
    }

    /// Its text. An error if a secret would go into it.
    pub fn text(&self, scope: &Scope) -> Result<String, ExprError> {
        self.refuse_secrets()?;
        self.plain(scope)
    }

    /// Its value with its type, if it is exactly one expression; else its text. An error if a secret would go into it.
    pub fn value(&self, scope: &Scope) -> Result<Json, ExprError> {
        self.refuse_secrets()?;
        self.value_with_secrets(scope)
    }

    /// Its text where a secret may stand.
    pub fn secret(&self, scope: &Scope) -> Result<Secret, ExprError> {
        self.plain(scope).map(Secret::new)
    }

    /// Its text as a URL: exactly one expression as it stands; in a longer string each value is percent-encoded as one path segment, or as a query value after a `?`.
    pub fn url(&self, scope: &Scope) -> Result<Secret, ExprError> {
        if self.single().is_some() {
            return self.secret(scope);
        }
        let filled = self.fill(scope, |_, before, after, value| encode::in_url(before, after, value))?;
        filled.check_segments("a URL").map(Secret::new)
    }

    /// The same with `hidden` in the place of each value that a secret went into, and these values.
    pub fn url_without_secrets(
        &self,
        scope: &Scope,
        hidden: &str,
    ) -> Result<(String, Vec<Secret>), ExprError> {
        let mut secrets = Vec::new();
        let filled = self.fill(scope, |compiled, before, after, value| {
            if !compiled.uses("secrets") {
                return encode::in_url(before, after, value);
            }
            secrets.push(Secret::new(encode::text(value)?));
            Ok(hidden.to_owned())
        })?;
        Ok((filled.text, secrets))
    }

    /// Its text as a path of an output: each value is one path component (`/` and control characters percent-encoded, `.` and `..` refused).
    pub fn path(&self, scope: &Scope) -> Result<String, ExprError> {
        self.refuse_secrets()?;
        let filled = self.fill(scope, |_, _, _, value| encode::component(value))?;
        filled.check_segments("an output")
    }

    /// The text, if there is no expression in it.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What is written out at its end, after the last expression.
    pub fn end(&self) -> &str {
        match self.parts.last() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The names of the jobs it refers to.
    pub fn jobs(&self) -> Vec<String> {
        self.names("jobs")
    }

    /// The names it looks at in `vars`, `run`, `secrets` or `jobs`: each once, in order.
    pub fn names(&self, root: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let paths = self.expressions().flat_map(|part| &part.paths).filter(|path| path.root == root);
        for name in paths.filter_map(|path| path.names.first()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Whether it refers to `item`, `secrets`, or another of the names that expressions start from.
    pub fn uses(&self, name: &str) -> bool {
        self.expressions().any(|part| part.uses(name))
    }

    /// Whether it is exactly one expression.
    pub fn is_expression(&self) -> bool {
        self.single().is_some()
    }

    /// As it is written.
    pub fn source(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.replace("${{", "$${{"),
            Part::Expression(compiled) => format!("${{{{ {} }}}}", compiled.source),
        });
        parts.collect()
    }

    /// The first of its names that is known only while the plan runs: `item`, `jobs`, `secrets`, `run.summary`, `run.failed`.
    pub fn late(&self) -> Option<&'static str> {
        self.expressions().flat_map(|part| &part.paths).find_map(|path| {
            match (path.root, path.names.first()) {
                ("item" | "jobs" | "secrets", _) => Some(path.root),
                ("run", Some(name)) if name == "summary" => Some("run.summary"),
                ("run", Some(name)) if name == "failed" => Some("run.failed"),
                _ => None,
            }
        })
    }

    /// The names of what is known before the run that are not defined, each with an error of its own.
    pub(super) fn undefined(&self, known: &Known) -> Vec<ExprError> {
        let early = |path: &&Path| match (path.root, path.names.first().map(String::as_str)) {
            ("vars", Some(name)) => !known.wrong.contains(name),
            ("run", name) => !matches!(name, Some("summary" | "failed")),
            (root, _) => root == "vars",
        };
        let expressions = self.expressions().filter(|compiled| !compiled.expects_undefined());
        let names = expressions.flat_map(|compiled| compiled.paths.iter().map(move |path| (compiled, path)));
        let early = names.filter(|(_, path)| early(path));
        early.filter_map(|(compiled, path)| compiled.undefined_at(path, &known.scope)).collect()
    }

    pub(super) fn value_with_secrets(&self, scope: &Scope) -> Result<Json, ExprError> {
        match (&self.scalar, self.single()) {
            (Some(scalar), _) => Ok(scalar.clone()),
            (None, None) => self.plain(scope).map(Json::String),
            (None, Some(compiled)) => scope::json(&compiled.eval(scope)?)
                .map_err(|why| ExprError::new(format!("{}: {why}", quoted(&compiled.source)))),
        }
    }

    fn plain(&self, scope: &Scope) -> Result<String, ExprError> {
        if let Some(text) = self.literal() {
            return Ok(text.to_owned());
        }
        self.fill(scope, |_, _, _, value| encode::text(value)).map(|filled| filled.text)
    }

    /// Fills in each value as `encode(its expression, text so far, literal text that follows, value)` says.
    fn fill(
        &self,
        scope: &Scope,
        mut encode: impl FnMut(&Compiled, &str, &str, &Value) -> Result<String, String>,
    ) -> Result<Filled, ExprError> {
        let mut filled = Filled::default();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(text) => filled.text.push_str(text),
                Part::Expression(compiled) => {
                    let value = compiled.eval(scope)?;
                    let encoded = encode(compiled, &filled.text, self.literal_after(at), &value)
                        .map_err(|why| ExprError::new(format!("{} {why}", quoted(&compiled.source))))?;
                    filled.push_value(&encoded);
                }
            }
        }
        Ok(filled)
    }

    fn literal_after(&self, at: usize) -> &str {
        let literals = self.parts[at + 1..].iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Expression(_) => None,
        });
        literals.into_iter().next().unwrap_or("")
    }

    fn refuse_secrets(&self) -> Result<(), ExprError> {
        match self.uses("secrets") {
            false => Ok(()),
            true => {
                Err(ExprError::new(format!("`{}`: a secret can't be used here", self.source())).hint(SECRETS))
            }
        }
    }

    fn single(&self) -> Option<&Compiled> {
        match self.parts.as_slice() {
            [Part::Expression(compiled)] => Some(compiled),
            _ => None,
        }
    }

    fn expressions(&self) -> impl Iterator<Item = &Compiled> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Expression(compiled) => Some(compiled.as_ref()),
        })
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Template) -> bool {
        self.scalar == other.scalar && self.source() == other.source()
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Template, D::Error> {
        from.deserialize_newtype_struct(visit::AS_WRITTEN, visit::TemplateVisitor)
    }
}

impl schemars::JsonSchema for Template {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// Where the `}}` is that closes an expression: not one in quotes, nor that of a table in it.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => at += quoted_length(&text[at..], c) - 1,
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { 1 } else { c.len_utf8() };
    }
    None
}
