use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const OTHER: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

fn digest_of(name: &[u8], text: &[u8]) -> Result<Digest, String> {
    Sums::read(text).digest_of(name)
}

/// What a text says of a.csv, in which `$S`, `$O` and `$M` are the digests.
fn said(text: &str) -> Result<String, String> {
    let text = text.replace("$S", SHA).replace("$O", OTHER).replace("$M", MD5);
    digest_of(b"a.csv", text.as_bytes()).map(|digest| digest.to_string())
}

#[test]
fn every_form_that_programs_write_is_read() {
    for text in [
        "$S  a.csv\n",
        "$S *a.csv\n",
        "$S a.csv",
        "$S\ta.csv",
        "$S",
        " $S \r\n",
        "$S  a.csv\r\n",
        "\u{feff}$S  a.csv\n",
        "$S  ./a.csv\n",
        "$S  /home/them/out/a.csv\n",
        "$S *.\\out\\a.csv\r\n",
        "SHA256 (a.csv) = $S\n",
        "SHA256(a.csv)= $S\n",
        "SHA2-256(out/a.csv)= $S\n",
        "\\$S  a.csv\n",
        "# sums of today\n\n$S  a.csv\n; end\n",
    ] {
        assert_eq!(said(text).as_deref(), Ok(SHA), "{text:?}");
    }
    for text in ["$M  a.csv\n", "MD5 (a.csv) = $M\n", "md5(a.csv)= $M"] {
        assert_eq!(said(text).as_deref(), Ok(MD5), "{text:?}");
    }
    assert_eq!(said(&format!("{}  a.csv", SHA.to_uppercase())).as_deref(), Ok(SHA));
}

#[test]
fn of_several_lines_the_files_own_is_taken() {
    for text in [
        "$O  b.csv\n$S  a.csv\n$O  xa.csv\n",
        "$O  old/a.csv\n$S  a.csv\n",
        "$S  a.csv\n$S  a.csv\n",
        "$O\n$S  a.csv\n",
        "$M  a.csv\n$S  a.csv\n",
        "SHA256 (b.csv) = $O\nSHA256 (a.csv) = $S\n",
    ] {
        assert_eq!(said(text).as_deref(), Ok(SHA), "{text:?}");
    }
}

#[test]
fn what_says_nothing_certain_of_the_file_is_an_error() {
    for (text, told) in [
        ("", "no sha256 or md5 in it"),
        ("not found", "no sha256 or md5 in it"),
        ("$S1234  a.csv", "no sha256 or md5 in it"),
        ("SHA512 (a.csv) = $S", "no sha256 or md5 in it"),
        ("BLAKE2b-256 (a.csv) = $S", "no sha256 or md5 in it"),
        ("(a.csv = $S", "no sha256 or md5 in it"),
        (")( = $S", "no sha256 or md5 in it"),
        ("$S  b.csv", "no line of a.csv in it"),
        ("$S  a.csv.gz", "no line of a.csv in it"),
        ("$S  ba.csv", "no line of a.csv in it"),
        ("$S\n$O\n", "no line of a.csv in it"),
        ("$S  a.csv\n$O  a.csv", "two digests of a.csv in it"),
        ("$S  x/a.csv\n$O  y/a.csv", "two digests of a.csv in it"),
    ] {
        assert_eq!(said(text).unwrap_err(), told, "{text:?}");
    }
}

/// A line as a program writes it of a name, with all that names may hold.
fn line(form: u8, hex: &str, name: &[u8]) -> Vec<u8> {
    let text = |text: &str| text.as_bytes().to_vec();
    let needs = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'\r');
    let (mark, name): (&str, Vec<u8>) = match name.iter().any(needs) {
        true => ("\\", name.iter().flat_map(|byte| escaped(*byte)).collect()),
        false => ("", name.to_vec()),
    };
    let tag = if hex.len() == 32 { "MD5" } else { "SHA256" };
    match form % 4 {
        0 => [text(mark), text(hex), text("  "), name].concat(),
        1 => [text(mark), text(hex), text(" *"), name].concat(),
        2 => [text(mark), text(tag), text(" ("), name, text(") = "), text(hex)].concat(),
        _ => [text(mark), text(tag), text("("), name, text(")= "), text(hex)].concat(),
    }
}

fn escaped(byte: u8) -> Vec<u8> {
    match byte {
        b'\\' => b"\\\\".to_vec(),
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        byte => vec![byte],
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"a. \\\r\n()=*"[..])];
    vec(byte.prop_filter("no name has it", |byte| !matches!(byte, b'/' | 0)), 1..12)
}

proptest! {
    #[test]
    fn a_line_is_found_among_others_by_its_name_of_any_bytes(
        name in name(),
        others in vec((name(), any::<u8>()), 0..6),
        (form, at, is_short, is_upper, is_crlf) in any::<(u8, usize, bool, bool, bool)>(),
    ) {
        // What ends as the other does after a backslash may be the same file in a folder.
        prop_assume!(others.iter().all(|(other, _)| !other.ends_with(&name)));
        prop_assume!(!name.trim_ascii().is_empty());
        let hex = if is_short { MD5 } else { SHA };
        let own = if is_upper { hex.to_uppercase() } else { hex.to_owned() };
        let mut lines: Vec<Vec<u8>> = others.iter().map(|(other, form)| line(*form, OTHER, other)).collect();
        lines.insert(at % (lines.len() + 1), line(form, &own, &name));
        let text = lines.join(if is_crlf { &b"\r\n"[..] } else { b"\n" });
        let found = digest_of(&name, &text).map(|digest| digest.to_string());
        prop_assert_eq!(found.as_deref(), Ok(hex));
    }

    #[test]
    fn whatever_is_in_it_it_is_read_without_harm(text in vec(any::<u8>(), 0..300)) {
        let _ = digest_of(b"a.csv", &text);
    }

    #[test]
    fn pieces_of_lines_are_read_without_harm(pieces in vec(
        prop::sample::select(vec!["(", ")", " = ", "SHA256", "MD5", "\\", " ", "*", "\n", "\r", "a.csv", SHA, MD5, "./"]), 0..12,
    )) {
        let _ = digest_of(b"a.csv", pieces.concat().as_bytes());
    }
}
