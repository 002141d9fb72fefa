//! `fanout run --dry-run`: a line for each item, on stdout, and how many there are. Not here: finding them out (`run`).

use super::exit::Failure;
use super::{Surroundings, say, signals, visible};
use crate::plan::{Job, Plan};
use crate::run::{DryRun, Forecast, Foreseen, Options};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The most items of a job that are shown, unless all are asked for.
const SHOWN: u64 = 1000;

pub(super) async fn dry_run(
    plan: Plan,
    options: Options,
    all: bool,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let folder = options.output_dir.clone().unwrap_or_else(|| plan.folder.clone());
    let dry = signals::prepared(DryRun::new(Arc::new(plan), options)).await?.map_err(Failure::plan)?;
    let most = match (surroundings.quiet, all) {
        (true, _) => None,
        (false, true) => Some(u64::MAX),
        (false, false) => Some(SHOWN),
    };
    let lines = Arc::new(Mutex::new(Lines::new(folder, most)));
    // Told when nobody reads any more.
    let unread = Arc::new(Notify::new());
    let (telling, ended) = (lines.clone(), unread.clone());
    let tell = move |job: &Job, foreseen| {
        let mut lines = telling.lock().unwrap_or_else(PoisonError::into_inner);
        lines.add(job, &foreseen);
        if lines.failed.is_err() {
            ended.notify_one();
        }
    };
    let forecast = tokio::select! {
        forecast = dry.list(tell) => forecast,
        () = unread.notified() => {
            let failed = lines.lock().unwrap_or_else(PoisonError::into_inner).result();
            return written(failed).map(|()| 0);
        }
        signal = signals::first() => {
            return Ok(128 + signal.map_err(signals::unheard)? as u8);
        }
    };
    for note in forecast.report.jobs.iter().filter_map(|job| job.note()) {
        say(&format!("fanout: {note}\n"))?;
    }
    let finished = lines.lock().unwrap_or_else(PoisonError::into_inner).finish(&forecast);
    written(finished).map(|()| forecast.report.exit().code())
}

/// A reader who has seen enough is no error.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::write("stdout", &error)),
        _ => Ok(()),
    }
}

/// The lines on stdout.
struct Lines {
    out: BufWriter<Stdout>,
    /// What outputs are under; empty for the current folder.
    folder: PathBuf,
    /// The most items of a job; none if nothing is to be said.
    most: Option<u64>,
    /// The job that is told, and how many items of it were.
    job: Arc<str>,
    told: u64,
    failed: io::Result<()>,
}

impl Lines {
    fn new(folder: PathBuf, most: Option<u64>) -> Lines {
        let folder = if folder == Path::new(".") { PathBuf::new() } else { folder };
        Lines { out: BufWriter::new(io::stdout()), folder, most, job: "".into(), told: 0, failed: Ok(()) }
    }

    fn add(&mut self, job: &Job, foreseen: &Foreseen) {
        if *self.job != *job.name {
            self.end_job();
            self.job = job.name.clone();
        }
        self.told += 1;
        if self.most.is_some_and(|most| self.told <= most) {
            let line = self.line(job, foreseen);
            self.write(&line);
        }
    }

    fn line(&self, job: &Job, foreseen: &Foreseen) -> String {
        match foreseen {
            Foreseen::Item { label, target, output: Some(output) } => {
                let output = self.folder.join(output).display().to_string();
                visible(&format!("{label}: {target} -> {output}"))
            }
            Foreseen::Item { label, target, output: None } => visible(&format!("{label}: {target}")),
            Foreseen::Skipped { label, why } => format!("{}: skipped: {}", visible(label), indented(why)),
            Foreseen::Failed { label, why } => format!("{}: would fail: {}", visible(label), indented(why)),
            Foreseen::Later { after } => {
                let have = if after.len() == 1 { "has" } else { "have" };
                visible(&format!("{}: known when {} {have} run", job.name, after.join(", ")))
            }
        }
    }

    /// Says how many items of the job were left out.
    fn end_job(&mut self) {
        let left = self.most.map_or(0, |most| self.told.saturating_sub(most));
        if left > 0 {
            self.write(&visible(&format!("{}: {left} more (--verbose shows them)", self.job)));
        }
        self.told = 0;
    }

    fn finish(&mut self, forecast: &Forecast) -> io::Result<()> {
        self.end_job();
        if self.most.is_some() {
            self.write(&total(forecast));
        }
        self.result().and_then(|()| self.out.flush())
    }

    /// Whether all could be written so far.
    fn result(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))
    }

    fn write(&mut self, line: &str) {
        if self.failed.is_ok() {
            self.failed = writeln!(self.out, "{line}");
        }
    }
}

/// A reason, its hints in lines that can't be taken for an item's.
fn indented(why: &str) -> String {
    why.lines().map(|line| visible(line.trim_start())).collect::<Vec<_>>().join("\n  ")
}

fn total(forecast: &Forecast) -> String {
    let Forecast { report, later } = forecast;
    let many = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let unlisted = report.jobs.iter().filter(|job| job.error.is_some()).count() as u64;
    let (run, jobs) = (report.counts.done, report.jobs.len() as u64 - unlisted);
    let mut total = format!("{} of {} would run", many(run, "item"), many(jobs, "job"));
    for (count, what) in [(report.counts.failed, "would fail"), (report.counts.skipped, "would be skipped")] {
        if count > 0 {
            total.push_str(&format!(", {count} {what}"));
        }
    }
    if unlisted > 0 {
        total.push_str(&format!("; {} can't be listed", many(unlisted, "job")));
    }
    if *later > 0 {
        let is = if *later == 1 { "is" } else { "are" };
        total.push_str(&format!("; {} {is} known only later", many(*later, "job")));
    }
    total
}
