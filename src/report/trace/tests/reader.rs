//! Reads a trace as Perfetto does, and refuses what breaks a rule of the format.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A slice of an attempt.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) pid: u64,
    pub(super) tid: u64,
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) args: Value,
}

/// What a trace says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) attempts: Vec<Slice>,
    /// How many waits are drawn.
    pub(super) waits: usize,
    /// Which attempt each arrow leads from, and to.
    pub(super) arrows: Vec<(usize, usize)>,
    /// The process, time and name of each mark.
    pub(super) marks: Vec<(u64, u64, String)>,
    /// The times and numbers of each counter of a process.
    counters: BTreeMap<(u64, String), Vec<(u64, f64)>>,
    threads: BTreeSet<(u64, u64)>,
    end: u64,
}

impl Read {
    /// A counter's sum over time, in seconds.
    pub(super) fn area(&self, pid: u64, name: &str) -> f64 {
        let points = self.counters.get(&(pid, name.to_owned())).cloned().unwrap_or_default();
        let ends = points.iter().skip(1).map(|(at, _)| *at).chain([self.end]);
        points.iter().zip(ends).map(|((at, number), end)| number * (end - at) as f64 / 1e6).sum()
    }

    /// A counter's highest number.
    pub(super) fn highest(&self, pid: u64, name: &str) -> f64 {
        let points = self.counters.get(&(pid, name.to_owned()));
        points.into_iter().flatten().map(|(_, number)| *number).fold(0.0, f64::max)
    }

    /// The most attempts of a process at once; where one ends as another starts, they are not at once.
    pub(super) fn peak(&self, pid: u64) -> u64 {
        let own = || self.attempts.iter().filter(|slice| slice.pid == pid && slice.start < slice.end);
        let at = |time: u64| own().filter(|slice| slice.start <= time && time < slice.end).count();
        own().map(|slice| at(slice.start)).max().unwrap_or(0) as u64
    }

    /// How many tracks a process has.
    pub(super) fn tracks(&self, pid: u64) -> usize {
        self.threads.iter().filter(|(process, _)| *process == pid).count()
    }
}

/// Reads a trace; an error is the first rule that it breaks.
pub(super) fn read(text: &str) -> Result<Read, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let events = file["traceEvents"].as_array().ok_or("no traceEvents")?;
    let mut read = Read::default();
    let mut named = BTreeSet::new();
    for event in events {
        fields(event).map_err(|why| format!("{why}: {event}"))?;
        match text_of(event, "ph").as_str() {
            "M" => drop(named.insert((
                number(event, "pid"),
                event.get("tid").and_then(Value::as_u64),
                text_of(event, "name"),
            ))),
            "C" => counter(&mut read, event)?,
            "i" => read.marks.push((number(event, "pid"), number(event, "ts"), text_of(event, "name"))),
            _ => {}
        }
        read.end = read.end.max(number(event, "ts") + event.get("dur").and_then(Value::as_u64).unwrap_or(0));
    }
    let threads = nested(&mut read, events)?;
    read.waits = beside(events)?;
    arrows(&mut read, events)?;
    names(&named, events, &threads)?;
    read.threads = read.attempts.iter().map(|slice| (slice.pid, slice.tid)).collect();
    Ok(read)
}

fn text_of(event: &Value, field: &str) -> String {
    event[field].as_str().unwrap_or_default().to_owned()
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_default()
}

/// Every event has what its kind must have.
fn fields(event: &Value) -> Result<(), &'static str> {
    let has = |field: &str| event.get(field).is_some_and(Value::is_u64);
    let ok = match text_of(event, "ph").as_str() {
        "M" | "C" => event["args"].as_object().is_some_and(|args| !args.is_empty()),
        "X" => has("dur") && has("tid"),
        "b" | "e" => event["id2"]["local"].is_string() && event["cat"].is_string(),
        "s" => has("id") && has("tid") && event["cat"].is_string(),
        "f" => has("id") && has("tid") && event["cat"].is_string() && event["bp"] == "e",
        "i" => event["s"] == "p" || event["s"] == "g",
        _ => return Err("unknown kind"),
    };
    if number(event, "pid") == 0 || !has("ts") || !event["name"].is_string() {
        return Err("no process, time or name");
    }
    if ok { Ok(()) } else { Err("a field is missing") }
}

/// Numbers are finite and not negative, and their times rise.
fn counter(read: &mut Read, event: &Value) -> Result<(), String> {
    let place = (number(event, "pid"), text_of(event, "name"));
    let args = event["args"].as_object().expect("checked");
    let number = |(_, value): (&String, &Value)| value.as_f64().filter(|value| *value >= 0.0);
    let [value] = args.iter().map(number).collect::<Vec<_>>()[..] else { return Err(format!("{event}")) };
    let points = read.counters.entry(place).or_default();
    let at = event["ts"].as_u64().expect("checked");
    if points.last().is_some_and(|(last, _)| *last >= at) {
        return Err(format!("time does not rise: {event}"));
    }
    points.push((at, value.ok_or_else(|| format!("{event}"))?));
    Ok(())
}

