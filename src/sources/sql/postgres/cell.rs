//! What the values of a PostgreSQL result are, by the type of their column. Values come in the server's own text
//! form, which every type has and which loses nothing; here it is said which texts are numbers, booleans, JSON
//! or arrays. Not here: how they are written (`output`).

use super::array;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgTypeInfo, PgTypeKind};
use std::borrow::Cow;

/// What the text of a column's values is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `t` or `f`.
    Bool,
    /// Digits, a point, an exponent; or `NaN`, `Infinity`.
    Number,
    /// JSON.
    Json,
    /// A date and time with a blank between, perhaps with an offset.
    Timestamp,
    /// `{..}` with this between its elements.
    Array(u8, Box<Form>),
    /// Anything else.
    Text,
}

/// A value, ready to be written.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A boolean.
    Bool(bool),
    /// A number in digits that are JSON, too.
    Number(&'a str),
    /// JSON text.
    Json(Cow<'a, str>),
    /// Text.
    Text(Cow<'a, str>),
}

impl Form {
    /// The form of a column's type. Domains arrive as the type they stand on.
    pub(super) fn of(kind: &PgTypeInfo) -> Form {
        match (kind.oid(), kind.kind()) {
            (Some(Oid(oid)), PgTypeKind::Simple) => Form::of_simple(oid),
            (Some(Oid(BOX_ARRAY)), _) => Form::Array(b';', Box::new(Form::Text)),
            (_, PgTypeKind::Array(element)) => Form::Array(b',', Box::new(Form::of(element))),
            (_, PgTypeKind::Domain(base)) => Form::of(base),
            _ => Form::Text,
        }
    }

    fn of_simple(oid: u32) -> Form {
        match oid {
            16 => Form::Bool,
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Form::Number,
            114 | 3802 => Form::Json,
            1114 | 1184 => Form::Timestamp,
            _ => Form::Text,
        }
    }

    /// The value that a text of this form is. In JSON, timestamps and arrays become what PostgreSQL's own `to_json`
    /// makes of them; elsewhere they stay as the server writes them.
    pub(super) fn value<'a>(&self, text: &'a str, json: bool) -> Value<'a> {
        match self {
            Form::Bool => Value::Bool(text == "t"),
            Form::Number if is_number(text) => Value::Number(text),
            Form::Json => Value::Json(Cow::Borrowed(text)),
            Form::Timestamp if json => Value::Text(timestamp(text)),
            Form::Array(delimiter, element) if json => {
                let array = array::json(text, *delimiter, &|json, text| element.push_json(json, text));
                array.map_or(Value::Text(Cow::Borrowed(text)), |array| Value::Json(Cow::Owned(array)))
            }
            _ => Value::Text(Cow::Borrowed(text)),
        }
    }

    /// Appends an array's element as JSON.
    fn push_json(&self, json: &mut String, text: &str) {
        match self.value(text, true) {
            Value::Bool(value) => json.push_str(if value { "true" } else { "false" }),
            Value::Number(number) => json.push_str(number),
            Value::Json(value) => json.push_str(&value),
            Value::Text(text) => json.push_str(&serde_json::Value::from(&*text).to_string()),
        }
    }
}

/// `box[]`, the only built-in array with semicolons.
const BOX_ARRAY: u32 = 1020;

/// Every number but the not finite ones.
fn is_number(text: &str) -> bool {
    text.as_bytes().last().is_some_and(u8::is_ascii_digit)
}

/// `2026-11-19 10:00:00+00` as `2026-11-19T10:00:00+00:00`; `infinity` and ` BC` stay.
fn timestamp(text: &str) -> Cow<'_, str> {
    let Some((day, rest)) = text.split_once(' ').filter(|(_, rest)| rest.contains(':')) else {
        return Cow::Borrowed(text);
    };
    let (time, era) = rest.split_once(' ').map_or((rest, ""), |(time, _)| (time, " BC"));
    let is_short = time.len() > 3 && matches!(time.as_bytes()[time.len() - 3], b'+' | b'-');
    let minutes = if is_short { ":00" } else { "" };
    Cow::Owned(format!("{day}T{time}{minutes}{era}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_text() {
        assert_eq!(Form::Number.value("NaN", true), Value::Text("NaN".into()));
        assert_eq!(Form::Number.value("-Infinity", true), Value::Text("-Infinity".into()));
        assert_eq!(Form::Number.value("-1.5e-07", true), Value::Number("-1.5e-07"));
    }

    #[test]
    fn timestamps_in_json_are_iso_8601() {
        let json = |text| timestamp(text).into_owned();
        assert_eq!(json("2026-11-19 10:00:00.5+00"), "2026-11-19T10:00:00.5+00:00");
        assert_eq!(json("2026-11-19 10:00:00+05:30"), "2026-11-19T10:00:00+05:30");
        assert_eq!(json("2026-11-19 10:00:00"), "2026-11-19T10:00:00");
        assert_eq!(json("0044-03-15 12:00:00+00 BC"), "0044-03-15T12:00:00+00:00 BC");
        assert_eq!(json("-infinity"), "-infinity");
    }

    #[test]
    fn arrays_become_json_arrays_of_their_elements() {
        let numbers = Form::Array(b',', Box::new(Form::Number));
        assert_eq!(numbers.value("{1,NULL,NaN}", true), Value::Json(r#"[1,null,"NaN"]"#.into()));
        assert_eq!(numbers.value("{1,2}", false), Value::Text("{1,2}".into()));
        let booleans = Form::Array(b',', Box::new(Form::Bool));
        assert_eq!(booleans.value("{{t},{f}}", true), Value::Json("[[true],[false]]".into()));
    }
}
