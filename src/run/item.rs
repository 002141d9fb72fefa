//! One item of a job: opens where its result goes, carries out its request, and makes the result final.
//! Not here: where items come from (`feed`), and when they run (`gather`).

use super::job::JobRun;
use super::outputs::{Owner, failed};
use crate::gather::{Brought, Call, Context, Ended, Skip};
use crate::output::Part;
use crate::sources::{Content, Payload, Request, Sink, SourceError};
use std::path::PathBuf;
use std::sync::Arc;

/// What an item of a plan does: an attempt is one call of its request.
pub(super) struct ItemCall {
    pub(super) job: Arc<JobRun>,
    pub(super) label: Arc<str>,
    /// Its number in the job.
    pub(super) number: u64,
    pub(super) task: Task,
}

/// What is to be done.
pub(super) enum Task {
    Request(Arc<dyn Request>, Option<Place>),
    /// It could not even be made.
    Broken(SourceError),
    /// There is nothing to do.
    Skip(Skip),
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
        let job = self.job.clone();
        let (label, number) = (self.label.clone(), self.number);
        let task = match &self.task {
            Task::Request(request, place) => Ok((request.clone(), place.clone())),
            Task::Broken(error) => Err(Ended::Failed(error.clone())),
            Task::Skip(why) => Err(Ended::Skipped(why.clone())),
        };
        async move {
            let ended = match task {
                Ok((request, place)) => {
                    attempt(&job, &label, number, &context, request.as_ref(), place).await
                }
                Err(ended) => ended,
            };
            if let Ended::Failed(error) = &ended {
                context.attributes(|said| said.set("error.type", error.code));
            }
            ended
        }
    }
}

async fn attempt(
    job: &Arc<JobRun>,
    label: &Arc<str>,
    number: u64,
    context: &Context,
    request: &dyn Request,
    place: Option<Place>,
) -> Ended<Fetched, SourceError> {
    let late = request.is_cheap() && job.join.is_none();
    let opened = match &place {
        Some(place) if late => open_late(job, label, number, place),
        place => open(job, label, number, context, place.as_ref()).await,
    };
    let mut sink = match opened {
        Ok(sink) => sink,
        Err(error) => return Ended::Failed(error),
    };
    match request.call(context, &mut sink).await {
        Ok(payload) if payload.unchanged => Ended::Skipped(Skip::Unchanged),
        Ok(Payload { not_ready: Some(why), .. }) => Ended::Skipped(Skip::NotReady(why)),
        Ok(payload) => settle(job, label, number, context, sink, payload, place).await.into(),
        Err(error) => Ended::Failed(error),
    }
}

/// Says where the result goes, which is opened with the first thing to be written.
fn open_late(job: &JobRun, label: &Arc<str>, number: u64, place: &Place) -> Result<Sink, SourceError> {
    job.shared.claim(&place.path, Owner { job: job.number(), item: number }, label)?;
    let part = job.shared.outputs.folder()?.late_part(&place.path, place.mode);
    Ok(Sink::File { part, format: place.format.clone() })
}

/// Opens where the result goes.
async fn open(
    job: &Arc<JobRun>,
    label: &Arc<str>,
    number: u64,
    context: &Context,
    place: Option<&Place>,
) -> Result<Sink, SourceError> {
    let Some(Place { path, format, mode }) = place.cloned() else {
        return Ok(if job.keeps() {
            Sink::Keep { bytes: Vec::new(), limit: job.keep_left() }
        } else {
            Sink::Discard
        });
    };
    let (job, label) = (job.clone(), label.clone());
    let part = context.blocking(move |_| -> Result<Part, SourceError> {
        match &job.join {
            Some(join) => join.part(number),
            None => {
                job.shared.claim(&path, Owner { job: job.number(), item: number }, &label)?;
                job.shared.outputs.folder()?.part(&path, mode).map_err(|error| failed(&error))
            }
        }
    });
    Ok(Sink::File { part: part.await?, format })
}

/// Makes a result final.
async fn settle(
    job: &Arc<JobRun>,
    label: &Arc<str>,
    number: u64,
    context: &Context,
    sink: Sink,
    payload: Payload,
    place: Option<Place>,
) -> Result<Fetched, SourceError> {
    // Whoever looked is not aborted but waited for, so that what has its final name is told as done.
    if context.cancel().is_set() {
        return Err(SourceError::new("cancelled", "cancelled before its result was final"));
    }
    let mut brought = payload.brought;
    match sink {
        Sink::File { part, .. } => {
            let (job, label, modified) = (job.clone(), label.clone(), payload.modified);
            brought.change = context
                .blocking(move |_| match &job.join {
                    Some(join) => join.add(number, &label, part).map(|()| None),
                    None => part.commit(modified).map(Some).map_err(|error| failed(&error)),
                })
                .await?;
            brought.output = place.map(|place| place.path.display().to_string());
            Ok(Fetched { brought, kept: None })
        }
        Sink::Keep { bytes, .. } => {
            job.keep(bytes.len() as u64)?;
            // Nothing to print and nothing to refer to: there may be millions of these.
            let is_nothing = bytes.is_empty() && !job.is_used();
            let kept = (!is_nothing).then(|| (bytes.into(), payload.content == Content::Rows));
            Ok(Fetched { brought, kept })
        }
        Sink::Discard => Ok(Fetched { brought, kept: None }),
    }
}
