//! Secrets: one type without Debug or Display, where they come from, and the one place that removes them from text.
//! Not here: where they are used (sources) and when they are fetched (`run`).

mod command;
mod forms;
mod redact;
mod reference;

#[cfg(test)]
mod tests;

pub use command::end_commands;
pub use redact::{Redactor, Writer};
pub use reference::{SecretRef, located};

use zeroize::Zeroizing;

/// The most bytes a secret may have.
const LARGEST: u64 = 1 << 20;

/// A text that must not be shown. Zeroed when dropped. No Debug, no Display, no Serialize.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes one.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one call that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
