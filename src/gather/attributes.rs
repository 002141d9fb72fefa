//! What a source says of an attempt, by OpenTelemetry's names: [`Attributes`]. Not here: which names a kind of source
//! uses (`sources`).

#[cfg(test)]
mod tests;

use super::event::Clean;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most attributes of one attempt. More are left out.
pub const ATTRIBUTES: usize = 32;
/// The longest text of an attribute, in bytes. Longer ones are cut.
pub const ATTRIBUTE_LENGTH: usize = 1024;

/// Names and values, at most [`ATTRIBUTES`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Attributes(BTreeMap<Cow<'static, str>, AttributeValue>);

/// What an attribute can be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
pub enum AttributeValue {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Attributes {
    /// Sets an attribute, in place of one of the same name.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<AttributeValue>) {
        let name = name.into();
        if self.0.len() < ATTRIBUTES || self.0.contains_key(&name) {
            self.0.insert(name, value.into());
        }
    }

    /// An attribute's value.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over others: their texts first cleaned, then cut, as half a secret at the cut would not be found.
    pub(super) fn take_over(&mut self, others: Attributes, clean: Option<&Clean>) {
        for (name, mut value) in others.0 {
            if let (AttributeValue::Text(text), Some(clean)) = (&mut value, clean) {
                clean.text(text);
            }
            self.set(name, value.cut());
        }
    }
}

impl AttributeValue {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Number(_) => None,
        }
    }

    fn cut(mut self) -> AttributeValue {
        if let AttributeValue::Text(text) = &mut self {
            text.truncate(text.floor_char_boundary(ATTRIBUTE_LENGTH));
        }
        self
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> AttributeValue {
        AttributeValue::Text(text)
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> AttributeValue {
        AttributeValue::Text(text.to_owned())
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> AttributeValue {
        AttributeValue::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for AttributeValue {
    fn from(number: u32) -> AttributeValue {
        AttributeValue::Number(number.into())
    }
}

impl From<u16> for AttributeValue {
    fn from(number: u16) -> AttributeValue {
        AttributeValue::Number(number.into())
    }
}
