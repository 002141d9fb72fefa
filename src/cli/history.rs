//! `fanout history`: the runs that are recorded on this machine, and how one item did in them.

use super::args::HistoryArguments;
use super::exit::Failure;
use super::{Surroundings, print, visible};
use crate::gather::Counts;
use crate::history::{History, PastItem, PastRun};
use crate::report::text;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

pub(super) async fn history(arguments: HistoryArguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let mut history = open(surroundings).await?;
    let plan = arguments.plan.as_deref().map(owner);
    let said = match (&plan, &arguments.item) {
        (Some(plan), Some(item)) => {
            let (job, key) = split(item);
            let past = history
                .item(plan, job, key.unwrap_or_default(), arguments.number)
                .await
                .map_err(Failure::state)?;
            if arguments.json { lines(&past) } else { items(&past) }
        }
        (plan, _) => {
            let past = history.runs(plan.as_deref(), arguments.number).await.map_err(Failure::state)?;
            if arguments.json { lines(&past) } else { runs(&past) }
        }
    };
    history.close().await;
    print(surroundings.redactor.redact(&said).as_bytes())
}

/// The state of this machine.
pub(super) async fn open(surroundings: &Surroundings) -> Result<History, Failure> {
    let folder = surroundings.state.as_ref().map_err(|_| {
        Failure::settings("nothing is recorded: there is no home for it\n  (--state-dir names a folder)")
    })?;
    History::open(&folder.path).await.map_err(Failure::state)
}

/// How a plan is known that was named on the command line: by its file if that is there, else by its name.
pub(super) fn owner(plan: &str) -> String {
    let path = Path::new(plan);
    let file = path.is_file().then(|| path.canonicalize().ok()).flatten();
    file.map_or_else(|| plan.to_owned(), |path| path.display().to_string())
}

/// `JOB[KEY]` or `JOB`.
pub(super) fn split(item: &str) -> (&str, Option<&str>) {
    let keyed = item.strip_suffix(']').and_then(|item| item.split_once('['));
    keyed.map_or((item, None), |(job, key)| (job, Some(key)))
}

/// JSON Lines.
pub(super) fn lines<T: Serialize>(rows: &[T]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).expect("a row is JSON") + "\n").collect()
}

fn runs(runs: &[PastRun]) -> String {
    let head = ["RUN", "STARTED", "PLAN", "WALL", "OVERLAP", "ENDED", "ITEMS"];
    let row = |run: &PastRun| {
        let overlap = run.sum.zip(run.wall).filter(|(_, wall)| *wall > 0.0).map(|(sum, wall)| sum / wall);
        [
            run.id.clone(),
            local(&run.started),
            run.name.clone(),
            run.wall.map(seconds).unwrap_or_default(),
            overlap.map(|overlap| format!("{overlap:.1} x")).unwrap_or_default(),
            ending(run),
            run.counts.as_ref().map(counts).unwrap_or_default(),
        ]
    };
    table(head, runs.iter().map(row).collect())
}

fn items(items: &[PastItem]) -> String {
    let head = ["RUN", "STARTED", "ENDED", "TOOK", "TRIES", "BYTES", "ROWS"];
    let row = |item: &PastItem| {
        [
            item.run.clone(),
            local(&item.started),
            item.code.clone().unwrap_or_else(|| item.state.replace('_', " ")),
            item.took.map(seconds).unwrap_or_default(),
            item.attempts.to_string(),
            text::bytes(item.bytes.unsigned_abs()),
            item.rows.to_string(),
        ]
    };
    table(head, items.iter().map(row).collect())
}

fn ending(run: &PastRun) -> String {
    match run.exit {
        Some(0) => "done".to_owned(),
        Some(code) => format!("exit {code}"),
        None if run.running => format!("running, process {}", run.pid),
        None => "killed".to_owned(),
    }
}

fn counts(counts: &Counts) -> String {
    let lost = counts.lost();
    let skipped = if counts.skipped > 0 { format!(", {} skipped", counts.skipped) } else { String::new() };
    let lost = if lost > 0 { format!(", {lost} lost") } else { String::new() };
    format!("{} of {}{skipped}{lost}", counts.done, counts.submitted)
}

fn seconds(seconds: f64) -> String {
    text::time(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A time of the log in this machine's time zone.
pub(super) fn local(started: &str) -> String {
    let time = started.parse::<Timestamp>().map(|time| time.to_zoned(TimeZone::system()));
    time.map_or_else(|_| started.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Columns as wide as what is in them, two spaces between.
pub(super) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let head = head.map(str::to_owned);
    let rows = rows.into_iter().map(|row| row.map(|cell| visible(&cell)));
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| text::width(&row[column])).max().unwrap_or_default()
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let spaces = " ".repeat(width.saturating_sub(text::width(cell)));
            format!("{cell}{spaces}")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
