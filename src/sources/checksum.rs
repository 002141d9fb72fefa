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
mod tests {
    use super::*;
    use crate::expr::Globals;
    use serde_json::json;

    const HEX: &str = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn wrong(value: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let table = Table::parse(&format!("sha256 = '{value}'")).unwrap();
        Checksum::check(Some(&Template::parse(value).unwrap()), &table, &mut problems);
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn what_is_written_out_is_looked_at_before_the_run() {
        let none: Vec<String> = Vec::new();
        assert_eq!((wrong(HEX), wrong("${{ item.sum }}")), (none.clone(), none));
        assert_eq!(wrong(&HEX[1..]), ["`sha256` must be 64 hexadecimal digits, and has 63"]);
        assert_eq!(wrong(&HEX[..32]), ["`sha256` must be 64 hexadecimal digits, and has 32"]);
        assert_eq!(wrong(""), ["`sha256` must be 64 hexadecimal digits, and has 0"]);
        assert_eq!(
            wrong(&format!("sha256:{HEX}")),
            ["`sha256` must be 64 hexadecimal digits, and 's' is none"]
        );
        assert!(wrong("${{ secrets.sum }}")[0].starts_with("`sha256` can't hold a secret"));
    }

    #[test]
    fn what_an_item_says_is_looked_at_when_it_is_known() {
        let of = |sum: &str| {
            let scope = Scope::new(Arc::new(Globals::default())).with_item(json!({ "sum": sum }));
            Checksum::of(&Template::parse("${{ item.sum }}").unwrap(), &scope)
        };
        let checksum = of(&format!(" {HEX}\t")).unwrap();
        assert_eq!((checksum.digest.to_string(), &*checksum.said_by), (HEX.to_lowercase(), "`sha256`"));
        let error = of("").unwrap_err();
        assert_eq!((error.code, error.advice.again), ("expression", false));
        assert!(error.message.contains("has 0"), "{error}");
    }
}
