//! The command line: arguments, views, signals, exit codes. Not here: anything that a library user could want.

mod args;
mod check;
mod compare;
mod demo;
mod dry;
mod exit;
mod fetch;
mod history;
mod memory;
mod otlp;
mod run;
mod show;
mod signals;
mod state;
mod terminal;
mod view;

use crate::config::Settings;
use crate::history::{Retention, StateFolder, Unusable};
use crate::report::{Style, text};
use crate::secret::Redactor;
use crate::{gather, plan, telemetry};
use args::{Arguments, Command};
use clap::{CommandFactory, Parser};
use exit::Failure;
use std::cell::RefCell;
use std::io::{self, Write};
use std::process::ExitCode;
use view::Screen;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    signals::bear_questions();
    gather::install_panic_hook();
    let arguments = Arguments::parse();
    let code = std::panic::catch_unwind(|| match start(arguments) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    });
    ExitCode::from(code.unwrap_or(exit::BUG))
}

/// What every command has at hand.
struct Surroundings {
    screen: Screen,
    redactor: Redactor,
    quiet: bool,
    /// Warnings that are said only if the exit code is not 0: it is to be quiet.
    held_back: RefCell<Vec<String>>,
    /// Where runs are recorded.
    state: Result<StateFolder, Unusable>,
    retention: Retention,
}

impl Surroundings {
    /// Says what the user should know, and what changes nothing.
    fn warn(&self, text: &str) {
        let warning = format!("fanout: warning: {text}\n");
        if self.quiet {
            self.held_back.borrow_mut().push(warning);
        } else {
            // Who can't be warned is not kept from what he asked for.
            let _ = say(&warning);
        }
    }

    /// Says the warnings that were held back.
    fn warn_after_all(&self) {
        let _ = say(&self.held_back.take().concat());
    }
}

fn start(arguments: Arguments) -> Result<u8, Failure> {
    let globals = arguments.globals;
    let mut settings = Settings::load(globals.config.as_deref()).map_err(Failure::settings)?;
    settings.color = globals.color.unwrap_or(settings.color);
    settings.progress = globals.progress.unwrap_or(settings.progress);
    settings.threads = globals.threads.unwrap_or(settings.threads);
    settings.log = globals.log.unwrap_or(settings.log);
    let redactor = Redactor::process().clone();
    let screen = Screen::new(&settings, globals.quiet, arguments.command.is_verbose());
    telemetry::init(&settings.log, screen.style.color, view::Clean(redactor.clone()))
        .map_err(Failure::settings)?;
    raise_open_files();
    let state = StateFolder::find(globals.state_dir);
    let retention = Retention { age: settings.history.age.0, size: settings.history.size.0 };
    let (quiet, held_back) = (globals.quiet, RefCell::default());
    let surroundings = Surroundings { screen, redactor, quiet, held_back, state, retention };
    let ended = runtime(settings.threads)?.block_on(dispatch(arguments.command, &surroundings));
    if !matches!(ended, Ok(0)) {
        surroundings.warn_after_all();
    }
    ended
}

async fn dispatch(command: Command, surroundings: &Surroundings) -> Result<u8, Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments, surroundings).await,
        Command::Fetch(arguments) => fetch::fetch(arguments, surroundings).await,
        Command::Check(arguments) => check::check(arguments, surroundings).await,
        Command::Compare(arguments) => compare::compare(arguments, surroundings).await,
        Command::Demo => demo::demo(surroundings).await,
        Command::History(arguments) => history::history(arguments, surroundings).await,
        Command::State(command) => memory::state(command, surroundings).await,
        Command::Show(arguments) => show::show(arguments, surroundings).await,
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&plan::schema()).expect("a schema is JSON");
            print(schema + "\n")
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "fanout", &mut script);
            print(script)
        }
    }
}

/// Writes to stdout. A reader who has seen enough is no error.
fn print(text: impl AsRef<[u8]>) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::write("stdout", &error)),
        _ => Ok(0),
    }
}

/// Says something between the views, on stderr.
fn say(text: &str) -> Result<(), Failure> {
    to_stderr(&visible_lines(text))
}

/// Writes a view to stderr, without secrets.
fn draw(view: &str) -> Result<(), Failure> {
    to_stderr(&Redactor::process().redact(view))
}

/// As with [`print`], a reader may have seen enough.
fn to_stderr(text: &str) -> Result<(), Failure> {
    match io::stderr().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::write("stderr", &error)),
        _ => Ok(()),
    }
}

/// A name or value as it may be shown within a line: without secrets, and with all made visible that could drive a
/// terminal or pass for another text.
fn visible(text: &str) -> String {
    text::escape(&Redactor::process().redact(text), &Style::default()).into_owned()
}

/// The same for a message, whose line breaks stay.
fn visible_lines(text: &str) -> String {
    text::escape_lines(&Redactor::process().redact(text), &Style::default())
}

/// The most threads that there may be.
const MOST_THREADS: usize = 1024;

/// One thread is a runtime of one thread; more are that many. Waiting needs no thread.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    if threads > MOST_THREADS {
        return Err(Failure::settings(format!("`threads` is {threads}, and must be {MOST_THREADS} at most")));
    }
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::settings(format!("the runtime can't start: {error}")))
}

/// Many connections and files at once need many descriptors; the soft limit is often 1024.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without it fewer things run at once, and who fails says so.
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}
