use super::*;
use proptest::prelude::*;

fn pattern(text: &str) -> Pattern {
    match Wanted::parse(text).unwrap() {
        Wanted::Pattern(pattern) => pattern,
        Wanted::Plain(path) => panic!("{path:?} is plain"),
    }
}

/// Whether a walk of the pattern arrives at the file at these names.
fn arrives(pattern: &Pattern, names: &[&str]) -> bool {
    let (file, folders) = names.split_last().unwrap();
    let below = |progress: Option<Progress>, name: &&str| pattern.step(progress?, name.as_bytes()).below;
    let progress = folders.iter().fold(Some(pattern.start()), below);
    progress.is_some_and(|progress| pattern.step(progress, file.as_bytes()).wanted)
}

/// The same, said as simply as can be: the first part against the first name, or `**` against none or one more.
fn reference(parts: &[&str], names: &[&str]) -> bool {
    match (parts, names) {
        ([], []) => true,
        (["**"], []) => false,
        (["**"], names) => names.iter().all(|name| !name.starts_with('.')),
        (["**", rest @ ..], names) => {
            reference(rest, names)
                || matches!(names, [name, after @ ..] if !name.starts_with('.') && reference(parts, after))
        }
        ([part, parts @ ..], [name, names @ ..]) => matches_part(part, name) && reference(parts, names),
        _ => false,
    }
}

fn matches_part(part: &str, name: &str) -> bool {
    fn letters(part: &[u8], name: &[u8]) -> bool {
        match (part, name) {
            ([], []) => true,
            ([b'*', part @ ..], _) => (0..=name.len()).any(|skipped| letters(part, &name[skipped..])),
            ([b'?', part @ ..], [_, name @ ..]) => letters(part, name),
            ([a, part @ ..], [b, name @ ..]) => a == b && letters(part, name),
            _ => false,
        }
    }
    (part.starts_with('.') || !name.starts_with('.')) && letters(part.as_bytes(), name.as_bytes())
}

proptest! {
    #[test]
    fn a_walk_arrives_where_the_pattern_says(
        parts in proptest::collection::vec(prop_oneof![2 => "[ab.*?]{1,3}", 1 => Just("**".to_owned())], 1..5),
        names in proptest::collection::vec("[ab.]{1,3}", 1..6),
    ) {
        prop_assume!(parts.iter().any(|part| is_wild(part)));
        // Within a part `**` is one `*`; parts before the first wildcard are the base.
        prop_assume!(parts.iter().all(|part| part == "**" || !part.contains("**")));
        let first = parts.iter().position(|part| is_wild(part)).unwrap();
        let parts: Vec<&str> = parts[first..].iter().map(String::as_str).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pattern = pattern(&format!("/base/{}", parts.join("/")));
        prop_assert_eq!(arrives(&pattern, &names), reference(&parts, &names), "{:?} {:?}", parts, names);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", name in proptest::collection::vec(any::<u8>(), 0..10)) {
        if let Ok(Wanted::Pattern(pattern)) = Wanted::parse(&text) {
            pattern.step(pattern.start(), &name);
        }
    }
}

#[test]
fn the_base_is_the_last_folder_before_the_first_wildcard() {
    assert_eq!(pattern("/outbox/2026/**/*.csv").base, b"/outbox/2026");
    assert_eq!(pattern("*.csv").base, b".");
    assert_eq!(pattern("/*.csv").base, b"/");
    assert_eq!(pattern("out/").base, b"out");
    assert_eq!(pattern("/").base, b"/");
    assert_eq!(pattern(r"/a\*b/*").base, b"/a*b");
}

#[test]
fn a_path_without_wildcards_is_plain_and_loses_its_backslashes() {
    let Ok(Wanted::Plain(path)) = Wanted::parse(r"/out/a\[1\].csv") else { panic!() };
    assert_eq!(path, b"/out/a[1].csv");
}

#[test]
fn a_folder_is_everything_below_it_with_hidden_names() {
    let everything = pattern("/out/");
    assert!(arrives(&everything, &["a"]) && arrives(&everything, &[".git", ".a"]));
    assert!(!everything.is_glob);
}

#[test]
fn braces_and_classes_choose() {
    let pattern = pattern("/out/{a,b*}.[ct]sv");
    assert!(arrives(&pattern, &["a.csv"]) && arrives(&pattern, &["bcd.tsv"]));
    assert!(!arrives(&pattern, &["c.csv"]) && !arrives(&pattern, &["a.xsv"]));
}

#[test]
fn a_bad_pattern_says_what_is_wrong() {
    for text in ["", "/a/[", "/a/{b/c}", "/a/{b", "a\0"] {
        assert!(Wanted::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn names_that_are_not_utf8_match_too() {
    let pattern = pattern("/out/*.csv");
    assert!(pattern.step(pattern.start(), b"caf\xe9.csv").wanted);
}
