//! The filters for days and times: `run.day | date('%Y%m%d')`, `run.day | days(-1)`. They take and give text.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::Offset;
use jiff::{Span, ToSpan};
use minijinja::{Error, ErrorKind};

/// Formats a day or a time as `strftime` does. A time without an offset has none to show.
pub(super) fn date(value: &str, format: &str) -> Result<String, Error> {
    let moment = Moment::read(value)?;
    let mut parts = match moment.time {
        Some(_) => BrokenDownTime::from(moment.civil()),
        None => BrokenDownTime::from(moment.date),
    };
    parts.set_offset(moment.offset);
    parts.to_string(format).map_err(|error| wrong(format!("date('{format}'): {error}")))
}

/// Moves a day or a time by so many days; its form stays.
pub(super) fn days(value: &str, count: i32) -> Result<String, Error> {
    let moment = Moment::read(value)?;
    let by: Span = Span::new().try_days(count).map_err(|error| wrong(error.to_string()))?;
    let date = moment.date.checked_add(by).map_err(|error| wrong(error.to_string()))?;
    let moved = Moment { date, ..moment };
    Ok(moved.show())
}

/// A day, perhaps with a time of day and its offset.
struct Moment {
    date: Date,
    time: Option<jiff::civil::Time>,
    offset: Option<Offset>,
}

impl Moment {
    fn read(value: &str) -> Result<Moment, Error> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        let pieces: Pieces<'_> = PARSER.parse_pieces(value).map_err(|_| {
            wrong(format!("\"{value}\" is not a day such as 2026-11-19, nor a time in ISO 8601"))
        })?;
        Ok(Moment { date: pieces.date(), time: pieces.time(), offset: pieces.to_numeric_offset() })
    }

    fn civil(&self) -> DateTime {
        self.date.to_datetime(self.time.unwrap_or_default())
    }

    fn show(&self) -> String {
        match (self.time, self.offset) {
            (None, _) => self.date.to_string(),
            (Some(_), None) => self.civil().to_string(),
            (Some(_), Some(offset)) => format!("{}{}", self.civil(), shown(offset)),
        }
    }
}

/// `Z`, `+01:00`.
fn shown(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    match minutes.abs() {
        0 => "Z".to_owned(),
        minutes => format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
    }
}

/// Every day from the first to the last, both included, in the order they are named.
pub(crate) fn between(first: Date, last: Date) -> impl Iterator<Item = Date> + Send {
    let step: Span = if first <= last { 1.day() } else { (-1).days() };
    let inside = move |day: &Date| if first <= last { *day <= last } else { *day >= last };
    std::iter::successors(Some(first), move |day| day.checked_add(step).ok()).take_while(inside)
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
