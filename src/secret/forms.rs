//! The forms a secret may have taken on its way into a text: itself, percent-encoded, escaped as in JSON or by Debug, in
//! any mix of these, also percent-encoded again, and base64 in each of its three alignments. Not here: reading text and replacing (`redact`).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Forms of fewer bytes than this would be found everywhere.
const SHORTEST: usize = 4;

/// A text to look for.
pub(super) enum Form {
    /// Character by character, each as it is or escaped in one of the usual ways.
    Escaped(Zeroizing<String>),
    /// Exactly these bytes.
    Exact(Zeroizing<Vec<u8>>),
}

/// Whether a text begins with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It does, with so many bytes.
    Whole(usize),
    /// It ends before that can be said.
    Cut,
    /// It does not.
    Not,
}

/// All forms of a secret; none if it is too short to be looked for.
pub(super) fn forms(secret: &str) -> Vec<Form> {
    if secret.chars().count() < SHORTEST {
        return Vec::new();
    }
    let mut forms = vec![Form::Escaped(Zeroizing::new(secret.to_owned()))];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.extend((0..3).filter_map(|before| aligned(&engine, secret, before)).map(Form::Exact));
    }
    forms
}

/// The base64 characters that a secret alone decides when `before` bytes (modulo 3) stand before it.
fn aligned(engine: &impl Engine, secret: &str, before: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; before]);
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = Zeroizing::new(engine.encode(&*bytes));
    let start = [0, 2, 3][before];
    let end = bytes.len() * 8 / 6;
    let own = encoded.as_bytes().get(start..end)?;
    (own.len() >= SHORTEST).then(|| Zeroizing::new(own.to_vec()))
}

impl Form {
    /// Whether `text` begins with it. Of a text that ends there nothing is cut.
    pub(super) fn at_start_of(&self, text: &[u8], ends: bool) -> Found {
        let (longest, cut) = match self {
            Form::Exact(bytes) => (None, exact(bytes, text)),
            Form::Escaped(secret) => escaped(secret, text),
        };
        match (longest, cut) {
            (Some(length), Found::Cut) if ends => Found::Whole(length),
            (Some(length), Found::Not) => Found::Whole(length),
            (_, Found::Cut) if ends => Found::Not,
            (_, found) => found,
        }
    }
}

fn exact(wanted: &[u8], text: &[u8]) -> Found {
    match text.len() < wanted.len() {
        true if wanted.starts_with(text) => Found::Cut,
        false if text.starts_with(wanted) => Found::Whole(wanted.len()),
        _ => Found::Not,
    }
}

/// Follows every way to read the text, as two backslashes may be one that is escaped: the length of the longest that
/// fits, and whether another is cut.
fn escaped(secret: &str, text: &[u8]) -> (Option<usize>, Found) {
    let mut ends = vec![0];
    let mut cut = Found::Not;
    for wanted in secret.chars() {
        // Most texts end here, at the second character of a key that is thousands long.
        if ends.is_empty() {
            break;
        }
        let mut next = Vec::with_capacity(ends.len());
        for end in ends {
            for found in character(wanted, &text[end..]) {
                match found {
                    Found::Whole(more) if !next.contains(&(end + more)) => next.push(end + more),
                    Found::Cut => cut = Found::Cut,
                    _ => {}
                }
            }
        }
        ends = next;
    }
    (ends.into_iter().max(), cut)
}

/// Whether a text begins with a character, in each of its forms.
fn character(wanted: char, text: &[u8]) -> [Found; 5] {
    let mut buffer = [0; 4];
    let bytes = wanted.encode_utf8(&mut buffer).as_bytes();
    let percent = [percent(bytes, text, 0), percent_again(bytes, text)];
    [percent[0], percent[1], exact(bytes, text), backslash(wanted, text), unicode(wanted, text)]
}

/// `%252F`: encoded, and what came of it encoded again, perhaps more than once.
fn percent_again(bytes: &[u8], text: &[u8]) -> Found {
    let Some(code) = text.strip_prefix(b"%") else { return Found::Not };
    let times = code.chunks(2).take_while(|pair| *pair == b"25").count();
    if code[times * 2..] == *b"2" {
        return Found::Cut;
    }
    // Of an encoded percent sign itself the last one is its own.
    match times.saturating_sub(usize::from(bytes == b"%")) {
        // A space that became a plus.
        0 if bytes == b" " => percent(b"+", text, 0),
        0 => Found::Not,
        times => percent(bytes, text, times),
    }
}

/// `%2F`, and `+` for a space; the percent sign encoded again so many times.
fn percent(bytes: &[u8], text: &[u8], times: usize) -> Found {
    match text.first() {
        Some(b'+') if bytes == b" " => return Found::Whole(1),
        Some(b'%') | None => {}
        Some(_) => return Found::Not,
    }
    let mut length = 0;
    for byte in bytes {
        let code = format!("%{}{byte:02x}", "25".repeat(times));
        match exact_ignoring_case(code.as_bytes(), &text[length..]) {
            Found::Whole(more) => length += more,
            other => return other,
        }
    }
    Found::Whole(length)
}

/// `\"`, `\\`, `\/`, `\n`, `\'`.
fn backslash(wanted: char, text: &[u8]) -> Found {
    let letter = match wanted {
        '"' | '\\' | '/' | '\'' => wanted as u8,
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\0' => b'0',
        _ => return Found::Not,
    };
    spelled(&[b'\\', letter], text)
}

/// Each byte as it is or percent-encoded: `%5C%22` is an escaped quote that was encoded again.
fn spelled(bytes: &[u8], text: &[u8]) -> Found {
    let mut length = 0;
    for byte in bytes {
        let rest = &text[length..];
        match [exact(&[*byte], rest), percent(&[*byte], rest, 0)] {
            [Found::Not, Found::Not] => return Found::Not,
            [Found::Whole(more), _] | [_, Found::Whole(more)] => length += more,
            _ => return Found::Cut,
        }
    }
    Found::Whole(length)
}

/// `\u00e9`, a surrogate pair, or Rust's `\u{e9}`.
fn unicode(wanted: char, text: &[u8]) -> Found {
    if text.first().is_some_and(|byte| !matches!(byte, b'\\' | b'%')) {
        return Found::Not;
    }
    let mut units = [0; 2];
    let json: String = wanted.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    let rust = format!("\\u{{{:x}}}", wanted as u32);
    let forms =
        [&json.replace('\\', "%5c"), &json, &rust].map(|form| exact_ignoring_case(form.as_bytes(), text));
    forms.into_iter().find(|found| *found != Found::Not).unwrap_or(Found::Not)
}

fn exact_ignoring_case(wanted: &[u8], text: &[u8]) -> Found {
    let shared = wanted.len().min(text.len());
    match wanted[..shared].eq_ignore_ascii_case(&text[..shared]) {
        true if shared == wanted.len() => Found::Whole(shared),
        true => Found::Cut,
        false => Found::Not,
    }
}
