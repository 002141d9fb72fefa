//! The time axis that all rows share: [`Axis`]. Ticks lie on whole cells and on times that people count in. Not
//! here: the rows.

use crate::report::style::{Paint, Style};
use crate::report::{Line, text};
use std::time::Duration;

/// Ticks are at least so many cells apart, so that their times fit between.
const APART: usize = 8;
/// What may lie beyond the last cell, in cells: less than this is not worth another one.
const SLACK: f64 = 0.15;
/// Times between ticks, in seconds, above a second. Below, 1, 2 and 5 of each power of ten.
const STEPS: [f64; 22] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    10800.0,
    21600.0,
    43200.0,
    86400.0,
    172_800.0,
    432_000.0,
    864_000.0,
    2_592_000.0,
];

/// Where times lie, in cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// How many cells the run takes.
    pub cells: usize,
    /// Seconds between two ticks.
    step: f64,
    /// Cells between two ticks.
    apart: usize,
}

impl Axis {
    /// An axis from 0 to `span` in at most `room` cells. It takes fewer if the ticks then lie on whole cells.
    pub fn new(span: Duration, room: usize) -> Axis {
        let span = span.as_secs_f64().max(1e-6);
        let room = room.max(1);
        let fitting = |step: &f64| (room as f64 * step / span).floor() as usize >= APART;
        let step = steps().find(fitting).unwrap_or(span);
        let apart = ((room as f64 * step / span).floor() as usize).max(1);
        let cells = (span / step * apart as f64 - SLACK).ceil() as usize;
        Axis { cells: cells.clamp(1, room), step, apart }
    }

    /// Where a time lies, in cells from the left.
    pub fn at(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.step * self.apart as f64
    }

    /// The time at the right end of the last cell.
    pub fn span(&self) -> Duration {
        Duration::from_secs_f64(self.cells as f64 * self.step / self.apart as f64)
    }

    /// The times of the ticks and the ruler below them, `margin` columns in.
    pub fn ruler(&self, margin: usize, style: &Style) -> [Line; 2] {
        let blank = || Line::new().text(" ".repeat(margin));
        [blank().put(Paint::Faint, self.times()), blank().put(Paint::Faint, self.line(style))]
    }

    /// The cells that have a tick.
    fn ticks(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..=self.cells / self.apart).map(|number| (number, number * self.apart))
    }

    /// The times of the ticks, each in the middle over its tick.
    fn times(&self) -> String {
        let mut out = String::new();
        for (number, cell) in self.ticks() {
            let label = text::short(Duration::from_secs_f64(self.step * number as f64));
            let place = cell.saturating_sub(label.len() / 2);
            if out.is_empty() || place > out.len() {
                out.push_str(&" ".repeat(place.saturating_sub(out.len())));
                out.push_str(&label);
            }
        }
        out
    }

    /// The ruler: one column more than there are cells, for the end of the last one.
    fn line(&self, style: &Style) -> String {
        let [line, start, tick, end] = style.glyphs().ruler;
        let glyph = |cell: usize| match cell {
            0 => start,
            cell if cell == self.cells => end,
            cell if cell.is_multiple_of(self.apart) => tick,
            _ => line,
        };
        (0..=self.cells).map(glyph).collect()
    }
}

/// All times that may lie between two ticks, rising.
fn steps() -> impl Iterator<Item = f64> {
    let small = (-6..0).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    small.chain(STEPS)
}
