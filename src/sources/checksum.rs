//! What the bytes of a result must be, and who says so; and the key `sha256`, by which a plan does. Not here: digests
//! themselves (`output`), where they are compared (`run`), and how a server says them.

use super::{Problems, SourceError};
use crate::expr::{Problem, Scope, Table, Template};
use crate::output::{Algorithm, Digest};
use std::sync::Arc;

/// A digest that a result must have.
#[derive(Debug, Clone)]
pub struct Checksum {
    /// What it is.
    pub digest: Digest,
    /// Who says so, for errors: `` `sha256` ``, or the name of a file at the server.
    pub said_by: Arc<str>,
}

/// A job's key: `sha256 = "64 hexadecimal digits"`, perhaps of each item (`${{ item.sha256 }}`).
const KEY: &str = "sha256";

impl Checksum {
    /// Checks the key, in the keys of a job: it holds no secret, and what is written out is a digest.
    pub fn check(sha256: Option<&Template>, table: &Table, problems: &mut Problems) {
        table.refuse_secrets(&[KEY], problems);
        if let Some(Err(why)) = sha256.and_then(Template::literal).map(read) {
            problems.push(Problem::new(table.key_span(KEY), why));
        }
    }

    /// What the key says of one item.
    pub fn of(sha256: &Template, scope: &Scope) -> Result<Checksum, SourceError> {
        let text = sha256.text(scope).map_err(|error| format!("`{KEY}`: {}", error.message));
        let digest = text.and_then(|text| read(&text)).map_err(|why| SourceError::new("expression", why))?;
        Ok(Checksum { digest, said_by: format!("`{KEY}`").into() })
    }
}

/// Columns of tables may have spaces around their values.
fn read(text: &str) -> Result<Digest, String> {
    let text = text.trim();
    let digest = Digest::of_hex(text).filter(|digest| digest.algorithm() == Algorithm::Sha256);
    digest.ok_or_else(|| match text.chars().find(|letter| !letter.is_ascii_hexdigit()) {
        Some(letter) => format!("`{KEY}` must be 64 hexadecimal digits, and {letter:?} is none"),
        None => format!("`{KEY}` must be 64 hexadecimal digits, and has {}", text.len()),
    })
}

#[cfg(test)]
mod tests;
