use super::line::wildcard;
use super::*;
use proptest::prelude::*;
use std::process::Command;

mod certificates;
mod openssh;
mod recorded;

/// A key that ssh-keygen made.
fn key(folder: &Path, name: &str, kind: &str) -> PublicKey {
    let path = folder.join(name);
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&path).status().unwrap();
    assert!(made.success());
    PublicKey::from_openssh(&std::fs::read_to_string(path.with_extension("pub")).unwrap()).unwrap()
}

fn line(hosts: &str, key: &PublicKey) -> String {
    format!("{hosts} {}\n", key.to_openssh().unwrap())
}

fn read(text: &str, host: &str, port: u16) -> KnownHosts {
    let mut known = KnownHosts::default();
    known.read(Path::new("known_hosts"), text, &Name::new(host, port, None));
    known
}

fn judge(known: &KnownHosts, key: &PublicKey) -> Verdict {
    known.judge_key(key.key_data())
}

fn place(line: usize) -> Place {
    Place { file: PathBuf::from("known_hosts"), line }
}

#[test]
fn hosts_are_found_by_name_port_wildcard_and_not_by_what_is_negated() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key", "ed25519");
    let verdict = |hosts: &str, host: &str, port: u16| judge(&read(&line(hosts, &key), host, port), &key);
    assert_eq!(verdict("a.example,b.example", "b.example", 22), Verdict::Known);
    assert_eq!(verdict("A.Example", "a.exAMPLE", 22), Verdict::Known);
    assert_eq!(verdict("[a.example]:2222", "a.example", 2222), Verdict::Known);
    assert_eq!(verdict("[a.example]:2222", "a.example", 22), Verdict::Unknown);
    assert_eq!(verdict("*.example", "a.b.example", 22), Verdict::Known);
    assert_eq!(verdict("?.example", "ab.example", 22), Verdict::Unknown);
    assert_eq!(verdict("*.example,!a.example", "a.example", 22), Verdict::Unknown);
    assert_eq!(verdict("!a.example,*.example", "b.example", 22), Verdict::Known);
    // The same key without the port is good, another is not a change.
    assert_eq!(verdict("a.example", "a.example", 2222), Verdict::Known);
    let other = self::key(folder.path(), "other", "ed25519");
    assert_eq!(judge(&read(&line("a.example", &other), "a.example", 2222), &key), Verdict::Unknown);
}

#[test]
fn a_key_without_a_port_says_nothing_of_a_port_whose_own_key_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let [own, other] = ["own", "other"].map(|name| key(folder.path(), name, "ed25519"));
    for text in [
        line("host", &other) + &line("[host]:2222", &own),
        line("[host]:2222,host", &own) + &line("host", &other),
    ] {
        let known = read(&text, "host", 2222);
        assert_eq!(judge(&known, &own), Verdict::Known);
        assert!(
            matches!(judge(&known, &other), Verdict::Changed(old, _) if old == described(&own)),
            "{text}"
        );
    }
    // Which types are asked for goes by those that count.
    let rsa = key(folder.path(), "rsa", "rsa");
    let sha2 = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
    let known = read(&(line("host", &rsa) + &line("[host]:2222", &own)), "host", 2222);
    let all = [Algorithm::Ed25519, sha2];
    assert_eq!(known.order(&all), all);
}

#[test]
fn a_file_that_ssh_keygen_hashed_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key", "ecdsa");
    let path = folder.path().join("known");
    std::fs::write(&path, line("a.example", &key) + &line("[b.example]:2222", &key)).unwrap();
    assert!(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&path).status().unwrap().success());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("|1|") && !text.contains("example"), "{text}");
    assert_eq!(judge(&read(&text, "a.example", 22), &key), Verdict::Known);
    assert_eq!(judge(&read(&text, "b.example", 2222), &key), Verdict::Known);
    assert_eq!(judge(&read(&text, "c.example", 22), &key), Verdict::Unknown);
}

#[test]
fn one_of_several_keys_is_enough_and_none_of_them_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new, rsa] = [("old", "ed25519"), ("new", "ed25519"), ("rsa", "rsa")]
        .map(|(name, kind)| key(folder.path(), name, kind));
    let text = format!("# comment\n\n{}{}", line("host", &old), line("host", &new));
    let known = read(&text, "host", 22);
    assert_eq!((judge(&known, &old), judge(&known, &new)), (Verdict::Known, Verdict::Known));
    // A key of another type is a change, too.
    assert_eq!(judge(&known, &rsa), Verdict::Changed(described(&old), place(3)));
}

#[test]
fn a_revoked_key_is_refused_whatever_else_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key", "ed25519");
    let text = line("host", &key) + &line("@revoked *", &key);
    assert_eq!(judge(&read(&text, "host", 22), &key), Verdict::Revoked(described(&key), place(2)));
    assert_eq!(judge(&read(&text, "host", 2222), &key), Verdict::Revoked(described(&key), place(2)));
}

