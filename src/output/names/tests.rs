//! No name that is accepted ever leads out of its folder, and none can drive a terminal.

use super::*;
use crate::output::Folder;
use proptest::prelude::*;

#[test]
fn names_that_are_path_syntax_are_refused() {
    for name in [
        &b""[..],
        b".",
        b"..",
        b"/",
        b"a/b",
        b"../x",
        b"a\\b",
        b"a\0",
        b"\x1b[2J",
        b"a\n",
        b"\x7f",
        "\u{85}".as_bytes(),
    ] {
        assert!(server_name(name).is_err(), "{name:?}");
    }
    for name in [&b"..."[..], b".x", b"a b", b"~", b"-rf", b"%2f", b"caf\xe9", "caf\u{e9}".as_bytes(), b"a:b"]
    {
        assert_eq!(server_name(name).unwrap().as_bytes(), name);
    }
}

#[test]
fn refusals_show_the_name_escaped() {
    let text = |name: &[u8]| server_name(name).unwrap_err().to_string();
    assert_eq!(text(b"a\x1b\xff"), "the name \"a\\u{1b}\\xff\" is refused: it holds a control character");
    assert_eq!(text(b"a/b"), "the name \"a/b\" is refused: it holds a '/'");
    assert_eq!(text(b".."), "the name \"..\" is refused: it means another folder");
}

#[test]
fn values_are_encoded_where_they_must_be() {
    let cases = [
        ("a/b", "a%2Fb"),
        ("\0\n\u{85}", "%00%0A%C2%85"),
        ("100%", "100%"),
        ("", ""),
        ("..x", "..x"),
        ("\u{e9}", "\u{e9}"),
    ];
    for (value, text) in cases {
        assert_eq!(component(value).as_deref(), Ok(text));
    }
    assert!(component(".").is_err() && component("..").is_err());
}

#[test]
fn what_is_shown_can_not_turn_or_hide_text() {
    assert_eq!(shown("a\u{202e}b\r\u{9b}c\u{2066}"), "a\\u{202e}b\\r\\u{9b}c\\u{2066}");
    assert_eq!(shown(OsStr::from_bytes(b"x\xffy")), "x\\xffy");
}

/// Bytes that are likely to be syntax.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(&b"./\\\0a\n\xff"[..]), 0..6),
        prop::collection::vec(any::<u8>(), 0..40)
    ]
}

proptest! {
    #[test]
    fn an_accepted_name_is_one_file_in_its_folder(name in bytes()) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("out")).unwrap();
        if let Ok(name) = server_name(&name) {
            prop_assert!(crate::output::tests::write_whole(&folder, &name, b"x", None, None).is_ok());
            let found: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            prop_assert_eq!(found, vec![name]);
        }
        prop_assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_path_at_all_leads_out_of_its_folder(path in prop::collection::vec(prop::sample::select(&b"./\0a~"[..]), 0..12)) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("out")).unwrap();
        let _ = crate::output::tests::write_whole(&folder, OsStr::from_bytes(&path), b"x", None, None);
        prop_assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_accepted_value_is_one_component(value in "[./\\\\a%\u{0}\n\u{85}\u{e9}]{0,6}|.*") {
        if let Ok(text) = component(&value) {
            prop_assert!(!text.contains('/') && !text.chars().any(char::is_control));
            prop_assert!(text != "." && text != "..");
        }
    }

    #[test]
    fn shown_text_has_no_control_characters(name in any::<Vec<u8>>()) {
        prop_assert!(!shown(OsStr::from_bytes(&name)).chars().any(|letter| letter.is_control() || turns_text(letter)));
    }
}
