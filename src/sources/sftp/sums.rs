//! What a checksum file says of one file, in the forms that sha256sum and md5sum, shasum, OpenSSL and the BSDs write. Lines
//! that are none of these are passed over, as those programs do. Pure. Not here: fetching it (`checksum`).
//!
//! ```text
//! HEX  name          HEX *name          \HEX  name\nwith\\escapes
//! SHA256 (name) = HEX                   SHA2-256(name)= HEX
//! HEX                                   alone: of whatever it lies beside
//! ```

use super::error::shown;
use crate::output::Digest;
use std::borrow::Cow;

/// A line: a digest, and the name that it is of, if it says one.
struct Line<'a> {
    digest: Digest,
    name: Option<Cow<'a, [u8]>>,
}

/// How well a line's name is that of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is of no name, and stands alone.
    Alone,
    /// It is the file's, in some folder.
    Below,
    /// It is the file's.
    Whole,
}

/// The digest of the file of this name: the strongest there is. An error says why there is none.
pub(super) fn digest_of(name: &[u8], text: &[u8]) -> Result<Digest, String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines: Vec<Line<'_>> = text.split(|byte| *byte == b'\n').filter_map(Line::read).collect();
    let is_one = lines.len() == 1;
    let rank = |line: &Line<'_>| line.fit(name, is_one).map(|fit| (fit, line.digest.algorithm()));
    let best = lines.iter().filter_map(rank).max();
    let mut digests =
        lines.iter().filter(|line| best.is_some() && rank(line) == best).map(|line| line.digest);
    match digests.next() {
        Some(first) if digests.all(|digest| digest == first) => Ok(first),
        Some(_) => Err(format!("two digests of {} in it", shown(name))),
        None if lines.is_empty() => Err("no sha256 or md5 in it".to_owned()),
        None => Err(format!("no line of {} in it", shown(name))),
    }
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Option<Line<'a>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Written so where the name has escapes.
        let (is_escaped, line) = match line.strip_prefix(b"\\") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (digest, name) = with_name_last(line).or_else(|| with_name_first(line))?;
        let name = name.map(|name| if is_escaped { unescaped(name).into() } else { name.into() });
        Some(Line { digest, name })
    }

    fn fit(&self, name: &[u8], is_one: bool) -> Option<Fit> {
        let Some(own) = self.name.as_deref() else { return is_one.then_some(Fit::Alone) };
        let folder = own.strip_suffix(name)?;
        match folder {
            b"" | b"./" => Some(Fit::Whole),
            [.., b'/' | b'\\'] => Some(Fit::Below),
            _ => None,
        }
    }
}

/// `HEX  name`, `HEX *name`, `HEX`.
fn with_name_last(line: &[u8]) -> Option<(Digest, Option<&[u8]>)> {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let digest = hex(&line[..end])?;
    let rest = line.get(end + 1..).unwrap_or_default();
    if rest.trim_ascii().is_empty() {
        return Some((digest, None));
    }
    Some((digest, Some(rest.strip_prefix(b" ").or(rest.strip_prefix(b"*")).unwrap_or(rest))))
}

/// `SHA256 (name) = HEX`, with or without the spaces.
fn with_name_first(line: &[u8]) -> Option<(Digest, Option<&[u8]>)> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let name = line.get(open + 1..close)?;
    let digest = hex(line[close + 1..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii())?;
    // Others are as long as these.
    let known: &[&[u8]] = match digest {
        Digest::Md5(_) => &[b"md5"],
        Digest::Sha256(_) => &[b"sha256", b"sha2-256"],
    };
    let said = line[..open].trim_ascii();
    known.iter().any(|known| said.eq_ignore_ascii_case(known)).then_some((digest, Some(name)))
}

fn hex(digits: &[u8]) -> Option<Digest> {
    Digest::of_hex(std::str::from_utf8(digits).ok()?)
}

/// `\\`, `\n` and `\r` as what they stand for.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = match (byte, bytes.peek()) {
            (b'\\', Some(b'\\')) => Some(b'\\'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            _ => None,
        };
        plain.push(escaped.unwrap_or(byte));
        if escaped.is_some() {
            bytes.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests;
