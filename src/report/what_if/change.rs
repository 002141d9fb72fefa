//! A changed limit as it is written, `sources.shop.concurrency=12`, in the words of a plan: [`Change`]. Not here: what
//! follows from it.

use crate::expr::suggest;
use crate::report::{Style, text};
use crate::units::Rate;
use std::fmt;
use std::str::FromStr;

/// One limit, and what it is changed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose limit.
    pub of: Of,
    /// What it is changed to.
    pub to: To,
}

/// Whose limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// The run's: `limits`.
    Run,
    /// A source's: `sources.NAME`.
    Source(String),
    /// A limit with a name: `limits.NAME`.
    Limit(String),
    /// A job's own: `jobs.NAME`.
    Job(String),
}

/// What a limit is changed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// So many items at once.
    Concurrency(u64),
    /// So many starts in a time.
    Rate(Rate),
}

/// Why a limit can't be changed like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeError {
    /// The change as it was written.
    pub change: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [change, message, hint] =
            [&self.change, &self.message, &self.hint].map(|part| text::escape(part, &Style::default()));
        write!(f, "{change}: {message}")?;
        if hint.is_empty() { Ok(()) } else { write!(f, "\n({hint})") }
    }
}

impl std::error::Error for ChangeError {}

impl ChangeError {
    pub(super) fn new(
        change: impl fmt::Display,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ChangeError {
        ChangeError { change: change.to_string(), message: message.into(), hint: hint.into() }
    }
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Change, ChangeError> {
        let form = "such as sources.NAME.concurrency=12, sources.NAME.rate=20/s or limits.concurrency=64";
        let error = |message: &str, hint: &str| ChangeError::new(text, message, hint);
        let (path, value) = text.split_once('=').ok_or_else(|| error("`=` is missing", form))?;
        let (owner, key) = path.trim().rsplit_once('.').ok_or_else(|| error("names no limit", form))?;
        let of = owner.parse().map_err(|hint: String| error("names no limit", &hint))?;
        let to = match (key, &of) {
            ("concurrency", _) => concurrency(value).map_err(|message| error(&message, ""))?,
            ("rate", Of::Run) => return Err(error("a run as a whole has no rate", "")),
            ("rate", _) => To::Rate(
                value.trim().parse().map_err(|wrong: crate::units::UnitError| error(&wrong.message, ""))?,
            ),
            _ => return Err(error("unknown key", &suggest(key, ["concurrency", "rate"]))),
        };
        Ok(Change { of, to })
    }
}

impl FromStr for Of {
    type Err = String;

    fn from_str(text: &str) -> Result<Of, String> {
        let (section, name) = match text.split_once('.') {
            None if text == "limits" => return Ok(Of::Run),
            split => split.unwrap_or((text, "")),
        };
        match (section, name) {
            ("limits" | "sources" | "jobs", "") => Err(format!("write {section}.NAME.concurrency=N")),
            ("sources", name) => Ok(Of::Source(name.to_owned())),
            ("limits", name) => Ok(Of::Limit(name.to_owned())),
            ("jobs", name) => Ok(Of::Job(name.to_owned())),
            _ => Err(suggest(section, ["sources", "limits", "jobs"])),
        }
    }
}

fn concurrency(value: &str) -> Result<To, String> {
    let number = value.trim().parse().ok().filter(|number| *number > 0);
    number.map(To::Concurrency).ok_or_else(|| format!("must be a whole number from 1 on, not \"{value}\""))
}

impl To {
    /// So many halves of it; none if that is beyond all numbers.
    pub(super) fn raised(self, halves: u64) -> Option<To> {
        let raised = |number: u64| Some(number.checked_mul(halves)?.div_ceil(2));
        match self {
            To::Concurrency(most) => raised(most).map(To::Concurrency),
            To::Rate(Rate { count, per }) => {
                let count = raised(count.into())?.try_into().ok()?;
                Some(To::Rate(Rate { count, per }))
            }
        }
    }
}

impl Change {
    /// The limit as a plan names it: `sources.shop.concurrency`.
    pub fn path(&self) -> String {
        let key = match self.to {
            To::Concurrency(_) => "concurrency",
            To::Rate(_) => "rate",
        };
        format!("{}.{key}", self.of)
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Of::Run => f.write_str("limits"),
            Of::Source(name) => write!(f, "sources.{name}"),
            Of::Limit(name) => write!(f, "limits.{name}"),
            Of::Job(name) => write!(f, "jobs.{name}"),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            To::Concurrency(number) => number.fmt(f),
            To::Rate(rate) => rate.fmt(f),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path(), self.to)
    }
}
