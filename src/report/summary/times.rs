//! How long a run took, how fast it can be, and what its length consists of. Not here: finding that out (`length`).

use super::super::length::{self, Bound, Path};
use super::super::line::Line;
use super::super::style::{Paint, Style};
use super::super::text;
use super::super::timeline::{Item, Timeline};
use super::{FIGURES, MARGIN, TEXT_LINES, limit, named};

/// Of a longer path the first two steps are shown, and the last one.
const STEPS: usize = 4;
/// A bound that is as near to the wall time as this, of a chain, says no more than the path.
const NEAR: f64 = 0.95;
/// A longer label is cut in its middle.
const LABEL: usize = 32;

/// Wall time, sum, overlap and how many at once; the bound, and the critical path.
pub(super) fn times(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let wall = named("wall").put(Paint::Strong, text::time(timeline.wall()));
    if timeline.lanes == 0 {
        return vec![wall];
    }
    let dot = style.glyphs().dot;
    let overlap = format!("{:.2}x", timeline.overlap());
    let wall = wall.text(format!("{dot}sum {}{dot}overlap ", text::time(timeline.sum())));
    let peak = format!("{dot}peak {}{}", text::count(timeline.running.peak()), limit(timeline, "run"));
    let wall = wall.put(Paint::Strong, overlap).text(peak);
    std::iter::once(wall).chain(why(timeline, style)).collect()
}

/// The bound, and the critical path.
fn why(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let path = length::path(timeline).filter(|_| timeline.counts.submitted > 1);
    let bound = length::bound(timeline).filter(|bound| path.is_some() && is_news(bound, timeline));
    let bound = bound.map(|bound| format!("no faster than {}: {}", text::time(bound.time), bound.by));
    let path = path.map(|path| {
        let labels = labels(timeline, &path, style).join(" -> ");
        format!("critical path ({:.0} %): {labels}", path.share * 100.0)
    });
    bound.into_iter().chain(path).flat_map(|text| wrapped(&text, style)).collect()
}

/// Whether the bound says more than the path.
fn is_news(bound: &Bound, timeline: &Timeline) -> bool {
    !bound.is_chain || bound.time.as_secs_f64() < NEAR * timeline.wall().as_secs_f64()
}

/// The items of a path, each once; of many the first ones and the last one.
fn labels(timeline: &Timeline, path: &Path<'_>, style: &Style) -> Vec<String> {
    let mut items: Vec<_> = path.steps.iter().map(|step| step.item).collect();
    items.dedup_by_key(|item| item.place);
    let label = |item: &&Item| {
        let label = text::escape(&timeline.label(item), style).into_owned();
        text::fit(&label, LABEL, style).into_owned()
    };
    match items.as_slice() {
        [first, second, others @ .., last] if items.len() > STEPS => {
            let others = format!("{} {} more", style.glyphs().more, text::count(others.len() as u64));
            vec![label(first), label(second), others, label(last)]
        }
        all => all.iter().map(label).collect(),
    }
}

/// Lines below the first one.
fn wrapped(text: &str, style: &Style) -> Vec<Line> {
    let room = style.width.saturating_sub(FIGURES).max(MARGIN);
    let lines = text::wrap(&text::escape(text, style), room).into_iter().take(TEXT_LINES);
    lines.map(|line| named("").text(line)).collect()
}
