//! How a run is shown: every view is a pure function of its events, the same while it goes on and from its log
//! later. Not here: what happens in a run (`gather`), and which view is wanted where (`cli`).

pub mod files;
pub mod github;
pub mod html;
pub mod junit;
pub mod length;
mod line;
pub mod log;
pub mod otlp;
pub mod plain;
pub mod style;
pub mod summary;
pub mod terminal;
pub mod text;
pub mod timeline;
pub mod trace;
pub mod waterfall;
pub mod what_if;

#[cfg(test)]
mod real;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;

pub use line::Line;
pub use style::{Paint, Style};
pub use timeline::Timeline;

/// Lines as they are written, each with its line break.
pub fn lines(lines: &[Line], style: &Style) -> String {
    line::render(lines, style)
}

/// The end of a run as text: the waterfall, the figures, the failures, and last what to raise, where that would help.
pub fn end(timeline: &Timeline, style: &Style) -> String {
    let mut lines = waterfall::waterfall(timeline, style);
    if !lines.is_empty() {
        lines.push(Line::new());
    }
    lines.extend(summary::summary(timeline, style));
    lines.extend(what_if::advice(timeline).iter().flat_map(|advice| advice.lines(style)));
    line::render(&lines, style)
}
