//! What a caller may ask of a gather: when to stop, when to try again, and how long things may take.
//! Not here: how it is carried out (`scheduler`, `attempt`).

use std::time::Duration;

/// When a job stops before all its items have run. One failure stops nothing unless it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Policy {
    /// Run everything, whatever fails.
    #[default]
    Settle,
    /// Stop at the first item that is lost.
    FailFast,
    /// Stop when this many items are done.
    FirstOk(u64),
    /// As [`Policy::FirstOk`], and stop also when so many can no longer be reached.
    Quorum(u64),
    /// Stop when more than this is lost.
    Threshold(Tolerance),
}

/// How much may be lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// This many items.
    Items(u64),
    /// This share of the items that have ended (0.01 is 1 %), once at least `of_at_least` have ended.
    Share {
        /// From 0 to 1.
        share: f64,
        /// The smallest number of ended items that says anything.
        of_at_least: u64,
    },
}

impl Tolerance {
    /// Whether `lost` of `ended` items is more than is allowed.
    pub fn is_exceeded(self, lost: u64, ended: u64) -> bool {
        match self {
            Tolerance::Items(most) => lost > most,
            Tolerance::Share { share, of_at_least } => {
                ended >= of_at_least.max(1) && lost as f64 > share * ended as f64
            }
        }
    }
}

/// What stopping means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Start no more, and let what runs come to its end.
    StartNoMore,
    /// Cancel what runs, too.
    #[default]
    CancelRunning,
}

/// How often and when an item is tried again. Only errors whose [`Advice`](super::Advice) says so are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often at the most, the first attempt not counted.
    pub count: u32,
    /// The pause before the first retry.
    pub delay: Duration,
    /// No pause is longer, unless the server asks for it.
    pub max_delay: Duration,
    /// How pauses grow.
    pub backoff: Backoff,
    /// A random share of each pause, so that many items do not come back at the same moment ("full jitter").
    pub jitter: bool,
}

/// How pauses grow from one retry to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Each is twice the one before.
    Exponential,
    /// All are the same.
    Constant,
}

impl Retries {
    /// Never again.
    pub const NONE: Retries = Retries { count: 0, ..Retries::STANDARD };
    /// Twice: after about 0.2 s and 0.4 s.
    pub const STANDARD: Retries = Retries {
        count: 2,
        delay: Duration::from_millis(200),
        max_delay: Duration::from_secs(10),
        backoff: Backoff::Exponential,
        jitter: true,
    };

    /// The pause before retry number `retry` (1 is the first), `random` being uniform in 0..1.
    pub fn pause(&self, retry: u32, random: f64) -> Duration {
        let doubled = match self.backoff {
            Backoff::Exponential => self.delay.saturating_mul(1 << retry.saturating_sub(1).min(30)),
            Backoff::Constant => self.delay,
        };
        let pause = doubled.min(self.max_delay);
        if self.jitter { pause.mul_f64(random) } else { pause }
    }
}

/// How long things may take. What is `None` has no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From being queued to the first start.
    pub queue: Option<Duration>,
    /// One attempt.
    pub attempt: Option<Duration>,
    /// Without progress, within an attempt.
    pub idle: Option<Duration>,
    /// From the first start to the outcome, all attempts and the waits between them counted.
    pub total: Option<Duration>,
}
