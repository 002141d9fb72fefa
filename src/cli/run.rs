//! `fanout run`: a plan carried out, shown, and its results printed.

use super::args::{PlanArguments, RunArguments, RunFlags};
use super::dry::dry_run;
use super::exit::Failure;
use super::otlp::Export;
use super::state::{Recording, memory};
use super::view::{Log, QUEUE, Shown, Viewer};
use super::{Surroundings, print, signals};
use crate::config::Progress;
use crate::gather::Event;
use crate::history::Overlap;
use crate::plan::{Overrides, Plan, Selection};
use crate::report::{self, Timeline};
use crate::run::{Deadline, Execution, Exit, Options, RunReport, StartError};
use crate::units::Span;
use jiff::Zoned;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) async fn run(arguments: RunArguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let plan = load(&arguments.plan).await?;
    warn(&plan, surroundings);
    carry_out(plan, &arguments.flags, arguments.output_dir, arguments.overlap.into(), surroundings).await
}

/// Says what the user should know of the plan's sources.
pub(super) fn warn(plan: &Plan, surroundings: &Surroundings) {
    for source in &plan.sources {
        source.source.notes().iter().for_each(|note| {
            surroundings.warn(&format!("source \"{}\": {note}", source.name));
        });
    }
}

/// Runs a plan, or says what it would do.
pub(super) async fn carry_out(
    plan: Plan,
    flags: &RunFlags,
    output_dir: Option<PathBuf>,
    overlap: Overlap,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let to_stdout = flags.events.as_deref() == Some(Path::new("-"));
    if to_stdout && let Some(job) = plan.jobs.iter().find(|job| job.output.is_none() && prints(&plan, job)) {
        let name = &job.name;
        return Err(Failure::usage(format!(
            "--events writes to stdout, where the result of job \"{name}\" would go, too\n  (give the job an `output`, or write --events=FILE)"
        )));
    }
    let memory = memory(&plan, surroundings).await?;
    let options = Options { output_dir, memory, ..options(flags, !to_stdout, surroundings)? };
    if flags.dry_run {
        return dry_run(plan, options, flags.verbose, surroundings).await;
    }
    let export = Export::begin(flags.otlp.as_deref(), surroundings).await?;
    let log = Log::open(flags.events.as_deref())?;
    let heed = Export::heed(export.as_ref());
    let (report, timeline, kept) = recorded(plan, options, overlap, (log, heed), surroundings).await?;
    signals::let_go().map_err(signals::unheard)?;
    let told = tell(&report, &timeline, !to_stdout, surroundings);
    Export::end(export, surroundings).await;
    ended(told.and(kept), report.exit())
}

/// The exit code. That something could not be written is said, too, where a signal says more.
fn ended(written: Result<(), Failure>, exit: Exit) -> Result<u8, Failure> {
    if let (Err(failure), Exit::Signal(_)) = (&written, exit) {
        failure.say();
        return Ok(exit.code());
    }
    written.map(|()| exit.code())
}

fn options(flags: &RunFlags, keep_results: bool, surroundings: &Surroundings) -> Result<Options, Failure> {
    Ok(Options {
        concurrency: flags.concurrency,
        sequential: flags.sequential,
        deadline: flags.deadline.as_deref().map(deadline).transpose()?,
        fail_fast: flags.fail_fast,
        events: Some(QUEUE),
        keep_results,
        redactor: surroundings.redactor.clone(),
        ..Options::default()
    })
}

