//! `fanout demo`: the classic example on servers of its own, in turn and at once, then a larger mixed plan.

use super::exit::Failure;
use super::run::{execute, show_end};
use super::view::{Log, QUEUE};
use super::{Surroundings, say};
use crate::demo::servers::Servers;
use crate::demo::{self, Attendant, Example};
use crate::run::{Options, RunReport};
use std::sync::Arc;

pub(super) async fn demo(surroundings: &Surroundings) -> Result<u8, Failure> {
    let servers = Arc::new(Servers::start().await.map_err(Failure::lost)?);
    say("Three functions wait for I/O: an HTTP call for 2 s, a SQL query for 4 s, an SFTP fetch for 1 s.\n")?;
    say("\nIn turn, as a program does it:\n\n")?;
    let (turn, _) = example(&servers, Example::Classic, true, surroundings).await?;
    say("\nAt once, as fanout does it:\n\n")?;
    let (once, order) = example(&servers, Example::Classic, false, surroundings).await?;
    say(&format!(
        "\n{:.1} s in turn, {:.1} s at once: they finished in the order {order}, and are reported in the order 1, 2, 3.\n",
        turn.wall.as_secs_f64(),
        once.wall.as_secs_f64(),
    ))?;
    say("\nA larger plan: listed items, queries and files, within each server's limits:\n\n")?;
    let (mixed, _) = example(&servers, Example::Mixed, false, surroundings).await?;
    let reports = [turn, once, mixed];
    Ok(reports.iter().map(|report| report.exit().code()).find(|code| *code != 0).unwrap_or(0))
}

/// Runs an example, and says in which order its jobs ended.
async fn example(
    servers: &Arc<Servers>,
    example: Example,
    sequential: bool,
    surroundings: &Surroundings,
) -> Result<(RunReport, String), Failure> {
    let plan = demo::plan(example, servers).map_err(Failure::plan)?;
    let folder = servers.results(if sequential { "in-turn" } else { "at-once" });
    let options = Options {
        output_dir: Some(folder),
        sequential,
        events: Some(QUEUE),
        keep_results: false,
        redactor: surroundings.redactor.clone(),
        ..Options::default()
    };
    servers.ledger_locked().await;
    let attendant = Attendant::new(example, servers.clone());
    let heeding = attendant.clone();
    let heed = move |event: &crate::gather::Event| heeding.heed(event);
    let (report, shown) = execute(Arc::new(plan), options, surroundings, Log::default(), heed).await?;
    let (timeline, told) = shown.told(surroundings);
    told?;
    show_end(&timeline, surroundings)?;
    Ok((report, attendant.finishing_order()))
}
