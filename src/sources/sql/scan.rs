//! A scanner for SQL that knows just enough to find parameters: strings, quoted identifiers, comments, dollar quotes,
//! casts. It turns `:name` into numbered parameters and remembers where the text moved, so that a server's error
//! position can be told in the text as it was written. Not here: what a statement means (the server says).

use std::collections::BTreeSet;

/// Whose rules of quoting hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Dollar quotes, `E''` strings, nested comments; `?` is an operator.
    Postgres,
    /// Backtick and bracket quotes; `?` and `?1` are parameters.
    Sqlite,
}

impl Dialect {
    /// The database's name in OpenTelemetry's list of them.
    pub(super) fn system(self) -> &'static str {
        match self {
            Dialect::Postgres => "postgresql",
            Dialect::Sqlite => "sqlite",
        }
    }
}

/// A statement as it is sent, and how it got there from its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    source: String,
    text: String,
    names: Vec<String>,
    count: usize,
    moves: Vec<Move>,
}

/// From this place in the sent text on, the source is so many characters further (or nearer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    sent: usize,
    source: usize,
}

/// A place in the source, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Its line.
    pub(super) line: usize,
    /// Its column in characters.
    pub(super) column: usize,
    /// The line's text, shortened around the place if it is long.
    pub(super) text: &'a str,
}

/// The most characters of a line that an error shows before and after the place it speaks of.
const EXCERPT: usize = 60;

impl Statement {
    /// Reads a statement. With `named`, each `:name` is a parameter; else `$1` (and SQLite's `?`) are.
    pub(super) fn read(source: &str, dialect: Dialect, named: bool) -> Result<Statement, String> {
        let mut reader = Reader::new(source, dialect, named);
        reader.run();
        reader.finish()
    }

    /// What is sent.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The names of its parameters, in the order of their numbers. Empty for numbered parameters.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// How many parameters it takes.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether it is one of the statements that can be prepared, and run in a transaction.
    pub(super) fn is_plannable(&self) -> bool {
        let words = ["select", "insert", "update", "delete", "merge", "with", "values", "table"];
        let first = first_word(&self.source);
        words.iter().any(|word| first.eq_ignore_ascii_case(word))
    }

    /// What it does, as its first word says: `SELECT`. Nothing of its text beside that.
    pub(super) fn operation(&self) -> String {
        first_word(&self.source).to_ascii_uppercase()
    }

    /// Its first line with words in it, shortened.
    pub(super) fn summary(&self) -> String {
        let line = self.source.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        line.chars().take(EXCERPT).collect()
    }

    /// Where in the source the character number `position` (from 1) of the sent text is.
    pub(super) fn place(&self, position: usize) -> Option<Place<'_>> {
        let offset = self.source_offset(position.checked_sub(1)?);
        let byte = self.source.char_indices().nth(offset).map_or(self.source.len(), |(byte, _)| byte);
        let before = &self.source[..byte];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.source[byte..].find('\n').map_or(self.source.len(), |newline| byte + newline);
        let column = self.source[start..byte].chars().count() + 1;
        let line = before.matches('\n').count() + 1;
        Some(Place { line, column, text: excerpt(&self.source[start..end], column - 1) })
    }

    fn source_offset(&self, sent: usize) -> usize {
        let last = self.moves.iter().rev().find(|moved| moved.sent <= sent);
        last.map_or(sent, |moved| moved.source + (sent - moved.sent))
    }
}

/// The part of a line around one of its characters.
fn excerpt(line: &str, middle: usize) -> &str {
    let at = |n: usize| line.char_indices().nth(n).map_or(line.len(), |(byte, _)| byte);
    line[at(middle.saturating_sub(EXCERPT))..at(middle + EXCERPT)].trim()
}

/// The first word after spaces, comments and parentheses.
fn first_word(source: &str) -> &str {
    let mut reader = Reader::new(source, Dialect::Postgres, false);
    while let Some(byte) = reader.peek(0) {
        let skipped = byte.is_ascii_whitespace() || byte == b'(' || reader.at_comment();
        if !skipped {
            break;
        }
        if reader.at_comment() { reader.comment() } else { reader.at += 1 }
    }
    let rest = &source[reader.at..];
    &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())]
}

