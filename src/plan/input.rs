//! Values for `for_each` from files and combinations, read as they are asked for: memory does not grow with them.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// Values one after another. An error ends them.
pub(super) type Values = Box<dyn Iterator<Item = Result<Json, String>> + Send>;

/// The longest line of an input file.
const LONGEST_LINE: u64 = 16 << 20;

/// Whether a file's ending says how to read it.
pub(super) fn is_known(path: &Path) -> bool {
    matches!(ending(path).as_str(), "txt" | "csv" | "jsonl" | "ndjson")
}

fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Opens an input file.
pub(super) fn file(path: &Path) -> Result<Values, String> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| format!("{shown}: {error}"))?;
    let reader = without_mark(BufReader::new(file)).map_err(|error| format!("{shown}: {error}"))?;
    match ending(path).as_str() {
        "csv" => csv(reader, shown),
        "txt" => Ok(Box::new(lines(reader, shown).map(|line| line.map(|(_, text)| Json::String(text))))),
        _ => Ok(Box::new(lines(reader, shown.clone()).map(move |line| {
            let (number, text) = line?;
            serde_json::from_str(&text).map_err(|error| format!("{shown}:{number}: {error}"))
        }))),
    }
}

/// Skips the byte order mark that some editors write.
fn without_mark(mut reader: BufReader<File>) -> std::io::Result<BufReader<File>> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

/// The lines that are not empty, with their numbers.
fn lines(
    mut reader: impl BufRead + Send + 'static,
    shown: String,
) -> impl Iterator<Item = Result<(u64, String), String>> + Send {
    let mut number = 0;
    let mut next = move || -> Result<Option<(u64, String)>, String> {
        loop {
            number += 1;
            let mut line = String::new();
            let read = reader.by_ref().take(LONGEST_LINE).read_line(&mut line);
            let length = read.map_err(|error| format!("{shown}:{number}: {error}"))?;
            if length as u64 == LONGEST_LINE && !line.ends_with('\n') {
                return Err(format!("{shown}:{number}: a line of more than 16 MiB"));
            }
            let text = line.trim_end_matches(['\n', '\r']);
            match (length, text.is_empty()) {
                (0, _) => return Ok(None),
                (_, true) => {}
                (_, false) => return Ok(Some((number, text.to_owned()))),
            }
        }
    };
    std::iter::from_fn(move || next().transpose())
}

/// Records by the names of the header; all values are texts.
fn csv(reader: BufReader<File>, shown: String) -> Result<Values, String> {
    let mut reader = csv::Reader::from_reader(reader);
    let header = reader.headers().map_err(|error| format!("{shown}: {error}"))?.clone();
    let twice =
        header.iter().enumerate().find(|(at, name)| header.iter().take(*at).any(|other| other == *name));
    if let Some((_, name)) = twice {
        return Err(format!("{shown}: two columns are named \"{name}\""));
    }
    let record = move |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.map_err(|error| format!("{shown}: {error}"))?;
        let pairs = header.iter().zip(record.iter()).map(|(name, value)| (name.to_owned(), value.into()));
        Ok(Json::Object(pairs.collect::<Map<_, _>>()))
    };
    Ok(Box::new(reader.into_records().map(record)))
}

/// A table for each combination, the last name changing fastest.
pub(super) fn combinations(matrix: Arc<IndexMap<String, Vec<Json>>>) -> impl Iterator<Item = Json> + Send {
    let total = matrix.values().map(Vec::len).fold(1_usize, usize::saturating_mul);
    let count = if matrix.is_empty() { 0 } else { total };
    (0..count).map(move |number| {
        let mut rest = number;
        let mut chosen: Vec<(String, Json)> = Vec::with_capacity(matrix.len());
        for (name, values) in matrix.iter().rev() {
            chosen.push((name.clone(), values[rest % values.len()].clone()));
            rest /= values.len();
        }
        Json::Object(chosen.into_iter().rev().collect())
    })
}
