//! What a run would have taken, and what to raise, in words. Not here: how it is found out.

use super::super::line::{self, Line};
use super::super::style::{Paint, Style};
use super::super::text as words;
use super::super::timeline::Timeline;
use super::{Advice, Change, Changed, Of, WhatIf, WhatIfError};

/// The column of the figures.
const FIGURES: usize = 10;
/// A replay that is further from the measured time, with nothing changed, is said to be.
const NEAR: f64 = 0.05;

/// What a run would have taken with these changes, as text: lines with line breaks.
///
/// # Errors
/// If a limit can't be changed like this, or the log lacks what a replay needs.
pub fn text(timeline: &Timeline, changes: &[Change], style: &Style) -> Result<String, WhatIfError> {
    let found = super::what_if(timeline, changes)?;
    let mut lines: Vec<Line> = found.limits.iter().flat_map(limit).collect();
    let times = format!("{} -> ", words::time(found.measured));
    let after = format!("about {}", words::time(found.changed));
    let wall = named("wall").text(times).put(Paint::Strong, after);
    lines.push(wall.text(format!("{}{}", gain(&found), hope(changes.iter().map(|change| &change.of)))));
    lines.extend(doubt(&found).into_iter().flat_map(|doubt| wrapped("note", &doubt, style)));
    Ok(line::render(&lines, style))
}

fn named(name: &str) -> Line {
    Line::new().put(Paint::Faint, name).to(FIGURES)
}

/// What is changed of a limit, and how much of it is in use.
fn limit(changed: &Changed) -> Vec<Line> {
    let from = changed.from.map_or_else(|| "none".to_owned(), |from| from.to_string());
    let what = format!("{} {from} -> {}", changed.change.path(), changed.change.to);
    let peak = changed.peaks.map(|(before, after)| named("").text(format!("peak {before} -> {after}")));
    std::iter::once(named("what if").text(what)).chain(peak).collect()
}

/// ` (30 % less)`, if it is more or less.
fn gain(found: &WhatIf) -> String {
    let share = found.changed.as_secs_f64() / found.measured.as_secs_f64();
    match ((share - 1.0) * 100.0).round() {
        percent if percent < 0.0 => format!(" ({:.0} % less)", -percent),
        percent if percent > 0.0 && percent.is_finite() => format!(" ({percent:.0} % more)"),
        _ => String::new(),
    }
}

/// What the figures rest on: that attempts take no longer when there are more at once.
fn hope<'a>(mut limits: impl Iterator<Item = &'a Of>) -> &'static str {
    let is_one = matches!((limits.next(), limits.next()), (Some(Of::Source(_)), None));
    if is_one { ", if the server holds" } else { ", if the servers hold" }
}

/// How far the replay is from what was measured, if that is far.
fn doubt(found: &WhatIf) -> Option<String> {
    let off = found.unchanged.as_secs_f64() / found.measured.as_secs_f64() - 1.0;
    (off.abs() > NEAR).then(|| {
        let (replayed, measured) = (words::time(found.unchanged), words::time(found.measured));
        format!("with nothing changed the replay takes {replayed} instead of {measured}: the log does not tell everything")
    })
}

fn wrapped(name: &str, text: &str, style: &Style) -> Vec<Line> {
    let room = style.width.saturating_sub(FIGURES).max(FIGURES);
    let parts = words::wrap(text, room).into_iter().enumerate();
    parts.map(|(at, part)| named(if at == 0 { name } else { "" }).text(part)).collect()
}

impl Advice {
    /// `raise sources.shop.concurrency 8 -> 12: about 4 m 10 s -> 2 m 55 s, if the server holds`, in as many lines as
    /// it takes.
    pub fn lines(&self, style: &Style) -> Vec<Line> {
        let Advice { change, from, before, after } = self;
        let times = format!("{} -> {}", words::time(*before), words::time(*after));
        let hope = hope(std::iter::once(&change.of));
        let text = format!("raise {} {from} -> {}: about {times}{hope}", change.path(), change.to);
        words::wrap(&words::escape(&text, style), style.width.max(1))
            .into_iter()
            .map(|part| Line::new().put(Paint::Note, part))
            .collect()
    }
}