#[test]
fn a_file_of_revoked_keys_is_about_all_hosts_and_every_line_of_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let [key, other] = ["key", "other"].map(|name| self::key(folder.path(), name, "ed25519"));
    let mut known = read(&(line("host", &key) + &line("host", &other)), "host", 22);
    known.revoke(Path::new("revoked"), &format!("# gone\n\n  {}", line("", &key).trim())).unwrap();
    let place = Place { file: PathBuf::from("revoked"), line: 3 };
    assert_eq!(judge(&known, &key), Verdict::Revoked(described(&key), place));
    assert_eq!(judge(&known, &other), Verdict::Known);
    for wrong in ["SSHKRL\n\0\0\0\0\u{1}", "host ssh-ed25519 AAAA", "ssh-ed25519"] {
        let why = known.revoke(Path::new("revoked"), wrong).unwrap_err();
        assert!(why.starts_with("revoked:1: no public key\n  (a list in binary form"), "{why}");
    }
}

#[test]
fn of_several_known_keys_that_of_the_shown_type_is_the_changed_one() {
    let folder = tempfile::tempdir().unwrap();
    let [ecdsa, old, new] = [("ecdsa", "ecdsa"), ("old", "ed25519"), ("new", "ed25519")]
        .map(|(name, kind)| key(folder.path(), name, kind));
    let known = read(&(line("host", &ecdsa) + &line("host", &old)), "host", 22);
    assert_eq!(judge(&known, &new), Verdict::Changed(described(&old), place(2)));
}

#[test]
fn several_files_are_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let [own, system] = ["own", "system"].map(|name| key(folder.path(), name, "ed25519"));
    let (mut known, name) = (KnownHosts::default(), Name::new("host", 22, None));
    known.read(Path::new("own"), &line("host", &own), &name);
    known.read(Path::new("system"), &(line("host", &system) + &line("@revoked host", &own)), &name);
    assert_eq!(judge(&known, &system), Verdict::Known);
    let place = Place { file: PathBuf::from("system"), line: 2 };
    assert_eq!(judge(&known, &own), Verdict::Revoked(described(&own), place));
}

#[test]
fn an_alias_is_looked_for_without_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key", "ed25519");
    let mut known = KnownHosts::default();
    known.read(Path::new("known_hosts"), &line("blue", &key), &Name::new("10.0.0.1", 2222, Some("Blue")));
    assert_eq!(judge(&known, &key), Verdict::Known);
}

#[test]
fn authorities_comments_tabs_and_spaces_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key", "ed25519");
    let tabs = line("host", &key).replacen(' ', "\t  ", 1).replace('\n', "\tsomebody's  key\r\n");
    let text = format!("{}  # comment\n\n\t{tabs}", line("@cert-authority *", &key));
    let known = read(&text, "host", 22);
    assert_eq!((judge(&known, &key), known.wrong()), (Verdict::Known, &[][..]));
    assert_eq!(judge(&read(&line("@cert-authority *", &key), "host", 22), &key), Verdict::Unknown);
    assert_eq!(
        judge(&read(&line("@revoked\thost", &key), "host", 22), &key),
        Verdict::Revoked(described(&key), place(1))
    );
}

#[test]
fn lines_that_cannot_be_read_are_left_aside_and_told_if_they_may_be_about_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key", "ed25519");
    let wrong = [
        "host ssh-ed25519 %%%",
        "host 1024 35 1234567890",
        "host",
        "|1|x ssh-ed25519 AAAA",
        "@revoke host ssh-ed25519 AAAA",
        "@revoked @cert-authority host ssh-ed25519 AAAA",
        "host ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIKBbfz+D7v3SZTvVlhYnwNpB9KlbpIaJhAqO0x5rzGXt",
    ];
    let text = format!("{}\nother ssh-ed25519 %%%\n{}", wrong.join("\n"), line("host", &key));
    let known = read(&text, "host", 22);
    assert_eq!(judge(&known, &key), Verdict::Known);
    assert_eq!(known.wrong(), (1..=wrong.len()).map(place).collect::<Vec<_>>());
}

#[test]
fn known_types_of_key_are_asked_for_first() {
    let folder = tempfile::tempdir().unwrap();
    let rsa = key(folder.path(), "rsa", "rsa");
    let sha2 = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
    let order = read(&line("host", &rsa), "host", 22).order(&[Algorithm::Ed25519, sha2.clone()]);
    assert_eq!(order, [sha2, Algorithm::Ed25519]);
}

proptest! {
    #[test]
    fn wildcards_match_what_a_simple_reference_matches(pattern in "[ab*?]{0,6}", text in "[ab]{0,8}") {
        fn reference(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern, text) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| reference(rest, &text[at..])),
                ([letter, rest @ ..], [first, text @ ..]) => (*letter == b'?' || letter == first) && reference(rest, text),
                _ => false,
            }
        }
        prop_assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), reference(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        read(&text, "host", 22);
    }
}
