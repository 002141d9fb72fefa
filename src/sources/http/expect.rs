//! The part of a job's `expect` that the kind looks at itself, because it decides whether there is a result at all:
//! the status.

use super::answer::Expected;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use std::ops::RangeInclusive;

/// What a good result is.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expect {
    /// The status: 200, "2xx", or a list of such. Default: "2xx".
    #[schemars(with = "Option<Statuses>")]
    pub status: Option<Expected>,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a status such as 200 or \"2xx\", or a list of them")]
enum Statuses {
    One(Status),
    Many(Vec<Status>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Status {
    Number(u16),
    Class(String),
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Expected, D::Error> {
        let all = match Statuses::deserialize(from)? {
            Statuses::One(status) => vec![status],
            Statuses::Many(all) => all,
        };
        let ranges: Result<Vec<_>, String> = all.iter().map(range).collect();
        match ranges {
            Ok(ranges) if ranges.is_empty() => Err(serde::de::Error::custom("must name a status")),
            Ok(ranges) => Ok(Expected(ranges)),
            Err(why) => Err(serde::de::Error::custom(why)),
        }
    }
}

fn range(status: &Status) -> Result<RangeInclusive<u16>, String> {
    let number = match status {
        Status::Number(number) => Some(*number),
        Status::Class(text) => text.parse().ok(),
    };
    match (number, status) {
        (Some(number @ 100..=599), _) => Ok(number..=number),
        (None, Status::Class(text)) => class(text).ok_or_else(|| format!("must be a status, not \"{text}\"")),
        (Some(number), _) => Err(format!("must be a status from 100 to 599, not {number}")),
        (None, Status::Number(_)) => Err("must be a status".to_owned()),
    }
}

/// `2xx`.
fn class(text: &str) -> Option<RangeInclusive<u16>> {
    let digit: u16 = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"))?.parse().ok()?;
    (1..=5).contains(&digit).then(|| digit * 100..=digit * 100 + 99)
}
