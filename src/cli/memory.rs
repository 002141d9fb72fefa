//! `fanout state`: what plans remember of what they took, listed and forgotten.

use super::args::StateCommand;
use super::exit::Failure;
use super::history::{lines, local, open, owner, table};
use super::{Surroundings, print};
use crate::history::PastMemory;
use jiff::Timestamp;

pub(super) async fn state(command: StateCommand, surroundings: &Surroundings) -> Result<u8, Failure> {
    let mut history = open(surroundings).await?;
    let said = match command {
        StateCommand::List { json } => {
            let memories = history.memories().await.map_err(Failure::state)?;
            if json { lines(&memories) } else { listed(&memories) }
        }
        StateCommand::Forget { plan, item } => {
            let (job, key) = item.as_deref().map_or((None, None), split);
            let forgotten = history.forget_items(&owner(&plan), job, key).await.map_err(Failure::state)?;
            format!("{forgotten} item{} forgotten\n", if forgotten == 1 { "" } else { "s" })
        }
    };
    history.close().await;
    print(surroundings.redactor.redact(&said).as_bytes())
}

/// `JOB[KEY]` or `JOB`.
fn split(item: &str) -> (Option<&str>, Option<&str>) {
    match item.strip_suffix(']').and_then(|item| item.split_once('[')) {
        Some((job, key)) => (Some(job), Some(key)),
        None => (Some(item), None),
    }
}

fn listed(memories: &[PastMemory]) -> String {
    let head = ["PLAN", "JOB", "SOURCE", "ITEMS", "LAST TAKEN"];
    let row = |memory: &PastMemory| {
        let taken = Timestamp::from_second(memory.taken).map(|taken| local(&taken.to_string()));
        let PastMemory { plan, job, target, items, .. } = memory.clone();
        [plan, job, target, items.to_string(), taken.unwrap_or_default()]
    };
    table(head, memories.iter().map(row).collect())
}
