//! Texts that come again and again are written once and named by number: [`Texts`]. Not here: texts that are
//! different for each item.

use crate::report::{Style, text};
use serde::Serialize;
use std::collections::HashMap;

/// The number of a text; 0 is no text.
pub(super) type Number = u32;

/// All texts so far, by number.
#[derive(Debug)]
pub(super) struct Texts {
    list: Vec<String>,
    numbers: HashMap<String, Number>,
}

impl Texts {
    /// The one with number 0 alone.
    pub(super) fn new() -> Texts {
        Texts { list: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }

    /// The text's number.
    pub(super) fn number(&mut self, text: &str) -> Number {
        let shown = shown(text);
        let next = self.list.len() as Number;
        *self.numbers.entry(shown).or_insert_with_key(|shown| {
            self.list.push(shown.clone());
            next
        })
    }

    /// The number of a text that may not be there.
    pub(super) fn perhaps(&mut self, text: Option<&str>) -> Number {
        text.map_or(0, |text| self.number(text))
    }
}

impl Serialize for Texts {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(to)
    }
}

/// A name as it may be shown, in one line: what would hide or reorder text, or break its line, is made visible.
pub(super) fn name(text: &str) -> String {
    text::escape(text, &Style::default()).into_owned()
}

/// The text as it may be shown: what would hide or reorder text is made visible. Its line breaks stay.
pub(super) fn shown(text: &str) -> String {
    text::escape_lines(text, &Style::default())
}
