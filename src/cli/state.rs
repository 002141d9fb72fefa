//! The record of a run: begun before anything runs, ended after everything has; and what its plan remembers. Not here: what
//! is kept and where (`history`).

use super::Surroundings;
use super::exit::Failure;
use super::view::Sink;
use crate::history::{
    Begun, Ended, History, HistoryError, ItemRow, Overlap, PlanMemory, Record, Retention, StateFolder,
    Unusable,
};
use crate::plan::Plan;
use crate::report::Timeline;
use crate::run::Memory;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A run that is recorded, if there is a place for that.
pub(super) struct Recording {
    kept: Option<(History, Record)>,
    /// Whether the folder was asked for.
    asked_for: bool,
}

impl Recording {
    /// Begins the record of a run of this plan. Without a folder for it the run goes on, with a warning, unless the
    /// folder was asked for.
    pub(super) async fn begin(
        plan: &Plan,
        overlap: Overlap,
        surroundings: &Surroundings,
    ) -> Result<Recording, Failure> {
        let folder = match &surroundings.state {
            Ok(folder) => folder,
            Err(Unusable) => {
                surroundings
                    .warn("the run is not recorded: there is no home for it\n  (--state-dir names a folder)");
                return Ok(Recording { kept: None, asked_for: false });
            }
        };
        match begin(plan, overlap, folder, surroundings.retention).await {
            Ok(kept) => Ok(Recording { kept: Some(kept), asked_for: folder.asked_for }),
            Err(HistoryError::Held(holder)) => Err(Failure::held(holder)),
            Err(error) if folder.asked_for => Err(Failure::state(error)),
            Err(error) => {
                surroundings.warn(&format!("the run is not recorded: {error}"));
                Ok(Recording { kept: None, asked_for: false })
            }
        }
    }

    /// Where the run's events go, too.
    pub(super) fn sink(&self) -> Result<Option<Sink>, Failure> {
        let Some((_, record)) = &self.kept else { return Ok(None) };
        let name = "the run's record".to_owned();
        let writer = record.writer().map_err(|error| Failure::write(&name, &error))?;
        Ok(Some(Sink { name, writer: Box::new(writer), asked_for: self.asked_for }))
    }

    /// Says when the run did begin: as its log does.
    pub(super) async fn began(
        &mut self,
        began: Timestamp,
        surroundings: &Surroundings,
    ) -> Result<(), Failure> {
        let Some((history, record)) = &mut self.kept else { return Ok(()) };
        let told = history.began(record, &format!("{began:.6}")).await;
        self.or_warning(told, surroundings)
    }

    /// What can't be recorded is a failure where a record was asked for, else a warning.
    fn or_warning(&self, told: Result<(), HistoryError>, surroundings: &Surroundings) -> Result<(), Failure> {
        match told {
            Err(error) if self.asked_for => Err(Failure::state(error)),
            Err(error) => {
                surroundings.warn(&format!("the run's record is not whole: {error}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Drops the record of a run that could not begin.
    pub(super) async fn discard(self) -> Result<(), Failure> {
        let Some((mut history, record)) = self.kept else { return Ok(()) };
        history.discard(record).await.map_err(Failure::state)
    }

    /// Ends the record.
    pub(super) async fn end(
        mut self,
        timeline: &Timeline,
        exit: u8,
        surroundings: &Surroundings,
    ) -> Result<(), Failure> {
        let Some((mut history, record)) = self.kept.take() else { return Ok(()) };
        let ended = history.end(record, &ended(timeline, exit)).await;
        history.close().await;
        self.or_warning(ended, surroundings)
    }
}

async fn begin(
    plan: &Plan,
    overlap: Overlap,
    folder: &StateFolder,
    retention: Retention,
) -> Result<(History, Record), HistoryError> {
    let mut history = History::open(&folder.path).await?;
    history.forget(retention).await?;
    let begun = Begun {
        id: plan.run.id.clone(),
        plan: owner(plan),
        name: plan.name.clone(),
        path: file(plan),
        started: format!("{:.6}", plan.run.time),
    };
    let record = history.begin(&begun, overlap).await?;
    Ok((history, record))
}

/// What a plan remembers, if a job of it is `incremental`: then a place for it has to be there.
pub(super) async fn memory(
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<Option<Arc<dyn Memory>>, Failure> {
    let Some(job) = plan.jobs.iter().find(|job| job.incremental) else { return Ok(None) };
    let folder = surroundings.state.as_ref().map_err(|_| {
        Failure::settings(format!(
            "job \"{}\": `incremental` remembers what was taken, and there is no home for that\n  (--state-dir names a folder)",
            job.name
        ))
    })?;
    let memory = PlanMemory::open(&folder.path, owner(plan), file(plan)).await.map_err(Failure::state)?;
    Ok(Some(Arc::new(memory)))
}

fn owner(plan: &Plan) -> String {
    if plan.named {
        return plan.name.clone();
    }
    file(plan)
}

fn file(plan: &Plan) -> String {
    plan.path.canonicalize().unwrap_or_else(|_| plan.path.clone()).display().to_string()
}

fn ended(timeline: &Timeline, exit: u8) -> Ended {
    let items = timeline.items().filter_map(|(job, item)| {
        let end = item.end.as_ref()?;
        Some(ItemRow {
            job: job.name.to_string(),
            key: item.key.as_deref().unwrap_or_default().to_owned(),
            state: end.state,
            code: end.code.as_deref().map(str::to_owned),
            attempts: item.tries(),
            started: item.started().map(micros),
            ended: micros(end.at),
            running: micros(item.attempts.iter().map(|a| a.until(end.at).saturating_sub(a.start)).sum()),
            bytes: end.brought.bytes,
            rows: end.brought.rows,
            output: end.brought.output.clone(),
        })
    });
    Ended {
        exit,
        wall: timeline.wall(),
        sum: timeline.sum(),
        counts: timeline.counts,
        bytes: timeline.received.bytes,
        rows: timeline.received.rows,
        items: items.take(crate::history::ITEMS).collect(),
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
