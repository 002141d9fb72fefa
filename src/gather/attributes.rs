//! What a source says of an attempt, by OpenTelemetry's names: [`Attributes`]. Not here: which names a kind of source
//! uses (`sources`).

#[cfg(test)]
mod tests;

use super::event::Clean;
use std::borrow::Cow;
#[cfg(feature = "plan")]
use std::collections::BTreeMap;

/// The most attributes of one attempt. More are left out.
pub const ATTRIBUTES: usize = 32;
/// The longest text of an attribute, in bytes. Longer ones are cut.
pub const ATTRIBUTE_LENGTH: usize = 1024;

/// As many as most attempts have, and some to spare: one allocation for them all.
const USUAL: usize = 6;

/// Names and values, at most [`ATTRIBUTES`], by name. Written as a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "plan", derive(serde::Deserialize), serde(from = "BTreeMap<String, AttributeValue>"))]
// Many are kept, each with a few: a tree's first node alone has room for eleven.
pub struct Attributes(Vec<(Cow<'static, str>, AttributeValue)>);

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
        match self.find(&name) {
            Ok(at) => self.0[at].1 = value.into(),
            Err(at) if self.0.len() < ATTRIBUTES => {
                if self.0.is_empty() {
                    self.0.reserve(USUAL);
                }
                self.0.insert(at, (name, value.into()));
            }
            Err(_) => {}
        }
    }

    /// An attribute's value.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    /// Where a name is, or belongs.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Cleans texts that are too long, and cuts them then: half a secret at the cut would not be found.
    pub(super) fn bound(&mut self, clean: Option<&Clean>) {
        for text in self.texts().filter(|text| text.len() > ATTRIBUTE_LENGTH) {
            clean.inspect(|clean| clean.text(text));
            text.truncate(text.floor_char_boundary(ATTRIBUTE_LENGTH));
        }
    }

    /// Cleans all texts.
    pub(super) fn clean(&mut self, clean: &Clean) {
        self.texts().for_each(|text| clean.text(text));
    }

    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        self.0.iter_mut().filter_map(|(_, value)| match value {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Number(_) => None,
        })
    }
}

#[cfg(feature = "plan")]
impl serde::Serialize for Attributes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(feature = "plan")]
impl From<BTreeMap<String, AttributeValue>> for Attributes {
    fn from(map: BTreeMap<String, AttributeValue>) -> Attributes {
        Attributes(map.into_iter().map(|(name, value)| (name.into(), value)).collect())
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
