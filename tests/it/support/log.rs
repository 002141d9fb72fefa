//! A server's log, read while it grows. Every server here begins each line with the time on its own clock, so that
//! what overlapped can be told without ours. Not here: what the lines mean.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a line may take from the event to the log.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the log is looked at until then.
const LOOK: Duration = Duration::from_millis(10);

/// A log file.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    path: PathBuf,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Seconds since 1970 on the server's clock; 0 if the line does not begin with a time.
    pub(crate) at: f64,
    /// What follows the time.
    pub(crate) text: String,
}

/// When something was open, on the server's clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    /// What was open: a path, a request.
    pub(crate) name: String,
    /// Its begin, in seconds since 1970.
    pub(crate) begin: f64,
    /// Its end.
    pub(crate) end: f64,
}

impl Log {
    /// The log at a path; it need not be there yet.
    pub(crate) fn new(path: PathBuf) -> Log {
        Log { path }
    }

    /// Where its end is now, for [`since`](Log::since).
    pub(crate) fn mark(&self) -> usize {
        self.bytes().len()
    }

    /// The whole lines that were written after a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Line> {
        let bytes = self.bytes();
        let text = String::from_utf8_lossy(bytes.get(mark..).unwrap_or_default()).into_owned();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Line::parse).collect()
    }

    /// The lines after a mark, as soon as they are enough. Panics with the log if they never are.
    pub(crate) fn wait(&self, mark: usize, what: &str, enough: impl Fn(&[Line]) -> bool) -> Vec<Line> {
        let begun = Instant::now();
        loop {
            let lines = self.since(mark);
            if enough(&lines) {
                return lines;
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not show {what}:\n{lines:#?}", self.path.display());
            std::thread::sleep(LOOK);
        }
    }

    /// How many lines after a mark contain a text.
    pub(crate) fn count(&self, mark: usize, text: &str) -> usize {
        self.since(mark).iter().filter(|line| line.text.contains(text)).count()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap_or_default()
    }
}

impl Line {
    fn parse(line: &str) -> Line {
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        match time.parse() {
            Ok(at) => Line { at, text: text.to_owned() },
            Err(_) => Line { at: 0.0, text: line.to_owned() },
        }
    }
}

/// The most of them that were open at once. Where one ends as another begins, they did not overlap.
pub(crate) fn peak(spans: &[Span]) -> usize {
    let mut edges: Vec<(f64, i64)> = spans.iter().flat_map(|s| [(s.begin, 1), (s.end, -1)]).collect();
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut open = 0;
    edges
        .iter()
        .map(|(_, step)| {
            open += step;
            open
        })
        .max()
        .unwrap_or(0)
        .try_into()
        .expect("not negative")
}
