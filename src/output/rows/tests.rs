//! What is written reads back as the same, in each format.

use super::*;
use proptest::prelude::*;

const ALL: [RowFormat; 3] = [RowFormat::Csv, RowFormat::Json, RowFormat::JsonLines];

fn encode(format: RowFormat, names: &[&str], rows: &[Vec<Cell<'_>>]) -> Result<String, RowError> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(format, names.iter().copied())?;
    writer.begin(&mut out);
    for row in rows {
        writer.row(row.iter().copied(), &mut out)?;
    }
    writer.finish(&mut out);
    Ok(String::from_utf8(out).unwrap())
}

/// The text of one cell between two others.
fn one(format: RowFormat, cell: Cell<'_>) -> String {
    let text = encode(format, &["a", "b", "c"], &[vec![Cell::I64(1), cell, Cell::I64(3)]]).unwrap();
    let text = text.trim_start_matches("a,b,c\n").trim_matches(['\n', '[', ']']);
    let text = text.strip_prefix("1,").or(text.strip_prefix("{\"a\":1,\"b\":")).unwrap();
    text.strip_suffix(",3").or(text.strip_suffix(",\"c\":3}")).unwrap().to_owned()
}

#[test]
fn each_kind_of_cell_has_the_text_of_the_table() {
    let cases = [
        (Cell::Null, "", "null"),
        (Cell::Text(""), r#""""#, r#""""#),
        (Cell::Bool(true), "true", "true"),
        (Cell::I64(i64::MIN), "-9223372036854775808", "-9223372036854775808"),
        (Cell::U64(u64::MAX), "18446744073709551615", "18446744073709551615"),
        (Cell::F32(0.1), "0.1", "0.1"),
        (Cell::F64(0.1), "0.1", "0.1"),
        (Cell::F64(-0.0), "-0.0", "-0.0"),
        (Cell::F64(f64::NAN), "NaN", r#""NaN""#),
        (Cell::F32(f32::INFINITY), "Infinity", r#""Infinity""#),
        (Cell::F64(f64::NEG_INFINITY), "-Infinity", r#""-Infinity""#),
        (Cell::Decimal("12345678901234567890.10"), "12345678901234567890.10", "12345678901234567890.10"),
        (Cell::Decimal("NaN"), "NaN", r#""NaN""#),
        (Cell::Text("plain"), "plain", r#""plain""#),
        (Cell::Text("a,b"), r#""a,b""#, r#""a,b""#),
        (Cell::Text("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"", r#""say \"hi\"\n""#),
        (Cell::Text("\\."), r#""\.""#, r#""\\.""#),
        (Cell::Bytes(b"\x00\xffA"), r"\x00ff41", r#""\\x00ff41""#),
        (Cell::Json("{\"a\":\r\n[1]}"), "\"{\"\"a\"\":\r\n[1]}\"", "{\"a\":  [1]}"),
    ];
    for (cell, csv, json) in cases {
        assert_eq!(one(RowFormat::Csv, cell), csv, "{cell:?}");
        assert_eq!(one(RowFormat::Json, cell), json, "{cell:?}");
        assert_eq!(one(RowFormat::JsonLines, cell), json, "{cell:?}");
    }
}

#[test]
fn the_frame_of_each_format() {
    let rows = [vec![Cell::I64(1), Cell::Null], vec![Cell::I64(2), Cell::Text("x")]];
    let text = |format, rows: &[Vec<Cell<'_>>]| encode(format, &["a", "b c"], rows).unwrap();
    assert_eq!(text(RowFormat::Csv, &rows), "a,b c\n1,\n2,x\n");
    assert_eq!(text(RowFormat::Json, &rows), "[\n{\"a\":1,\"b c\":null},\n{\"a\":2,\"b c\":\"x\"}\n]\n");
    assert_eq!(text(RowFormat::JsonLines, &rows), "{\"a\":1,\"b c\":null}\n{\"a\":2,\"b c\":\"x\"}\n");
    assert_eq!(text(RowFormat::Csv, &[]), "a,b c\n");
    assert_eq!(text(RowFormat::Json, &[]), "[]\n");
    assert_eq!(text(RowFormat::JsonLines, &[]), "");
}

#[test]
fn rows_without_columns_and_of_one_null_are_not_lost() {
    assert_eq!(encode(RowFormat::Json, &[], &[vec![], vec![]]).unwrap(), "[\n{},\n{}\n]\n");
    assert_eq!(encode(RowFormat::JsonLines, &[], &[vec![], vec![]]).unwrap(), "{}\n{}\n");
    assert_eq!(encode(RowFormat::Csv, &[], &[vec![], vec![]]).unwrap(), "\n\n");
    assert_eq!(encode(RowFormat::Csv, &["a"], &[vec![Cell::Null]]).unwrap(), "a\n\"\"\n");
}

#[test]
fn equal_names_are_an_error_of_the_formats_that_would_lose_one() {
    assert_eq!(encode(RowFormat::Csv, &["a", "a"], &[]).unwrap(), "a,a\n");
    for format in [RowFormat::Json, RowFormat::JsonLines] {
        assert_eq!(encode(format, &["a", "b", "a"], &[]), Err(RowError::SameName("a".into())));
    }
}

#[test]
fn a_row_must_have_a_cell_for_each_column() {
    for format in ALL {
        for cells in [1, 3] {
            let rows = [vec![Cell::Null; 2], vec![Cell::Null; cells]];
            assert_eq!(encode(format, &["a", "b"], &rows), Err(RowError::Width { row: 2, columns: 2 }));
        }
    }
}

#[test]
fn json_that_is_none_names_its_row_and_column() {
    for text in ["", "{", "1 2", "nul", "\"\n\""] {
        let error = encode(RowFormat::JsonLines, &["doc"], &[vec![Cell::Json(text)]]).unwrap_err();
        assert!(error.to_string().starts_with("row 1, column \"doc\": not JSON: "), "{text:?}: {error}");
    }
}

/// A cell that owns what it holds.
#[derive(Debug, Clone)]
enum Owned {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    Json(serde_json::Value, String),
}

impl Owned {
    fn cell(&self) -> Cell<'_> {
        match self {
            Owned::Null => Cell::Null,
            Owned::Bool(value) => Cell::Bool(*value),
            Owned::I64(value) => Cell::I64(*value),
            Owned::U64(value) => Cell::U64(*value),
            Owned::F32(value) => Cell::F32(*value),
            Owned::F64(value) => Cell::F64(*value),
            Owned::Decimal(value) => Cell::Decimal(value),
            Owned::Text(value) => Cell::Text(value),
            Owned::Bytes(value) => Cell::Bytes(value),
            Owned::Json(_, text) => Cell::Json(text),
        }
    }
}

fn cells() -> impl Strategy<Value = Owned> {
    let json = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        ".*".prop_map(serde_json::Value::from),
        prop::collection::vec("\\PC*", 0..3).prop_map(serde_json::Value::from),
    ];
    prop_oneof![
        Just(Owned::Null),
        any::<bool>().prop_map(Owned::Bool),
        any::<i64>().prop_map(Owned::I64),
        any::<u64>().prop_map(Owned::U64),
        any::<f32>().prop_map(Owned::F32),
        any::<f64>().prop_map(Owned::F64),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?".prop_map(Owned::Decimal),
        "[a,\"\n\r\\\\.\u{0}\u{e9} ]{0,8}".prop_map(Owned::Text),
        any::<String>().prop_map(Owned::Text),
        any::<Vec<u8>>().prop_map(Owned::Bytes),
        json.prop_map(|value| Owned::Json(value.clone(), serde_json::to_string_pretty(&value).unwrap())),
    ]
}

fn tables() -> impl Strategy<Value = (Vec<String>, Vec<Vec<Owned>>)> {
    (1_usize..6).prop_flat_map(|width| {
        let names =
            prop::collection::hash_set(any::<String>(), width).prop_map(|set| set.into_iter().collect());
        (names, prop::collection::vec(prop::collection::vec(cells(), width), 0..8))
    })
}

/// What a CSV reader must find for a cell.
fn in_csv(cell: &Owned) -> String {
    match cell {
        Owned::Null => String::new(),
        Owned::Bool(value) => value.to_string(),
        Owned::I64(value) => value.to_string(),
        Owned::U64(value) => value.to_string(),
        Owned::F32(value) => value.to_string(),
        Owned::F64(value) => value.to_string(),
        Owned::Decimal(value) | Owned::Text(value) | Owned::Json(_, value) => value.clone(),
        Owned::Bytes(value) => value.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// Whether a field read from CSV is the cell; numbers are compared as numbers.
fn csv_holds(cell: &Owned, field: &str) -> bool {
    match cell {
        Owned::F32(value) => {
            field.parse::<f32>().is_ok_and(|read| read.to_bits() == value.to_bits() || read.is_nan())
        }
        Owned::F64(value) => {
            field.parse::<f64>().is_ok_and(|read| read.to_bits() == value.to_bits() || read.is_nan())
        }
        _ => field == in_csv(cell),
    }
}

/// Whether a number is read from JSON. Without its feature `float_roundtrip` serde_json reads the last digit wrongly, so
/// that the exact text is the matter of a test of its own.
fn about(value: &serde_json::Value, held: f64, off: f64) -> bool {
    value.as_f64().is_some_and(|read| (read - held).abs() <= f64::max(held.abs() * off, f64::MIN_POSITIVE))
}

/// Whether a value read from JSON is the cell.
fn json_holds(cell: &Owned, value: &serde_json::Value) -> bool {
    match cell {
        Owned::Null => value.is_null(),
        Owned::Bool(held) => value.as_bool() == Some(*held),
        Owned::I64(held) => value.as_i64() == Some(*held),
        Owned::U64(held) => value.as_u64() == Some(*held),
        Owned::F32(held) if held.is_finite() => value.as_f64().is_some_and(|read| read as f32 == *held),
        Owned::F64(held) if held.is_finite() => about(value, *held, 1e-15),
        Owned::F32(_) | Owned::F64(_) => value.as_str().is_some_and(|text| csv_holds(cell, text)),
        Owned::Decimal(held) => about(value, held.parse().unwrap(), 1e-15),
        Owned::Text(_) | Owned::Bytes(_) => value.as_str() == Some(&in_csv(cell)),
        Owned::Json(held, _) => value == held,
    }
}

fn encode_owned(format: RowFormat, names: &[String], rows: &[Vec<Owned>]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows: Vec<Vec<Cell<'_>>> = rows.iter().map(|row| row.iter().map(Owned::cell).collect()).collect();
    encode(format, &names, &rows).unwrap()
}

proptest! {
    #[test]
    fn csv_reads_back_by_the_csv_crate((names, rows) in tables()) {
        let text = encode_owned(RowFormat::Csv, &names, &rows);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        prop_assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), names);
        let read: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), rows.len());
        for (record, row) in read.iter().zip(&rows) {
            prop_assert_eq!(record.len(), row.len());
            for (field, cell) in record.iter().zip(row) {
                prop_assert!(csv_holds(cell, field), "{:?} was read as {:?}", cell, field);
            }
        }
    }

    #[test]
    fn json_and_json_lines_read_back_by_serde_json((names, rows) in tables()) {
        let array: Vec<serde_json::Value> =
            serde_json::from_str(&encode_owned(RowFormat::Json, &names, &rows)).unwrap();
        let lines = encode_owned(RowFormat::JsonLines, &names, &rows);
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(&array, &lines);
        prop_assert_eq!(array.len(), rows.len());
        for (object, row) in array.iter().zip(&rows) {
            prop_assert_eq!(object.as_object().unwrap().len(), names.len());
            for (name, cell) in names.iter().zip(row) {
                prop_assert!(json_holds(cell, &object[name]), "{:?} was read as {}", cell, object[name]);
            }
        }
    }

    #[test]
    fn reals_in_json_have_a_text_that_reads_back_as_the_same(double in any::<f64>(), single in any::<f32>()) {
        let read = |cell| one(RowFormat::Json, cell).trim_matches('"').to_owned();
        prop_assert!(csv_holds(&Owned::F64(double), &read(Cell::F64(double))));
        prop_assert!(csv_holds(&Owned::F32(single), &read(Cell::F32(single))));
    }

    #[test]
    fn decimals_are_numbers_to_json_only_if_serde_json_reads_them(text in "[-+.eE0-9 ]{0,8}|-?[0-9]{1,4}(\\.[0-9]{1,3})?([eE][-+]?[0-9]{1,2})?") {
        let written = one(RowFormat::JsonLines, Cell::Decimal(&text));
        let is_number = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() && !text.contains(' ');
        prop_assert_eq!(written == text, is_number, "{:?} was written as {}", text, written);
    }
}
