//! The kind, its sources, jobs and items, as `sources` wants them. Not here: how any of it is done.

use super::after::{Leaving, Old};
use super::asking;
use super::checksum::Check;
use super::credentials;
use super::entry::{self, Own};
use super::error::shown;
use super::exclude::Excluded;
use super::fetch::File;
use super::list::{Choice, Walk};
use super::pace::Pace;
use super::pattern::Wanted;
use super::pool::Pool;
use super::ready::{self, Gate, Verdict, Waiting};
use super::same::Same;
use super::settings::{Keys, Settings, Symlinks};
use super::store::Store;
use crate::expr::{Globals, Scope, Table, Template};
use crate::gather::{BoxFuture, Brought, Context};
use crate::sources::{
    BoxListing, Entry, Kind, Operation, Payload, Problems, Request, Sink, Source, SourceError, Surroundings,
};
use std::sync::{Arc, OnceLock};

/// Files in flight where the plan says nothing.
const CONCURRENCY: u64 = 256;

/// Symlinks to folders that are followed in a listing: those to each other's folders can make many paths of few files.
const MOST_FOLLOWED: usize = 10_000;

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
        let pace = settings.bandwidth.map(Pace::new);
        let (folder, names) = (surroundings.folder.to_owned(), target.clone());
        let scope: Arc<OnceLock<Scope>> = Arc::default();
        let known = scope.clone();
        let resolve = move || {
            let bare = || Scope::new(Arc::new(Globals::default()));
            credentials::read(&settings, &names, known.get_or_init(bare), &folder)
        };
        Arc::new(SftpSource { pool: Pool::new(target, connections, pace, Box::new(resolve)), scope, notes })
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
        let keys = Keys::read(&mut table, problems);
        let (pool, scope, gate) = (self.pool.clone(), self.scope.clone(), Arc::new(keys.gate()));
        let path = keys.fetch.clone()?;
        let fetch = Fetch { pool, scope, path, keys, gate };
        if let Some(after) = &fetch.keys.after {
            after.check(&table, fetch.may_be_one(), problems);
        }
        Some(Box::new(fetch))
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
    keys: Keys,
    gate: Arc<Gate>,
}

impl Fetch {
    fn text(&self, template: &Template, scope: &Scope) -> Result<String, SourceError> {
        self.scope.get_or_init(|| scope.clone());
        template.text(scope).map_err(|error| SourceError::new("expression", error.message))
    }

    /// The item of a job that names its files itself.
    fn named(&self, scope: &Scope) -> Result<Get, SourceError> {
        let path = self.text(&self.path, scope)?.into_bytes();
        let mark = self.gate.done_file.as_ref().map(|done| done.text(scope)).transpose()?;
        let mark = mark.map(|name| ready::beside(&path, name.as_bytes()));
        let is_gated = mark.is_some() || self.gate.min_age.is_some();
        let gate = is_gated.then(|| self.gate.clone());
        let same = Same::new(self.keys.growing);
        let pool = self.pool.clone();
        Ok(Get { pool, path, size: None, same, gate, mark, check: None, leaving: None, known: None })
    }
}

impl Operation for Fetch {
    fn lists(&self) -> bool {
        self.keys.lists()
    }

    fn may_be_one(&self) -> bool {
        !self.keys.is_many()
    }

    fn listing(&self, scope: &Scope) -> Result<BoxListing, SourceError> {
        let wrong = |key: &str, why| SourceError::new("expression", format!("`{key}`: {why}"));
        let wanted = Wanted::parse(&self.text(&self.path, scope)?).map_err(|why| wrong("fetch", why))?;
        let patterns = self.keys.exclude.0.iter().map(|pattern| self.text(pattern, scope));
        let excluded = Excluded::parse(&patterns.collect::<Result<Vec<_>, _>>()?);
        let choice = Choice {
            flatten: self.keys.flatten,
            excluded: excluded.map_err(|why| wrong("exclude", why))?,
            follows: (self.keys.symlinks == Symlinks::Follow).then_some(MOST_FOLLOWED),
            waiting: Waiting::new(self.pool.clone(), self.gate.clone(), scope.clone()),
        };
        Ok(Box::new(Walk::new(self.pool.clone(), wanted, choice)))
    }

    fn tells_changes(&self) -> bool {
        true
    }

    fn has_after(&self) -> bool {
        self.keys.after.is_some()
    }

    fn has_checksum(&self) -> bool {
        self.keys.sha256.is_some() || self.keys.checksum_file.is_some()
    }

    fn changes(&self) -> bool {
        self.has_after()
    }