/// Slices of a track lie within each other or one after the other; phases lie in an attempt, attempts in nothing.
fn nested(read: &mut Read, events: &[Value]) -> Result<BTreeSet<(u64, u64)>, String> {
    let mut slices: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    slices.sort_by_key(|event| number(event, "ts"));
    let mut open: BTreeMap<(u64, u64), Vec<u64>> = BTreeMap::new();
    for event in slices {
        let place = (number(event, "pid"), number(event, "tid"));
        let (start, end) = (number(event, "ts"), number(event, "ts") + number(event, "dur"));
        let stack = open.entry(place).or_default();
        while stack.last().is_some_and(|end| *end <= start) {
            stack.pop();
        }
        if stack.last().is_some_and(|outer| *outer < end) {
            return Err(format!("not within the slice around it: {event}"));
        }
        if stack.len() != usize::from(event["cat"] == "phase") {
            return Err(format!("at depth {}: {event}", stack.len()));
        }
        stack.push(end);
        if event["cat"] == "attempt" {
            let (pid, tid) = place;
            let (name, args) = (text_of(event, "name"), event["args"].clone());
            read.attempts.push(Slice { pid, tid, name, start, end, args });
        }
    }
    Ok(open.into_keys().collect())
}

/// Each start beside the tracks has one end, not before it, and nothing else has its id.
fn beside(events: &[Value]) -> Result<usize, String> {
    let id = |event: &Value| (number(event, "pid"), text_of(event, "cat"), text_of(&event["id2"], "local"));
    let mut open = BTreeMap::new();
    let mut used = BTreeSet::new();
    for event in events {
        let fine = match text_of(event, "ph").as_str() {
            "b" => open.insert(id(event), event).is_none() && used.insert(id(event)),
            "e" => open.remove(&id(event)).is_some_and(|start| {
                start["name"] == event["name"] && number(start, "ts") <= number(event, "ts")
            }),
            _ => true,
        };
        if !fine {
            return Err(format!("no pair: {event}"));
        }
    }
    if open.is_empty() { Ok(used.len()) } else { Err(format!("without an end: {open:?}")) }
}

/// Each arrow has one start and, not before it, one end, and both are within an attempt on their track.
fn arrows(read: &mut Read, events: &[Value]) -> Result<(), String> {
    let within = |event: &Value| {
        let at = number(event, "ts");
        let holds = |slice: &Slice| {
            (slice.pid, slice.tid) == (number(event, "pid"), number(event, "tid"))
                && slice.start <= at
                && (at < slice.end || slice.start == slice.end)
        };
        read.attempts.iter().position(holds).ok_or_else(|| format!("in no slice: {event}"))
    };
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    let ends: BTreeMap<u64, &Value> =
        events.iter().filter(|event| event["ph"] == "f").map(|event| (number(event, "id"), event)).collect();
    for start in events.iter().filter(|event| event["ph"] == "s") {
        let end = ends.get(&number(start, "id")).ok_or_else(|| format!("without an end: {start}"))?;
        let same = start["name"] == end["name"] && start["cat"] == end["cat"];
        if !same || !ids.insert(number(start, "id")) || number(end, "ts") < number(start, "ts") {
            return Err(format!("no pair: {start} {end}"));
        }
        found.push((within(start)?, within(end)?));
    }
    if found.len() != ends.len() {
        return Err("an end without a start".to_owned());
    }
    read.arrows = found;
    Ok(())
}

/// Every process and every thread has a name and a place, and no number stands for two of them.
fn names(
    named: &BTreeSet<(u64, Option<u64>, String)>,
    events: &[Value],
    threads: &BTreeSet<(u64, u64)>,
) -> Result<(), String> {
    let processes: BTreeSet<u64> = events.iter().map(|event| number(event, "pid")).collect();
    let has = |pid, tid, name: &str| named.contains(&(pid, tid, name.to_owned()));
    let missing = processes
        .iter()
        .find(|pid| !has(**pid, None, "process_name") || !has(**pid, None, "process_sort_index"));
    if let Some(pid) = missing {
        return Err(format!("process {pid} has no name or place"));
    }
    let about: BTreeSet<(u64, u64)> =
        named.iter().filter_map(|(pid, tid, _)| tid.map(|tid| (*pid, tid))).collect();
    let nameless = |&&(pid, tid): &&(u64, u64)| {
        !has(pid, Some(tid), "thread_name") || !has(pid, Some(tid), "thread_sort_index")
    };
    if about != *threads || about.iter().find(nameless).is_some() {
        return Err(format!("threads {threads:?}, named {about:?}"));
    }
    let numbers: BTreeSet<u64> = about.iter().map(|(_, tid)| *tid).collect();
    if numbers.len() != about.len() || numbers.iter().any(|tid| processes.contains(tid)) {
        return Err(format!("numbers that are used twice: {about:?}"));
    }
    Ok(())
}
