//! Rows as text: CSV, JSON and JSON Lines, encoded as they come, without loss. Not here: where the rows come from
//! (`sources`) and where the bytes go: it does no I/O, the caller takes them out of the buffer in chunks.
//!
//! | cell | CSV | JSON, JSON Lines |
//! |---|---|---|
//! | NULL | nothing, not quoted; `""` in a result of one column, as readers skip empty lines | `null` |
//! | empty text | `""`: PostgreSQL's `COPY .. CSV` tells it from NULL by that | `""` |
//! | boolean | `true`, `false` | `true`, `false` |
//! | integer | its digits | a number with all its digits, beyond 2^53 too |
//! | real | the shortest text that reads back as the same number | a number, the same text |
//! | NaN, infinite | `NaN`, `Infinity`, `-Infinity` | the same as strings, as PostgreSQL does: JSON has no such numbers |
//! | decimal | its exact text | a number with its exact text; a string if it is no JSON number (`NaN`) |
//! | text | quoted if it must be | a string |
//! | bytes | `\x` and hexadecimal digits, as PostgreSQL writes and reads them | a string of the same |
//! | JSON | its text, quoted if it must be | itself, line breaks between its tokens turned into spaces |
//!
//! CSV has a header, commas, and `\n` after each record; a field is quoted if it holds a comma, a quote, a line
//! break, or is `\.` (the end of data to PostgreSQL); equal column names stay. JSON is one array with a row a line;
//! equal column names are an error in it, as in JSON Lines, because readers would keep the last alone. (The csv
//! crate's writer can't quote an empty text and leave NULL unquoted, hence the few lines of quoting here.)

mod csv;
mod json;

/// A text format for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Comma-separated, with a header.
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    JsonLines,
}

impl RowFormat {
    /// The format that a file name's ending stands for (lower case, without the dot).
    pub fn of_ending(ending: &str) -> Option<RowFormat> {
        match ending {
            "csv" => Some(RowFormat::Csv),
            "json" => Some(RowFormat::Json),
            "jsonl" | "ndjson" => Some(RowFormat::JsonLines),
            _ => None,
        }
    }
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A real of single precision, which has a shorter text than the same number in double precision.
    F32(f32),
    /// A real of double precision.
    F64(f64),
    /// A number by its exact text.
    Decimal(&'a str),
    /// Text, and everything that is best written as text: dates, times, UUIDs.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A JSON text.
    Json(&'a str),
}

/// Why rows could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Two columns of one name in a format of objects.
    #[error("two columns are named \"{0}\", and JSON keeps one of them (give one another name with `as`)")]
    SameName(String),
    /// A JSON cell that is not JSON.
    #[error("row {row}, column \"{column}\": not JSON: {cause}")]
    NotJson {
        /// The row, from 1.
        row: u64,
        /// The column's name.
        column: String,
        /// What the parser said.
        cause: String,
    },
    /// A row with more or fewer cells than there are columns.
    #[error("row {row} does not have {columns} cells")]
    Width {
        /// The row, from 1.
        row: u64,
        /// How many columns there are.
        columns: usize,
    },
}

/// Encodes rows into a buffer, cell by cell.
pub struct RowWriter {
    format: RowFormat,
    names: Vec<String>,
    /// What goes before each cell: a comma, or the name and what is around it.
    heads: Vec<Vec<u8>>,
    /// Cells of the row so far.
    at: usize,
    rows: u64,
}

impl RowWriter {
    /// A writer of rows with these columns. An error for equal names in a format of objects.
    pub fn new<N: Into<String>>(
        format: RowFormat,
        names: impl IntoIterator<Item = N>,
    ) -> Result<RowWriter, RowError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let heads = match format {
            RowFormat::Csv => csv::heads(names.len()),
            RowFormat::Json | RowFormat::JsonLines => json::heads(&names)?,
        };
        Ok(RowWriter { format, names, heads, at: 0, rows: 0 })
    }

    /// What comes before the first row: a header, a bracket or nothing.
    pub fn begin(&self, out: &mut Vec<u8>) {
        match self.format {
            RowFormat::Csv => csv::header(&self.names, out),
            RowFormat::Json => out.push(b'['),
            RowFormat::JsonLines => {}
        }
    }

    /// One row.
    pub fn row<'a>(
        &mut self,
        cells: impl IntoIterator<Item = Cell<'a>>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        for cell in cells {
            self.cell(cell, out)?;
        }
        self.end_row(out)
    }

    /// The next cell of the row. After an error the buffer holds half a row, and the output is to be given up.
    pub fn cell(&mut self, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let Some(head) = self.heads.get(self.at) else { return Err(self.width()) };
        if self.at == 0 {
            self.open_row(out);
        }
        out.extend_from_slice(head);
        match self.format {
            RowFormat::Csv => csv::cell(cell, self.heads.len() == 1, out),
            RowFormat::Json | RowFormat::JsonLines => {
                json::cell(cell, out).map_err(|cause| self.not_json(&cause))?;
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Ends the row, which must have as many cells as there are columns.
    pub fn end_row(&mut self, out: &mut Vec<u8>) -> Result<(), RowError> {
        if self.at != self.heads.len() {
            return Err(self.width());
        }
        if self.at == 0 {
            self.open_row(out);
        }
        out.extend_from_slice(match (self.format, self.at) {
            (RowFormat::Csv, _) => b"\n",
            (RowFormat::Json, 0) => b"{}",
            (RowFormat::Json, _) => b"}",
            (RowFormat::JsonLines, 0) => b"{}\n",
            (RowFormat::JsonLines, _) => b"}\n",
        });
        self.rows += 1;
        self.at = 0;
        Ok(())
    }

    /// What comes after the last row.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.format == RowFormat::Json {
            out.extend_from_slice(if self.rows == 0 { b"]\n" } else { b"\n]\n" });
        }
    }

    /// Rows that were ended so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What stands between two rows.
    fn open_row(&self, out: &mut Vec<u8>) {
        if self.format == RowFormat::Json {
            out.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
        }
    }

    #[cold]
    fn width(&self) -> RowError {
        RowError::Width { row: self.rows + 1, columns: self.heads.len() }
    }

    #[cold]
    fn not_json(&self, cause: &serde_json::Error) -> RowError {
        RowError::NotJson {
            row: self.rows + 1,
            column: self.names[self.at].clone(),
            cause: cause.to_string(),
        }
    }
}

/// Writes a number into memory, in the shortest text that reads back as the same.
fn number(value: impl serde::Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &value).expect("a number can be written into memory");
}

/// The name of a number that has no digits.
fn no_digits(value: f64) -> &'static str {
    match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// Writes two hexadecimal digits for each byte.
fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

#[cfg(test)]
mod tests;
