//! What is wrong with a value of the plan, in plain words: serde's errors without its jargon.

use super::{Problem, suggest, with_hint};
use serde::de;
use std::fmt;
use std::ops::Range;

/// What is wrong with a value: put into words once the path to it is known.
#[derive(Debug)]
pub(super) struct ReadError {
    span: Option<Range<usize>>,
    path: Vec<String>,
    message: String,
    hint: String,
    /// Whether the message goes on from the value's name ("must be ..").
    goes_on: bool,
    /// Whether the message is about a key that is not known, whose name stands at the end of the path.
    unknown: bool,
    /// Whether it was told before.
    pub(super) told: bool,
}

impl ReadError {
    pub(super) fn new(message: String) -> ReadError {
        let goes_on = ["must ", "can't ", "needs "].iter().any(|start| message.starts_with(start));
        let (path, hint) = (Vec::new(), String::new());
        ReadError { span: None, path, message, hint, goes_on, unknown: false, told: false }
    }

    /// The value is a mistake that was told.
    pub(super) fn told() -> ReadError {
        ReadError { told: true, ..ReadError::new("is a mistake".to_owned()) }
    }

    fn must(what: String) -> ReadError {
        ReadError::new(format!("must {what}"))
    }

    /// The innermost place is the one that is kept.
    pub(super) fn at(self, span: Option<Range<usize>>) -> ReadError {
        ReadError { span: self.span.or(span), ..self }
    }

    pub(super) fn within(mut self, key: &str) -> ReadError {
        self.path.insert(0, key.to_owned());
        self
    }

    pub(super) fn problem(self, otherwise: Range<usize>) -> Problem {
        let path = self.path.join(".");
        let message = match (path.is_empty(), self.unknown, self.goes_on) {
            (_, true, _) => format!("unknown key `{path}`"),
            (true, ..) => self.message,
            (false, _, true) => format!("`{path}` {}", self.message),
            (false, _, false) => format!("`{path}`: {}", self.message),
        };
        Problem { span: self.span.unwrap_or(otherwise), message: with_hint(message, &self.hint) }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError::new(message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        ReadError::must(format!("be {}, not {}", in_words(&expected.to_string()), shown(found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        ReadError::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> ReadError {
        one_of(expected, &format!("\"{variant}\""))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> ReadError {
        let error = ReadError { unknown: true, ..ReadError::new(String::new()) };
        ReadError { hint: suggest(field, expected.iter().copied()), ..error.within(field) }
    }

    fn missing_field(field: &'static str) -> ReadError {
        ReadError::new(format!("needs `{field}`"))
    }
}

/// A value that must be one of some names.
pub(super) fn one_of(names: &[&str], found: &str) -> ReadError {
    let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ");
    ReadError::must(format!("be {names}, not {found}"))
}

/// What serde expects, in words of plans.
fn in_words(expected: &str) -> String {
    match expected {
        "u16" => "a whole number, 0 to 65535".to_owned(),
        "u8" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a nonzero u64" => "a whole number, 1 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "path string" | "string" => "a string".to_owned(),
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        _ => expected.to_owned(),
    }
}

/// What was found. Strings are not repeated where they are long: they may be anything.
fn shown(found: de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Bool(boolean) => boolean.to_string(),
        de::Unexpected::Unsigned(number) => number.to_string(),
        de::Unexpected::Signed(number) => number.to_string(),
        de::Unexpected::Float(number) => number.to_string(),
        de::Unexpected::Str(text) if text.chars().count() <= 40 => format!("\"{text}\""),
        de::Unexpected::Str(_) => "a long string".to_owned(),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a table".to_owned(),
        de::Unexpected::Unit => "null".to_owned(),
        other => other.to_string(),
    }
}
