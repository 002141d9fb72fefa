//! The kinds of source, and what each must do: read its settings from the plan, make requests of a job's keys, and
//! carry out one attempt at a time. A kind never retries, limits or prints; it classifies its errors and streams.
//! Not here: when a request is carried out (`gather`) and where its bytes finally lie (`run`, `output`).

use crate::expr::{Problem, Scope, Table};
use crate::gather::{Advice, BoxFuture, Brought, Context, Listing};
use crate::output::Part;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod ask;
mod checksum;

pub use ask::{Answer, Asking, Question};
pub use checksum::Checksum;

/// Makes the modules and the list of kinds from one list of names.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        $($(#[$attribute])* pub mod $name;)*
        /// Every kind of source that this build has.
        pub fn kinds() -> impl Iterator<Item = &'static dyn Kind> {
            let folders: &[&[&'static dyn Kind]] = &[$($(#[$attribute])* $name::KINDS),*];
            folders.iter().copied().flatten().copied()
        }
    };
}

// Every kind of source, in alphabetical order. To add one, make its folder and add its name here.
kinds! {
    #[cfg(feature = "http")]
    http,
    #[cfg(feature = "sftp")]
    sftp,
    sleep,
    #[cfg(feature = "sql")]
    sql,
}

/// A connection may take so long, where the plan says nothing.
pub const CONNECT: Duration = Duration::from_secs(10);
/// An attempt that makes no progress for so long is given up, where the plan says nothing.
pub const IDLE: Duration = Duration::from_secs(60);

/// A kind of source: what the plan calls `kind = ".."`.
pub trait Kind: Send + Sync {
    /// Its name in plans.
    fn name(&self) -> &'static str;

    /// The job keys of which exactly one says what to do: `get`, `post`; `query`, `query_file`; `fetch`.
    fn operations(&self) -> &'static [&'static str];

    /// How many items run at once where the plan says nothing.
    fn concurrency(&self) -> u64;

    /// How long an attempt may make no progress where the plan says nothing: for ever where a server that works says
    /// nothing, too.
    fn idle(&self) -> Option<Duration> {
        Some(IDLE)
    }

    /// Whether jobs use it without naming a source, because there is nothing to say about one.
    fn built_in(&self) -> bool {
        false
    }

    /// The JSON Schemas of what it reads from a `[sources.NAME]` and from a `[jobs.NAME]`, without the keys that all
    /// have in common. Their `properties` are the keys that are known.
    fn schemas(&self) -> (schemars::Schema, schemars::Schema);

    /// Checks a source's settings and makes the source, connecting to nothing. Where something is wrong it is told, and
    /// the source is made without it: it will check its jobs' keys, and never run.
    fn source(
        &self,
        name: &str,
        settings: Table,
        surroundings: &Surroundings,
        problems: &mut Problems,
    ) -> Arc<dyn Source>;
}

/// What the plan knows that a source may need to read its settings.
pub struct Surroundings<'a> {
    /// The plan's folder: relative paths start there.
    pub folder: &'a Path,
    /// How long a connection may take, if the plan says so.
    pub connect_timeout: Option<Duration>,
    /// Who can be asked while it connects.
    pub asking: Option<Asking>,
}

impl Surroundings<'_> {
    /// How long a connection may take.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(CONNECT)
    }
}

/// All mistakes of one source or job.
pub type Problems = Vec<Problem>;

/// A named place to do I/O with: owns its connections and credentials.
pub trait Source: Send + Sync {
    /// Where it is, without credentials: `postgres://db.example:5432/shop`.
    fn target(&self) -> String;

    /// What a user should know of its settings: a line each.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// Whether it stands for many hosts, so that the kind's own concurrency is meant for each of them by itself.
    fn has_hosts(&self) -> bool {
        false
    }

    /// Checks a job's own keys and makes the operation of them, connecting to nothing. All that is wrong is told. None
    /// without what it takes to make one; that one key says what to do, and no other, was looked at before.
    fn operation(&self, job: &str, keys: Table, problems: &mut Problems) -> Option<Box<dyn Operation>>;

    /// Connects and logs in, and asks for nothing else: for `check --connect`.
    fn connect<'a>(
        &'a self,
        context: &'a Context,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<(), SourceError>>;

    /// Gives back its connections at the end of a run.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// What a job asks of its source, with its expressions not yet filled in.
pub trait Operation: Send + Sync {
    /// Whether the job makes many items by itself, and has to be listed for them.
    fn lists(&self) -> bool {
        false
    }

    /// Whether what it lists may well be one thing, so that an output that names one file is no mistake.
    fn may_be_one(&self) -> bool {
        false
    }

    /// The listing of a job that [`lists`](Operation::lists).
    fn listing(&self, scope: &Scope) -> Result<BoxListing, SourceError> {
        let _ = scope;
        Err(SourceError::new("listing", "this operation lists nothing"))
    }

    /// Whether carrying it out changes something at the source (`post`, `put`, `delete`).
    fn changes(&self) -> bool {
        false
    }

    /// Whether it can be told that an item is what it was last time: by the fingerprints of its listing, or by asking
    /// ([`Request::unless`]).
    fn tells_changes(&self) -> bool {
        false
    }

    /// Whether there is something to be done at the source once an item's result is final ([`Request::after`], in plans
    /// the key `after`).
    fn has_after(&self) -> bool {
        false
    }

    /// Whether its results have to have a digest that is said beforehand or beside them ([`Payload::checksum`]).
    fn has_checksum(&self) -> bool {
        false
    }

    /// Whether there is a result that can be written or kept.
    fn has_result(&self) -> bool {
        true
    }

