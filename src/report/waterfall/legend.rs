//! What the characters of a chart mean. Not here: the chart.

use super::cells::{Mark, Span};
use super::ranks;
use crate::gather::Reason;
use crate::report::style::{Paint, Style};
use crate::report::timeline::Timeline;
use crate::report::{Line, text};

/// All reasons to wait, in the order of the legend, and what is then waited for.
pub const REASONS: [(Reason, &str); 8] = [
    (Reason::Need, "a job it needs"),
    (Reason::Connect, "the connection"),
    (Reason::Concurrency, "a limit"),
    (Reason::Rate, "the rate"),
    (Reason::Hold, "a hold"),
    (Reason::Retry, "a retry"),
    (Reason::Until, "its condition"),
    (Reason::Sync, "the disk"),
];

/// The lines of the legend: only what the chart has, and nothing where everything in it just runs.
pub(super) fn legend(timeline: &Timeline, spans: &[Span], margin: usize, style: &Style) -> Vec<Line> {
    let mut entries = waits(spans, style);
    let waits = entries.len();
    entries.extend(runs(timeline, spans, style));
    if entries.len() == 1 && waits == 0 && !spans.iter().any(|span| span.lost) {
        return Vec::new();
    }
    if spans.iter().any(|span| span.lost) {
        entries.push((Paint::Bad, format!("{} not done", style.glyphs().lost)));
    }
    pack(&entries, margin, style)
}

/// The waits: `waiting for ░ a limit`, then `┄ the rate`.
fn waits(spans: &[Span], style: &Style) -> Vec<(Paint, String)> {
    let has = |reason| spans.iter().any(|span| span.mark == Mark::Wait(reason));
    let shown = REASONS.iter().filter(|(reason, _)| has(*reason)).enumerate();
    let start = |at: usize| if at == 0 { "waiting for " } else { "" };
    shown
        .map(|(at, (reason, what))| (Paint::Faint, format!("{}{} {what}", start(at), style.wait(*reason))))
        .collect()
}

/// The phases by how they are drawn: `running ▒ connect`, then `▓ query, wait`.
fn runs(timeline: &Timeline, spans: &[Span], style: &Style) -> Vec<(Paint, String)> {
    let ranks = ranks(timeline);
    let mut out: Vec<(Paint, String)> = Vec::new();
    for rank in (0..3).filter(|rank| spans.iter().any(|span| span.mark == Mark::Run(*rank))) {
        let named = ranks.iter().filter(|(_, of)| **of == rank).map(|(name, _)| text::escape(name, style));
        let names = named.take(6).collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "running".to_owned() } else { names };
        let start = if out.is_empty() && !ranks.is_empty() { "running " } else { "" };
        out.push((Paint::Faint, format!("{start}{} {names}", style.glyphs().phases[rank])));
    }
    out
}

/// The entries, as many in a line as fit.
fn pack(entries: &[(Paint, String)], margin: usize, style: &Style) -> Vec<Line> {
    let start = || Line::new().to(margin);
    let mut lines = vec![start()];
    for (paint, entry) in entries {
        let last = lines.pop().unwrap_or_else(start);
        let gap = if last.width() > margin { "   " } else { "" };
        if last.width() + gap.len() + text::width(entry) > style.width {
            lines.push(last);
            lines.push(start().put(*paint, entry));
        } else {
            lines.push(last.text(gap).put(*paint, entry));
        }
    }
    lines
}
