//! Names from servers and from data, made safe to be one component of a path, and safe to be shown.
//! Not here: opening what they name (`beneath`).

use super::temp::LONGEST;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Why a name from a server or a value cannot be a component of an output path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing.
    #[error("an empty name is refused")]
    Empty,
    /// `.` or `..`.
    #[error("the name {0:?} is refused: it means another folder")]
    Dots(String),
    /// A `/` or a `\`.
    #[error("the name \"{0}\" is refused: it holds a {1:?}")]
    Separator(String, char),
    /// A NUL or another control character.
    #[error("the name \"{0}\" is refused: it holds a control character")]
    Control(String),
    /// Longer than any file's.
    #[error("a name of {0} bytes is refused: no file has one that long")]
    Long(usize),
}

/// Takes a name that a server gave as one component of a path, byte for byte. Refused: `/ \ NUL . ..`, nothing,
/// control characters, and more than 255 bytes. Bytes that are not UTF-8 stay.
pub fn server_name(name: &[u8]) -> Result<OsString, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > LONGEST {
        return Err(NameError::Long(name.len()));
    }
    if matches!(name, b"." | b"..") {
        return Err(NameError::Dots(shown(OsStr::from_bytes(name))));
    }
    if let Some(&separator) = name.iter().find(|byte| matches!(byte, b'/' | b'\\')) {
        return Err(NameError::Separator(shown(OsStr::from_bytes(name)), separator.into()));
    }
    if name.utf8_chunks().any(|chunk| chunk.valid().chars().any(char::is_control)) {
        return Err(NameError::Control(shown(OsStr::from_bytes(name))));
    }
    Ok(OsString::from_vec(name.to_vec()))
}

/// Makes a value from data fit to stand in an output path as one component or a piece of one: `/` and control
/// characters are percent-encoded. Refused: `.` and `..`. Nothing stays nothing, as in `${{ prefix }}sales.csv`.
pub fn component(value: &str) -> Result<String, NameError> {
    if matches!(value, "." | "..") {
        return Err(NameError::Dots(value.to_owned()));
    }
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        if letter != '/' && !letter.is_control() {
            text.push(letter);
            continue;
        }
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            write!(text, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    Ok(text)
}

/// A name or path for messages: control characters, marks that turn the direction of text, and bytes that are not
/// UTF-8 are escaped, so that it can neither drive a terminal nor pass for another name.
pub fn shown(name: impl AsRef<OsStr>) -> String {
    let mut text = String::new();
    for chunk in name.as_ref().as_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() || turns_text(letter) {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("writing to a string does not fail");
        }
    }
    text
}

/// Whether a character changes the direction or the lines of the text around it.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