/// Runs a plan to its end, and records that: what is known of the run, and whether its log and record could be kept.
async fn recorded(
    plan: Plan,
    options: Options,
    overlap: Overlap,
    (log, heed): (Log, impl FnMut(&Event) + Send + 'static),
    surroundings: &Surroundings,
) -> Result<(RunReport, Timeline, Result<(), Failure>), Failure> {
    let mut recording = Recording::begin(&plan, overlap, surroundings).await?;
    let log = log.and(recording.sink()?);
    let ran = async {
        let execution = begin(Arc::new(plan), options).await?;
        recording.began(execution.began(), surroundings).await?;
        watch(execution, surroundings, log, heed).await
    };
    let (report, shown) = match ran.await {
        Ok(ran) => ran,
        Err(failure) => {
            recording.discard().await?;
            return Err(failure);
        }
    };
    let (timeline, written) = shown.told(surroundings);
    let kept = recording.end(&timeline, report.exit().code(), surroundings).await;
    let remembered = report.remembered.clone().map_err(Failure::state);
    Ok((report, timeline, written.and(kept).and(remembered)))
}

/// Says how it ended, everywhere but in its record. Where one of it can't be said, the others are.
fn tell(
    report: &RunReport,
    timeline: &Timeline,
    results: bool,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let stepped = step_summary(timeline, surroundings);
    // With `-q`, too, nothing is shown while it goes on.
    let is_silent = matches!(surroundings.screen.progress, Progress::None) && report.exit().code() == 0;
    let shown = if is_silent { Ok(()) } else { show_end(timeline, surroundings) };
    let printed = if results { print_results(report) } else { Ok(()) };
    stepped.and(shown).and(printed)
}

/// Reads a plan and drops what is not selected.
pub(super) async fn load(arguments: &PlanArguments) -> Result<Plan, Failure> {
    let arguments = arguments.clone();
    let read = move || {
        let overrides = Overrides { vars: arguments.vars, ..Overrides::default() };
        let mut plan = Plan::load(&arguments.plan, &overrides).map_err(Failure::plan)?;
        let selection = Selection { jobs: arguments.jobs, sources: arguments.sources, skip: arguments.skip };
        plan.select(&selection).map_err(Failure::usage)?;
        Ok(plan)
    };
    tokio::task::spawn_blocking(read).await.expect("reading a plan does not panic")
}

/// Runs a plan to its end, shown as the screen allows. `heed` sees every event.
pub(super) async fn execute(
    plan: Arc<Plan>,
    options: Options,
    surroundings: &Surroundings,
    log: Log,
    heed: impl FnMut(&Event) + Send + 'static,
) -> Result<(RunReport, Shown), Failure> {
    watch(begin(plan, options).await?, surroundings, log, heed).await
}

/// Starts the run's clock.
async fn begin(plan: Arc<Plan>, options: Options) -> Result<Execution, Failure> {
    signals::prepared(Execution::new(plan, options)).await?.map_err(|error| match error {
        StartError::Secret(_) | StartError::Memory(_) => Failure::plan(error),
        StartError::Output(_) => Failure::lost(error),
    })
}

async fn watch(
    execution: Execution,
    surroundings: &Surroundings,
    log: Log,
    heed: impl FnMut(&Event) + Send + 'static,
) -> Result<(RunReport, Shown), Failure> {
    let run = execution.run().clone();
    let viewer = Viewer::start(&run, surroundings.screen, log, heed)?;
    let report = tokio::select! {
        report = execution.finish() => report,
        Err(error) = signals::listen(run, viewer.asked()) => return Err(signals::unheard(error)),
    };
    Ok((report, viewer.finish().await))
}

/// The waterfall, the figures, the failures last: on stderr.
pub(super) fn show_end(timeline: &Timeline, surroundings: &Surroundings) -> Result<(), Failure> {
    super::draw(&report::end(timeline, &surroundings.screen.style))
}

/// In a step of GitHub Actions, the run's summary goes onto the page of the workflow.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary>
fn step_summary(timeline: &Timeline, surroundings: &Surroundings) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let failed = |error: io::Error| Failure::write(&path.display().to_string(), &error);
    let mut text = Vec::new();
    report::github::github(timeline, &mut text).map_err(failed)?;
    let text = surroundings.redactor.redact(&String::from_utf8_lossy(&text)).into_owned();
    let mut file = File::options().append(true).create(true).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Whether a job's result goes to stdout: it has nowhere else to go, and nobody else uses it.
fn prints(plan: &Plan, job: &crate::plan::Job) -> bool {
    !plan.is_needed(&job.name) && job.operation.has_result()
}

/// Prints what was kept for it, each result on lines of its own. A single one may be anything, and goes into a file or another
/// program byte for byte.
fn print_results(report: &RunReport) -> Result<(), Failure> {
    let results: Vec<_> = report
        .jobs
        .iter()
        .filter(|job| !job.used)
        .flat_map(|job| &job.kept)
        .map(|kept| &kept.bytes)
        .collect();
    let is_read = results.len() > 1 || io::stdout().is_terminal();
    let mut out = Vec::new();
    for bytes in results {
        out.extend_from_slice(bytes);
        if is_read && bytes.last().is_some_and(|byte| *byte != b'\n') {
            out.push(b'\n');
        }
    }
    print(out).map(drop)
}

/// `5h` from now, or the next `05:30` on this machine's clock.
fn deadline(text: &str) -> Result<Deadline, Failure> {
    if let Ok(Span(duration)) = text.parse::<Span>()
        && !duration.is_zero()
    {
        return Ok(Deadline::After(duration));
    }
    let wrong = || {
        Failure::usage(format!(
            "--deadline \"{text}\": must be a duration such as 5h or a time of day such as 05:30"
        ))
    };
    let time: jiff::civil::Time = jiff::civil::Time::strptime("%H:%M", text).map_err(|_| wrong())?;
    let now = Zoned::now();
    let mut then = now.with().time(time).build().map_err(|_| wrong())?;
    if then <= now {
        then = then.tomorrow().map_err(|_| wrong())?;
    }
    Ok(Deadline::At(then.timestamp()))
}
