//! The kind, its sources, jobs and items, as `sources` wants them. Not here: how any of it is done.

use super::credentials;
use super::entry::{self, Own};
use super::error::shown;
use super::fetch::File;
use super::list::Walk;
use super::pattern::{self, Wanted};
use super::pool::Pool;
use super::settings::{Keys, Settings};
use super::store::Store;
use crate::expr::{Globals, Problem, Scope, Table, Template};
use crate::gather::{BoxFuture, Brought, Context};
use crate::sources::{
    BoxListing, Entry, Kind, Operation, Payload, Problems, Request, Sink, Source, SourceError, Surroundings,
};
use std::sync::{Arc, OnceLock};

/// Files in flight where the plan says nothing.
const CONCURRENCY: u64 = 256;

/// The kind `sftp`.
pub(super) struct Sftp;

impl Kind for Sftp {
    fn name(&self) -> &'static str {
        "sftp"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["fetch"]
    }

    fn concurrency(&self) -> u64 {
        CONCURRENCY
    }

    fn schemas(&self) -> (schemars::Schema, schemars::Schema) {
        (schemars::schema_for!(Settings), schemars::schema_for!(Keys))
    }

    fn source(
        &self,
        _: &str,
        table: Table,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Arc<dyn Source> {
        let settings = Settings::read(table, surroundings, problems);
        let notes = settings.found.notes.clone();
        let (target, connections) = settings.target(surroundings);
        let (folder, names) = (surroundings.folder.to_owned(), target.clone());
        let asking = surroundings.asking.clone();
        let scope: Arc<OnceLock<Scope>> = Arc::default();
        let known = scope.clone();
        let resolve = move || {
            let bare = || Scope::new(Arc::new(Globals::default()));
            credentials::read(&settings, &names, known.get_or_init(bare), &folder, asking.as_ref())
        };
        Arc::new(SftpSource { pool: Pool::new(target, connections, Box::new(resolve)), scope, notes })
    }
}

/// A server.
struct SftpSource {
    pool: Arc<Pool>,
    /// What the names in the source's own secrets mean: that of its first item.
    scope: Arc<OnceLock<Scope>>,
    /// What is to be known of its settings.
    notes: Vec<String>,
}

impl Source for SftpSource {
    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn target(&self) -> String {
        self.pool.target.name.clone()
    }

    fn operation(&self, _: &str, mut table: Table, problems: &mut Problems) -> Option<Box<dyn Operation>> {
        table.refuse_secrets(&["fetch"], problems);
        let keys: Keys = table.read(super::settings::JOB_KEYS, problems);
        let path = keys.fetch?;
        if let Some(Err(why)) = path.literal().map(Wanted::parse) {
            problems.push(Problem::new(table.key_span("fetch"), format!("`fetch`: {why}")));
        }
        let (pool, scope) = (self.pool.clone(), self.scope.clone());
        Some(Box::new(Fetch { pool, scope, path, flatten: keys.flatten }))
    }

    fn connect<'a>(
        &'a self,
        context: &'a Context,
        scope: &'a Scope,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        self.scope.get_or_init(|| scope.clone());
        Box::pin(super::list::greet(&self.pool, context))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pool.close())
    }
}

/// A job: `fetch`.
struct Fetch {
    pool: Arc<Pool>,
    scope: Arc<OnceLock<Scope>>,
    path: Template,
    flatten: bool,
}

impl Fetch {
    fn text(&self, scope: &Scope) -> Result<String, SourceError> {
        self.scope.get_or_init(|| scope.clone());
        self.path.text(scope).map_err(|error| SourceError::new("expression", error.message))
    }
}

impl Operation for Fetch {
    /// A path that depends on `item` is one file, unless it is written as more; any other may turn out to be a folder.
    fn lists(&self) -> bool {
        !self.path.uses("item") || pattern::is_many(&pattern::outline(&self.path.source()))
    }

    fn may_be_one(&self) -> bool {
        !pattern::is_many(&pattern::outline(&self.path.source()))
    }

    fn listing(&self, scope: &Scope) -> Result<BoxListing, SourceError> {
        let wanted = Wanted::parse(&self.text(scope)?);
        let wanted = wanted.map_err(|why| SourceError::new("expression", format!("`fetch`: {why}")))?;
        Ok(Box::new(Walk::new(self.pool.clone(), wanted, self.flatten)))
    }

    fn request(&self, scope: &Scope, entry: Option<&Entry>) -> Result<Box<dyn Request>, SourceError> {
        let own = entry.and_then(|entry| entry.own.as_ref()).and_then(|own| own.downcast_ref::<Own>());
        let (path, size) = match own {
            Some(Own::File { path, attrs }) => (path.clone(), attrs.size),
            Some(Own::Refused(error)) => return Err(error.clone()),
            None => (self.text(scope)?.into_bytes(), None),
        };
        Ok(Box::new(Get { pool: self.pool.clone(), path, size }))
    }
}

/// An item: one file.
struct Get {
    pool: Arc<Pool>,
    path: Vec<u8>,
    size: Option<u64>,
}

impl Request for Get {
    fn target(&self) -> String {
        format!("{}{}", self.pool.target.name, shown(&self.path))
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn call<'a>(
        &'a self,
        context: &'a Context,
        sink: &'a mut Sink,
    ) -> BoxFuture<'a, Result<Payload, SourceError>> {
        Box::pin(async {
            context.attributes(|said| {
                self.pool.target.tell(said, "fetch");
                said.set("file.path", shown(&self.path));
            });
            let lease = self.pool.lease(context).await?;
            let target = &self.pool.target.name;
            let file = File { lease: &lease, context, target, path: &self.path, size: self.size };
            let attrs = file.fetch(&Store::new(sink)).await?;
            context.attributes(|said| said.set("file.size", attrs.size.unwrap_or_default()));
            Ok(Payload {
                brought: Brought { bytes: attrs.size.unwrap_or_default(), ..Brought::default() },
                modified: entry::modified(&attrs),
                fingerprint: entry::fingerprint(&attrs),
                ..Payload::default()
            })
        })
    }
}
