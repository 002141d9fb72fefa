//! The trace format: its events, and the file they are written to one by one. The fields have the format's own names.
//! Not here: what is said with them.

use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// Where an event is: a process and one of its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pid: u32,
    pub(super) tid: u32,
}

/// One event.
#[derive(Debug, Default, Serialize)]
pub(super) struct Event<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cat: &'a str,
    ph: &'a str,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id2: Option<Local>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

/// An id that means something in its process alone.
#[derive(Debug, Serialize)]
struct Local {
    local: String,
}

/// Microseconds, cut off: the same for the end of one thing and the start of the next.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl<'a> Event<'a> {
    /// A slice on a track.
    pub(super) fn slice(name: &'a str, cat: &'a str, place: Place, (from, to): (Duration, Duration)) -> Self {
        let (ts, end) = (micros(from), micros(to));
        let (pid, tid, dur) = (place.pid, Some(place.tid), Some(end.saturating_sub(ts)));
        Event { name, cat, ph: "X", ts, dur, pid, tid, ..Event::default() }
    }

    /// The start and the end of a slice beside the tracks of a process. Each has an id of its own: two of one name and
    /// id could be told apart in two ways.
    pub(super) fn beside(
        name: &'a str,
        cat: &'a str,
        (pid, id): (u32, u64),
        (from, to): (Duration, Duration),
    ) -> [Self; 2] {
        let event = |ph, at| {
            let id2 = Some(Local { local: format!("{id:#x}") });
            Event { name, cat, ph, ts: micros(at), pid, id2, ..Event::default() }
        };
        [event("b", from), event("e", to)]
    }

    /// The start and the end of an arrow, each within a slice on its track.
    pub(super) fn arrow(
        name: &'a str,
        id: u64,
        (from, start): (Place, Duration),
        (to, end): (Place, Duration),
    ) -> [Self; 2] {
        let event = |ph, place: Place, at| {
            let (id, tid) = (Some(id), Some(place.tid));
            Event { name, cat: "need", ph, ts: micros(at), pid: place.pid, tid, id, ..Event::default() }
        };
        [event("s", from, start), Event { bp: Some("e"), ..event("f", to, end) }]
    }

    /// Numbers of a process from now on, one for each name.
    pub(super) fn counter(name: &'a str, pid: u32, at: Duration, numbers: Value) -> Self {
        Event { name, ph: "C", ts: micros(at), pid, args: numbers, ..Event::default() }
    }

    /// A mark on a process or, of the whole run, through all of them.
    pub(super) fn mark(name: &'a str, pid: u32, at: Duration, whole: bool) -> Self {
        let s = Some(if whole { "g" } else { "p" });
        Event { name, cat: "mark", ph: "i", ts: micros(at), pid, s, ..Event::default() }
    }

    /// The same with arguments. What has nothing to say is left out.
    pub(super) fn args(self, args: Value) -> Self {
        let Value::Object(mut args) = args else { return self };
        args.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => true,
        });
        Event { args: Value::Object(args), ..self }
    }
}

/// The file, as far as it is written. A reader also takes one that lacks its end.
pub(super) struct Trace<W: Write> {
    to: BufWriter<W>,
    events: u64,
}

impl<W: Write> Trace<W> {
    pub(super) fn begin(to: W, about: &Value) -> io::Result<Trace<W>> {
        let mut to = BufWriter::new(to);
        write!(to, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[")?;
        Ok(Trace { to, events: 0 })
    }

    pub(super) fn put(&mut self, event: &Event) -> io::Result<()> {
        self.to.write_all(if self.events == 0 { b"\n" } else { b",\n" })?;
        self.events += 1;
        serde_json::to_writer(&mut self.to, event).map_err(io::Error::from)
    }

    /// Names a process and gives it its place. Processes are shown in the order of their numbers.
    pub(super) fn process(&mut self, pid: u32, name: &str, label: &str) -> io::Result<()> {
        self.about("process_name", pid, None, json!({ "name": name }))?;
        self.about("process_sort_index", pid, None, json!({ "sort_index": pid }))?;
        if label.is_empty() {
            Ok(())
        } else {
            self.about("process_labels", pid, None, json!({ "labels": label }))
        }
    }

    /// Names a thread and gives it its place in its process.
    pub(super) fn thread(&mut self, place: Place, name: &str, sort: u32) -> io::Result<()> {
        self.about("thread_name", place.pid, Some(place.tid), json!({ "name": name }))?;
        self.about("thread_sort_index", place.pid, Some(place.tid), json!({ "sort_index": sort }))
    }

    fn about(&mut self, name: &str, pid: u32, tid: Option<u32>, args: Value) -> io::Result<()> {
        self.put(&Event { name, ph: "M", pid, tid, args, ..Event::default() })
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.to.write_all(b"\n]}\n")?;
        self.to.flush()
    }
}
