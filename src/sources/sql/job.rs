//! A job's own keys: `query` or `query_file`, `params`, `read_only`, `write`. Checked against each other before the run
//! as far as they are known, then made into one request an item. Not here: running it (each database).

use super::feed::row_format;
use super::files::{self, Files};
use super::params::Params;
use super::scan::Statement;
use super::{Database, Place, Work, cancelled};
use crate::expr::{ExprError, Problem, Scope, Table, Template, Tree};
use crate::gather::{BoxFuture, Context};
use crate::sources::{BoxListing, Entry, Operation, Payload, Problems, Request, Sink, SourceError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The job keys of which exactly one says what to do.
pub(super) const OPERATIONS: &[&str] = &["query", "query_file"];
/// All job keys of a database.
const KEYS: &[&str] = &["query", "query_file", "params", "read_only", "write"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    query: Option<Template>,
    query_file: Option<Template>,
    params: Params<Tree>,
    read_only: Option<bool>,
    write: Option<bool>,
}

/// The keys as the schema shows them.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct JobKeys {
    /// One SQL statement. `${{ }}` can't stand in it: values come through `params`.
    query: Option<String>,
    /// A file with one SQL statement, or a glob such as `reports/*.sql`: an item a file, its key the file's stem.
    query_file: Option<String>,
    /// Values for `$1`, `$2`.. as a list, or for `:name` as a table. Always bound, never pasted.
    params: Option<ParamsSchema>,
    /// Whether the statement is kept from changing anything (default true).
    read_only: Option<bool>,
    /// The opposite of `read_only`.
    write: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ParamsSchema {
    List(Vec<Value>),
    Table(serde_json::Map<String, Value>),
}

/// A job's query with its expressions not yet filled in.
struct Query {
    database: Arc<dyn Database>,
    job: String,
    folder: PathBuf,
    text: Text,
    params: Params<Tree>,
    write: bool,
}

/// Where the SQL comes from.
enum Text {
    Here(Statement),
    File(Template),
}

/// Checks a job's keys. All mistakes that need no server are found here.
pub(super) fn operation(
    database: Arc<dyn Database>,
    place: &Place,
    job: &str,
    mut table: Table,
    problems: &mut Problems,
) -> Option<Box<dyn Operation>> {
    table.refuse_secrets(&["query_file", "params"], problems);
    let keys: Keys = table.read(KEYS, problems);
    let mut wrong = |key: &str, why: String| problems.push(Problem::new(table.key_span(key), why));
    if keys.write.is_some() && keys.write == keys.read_only {
        wrong("write", "`write` and `read_only` contradict each other".to_owned());
    }
    // Parameters that hold a mistake can't be held against the query's.
    let params = (!table.is_wrong("params")).then_some(&keys.params);
    let text = match (&keys.query, keys.query_file) {
        (Some(query), _) => {
            statement(query, &*database, params).map_err(|why| wrong("query", why)).ok().map(Text::Here)?
        }
        (None, file) => Text::File(file?),
    };
    if let Err(why) = check_file(&text, &*database, &place.folder, params) {
        wrong("query_file", why);
    }
    Some(Box::new(Query {
        database,
        job: job.to_owned(),
        folder: place.folder.to_path_buf(),
        text,
        write: keys.write.or(keys.read_only.map(|read_only| !read_only)).unwrap_or(!place.read_only),
        params: keys.params,
    }))
}

fn statement(
    query: &Template,
    database: &dyn Database,
    params: Option<&Params<Tree>>,
) -> Result<Statement, String> {
    let Some(text) = query.literal() else {
        return Err("`${{` can't stand in a query: what is pasted into SQL becomes SQL\n  \
            (write `:name` in the query, and `params = { name = \"${{ .. }}\" }`)"
            .to_owned());
    };
    checked(text, database, params)
}

/// A query's file that is known and there is checked before the run, too.
fn check_file(
    text: &Text,
    database: &dyn Database,
    folder: &Path,
    params: Option<&Params<Tree>>,
) -> Result<(), String> {
    let Text::File(template) = text else { return Ok(()) };
    match template.literal().filter(|path| !files::is_glob(path)) {
        Some(path) => read(database, &folder.join(path), params).map(drop).map_err(|error| error.message),
        None => Ok(()),
    }
}

impl Query {
    fn file(
        &self,
        template: &Template,
        scope: &Scope,
        entry: Option<&Entry>,
    ) -> Result<PathBuf, SourceError> {
        let listed = entry.and_then(|entry| entry.own.as_ref()?.downcast_ref::<PathBuf>());
        match listed {
            Some(path) => Ok(path.clone()),
            None => Ok(self.folder.join(template.text(scope).map_err(expression)?)),
        }
    }
}

impl Operation for Query {
    /// A file's name that depends on the item is no listing.
    fn lists(&self) -> bool {
        matches!(&self.text, Text::File(template) if !template.uses("item"))
    }

    fn listing(&self, scope: &Scope) -> Result<BoxListing, SourceError> {
        let Text::File(template) = &self.text else {
            return Err(SourceError::new("listing", "a query lists nothing"));
        };
        let pattern = template.text(scope).map_err(expression)?;
        Ok(Box::new(Files::new(&self.folder, &pattern)))
    }

    fn changes(&self) -> bool {
        self.write
    }

    fn fits(&self, ending: &str) -> Result<(), SourceError> {
        row_format(ending).map(drop)
    }

    fn request(&self, scope: &Scope, entry: Option<&Entry>) -> Result<Box<dyn Request>, SourceError> {
        let source = match &self.text {
            Text::Here(statement) => Source::Statement(statement.clone()),
            Text::File(template) => Source::File(self.file(template, scope, entry)?),
        };
        Ok(Box::new(Asked {
            database: Arc::clone(&self.database),
            job: self.job.clone(),
            source,
            params: self.params.fill(scope).map_err(expression)?,
            write: self.write,
            scope: scope.clone(),
        }))
    }
}

/// One item's query, with everything filled in but the file's text.
struct Asked {
    database: Arc<dyn Database>,
    job: String,
    source: Source,
    params: Params<Value>,
    write: bool,
    scope: Scope,
}

enum Source {
    Statement(Statement),
    File(PathBuf),
}

impl Asked {
    async fn work(&self, context: &Context) -> Result<Work, SourceError> {
        let (statement, values) = match &self.source {
            Source::Statement(statement) => (statement.clone(), self.params.values(statement)),
            Source::File(path) => {
                let (database, path, params) =
                    (Arc::clone(&self.database), path.clone(), self.params.clone());
                let read = context.blocking(move |_| read(&*database, &path, Some(&params))).await;
                let statement = read?;
                let values = self.params.values(&statement);
                (statement, values)
            }
        };
        let values = values.map_err(|why| SourceError::new("sql", format!("{}: {why}", self.target())))?;
        Ok(Work { job: self.job.clone(), statement, values, write: self.write, scope: self.scope.clone() })
    }
}

impl Request for Asked {
    /// The file, or the first words of the query; parameters are not part of it.
    fn target(&self) -> String {
        let what = match &self.source {
            Source::Statement(statement) => statement.summary(),
            Source::File(path) => {
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
        };
        format!("{}: {what}", self.database.target())
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>> {
        Box::pin(async move {
            context.attributes(|said| said.set("db.system.name", self.database.dialect().system()));
            let work = self.work(context).await?;
            context.attributes(|said| {
                let operation = work.statement.operation();
                said.set("db.query.summary", operation.clone());
                said.set("db.operation.name", operation);
            });
            if context.cancel().is_set() {
                return Err(cancelled(&self.database.target()));
            }
            self.database.run(&work, context, sink).await
        })
    }
}

/// Reads a file's statement and looks whether the parameters are its. Blocking.
fn read<T>(
    database: &dyn Database,
    path: &Path,
    params: Option<&Params<T>>,
) -> Result<Statement, SourceError> {
    let text = files::read(path)?;
    let in_file = |why: String| SourceError::new("sql", format!("{}: {why}", path.display()));
    checked(&text, database, params).map_err(in_file)
}

/// A statement whose parameters are those that are given.
fn checked<T>(text: &str, database: &dyn Database, params: Option<&Params<T>>) -> Result<Statement, String> {
    let statement = Statement::read(text, database.dialect(), params.is_some_and(Params::named))?;
    params.map_or(Ok(()), |params| params.check(&statement))?;
    Ok(statement)
}

fn expression(error: ExprError) -> SourceError {
    SourceError::new("expression", error.message)
}
