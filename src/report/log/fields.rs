//! The fields of each event in a log of this version: what the documentation must name, and what is known when a
//! newer build's log is read. Not here: their meaning (`gather::event`).

use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// Every event with its fields, without `t` and `event`, which all have.
pub(super) const FIELDS: &[(&str, &[&str])] = &[
    (
        "run_started",
        &["log", "version", "id", "started", "name", "plan", "vars", "limits", "sources", "jobs"],
    ),
    ("job_started", &["job", "name", "role", "parent"]),
    ("item_queued", &["job", "item", "key", "limits"]),
    ("attempt_started", &["job", "item", "attempt", "lane", "waits"]),
    ("phase", &["job", "item", "name"]),
    ("progress", &["job", "item", "bytes", "rows"]),
    ("attributes", &["job", "item", "attributes"]),
    ("attempt_ended", &["job", "item", "state", "error", "retry_in"]),
    ("item_ended", &["job", "item", "state", "why", "code", "waits", "brought"]),
    ("job_ended", &["job", "counts", "why"]),
    ("held", &["limit", "for"]),
    ("resized", &["limit", "concurrency"]),
    ("source_up", &["source"]),
    ("source_down", &["source", "why"]),
    ("cancelling", &["job", "cause"]),
    ("warning", &["message"]),
    ("run_ended", &["counts", "exit"]),
];

/// The fields of an event; none if this build does not know it.
pub(super) fn of(event: &str) -> Option<&'static [&'static str]> {
    FIELDS.iter().find(|(name, _)| *name == event).map(|(_, fields)| *fields)
}

/// The name of the event in a line, if it is one.
pub(super) fn kind(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Kind {
        event: String,
    }
    serde_json::from_slice::<Kind>(line).ok().map(|kind| kind.event)
}

/// The fields of a line's event that this build does not know, as `EVENT.FIELD`.
pub(super) fn unknown(line: &[u8]) -> Vec<String> {
    let (Some(kind), Ok(fields)) = (kind(line), serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(line))
    else {
        return Vec::new();
    };
    let known = of(&kind).unwrap_or_default();
    let is_known = |field: &str| field == "t" || field == "event" || known.contains(&field);
    fields.keys().filter(|field| !is_known(field)).map(|field| format!("{kind}.{field}")).collect()
}
