//! How templates and trees are read: strings as they are written, so that they are parsed once.

use super::template::Template;
use super::tree::{Shape, Tree};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use std::fmt;

/// The name under which templates and trees ask for strings as they are written.
pub(crate) const AS_WRITTEN: &str = "$fanout::as_written";

/// Reads a template: from a string as it is written, or from a number or boolean that stands for its text.
pub(super) struct TemplateVisitor;

impl<'de> Visitor<'de> for TemplateVisitor {
    type Value = Template;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Template, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, source: &str) -> Result<Template, E> {
        Template::parse(source).map_err(E::custom)
    }

    fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<Template, E> {
        Ok(Template::of_scalar(boolean.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Template, E> {
        Ok(Template::of_scalar(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Template, E> {
        Ok(Template::of_scalar(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Template, E> {
        Ok(Template::of_scalar(number.into()))
    }
}

/// Reads a tree: whatever there is, with templates for leaves.
pub(super) struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree { shape: Shape::List(list) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Tree { shape: Shape::Table(table) })
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree { shape: Shape::Leaf(Template::of_scalar(Json::Null)) })
    }

    fn visit_str<E: de::Error>(self, source: &str) -> Result<Tree, E> {
        TemplateVisitor.visit_str(source).map(leaf)
    }

    fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<Tree, E> {
        TemplateVisitor.visit_bool(boolean).map(leaf)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Tree, E> {
        TemplateVisitor.visit_i64(number).map(leaf)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Tree, E> {
        TemplateVisitor.visit_u64(number).map(leaf)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Tree, E> {
        TemplateVisitor.visit_f64(number).map(leaf)
    }
}

fn leaf(template: Template) -> Tree {
    Tree { shape: Shape::Leaf(template) }
}
