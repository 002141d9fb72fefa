//! Texts that come again and again are written once and named by number: [`Texts`]. All texts of the page are bounded
//! together. Not here: which texts there are.

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

    /// Shortens the longest until all together have at most so many letters. Returns how many each may have at most, if
    /// not all.
    pub(super) fn bound(&mut self, most: usize) -> Option<usize> {
        bound(&mut self.list, most)
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

/// Leaves out the middle of the longest texts until all together have at most so many letters, but for one of each text.
/// Returns how many each may have at most, if not all.
pub(super) fn bound(texts: &mut [String], most: usize) -> Option<usize> {
    let mut lengths: Vec<_> = texts.iter().map(|text| letters(text)).collect();
    lengths.sort_unstable();
    let mut left = most;
    let each = lengths.iter().enumerate().find_map(|(at, length)| {
        let each = left / (lengths.len() - at);
        left = left.saturating_sub(*length);
        (*length > each).then_some(each.max(1))
    })?;
    texts.iter_mut().for_each(|text| shorten(text, each));
    Some(each)
}

pub(super) fn letters(text: &str) -> usize {
    text.chars().count()
}

/// Texts differ at their ends.
fn shorten(text: &mut String, most: usize) {
    let whole = letters(text);
    if whole > most {
        let end = (most - 1) / 2;
        let start = text.chars().take(most - 1 - end);
        *text = start.chain(['…']).chain(text.chars().skip(whole - end)).collect();
    }
}
