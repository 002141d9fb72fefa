//! From a table of the plan to a struct, through serde: every key by itself, and again without what was wrong in it, so
//! that all mistakes are found at once, in plain words and with their places.

use super::table::{Data, Entry, Node, Table};
use super::visit::AS_WRITTEN;
use super::wrong::{ReadError, one_of};
use super::{Problem, suggest};
use serde::de::value::{MapAccessDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::ops::Range;

/// The most mistakes of one value that are told: more are no help.
const MOST_MISTAKES: usize = 100;

impl Table {
    /// Reads the table into a struct whose fields are all optional or have defaults (`#[serde(default)]`). All that is
    /// wrong is told: unknown keys (with a suggestion), wrong types, expressions where there can be none. What is wrong
    /// is left out of the struct, and its key [is wrong](Table::is_wrong) from then on. `known` are the struct's keys.
    pub fn read<T: DeserializeOwned + Default>(&mut self, known: &[&str], problems: &mut Vec<Problem>) -> T {
        let mut good = Table::empty(self.span());
        for (key, entry) in &mut self.entries {
            if !known.contains(&key.as_str()) {
                let problem = Problem::new(entry.key.clone(), format!("unknown key `{key}`"));
                problems.push(problem.hint(suggest(key, known.iter().copied())));
                entry.node.data = Data::Wrong(None);
                continue;
            }
            let mut alone = Table::empty(good.span());
            alone.entries.insert(key.clone(), entry.clone());
            if alone.try_out::<T>(problems).is_none() {
                entry.node.data = Data::Wrong(None);
            }
            good.entries.extend(alone.entries);
        }
        good.try_out(problems).unwrap_or_default()
    }

    /// Reads the table; or tells all that is wrong with it, each time taking out what was told and reading again.
    fn try_out<T: DeserializeOwned>(&mut self, problems: &mut Vec<Problem>) -> Option<T> {
        let mut right = true;
        for _ in 0..MOST_MISTAKES {
            let error = match T::deserialize(Reader { from: From::Table(self), as_written: false }) {
                Ok(value) => return right.then_some(value),
                Err(error) => error,
            };
            right = false;
            let told = error.told;
            let problem = error.problem(self.span());
            let gone = self.take_out(&problem.span);
            problems.extend((!told).then_some(problem));
            if !gone {
                break;
            }
        }
        self.entries.clear();
        None
    }

    /// Takes out what stands at a place.
    fn take_out(&mut self, place: &Range<usize>) -> bool {
        let at = self.entries.values().position(|entry| entry.key == *place || entry.node.span == *place);
        match at {
            Some(at) => self.entries.shift_remove_index(at).is_some(),
            None => self.entries.values_mut().any(|entry| entry.node.take_out(place)),
        }
    }
}

impl Node {
    /// Reads this one value. `key` names it in the message of a mistake.
    pub fn read<T: DeserializeOwned>(&self, key: &str, problems: &mut Vec<Problem>) -> Option<T> {
        let entry = Entry { key: self.span.clone(), node: self.clone() };
        let mut table = Table::empty(self.span.clone());
        table.entries.insert(key.to_owned(), entry);
        let mut values: HashMap<String, T> = table.try_out(problems)?;
        values.remove(key)
    }

    fn take_out(&mut self, place: &Range<usize>) -> bool {
        match &mut self.data {
            Data::Table(table) => table.take_out(place),
            Data::List(items) => match items.iter().position(|item| item.span == *place) {
                Some(at) => items.splice(at..=at, []).next().is_some(),
                None => items.iter_mut().any(|item| item.take_out(place)),
            },
            Data::Text(..) | Data::Scalar(_) | Data::Wrong(_) => false,
        }
    }
}

/// A value as serde sees it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    from: From<'a>,
    /// Whether strings are wanted as they are written, for templates to read.
    as_written: bool,
}

