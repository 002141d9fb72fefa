//! What was asked of each source, and what it brought. Not here: how long it took (`times`).

use super::super::line::Line;
use super::super::style::{Paint, Style};
use super::super::text;
use super::super::timeline::{Received, SourceUse, Timeline};
use super::{FIGURES, limit, more, named};

/// How many sources are shown.
const SOURCES: usize = 8;

/// A line for each source, if there is more than one or one with a name.
pub(super) fn sources(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let used: Vec<_> =
        timeline.sources.iter().enumerate().filter(|(_, source)| source.attempts > 0).collect();
    if used.len() < 2 && used.iter().all(|(_, source)| source.name == source.kind) {
        return Vec::new();
    }
    let escaped = |source: &SourceUse| text::escape(&source.name, style).into_owned();
    let widest = used.iter().map(|(_, source)| text::width(&escaped(source))).max().unwrap_or(0);
    let room = widest.min(style.width / 4).max(FIGURES - 4);
    let line = |(number, source): &(usize, &SourceUse)| {
        let name = text::fit(&escaped(source), room, style).into_owned();
        let line = Line::new().text("  ").put(Paint::Source(*number), name).to(room + 4);
        line.text(figures(timeline, source, style))
    };
    let mut lines: Vec<_> = used.iter().take(SOURCES).map(line).collect();
    lines.extend(more(used.len().saturating_sub(SOURCES), "more source", style));
    lines
}

/// What is said of one source.
fn figures(timeline: &Timeline, source: &SourceUse, style: &Style) -> String {
    let name = format!("source:{}", source.name);
    let mean = source.running.mean(timeline.wall());
    let peak = format!("peak {}{}", text::count(source.running.peak()), limit(timeline, &name));
    let items = text::counted(source.counts.submitted, "item");
    let texts =
        [peak, format!("mean {mean:.2}")].into_iter().chain(used(timeline, source, &name)).chain([items]);
    let amounts = amounts(source.received.bytes, source.received.rows);
    texts.chain(amounts).collect::<Vec<_>>().join(style.glyphs().dot)
}

/// `85 % used`: the time of its attempts, of all that its slots have.
fn used(timeline: &Timeline, source: &SourceUse, limit: &str) -> Option<String> {
    let info = timeline.limits.get(limit).filter(|info| !info.per_host)?;
    let room = info.concurrency? as f64 * timeline.wall().as_secs_f64();
    let share = source.running.sum(timeline.wall()).as_secs_f64() / room;
    (room > 0.0).then(|| format!("{:.0} % used", share * 100.0))
}

/// Bytes and rows, where there are any.
fn amounts(bytes: u64, rows: u64) -> Vec<String> {
    let bytes = (bytes > 0).then(|| text::bytes(bytes));
    let rows = (rows > 0).then(|| text::counted(rows, "row"));
    bytes.into_iter().chain(rows).collect()
}

/// Bytes, rows and what became of the outputs: in one line, or in two if that is too long.
pub(super) fn received(timeline: &Timeline, style: &Style) -> Vec<Line> {
    let received = &timeline.received;
    let wall = timeline.wall().as_secs_f64();
    let rate = |count: u64| if wall > 0.0 { (count as f64 / wall).round() as u64 } else { 0 };
    let bytes = format!("{} ({}/s)", text::bytes(received.bytes), text::bytes(rate(received.bytes)));
    let rows = format!("{} ({}/s)", text::counted(received.rows, "row"), text::count(rate(received.rows)));
    let amounts = [(received.bytes, bytes), (received.rows, rows)];
    let amounts = amounts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text);
    let amounts: Vec<_> = amounts.collect();
    let amounts = (!amounts.is_empty()).then(|| named("received").text(amounts.join(style.glyphs().dot)));
    let outputs = outputs(received);
    match (amounts, outputs) {
        (Some(line), Some(outputs)) => {
            let both = line.clone().text(format!("{}outputs: {outputs}", style.glyphs().dot));
            if both.width() <= style.width { vec![both] } else { vec![line, named("outputs").text(outputs)] }
        }
        (line, outputs) => line.into_iter().chain(outputs.map(|text| named("outputs").text(text))).collect(),
    }
}

/// What became of the outputs, in words.
fn outputs(received: &Received) -> Option<String> {
    let states = [
        (received.new, "new"),
        (received.changed, "changed"),
        (received.same, "same"),
        (received.unchanged, "unchanged"),
    ];
    let states = states.iter().filter(|(count, _)| *count > 0);
    let states: Vec<_> = states.map(|(number, what)| format!("{} {what}", text::count(*number))).collect();
    (!states.is_empty()).then(|| states.join(", "))
}
