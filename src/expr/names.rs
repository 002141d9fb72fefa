//! Which names an expression looks at: `vars.day`, `jobs["a-b"].rows`. Read from its text, beside the compiler, for
//! suggestions and for what waits for what. Not here: whether the expression is well formed (the compiler knows).

use super::engine::ROOTS;
use super::scope::Scope;
use super::suggest;
use minijinja::Value;
use minijinja::value::ValueKind;

/// The most names of a value that are looked at for a suggestion.
const MOST_NAMES: usize = 100;

/// A root and the names that follow it, as far as they are written outright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: &'static str,
    pub(super) names: Vec<String>,
}

impl Path {
    /// The part of the path that has no value, if there is one, and a hint.
    pub(super) fn undefined(&self, scope: &Scope) -> Option<(String, String)> {
        let mut value = scope.context().get_attr(self.root).ok().filter(|value| !value.is_undefined());
        let mut shown = self.root.to_owned();
        for name in &self.names {
            let Some(here) = value else { break };
            shown = format!("{shown}.{name}");
            value = here.get_attr(name).ok().filter(|value| !value.is_undefined());
            if value.is_none() {
                return Some((shown, beside(&here, name)));
            }
        }
        let hint = match self.root {
            "item" => "only jobs with `for_each`, and those that list, have items",
            "jobs" => "results of jobs are known only while a plan runs",
            "secrets" => "secrets can be used only where a secret may stand",
            _ => "",
        };
        value.is_none().then(|| (shown, hint.to_owned()))
    }
}

/// The hint for a name that a value does not have: the names it has, or that it has none.
fn beside(value: &Value, name: &str) -> String {
    let what = match value.kind() {
        ValueKind::Map => {
            let names = value.try_iter().into_iter().flatten().take(MOST_NAMES);
            let names: Vec<String> = names.filter_map(|key| key.as_str().map(str::to_owned)).collect();
            return suggest(name, names.iter().map(String::as_str));
        }
        ValueKind::String => "a string",
        ValueKind::Number => "a number",
        ValueKind::Bool => "true or false",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        _ => "no table",
    };
    format!("what is before `.{name}` is {what}, and has no fields")
}

/// Every path that starts at one of the roots.
pub(super) fn paths(source: &str) -> Vec<Path> {
    let tokens = tokens(source);
    let mut paths: Vec<Path> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let member = at > 0 && matches!(tokens[at - 1], Token::Mark('.') | Token::Mark('|'));
        let keyword = matches!(tokens.get(at + 1), Some(Token::Mark('=')))
            && !matches!(tokens.get(at + 2), Some(Token::Mark('=')));
        if let Token::Name(name) = token
            && let Some(root) = ROOTS.iter().find(|root| *root == name)
            && !member
            && !keyword
        {
            let path = Path { root, names: members(&tokens[at + 1..]) };
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

/// Whether an expression is a name and nothing else.
pub(super) fn is_plain(source: &str) -> bool {
    source.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

/// The names of the filters.
pub(super) fn filters(source: &str) -> Vec<&str> {
    let tokens = tokens(source);
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [Token::Mark('|'), Token::Name(name)] => Some(*name),
        _ => None,
    });
    pairs.collect()
}

/// `.name` and `["name"]`, as long as they follow one another.
fn members(mut tokens: &[Token<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        match tokens {
            [Token::Mark('.'), Token::Name(name), rest @ ..] => {
                names.push((*name).to_owned());
                tokens = rest;
            }
            [Token::Mark('['), Token::Text(text), Token::Mark(']'), rest @ ..] => {
                names.push((*text).to_owned());
                tokens = rest;
            }
            _ => return names,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Name(&'a str),
    Text(&'a str),
    Mark(char),
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let length = quoted_length(rest, first);
                tokens.push(Token::Text(rest.get(1..length.saturating_sub(1)).unwrap_or("")));
                length
            }
            _ if first.is_alphanumeric() || first == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Name(&rest[..length]));
                length
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(Token::Mark(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// How many bytes a quoted text at the start takes, its quotes included.
pub(super) fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
