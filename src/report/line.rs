//! A line of text with colors: the one place where text is escaped, cut to the width and colored. Not here: what
//! the lines say.

use super::style::{Paint, Style};
use super::text;

/// A line made of pieces, each with its color. Never holds a line break.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(Vec<(Paint, String)>);

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line::default()
    }

    /// The line with one more piece at its end.
    #[must_use]
    pub fn put(mut self, paint: Paint, text: impl Into<String>) -> Line {
        let text = text.into();
        match self.0.last_mut() {
            Some((last, so_far)) if *last == paint => so_far.push_str(&text),
            _ => self.0.push((paint, text)),
        }
        self
    }

    /// The line with one more piece without a color.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Line {
        self.put(Paint::Plain, text)
    }

    /// The line with spaces at its end up to a column.
    #[must_use]
    pub fn to(self, column: usize) -> Line {
        let spaces = column.saturating_sub(self.width());
        self.text(" ".repeat(spaces))
    }

    /// How many columns it takes, before it is cut.
    pub fn width(&self) -> usize {
        let whole: String = self.0.iter().map(|(_, text)| text.as_str()).collect();
        text::width(&whole)
    }

    /// The line as it is written: escaped, cut to the style's width, without spaces at its end, no line break.
    pub fn render(&self, style: &Style) -> String {
        let mut pieces = cut(&self.0, style);
        trim(&mut pieces);
        let mut out = String::new();
        for (paint, text) in pieces {
            let ansi = paint.ansi();
            if style.color && paint != Paint::Plain {
                out.push_str(&format!("{ansi}{text}{ansi:#}"));
            } else {
                out.push_str(&text);
            }
        }
        out
    }
}

/// The lines as they are written, each with its line break.
pub(super) fn render(lines: &[Line], style: &Style) -> String {
    lines.iter().fold(String::new(), |out, line| out + &line.render(style) + "\n")
}

/// The pieces that fit into the width.
fn cut(pieces: &[(Paint, String)], style: &Style) -> Vec<(Paint, String)> {
    let escaped: Vec<_> = pieces.iter().map(|(paint, text)| (*paint, text::escape(text, style))).collect();
    let whole: String = escaped.iter().map(|(_, text)| text.as_ref()).collect();
    let whole = text::cut(&whole, style.width, style);
    let mut kept = whole.chars();
    let mut out = Vec::new();
    for (paint, text) in &escaped {
        let piece: String = kept.by_ref().take(text.chars().count()).collect();
        out.push((*paint, piece));
    }
    if let Some((_, last)) = out.last_mut() {
        last.extend(kept);
    }
    out
}

/// Takes away the spaces at the end.
fn trim(pieces: &mut Vec<(Paint, String)>) {
    while let Some((_, last)) = pieces.last_mut() {
        last.truncate(last.trim_end_matches(' ').len());
        if !last.is_empty() {
            return;
        }
        pieces.pop();
    }
}
