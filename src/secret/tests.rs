use super::*;
use crate::expr::{Scope, Table};
use base64::Engine;
use proptest::prelude::*;
use std::io::Write;

/// A secret that every way of escaping changes.
const CANARY: &str = "c@n/a+r=y \"Zü\\9&%?";

fn knowing(secret: &str) -> Redactor {
    let redactor = Redactor::new();
    redactor.add(&Secret::new(secret));
    redactor
}

fn derived(secret: &str) -> Vec<String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let url_safe = base64::engine::general_purpose::URL_SAFE;
    let mut url = url::Url::parse("https://user@host/").unwrap();
    url.set_password(Some(secret)).unwrap();
    url.query_pairs_mut().append_pair("q", secret);
    url.path_segments_mut().unwrap().push(secret);
    let every_byte: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let again = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    vec![
        secret.to_owned(),
        url.to_string(),
        again(&again(secret)),
        again(&again(&every_byte)),
        again(&serde_json::to_string(secret).unwrap()),
        again(&secret.chars().map(|c| format!("\\u{:04x}", c as u32)).collect::<String>()),
        every_byte.to_lowercase(),
        every_byte,
        serde_json::to_string(secret).unwrap(),
        format!("{secret:?}"),
        secret.escape_unicode().to_string(),
        base64.encode(format!("u:{secret}")),
        base64.encode(format!("user:{secret}!")),
        url_safe.encode(format!("us:{secret}")),
        base64.encode(secret),
    ]
}

#[test]
fn the_canary_is_found_in_every_derived_form() {
    let redactor = knowing(CANARY);
    for text in derived(CANARY) {
        let clean = redactor.redact(&text);
        assert!(clean.contains("***"), "{text} became {clean}");
        for piece in ["n/a", "n%2", "a+r", "9", "Zü", "eSAi", "YXJ5"] {
            assert!(!clean.contains(piece), "{text} became {clean}");
        }
    }
}

#[test]
fn a_secret_of_several_lines_is_found_escaped() {
    let redactor = knowing("-----BEGIN\nkey\tend");
    for text in [r"-----BEGIN\nkey\tend", "-----BEGIN%0akey%09end", "-----BEGIN\nkey\tend"] {
        assert_eq!(redactor.redact(text), "***", "{text}");
    }
}

