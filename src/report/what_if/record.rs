//! A recorded run as a replay, and its limits by the names of a plan: [`Record`]. Not here: its items (`items`), and
//! playing it (`gather::replay`).

use super::super::timeline::Timeline;
use super::WhatIfError;
use super::change::{Change, ChangeError, Of, To};
use super::items;
use super::limits::Limits;
use super::signals::Signals;
use crate::expr::suggest;
use crate::gather::replay::{Replay, Replayed};
use crate::gather::{JobNumber, LimitInfo, Rate, Role};
use std::collections::HashMap;
use std::time::Duration;

/// A run as it was recorded.
pub(super) struct Record<'a> {
    timeline: &'a Timeline,
    replay: Replay,
    limits: Limits<'a>,
    /// The places of jobs by number.
    jobs: HashMap<JobNumber, usize>,
    /// What passed after the last job had ended.
    closing: Duration,
}

impl<'a> Record<'a> {
    /// The record of a run, if it has all that a replay needs.
    pub(super) fn of(timeline: &'a Timeline) -> Result<Record<'a>, WhatIfError> {
        lacks(timeline).map_or(Ok(()), |what| Err(WhatIfError::Lacks(what)))?;
        let mut limits = Limits::new(timeline, Signals::of(timeline));
        let (jobs, places) = items::jobs(timeline, &mut limits);
        let ends = timeline.items().filter_map(|(_, item)| item.end.as_ref()).map(|end| end.at);
        let last = timeline.jobs.values().filter_map(|job| job.ended).chain(ends).max().unwrap_or_default();
        let replay = Replay { limits: limits.take(), jobs };
        let closing = timeline.wall().saturating_sub(last);
        Ok(Record { timeline, replay, limits, jobs: places, closing })
    }

    /// Plays it with some limits changed.
    pub(super) fn play(&self, changes: &[Change]) -> Result<Replayed, WhatIfError> {
        let mut replay = self.replay.clone();
        changes.iter().try_for_each(|change| self.change(&mut replay, change))?;
        let played = replay.run().map_err(|stuck| WhatIfError::Lacks(stuck.to_string()))?;
        Ok(Replayed { wall: played.wall.saturating_add(self.closing), ..played })
    }

    fn change(&self, replay: &mut Replay, change: &Change) -> Result<(), ChangeError> {
        self.check(change)?;
        let places = self.limits.places_of(change);
        match change.to {
            To::Concurrency(most) => {
                places.iter().for_each(|place| replay.limits[*place].concurrency = Some(most));
            }
            To::Rate(rate) => places.iter().for_each(|place| replay.limits[*place].rate = Some(of(rate))),
        }
        if let Some(job) = self.job(change).map(|place| &mut replay.jobs[place]) {
            match change.to {
                To::Concurrency(most) => job.concurrency = Some(most),
                To::Rate(rate) => job.rate = Some(of(rate)),
            }
        }
        Ok(())
    }

    /// The place of the job whose own limit is changed.
    fn job(&self, change: &Change) -> Option<usize> {
        let Of::Job(name) = &change.of else { return None };
        let jobs = &self.timeline.info.jobs;
        let number = jobs.iter().position(|job| *job.name == **name)?;
        self.jobs.get(&(number as JobNumber)).copied()
    }

    /// Whether the run had what is to be changed.
    fn check(&self, change: &Change) -> Result<(), ChangeError> {
        let info = &self.timeline.info;
        let (what, name, known): (_, _, Vec<&str>) = match &change.of {
            Of::Run => return Ok(()),
            Of::Source(name) => ("source", name, info.sources.iter().map(|of| of.name.as_str()).collect()),
            Of::Job(name) => ("job", name, info.jobs.iter().map(|of| &*of.name).collect()),
            Of::Limit(name) => {
                let names = info.limits.iter().filter_map(|of| of.name.strip_prefix("limit:"));
                ("limit", name, names.collect())
            }
        };
        if known.contains(&name.as_str()) {
            return Ok(());
        }
        let message = format!("the run had no {what} \"{name}\"");
        Err(ChangeError::new(change, message, suggest(name, known)))
    }

    /// What was said of a limit where it is changed.
    pub(super) fn was(&self, change: &Change) -> Option<To> {
        match change.to {
            To::Concurrency(_) => self.concurrency(&change.of),
            To::Rate(_) => self.rate(&change.of),
        }
    }

    /// The concurrency that was said of a limit.
    pub(super) fn concurrency(&self, of: &Of) -> Option<To> {
        self.info(of)?.concurrency.map(To::Concurrency)
    }

    /// The rate that was said of a limit.
    pub(super) fn rate(&self, of: &Of) -> Option<To> {
        self.info(of)?.rate.as_ref()?.parse().map(To::Rate).ok()
    }

    fn info(&self, of: &Of) -> Option<&LimitInfo> {
        self.timeline.limits.get(of.limit().as_str())
    }

    /// The most of a limit that was in use; none for a job's own limit, and for one that no item took.
    pub(super) fn peak(&self, change: &Change, played: &Replayed) -> Option<u64> {
        let place = self.limits.places_of(change).first().copied()?;
        played.peaks.get(place).copied()
    }

    /// The limits.
    pub(super) fn limits(&self) -> &Limits<'a> {
        &self.limits
    }
}

/// What a replay needs and the record of this run does not have, if so.
fn lacks(timeline: &Timeline) -> Option<String> {
    let dropped = timeline.dropped() + timeline.more_moments;
    let nested = timeline.jobs.values().find(|job| job.role == Role::Nested && !job.items.is_empty());
    let cut = timeline.items().find(|(_, item)| item.tries() as usize > item.attempts.len());
    let says_limits = timeline.items().any(|(_, item)| !item.limits.is_empty());
    let is_silent = timeline.info.jobs.iter().any(|job| job.source.is_some()) && !says_limits;
    if timeline.ended.is_none() {
        Some("the run has not ended: what it takes is not known".to_owned())
    } else if let Some(cause) = &timeline.stopping {
        Some(format!("the run was stopped ({cause}): how long the rest of it takes is not known"))
    } else if timeline.counts.cancelled > 0 {
        Some("items of the run were cancelled: how long they take is not known".to_owned())
    } else if dropped > 0 {
        Some("the run is too long: not all of its items are kept in detail".to_owned())
    } else if let Some(job) = nested {
        Some(format!("job \"{}\" runs below an item, and the log does not say which", job.name))
    } else if cut.is_some() {
        Some("an item was attempted so often that not all of it is kept".to_owned())
    } else if is_silent && timeline.lanes > 0 {
        Some("the log does not say which limits its items take\n(an older fanout wrote it: run the plan again)".to_owned())
    } else {
        None
    }
}

fn of(rate: crate::units::Rate) -> Rate {
    Rate { count: rate.count, per: rate.per }
}