    /// Whether its result can be written to a file whose name has this ending (lower case, without the dot). Bytes that
    /// are written as they come can go anywhere.
    fn fits(&self, ending: &str) -> Result<(), SourceError> {
        let _ = ending;
        Ok(())
    }

    /// Fills in the expressions for one item. For a listed item its entry is in the scope as `item`, too.
    fn request(&self, scope: &Scope, entry: Option<&Entry>) -> Result<Box<dyn Request>, SourceError>;
}

/// A listing whose entries are a job's items.
pub type BoxListing = Box<dyn Listing<Entry = Entry, Err = SourceError>>;

/// One thing a listing found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The item's key, unique in its job: the remote path, the file's stem, the page's number.
    pub key: Arc<str>,
    /// What `item` is in expressions, as plain data: a table for a file (`path name stem size mtime`).
    pub value: serde_json::Value,
    /// What tells whether it changed since last time: size and mtime, an ETag. For the memory.
    pub fingerprint: Option<String>,
    /// Why it is not to be taken yet, if so: its item is skipped.
    pub not_ready: Option<Arc<str>>,
    /// For an `output` that is a folder: the path below it. Its components are names from the server, not yet trusted.
    pub path: Option<Vec<Vec<u8>>>,
    /// What the kind itself needs to know of the entry, such as a name's exact bytes.
    pub own: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// One item's request: everything is filled in, and it can be carried out any number of times.
pub trait Request: Send + Sync {
    /// The host whose limits it falls under, such as `api.example:443`, if that is not the source as a whole.
    fn host(&self) -> Option<&str> {
        None
    }

    /// What it asks for, in one line without secrets: `GET https://api.example/v1/latest/EUR`.
    fn target(&self) -> String;

    /// What tells it from requests for something else, be it in what [`Request::target`] hides: never shown.
    fn identity(&self) -> String {
        self.target()
    }

    /// Asks for the result only if it is not what it was when it had this fingerprint; then it is said to be
    /// [`unchanged`](Payload::unchanged).
    fn unless(&mut self, fingerprint: &str) {
        let _ = fingerprint;
    }

    /// Whether little is lost if it is carried out and then its output can't be written: then the output is opened only
    /// when there is something to write, which costs less where results are small.
    fn is_cheap(&self) -> bool {
        false
    }

    /// Does at the source what is to be done once the result is final and outlives a power cut, if what lies there still
    /// has this fingerprint. Called again after an error that says so, it first looks whether it was done.
    fn after<'a>(
        &'a self,
        context: &'a Context,
        fingerprint: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        let _ = (context, fingerprint);
        Box::pin(async { Ok(()) })
    }

    /// Carries it out once: streams the result into `sink`, reports phases and progress, and stops when asked.
    fn call<'a>(
        &'a self,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>>;
}

/// Where a request's result goes. The source writes; `run` opens it before the attempt and makes it final after.
pub enum Sink {
    /// A temporary file beside the final one. `format` is the ending of the final name in lower case (`csv`, `json`,
    /// `jsonl`, or anything else for sources that write bytes as they come).
    File {
        /// The temporary file.
        part: Part,
        /// The final name's ending, lower case, without the dot; empty if there is none.
        format: String,
    },
    /// Kept in memory for a reference, the library or stdout. Past `limit` bytes the attempt fails.
    Keep {
        /// What was kept: bytes for a body, JSON Lines for rows. Empty at the start of an attempt.
        bytes: Vec<u8>,
        /// The most bytes it may hold.
        limit: u64,
    },
    /// Received, counted and dropped.
    Discard,
}

/// What one request brought, beside the bytes that went into its sink.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    /// Bytes and rows.
    pub brought: Brought,
    /// How the bytes of a kept result are to be read by references.
    pub content: Content,
    /// The modification time to give the output.
    pub modified: Option<std::time::SystemTime>,
    /// Nothing came because nothing changed since the fingerprint that was sent.
    pub unchanged: bool,
    /// Nothing came because it is not to be taken yet: why.
    pub not_ready: Option<Arc<str>>,
    /// What to remember for next time.
    pub fingerprint: Option<String>,
    /// What the bytes in its sink must be: compared before they get their final name. Otherwise it is tried again.
    pub checksum: Option<Checksum>,
    /// What expectations may look at: `status` and the like.
    pub facts: BTreeMap<&'static str, serde_json::Value>,
}

/// What a kept result is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// Bytes, perhaps JSON: `jobs.NAME.json` parses them.
    #[default]
    Body,
    /// Rows as JSON Lines: `jobs.NAME.rows`.
    Rows,
}

/// Why a request failed. Lower case, no full stop, the target named, the cause last; never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// A stable name for programs: `http_status`, `sql`, `connect`, `login`, `host_key`, `tls`, `dns`, `not_found`,
    /// `permission`, `truncated`, `too_large`, `checksum`, `output`, `check`, `expression`.
    pub code: &'static str,
    /// What failed, where and why.
    pub message: String,
    /// A hint, shown on its own line in parentheses.
    pub hint: Option<String>,
    /// What it says about trying again.
    pub advice: Advice,
}

impl SourceError {
    /// An error of this item alone that trying again would not mend.
    pub fn new(code: &'static str, message: impl Into<String>) -> SourceError {
        SourceError { code, message: message.into(), hint: None, advice: Advice::NEVER }
    }

    /// The same error with other advice.
    pub fn advice(self, advice: Advice) -> SourceError {
        SourceError { advice, ..self }
    }

    /// The same error with a hint.
    pub fn hint(self, hint: impl Into<String>) -> SourceError {
        SourceError { hint: Some(hint.into()), ..self }
    }
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  ({hint})"))
    }
}

impl std::error::Error for SourceError {}
