//! The live view on a terminal: [`Live`] takes events and draws frames. Each frame is one write that replaces the
//! last one in place; at the end the last one is erased. Not here: what a frame shows (`frame`), and who calls
//! [`Live::tick`] when (`cli`).

mod frame;

#[cfg(test)]
mod tests;

pub use frame::{RUNNING, frame};

use super::{Line, Style, Timeline, text};
use crate::gather::Event;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

/// Two frames are at least so far apart: ten a second.
pub const PAUSE: Duration = Duration::from_millis(100);
/// The rate of bytes is the mean over so long.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Begins a frame that terminals which know it show whole: synchronized update; then lines that do not wrap, should
/// the terminal have become narrower meanwhile.
const BEGIN: &str = "\x1b[?2026h\x1b[?7l";
/// Ends a frame: clears what is left of a taller one, and gives back what the beginning changed.
const END: &str = "\x1b[J\x1b[?7h\x1b[?2026l";
/// Clears the rest of a line.
const CLEAR: &str = "\x1b[K\r\n";

/// The terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its width.
    pub columns: usize,
    /// Its height.
    pub rows: usize,
}

/// A view of a run that is redrawn in place. It is the terminal's only writer while it lives: what others have to
/// say goes through [`Live::say`]. Dropped, it erases itself.
pub struct Live<W: Write> {
    out: W,
    style: Style,
    timeline: Timeline,
    shown: Vec<usize>,
    size: Size,
    drawn: Option<Duration>,
    received: VecDeque<(Duration, u64)>,
}

impl<W: Write> Live<W> {
    /// A view that writes to `out`, which should be a terminal. Of the style, the width is taken from the ticks.
    pub fn new(out: W, style: Style) -> Live<W> {
        let size = Size { columns: style.width, rows: 24 };
        let (timeline, received) = (Timeline::new(), VecDeque::new());
        Live { out, style, timeline, shown: Vec::new(), size, drawn: None, received }
    }

    /// Takes in an event. Draws nothing.
    pub fn add(&mut self, event: &Event) {
        self.timeline.add(event);
    }

    /// What is known of the run.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Draws a frame, if the last one was long enough ago. `now` is the time since the run began.
    pub fn tick(&mut self, now: Duration, size: Size) -> io::Result<()> {
        if self.drawn.is_some_and(|last| now < last.saturating_add(PAUSE)) {
            return Ok(());
        }
        self.drawn = Some(now);
        self.timeline.advance(now);
        let rate = self.rate(now);
        let style = Style { width: size.columns.saturating_sub(1), ..self.style };
        let lines = frame(&self.timeline, rate, &style, size.rows.saturating_sub(1));
        self.draw(&lines, size)
    }

    /// Writes lines that stay, above the view. The view is drawn again at the next tick.
    pub fn say(&mut self, lines: &[Line]) -> io::Result<()> {
        let said = super::line::render(lines, &self.style).replace('\n', "\r\n");
        let out = format!("{BEGIN}{}{END}{said}", self.back(self.size));
        self.shown.clear();
        self.drawn = None;
        self.out.write_all(out.as_bytes())?;
        self.out.flush()
    }

    /// Erases the view, and gives back what is known of the run.
    pub fn finish(mut self) -> (Timeline, io::Result<()>) {
        let erased = self.erase();
        (std::mem::take(&mut self.timeline), erased)
    }

    /// Replaces the last frame by this one, in one write.
    fn draw(&mut self, lines: &[Line], size: Size) -> io::Result<()> {
        let mut out = format!("{BEGIN}{}", self.back(size));
        let style = Style { width: size.columns.saturating_sub(1), ..self.style };
        for line in lines {
            out += &line.render(&style);
            out += CLEAR;
        }
        out += END;
        self.shown = lines.iter().map(|line| line.width().min(style.width)).collect();
        self.size = size;
        self.out.write_all(out.as_bytes())?;
        self.out.flush()
    }

    /// Moves the cursor to the start of the last frame. A terminal that became narrower has wrapped its lines.
    fn back(&self, size: Size) -> String {
        let columns = size.columns.max(1);
        let rows: usize = self.shown.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        match rows.min(size.rows.saturating_sub(1)) {
            0 => "\r".to_owned(),
            rows => format!("\r\x1b[{rows}A"),
        }
    }

    fn erase(&mut self) -> io::Result<()> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let out = format!("{BEGIN}{}{END}", self.back(self.size));
        self.shown.clear();
        self.out.write_all(out.as_bytes())?;
        self.out.flush()
    }

    /// Bytes a second over the last while.
    fn rate(&mut self, now: Duration) -> u64 {
        let bytes = self.timeline.bytes();
        self.received.push_back((now, bytes));
        while self.received.len() > 2 && self.received[0].0.saturating_add(RATE_OVER) < now {
            self.received.pop_front();
        }
        let (since, before) = self.received[0];
        let time = now.saturating_sub(since).as_secs_f64();
        if time > 0.0 { (bytes.saturating_sub(before) as f64 / time) as u64 } else { 0 }
    }
}

impl<W: Write> Drop for Live<W> {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that takes no writes.
        let _ = self.erase();
    }
}

/// A label that fits into `room` columns.
fn label(label: &str, room: usize, style: &Style) -> String {
    text::fit(&text::escape(label, style), room, style).into_owned()
}
