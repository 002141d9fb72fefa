//! Adding to files of known hosts.

use super::*;
use std::fs;

fn name() -> Name {
    Name::new("Host", 2222, None)
}

#[test]
fn a_last_line_without_its_end_is_mended_and_nothing_else_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("known"), key(folder.path(), "key", "ed25519"));
    let entry = record::entry(&name(), &key).unwrap();
    assert!(entry.starts_with("[host]:2222 ssh-ed25519 AAAA") && entry.split(' ').count() == 3, "{entry}");
    for (before, after) in [
        ("", format!("{entry}\n")),
        ("# a\nb", format!("# a\nb\n{entry}\n")),
        ("# a\n\n", format!("# a\n\n{entry}\n")),
        ("caf\u{e9}", format!("caf\u{e9}\n{entry}\n")),
    ] {
        fs::write(&file, before).unwrap();
        let (known, is_new) = record::add(&file, &name(), &key).unwrap();
        assert!(is_new && judge(&known, &key) == Verdict::Known);
        assert_eq!(fs::read_to_string(&file).unwrap(), after);
        let (_, is_new) = record::add(&file, &name(), &key).unwrap();
        assert!(!is_new);
        assert_eq!(fs::read_to_string(&file).unwrap(), after);
    }
}

#[test]
fn many_who_add_at_once_add_one_line_for_each_host() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("ssh/known"), key(folder.path(), "key", "ed25519"));
    // Long enough that one who does not wait is seen by nobody while it reads.
    let before = "# a line\n".repeat(200_000);
    fs::create_dir(folder.path().join("ssh")).unwrap();
    fs::write(&file, &before).unwrap();
    let together = std::sync::Barrier::new(16);
    let added = std::thread::scope(|scope| {
        let add = |number: usize| {
            let name = Name::new(&format!("host{}", number % 4), 22, None);
            together.wait();
            record::add(&file, &name, &key).unwrap().1
        };
        let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || add(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
    });
    let text = fs::read_to_string(&file).unwrap();
    let text = text.strip_prefix(&before).unwrap();
    assert_eq!((added, text.lines().count()), (4, 4), "{text}");
    assert!((0..4).all(|number| text.contains(&format!("host{number} ssh-ed25519 "))), "{text}");
}

#[test]
fn a_key_that_somebody_else_recorded_in_between_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let [key, other] = ["key", "other"].map(|name| self::key(folder.path(), name, "ed25519"));
    let file = folder.path().join("known");
    for (text, verdict) in [
        (
            line("[host]:2222", &other),
            Verdict::Changed(described(&other), Place { file: file.clone(), line: 1 }),
        ),
        (line("@revoked *", &key), Verdict::Revoked(described(&key), Place { file: file.clone(), line: 1 })),
    ] {
        fs::write(&file, &text).unwrap();
        let (known, is_new) = record::add(&file, &name(), &key).unwrap();
        assert_eq!((judge(&known, &key), is_new), (verdict, false));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn a_name_that_would_mean_something_else_in_the_file_is_never_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("known"), key(folder.path(), "key", "ed25519"));
    for host in ["", "*", "a,b", "!a", "a b", "a\nb", "#a", "@revoked", "|1|a", "[a]:1"] {
        assert!(record::add(&file, &Name::new(host, 22, None), &key).is_err(), "{host:?}");
    }
    assert!(!file.exists());
}
