//! Cells as CSV fields. Not here: what the fields are in other formats.

use super::{Cell, hex, no_digits, number};

/// What goes before each cell.
pub(super) fn heads(columns: usize) -> Vec<Vec<u8>> {
    (0..columns).map(|column| if column == 0 { Vec::new() } else { vec![b','] }).collect()
}

/// The names of the columns.
pub(super) fn header(names: &[String], out: &mut Vec<u8>) {
    for (column, name) in names.iter().enumerate() {
        if column > 0 {
            out.push(b',');
        }
        text(name, out);
    }
    if !names.is_empty() {
        out.push(b'\n');
    }
}

/// One field; `alone` if it is the only one of its record.
pub(super) fn cell(cell: Cell<'_>, alone: bool, out: &mut Vec<u8>) {
    match cell {
        Cell::Null if alone => out.extend_from_slice(b"\"\""),
        Cell::Null => {}
        Cell::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::I64(value) => number(value, out),
        Cell::U64(value) => number(value, out),
        Cell::F32(value) if value.is_finite() => number(value, out),
        Cell::F64(value) if value.is_finite() => number(value, out),
        Cell::F32(value) => out.extend_from_slice(no_digits(value.into()).as_bytes()),
        Cell::F64(value) => out.extend_from_slice(no_digits(value).as_bytes()),
        Cell::Decimal(value) | Cell::Text(value) | Cell::Json(value) => text(value, out),
        Cell::Bytes(value) => {
            out.extend_from_slice(b"\\x");
            hex(value, out);
        }
    }
}

/// A text, quoted if it must be.
fn text(value: &str, out: &mut Vec<u8>) {
    if !is_to_quote(value.as_bytes()) {
        return out.extend_from_slice(value.as_bytes());
    }
    out.push(b'"');
    for (piece, rest) in value.split('"').enumerate() {
        if piece > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(rest.as_bytes());
    }
    out.push(b'"');
}

/// Looks at blocks of bytes without stopping early in one, which the compiler turns into vector instructions.
fn is_to_quote(value: &[u8]) -> bool {
    let special = |byte: &u8| (*byte == b',') | (*byte == b'"') | (*byte == b'\n') | (*byte == b'\r');
    let (blocks, rest) = value.as_chunks::<16>();
    value.is_empty()
        || blocks.iter().any(|block| block.iter().fold(false, |found, byte| found | special(byte)))
        || rest.iter().any(special)
        || value == b"\\."
}
