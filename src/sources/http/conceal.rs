//! The secrets of one request, kept out of what servers say of it: some repeat a header or a URL in their errors.

use crate::secret::{Redactor, Secret};
use serde_json::Value;
use url::Url;

/// Secrets, with a way to take them out of a text and none to see them.
#[derive(Default, Clone)]
pub(super) struct Concealed(Vec<Secret>);

impl Concealed {
    /// Adds what went into the request: the whole text, and what follows its one blank (`Bearer TOKEN`).
    pub(super) fn add(&mut self, text: &str) {
        let token = text.split_once(' ').map(|(_, token)| token).filter(|token| !token.contains(' '));
        self.0.extend([Some(text), token].into_iter().flatten().map(Secret::new));
    }

    /// Adds everything of a URL that a secret may have gone into: each segment and each value.
    pub(super) fn add_url(&mut self, url: &Url) {
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        url.path_segments().into_iter().flatten().for_each(|segment| self.add(&decoded(segment)));
        url.query_pairs().for_each(|(_, value)| self.add(&value));
    }

    /// Adds the texts of a JSON value.
    pub(super) fn add_json(&mut self, json: &Value) {
        match json {
            Value::String(text) => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_json(item)),
            Value::Object(entries) => entries.values().for_each(|value| self.add_json(value)),
            _ => {}
        }
    }

    /// The text without any of them, in whatever form. Costs something, so it is for errors.
    pub(super) fn hide(&self, text: &str) -> String {
        let redactor = Redactor::new();
        self.0.iter().for_each(|secret| redactor.add(secret));
        redactor.redact(text).into_owned()
    }
}