#[derive(Clone, Copy)]
enum From<'a> {
    Node(&'a Node),
    Table(&'a Table),
}

impl<'a> Reader<'a> {
    fn node(self, node: &'a Node) -> Reader<'a> {
        Reader { from: From::Node(node), ..self }
    }

    /// The value that stands for this one once what is known before the run is filled in.
    fn filled_in(self) -> Reader<'a> {
        match self.from {
            From::Node(Node { data: Data::Text(_, Some(value)), .. }) if !self.as_written => self.node(value),
            _ => self,
        }
    }

    fn span(self) -> Option<Range<usize>> {
        match self.from {
            From::Node(node) => Some(node.span.clone()),
            From::Table(_) => None,
        }
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.from {
            From::Table(table) => visitor.visit_map(Entries::new(table, self)),
            From::Node(node) => match &node.data {
                Data::Table(table) => visitor.visit_map(Entries::new(table, self)),
                Data::List(items) => {
                    visitor.visit_seq(SeqDeserializer::new(items.iter().map(|item| self.node(item))))
                }
                Data::Scalar(scalar) => visit_scalar(scalar, visitor),
                Data::Wrong(_) => Err(ReadError::told()),
                Data::Text(template, _) => match template.literal().filter(|_| !self.as_written) {
                    Some(text) => visitor.visit_str(text),
                    None => visitor.visit_string(template.source()),
                },
            },
        }
    }

    /// For what has to be known before the run.
    fn visit_known<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.from {
            From::Node(Node { data: Data::Text(template, _), .. }) if !self.as_written => {
                match template.late() {
                    Some(name) => {
                        Err(ReadError::new(format!("can't use `{name}`: it is read before the plan runs")))
                    }
                    None => self.visit(visitor),
                }
            }
            _ => self.visit(visitor),
        }
    }
}

fn visit_scalar<'de, V: Visitor<'de>>(scalar: &Json, visitor: V) -> Result<V::Value, ReadError> {
    match scalar {
        Json::Bool(boolean) => visitor.visit_bool(*boolean),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => visitor.visit_i64(integer),
            (None, float) => visitor.visit_f64(float.unwrap_or(f64::NAN)),
        },
        _ => visitor.visit_unit(),
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let reader = self.filled_in();
        reader.visit_known(visitor).map_err(|error| error.at(reader.span()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let as_written = self.as_written || name == AS_WRITTEN;
        visitor.visit_newtype_struct(Reader { as_written, ..self }).map_err(|error| error.at(self.span()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let reader = self.filled_in();
        let outcome = match reader.from {
            From::Table(table) | From::Node(Node { data: Data::Table(table), .. }) => {
                match table.keys().as_slice() {
                    [only] if variants.contains(only) => {
                        visitor.visit_enum(MapAccessDeserializer::new(Entries::new(table, reader)))
                    }
                    _ => Err(one_of(variants, "a table")),
                }
            }
            From::Node(Node { data: Data::Wrong(_), .. }) => Err(ReadError::told()),
            From::Node(node) => match node.text() {
                Some(text) => visitor.visit_enum(StrDeserializer::new(text)),
                None => Err(one_of(variants, node.kind())),
            },
        };
        outcome.map_err(|error| error.at(reader.span()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for Reader<'_> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// The entries of a table, one after another.
struct Entries<'a> {
    table: &'a Table,
    reader: Reader<'a>,
    next: usize,
}

impl<'a> Entries<'a> {
    fn new(table: &'a Table, reader: Reader<'a>) -> Entries<'a> {
        Entries { table, reader, next: 0 }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, entry)) = self.table.entries.get_index(self.next) else { return Ok(None) };
        let read = seed.deserialize(StrDeserializer::<ReadError>::new(key));
        read.map(Some).map_err(|error| error.at(Some(entry.key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, entry)) = self.table.entries.get_index(self.next) else {
            return Err(ReadError::new("a key without a value".to_owned()));
        };
        self.next += 1;
        seed.deserialize(self.reader.node(&entry.node))
            .map_err(|error| error.within(key).at(Some(entry.key.clone())))
    }
}
