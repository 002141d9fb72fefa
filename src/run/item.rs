//! One item of a job: opens where its result goes, carries out its request, and makes the result final.
//! Not here: where items come from (`feed`), and when they run (`gather`).

use super::job::JobRun;
use super::outputs::{Owner, failed};
use super::verify::verify;
use crate::gather::{Brought, Call, Context, Ended, Skip};
use crate::output::Part;
use crate::sources::{Content, Payload, Request, Sink, SourceError};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What an item of a plan does: an attempt is one call of its request.
#[derive(Clone)]
pub(super) struct ItemCall {
    pub(super) job: Arc<JobRun>,
    pub(super) label: Arc<str>,
    /// Its number in the job.
    pub(super) number: u64,
    pub(super) task: Task,
}

/// What is to be done.
#[derive(Clone)]
pub(super) enum Task {
    Request(Arc<Wanted>),
    /// It could not even be made.
    Broken(SourceError),
    /// Nothing: why.
    Nothing(Skip),
}

/// A request, and what becomes of its result.
pub(super) struct Wanted {
    pub(super) request: Box<dyn Request>,
    pub(super) place: Option<Place>,
    /// What it is remembered by.
    pub(super) key: Arc<str>,
    /// A listing found it, so that its key says what is asked for.
    pub(super) listed: bool,
    /// Known once its result is final: what is left to be done is at the source.
    pub(super) taken: OnceLock<Taken>,
}

/// What was taken, in this run or an earlier one.
pub(super) struct Taken {
    /// What it brought in this run.
    pub(super) brought: Option<Brought>,
    /// What tells whether it still lies at the source.
    pub(super) fingerprint: Option<String>,
}

/// Where a result goes.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) format: String,
    pub(super) mode: Option<u32>,
}

/// What an item that is done leaves behind.
pub(super) struct Fetched {
    pub(super) brought: Brought,
    /// The kept bytes, and whether they are rows.
    pub(super) kept: Option<(Arc<[u8]>, bool)>,
}

impl Call for ItemCall {
    type Ok = Fetched;
    type Err = SourceError;

    fn attempt(
        &mut self,
        context: Context,
    ) -> impl Future<Output: Into<Ended<Fetched, SourceError>>> + Send + 'static {
        let call = self.clone();
        async move {
            let ended = match &call.task {
                Task::Request(wanted) => call.take(wanted, &context).await.unwrap_or_else(Ended::Failed),
                Task::Broken(error) => Ended::Failed(error.clone()),
                Task::Nothing(why) => Ended::Skipped(why.clone()),
            };
            if let Ended::Failed(error) = &ended {
                context.attributes(|said| said.set("error.type", error.code));
            }
            ended
        }
    }
}

impl ItemCall {
    /// Carries out the request, makes its result final, and does what is to be done at the source after that: in an
    /// attempt that follows an error of the last, nothing else.
    async fn take(
        &self,
        wanted: &Wanted,
        context: &Context,
    ) -> Result<Ended<Fetched, SourceError>, SourceError> {
        if let Some(taken) = wanted.taken.get() {
            return self.after(wanted, taken, context).await;
        }
        let mut sink = self.open(wanted, context).await?;
        let payload = wanted.request.call(context, &mut sink).await?;
        if payload.unchanged {
            return Ok(Ended::Skipped(Skip::Unchanged));
        }
        if let Some(why) = payload.not_ready {
            return Ok(Ended::Skipped(Skip::NotReady(why)));
        }
        if let Some(checksum) = &payload.checksum {
            verify(&sink, checksum, &wanted.request.target(), context).await?;
        }
        let fetched = self.settle(wanted, context, sink, &payload).await?;
        let has_after = self.job.plan().operation.has_after();
        self.job.remember(wanted, payload.fingerprint.as_deref(), has_after).await;
        if !has_after {
            return Ok(Ended::Done(fetched));
        }
        let taken = Taken { brought: Some(fetched.brought), fingerprint: payload.fingerprint };
        let taken = wanted.taken.get_or_init(|| taken);
        context.go_on().await;
        self.after(wanted, taken, context).await
    }

