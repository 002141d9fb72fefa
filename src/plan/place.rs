//! Where mistakes are: every file of a plan has its own stretch of one range of numbers, so that a place needs no file's
//! name. And the mistakes themselves, all together.

use crate::expr::Problem;
use std::fmt;
use std::ops::Range;

/// A mistake of a plan, ready to be shown: `plan.toml:14: job "sales": ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// `job "sales"`, `source "shop"`.
    pub subject: Option<String>,
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
        PlanErrors { errors: vec![PlanError { file: file.to_owned(), line: 0, subject: None, message }] }
    }
}

/// The plan's files and their texts.
#[derive(Default)]
pub(super) struct Files {
    files: Vec<File>,
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
        base
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
}

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Mistakes {
    found: Vec<(Option<String>, Problem)>,
}

impl Mistakes {
    /// Adds a mistake of the plan as a whole.
    pub(super) fn add(&mut self, problem: Problem) {
        self.found.push((None, problem));
    }

    /// Adds mistakes of the plan as a whole.
    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.found.extend(problems.into_iter().map(|problem| (None, problem)));
    }

    /// Adds mistakes of one source, job or limit.
    pub(super) fn of(&mut self, subject: &str, problems: impl IntoIterator<Item = Problem>) {
        self.found.extend(problems.into_iter().map(|problem| (Some(subject.to_owned()), problem)));
    }

    /// Keeps the value, or the mistakes in its place.
    pub(super) fn keep<T>(&mut self, subject: &str, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.of(subject, problems)).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In order, each place and text once.
    pub(super) fn into_errors(mut self, files: &Files) -> PlanErrors {
        self.found.sort_by_key(|(_, problem)| problem.span.start);
        let mut errors: Vec<PlanError> = Vec::new();
        for (subject, problem) in self.found {
            let (file, line) = files.locate(&problem.span);
            let error = PlanError { file: file.to_owned(), line, subject, message: problem.message };
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        PlanErrors { errors }
    }
}
