//! `fanout show`: any view of a run that is recorded, or of an event log from anywhere.

use super::args::{Form, ShowArguments};
use super::exit::Failure;
use super::history::{open, owner};
use super::{Surroundings, print, say};
use crate::report::log::Reader;
use crate::report::{self, Style, Timeline, what_if};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

pub(super) async fn show(arguments: ShowArguments, surroundings: &Surroundings) -> Result<u8, Failure> {
    let log = find(arguments.target.as_deref(), surroundings).await?;
    let redactor = surroundings.redactor.clone();
    let style = surroundings.screen.style;
    let (form, changes) = (arguments.form, arguments.what_if);
    if form.is_binary() && arguments.output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage(format!("--as {form} is not for a terminal\n  (-o FILE writes a file)")));
    }
    let draw = move || {
        let drawn = if changes.is_empty() {
            log.draw(form, &style)?
        } else {
            what_if::text(&log.timeline()?, &changes, &style).map_err(Failure::usage)?.into_bytes()
        };
        Ok(redactor.redact(&String::from_utf8_lossy(&drawn)).into_owned().into_bytes())
    };
    let drawn = tokio::task::spawn_blocking(draw).await.expect("drawing does not panic")?;
    match &arguments.output {
        Some(path) => {
            std::fs::write(path, drawn)
                .map_err(|error| Failure::write(&path.display().to_string(), &error))?;
            if !surroundings.quiet {
                say(&format!("{}\n", path.display()))?;
            }
            Ok(0)
        }
        None => print(drawn),
    }
}

/// A log that is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Log {
    /// From standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The log that is meant: a file, a run by its id or how that begins, or the latest run of a plan; of any plan if nothing
/// is said.
async fn find(target: Option<&str>, surroundings: &Surroundings) -> Result<Log, Failure> {
    if target == Some("-") {
        return Ok(Log::Stdin);
    }
    let is_log = |target: &&str| Path::new(target).is_file() && starts_like_a_log(Path::new(target));
    if let Some(file) = target.filter(is_log) {
        return Ok(Log::File(file.into()));
    }
    let mut history = open(surroundings).await?;
    let mut found = Vec::new();
    if let Some(id) = target {
        found = history.runs_that_begin(id).await.map_err(Failure::state)?;
    }
    if let [first, second, ..] = &found[..] {
        return Err(Failure::usage(format!(
            "more than one run begins with \"{}\": {}, {}",
            target.unwrap_or_default(),
            first.id,
            second.id
        )));
    }
    if found.is_empty() {
        found = history.runs(target.map(owner).as_deref(), 1).await.map_err(Failure::state)?;
    }
    let run = found.into_iter().next().ok_or_else(|| nothing(target))?;
    let log = history.log(&run.id);
    history.close().await;
    Ok(Log::File(log))
}

fn nothing(target: Option<&str>) -> Failure {
    Failure::usage(match target {
        Some(target) => format!(
            "\"{target}\" is neither an event log nor a recorded run or plan\n  (fanout history lists what is recorded)"
        ),
        None => "nothing is recorded yet".to_owned(),
    })
}

/// Whether a file is an event log, be it an empty one, and not a plan.
fn starts_like_a_log(path: &Path) -> bool {
    let mut start = [0; 1];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    read.is_ok_and(|read| read == 0 || start == *b"{")
}

impl Log {
    fn name(&self) -> String {
        match self {
            Log::Stdin => "stdin".to_owned(),
            Log::File(path) => path.display().to_string(),
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::lost(format!("{}: {error}", self.name()))
    }

    fn open(&self) -> Result<Box<dyn BufRead>, Failure> {
        match self {
            Log::Stdin => Ok(Box::new(io::stdin().lock())),
            Log::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(BufReader::new(file))),
                Err(error) => Err(self.failed(&error)),
            },
        }
    }

    fn draw(&self, form: Form, style: &Style) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        let drawn = match form {
            Form::Events => self.open()?.read_to_end(&mut out).map(drop),
            Form::Text => out.write_all(report::end(&self.timeline()?, style).as_bytes()),
            Form::Html => report::html::html(&self.timeline()?, &mut out),
            Form::Trace => report::trace::trace(&self.timeline()?, &mut out),
            Form::Junit => report::junit::junit(&self.timeline()?, &mut out),
            Form::Files => report::files::files(&self.timeline()?, &mut out),
        };
        drawn.map_err(|error| self.failed(&error))?;
        Ok(out)
    }

    fn timeline(&self) -> Result<Timeline, Failure> {
        let mut reader = Reader::new(self.open()?);
        let mut timeline = Timeline::with_detail(DETAIL);
        while let Some(event) = reader.next_event().map_err(|error| self.failed(&error))? {
            timeline.add(&event);
        }
        for note in reader.notes().lines() {
            say(&format!("{}: {note}\n", self.name()))?;
        }
        Ok(timeline)
    }
}

/// How many items are shown in detail: more than anybody reads, and still some hundred MiB.
const DETAIL: usize = 200_000;
