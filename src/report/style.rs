//! What the place that is written to can show: [`Style`], and the colors and glyphs that follow from it. Not here:
//! finding out what the terminal can do (`cli`).

use crate::gather::Reason;
use anstyle::{AnsiColor, Effects};

/// What may be used to show something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns. No line is wider.
    pub width: usize,
    /// Whether characters beyond ASCII may be used.
    pub unicode: bool,
    /// Whether colors may be used.
    pub color: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { width: 80, unicode: true, color: false }
    }
}

/// What a piece of text is, which decides its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text like any other.
    Plain,
    /// What the eye should find first.
    Strong,
    /// What only gives orientation: rulers, waits.
    Faint,
    /// Something went well.
    Good,
    /// Something failed.
    Bad,
    /// Something the user should know.
    Note,
    /// What belongs to the source with this number: each has its color.
    Source(usize),
}

/// The colors of sources, in turn. Red is for failures, yellow for notes.
const SOURCES: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::Green, AnsiColor::BrightBlue];

impl Paint {
    /// The terminal's name for it.
    pub(super) fn ansi(self) -> anstyle::Style {
        let style = anstyle::Style::new();
        match self {
            Paint::Plain => style,
            Paint::Strong => style.effects(Effects::BOLD),
            Paint::Faint => style.effects(Effects::DIMMED),
            Paint::Good => style.fg_color(Some(AnsiColor::Green.into())),
            Paint::Bad => style.fg_color(Some(AnsiColor::Red.into())).effects(Effects::BOLD),
            Paint::Note => style.fg_color(Some(AnsiColor::Yellow.into())),
            Paint::Source(number) => style.fg_color(Some(SOURCES[number % SOURCES.len()].into())),
        }
    }
}

/// The characters that views are made of.
#[derive(Debug)]
pub struct Glyphs {
    /// Attempts by how far along their phase is: the first ones, those between, the last one or no phase at all.
    pub phases: [char; 3],
    /// The end of an attempt that was not done.
    pub lost: char,
    /// Heights or lengths of a cell in equal steps, from nothing to full; the first is what is hardly there.
    pub heights: &'static [char],
    /// Lengths of a cell that is filled from the left, in equal steps, from hardly to nearly.
    pub lefts: &'static [char],
    /// A cell whose right half is filled: where a bar begins beside another.
    pub right: char,
    /// Between two figures of one line.
    pub dot: &'static str,
    /// In place of what was left out.
    pub more: &'static str,
    /// A ruler: its line, its start, its ticks, its end.
    pub ruler: [char; 4],
    /// From here to the next change.
    pub same: char,
}

static UNICODE: Glyphs = Glyphs {
    phases: ['▒', '▓', '█'],
    lost: '×',
    heights: &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    lefts: &['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
    right: '▐',
    dot: " · ",
    more: "…",
    ruler: ['─', '├', '┼', '┤'],
    same: '┈',
};

static ASCII: Glyphs = Glyphs {
    phases: ['-', '=', '#'],
    lost: 'x',
    heights: &[' ', '.', ':', '-', '=', '+', '*', '%', '#'],
    lefts: &['#'],
    right: '|',
    dot: ", ",
    more: "..",
    ruler: ['-', '|', '+', '|'],
    same: '-',
};

impl Style {
    /// The characters to use.
    pub fn glyphs(&self) -> &'static Glyphs {
        if self.unicode { &UNICODE } else { &ASCII }
    }

    /// What a wait is drawn with.
    pub fn wait(&self, reason: Reason) -> char {
        let (unicode, ascii) = match reason {
            Reason::Concurrency => ('░', '.'),
            Reason::Rate => ('┄', '~'),
            Reason::Hold => ('≈', '%'),
            Reason::Connect => ('╌', '_'),
            Reason::Retry => ('·', ':'),
            Reason::Until => ('◦', ','),
            Reason::Need => ('‥', '<'),
            Reason::Sync => ('⋯', '+'),
        };
        if self.unicode { unicode } else { ascii }
    }
}
