//! `fanout state`: what plans remember of what they took, listed and forgotten.

use super::args::StateCommand;
use super::exit::Failure;
use super::history::{lines, local, open, owner, split, table};
use super::{Surroundings, print};
use crate::history::PastMemory;
use jiff::Timestamp;

/// The most jobs that are named to one who named another.
const KNOWN: usize = 10;

pub(super) async fn state(command: StateCommand, surroundings: &Surroundings) -> Result<u8, Failure> {
    let mut history = open(surroundings).await?;
    let said = match command {
        StateCommand::List { json } => {
            let memories = history.memories().await.map_err(Failure::state)?;
            if json { lines(&memories) } else { listed(&memories) }
        }
        StateCommand::Forget { plan, item } => {
            let (job, key) = item.as_deref().map(split).unzip();
            let forgotten = history.forget_items(&owner(&plan), job, key.flatten()).await;
            let forgotten = forgotten.map_err(Failure::state)?;
            if forgotten == 0 {
                let memories = history.memories().await.map_err(Failure::state)?;
                history.close().await;
                return Err(unknown(&plan, item.as_deref(), &memories));
            }
            format!("{forgotten} item{} forgotten\n", if forgotten == 1 { "" } else { "s" })
        }
    };
    history.close().await;
    print(surroundings.redactor.redact(&said).as_bytes())
}

/// Nothing was remembered of what was to be forgotten.
fn unknown(plan: &str, item: Option<&str>, memories: &[PastMemory]) -> Failure {
    let what = item.map_or_else(String::new, |item| format!("{item} of "));
    let mut known: Vec<_> = memories.iter().map(|memory| format!("{} {}", memory.plan, memory.job)).collect();
    let more = if known.len() > KNOWN { ", .." } else { "" };
    known.truncate(KNOWN);
    let hint = match known.is_empty() {
        true => String::new(),
        false => {
            format!("\n  (known: {}{more}; a plan without a name is known by its file)", known.join(", "))
        }
    };
    Failure::usage(format!("nothing is remembered of {what}{plan}{hint}"))
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
