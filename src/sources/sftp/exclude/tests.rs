use super::*;

fn has(patterns: &[&str], path: &str, is_folder: bool) -> bool {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let below: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
    Excluded::parse(&patterns).unwrap().has(&below, is_folder)
}

#[test]
fn a_name_alone_is_left_out_at_any_depth() {
    for path in ["a.tmp", "b/a.tmp", "b/c/a.tmp", ".a.tmp", "b/.tmp"] {
        assert!(has(&["*.tmp"], path, false), "{path}");
    }
    assert!(!has(&["*.tmp"], "a.tmp.csv", false) && !has(&["*.tmp"], "tmp/a.csv", false));
    assert!(has(&["old"], "b/old", true) && has(&["old"], "old", false));
}

#[test]
fn a_path_is_left_out_where_it_lies() {
    assert!(has(&["old/*.csv"], "old/a.csv", false));
    assert!(!has(&["old/*.csv"], "b/old/a.csv", false) && !has(&["old/*.csv"], "old/b/a.csv", false));
    assert!(has(&["old/**/*.csv"], "old/b/c/a.csv", false) && has(&["**/old/*"], "b/old/a", false));
}

#[test]
fn what_ends_in_a_slash_is_a_folder_and_leaves_files_alone() {
    for pattern in ["archive/", "archive/**"] {
        assert!(has(&[pattern], "archive", true) && has(&[pattern], "b/archive", true), "{pattern}");
        assert!(!has(&[pattern], "archive", false), "{pattern}");
    }
    assert!(has(&["b/archive/"], "b/archive", true) && !has(&["b/archive/"], "archive", true));
}

#[test]
fn any_of_several_is_enough_and_none_leaves_out_nothing() {
    assert!(has(&["*.tmp", "*.{bak,old}"], "a.old", false));
    assert!(!has(&[], "a.old", false));
}

#[test]
fn names_that_are_not_utf_8_are_left_out_too() {
    let excluded = Excluded::parse(&["*.tmp".to_owned()]).unwrap();
    assert!(excluded.has(&[b"b".to_vec(), b"caf\xe9.tmp".to_vec()], false));
    assert!(!excluded.has(&[b"caf\xe9.csv".to_vec()], false));
}

#[test]
fn a_pattern_that_could_never_match_is_a_mistake() {
    let wrong = |pattern: &str| Excluded::parse(&[pattern.to_owned()]).err().unwrap();
    assert!(wrong("/out/*.tmp").contains("begins with a /"), "{}", wrong("/out/*.tmp"));
    for pattern in ["", "./a", "a/../b", "a//b", "/"] {
        assert!(wrong(pattern).contains("a /") || wrong(pattern).contains("no name"), "{}", wrong(pattern));
    }
    assert!(wrong("[a").contains("unclosed"), "{}", wrong("[a"));
    let many = vec!["a".to_owned(); 101];
    assert!(Excluded::parse(&many).is_err());
}
