//! The keys that all sources and all jobs have in common, and their defaults. The plan's JSON Schema is made from the
//! same structs.

use super::bounds::above_zero;
use crate::expr::{Template, Tree};
use crate::units::{Rate, Size, Span};
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU64;

/// Results kept in memory, per job.
pub(super) const KEEP: Size = Size(1 << 20);
/// Items at once in a run.
pub(super) const CONCURRENCY: u64 = 1024;

/// What all jobs have in common.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct JobKeys {
    /// The source it uses.
    pub(super) source: Option<String>,
    /// Where results go: a path, a folder if it ends in `/`, or `{ file, join, mode }`.
    #[schemars(with = "Option<OutputSchema>")]
    pub(super) output: Option<Tree>,
    /// What makes it many items: a list, `{ file }`, `{ range }`, `{ dates }`, `{ matrix }`, or an expression.
    pub(super) for_each: Option<Tree>,
    /// The key of an item, where that is not a scalar itself.
    pub(super) key: Option<Template>,
    /// What to do about items of one key. Default: an error.
    pub(super) duplicates: Duplicates,
    /// The jobs it waits for.
    pub(super) needs: Names,
    /// Fewer items than this are a failure.
    pub(super) min_items: u64,
    /// How many items may fail: a number, or a share such as "1%".
    pub(super) allow_failures: Allowance,
    /// What one failure does to the job's other items.
    pub(super) policy: Policy,
    /// The most bytes of results that are kept in memory. Default 1MiB.
    pub(super) keep: Option<Size>,
    /// Whether what was taken in an earlier run and has not changed since is left out. Default false.
    pub(super) incremental: bool,
    /// Whether its outputs outlive a power cut: they are synced before they have their names. Default false, but where
    /// something is done at the source after that.
    pub(super) durable: bool,
}

pub(super) const JOB: [&str; 12] = [
    "source",
    "output",
    "for_each",
    "key",
    "duplicates",
    "needs",
    "min_items",
    "allow_failures",
    "policy",
    "keep",
    "incremental",
    "durable",
];

/// Keys of jobs that are not there yet.
pub(super) const LATER: [&str; 4] = ["when", "until", "wait", "manifest"];
/// What a job can expect beside a status: not there yet either.
pub(super) const EXPECT_LATER: [&str; 6] = ["rows", "json", "header", "time", "bytes", "files"];

/// `output` as the schema shows it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OutputSchema {
    Path(String),
    Table(OutputKeys),
}

/// `output` as a table.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutputKeys {
    /// The path below the output folder.
    pub(super) file: Option<Template>,
    /// Whether all items make this one output, in item order.
    pub(super) join: bool,
    /// Permissions such as "0640".
    pub(super) mode: Option<String>,
}

/// `[limits.NAME]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct LimitKeys {
    /// Items at once.
    pub(super) concurrency: Option<NonZeroU64>,
    /// Starts in a time.
    pub(super) rate: Option<Rate>,
}

/// `[limits]` itself.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct RunKeys {
    /// Items at once in the whole run. Default 1024.
    pub(super) concurrency: Option<NonZeroU64>,
    /// How long the run may take.
    #[serde(deserialize_with = "above_zero")]
    #[schemars(with = "Option<Span>")]
    pub(super) deadline: Option<Span>,
}

/// What to do about items of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// They are an error.
    #[default]
    Error,
    /// The first is taken, the others are skipped.
    First,
}

/// What one failure does to a job's other items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing.
    #[default]
    Settle,
    /// It stops them.
    FailFast,
}

/// How many items may fail without their job counting as failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Allowance {
    /// So many.
    Count(u64),
    /// So many of a hundred.
    Percent(f64),
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance::Count(0)
    }
}

impl Allowance {
    /// Whether so many failures of so many items are allowed.
    pub fn allows(&self, failed: u64, items: u64) -> bool {
        match self {
            Allowance::Count(count) => failed <= *count,
            Allowance::Percent(percent) => failed as f64 * 100.0 <= percent * items as f64,
        }
    }
}

impl<'de> Deserialize<'de> for Allowance {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Allowance, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Allowance;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of items, or a share such as \"1%\"")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Allowance, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                u64::try_from(number).map(Allowance::Count).map_err(wrong)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Allowance, E> {
                let share = text.strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok());
                let share = share.filter(|share| (0.0..=100.0).contains(share));
                share
                    .map(Allowance::Percent)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_any(Text)
    }
}

impl JsonSchema for Allowance {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Allowance".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$" },
        ] })
    }
}

/// A name, or a list of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Names, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Names, E> {
                Ok(Names(vec![name.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for Names {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}
