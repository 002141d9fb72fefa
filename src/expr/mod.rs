//! Tables of the plan and the expressions in them: a spanned tree, `${{ .. }}` in its strings, and the scope that fills
//! them in. Parsed once, substituted on the tree; nothing is ever parsed again. Not here: what the keys mean.

pub(crate) mod dates;
mod encode;
mod engine;
mod names;
mod parse;
mod read;
mod result;
mod scope;
mod substitute;
mod table;
mod template;
mod tree;
mod visit;
mod wrong;

#[cfg(test)]
mod tests;

pub use result::{JobResult, Kept};
pub use scope::{Globals, Scope};
pub use substitute::Known;
pub use table::{Data, Node, Table};
pub use template::Template;
pub use tree::Tree;
pub(crate) use visit::AS_WRITTEN;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A mistake in a plan: where it is, in bytes of the plan's text, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Range<usize>,
    /// What, lower case and without a full stop; a hint follows on a line of its own in parentheses.
    pub message: String,
}

impl Problem {
    /// A mistake without a hint.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into() }
    }

    /// The same mistake with a hint on a line of its own; an empty hint changes nothing.
    pub fn hint(self, hint: impl AsRef<str>) -> Problem {
        Problem { message: with_hint(self.message, hint.as_ref()), ..self }
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// What is wrong, with the expression's text.
    pub message: String,
}

impl ExprError {
    pub(crate) fn new(message: impl Into<String>) -> ExprError {
        ExprError { message: message.into() }
    }

    pub(crate) fn hint(self, hint: &str) -> ExprError {
        ExprError { message: with_hint(self.message, hint) }
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExprError {}

fn with_hint(message: String, hint: &str) -> String {
    if hint.is_empty() { message } else { format!("{message}\n  ({hint})") }
}

/// A text of at most so many letters, for messages: of a longer one the start and the end, with `…` between.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let letters = text.chars().count();
    if letters <= most {
        return Cow::Borrowed(text);
    }
    let (start, end) = (most - most / 4 - 1, most / 4);
    let start = text.chars().take(start);
    Cow::Owned(start.chain(['…']).chain(text.chars().skip(letters - end)).collect())
}

/// The one of `known` that a name which is none of them is likely meant to be.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = |other: &str| strsim::damerau_levenshtein(name, other);
    let near = |distance: usize, other: &str| {
        distance <= (other.len().max(name.len()) / 3).max(1) && distance < other.len()
    };
    let found = known.into_iter().map(|other| (far(other), other)).filter(|(far, other)| near(*far, other));
    found.min_by_key(|(far, _)| *far).map(|(_, other)| other)
}

/// The one of `known` from which a name differs by no more than a slip of the finger: a letter too many, too few or wrong,
/// or two in the wrong order.
pub fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(name, known).filter(|other| strsim::damerau_levenshtein(name, other) == 1)
}

/// The hint for a name that is not one of `known`: the likeliest one, or else all of them. Empty if there are none.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.dedup();
    match nearest(name, known.iter().copied()) {
        Some(other) => format!("did you mean `{other}`?"),
        None if known.is_empty() || known.len() > MOST_LISTED => String::new(),
        None => format!("known: {}", known.join(", ")),
    }
}

/// More names than this are no help.
const MOST_LISTED: usize = 40;
