//! The figures at the end of a run, and the failures. Not here: the sums themselves (`timeline`), why it took as long as it
//! did (`length`), the chart (`waterfall`), and what to raise (`what_if`).

mod losses;
mod sources;
mod times;
mod waits;

#[cfg(test)]
mod tests;

#[cfg(feature = "cli")]
pub(super) use losses::{note, outcome_counts, verb};
#[cfg(feature = "cli")]
pub(super) use waits::waited_for;

pub(super) use losses::{losses, notes, verdict};

use super::line::Line;
use super::style::{Paint, Style};
use super::text;
use super::timeline::Timeline;

/// The column of the figures.
const FIGURES: usize = 10;
/// The least room for a reason, however small the width is.
const MARGIN: usize = 10;
/// The most lines of one text that are shown.
const TEXT_LINES: usize = 12;

/// The lines of the summary: about a dozen of figures, and the notes and failures. The last ones are the failures and
/// the verdict.
pub fn summary(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let mut lines = figures(timeline, style);
    lines.extend(notes(timeline, style));
    lines.extend(losses(timeline, style));
    lines.push(verdict(timeline, style));
    lines
}

/// The figures: how long it took and why, sources, waits, the slowest items, what was received.
pub(super) fn figures(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let mut lines = times::times(timeline, style);
    lines.extend(sources::sources(timeline, style));
    lines.extend(waits::waits(timeline));
    lines.extend(waits::slowest(timeline, style));
    lines.extend(sources::received(timeline, style));
    lines
}

/// The start of a line of figures.
fn named(name: &str) -> Line {
    Line::new().put(Paint::Faint, name).to(FIGURES)
}

/// `… and 7 more sources`, if there are any.
fn more(count: usize, what: &str, style: &Style) -> Option<Line> {
    let text = format!("{} and {}", style.glyphs().more, text::counted(count as u64, what));
    (count > 0).then(|| named("").put(Paint::Faint, text))
}

/// ` of 8`, or ` of 16 a host`, if there is such a limit.
fn limit(timeline: &Timeline, name: &str) -> String {
    let info = timeline.limits.get(name);
    let limit = info.and_then(|info| Some((info.concurrency?, if info.per_host { " a host" } else { "" })));
    limit.map_or_else(String::new, |(limit, each)| format!(" of {}{each}", text::count(limit)))
}
