//! Expressions compiled once, to be evaluated any number of times. Not here: what the names mean (`scope`), and what
//! becomes of the value (`encode`).

use super::names::{self, Path};
use super::result::RESULTS;
use super::scope::Scope;
use super::{ExprError, dates, shortened, suggest};
use crate::secret::Redactor;
use minijinja::{Environment, ErrorKind, Expression, UndefinedBehavior, Value};
use std::sync::LazyLock;

/// The names that an expression starts from.
pub(super) const ROOTS: [&str; 5] = ["vars", "item", "run", "secrets", "jobs"];

/// Functions, which are names too.
const FUNCTIONS: [&str; 2] = ["range", "dict"];

/// Filters, for suggestions.
const FILTERS: [&str; 27] = [
    "abs",
    "bool",
    "capitalize",
    "count",
    "date",
    "days",
    "default",
    "first",
    "float",
    "format",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "max",
    "min",
    "replace",
    "round",
    "sort",
    "split",
    "string",
    "sum",
    "trim",
    "upper",
];

/// One environment for all expressions of the process.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.remove_global("debug");
    environment.remove_global("namespace");
    environment.add_filter("date", dates::date);
    environment.add_filter("days", dates::days);
    environment
});

/// An expression that is ready to be evaluated.
pub(super) struct Compiled {
    /// As it is written, without the braces.
    pub(super) source: String,
    /// The names it looks at, from the known roots on.
    pub(super) paths: Vec<Path>,
    /// Whether it makes something else of a secret.
    derives: bool,
    expression: Expression<'static, 'static>,
}

impl Compiled {
    /// Reads an expression. The errors are all that is wrong with it, at least one.
    pub(super) fn new(source: &str) -> Result<Compiled, Vec<ExprError>> {
        let source = source.trim();
        if source.is_empty() {
            return Err(vec![ExprError::new("`${{ }}` holds no expression")]);
        }
        let expression = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| vec![ExprError::new(format!("{}: {}", quoted(source), why(&error)))])?;
        let paths = names::paths(source);
        let derives = paths.iter().any(|path| path.root == "secrets") && !names::is_plain(source);
        let compiled = Compiled { source: source.to_owned(), paths, derives, expression };
        let mut errors = compiled.unknown_roots();
        errors.extend(compiled.unknown_filters());
        errors.extend(compiled.unnamed_job());
        errors.extend(compiled.unknown_results());
        if errors.is_empty() { Ok(compiled) } else { Err(errors) }
    }

    fn unknown_roots(&self) -> Vec<ExprError> {
        let mut unknown: Vec<_> = self.expression.undeclared_variables(false).into_iter().collect();
        unknown.retain(|name| !ROOTS.contains(&name.as_str()) && !FUNCTIONS.contains(&name.as_str()));
        unknown.sort();
        unknown.iter().map(|name| self.undefined(name, &suggest(name, ROOTS))).collect()
    }

    fn unknown_filters(&self) -> Vec<ExprError> {
        let known = |name: &&str| {
            let probe = ENVIRONMENT.compile_expression_owned(format!("''|{name}"));
            let error = probe.and_then(|probe| probe.eval(())).err();
            error.is_none_or(|error| error.kind() != ErrorKind::UnknownFilter)
        };
        let unknown = names::filters(&self.source).into_iter().filter(|name| !known(name));
        let error = |name| ExprError::new(format!("{}: unknown filter `{name}`", quoted(&self.source)));
        unknown.map(|name| error(name).hint(&suggest(name, FILTERS))).collect()
    }

    /// A job must be named outright, so that it is known what waits for what.
    fn unnamed_job(&self) -> Option<ExprError> {
        let unnamed = self.paths.iter().any(|path| path.root == "jobs" && path.names.is_empty());
        let error = || ExprError::new(format!("{}: a job must be named outright", quoted(&self.source)));
        unnamed.then(|| error().hint("write jobs.NAME, or jobs[\"NAME\"] for a name with a dash"))
    }

    /// What is known of a job has one of a few names.
    fn unknown_results(&self) -> Vec<ExprError> {
        let jobs = self.paths.iter().filter(|path| path.root == "jobs");
        let results = jobs.filter_map(|path| Some((path.names.first()?, path.names.get(1)?)));
        let unknown = results.filter(|(_, name)| !RESULTS.contains(&name.as_str()));
        let error = |(job, name): (&String, &String)| {
            self.undefined(&format!("jobs.{job}.{name}"), &suggest(name, RESULTS))
        };
        unknown.map(error).collect()
    }

    /// Its value. What it makes of a secret is a secret, which the process's redactor knows from then on.
    pub(super) fn eval(&self, scope: &Scope) -> Result<Value, ExprError> {
        match self.expression.eval(scope.context()) {
            Ok(value) if !value.is_undefined() => {
                if let (true, Some(text)) = (self.derives, value.as_str()) {
                    Redactor::process().add_derived(text);
                }
                Ok(value)
            }
            Ok(_) => Err(self.not_defined(scope)),
            Err(error) if error.kind() == ErrorKind::UndefinedError => Err(self.not_defined(scope)),
            Err(error) => Err(ExprError::new(format!("{}: {}", quoted(&self.source), why(&error)))),
        }
    }

    /// Whether it looks at one of the roots.
    pub(super) fn uses(&self, root: &str) -> bool {
        self.paths.iter().any(|path| path.root == root)
    }

    /// Whether its own text deals with names that are not there.
    pub(super) fn expects_undefined(&self) -> bool {
        self.source.contains("default") || self.source.contains("defined") || self.source.contains("|d(")
    }

    /// What is wrong with a path of its, if that has no value.
    pub(super) fn undefined_at(&self, path: &Path, scope: &Scope) -> Option<ExprError> {
        path.undefined(scope).map(|(name, hint)| self.undefined(&name, &hint))
    }

    /// Names the first name that is not defined.
    fn not_defined(&self, scope: &Scope) -> ExprError {
        let first = self.paths.iter().find_map(|path| self.undefined_at(path, scope));
        first.unwrap_or_else(|| ExprError::new(format!("{} has no value", quoted(&self.source))))
    }

    fn undefined(&self, name: &str, hint: &str) -> ExprError {
        let message = match name == self.source {
            true => format!("`{name}` is not defined"),
            false => format!("`{name}` is not defined in {}", quoted(&self.source)),
        };
        ExprError::new(message).hint(hint)
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&quoted(&self.source))
    }
}

/// The most letters of an expression that a message shows.
const LONGEST_SHOWN: usize = 200;

/// An expression as a message shows it.
pub(super) fn quoted(source: &str) -> String {
    format!("`${{{{ {} }}}}`", shortened(source, LONGEST_SHOWN))
}

/// The engine's own words, without the place in its invented template.
fn why(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}
