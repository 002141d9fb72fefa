//! Rows of a PostgreSQL result on their way to the writer. Not here: what a single value is (`cell`).

use super::super::feed::Rows;
use super::cell::{Form, Value};
use crate::output::{Cell, RowWriter};
use crate::sources::SourceError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgColumn, PgRow};
use sqlx::{Column, Row, TypeInfo};
use std::sync::Arc;

/// The columns of a result, known from the prepared statement before the first row.
#[derive(Clone)]
pub(super) struct TextRows {
    names: Arc<[String]>,
    forms: Arc<[Form]>,
    types: Arc<[Option<Oid>]>,
}

impl TextRows {
    pub(super) fn new(columns: &[PgColumn]) -> TextRows {
        TextRows {
            names: columns.iter().map(|column| column.name().to_owned()).collect(),
            forms: columns.iter().map(form).collect(),
            types: columns.iter().map(|column| column.type_info().oid()).collect(),
        }
    }

    /// Whether a row has the columns that were prepared.
    pub(super) fn fit(&self, row: &PgRow) -> Result<(), SourceError> {
        let types = row.columns().iter().map(|column| column.type_info().oid());
        match types.eq(self.types.iter().copied()) {
            true => Ok(()),
            false => Err(SourceError::new("sql", "the result's columns changed while it was prepared")),
        }
    }
}

/// A type that sqlx could not look up has no kind to ask for: its values are text.
fn form(column: &PgColumn) -> Form {
    let unknown = column.type_info().name() == "?";
    if unknown { Form::Text } else { Form::of(column.type_info()) }
}

impl Rows for TextRows {
    type Row = PgRow;

    fn columns(&self) -> &[String] {
        &self.names
    }

    fn size(&self, row: &PgRow) -> usize {
        (0..self.names.len()).map(|index| raw(row, index).map_or(0, <[u8]>::len)).sum()
    }

    fn write(
        &self,
        row: &PgRow,
        json: bool,
        writer: &mut RowWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        for (index, form) in self.forms.iter().enumerate() {
            let value = match raw(row, index) {
                Some(bytes) => Some(form.value(text(bytes)?, json)),
                None => None,
            };
            let cell = value.as_ref().map_or(Cell::Null, cell);
            writer.cell(cell, out).map_err(|error| error.to_string())?;
        }
        writer.end_row(out).map_err(|error| error.to_string())
    }
}

fn raw(row: &PgRow, index: usize) -> Option<&[u8]> {
    row.try_get_raw(index).ok()?.as_bytes().ok()
}

/// The session's encoding is UTF-8, but for databases of encoding `SQL_ASCII`, which hold any bytes.
fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("a value is not UTF-8: {error}"))
}

fn cell<'a>(value: &'a Value<'_>) -> Cell<'a> {
    match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(digits) => Cell::Decimal(digits),
        Value::Json(text) => Cell::Json(text),
        Value::Text(text) => Cell::Text(text),
    }
}