#[test]
fn text_around_a_secret_stays() {
    let redactor = knowing("hunter2");
    assert_eq!(redactor.redact("user=me password=hunter2;"), "user=me password=***;");
    assert_eq!(redactor.redact("hunter2hunter2 hunter hunter2"), "****** hunter ***");
    assert!(matches!(redactor.redact("nothing here, hunte"), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn the_longest_of_two_secrets_is_removed() {
    let redactor = knowing("password");
    redactor.add(&Secret::new("password123"));
    assert_eq!(redactor.redact("password123 password12 password"), "*** ***12 ***");
}

#[test]
fn a_secret_of_three_characters_is_not_looked_for() {
    assert_eq!(knowing("abc").redact("abc"), "abc");
    assert_eq!(knowing("abcd").redact("abcd"), "***");
}

#[test]
fn a_flush_in_the_middle_of_a_secret_shows_nothing_of_it() {
    let redactor = knowing("hunter2");
    let mut seen = Vec::new();
    let mut writer = redactor.writer(&mut seen);
    writer.write_all(b"pw hunt").unwrap();
    writer.flush().unwrap();
    writer.write_all(b"er2 then hunt").unwrap();
    drop(writer);
    assert_eq!(String::from_utf8(seen).unwrap(), "pw *** then hunt");
}

proptest! {
    #[test]
    fn a_stream_is_cleaned_as_a_text_is(text in "(a|b|ab|%61|%62|%2561|%|25|x|\\\\){0,30}", cuts in prop::collection::vec(0_usize..40, 0..6)) {
        let redactor = knowing("abab");
        redactor.add(&Secret::new("baxa"));
        let mut seen = Vec::new();
        let mut writer = redactor.writer(&mut seen);
        let mut rest = text.as_bytes();
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            writer.write_all(now).unwrap();
            rest = later;
        }
        writer.write_all(rest).unwrap();
        drop(writer);
        prop_assert_eq!(String::from_utf8(seen).unwrap(), redactor.redact(&text).into_owned());
    }

    #[test]
    fn no_secret_passes(secret in "\\PC{4,12}", before in "\\PC{0,9}", after in "\\PC{0,9}") {
        let clean = knowing(&secret).redact(&format!("{before}{secret}{after}")).into_owned();
        prop_assert!(!clean.contains(&secret) || secret.contains('*'));
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Settings {
    password: Option<SecretRef>,
}

fn read(toml: &str) -> Result<SecretRef, String> {
    let mut table = Table::parse(toml).map_err(|problems| problems[0].message.clone())?;
    let mut problems = Vec::new();
    let settings = table.read::<Settings>(&["password"], &mut problems);
    let wrong = || problems.first().map_or_else(|| "nothing".to_owned(), |problem| problem.message.clone());
    settings.password.ok_or_else(wrong)
}

fn resolve(toml: &str, folder: &std::path::Path) -> Result<String, String> {
    let mut globals = crate::expr::Globals::default();
    globals.secrets.insert("db".to_owned(), Secret::new("p@ss"));
    let scope = Scope::new(std::sync::Arc::new(globals));
    read(toml)?.resolve(&scope, folder).map(|secret| secret.expose().to_owned())
}

#[test]
fn secrets_come_from_files_commands_and_other_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pw"), "from a file\r\n").unwrap();
    let at = |toml| resolve(toml, folder.path());
    assert_eq!(at("password = { file = 'pw' }"), Ok("from a file".to_owned()));
    assert_eq!(at("password = { command = ['cat', 'pw'] }"), Ok("from a file".to_owned()));
    assert_eq!(at("password = { plain = 'open' }"), Ok("open".to_owned()));
    assert_eq!(at("password = '${{ secrets.db }}!'"), Ok("p@ss!".to_owned()));
}

#[test]
fn where_a_secret_was_looked_for_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |toml| {
        resolve(toml, folder.path()).unwrap_err().replace(&folder.path().display().to_string(), "FOLDER")
    };
    assert_eq!(at("password = { env = 'FANOUT_NOT_SET' }"), "environment variable FANOUT_NOT_SET is not set");
    assert_eq!(at("password = { file = 'no' }"), "FOLDER/no: No such file or directory (os error 2)");
    assert_eq!(at("password = { command = ['false'] }"), "command false: exit status: 1");
    assert_eq!(at("password = { command = ['true'] }"), "command true is empty");
    assert_eq!(at("password = { plain = '' }"), "plain text of the plan is empty");
}

#[test]
fn a_literal_password_is_refused_without_being_repeated() {
    let literal = "`password` must not stand in the plan\n  (write { env = \"NAME\" }, { file = \"PATH\" }, \
                   { command = [..] } or \"${{ secrets.NAME }}\")";
    for toml in ["password = 'hunter2'", "password = 12345", "password = '${{ vars.password }}'"] {
        assert_eq!(read(toml).unwrap_err(), literal, "{toml}");
    }
    assert_eq!(
        read("password = { evn = 'X' }").unwrap_err(),
        "unknown key `password.evn`\n  (did you mean `env`?)"
    );
    assert_eq!(
        read("password = { env = 'X', file = 'y' }").unwrap_err(),
        "`password` must be one of `env` and `file`, not both"
    );
}

#[test]
fn no_secret_is_in_debug() {
    let reference = read("password = { plain = 'hunter2' }").unwrap();
    assert_eq!(format!("{reference:?}"), "SecretRef(plain text of the plan)");
}