    /// Does at the source what is to be done there when the result is safe.
    async fn after(
        &self,
        wanted: &Wanted,
        taken: &Taken,
        context: &Context,
    ) -> Result<Ended<Fetched, SourceError>, SourceError> {
        // Who was asked to stop begins nothing new. The flag was looked at before.
        if context.cancel().is_set() {
            return Err(SourceError::new("cancelled", "cancelled before `after`"));
        }
        context.phase("after");
        let result = wanted.request.after(context, taken.fingerprint.as_deref()).await;
        result.map_err(|error| still_there(wanted, taken, error))?;
        self.job.remember(wanted, taken.fingerprint.as_deref(), false).await;
        Ok(match &taken.brought {
            Some(brought) => Ended::Done(Fetched { brought: brought.clone(), kept: None }),
            None => Ended::Skipped(Skip::Unchanged),
        })
    }

    /// Opens where the result goes; or says so, to be opened with the first thing to be written.
    async fn open(&self, wanted: &Wanted, context: &Context) -> Result<Sink, SourceError> {
        let job = &self.job;
        let Some(Place { path, format, mode }) = wanted.place.clone() else {
            return Ok(if job.keeps() {
                Sink::Keep { bytes: Vec::new(), limit: job.keep_left() }
            } else {
                Sink::Discard
            });
        };
        let owner = Owner { job: job.number(), item: self.number };
        if wanted.request.is_cheap() && job.join.is_none() {
            job.shared.claim(&path, owner, &self.label)?;
            let part = job.shared.outputs.folder()?.late_part(&path, mode);
            return Ok(Sink::File { part, format });
        }
        let (job, label) = (job.clone(), self.label.clone());
        let part = context.blocking(move |_| -> Result<Part, SourceError> {
            match &job.join {
                Some(join) => join.part(owner.item),
                None => {
                    job.shared.claim(&path, owner, &label)?;
                    job.shared.outputs.folder()?.part(&path, mode).map_err(|error| failed(&error))
                }
            }
        });
        Ok(Sink::File { part: part.await?, format })
    }

    /// Makes a result final.
    async fn settle(
        &self,
        wanted: &Wanted,
        context: &Context,
        sink: Sink,
        payload: &Payload,
    ) -> Result<Fetched, SourceError> {
        // Whoever looked is not aborted but waited for, so that what has its final name is told as done.
        if context.cancel().is_set() {
            return Err(SourceError::new("cancelled", "cancelled before its result was final"));
        }
        let mut brought = payload.brought.clone();
        match sink {
            Sink::File { part, .. } => {
                let (job, label, number) = (self.job.clone(), self.label.clone(), self.number);
                let modified = payload.modified;
                brought.output = wanted.place.as_ref().map(|place| place.path.display().to_string());
                if job.plan().durable && job.join.is_none() {
                    brought.change = Some(job.shared.syncs.commit(context, part, modified).await?);
                    return Ok(Fetched { brought, kept: None });
                }
                brought.change = context
                    .blocking(move |_| match &job.join {
                        Some(join) => join.add(number, &label, part).map(|()| None),
                        None => part.commit(modified).map(Some).map_err(|error| failed(&error)),
                    })
                    .await?;
                Ok(Fetched { brought, kept: None })
            }
            Sink::Keep { bytes, .. } => {
                self.job.keep(bytes.len() as u64)?;
                // Nothing to print and nothing to refer to: there may be millions of these.
                let is_nothing = bytes.is_empty() && !self.job.is_used();
                let kept = (!is_nothing).then(|| (bytes.into(), payload.content == Content::Rows));
                Ok(Fetched { brought, kept })
            }
            Sink::Discard => Ok(Fetched { brought, kept: None }),
        }
    }
}

/// The error of what was to be done after a result was final, which it is.
fn still_there(wanted: &Wanted, taken: &Taken, error: SourceError) -> SourceError {
    let place = wanted.place.as_ref().map(|place| place.path.display().to_string()).unwrap_or_default();
    let what = match &taken.brought {
        Some(_) => format!("what was fetched is whole: {place}"),
        None => "it was fetched in an earlier run".to_owned(),
    };
    SourceError { message: format!("{}; {what}", error.message), ..error }
}
