//! Items, their attempts, waits and phases as columns: the n-th entries of all columns of a table are of one thing.
//! An item says how many attempts it has, an attempt how many waits and phases; they follow in the same order, after them
//! the waits of the item itself. Not here: the figures of the whole run (`head`).

use super::{Tables, ended, micros};
use crate::gather::{Change, State, Wait};
use crate::report::html::texts::{Number, name};
use crate::report::timeline::{Attempt, Item};
use serde::Serialize;

/// The items in plan order.
#[derive(Debug, Default, Serialize)]
pub(super) struct Items {
    pub(super) label: Vec<String>,
    /// The place of its job in the list of jobs.
    job: Vec<usize>,
    queued: Vec<u64>,
    end: Vec<Option<u64>>,
    state: Vec<Option<State>>,
    why: Vec<Number>,
    code: Vec<Number>,
    bytes: Vec<u64>,
    rows: Vec<u64>,
    output: Vec<Number>,
    change: Vec<Number>,
    attempts: Vec<usize>,
    /// How many things it waited for after its last attempt.
    waits: Vec<usize>,
}

/// The attempts of all items.
#[derive(Debug, Default, Serialize)]
pub(super) struct Attempts {
    number: Vec<u32>,
    lane: Vec<u32>,
    start: Vec<u64>,
    /// How long it ran; none while it runs.
    time: Vec<Option<u64>>,
    state: Vec<Option<State>>,
    error: Vec<Number>,
    /// How much later than its end it was to be tried again at the earliest.
    again: Vec<Option<u64>>,
    bytes: Vec<u64>,
    rows: Vec<u64>,
    waits: Vec<usize>,
    phases: Vec<usize>,
}

/// What attempts waited for before they started, and items after the last one.
#[derive(Debug, Default, Serialize)]
pub(super) struct Waits {
    what: Vec<Number>,
    time: Vec<u64>,
}

/// The phases of attempts.
#[derive(Debug, Default, Serialize)]
pub(super) struct Phases {
    name: Vec<Number>,
    /// Since the attempt's start.
    after: Vec<u64>,
}

impl Items {
    pub(super) fn add(&mut self, job: usize, label: &str, item: &Item, tables: &mut Tables) {
        let end = item.end.clone();
        let brought = end.as_ref().map(|end| end.brought.clone()).unwrap_or_default();
        let running = item.running().map_or((0, 0), |attempt| (attempt.bytes, attempt.rows));
        self.label.push(name(label));
        self.job.push(job);
        self.queued.push(micros(item.queued));
        self.end.push(ended(item));
        self.state.push(end.as_ref().map(|end| end.state));
        self.why.push(tables.texts.perhaps(end.as_ref().and_then(|end| end.why.as_deref())));
        self.code.push(tables.texts.perhaps(end.as_ref().and_then(|end| end.code.as_deref())));
        self.bytes.push(brought.bytes.saturating_add(running.0));
        self.rows.push(brought.rows.saturating_add(running.1));
        self.output.push(tables.texts.perhaps(brought.output.as_deref()));
        self.change.push(tables.texts.perhaps(brought.change.map(change)));
        self.attempts.push(item.attempts.len());
        self.waits.push(last(item).len());
    }
}

impl Attempts {
    pub(super) fn add(&mut self, item: &Item, tables: &mut Tables) {
        for attempt in &item.attempts {
            let end = attempt.end.as_ref();
            self.number.push(attempt.number);
            self.lane.push(attempt.lane);
            self.start.push(micros(attempt.start));
            self.time.push(end.map(|end| micros(end.at.saturating_sub(attempt.start))));
            self.state.push(end.map(|end| end.state));
            self.error.push(tables.texts.perhaps(end.and_then(|end| end.error.as_deref())));
            let again = end.and_then(|end| end.again.map(|again| again.saturating_sub(end.at)));
            self.again.push(again.map(micros));
            self.bytes.push(attempt.bytes);
            self.rows.push(attempt.rows);
            self.waits.push(attempt.waits.len());
            self.phases.push(attempt.phases.len());
        }
    }
}

impl Waits {
    pub(super) fn add(&mut self, waits: &[Wait], tables: &mut Tables) {
        for wait in waits {
            self.what.push(tables.what(wait));
            self.time.push(micros(wait.duration));
        }
    }
}

impl Phases {
    pub(super) fn add(&mut self, attempt: &Attempt, tables: &mut Tables) {
        for (at, name) in &attempt.phases {
            self.name.push(tables.phase(name));
            self.after.push(micros(at.saturating_sub(attempt.start)));
        }
    }
}

/// What an item waited for last that ended while it waited.
pub(super) fn last(item: &Item) -> &[Wait] {
    item.end.as_ref().map_or(&[], |end| &end.waits)
}

/// What became of an output, in a word.
fn change(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Changed => "changed",
        Change::Same => "same",
    }
}
