//! A row of the chart: spans of time become characters. A cell shows what took most of it, but nothing that ran is
//! ever invisible. Not here: which spans a row has.

use super::axis::Axis;
use crate::gather::Reason;
use crate::report::Line;
use crate::report::style::{Paint, Style};
use std::time::Duration;

/// What went on during a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Waiting, for this.
    Wait(Reason),
    /// Running, in a phase of this rank: 0 for the first ones, 2 for the last.
    Run(usize),
}

/// A part of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// Its start.
    pub(super) from: Duration,
    /// Its end.
    pub(super) to: Duration,
    /// What went on.
    pub(super) mark: Mark,
    /// How it is colored.
    pub(super) paint: Paint,
    /// Whether an attempt ends here that was not done.
    pub(super) lost: bool,
}

/// A share of a cell that is too small to be seen.
const LEAST: f64 = 0.08;

/// What one cell shows.
#[derive(Debug, Clone, Copy)]
struct Cell {
    span: usize,
    from: f64,
    to: f64,
}

impl Cell {
    fn share(&self) -> f64 {
        self.to - self.from
    }
}

/// The row's characters, one for each cell of the axis and one beyond, with their colors.
pub(super) fn row(spans: &[Span], axis: &Axis, style: &Style) -> Vec<(Paint, char)> {
    let cells = fill(spans, axis);
    let mut out: Vec<_> = (0..cells.len()).map(|at| glyph(&cells, at, spans, style)).collect();
    for span in spans.iter().filter(|span| span.lost) {
        let last = last_cell(span, axis);
        out[last] = (Paint::Bad, style.glyphs().lost);
    }
    out.push((Paint::Plain, ' '));
    out
}

/// The characters as one line's piece.
pub(super) fn put(line: Line, cells: &[(Paint, char)]) -> Line {
    cells.iter().fold(line, |line, (paint, glyph)| line.put(*paint, glyph.to_string()))
}

/// The cell in which a span ends.
fn last_cell(span: &Span, axis: &Axis) -> usize {
    let (from, to) = (axis.at(span.from), axis.at(span.to));
    let last = (to - 1e-6).max(from).floor() as usize;
    last.min(axis.cells - 1)
}

/// Decides what each cell shows: the span with the largest share of it, and in any case one cell of each run.
fn fill(spans: &[Span], axis: &Axis) -> Vec<Option<Cell>> {
    let mut cells: Vec<Option<Cell>> = vec![None; axis.cells];
    for (number, span) in spans.iter().enumerate() {
        let whole = axis.cells as f64;
        let (from, to) = (axis.at(span.from).min(whole), axis.at(span.to).min(whole));
        let last = last_cell(span, axis);
        let (mut best, mut shown) = (last, false);
        let first = (from as usize).min(last);
        for (at, place) in cells.iter_mut().enumerate().take(last + 1).skip(first) {
            let (left, right) = (at as f64, at as f64 + 1.0);
            let cell = Cell {
                span: number,
                from: from.max(left) - left,
                to: to.clamp(from.max(left), right) - left,
            };
            if cell.share() > LEAST && place.is_none_or(|other| cell.share() > other.share()) {
                (*place, shown) = (Some(cell), true);
            } else {
                best = at;
            }
        }
        if !shown && matches!(span.mark, Mark::Run(_)) {
            cells[best] = Some(Cell { span: number, from: 0.0, to: 1.0 });
        }
    }
    cells
}

/// The character of one cell.
fn glyph(cells: &[Option<Cell>], at: usize, spans: &[Span], style: &Style) -> (Paint, char) {
    let Some(cell) = cells[at] else { return (Paint::Plain, ' ') };
    let span = spans[cell.span];
    let glyphs = style.glyphs();
    let rank = match span.mark {
        Mark::Wait(reason) if cell.share() >= 0.25 => return (Paint::Faint, style.wait(reason)),
        Mark::Wait(_) => return (Paint::Plain, ' '),
        Mark::Run(rank) => rank.min(2),
    };
    let full = glyphs.phases[rank];
    if rank < 2 || cell.share() > 0.93 {
        return (span.paint, full);
    }
    if cell.from > 0.07 {
        return (span.paint, if cell.share() > 0.75 || !style.unicode { full } else { glyphs.right });
    }
    let lefts = glyphs.lefts;
    let step = (cell.share() * (lefts.len() + 1) as f64).round() as usize;
    (span.paint, lefts[step.clamp(1, lefts.len()) - 1])
}
