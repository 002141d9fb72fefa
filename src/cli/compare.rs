//! `fanout compare`: a plan one item after the other, then at once, after a warm-up, into scratch folders.

use super::args::{CompareArguments, PlanArguments};
use super::exit::Failure;
use super::run::{execute, load, show_end};
use super::view::{Log, QUEUE};
use super::{Surroundings, print, signals};
use crate::run::{Forgetful, Options, RunReport};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) async fn compare(arguments: CompareArguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let plan = load(&arguments.plan).await?;
    let changing = plan.jobs.iter().find(|job| job.operation.changes());
    if let Some(job) = changing.filter(|_| !arguments.yes) {
        return Err(Failure::usage(format!(
            "job \"{}\" changes something at its source, and a comparison runs it three times\n  (--yes runs it all the same)",
            job.name
        )));
    }
    let scratch = Scratch::new()?;
    let runs = [("warm-up", false), ("one by one", true), ("at once", false)];
    let mut reports = Vec::new();
    for (name, sequential) in runs {
        let report = once(&arguments.plan, &scratch.0.join(name), sequential, name, surroundings).await?;
        if report.exit().code() != 0 {
            return Ok(report.exit().code());
        }
        reports.push(report);
    }
    signals::let_go().map_err(signals::unheard)?;
    let (turn, once) = (reports[1].wall.as_secs_f64(), reports[2].wall.as_secs_f64());
    print(format!(
        "one by one  {turn:8.2} s\nat once     {once:8.2} s\nsaved       {:8.2} s, {:.1} x as fast\n",
        turn - once,
        turn / once
    ))
}

/// One run of the plan, read anew, so that no connection is left from the one before.
async fn once(
    arguments: &PlanArguments,
    folder: &Path,
    sequential: bool,
    name: &str,
    surroundings: &Surroundings,
) -> Result<RunReport, Failure> {
    let plan = Arc::new(load(arguments).await?);
    let options = Options {
        output_dir: Some(folder.to_owned()),
        sequential,
        events: Some(QUEUE),
        keep_results: false,
        memory: Some(Arc::new(Forgetful)),
        redactor: surroundings.redactor.clone(),
        ..Options::default()
    };
    let (report, shown) = execute(plan, options, surroundings, Log::default(), |_| {}).await?;
    let (timeline, told) = shown.told(surroundings);
    told?;
    if !surroundings.quiet && (name != "warm-up" || report.exit().code() != 0) {
        super::say(&format!("\n{name}\n"))?;
        show_end(&timeline, surroundings)?;
    }
    Ok(report)
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let id = crate::plan::RunIdentity::now().id;
        let path = std::env::temp_dir().join(format!("fanout-compare-{id}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::write(&path.display().to_string(), &error))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
