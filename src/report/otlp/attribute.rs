//! Attributes, events and states as OpenTelemetry has them. Not here: whose they are (`mod`).

use crate::gather::{AttributeValue, Attributes, State};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use std::time::Duration;

/// Attributes on their way into a span. What has nothing to say is left out.
#[derive(Default)]
pub(super) struct Said(Vec<KeyValue>);

impl Said {
    pub(super) fn text(self, name: &str, text: impl Into<String>) -> Said {
        self.put(name, Value::StringValue(text.into()))
    }

    pub(super) fn some(self, name: &str, text: Option<&str>) -> Said {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    pub(super) fn number(self, name: &str, number: u64) -> Said {
        self.put(name, Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// A number that is left out if it is 0.
    pub(super) fn count(self, name: &str, number: u64) -> Said {
        if number == 0 { self } else { self.number(name, number) }
    }

    /// A time in seconds, to the microsecond.
    pub(super) fn time(self, name: &str, time: Duration) -> Said {
        self.put(name, Value::DoubleValue(time.as_micros() as f64 / 1e6))
    }

    /// What a source said, but for what is not true of how it ended.
    pub(super) fn all(mut self, attributes: &Attributes, without: &[&str]) -> Said {
        for (name, value) in attributes.iter().filter(|(name, _)| !without.contains(name)) {
            let value = match value {
                AttributeValue::Text(text) => Value::StringValue(text.clone()),
                AttributeValue::Number(number) => Value::IntValue(*number),
            };
            self = self.put(name, value);
        }
        self
    }

    pub(super) fn list(self) -> Vec<KeyValue> {
        self.0
    }

    fn put(mut self, name: &str, value: Value) -> Said {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: name.to_owned(), value, ..KeyValue::default() });
        self
    }
}

/// The name of an outcome, a reason, a role in the event log: `timed_out`.
pub(super) fn name(of: impl Serialize) -> String {
    let json = serde_json::to_value(of).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

/// An error's status. Whatever was good, or was stopped by the one who asked for it, has none.
pub(super) fn error(message: Option<&str>) -> Option<Status> {
    let message = message.unwrap_or_default().to_owned();
    Some(Status { message, code: StatusCode::Error.into() })
}

/// What kind of error an attempt ended with; none if with none. By the conventions of HTTP that is the status, where it
/// is one of an error.
pub(super) fn error_type(state: State, attributes: &Attributes) -> Option<String> {
    let own = || attributes.get("error.type").and_then(AttributeValue::text).unwrap_or("_OTHER").to_owned();
    match (state, attributes.get("http.response.status_code")) {
        (State::Failed, Some(AttributeValue::Number(status))) if *status >= 400 => Some(status.to_string()),
        (State::Failed, _) => Some(own()),
        (State::TimedOut, _) => Some("timeout".to_owned()),
        (State::Panicked, _) => Some("panic".to_owned()),
        _ => None,
    }
}
