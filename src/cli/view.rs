//! What is shown while a run goes on, and the event log: one thread of its own reads the events, so that a slow
//! terminal or disk stops no runtime thread. Not here: what is drawn (`report`).

use super::Surroundings;
use super::exit::Failure;
use crate::config::{Progress, Settings, When};
use crate::gather::{Event, EventQueue, Run};
use crate::report::plain::{Plain, all_running};
use crate::report::terminal::{self, Live, Size};
use crate::report::{self, Style, Timeline, log};
use crate::secret::Redactor;
use std::fs::File;
use std::io::{self, IsTerminal, Stderr, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// Events that may wait for the thread that shows them.
pub(super) const QUEUE: usize = 16 * 1024;
/// Without a terminal nothing is drawn, but the time of the next line is looked at so often.
const PLAIN_LOOK: Duration = Duration::from_secs(1);

/// What there is to show things on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    pub(super) style: Style,
    pub(super) progress: Progress,
    /// Whether every item has its line.
    verbose: bool,
}

impl Screen {
    pub(super) fn new(settings: &Settings, quiet: bool, verbose: bool) -> Screen {
        let terminal = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match settings.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !no_color && !dumb,
        };
        let progress = match settings.progress {
            _ if quiet => Progress::None,
            // Log lines and a view that is redrawn would write over each other.
            Progress::Auto if terminal && !dumb && !verbose && settings.log == "off" => Progress::Live,
            Progress::Auto => Progress::Plain,
            other => other,
        };
        let width = if terminal { size().columns.saturating_sub(1).clamp(40, 140) } else { 100 };
        Screen { style: Style { width, unicode: speaks_unicode(), color }, progress, verbose }
    }
}

/// Whether the locale says UTF-8; without a locale it is taken for granted, as CI systems set none.
fn speaks_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    set.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8") || !matches!(locale.as_str(), "c" | "posix")
    })
}

fn size() -> Size {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or(Size { columns: 80, rows: 24 }, |size| Size {
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
    })
}

enum View {
    Live(Live<Stderr>),
    Plain(Plain<Stderr>),
    Nothing(Box<Timeline>),
}

impl View {
    fn new(screen: Screen) -> View {
        match screen.progress {
            Progress::Live => View::Live(Live::new(io::stderr(), screen.style)),
            Progress::Plain | Progress::Auto => {
                View::Plain(Plain::new(io::stderr(), screen.style).verbose(screen.verbose))
            }
            Progress::None => View::Nothing(Box::new(Timeline::new())),
        }
    }

    fn add(&mut self, event: &Event) -> io::Result<()> {
        match self {
            View::Live(live) => live.add(event),
            View::Plain(plain) => plain.add(event)?,
            View::Nothing(timeline) => timeline.add(event),
        }
        Ok(())
    }

    fn tick(&mut self, now: Duration) -> io::Result<()> {
        match self {
            View::Live(live) => live.tick(now, size()),
            View::Plain(plain) => plain.tick(now),
            View::Nothing(_) => Ok(()),
        }
    }

    /// Says what runs now: somebody asked.
    fn tell(&mut self, now: Duration, style: &Style) -> io::Result<()> {
        match self {
            View::Live(live) => live.say(&all_running(live.timeline(), now, style)),
            View::Plain(plain) => plain.tell(now),
            View::Nothing(timeline) => {
                let lines = all_running(timeline, now, style);
                io::stderr().write_all(report::lines(&lines, style).as_bytes())
            }
        }
    }

    fn pause(&self) -> Duration {
        if matches!(self, View::Live(_)) { terminal::PAUSE } else { PLAIN_LOOK }
    }

    fn finish(self) -> (Timeline, io::Result<()>) {
        match self {
            View::Live(live) => live.finish(),
            View::Plain(plain) => plain.finish(),
            View::Nothing(timeline) => (*timeline, Ok(())),
        }
    }
}

/// A place that the event log goes to. Once it can't be written, no more is written there.
pub(super) struct Sink {
    /// What it is called in a message.
    pub(super) name: String,
    pub(super) writer: Box<dyn Write + Send>,
    /// Whether somebody asked for it: then the run's exit code says that it could not be written.
    pub(super) asked_for: bool,
}

/// Where the event log goes: to a file or stdout if that was asked for, and into the run's record.
#[derive(Default)]
pub(super) struct Log {
    sinks: Vec<Sink>,
    unwritten: Vec<Unwritten>,
    /// Lines on their way, and the memory of those before.
    lines: Vec<u8>,
}

