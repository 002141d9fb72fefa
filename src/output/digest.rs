//! Digests of outputs: what their bytes are known by. Not here: who says what a digest must be (`sources`), and what
//! follows if it is another (`run`).

use aws_lc_rs::digest::{Context, SHA256};
use md5::{Digest as _, Md5};
use std::fmt;

/// How a digest is computed, the weaker first. MD5 tells damage, and not whether somebody meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 1321.
    Md5,
    /// FIPS 180-4.
    Sha256,
}

/// A digest. Shown in lower case, as `sha256sum` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// 16 bytes.
    Md5([u8; 16]),
    /// 32 bytes.
    Sha256([u8; 32]),
}

impl Digest {
    /// Reads hexadecimal digits of either case. Their number says which digest it is; none if it is neither.
    pub fn of_hex(hex: &str) -> Option<Digest> {
        match hex.len() {
            32 => bytes(hex).map(Digest::Md5),
            64 => bytes(hex).map(Digest::Sha256),
            _ => None,
        }
    }

    /// How it is computed.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Digest::Md5(_) => Algorithm::Md5,
            Digest::Sha256(_) => Algorithm::Sha256,
        }
    }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Digest::Md5(bytes) => bytes,
            Digest::Sha256(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha256 => "sha256",
        })
    }
}

/// A digest on its way.
pub(super) enum Hashing {
    Md5(Md5),
    Sha256(Context),
}

impl Hashing {
    /// Of nothing yet.
    pub(super) fn new(algorithm: Algorithm) -> Hashing {
        match algorithm {
            Algorithm::Md5 => Hashing::Md5(Md5::new()),
            Algorithm::Sha256 => Hashing::Sha256(Context::new(&SHA256)),
        }
    }

    /// The bytes that follow.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        match self {
            Hashing::Md5(md5) => md5.update(bytes),
            Hashing::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// Of all that was added.
    pub(super) fn end(self) -> Digest {
        match self {
            Hashing::Md5(md5) => Digest::Md5(md5.finalize().into()),
            Hashing::Sha256(sha256) => {
                let digest = sha256.finish();
                Digest::Sha256(std::array::from_fn(|at| digest.as_ref()[at]))
            }
        }
    }
}

#[cfg(test)]
mod tests;
