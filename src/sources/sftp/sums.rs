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

/// What a checksum file says.
pub(super) struct Sums {
    /// The lines that say a name, in the order of its last part.
    named: Box<[Named]>,
    /// The digest that stands alone: there is no other line.
    alone: Option<Digest>,
    /// Whether it has no line.
    is_empty: bool,
}

struct Named {
    name: Box<[u8]>,
    digest: Digest,
}

/// How well a line's name is that of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is the file's, in some folder.
    Below,
    /// It is the file's.
    Whole,
}

impl Sums {
    /// Reads a checksum file.
    pub(super) fn read(text: &[u8]) -> Sums {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let (mut named, mut unnamed) = (Vec::new(), Vec::new());
        for (digest, name) in text.split(|byte| *byte == b'\n').filter_map(line) {
            match name {
                Some(name) => named.push(Named { name: name.into(), digest }),
                None => unnamed.push(digest),
            }
        }
        named.sort_by(|one, other| last_part(&one.name).cmp(last_part(&other.name)));
        let alone = unnamed.first().copied().filter(|_| named.is_empty() && unnamed.len() == 1);
        let is_empty = named.is_empty() && unnamed.is_empty();
        Sums { named: named.into(), alone, is_empty }
    }

    /// The digest of the file of this name: the strongest there is. An error says why there is none.
    pub(super) fn digest_of(&self, name: &[u8]) -> Result<Digest, String> {
        if let Some(alone) = self.alone {
            return Ok(alone);
        }
        let rank = |line: &Named| line.fit(name).map(|fit| (fit, line.digest.algorithm()));
        let lines = self.ending_like(name);
        let best = lines.iter().filter_map(rank).max();
        let mut digests =
            lines.iter().filter(|line| best.is_some() && rank(line) == best).map(|line| line.digest);
        match digests.next() {
            Some(first) if digests.all(|digest| digest == first) => Ok(first),
            Some(_) => Err(format!("two digests of {} in it", shown(name))),
            None if self.is_empty => Err("no sha256 or md5 in it".to_owned()),
            None => Err(format!("no line of {} in it", shown(name))),
        }
    }

    /// The lines whose names have the last part of this one.
    fn ending_like(&self, name: &[u8]) -> &[Named] {
        let last = last_part(name);
        let start = self.named.partition_point(|line| last_part(&line.name) < last);
        let count = self.named[start..].partition_point(|line| last_part(&line.name) == last);
        &self.named[start..start + count]
    }
}

impl Named {
    fn fit(&self, name: &[u8]) -> Option<Fit> {
        match self.name.strip_suffix(name)? {
            b"" | b"./" => Some(Fit::Whole),
            [.., b'/' | b'\\'] => Some(Fit::Below),
            _ => None,
        }
    }
}

/// What follows the last separator of a path, as any system writes it.
fn last_part(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default()
}

/// A line's digest, and the name that it is of, if it says one.
fn line(line: &[u8]) -> Option<(Digest, Option<Vec<u8>>)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Written so where the name has escapes.
    let (is_escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, name) = with_name_last(line).or_else(|| with_name_first(line))?;
    Some((digest, name.map(|name| if is_escaped { unescaped(name) } else { name.to_vec() })))
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
