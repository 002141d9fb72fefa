//! Where mistakes are: every file of a plan has its own stretch of one range of numbers, so that a place needs no file's
//! name; and what the places belong to, so that nobody who finds a mistake has to say whose it is.

use crate::expr::{Data, Problem, Table, shortened};
use crate::output::shown;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The most letters of a line of a message: names and values that it repeats may be of any length.
const LONGEST_LINE: usize = 1000;

/// A mistake of a plan, ready to be shown: `plan.toml:14: job "sales": ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// `job "sales"`, `source "shop"`.
    pub subject: Option<Arc<str>>,
    /// What is wrong; a hint follows on a line of its own in parentheses.
    pub message: String,
}

/// All mistakes of a plan, in the order of their places. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors {
    /// The mistakes.
    pub errors: Vec<PlanError>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match &self.subject {
            Some(subject) => write!(f, ": {subject}: {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanError {}
impl std::error::Error for PlanErrors {}

impl PlanErrors {
    /// One mistake of a file as a whole.
    pub(super) fn of_file(file: &str, message: String) -> PlanErrors {
        let (file, message) = (shown(file), showable(&message));
        PlanErrors { errors: vec![PlanError { file, line: 0, subject: None, message }] }
    }

    /// Mistakes in the order of their places. What was found at one place twice, because several sources share it, is
    /// one mistake.
    pub(super) fn of(mut problems: Vec<Problem>, files: &Files) -> PlanErrors {
        problems.sort_by_key(|problem| problem.span.start);
        let mut errors: Vec<PlanError> = Vec::new();
        for Problem { span, message } in problems {
            let (file, line) = files.locate(&span);
            let (file, message) = (shown(file), showable(&message));
            let error = PlanError { file, line, subject: files.subject(&span), message };
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        PlanErrors { errors }
    }
}

/// A message in which no name or value of the plan can drive the terminal, or fill it. Only a hint begins a new line.
fn showable(message: &str) -> String {
    let lines = message.split(HINT).map(|line| shortened(&shown(line), LONGEST_LINE).into_owned());
    lines.collect::<Vec<_>>().join(HINT)
}

/// How the line of a hint begins.
const HINT: &str = "\n  (";

/// The plan's files, their texts, and what stands in them.
#[derive(Default)]
pub(super) struct Files {
    files: Vec<File>,
    /// Where keys and values stand, and what each is part of: that of a place is that of the last one before it.
    subjects: BTreeMap<usize, Option<Arc<str>>>,
}

struct File {
    shown: String,
    text: String,
    base: usize,
}

impl Files {
    /// Adds a file, and says where its stretch begins.
    pub(super) fn add(&mut self, shown: String, text: String) -> usize {
        let base = self.files.last().map_or(0, |last| last.base + last.text.len() + 1);
        self.files.push(File { shown, text, base });
        self.subjects.insert(base, None);
        base
    }

    /// Learns what the keys and values of a file are part of.
    pub(super) fn learn(&mut self, root: &Table) {
        for (key, node) in root.keys().into_iter().filter_map(|key| Some((key, root.get(key)?))) {
            self.subjects.insert(root.key_span(key).start, None);
            match &node.data {
                Data::Table(section) => self.learn_section(key, section),
                _ => node.places(&mut |place| drop(self.subjects.insert(place, None))),
            }
        }
    }

    fn learn_section(&mut self, section: &str, entries: &Table) {
        for name in entries.keys() {
            let is_table = entries.get(name).is_some_and(|node| matches!(node.data, Data::Table(_)));
            let subject = match section {
                "sources" => Some(format!("source \"{name}\"")),
                "jobs" => Some(format!("job \"{name}\"")),
                "secrets" => Some(format!("secret \"{name}\"")),
                "limits" if is_table => Some(format!("limit \"{name}\"")),
                "limits" => Some("limits".to_owned()),
                "defaults" => Some(format!("defaults.{name}")),
                _ => None,
            };
            let subject: Option<Arc<str>> = subject.map(|subject| showable(&subject).into());
            let mut learn = |place| drop(self.subjects.insert(place, subject.clone()));
            learn(entries.key_span(name).start);
            entries.get(name).into_iter().for_each(|node| node.places(&mut learn));
        }
    }

    /// All texts, in the order in which they were added.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.text.as_str())
    }

    /// `plan.toml:14`.
    pub(super) fn show(&self, span: &Range<usize>) -> String {
        let (file, line) = self.locate(span);
        format!("{file}:{line}")
    }

    fn locate(&self, span: &Range<usize>) -> (&str, usize) {
        let Some(file) = self.files.iter().rev().find(|file| file.base <= span.start) else { return ("", 0) };
        let before = file.text.as_bytes().get(..span.start - file.base).unwrap_or(file.text.as_bytes());
        (&file.shown, before.iter().filter(|byte| **byte == b'\n').count() + 1)
    }

    /// What a place belongs to; one without a length at the beginning is that of a whole file.
    fn subject(&self, span: &Range<usize>) -> Option<Arc<str>> {
        if span.is_empty() && self.files.iter().any(|file| file.base == span.start) {
            return None;
        }
        self.subjects.range(..=span.start).next_back().and_then(|(_, subject)| subject.clone())
    }
}
