//! Outputs that outlive a power cut: synced and made final in groups, while their items wait and hold no slot.
//! Not here: how (`output`).

use super::groups::Groups;
use super::outputs::failed;
use crate::gather::{Change, Context, Reason};
use crate::output::{OutputError, Part, commit_durably};
use crate::sources::SourceError;
use std::time::SystemTime;
use tokio::sync::oneshot;

/// The most outputs of a group. As many more may wait, each with its file open.
pub(super) const MOST: usize = 64;

/// What makes the outputs of a run final.
pub(super) struct Syncs(Groups<Ready>);

/// An output that only has to be made final.
struct Ready {
    part: Part,
    modified: Option<SystemTime>,
    done: oneshot::Sender<Result<Change, OutputError>>,
}

impl Syncs {
    pub(super) fn new() -> Syncs {
        Syncs(Groups::new(MOST, deal))
    }

    /// Makes an output final with others. Its attempt holds no slot when this returns.
    pub(super) async fn commit(
        &self,
        context: &Context,
        part: Part,
        modified: Option<SystemTime>,
    ) -> Result<Change, SourceError> {
        let (done, result) = oneshot::channel();
        self.0.add(Ready { part, modified, done }).await;
        context.set_aside(Reason::Sync);
        let result = result.await.map_err(|_| SourceError::new("output", "the output was not synced"))?;
        result.map_err(|error| failed(&error))
    }

    /// Waits until no output is being made final.
    pub(super) async fn settled(&self) {
        self.0.settled().await;
    }
}

/// Makes those final that somebody waits for; of an attempt that was aborted the part goes.
fn deal(group: Vec<Ready>) {
    let (parts, waiting): (Vec<_>, Vec<_>) = group
        .into_iter()
        .filter(|ready| !ready.done.is_closed())
        .map(|ready| ((ready.part, ready.modified), ready.done))
        .unzip();
    for (done, result) in waiting.into_iter().zip(commit_durably(parts)) {
        // Who does not wait any more was aborted just now.
        let _ = done.send(result);
    }
}