    fn request(&self, scope: &Scope, entry: Option<&Entry>) -> Result<Box<dyn Request>, SourceError> {
        let own = entry.and_then(|entry| entry.own.as_ref()).and_then(|own| own.downcast_ref::<Own>());
        let mut get = match own {
            Some(Own::File { path, attrs }) => {
                let (pool, path, size) = (self.pool.clone(), path.clone(), attrs.size);
                let same = Same::new(self.keys.growing);
                Get {
                    pool,
                    path,
                    size,
                    same,
                    gate: None,
                    mark: None,
                    check: None,
                    leaving: None,
                    known: None,
                }
            }
            Some(Own::Refused(error)) => return Err(error.clone()),
            None => self.named(scope)?,
        };
        get.check = Check::of(&self.keys, &self.gate, &get.path, own.is_some(), scope)?;
        get.leaving = self.keys.after.as_ref().map(|after| after.of(&get.path, scope, entry)).transpose()?;
        Ok(Box::new(get))
    }
}

/// An item: one file.
struct Get {
    pool: Arc<Pool>,
    path: Vec<u8>,
    /// As a listing told it.
    size: Option<u64>,
    same: Same,
    /// What is asked of it first, if it was not listed.
    gate: Option<Arc<Gate>>,
    /// Its done file.
    mark: Option<Vec<u8>>,
    /// What says what its bytes must be.
    check: Option<Check>,
    /// What becomes of it at the server.
    leaving: Option<Leaving>,
    /// Its fingerprint when it was fetched last.
    known: Option<String>,
}

/// What is known of a file before it is opened.
enum Look {
    /// It is to be taken; its size, if that was told.
    Take(Option<u64>),
    /// It is not to be taken yet: why.
    NotReady(String),
    /// It is what it was when it was fetched last.
    Unchanged,
}

impl Get {
    /// Asks for what a job wants to know of a file that no listing found.
    async fn look(&self, context: &Context) -> Result<Look, SourceError> {
        if self.gate.is_none() && self.known.is_none() {
            return Ok(Look::Take(self.size));
        }
        let paths = [Some(&self.path), self.mark.as_ref()].into_iter().flatten().map(|path| &path[..]);
        let stats = asking::stats(&self.pool, context, paths).await?;
        let target = &self.pool.target.name;
        let [file, mark @ ..] = &stats[..] else { return Ok(Look::Take(None)) };
        let attrs = match (file, &self.gate) {
            (Ok(attrs), _) => attrs,
            (Err(fault), Some(_)) => return Err(fault.error(target, "stat", &self.path)),
            // Whoever opens it will be told why.
            (Err(_), None) => return Ok(Look::Take(None)),
        };
        if self.known.is_some() && entry::fingerprint(attrs) == self.known {
            return Ok(Look::Unchanged);
        }
        let by_age = self.gate.iter().map(|gate| gate.by_age(target, &self.path, attrs));
        let by_mark = self.mark.iter().zip(mark).map(|(mark, stat)| ready::by_mark(target, mark, stat));
        for verdict in by_mark.chain(by_age) {
            match verdict {
                Verdict::Ready => {}
                Verdict::NotReady(why) => return Ok(Look::NotReady(why)),
                Verdict::Unknown(error) => return Err(error),
            }
        }
        Ok(Look::Take(attrs.size))
    }

    /// Fetches it.
    async fn fetch(
        &self,
        size: Option<u64>,
        context: &Context,
        sink: &mut Sink,
    ) -> Result<Payload, SourceError> {
        let lease = self.pool.lease(context).await?;
        let target = &self.pool.target.name;
        let file = File { lease: &lease, context, target, path: &self.path, size, same: &self.same };
        let checksum = async {
            match &self.check {
                Some(check) => check.checksum(&file).await.map(Some),
                None => Ok(None),
            }
        };
        let store = Store::new(sink);
        let (attrs, checksum) = tokio::try_join!(file.fetch(&store), checksum)?;
        context.attributes(|said| said.set("file.size", attrs.size.unwrap_or_default()));
        Ok(Payload {
            brought: Brought { bytes: attrs.size.unwrap_or_default(), ..Brought::default() },
            modified: entry::modified(&attrs),
            fingerprint: entry::fingerprint(&attrs),
            checksum,
            ..Payload::default()
        })
    }
}

impl Request for Get {
    fn target(&self) -> String {
        format!("{}{}", self.pool.target.name, shown(&self.path))
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn unless(&mut self, fingerprint: &str) {
        self.known = Some(fingerprint.to_owned());
    }

    fn after<'a>(
        &'a self,
        context: &'a Context,
        fingerprint: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let Some(leaving) = &self.leaving else { return Ok(()) };
            let lease = self.pool.lease(context).await?;
            let target = &self.pool.target.name;
            Old { lease: &lease, context, target, path: &self.path, fingerprint }.leave(leaving).await
        })
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
            match self.look(context).await? {
                Look::Take(size) => self.fetch(size, context, sink).await,
                Look::NotReady(why) => Ok(Payload { not_ready: Some(why.into()), ..Payload::default() }),
                Look::Unchanged => Ok(Payload { unchanged: true, ..Payload::default() }),
            }
        })
    }
}
