//! What can go wrong on a running SFTP session, and what it is called towards `gather`. Not here: connecting and
//! logging in (`connect`, `auth`, `known_hosts`).

use super::codec::{Malformed, status};
use crate::gather::Advice;
use crate::sources::SourceError;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server said no: its code and words.
    Status {
        /// The protocol's number.
        code: u32,
        /// The server's own words, perhaps none.
        message: String,
    },
    /// The server broke the protocol, for this request alone.
    Protocol(&'static str),
    /// The session is over: why. Everything in flight on it ends with the same fault.
    Lost(Lost),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The link broke, or the server went away.
    Link(Arc<str>),
    /// The server sends something that is not SFTP, or offers no SFTP: it would do so again.
    NoSftp(Arc<str>),
}

impl From<Malformed> for Lost {
    fn from(Malformed(what): Malformed) -> Lost {
        Lost::Link(format!("the server sent {what}").into())
    }
}

impl Lost {
    /// The error of whatever was in flight at `target`.
    pub(super) fn error(&self, target: &str) -> SourceError {
        match self {
            Lost::Link(why) => SourceError::new("connect", format!("{target}: connection lost: {why}"))
                .advice(Advice::SOURCE_AGAIN),
            Lost::NoSftp(why) => {
                SourceError::new("connect", format!("{target}: no sftp: {why}")).advice(Advice::SOURCE_NEVER)
            }
        }
    }
}

impl Fault {
    /// The error of doing `what` (`open`, `read`) to `path` at `target`.
    pub(super) fn error(&self, target: &str, what: &str, path: &[u8]) -> SourceError {
        match self {
            Fault::Lost(lost) => lost.error(target),
            Fault::Protocol(why) => {
                SourceError::new("protocol", format!("{target}{}: {what}: {why}", shown(path)))
            }
            Fault::Status { code, message } => {
                let (name, words, advice) = meaning(*code);
                let words = if message.is_empty() { words } else { &without_controls(message) };
                let number = if (1..=8).contains(code) { String::new() } else { format!(" (status {code})") };
                let message = format!("{target}{}: {what}: {words}{number}", shown(path));
                SourceError::new(name, message).advice(advice)
            }
        }
    }

    /// Whether the server said that there is no such file.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Fault::Status { code: status::NO_SUCH_FILE, .. })
    }
}

/// A status code's name for programs, its words, and whether trying again may help.
fn meaning(code: u32) -> (&'static str, &'static str, Advice) {
    match code {
        status::EOF => ("sftp", "unexpected end", Advice::AGAIN),
        status::NO_SUCH_FILE => ("not_found", "no such file", Advice::NEVER),
        status::PERMISSION_DENIED => ("permission", "permission denied", Advice::NEVER),
        status::FAILURE => ("sftp", "failure", Advice::AGAIN),
        status::NO_CONNECTION | status::CONNECTION_LOST => {
            ("sftp", "the server lost its connection", Advice::AGAIN)
        }
        _ => ("sftp", "refused", Advice::NEVER),
    }
}

/// A path or name as text for people, and as a key: no two paths have the same.
pub(super) fn shown(path: &[u8]) -> String {
    // Most are plain, and listings have hundreds of thousands of them.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    if path.iter().all(is_plain) {
        return String::from_utf8_lossy(path).into_owned();
    }
    let escaped = path.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'\\' { 2 } else { 1 }));
    crate::output::shown(OsString::from_vec(escaped.collect()))
}

/// The path or name that is [`shown`] as this text.
pub(super) fn unshown(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = match unescaped(escape) {
            Some((escaped, after)) => {
                bytes.extend(escaped);
                after
            }
            None => {
                bytes.push(b'\\');
                escape
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What an escape, of which this is all but the first character, stands for, and what follows it.
fn unescaped(escape: &str) -> Option<(Vec<u8>, &str)> {
    let plain = |letter: u8| Some((vec![letter], &escape[1..]));
    match escape.as_bytes().first()? {
        b'\\' => plain(b'\\'),
        b'n' => plain(b'\n'),
        b'r' => plain(b'\r'),
        b't' => plain(b'\t'),
        b'x' => Some((vec![u8::from_str_radix(escape.get(1..3)?, 16).ok()?], &escape[3..])),
        b'u' => {
            let (number, after) = escape.strip_prefix("u{")?.split_once('}')?;
            let letter = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
            Some((letter.to_string().into_bytes(), after))
        }
        _ => None,
    }
}

/// A server's own words, on one line, cut at a length that is still a message.
fn without_controls(message: &str) -> String {
    const LONGEST: usize = 200;
    message.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST).collect()
}
