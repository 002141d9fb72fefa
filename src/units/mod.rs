//! Quantities with units, as plans and flags write them: durations (`90m`, `1h30m`, `200ms`), sizes (`64MiB`,
//! `10MB`), rates (`20/s`, `5/10s`), bandwidths (`10MiB/s`). Not here: what they limit. A number without its unit is
//! always an error.

mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

/// A duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// So many starts per time. Never zero of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

/// So many bytes per time. Never zero of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// How many.
    pub bytes: u64,
    /// In this time.
    pub per: Duration,
}

/// Why a text is no such quantity. Says what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    /// Lower case, no full stop.
    pub message: String,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UnitError {}

/// Reading, writing and describing a quantity as its text.
macro_rules! as_text {
    ($type:ident, $parse:path, $show:path, $expected:literal, $pattern:literal) => {
        impl std::str::FromStr for $type {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<$type, UnitError> {
                $parse(text).map_err(|wrong| UnitError::why(wrong, text, $expected))
            }
        }

        impl fmt::Display for $type {
            /// The shortest form that is exact.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&$show(*self))
            }
        }

        #[cfg(feature = "plan")]
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        #[cfg(feature = "plan")]
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<$type, E> {
                        Err(E::custom(UnitError::new(&number.to_string(), $expected)))
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$type, E> {
                        Err(E::custom(UnitError::new(&number.to_string(), $expected)))
                    }
                }
                from.deserialize_str(Text)
            }
        }

        #[cfg(feature = "plan")]
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $expected, "pattern": $pattern })
            }
        }
    };
}

as_text!(
    Span,
    text::span,
    text::show_span,
    "a duration such as \"30s\", \"5m\" or \"1h30m\"",
    r"^\s*([0-9]+(\.[0-9]+)?\s*(ns|us|µs|ms|s|m|h|d|w)\s*)+$|\$\{\{"
);
as_text!(
    Size,
    text::size,
    text::show_size,
    "a size such as \"64MiB\" or \"10MB\"",
    r"^\s*[0-9]+(\.[0-9]+)?\s*([kKMGT]i?)?B\s*$|\$\{\{"
);
as_text!(
    Rate,
    text::rate,
    text::show_rate,
    "a rate such as \"20/s\" or \"100/m\"",
    r"^\s*[0-9]+\s*/\s*[0-9.]*\s*(ms|s|m|h|d)|\$\{\{"
);
as_text!(
    Bandwidth,
    text::bandwidth,
    text::show_bandwidth,
    "bytes per time such as \"10MiB/s\" or \"500kB/s\"",
    r"^\s*[0-9]+(\.[0-9]+)?\s*([kKMGT]i?)?B\s*/\s*[0-9.]*\s*(ms|s|m|h|d)|\$\{\{"
);

impl UnitError {
    fn why(wrong: text::Wrong, text: &str, expected: &str) -> UnitError {
        match wrong {
            text::Wrong::Form => UnitError::new(text, expected),
            text::Wrong::Above(most) => UnitError { message: format!("\"{text}\" is {most}") },
        }
    }

    fn new(text: &str, expected: &str) -> UnitError {
        let bare = !text.is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let message = match bare {
            true => format!("{text} needs a unit: write {expected}"),
            false => format!("\"{text}\" is not {expected}"),
        };
        UnitError { message }
    }
}
