//! A run as one HTML file that needs nothing else: no network, no other file. The page's parts are `page.html`,
//! `page.css` and the scripts, joined here with the run as data. Not here: what the data is (`data`), and how it is
//! drawn (the scripts).

mod data;
mod json;
mod texts;

#[cfg(test)]
mod tests;

use super::timeline::Timeline;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Write};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// One module in parts, in the order in which they build on each other.
const SCRIPT: &str = concat!(
    include_str!("script/run.js"),
    include_str!("script/chart.js"),
    include_str!("script/grid.js"),
    include_str!("script/tell.js"),
    include_str!("script/page.js"),
    include_str!("script/act.js"),
);

/// Writes the page of a run, or of as much of it as there is. Fails only if `to` does.
pub fn html(timeline: &Timeline, mut to: impl Write) -> io::Result<()> {
    let mut rest = PAGE;
    let mut until = |place: &str| {
        let (before, after) = rest.split_once(place).expect("the page has each place once, in this order");
        rest = after;
        before
    };
    write!(to, "{}{}", until("<!-- policy -->"), policy())?;
    write!(to, "{}<style>{STYLE}</style>", until("<!-- style -->"))?;
    write!(to, "{}<script type=\"application/json\" id=\"run\">", until("<!-- data -->"))?;
    json::write(&data::Data::of(timeline), &mut to)?;
    write!(to, "</script>{}<script type=\"module\">{SCRIPT}</script>", until("<!-- script -->"))?;
    to.write_all(rest.as_bytes())
}

/// What the browser lets the page do: run this script, use this style, and nothing else. It may ask nobody for
/// anything, and put text into the page only as text.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let allowed = [
        "default-src 'none'".to_owned(),
        format!("script-src 'sha256-{}'", hash(SCRIPT)),
        format!("style-src 'sha256-{}'", hash(STYLE)),
        "img-src data:".to_owned(),
        "base-uri 'none'".to_owned(),
        "form-action 'none'".to_owned(),
        "require-trusted-types-for 'script'".to_owned(),
    ];
    format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">", allowed.join("; "))
}
