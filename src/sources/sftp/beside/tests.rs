use super::*;
use crate::expr::Globals;
use serde_json::json;
use std::sync::Arc;

fn read(name: &str) -> Result<Beside, String> {
    Beside::read("done_file", Template::parse(name).unwrap())
}

fn listed(done: &str, name: &[u8]) -> Vec<u8> {
    let shown = super::super::error::shown(name);
    let stem = shown.rsplit_once('.').map_or(&*shown, |(stem, _)| stem);
    let scope = Scope::new(Arc::new(Globals::default())).with_item(json!({ "name": shown, "stem": stem }));
    read(done).unwrap().listed(&scope).unwrap()
}

#[test]
fn it_is_named_after_the_file_byte_for_byte() {
    assert_eq!(listed("${{ item.name }}.done", b"a.csv"), b"a.csv.done");
    assert_eq!(listed("ok_${{ item.stem }}", b"a.csv"), b"ok_a");
    assert_eq!(listed("_SUCCESS", b"a.csv"), b"_SUCCESS");
    for name in [&b"caf\xe9.csv"[..], "caf\u{e9}.csv".as_bytes(), b"\xff\xfe", "\u{202e}vsc.a".as_bytes()] {
        assert_eq!(listed("${{ item.name }}.done", name), [name, b".done"].concat());
    }
}

#[test]
fn it_is_told_from_the_files_it_is_for() {
    let beside = read("${{ item.name }}.done").unwrap();
    assert!(beside.has(b"a.csv.done") && beside.has(b"\xff.done") && !beside.has(b"a.csv"));
    let stem = read("ok_${{ item.stem }}.[1]").unwrap();
    assert!(stem.has(b"ok_a.[1]") && !stem.has(b"ok_a.1"));
    let one = read("_SUCCESS").unwrap();
    assert!(one.has(b"_SUCCESS") && !one.has(b"a_SUCCESS"));
}

#[test]
fn what_could_be_any_file_or_lies_elsewhere_is_a_mistake() {
    for (name, told) in [
        ("${{ item.name }}", "any name"),
        ("${{ vars.a }}${{ item.name }}", "any name"),
        ("flags/${{ item.name }}.ok", "no /"),
        ("../_SUCCESS", "no /"),
        ("..", "no name"),
        ("", "no name"),
    ] {
        let why = read(name).err().unwrap();
        assert!(why.contains(told), "{name}: {why}");
    }
    let scope = Scope::new(Arc::new(Globals::default())).with_item(json!({ "name": "a/b" }));
    assert!(read("${{ item.name }}.done").unwrap().listed(&scope).is_err());
}
