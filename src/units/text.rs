//! From text to quantities and back, exactly: decimals are read as integers of the smallest unit, never as floats.

use super::{Bandwidth, Rate, Size, Span};
use std::time::Duration;

/// Units of time in nanoseconds.
const TIMES: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
];

const SECOND: u128 = 1_000_000_000;

/// The longest duration, in nanoseconds: so far every clock can count.
const LONGEST: u128 = 100 * 365 * 86_400 * SECOND;

/// Units of bytes.
const SIZES: [(&str, u128); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Why a text is no such quantity.
pub(super) enum Wrong {
    /// It is not written as one.
    Form,
    /// It is more than can be dealt with.
    Above(&'static str),
}

pub(super) fn span(text: &str) -> Result<Span, Wrong> {
    let total = time(text).ok_or(Wrong::Form)?;
    let seconds = u64::try_from(total / SECOND).ok().filter(|_| total <= LONGEST);
    let seconds = seconds.ok_or(Wrong::Above("longer than 100 years"))?;
    Ok(Span(Duration::new(seconds, (total % SECOND) as u32)))
}

/// Nanoseconds.
fn time(text: &str) -> Option<u128> {
    let mut rest = text.trim();
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (amount, after) = amount(rest, &TIMES)?;
        total = total.checked_add(amount)?;
        rest = after.trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

pub(super) fn size(text: &str) -> Result<Size, Wrong> {
    let (bytes, rest) = amount(text.trim(), &SIZES).ok_or(Wrong::Form)?;
    let bytes = u64::try_from(bytes).map_err(|_| Wrong::Above("more than 16 EiB"))?;
    if rest.is_empty() { Ok(Size(bytes)) } else { Err(Wrong::Form) }
}

pub(super) fn rate(text: &str) -> Result<Rate, Wrong> {
    let (count, per) = text.split_once('/').ok_or(Wrong::Form)?;
    let per = per_time(per)?;
    let count: u32 = count.trim().parse().map_err(|_| Wrong::Form)?;
    if count > 0 { Ok(Rate { count, per }) } else { Err(Wrong::Form) }
}

pub(super) fn bandwidth(text: &str) -> Result<Bandwidth, Wrong> {
    let (bytes, per) = text.split_once('/').ok_or(Wrong::Form)?;
    let per = per_time(per)?;
    let Size(bytes) = size(bytes)?;
    if bytes > 0 { Ok(Bandwidth { bytes, per }) } else { Err(Wrong::Form) }
}

/// What follows the `/`: a duration, or a unit of one.
fn per_time(text: &str) -> Result<Duration, Wrong> {
    let text = text.trim();
    let has_number = text.starts_with(|c: char| c.is_ascii_digit());
    let Span(per) = if has_number { span(text)? } else { span(&format!("1{text}"))? };
    if per.is_zero() { Err(Wrong::Form) } else { Ok(per) }
}

/// Reads one decimal number and its unit; what follows is given back.
fn amount<'a>(text: &'a str, units: &[(&str, u128)]) -> Option<(u128, &'a str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some((scaled(number, *factor)?, rest))
}

/// `number * factor`, if that is a whole number.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    (!whole.is_empty() && !fraction.is_empty() && fraction.len() <= 18).then_some(())?;
    let whole = whole.parse::<u128>().ok()?.checked_mul(factor)?;
    let part = fraction.parse::<u128>().ok()?.checked_mul(factor)?;
    let places = 10_u128.pow(fraction.len() as u32);
    part.is_multiple_of(places).then(|| whole.checked_add(part / places))?
}

pub(super) fn show_span(span: Span) -> String {
    let total = span.0.as_nanos();
    if total == 0 {
        return "0s".to_owned();
    }
    let single =
        ["d", "h", "m", "s", "ms", "us", "ns"].into_iter().filter_map(|unit| exact(total, unit, &TIMES));
    let other = [compound(total), seconds(total)].into_iter().filter(|text| !text.is_empty());
    shortest(single.chain(other))
}

pub(super) fn show_size(size: Size) -> String {
    let units = ["TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB", "B"];
    let forms = units.into_iter().filter_map(|unit| exact(u128::from(size.0), unit, &SIZES));
    if size.0 == 0 { "0B".to_owned() } else { shortest(forms) }
}

pub(super) fn show_rate(rate: Rate) -> String {
    format!("{}/{}", rate.count, show_per_time(rate.per))
}

pub(super) fn show_bandwidth(bandwidth: Bandwidth) -> String {
    format!("{}/{}", show_size(Size(bandwidth.bytes)), show_per_time(bandwidth.per))
}

fn show_per_time(per: Duration) -> String {
    let per = show_span(Span(per));
    let unit = per.strip_prefix('1').filter(|unit| unit.chars().all(char::is_alphabetic));
    unit.map_or(per.clone(), str::to_owned)
}

/// A whole number of one unit.
fn exact(total: u128, unit: &str, units: &[(&str, u128)]) -> Option<String> {
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    total.is_multiple_of(*factor).then(|| format!("{}{unit}", total / factor))
}

/// Decimal seconds, from one second on.
fn seconds(total: u128) -> String {
    if total < SECOND {
        return String::new();
    }
    let fraction = format!("{:09}", total % SECOND);
    format!("{}.{:0<1}s", total / SECOND, fraction.trim_end_matches('0'))
}

/// Hours, minutes and seconds.
fn compound(total: u128) -> String {
    let mut text = String::new();
    let mut rest = total;
    for (unit, factor) in [("h", 3_600 * SECOND), ("m", 60 * SECOND), ("s", SECOND)] {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if rest == 0 { text } else { String::new() }
}

/// The first of the shortest.
fn shortest(forms: impl Iterator<Item = String>) -> String {
    forms.min_by_key(String::len).unwrap_or_default()
}
