//! How a value stands in a longer string: as text, as a part of a URL, as a component of an output's path.

use super::ExprError;
use super::scope;
use minijinja::Value;
use minijinja::value::ValueKind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;

/// What a URL leaves as it is within a value: RFC 3986's unreserved characters.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A string whose values are filled in, and where they stand.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) text: String,
    values: Vec<Range<usize>>,
}

impl Filled {
    pub(super) fn push_value(&mut self, encoded: &str) {
        let start = self.text.len();
        self.text.push_str(encoded);
        self.values.push(start..self.text.len());
    }

    /// The text, unless a value made a path segment that is empty, `.` or `..`: those mean other places.
    pub(super) fn check_segments(self, of: &str) -> Result<String, ExprError> {
        let path_end = self.text.find(['?', '#']).filter(|_| of == "a URL").unwrap_or(self.text.len());
        let mut start = 0;
        for segment in self.text[..path_end].split('/') {
            let range = start..start + segment.len();
            let touched =
                self.values.iter().any(|value| value.start >= range.start && value.end <= range.end);
            if touched && matches!(segment, "" | "." | "..") {
                return Err(ExprError::new(format!(
                    "a value makes \"{segment}\" a part of the path of {of}"
                )));
            }
            start = range.end + 1;
        }
        Ok(self.text)
    }
}

/// A value as text: lists and tables as JSON.
pub(super) fn text(value: &Value) -> Result<String, String> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            scope::json(value).map(|json| json.to_string())
        }
        _ => scalar(value),
    }
}

/// A value as one path component: what would be syntax in a path is percent-encoded.
pub(super) fn component(value: &Value) -> Result<String, String> {
    let syntax = |c: char| c.is_ascii_control() || matches!(c, '/' | '\\');
    let encoded = |c: char| if syntax(c) { format!("%{:02X}", c as u32) } else { c.to_string() };
    let text = scalar(value)?;
    Ok(if text.contains(syntax) { text.chars().map(encoded).collect() } else { text })
}

/// A value as a part of a URL: which part, the text before it and the literal after it tell.
pub(super) fn in_url(before: &str, after: &str, value: &Value) -> Result<String, String> {
    let text = scalar(value)?;
    let authority = before.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#']));
    let user_info = after.split(['/', '?', '#']).next().is_some_and(|rest| rest.contains('@'));
    if authority && !user_info {
        return host(text);
    }
    if before.is_empty() && text.contains("://") {
        return Err("is a whole URL, and stands at the start of a longer one\n  (join them in the expression: ${{ vars.base ~ '/path' }})".to_owned());
    }
    Ok(utf8_percent_encode(&text, VALUE).to_string())
}

/// A host, or a part of one, perhaps with its port: nothing that would end it.
fn host(text: String) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if text.chars().all(fits) { Ok(text) } else { Err("can't be a part of a host name".to_owned()) }
}

fn scalar(value: &Value) -> Result<String, String> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number | ValueKind::Bool => Ok(value.to_string()),
        ValueKind::None => Err("is null\n  (for a text in its place: | default('..', true))".to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            Err("is a list, which has no place in a longer text".to_owned())
        }
        ValueKind::Map => Err("is a table, which has no place in a longer text".to_owned()),
        other => Err(format!("is {other}, which is no text")),
    }
}
