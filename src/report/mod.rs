//! How a run is shown: every view is a pure function of its events, the same while it goes on and from its log
//! later. Not here: what happens in a run (`gather`), and which view is wanted where (`cli`).

mod gathered;
pub mod length;
mod line;
pub mod style;
pub mod summary;
pub mod text;
pub mod timeline;
pub mod waterfall;

#[cfg(feature = "cli")]
pub mod files;
#[cfg(feature = "cli")]
pub mod github;
#[cfg(feature = "cli")]
pub mod html;
#[cfg(feature = "cli")]
pub mod junit;
#[cfg(feature = "cli")]
pub mod log;
#[cfg(feature = "cli")]
pub mod otlp;
#[cfg(feature = "cli")]
pub mod plain;
#[cfg(feature = "cli")]
pub mod terminal;
#[cfg(feature = "cli")]
pub mod trace;
#[cfg(feature = "cli")]
pub mod what_if;

#[cfg(test)]
#[cfg(feature = "cli")]
mod real;
#[cfg(test)]
#[cfg(feature = "cli")]
mod story;
#[cfg(test)]
#[cfg(feature = "cli")]
mod tests;

pub use line::Line;
pub use style::{Paint, Style};
pub use timeline::Timeline;

/// Lines as they are written, each with its line break.
pub fn lines(lines: &[Line], style: &Style) -> String {
    line::render(lines, style)
}

#[cfg(feature = "cli")]
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
