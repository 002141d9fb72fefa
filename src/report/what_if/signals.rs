//! What sources and hosts said of themselves in a run, as the replay has it: who connects, for how long, and who was
//! told to wait. Not here: limits and items (`record`).

use super::super::timeline::{Item, Timeline};
use crate::gather::{Event, EventKind};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// What was said, by the name of the limit that stands for the source or host.
#[derive(Default)]
pub(super) struct Signals<'a> {
    gates: HashMap<&'a str, Gate<'a>>,
}

#[derive(Default)]
struct Gate<'a> {
    up: Option<Duration>,
    down: HashSet<Duration>,
    held: Vec<(Duration, Duration)>,
    /// The attempts at it, each with its start, its end, its item and its place there.
    attempts: Vec<(Duration, Duration, &'a Item, usize)>,
}

/// Holds by item (its place in the run) and place of the attempt: after how long, for how long.
pub(super) type Holds = HashMap<(u64, usize), (Duration, Duration)>;

impl<'a> Signals<'a> {
    pub(super) fn of(timeline: &'a Timeline) -> Signals<'a> {
        let mut signals = Signals::default();
        for Event { at, kind } in &timeline.moments {
            match kind {
                EventKind::SourceUp { source } => drop(signals.gate(source).up.get_or_insert(*at)),
                EventKind::SourceDown { source, .. } => drop(signals.gate(source).down.insert(*at)),
                EventKind::Held { limit, duration } => signals.gate(limit).held.push((*at, *duration)),
                _ => {}
            }
        }
        for (_, item) in timeline.items() {
            let Some(gate) = signals.source_of(item).and_then(|name| signals.gates.get_mut(&*name)) else {
                continue;
            };
            for (place, attempt) in item.attempts.iter().enumerate() {
                gate.attempts.push((attempt.start, attempt.until(timeline.wall()), item, place));
            }
        }
        signals
    }

    fn gate(&mut self, limit: &'a str) -> &mut Gate<'a> {
        self.gates.entry(limit).or_default()
    }

    /// The limit that stands for an item's source: that of its limits which said something, the narrowest one.
    pub(super) fn source_of(&self, item: &Item) -> Option<Arc<str>> {
        let names = item.limits.iter().rev().map(|of| &of.limit);
        names.into_iter().find(|name| self.gates.contains_key(&***name)).cloned()
    }

    /// How long the first item at a source takes until the source is up; `None` if the limit stands for no source.
    /// Who connects for all runs alone, so it is the latest to have started.
    pub(super) fn connects(&self, limit: &str) -> Option<Duration> {
        let gate = self.gates.get(limit)?;
        let Some(up) = gate.up else { return Some(Duration::MAX) };
        // Those that start at that moment were waiting for it.
        let running = gate.attempts.iter().filter(|(start, end, ..)| *start < up && *end >= up);
        let connecting = running.map(|(start, ..)| *start).max();
        Some(connecting.map_or(Duration::ZERO, |start| up - start))
    }

    /// Whether a source was given up at that moment.
    pub(super) fn is_down(&self, limit: &str, at: Duration) -> bool {
        self.gates.get(limit).is_some_and(|gate| gate.down.contains(&at))
    }

    /// Whether a source or host asked to be left alone.
    pub(super) fn has_held(&self, limit: &str) -> bool {
        self.gates.get(limit).is_some_and(|gate| !gate.held.is_empty())
    }

    /// Who was told to leave the source alone: of the attempts that ran then, the next one that ended.
    pub(super) fn holds(&mut self) -> Holds {
        let mut holds = Holds::new();
        for gate in self.gates.values_mut().filter(|gate| !gate.held.is_empty()) {
            gate.attempts.sort_by_key(|(_, end, item, _)| (*end, item.place));
            for (at, duration) in &gate.held {
                let from = gate.attempts.partition_point(|(_, end, ..)| end < at);
                let told = gate.attempts[from..].iter().find(|(start, ..)| start <= at);
                if let Some((start, _, item, place)) = told {
                    holds.insert((item.place, *place), (*at - *start, *duration));
                }
            }
        }
        holds
    }
}
