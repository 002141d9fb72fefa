//! A joined output holds all items in item order, in whatever order they came.

use super::*;
use proptest::prelude::*;
use std::fs;

fn folder() -> (tempfile::TempDir, Arc<Folder>) {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    (temp, folder)
}

/// What remains in the folder.
fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn label(number: usize) -> Arc<str> {
    format!("fx[{number}]").into()
}

/// Joins items in the order they are in.
fn joined(name: &str, items: &[&str]) -> Result<String, OutputError> {
    let (_temp, folder) = folder();
    let mut join = Join::open(&folder, name, None)?;
    for (number, item) in items.iter().enumerate() {
        join.add_bytes(number as u64, &label(number), item.as_bytes())?;
    }
    join.finish(items.len() as u64).and_then(|part| part.commit(None))?;
    Ok(fs::read_to_string(folder.path().join(name)).unwrap())
}

#[test]
fn csv_has_its_header_once() {
    let text = joined(
        "all.csv",
        &["a,\"b\nc\"\n1,2\n", "", "\u{feff}a,\"b\nc\"\r\n3,4", "a,\"b\nc\"", "a,\"b\nc\"\n5,6\n"],
    );
    assert_eq!(text.unwrap(), "a,\"b\nc\"\n1,2\n3,4\n5,6\n");
}

#[test]
fn another_csv_header_is_an_error_that_names_the_item() {
    let error = joined("all.csv", &["a,b\n1,2\n", "a,c\n1,2\n"]).unwrap_err().message;
    assert!(error.ends_with("all.csv: fx[1]: its header is \"a,c\", not \"a,b\""), "{error}");
}

#[test]
fn json_arrays_give_their_elements_and_other_values_themselves() {
    let items = [
        "[\n{\"a\":[1]},\n{\"b\":\"],\"}\n]\n",
        "[ ]",
        " {\"c\": [1, 2]}\n",
        "",
        "12.50",
        "[[1,2], \"\\\"]\" ]",
        "\"x\"",
    ];
    let text = joined("all.json", &items).unwrap();
    assert_eq!(
        text,
        "[\n{\"a\":[1]},\n{\"b\":\"],\"},\n{\"c\": [1, 2]},\n12.50,\n[1,2],\n\"\\\"]\",\n\"x\"\n]\n"
    );
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(joined("all.json", &["[]", ""]).unwrap(), "[]\n");
}

#[test]
fn json_that_is_cut_or_too_much_is_an_error() {
    for item in ["[1,", "{\"a\":1", "[\"a]", "{} {}", "[1] 2", "[1}", "[1 2]", "[1,]", "1 2", "<html>"] {
        assert!(joined("all.json", &["[0]", item]).is_err(), "{item}");
    }
    for item in ["{\"a\":\n", "1 ]", "<html>"] {
        assert!(joined("all.jsonl", &[item]).is_err(), "{item}");
    }
}

#[test]
fn json_lines_have_a_value_a_line() {
    let items = [
        "{\"a\":1}\n{\"a\":2}",
        "\n\n  ",
        "{\n  \"b\": \"x\\\"{\",\r\n  \"c\": [\n 1 ]\n}\n",
        "3\r\n",
        "1 \"x\"{} []",
    ];
    let text = joined("all.jsonl", &items).unwrap();
    assert_eq!(text, "{\"a\":1}\n{\"a\":2}\n{  \"b\": \"x\\\"{\",  \"c\": [ 1 ]}\n3\n1\n\"x\"\n{}\n[]\n");
}

#[test]
fn other_bytes_follow_one_another() {
    assert_eq!(joined("all.txt", &["a", "", "b\n", "c"]).unwrap(), "ab\nc");
}

