//! What an item that waits most likely waits for, and at which limit: events say it for certain only once a wait is
//! over. Not here: waits that are over (`Waits`).

use super::totals::Job;
use super::{Item, Timeline};
use crate::gather::{LimitUse, Reason};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How much of each limit the attempts that run now take, beside the run's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(BTreeMap<Arc<str>, u64>);

impl Taken {
    /// An attempt of an item that takes these started.
    pub(super) fn take(&mut self, limits: &[LimitUse]) {
        for of in limits {
            let sum = self.0.entry(of.limit.clone()).or_default();
            *sum = sum.saturating_add(of.weight);
        }
    }

    /// It ended.
    pub(super) fn give_back(&mut self, limits: &[LimitUse]) {
        for of in limits {
            let left = self.of(&of.limit).saturating_sub(of.weight);
            match self.0.get_mut(&of.limit) {
                Some(sum) if left > 0 => *sum = left,
                _ => drop(self.0.remove(&of.limit)),
            }
        }
    }

    fn of(&self, limit: &str) -> u64 {
        self.0.get(limit).copied().unwrap_or_default()
    }
}

impl Timeline {
    /// How many items at once the limit allows that an item takes at this place. A host, of which nothing is said, has
    /// what its source says of each host.
    pub fn at_once(&self, item: &Item, place: usize) -> Option<u64> {
        self.most(&item.limits, place)
    }

    /// What the items of a job that wait for a start most likely wait for now.
    pub fn waits_for<'a>(&self, job: &'a Job) -> Option<(Reason, &'a str)> {
        self.obstacle(&job.takes)
    }

    /// What an item that was never started most likely waits for.
    pub(in crate::report) fn awaits(&self, item: &Item) -> Reason {
        self.obstacle(&item.limits).map_or(Reason::Concurrency, |(reason, _)| reason)
    }

    /// The first limit that has no room, the run's own before the others as they are taken; else the first one with a
    /// rate.
    fn obstacle<'a>(&self, takes: &'a [LimitUse]) -> Option<(Reason, &'a str)> {
        let most = self.limits.get("run").and_then(|limit| limit.concurrency);
        if most.is_some_and(|most| self.running.count() >= most) {
            return Some((Reason::Concurrency, "run"));
        }
        let closed = |(place, of): (usize, &'a LimitUse)| Some((self.closed(takes, place)?, &*of.limit));
        let has_rate = |name: &&str| self.limits.get(*name).is_some_and(|limit| limit.rate.is_some());
        let mut names = std::iter::once("run").chain(takes.iter().map(|of| &*of.limit));
        let paced = || Some((Reason::Rate, names.find(has_rate)?));
        takes.iter().enumerate().find_map(closed).or_else(paced)
    }

    /// Why the limit at this place lets nothing start now, if so.
    fn closed(&self, takes: &[LimitUse], place: usize) -> Option<Reason> {
        let of = &takes[place];
        let source = of.limit.strip_prefix("source:");
        let source = self.sources.iter().find(|known| source == Some(known.name.as_str()));
        if source.is_some_and(|source| source.held > self.now) {
            return Some(Reason::Hold);
        }
        let most = self.most(takes, place)?;
        let taken = self.taken.of(&of.limit).saturating_add(of.weight.min(most));
        (taken > most).then_some(Reason::Concurrency)
    }

    fn most(&self, takes: &[LimitUse], place: usize) -> Option<u64> {
        let name = &takes.get(place)?.limit;
        let own = self.limits.get(name).filter(|info| !info.per_host);
        let is_source = |of: &&LimitUse| name.starts_with("host:") && of.limit.starts_with("source:");
        let source = || self.limits.get(&takes[..place].iter().rev().find(is_source)?.limit);
        own.or_else(source)?.concurrency
    }
}
