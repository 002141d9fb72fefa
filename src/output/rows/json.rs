//! Cells as JSON values. Not here: the brackets and lines around them.

use super::{Cell, RowError, hex, no_digits, number};
use serde::de::IgnoredAny;
use std::collections::HashSet;

/// What goes before each cell: `{"name":` or `,"name":`.
pub(super) fn heads(names: &[String]) -> Result<Vec<Vec<u8>>, RowError> {
    let mut seen = HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(RowError::SameName(name.clone()));
    }
    let head = |(column, name): (usize, &String)| {
        let mut head = vec![if column == 0 { b'{' } else { b',' }];
        text(name, &mut head);
        head.push(b':');
        head
    };
    Ok(names.iter().enumerate().map(head).collect())
}

/// One value. The only thing that can fail is a JSON text that is none.
pub(super) fn cell(cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::I64(value) => number(value, out),
        Cell::U64(value) => number(value, out),
        Cell::F32(value) if value.is_finite() => number(value, out),
        Cell::F64(value) if value.is_finite() => number(value, out),
        Cell::F32(value) => text(no_digits(value.into()), out),
        Cell::F64(value) => text(no_digits(value), out),
        Cell::Decimal(value) if is_number(value) => out.extend_from_slice(value.as_bytes()),
        Cell::Decimal(value) | Cell::Text(value) => text(value, out),
        Cell::Bytes(value) => {
            out.extend_from_slice(b"\"\\\\x");
            hex(value, out);
            out.push(b'"');
        }
        Cell::Json(value) => return raw(value, out),
    }
    Ok(())
}

/// A string.
fn text(value: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a string can be written into memory");
}

/// A JSON text as it is, but on one line: the line breaks it may hold are all between tokens.
fn raw(value: &str, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(value)?;
    let start = out.len();
    out.extend_from_slice(value.as_bytes());
    for byte in &mut out[start..] {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    Ok(())
}

/// Whether a text is a number to JSON: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, rest)) = digits(rest) else { return false };
    let rest = match rest.strip_prefix('.').map(digits) {
        Some(Some((_, rest))) => rest,
        Some(None) => return false,
        None => rest,
    };
    let rest = match rest.strip_prefix(['e', 'E']) {
        Some(rest) => digits(rest.strip_prefix(['+', '-']).unwrap_or(rest)).map_or("?", |(_, rest)| rest),
        None => rest,
    };
    rest.is_empty() && (whole == "0" || !whole.starts_with('0'))
}

/// Splits off the digits at the start, of which there must be one.
fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}
