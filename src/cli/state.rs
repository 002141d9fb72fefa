//! The record of a run: begun before anything runs, ended after everything has. Not here: what is kept and where
//! (`history`).

use super::Surroundings;
use super::exit::Failure;
use super::view::SinkWriter;
use crate::history::{Begun, Ended, History, HistoryError, ItemRow, Overlap, Record, Unusable};
use crate::plan::Plan;
use crate::report::Timeline;
use std::time::Duration;

/// A run that is recorded, if there is a place for that.
pub(super) struct Recording(Option<(History, Record)>);

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
                surroundings.warn(
                    "the run is not recorded: there is no home for it\n  (--state-dir names a folder)",
                )?;
                return Ok(Recording(None));
            }
        };
        match begin(plan, overlap, surroundings).await {
            Ok(recording) => Ok(recording),
            Err(HistoryError::Held(holder)) => Err(Failure::held(holder)),
            Err(error) if folder.asked_for => Err(Failure::state(error)),
            Err(error) => {
                surroundings.warn(&format!("the run is not recorded: {error}"))?;
                Ok(Recording(None))
            }
        }
    }

    /// Where the run's events go, too.
    pub(super) fn writer(&self) -> Result<Option<SinkWriter>, Failure> {
        let Recording(Some((_, record))) = self else { return Ok(None) };
        let writer = record.writer().map_err(|error| Failure::write("the run's record", &error))?;
        Ok(Some(Box::new(writer)))
    }

    /// Drops the record of a run that could not begin.
    pub(super) async fn discard(self) -> Result<(), Failure> {
        let Recording(Some((mut history, record))) = self else { return Ok(()) };
        history.discard(record).await.map_err(Failure::state)
    }

    /// Ends the record.
    pub(super) async fn end(self, timeline: &Timeline, exit: u8) -> Result<(), Failure> {
        let Recording(Some((mut history, record))) = self else { return Ok(()) };
        history.end(record, &ended(timeline, exit)).await.map_err(Failure::state)?;
        history.close().await;
        Ok(())
    }
}

async fn begin(
    plan: &Plan,
    overlap: Overlap,
    surroundings: &Surroundings,
) -> Result<Recording, HistoryError> {
    let Ok(folder) = &surroundings.state else { return Ok(Recording(None)) };
    let mut history = History::open(&folder.path).await?;
    history.forget(surroundings.retention).await?;
    let begun = Begun {
        id: plan.run.id.clone(),
        plan: owner(plan),
        name: plan.name.clone(),
        path: plan.path.display().to_string(),
        started: format!("{:.3}", plan.run.time),
    };
    let record = history.begin(&begun, overlap).await?;
    Ok(Recording(Some((history, record))))
}

fn owner(plan: &Plan) -> String {
    if plan.named {
        return plan.name.clone();
    }
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