impl Log {
    pub(super) fn open(path: Option<&Path>) -> Result<Log, Failure> {
        let Some(path) = path else { return Ok(Log::default()) };
        let name = format!("the event log {}", path.display());
        let writer: Box<dyn Write + Send> = match path == Path::new("-") {
            true => Box::new(io::stdout()),
            false => Box::new(File::create(path).map_err(|error| Failure::write(&name, &error))?),
        };
        Ok(Log::default().and(Some(Sink { name, writer, asked_for: true })))
    }

    /// Another place that it goes to, if there is one.
    #[must_use]
    pub(super) fn and(mut self, to: Option<Sink>) -> Log {
        self.sinks.extend(to);
        self
    }

    /// Writes events to every place that takes them. One that does not keeps no other from them.
    fn write(&mut self, events: &[Event]) {
        if self.sinks.is_empty() || events.is_empty() {
            return;
        }
        self.lines.clear();
        let encoded = events.iter().try_for_each(|event| log::encode(event, &mut self.lines));
        for mut sink in std::mem::take(&mut self.sinks) {
            let whole = encoded.as_ref().map_err(|error| io::Error::other(error.to_string()));
            match whole.and_then(|()| sink.writer.write_all(&self.lines).and_then(|()| sink.writer.flush())) {
                Ok(()) => self.sinks.push(sink),
                Err(error) => {
                    self.unwritten.push(Unwritten { what: sink.name, error, asked_for: sink.asked_for })
                }
            }
        }
    }
}

/// Something that could not be written while a run went on. The run goes on all the same.
struct Unwritten {
    what: String,
    error: io::Error,
    asked_for: bool,
}

/// A run that was shown, to its end.
pub(super) struct Shown {
    /// All that is known of it.
    pub(super) timeline: Timeline,
    unwritten: Vec<Unwritten>,
}

impl Shown {
    /// Says what could not be written: as a warning, or as the failure that it is.
    pub(super) fn told(self, surroundings: &Surroundings) -> (Timeline, Result<(), Failure>) {
        let tell = |of: Unwritten| match of.asked_for {
            true => Err(Failure::write(&of.what, &of.error)),
            false => {
                surroundings.warn(&format!("{} could not be written: {}", of.what, of.error));
                Ok(())
            }
        };
        let told = self.unwritten.into_iter().map(tell).fold(Ok(()), Result::and);
        (self.timeline, told)
    }
}

/// The thread that shows a run.
pub(super) struct Viewer {
    thread: JoinHandle<Shown>,
    asked: Arc<Notify>,
}

impl Viewer {
    /// Begins to show a run until its events are closed.
    pub(super) fn start(
        run: &Run,
        screen: Screen,
        log: Log,
        heed: impl FnMut(&Event) + Send + 'static,
    ) -> Result<Viewer, Failure> {
        let events = run.events().expect("a run that is shown has events");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| Failure::settings(format!("the view can't start: {error}")))?;
        let (run, asked) = (run.clone(), Arc::new(Notify::new()));
        let heard = asked.clone();
        let show = move || runtime.block_on(show(&run, &events, &heard, screen, log, heed));
        Ok(Viewer { thread: std::thread::spawn(show), asked })
    }

    /// To be told when somebody wants to know what runs.
    pub(super) fn asked(&self) -> Arc<Notify> {
        self.asked.clone()
    }

    /// Waits for the end.
    pub(super) async fn finish(self) -> Shown {
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        joined.expect("joining does not panic").unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

async fn show(
    run: &Run,
    events: &Arc<EventQueue>,
    asked: &Notify,
    screen: Screen,
    mut log: Log,
    mut heed: impl FnMut(&Event),
) -> Shown {
    let mut view = View::new(screen);
    let mut shown = Ok(());
    let mut batch = Vec::new();
    loop {
        let (is_asked, goes_on) = tokio::select! {
            biased;
            () = asked.notified() => {
                events.take(&mut batch);
                (true, true)
            }
            read = tokio::time::timeout(view.pause(), events.read(&mut batch)) => (false, read.unwrap_or(true)),
        };
        if !goes_on {
            break;
        }
        log.write(&batch);
        for event in &batch {
            heed(event);
            shown = shown.and(view.add(event));
        }
        if is_asked {
            shown = shown.and(view.tell(run.elapsed(), &screen.style));
        }
        shown = shown.and(view.tick(run.elapsed()));
    }
    let (timeline, finished) = view.finish();
    let mut unwritten = log.unwritten;
    // Whoever reads the view and has seen enough may go.
    let error = shown.and(finished).err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    unwritten.extend(error.map(|error| Unwritten { what: "the view".to_owned(), error, asked_for: true }));
    Shown { timeline, unwritten }
}

/// Stderr without secrets.
pub(super) struct Clean(pub(super) Redactor);

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Clean {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Box::new(self.0.writer(io::stderr()))
    }
}
