//! What is known of a run before it starts: the first entry of its log. Not here: what happens then (`event`).

use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything about a run that is known before it starts. Never a secret.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct RunInfo {
    /// [`LOG_VERSION`](super::LOG_VERSION).
    pub log: u32,
    /// fanout's version.
    pub version: String,
    /// The run's id.
    pub id: String,
    /// Wall-clock time of the start, RFC 3339, in UTC.
    pub started: String,
    /// The plan's name.
    pub name: String,
    /// The plan file, and the SHA-256 of its text.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Option::is_none"))]
    pub plan: Option<(String, String)>,
    /// The variables, as they were set for this run.
    pub vars: BTreeMap<String, String>,
    /// Every limit that is known at the start: all but those of hosts.
    pub limits: Vec<LimitInfo>,
    /// The sources.
    pub sources: Vec<SourceInfo>,
    /// The jobs, in plan order.
    pub jobs: Vec<JobInfo>,
}

/// A limit as it was at the start.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct LimitInfo {
    /// The limit key's name: `run`, `source:shop`, `limit:warehouse`, `job:sales`, `host:api.example:443`.
    pub name: Arc<str>,
    /// Items at once.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Option::is_none"))]
    pub concurrency: Option<u64>,
    /// Starts, such as `20/s`.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Option::is_none"))]
    pub rate: Option<String>,
    /// The concurrency is that of each host of a source, and the source as a whole has none.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub per_host: bool,
}

/// A source as the plan has it.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct SourceInfo {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Where it is, without credentials.
    pub target: String,
}

/// A job as the plan has it.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "plan", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct JobInfo {
    /// Its name.
    pub name: Arc<str>,
    /// The kind of its source.
    pub kind: String,
    /// The name of its source, if it has one.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Option::is_none"))]
    pub source: Option<String>,
    /// The jobs it waits for; in a run of one job after the other also the one before it.
    #[cfg_attr(feature = "plan", serde(skip_serializing_if = "Vec::is_empty"))]
    pub needs: Vec<String>,
    /// Whether it makes many items, so that they are shown as `JOB[KEY]`.
    pub many: bool,
}
