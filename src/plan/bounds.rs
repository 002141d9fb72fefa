//! The keys that bound a source or a job: how much at once, how often again, how long. Not here: what follows from them
//! (`gather`).

use super::keys::Names;
use crate::units::{Rate, Span};
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

/// The keys that bound a source or a job; the job's win.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Bounds {
    /// Items at once.
    pub concurrency: Option<NonZeroU64>,
    /// Starts in a time.
    pub rate: Option<Rate>,
    /// The `[limits.NAME]` that items count against, too: a name or a list of names.
    pub limit: Option<Names>,
    /// How failed attempts are repeated: a table, or just how often.
    #[serde(deserialize_with = "retries")]
    #[schemars(with = "Option<RetryForms>")]
    pub retries: Option<RetryKeys>,
    /// How long things may take.
    pub timeout: Option<TimeoutKeys>,
}

pub(super) const BOUNDS: [&str; 5] = ["concurrency", "rate", "limit", "retries", "timeout"];

/// How the pause between attempts grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// It doubles.
    #[default]
    Exponential,
    /// It stays.
    Constant,
}

/// `retries` as the schema shows it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum RetryForms {
    Count(u32),
    Table(RetryKeys),
}

/// `retries` as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryKeys {
    /// How often an attempt that failed is repeated. Default 2.
    pub count: Option<u32>,
    /// The first pause. Default 200ms.
    pub delay: Option<Span>,
    /// The longest pause. Default 10s.
    pub max_delay: Option<Span>,
    /// Whether pauses are spread at random. Default true.
    pub jitter: Option<bool>,
    /// How the pause grows. Default exponential.
    pub backoff: Option<Backoff>,
}

/// `timeout` as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutKeys {
    /// How long an item may wait for its first start.
    #[serde(deserialize_with = "above_zero")]
    #[schemars(with = "Option<Span>")]
    pub queue: Option<Span>,
    /// How long a connection may take. Default 10s.
    #[serde(deserialize_with = "above_zero")]
    #[schemars(with = "Option<Span>")]
    pub connect: Option<Span>,
    /// How long one attempt may take.
    #[serde(deserialize_with = "above_zero")]
    #[schemars(with = "Option<Span>")]
    pub attempt: Option<Span>,
    /// How long an attempt may make no progress. Default 60s; none for queries, as a server that computes says nothing.
    #[serde(deserialize_with = "above_zero")]
    #[schemars(with = "Option<Span>")]
    pub idle: Option<Span>,
    /// How long an item may take with its repetitions.
    #[serde(deserialize_with = "above_zero")]
    #[schemars(with = "Option<Span>")]
    pub total: Option<Span>,
}

/// How failed attempts are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often.
    pub count: u32,
    /// The first pause.
    pub delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// Whether pauses are spread at random.
    pub jitter: bool,
    /// How the pause grows.
    pub backoff: Backoff,
}

/// How long things may take; a connection is its source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the first start.
    pub queue: Option<Duration>,
    /// One attempt.
    pub attempt: Option<Duration>,
    /// Without progress.
    pub idle: Option<Duration>,
    /// With all repetitions.
    pub total: Option<Duration>,
}

impl Retries {
    /// The job's keys, else the source's, else the defaults.
    pub(crate) fn of(job: Option<RetryKeys>, source: Option<RetryKeys>) -> Retries {
        let (job, source) = (job.unwrap_or_default(), source.unwrap_or_default());
        let time =
            |job: Option<Span>, source: Option<Span>, default| job.or(source).map_or(default, |span| span.0);
        Retries {
            count: job.count.or(source.count).unwrap_or(2),
            delay: time(job.delay, source.delay, Duration::from_millis(200)),
            max_delay: time(job.max_delay, source.max_delay, Duration::from_secs(10)),
            jitter: job.jitter.or(source.jitter).unwrap_or(true),
            backoff: job.backoff.or(source.backoff).unwrap_or_default(),
        }
    }
}

impl Timeouts {
    /// The job's keys, else the source's, else the defaults; `idle` is that of its kind.
    pub(super) fn of(
        job: Option<TimeoutKeys>,
        source: Option<TimeoutKeys>,
        idle: Option<Duration>,
    ) -> Timeouts {
        let (job, source) = (job.unwrap_or_default(), source.unwrap_or_default());
        let time = |job: Option<Span>, source: Option<Span>| job.or(source).map(|span| span.0);
        Timeouts {
            queue: time(job.queue, source.queue),
            attempt: time(job.attempt, source.attempt),
            idle: time(job.idle, source.idle).or(idle),
            total: time(job.total, source.total),
        }
    }
}

fn retries<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RetryKeys>, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = RetryKeys;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or a table such as { count = 4, delay = \"200ms\" }")
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<RetryKeys, E> {
            let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
            let count = u32::try_from(number).map_err(wrong)?;
            Ok(RetryKeys { count: Some(count), ..RetryKeys::default() })
        }
        fn visit_map<A: de::MapAccess<'de>>(self, entries: A) -> Result<RetryKeys, A::Error> {
            RetryKeys::deserialize(de::value::MapAccessDeserializer::new(entries))
        }
    }
    from.deserialize_any(Either).map(Some)
}

/// A time in which something has to be done.
pub(super) fn above_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Span>, D::Error> {
    let span = Span::deserialize(from)?;
    if span.0.is_zero() { Err(de::Error::custom("must be longer than zero")) } else { Ok(Some(span)) }
}