#[test]
fn an_item_that_is_missing_or_came_twice_makes_nothing_final() {
    let (_temp, folder) = folder();
    let open = || Join::open(&folder, "all.txt", None).unwrap();
    let mut join = open();
    join.add_bytes(1, &label(1), b"later").unwrap();
    assert!(join.add_bytes(1, &label(1), b"again").unwrap_err().message.ends_with("item 1 came twice"));
    assert!(
        join.finish(2)
            .and_then(|part| part.commit(None))
            .unwrap_err()
            .message
            .ends_with("item 0 of 2 is missing")
    );
    let mut join = open();
    join.add_bytes(0, &label(0), b"first").unwrap();
    assert!(join.add_bytes(0, &label(0), b"again").is_err());
    assert!(
        join.finish(2)
            .and_then(|part| part.commit(None))
            .unwrap_err()
            .message
            .ends_with("item 1 of 2 is missing")
    );
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn the_spill_is_emptied_when_nothing_waits() {
    let (_temp, folder) = folder();
    let mut join = Join::open(&folder, "all.txt", None).unwrap();
    join.add_bytes(1, &label(1), b"b").unwrap();
    join.add_bytes(2, &label(2), b"c").unwrap();
    assert_eq!(names(&folder), [".all.txt.fanout-part", ".all.txt.join-spill.fanout-part"]);
    assert_eq!(join.spill.as_ref().unwrap().len().unwrap(), 2);
    join.add_bytes(0, &label(0), b"a").unwrap();
    assert_eq!(join.spill.as_ref().unwrap().len().unwrap(), 0);
    join.add_bytes(4, &label(4), b"e").unwrap();
    join.skip(3).unwrap();
    join.finish(5).and_then(|part| part.commit(None)).unwrap();
    assert_eq!(fs::read(folder.path().join("all.txt")).unwrap(), b"abce");
    assert_eq!(names(&folder), ["all.txt"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_parts_and_bytes_gives_item_order(
        (sizes, order) in prop::collection::vec(0_usize..300_000, 1..8)
            .prop_flat_map(|sizes| { let order: Vec<usize> = (0..sizes.len()).collect(); (Just(sizes), Just(order).prop_shuffle()) }),
        in_parts in any::<u8>(),
    ) {
        let (_temp, folder) = folder();
        let item = |number: usize| vec![b'a' + number as u8; sizes[number]];
        let mut join = Join::open(&folder, "all.bin", None).unwrap();
        for number in order {
            if in_parts & 1 << number == 0 {
                join.add_bytes(number as u64, &label(number), &item(number)).unwrap();
                continue;
            }
            let part = join.part(number as u64).unwrap();
            part.writer().append(&item(number)).unwrap();
            join.add_part(number as u64, &label(number), part).unwrap();
        }
        join.finish(sizes.len() as u64).and_then(|part| part.commit(None)).unwrap();
        let whole: Vec<u8> = (0..sizes.len()).flat_map(item).collect();
        prop_assert!(fs::read(folder.path().join("all.bin")).unwrap() == whole);
        prop_assert_eq!(names(&folder), ["all.bin"]);
    }

    #[test]
    fn pieces_of_any_size_join_as_the_whole_does(
        items in prop::collection::vec("[\\[\\]{}\",\\\\a1 \n]{0,12}", 1..4),
        ending in prop_oneof![Just("csv"), Just("json"), Just("jsonl")],
        piece in 1_usize..5,
    ) {
        let join = |piece: usize| -> Result<Vec<u8>, String> {
            let (mut splice, mut out) = (Splice::of_ending(ending), Vec::new());
            for item in &items {
                splice.begin_item();
                item.as_bytes().chunks(piece).try_for_each(|bytes| splice.push(bytes, &mut out))?;
                splice.end_item(&mut out)?;
            }
            splice.finish(&mut out);
            Ok(out)
        };
        prop_assert_eq!(join(piece), join(1000));
    }

    #[test]
    fn arrays_of_any_values_join_into_the_array_of_their_elements(
        items in prop::collection::vec(prop::collection::vec(".{0,6}", 0..4), 0..4),
        pretty in any::<bool>(),
    ) {
        let text = |item: &Vec<String>| if pretty { serde_json::to_string_pretty(item) } else { serde_json::to_string(item) };
        let texts: Vec<String> = items.iter().map(|item| text(item).unwrap()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let read: Vec<String> = serde_json::from_str(&joined("all.json", &texts).unwrap()).unwrap();
        prop_assert_eq!(read, items.concat());
    }
}

#[test]
fn an_item_that_waited_is_named_when_its_turn_comes() {
    let (_temp, folder) = folder();
    let mut join = Join::open(&folder, "all.csv", None).unwrap();
    join.add_bytes(1, &label(1), b"a,c\n1,2\n").unwrap();
    let error = join.add_bytes(0, &label(0), b"a,b\n1,2\n").unwrap_err().message;
    assert!(error.ends_with("all.csv: fx[1]: its header is \"a,c\", not \"a,b\""), "{error}");
}

#[test]
fn an_output_may_have_the_longest_name_there_is() {
    let (_temp, folder) = folder();
    for name in ["x".repeat(255), format!("{}y", "x".repeat(254))] {
        let mut join = Join::open(&folder, &name, None).unwrap();
        let part = join.part(u64::MAX).unwrap();
        join.add_bytes(1, &label(1), b"b").unwrap();
        join.add_part(0, &label(0), part).unwrap();
        join.finish(2).and_then(|part| part.commit(None)).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "b");
    }
}