/// The scanner's state: everything before `copied` is in `text` already.
struct Reader<'a> {
    source: &'a str,
    dialect: Dialect,
    named: bool,
    at: usize,
    copied: usize,
    text: String,
    names: Vec<String>,
    numbers: BTreeSet<usize>,
    questions: usize,
    moves: Vec<Move>,
    ended: bool,
    problem: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, dialect: Dialect, named: bool) -> Reader<'a> {
        Reader {
            source,
            dialect,
            named,
            at: 0,
            copied: 0,
            text: String::with_capacity(source.len()),
            names: Vec::new(),
            numbers: BTreeSet::new(),
            questions: 0,
            moves: Vec::new(),
            ended: false,
            problem: None,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            if self.at_comment() {
                self.comment();
                continue;
            }
            if self.ended && !byte.is_ascii_whitespace() && byte != b';' {
                return self.fail("more than one statement (make a job of each)");
            }
            self.token(byte);
        }
    }

    fn token(&mut self, byte: u8) {
        let sqlite = self.dialect == Dialect::Sqlite;
        match byte {
            b'\'' => self.quoted(b'\'', !sqlite && self.after_escape_prefix()),
            b'"' => self.quoted(b'"', false),
            b'`' if sqlite => self.quoted(b'`', false),
            b'[' if sqlite => self.skip_past("]"),
            b'$' if !self.after_word() => self.dollar(),
            b'?' if sqlite => self.question(),
            b':' => self.colon(),
            b';' => self.end(),
            _ => self.at += 1,
        }
    }

    /// Between the quotes a doubled quote stands for itself; with `escapes` a backslash takes the next byte along.
    fn quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' if escapes => self.at += 1,
                _ if byte == quote && self.peek(0) == Some(quote) => self.at += 1,
                _ if byte == quote => return,
                _ => {}
            }
        }
        self.at = self.source.len();
    }

    fn at_comment(&self) -> bool {
        matches!((self.peek(0), self.peek(1)), (Some(b'-'), Some(b'-')) | (Some(b'/'), Some(b'*')))
    }

    fn comment(&mut self) {
        if self.peek(0) == Some(b'-') {
            return self.skip_past("\n");
        }
        let mut depth = 0;
        while self.at < self.source.len() {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) if depth == 0 || self.dialect == Dialect::Postgres => depth += 1,
                (Some(b'*'), Some(b'/')) => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// `$1`, or a dollar quote, `$$..$$` or `$tag$..$tag$`.
    fn dollar(&mut self) {
        let rest = &self.source[self.at + 1..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 {
            self.number(&rest[..digits]);
            self.at += 1 + digits;
            return;
        }
        let tag = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if self.dialect == Dialect::Postgres && rest[tag..].starts_with('$') {
            let quote = &self.source[self.at..self.at + tag + 2];
            self.at += quote.len();
            self.skip_past(quote);
        } else {
            self.at += 1;
        }
    }

    fn number(&mut self, digits: &str) {
        match digits.parse::<u16>() {
            Ok(number @ 1..) => drop(self.numbers.insert(usize::from(number))),
            _ => self.fail(&format!("parameter ${digits}: they are numbered from $1 to ${}", u16::MAX)),
        }
    }

    /// SQLite's `?` takes the next number, `?1` names one.
    fn question(&mut self) {
        let rest = &self.source[self.at + 1..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 {
            self.number(&rest[..digits]);
        } else {
            self.questions += 1;
        }
        self.at += 1 + digits;
    }

    /// `::` is a cast, `:=` an assignment, and a colon after a word, number or closing bracket an array's slice.
    fn colon(&mut self) {
        if matches!(self.peek(1), Some(b':' | b'=')) {
            self.at += 2;
            return;
        }
        let rest = &self.source[self.at + 1..];
        let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let is_name = rest.starts_with(|c: char| is_word(c) && !c.is_ascii_digit());
        if self.named && is_name && !self.after_operand() {
            let name = rest[..length].to_owned();
            self.replace(1 + length, name);
        } else {
            self.at += 1;
        }
    }

    /// Puts a numbered parameter in place of the next `length` bytes.
    fn replace(&mut self, length: usize, name: String) {
        let known = self.names.iter().position(|other| *other == name);
        let number = known.unwrap_or(self.names.len()) + 1;
        if known.is_none() {
            self.names.push(name);
        }
        self.text.push_str(&self.source[self.copied..self.at]);
        let sign = if self.dialect == Dialect::Sqlite { '?' } else { '$' };
        self.text.push_str(&format!("{sign}{number}"));
        self.at += length;
        self.copied = self.at;
        let source = self.source[..self.at].chars().count();
        self.moves.push(Move { sent: self.text.chars().count(), source });
    }

    /// A semicolon ends the statement, but inside of a `create trigger` or `create function` it does not.
    fn end(&mut self) {
        self.at += 1;
        self.ended = !first_word(self.source).eq_ignore_ascii_case("create");
    }

    fn skip_past(&mut self, end: &str) {
        let found = self.source[self.at..].find(end);
        self.at = found.map_or(self.source.len(), |offset| self.at + offset + end.len());
    }

    fn before(&self) -> Option<char> {
        self.source[..self.at].chars().next_back()
    }

    fn after_word(&self) -> bool {
        self.before().is_some_and(|c| is_word(c) || c == '$')
    }

    fn after_operand(&self) -> bool {
        self.after_word() || self.before().is_some_and(|c| matches!(c, ')' | ']' | '"'))
    }

    /// Whether the quote here opens an `E''` string: the `E` must not be the end of a longer word.
    fn after_escape_prefix(&self) -> bool {
        let mut before = self.source[..self.at].chars().rev();
        matches!(before.next(), Some('e' | 'E')) && !before.next().is_some_and(|c| is_word(c) || c == '$')
    }

    fn fail(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
        self.at = self.source.len();
    }

    fn finish(mut self) -> Result<Statement, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.named && (!self.numbers.is_empty() || self.questions > 0) {
            return Err("numbered parameters, but `params` is a table of names (use `:name`)".to_owned());
        }
        if !self.numbers.is_empty() && self.questions > 0 {
            return Err("both `?` and numbered parameters (use one kind)".to_owned());
        }
        let highest = self.numbers.last().copied().unwrap_or(0);
        let count = self.names.len().max(highest).max(self.questions);
        self.text.push_str(&self.source[self.copied..]);
        let Reader { source, text, names, moves, .. } = self;
        if text.trim().is_empty() {
            return Err("the query is empty".to_owned());
        }
        Ok(Statement { source: source.to_owned(), text, names, count, moves })
    }
}

/// Whether a character can stand in an unquoted identifier, but for the `$` that PostgreSQL allows, too.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

#[cfg(test)]
mod tests;
