//! A run as the summary of a step of GitHub Actions, in markdown: how it ended, the figures, what was lost, the
//! waterfall, the slowest items. A caller appends it to the file that `GITHUB_STEP_SUMMARY` names. Texts that are not
//! the view's own stand in code blocks that nothing in them can end: there they are neither markup nor mentions. The
//! size is bounded far below what a step may write (1 MiB). Not here: the lines in the blocks, which are those of the
//! terminal (`summary`, `waterfall`).

use super::style::{Paint, Style};
use super::{Line, Timeline, summary, text, waterfall};
use std::io::{self, Write};

#[cfg(test)]
mod tests;

/// The most bytes of a summary, whatever the run was: a step of several runs has room for them.
pub const SIZE: usize = 64 << 10;
/// The most bytes of one block, of which there are three. Of a longer one the last lines are kept: the gravest.
const BLOCK: usize = 20 << 10;
/// The columns of a block: what fits on the page.
const COLUMNS: usize = 100;
/// The most characters of the plan's name.
const NAME: usize = 100;

/// Writes the summary.
///
/// # Errors
/// Writing failed.
pub fn github(timeline: &Timeline, mut out: impl Write) -> io::Result<()> {
    let style = Style { width: COLUMNS, ..Style::default() };
    let lost = [summary::notes(timeline, &style), summary::losses(timeline, &style)].concat();
    let blocks = [lost, waterfall::waterfall(timeline, &style), summary::figures(timeline, &style)];
    writeln!(out, "{}\n{}", heading(timeline), table(timeline))?;
    for lines in blocks.iter().filter(|lines| !lines.is_empty()) {
        writeln!(out, "{}", block(lines, &style))?;
    }
    Ok(())
}

/// The plan and how it all ended.
fn heading(timeline: &Timeline) -> String {
    let name = clip(&text::escape(&timeline.info.name, &Style::default()), NAME);
    let fence = fence(&name, 1);
    let verdict =
        summary::verdict(timeline, &Style::default()).render(&Style { width: NAME, ..Style::default() });
    format!("### {fence} {name} {fence}: {verdict}\n")
}

/// The figures that hold no texts.
fn table(timeline: &Timeline) -> String {
    let received = &timeline.received;
    let figures = [
        ("wall", text::time(timeline.wall())),
        ("sum", text::time(timeline.sum())),
        ("overlap", format!("{:.2}x", timeline.overlap())),
        ("peak at once", text::count(timeline.running.peak())),
        ("received", text::bytes(received.bytes)),
        ("rows", text::count(received.rows)),
        ("outputs", text::count(received.new + received.changed + received.same)),
    ];
    let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let names = figures.iter().map(|(name, _)| *name).collect();
    row(names)
        + &row(vec!["---"; figures.len()])
        + &row(figures.iter().map(|(_, figure)| &**figure).collect())
}

/// Lines as a code block.
fn block(lines: &[Line], style: &Style) -> String {
    let lines: Vec<String> = lines.iter().map(|line| clip(&line.render(style), 2 * COLUMNS)).collect();
    let mut size = 0;
    let fits = |line: &&String| {
        size += line.len() + 1;
        size <= BLOCK
    };
    let kept = lines.iter().rev().take_while(fits).count();
    let left_out = lines.len() - kept;
    let more = format!("{} and {}", style.glyphs().more, text::counted(left_out as u64, "line"));
    let more = (left_out > 0).then(|| Line::new().put(Paint::Faint, more).render(style));
    let text: Vec<String> = more.into_iter().chain(lines[left_out..].iter().cloned()).collect();
    let text = text.join("\n");
    let fence = fence(&text, 3);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// More backticks than stand beside each other anywhere in a text, and at least so many.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

/// The text, or its first characters: some take no columns.
fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
