//! Quantities and names as text: times, sizes, counts, and texts that fit. Not here: lines and colors.

use super::style::Style;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// A time with three digits, such as `350 ms`, `2.00 s`, `1 m 05 s`, `3 h 07 m`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 0.000_999_5 => format!("{:.0} us", s * 1e6),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3599.5 => parts(s.round() as u64, 60, ["m", "s"]),
        s if s < 86_370.0 => parts((s / 60.0).round() as u64, 60, ["h", "m"]),
        s => parts((s / 3600.0).round() as u64, 24, ["d", "h"]),
    }
}

/// `1 m 05 s` of 65 and 60.
fn parts(small: u64, per: u64, units: [&str; 2]) -> String {
    format!("{} {} {:02} {}", small / per, units[0], small % per, units[1])
}

/// A time as plans write it, such as `500ms`, `1m30s`, `2h`: short, for rulers.
pub fn short(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0 => "0".to_owned(),
        us if us < 1000 => format!("{us}us"),
        us if us < 1_000_000 => format!("{}ms", us as f64 / 1e3),
        us if us < 60_000_000 => format!("{}s", us as f64 / 1e6),
        _ => clock(time.as_secs()),
    }
}

/// `1h30m`, of seconds.
fn clock(seconds: u64) -> String {
    let mut out = String::new();
    for (size, unit) in [(86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
        let count =
            if size == 86400 { seconds / size } else { seconds / size % if size == 3600 { 24 } else { 60 } };
        if count > 0 {
            let _ = write!(out, "{count}{unit}");
        }
    }
    out
}

/// A size such as `817 B`, `12.3 MiB`.
pub fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter();
    let mut unit = "B";
    while size >= 999.5 {
        let Some(next) = units.next() else { break };
        size /= 1024.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ if size < 9.995 => format!("{size:.2} {unit}"),
        _ if size < 99.95 => format!("{size:.1} {unit}"),
        _ => format!("{size:.0} {unit}"),
    }
}

/// A whole number with commas between thousands: `10,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and what it counts: `1 item`, `10,000 items`.
pub fn counted(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", count(number))
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with everything made visible that could move the cursor, hide or reorder text, and, where only ASCII
/// may be shown, everything beyond it.
pub fn escape<'a>(text: &'a str, style: &Style) -> Cow<'a, str> {
    let hostile = |c: char| hidden(c) || (!style.unicode && !c.is_ascii());
    if !text.contains(hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if c.is_ascii_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c if hostile(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The same for a text of several lines: its line breaks stay.
pub fn escape_lines(text: &str, style: &Style) -> String {
    text.split('\n').map(|line| escape(line, style)).collect::<Vec<_>>().join("\n")
}

/// Control characters, what is no character, and those that take no place or change the direction of what follows.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text, with its end left out if it is wider than `room`.
pub fn cut<'a>(text: &'a str, room: usize, style: &Style) -> Cow<'a, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let more = mark(room, style);
    let kept = head(text, room.saturating_sub(width(more)));
    Cow::Owned(format!("{kept}{more}"))
}

/// The text, with its middle left out if it is wider than `room`: names differ at their ends.
pub fn fit<'a>(text: &'a str, room: usize, style: &Style) -> Cow<'a, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let more = mark(room, style);
    let rest = room.saturating_sub(width(more));
    let start = head(text, rest.div_ceil(2));
    let end = tail(text, rest - width(start).min(rest));
    Cow::Owned(format!("{start}{more}{end}"))
}

/// What stands for the part that was left out, if there is room for it.
fn mark(room: usize, style: &Style) -> &'static str {
    let more = style.glyphs().more;
    if width(more) <= room { more } else { "" }
}

/// The longest start that fits.
fn head(text: &str, room: usize) -> &str {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if width(&text[..next]) > room {
            break;
        }
        end = next;
    }
    &text[..end]
}

/// The longest end that fits.
fn tail(text: &str, room: usize) -> &str {
    let mut start = text.len();
    for (at, _) in text.char_indices().rev() {
        if width(&text[at..]) > room {
            break;
        }
        start = at;
    }
    &text[start..]
}

/// The text in pieces that fit into `room`, broken between words where that is possible.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').flat_map(|word| broken(word, room)) {
        match lines.last_mut() {
            Some(last) if width(last) + 1 + width(word) <= room => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A word in pieces that fit into `room`; one character at least.
fn broken(mut word: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while width(word) > room {
        let first = word.chars().next().map_or(0, char::len_utf8);
        let (piece, rest) = word.split_at(head(word, room).len().max(first));
        pieces.push(piece);
        word = rest;
    }
    pieces.push(word);
    pieces
}

/// The text with its first words in `beside`, as far as they fit, and the rest in pieces that fit into `room`.
pub fn wrap_beside(text: &str, beside: usize, room: usize) -> (String, Vec<String>) {
    if width(text) <= beside {
        return (text.to_owned(), Vec::new());
    }
    let start = head(text, beside.saturating_add(1)).rfind(' ').unwrap_or(0);
    (text[..start].to_owned(), wrap(text[start..].trim_start(), room))
}
