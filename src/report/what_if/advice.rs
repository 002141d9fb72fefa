//! What to raise to be faster: [`Advice`], found by trying. Not here: what is said of it (`text`).

use super::super::timeline::Timeline;
use super::change::{Change, Of, To};
use super::record::Record;
use crate::gather::Reason;
use std::time::Duration;

/// The most attempts that a run may have to be played again unasked. It is played five times, at about two
/// microseconds for each attempt.
pub const MOST_ATTEMPTS: u64 = 10_000;
/// How much a limit is raised, in halves. More than the last is no small change for a server.
const RAISED: [u64; 4] = [3, 4, 6, 8];
/// The least share of the time that has to be gained.
const WORTH: f64 = 0.05;
/// A smaller change that has so much of the largest gain is better.
const MOST: f64 = 0.6;
/// How far a replay with nothing changed may be from the measured time to be trusted.
const NEAR: f64 = 0.05;

/// One limit, and what raising it would gain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What to change.
    pub change: Change,
    /// What it was.
    pub from: To,
    /// What the run took.
    pub before: Duration,
    /// What it would have taken.
    pub after: Duration,
}

/// What to raise, if that would gain something: the limit that was waited for most. Nothing if the log says too
/// little, if the run has more than [`MOST_ATTEMPTS`], or if the source asked to be left alone.
pub fn advice(timeline: &Timeline) -> Option<Advice> {
    let attempts: u64 = timeline.sources.iter().map(|source| source.attempts).sum();
    let (reason, name) = waited_for_most(timeline).filter(|_| attempts <= MOST_ATTEMPTS)?;
    let record = Record::of(timeline).ok()?;
    let of = record.limits().owner(name).filter(|of| !record.limits().has_held(of))?;
    let from = if reason == Reason::Rate { record.rate(&of) } else { record.concurrency(&of) };
    // One item at a time is what somebody asked for.
    let from = from.filter(|from| of != Of::Run || *from != To::Concurrency(1))?;
    let (change, unchanged, after) = best(&record, &of, from)?;
    let before = timeline.wall();
    let is_near = (unchanged.as_secs_f64() - before.as_secs_f64()).abs() <= NEAR * before.as_secs_f64();
    is_near.then_some(Advice { change, from, before, after })
}

/// The limit that was waited for most, of those that can be raised.
fn waited_for_most(timeline: &Timeline) -> Option<(Reason, &str)> {
    let waits = timeline.waits.longest_first().into_iter();
    let mut waits = waits.filter(|(reason, ..)| matches!(reason, Reason::Concurrency | Reason::Rate));
    waits.find_map(|(reason, name, _)| Some((reason, name?)))
}

/// The smallest change that gains most of what can be gained, with the times before and after it.
fn best(record: &Record<'_>, of: &Of, from: To) -> Option<(Change, Duration, Duration)> {
    let wall = |changes: &[Change]| record.play(changes).map(|played| played.wall).ok();
    let unchanged = wall(&[])?;
    let tried = RAISED.into_iter().filter_map(|halves| {
        let change = Change { of: of.clone(), to: from.raised(halves)? };
        Some((wall(std::slice::from_ref(&change))?, change))
    });
    let tried: Vec<(Duration, Change)> = tried.collect();
    let gain = |wall: &Duration| unchanged.saturating_sub(*wall).as_secs_f64();
    let most = tried.iter().map(|(wall, _)| gain(wall)).fold(0.0, f64::max);
    if most <= WORTH * unchanged.as_secs_f64() {
        return None;
    }
    let (after, change) = tried.into_iter().find(|(wall, _)| gain(wall) >= MOST * most)?;
    Some((change, unchanged, after))
}
