//! PostgreSQL's text form of arrays: made of a list of values for a parameter, and turned into a JSON array for a
//! result. Not here: what the elements mean (`cell`).

use serde_json::Value;

/// The array literal of a JSON list: each element quoted, nested lists nested.
pub(super) fn literal(elements: &[Value]) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match element {
            Value::Null => text.push_str("NULL"),
            Value::Array(inner) => text.push_str(&literal(inner)),
            Value::String(string) => quote(&mut text, string),
            other => quote(&mut text, &other.to_string()),
        }
    }
    text.push('}');
    text
}

fn quote(text: &mut String, element: &str) {
    text.push('"');
    for c in element.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

/// The JSON array of an array's text form; `element` writes one element that is not null. None for an array whose
/// subscripts do not begin at 1: JSON can't say that, so its text stays as it is.
pub(super) fn json(text: &str, delimiter: u8, element: &impl Fn(&mut String, &str)) -> Option<String> {
    let mut reader = Reader { text, at: 0, delimiter };
    let mut json = String::with_capacity(text.len() + 2);
    reader.array(&mut json, element)?;
    (reader.at == text.len()).then_some(json)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    delimiter: u8,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn array(&mut self, json: &mut String, element: &impl Fn(&mut String, &str)) -> Option<()> {
        if self.peek()? != b'{' {
            return None;
        }
        json.push('[');
        self.at += 1;
        while self.peek()? != b'}' {
            match self.peek()? {
                byte if byte == self.delimiter => {
                    json.push(',');
                    self.at += 1;
                }
                b'{' => self.array(json, element)?,
                b'"' => element(json, &self.quoted()?),
                _ => self.plain(json, element)?,
            }
        }
        self.at += 1;
        json.push(']');
        Some(())
    }

    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.text[self.at + 1..].char_indices();
        loop {
            match characters.next()? {
                (_, '\\') => value.push(characters.next()?.1),
                (offset, '"') => {
                    self.at += offset + 2;
                    return Some(value);
                }
                (_, c) => value.push(c),
            }
        }
    }

    fn plain(&mut self, json: &mut String, element: &impl Fn(&mut String, &str)) -> Option<()> {
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|byte| byte == self.delimiter || byte == b'}')?;
        match &rest[..end] {
            "NULL" => json.push_str("null"),
            value => element(json, value),
        }
        self.at += end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn strings(text: &str) -> Option<String> {
        json(text, b',', &|json, value| json.push_str(&Value::from(value).to_string()))
    }

    #[test]
    fn a_list_becomes_a_literal_that_quotes_what_has_a_meaning() {
        let list = json!(["a,b", "say \"hi\"", "back\\slash", null, "NULL", "", 1, [true, 2.5]]);
        let expected = r#"{"a,b","say \"hi\"","back\\slash",NULL,"NULL","","1",{"true","2.5"}}"#;
        assert_eq!(literal(list.as_array().unwrap()), expected);
    }

    #[test]
    fn the_text_of_an_array_becomes_json() {
        let text = r#"{a,"b,c","q\"q","back\\slash",NULL,"NULL",""}"#;
        assert_eq!(strings(text).unwrap(), r#"["a","b,c","q\"q","back\\slash",null,"NULL",""]"#);
        assert_eq!(strings("{{a,b},{c,d}}").unwrap(), r#"[["a","b"],["c","d"]]"#);
        assert_eq!(strings("{}").unwrap(), "[]");
    }

    #[test]
    fn arrays_with_other_subscripts_and_broken_text_are_left_alone() {
        for text in ["[0:1]={a,b}", "{a", "{\"a", "", "{a}b", "{\"a\\"] {
            assert_eq!(strings(text), None, "{text}");
        }
    }
}
