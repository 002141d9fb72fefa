//! The events that every item has, written as JSON without serde, whose flattened maps took most of the log's time in a
//! batch of small items. The same JSON comes of it. Not here: all other events, which are few.

use crate::gather::{AttributeValue, Attributes, Brought, Event, EventKind, LimitUse, Wait};
use serde::Serialize;
use std::io;
use std::time::Duration;

/// Appends an event without its line break, or says that it is none of these.
pub(super) fn write(event: &Event, to: &mut Vec<u8>) -> io::Result<bool> {
    let Event { at, kind } = event;
    let mut line = Line(to);
    match kind {
        EventKind::ItemQueued { job, item, key, limits } => {
            line.begin(*at, "item_queued", *job, *item);
            if let Some(key) = key {
                line.text("key", key)?;
            }
            if let Some(limits) = limits {
                line.list("limits", limits, Line::limit)?;
            }
        }
        EventKind::AttemptStarted { job, item, attempt, lane, waits } => {
            line.begin(*at, "attempt_started", *job, *item);
            line.number("attempt", *attempt);
            line.number("lane", *lane);
            line.waits(waits)?;
        }
        EventKind::Phase { job, item, name } => {
            line.begin(*at, "phase", *job, *item);
            line.text("name", name)?;
        }
        EventKind::Attributes { job, item, attributes } => {
            line.begin(*at, "attributes", *job, *item);
            line.attributes(attributes)?;
        }
        EventKind::AttemptEnded { job, item, state, error, retry_in } => {
            line.begin(*at, "attempt_ended", *job, *item);
            line.value("state", state)?;
            if let Some(error) = error {
                line.text("error", error)?;
            }
            if let Some(retry_in) = retry_in {
                line.seconds("retry_in", *retry_in);
            }
        }
        EventKind::ItemEnded { job, item, state, why, code, waits, brought } => {
            line.begin(*at, "item_ended", *job, *item);
            line.value("state", state)?;
            if let Some(why) = why {
                line.text("why", why)?;
            }
            if let Some(code) = code {
                line.text("code", code)?;
            }
            line.waits(waits)?;
            line.brought(brought)?;
        }
        _ => return Ok(false),
    }
    line.0.push(b'}');
    Ok(true)
}

/// A line as it is written: names and values, each after a comma, but the first of an object.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn begin(&mut self, at: Duration, event: &'static str, job: u32, item: u64) {
        self.0.extend_from_slice(b"{\"t\":");
        self.decimal(at);
        self.0.extend_from_slice(b",\"event\":\"");
        self.0.extend_from_slice(event.as_bytes());
        self.0.push(b'"');
        self.number("job", job);
        self.number("item", item);
    }

    /// A name of the format's own, which needs no escapes.
    fn name(&mut self, name: &'static str) {
        if !matches!(self.0.last(), Some(b'{')) {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn number(&mut self, name: &'static str, number: impl itoa::Integer) {
        self.name(name);
        self.integer(number);
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn seconds(&mut self, name: &'static str, duration: Duration) {
        self.name(name);
        self.decimal(duration);
    }

    /// Seconds to the microsecond, with at least one digit after the point.
    fn decimal(&mut self, duration: Duration) {
        self.integer(duration.as_secs());
        self.0.push(b'.');
        let (mut rest, mut unit) = (duration.subsec_micros(), 100_000);
        loop {
            self.0.push(b'0' + (rest / unit) as u8);
            rest %= unit;
            unit /= 10;
            if rest == 0 {
                return;
            }
        }
    }

    fn text(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        self.name(name);
        self.quoted(text)
    }

    fn quoted(&mut self, text: &str) -> io::Result<()> {
        let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        // All of it is looked at, which is quicker than to stop at the first one: many bytes are compared at once.
        if text.bytes().fold(false, |found, byte| found | special(byte)) {
            return Ok(serde_json::to_writer(&mut *self.0, text)?);
        }
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    fn value(&mut self, name: &'static str, value: &impl Serialize) -> io::Result<()> {
        self.name(name);
        Ok(serde_json::to_writer(&mut *self.0, value)?)
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        of: &[T],
        each: impl Fn(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.name(name);
        self.0.push(b'[');
        for (place, one) in of.iter().enumerate() {
            self.0.extend_from_slice(if place == 0 { b"{" } else { b",{" });
            each(self, one)?;
            self.0.push(b'}');
        }
        self.0.push(b']');
        Ok(())
    }

    fn limit(&mut self, LimitUse { limit, weight }: &LimitUse) -> io::Result<()> {
        self.text("limit", limit)?;
        if *weight != 1 {
            self.number("weight", *weight);
        }
        Ok(())
    }

    fn waits(&mut self, waits: &[Wait]) -> io::Result<()> {
        if waits.is_empty() {
            return Ok(());
        }
        self.list("waits", waits, |line, Wait { reason, limit, duration }| {
            line.value("reason", reason)?;
            if let Some(limit) = limit {
                line.text("limit", limit)?;
            }
            line.seconds("for", *duration);
            Ok(())
        })
    }

    fn attributes(&mut self, attributes: &Attributes) -> io::Result<()> {
        self.name("attributes");
        self.0.push(b'{');
        for (place, (name, value)) in attributes.iter().enumerate() {
            if place > 0 {
                self.0.push(b',');
            }
            self.quoted(name)?;
            self.0.push(b':');
            match value {
                AttributeValue::Number(number) => self.integer(*number),
                AttributeValue::Text(text) => self.quoted(text)?,
            }
        }
        self.0.push(b'}');
        Ok(())
    }

    fn brought(&mut self, brought: &Brought) -> io::Result<()> {
        if brought.is_nothing() {
            return Ok(());
        }
        let Brought { bytes, rows, output, entries, change } = brought;
        self.name("brought");
        self.0.push(b'{');
        if *bytes != 0 {
            self.number("bytes", *bytes);
        }
        if *rows != 0 {
            self.number("rows", *rows);
        }
        if let Some(output) = output {
            self.text("output", output)?;
        }
        if *entries != 0 {
            self.number("entries", *entries);
        }
        if let Some(change) = change {
            self.value("change", change)?;
        }
        self.0.push(b'}');
        Ok(())
    }
}
