//! Who gave back what: the ends of attempts by the limits that they took. Not here: who waited for it (`path`).

use super::super::timeline::{Item, Timeline};
use crate::gather::EventKind;
use std::collections::HashMap;
use std::time::Duration;

/// Attempts that began at the same moment and are passed over to find one that began before.
pub(super) const PASSED: usize = 64;

/// An attempt, by its place in its item.
pub(super) type Try<'a> = (&'a Item, usize);

/// The order in which attempts began.
pub(super) fn began((item, attempt): Try<'_>) -> (Duration, u64, usize) {
    (item.attempts[attempt].start, item.place, attempt)
}

/// All attempts of a run.
pub(super) struct Ends<'a> {
    /// By limit, in the order in which they ended.
    by_limit: HashMap<&'a str, Vec<(Duration, Try<'a>)>>,
    /// When sources were up, by limit.
    ups: HashMap<&'a str, Vec<Duration>>,
}

impl<'a> Ends<'a> {
    pub(super) fn of(timeline: &'a Timeline) -> Ends<'a> {
        let mut by_limit: HashMap<&str, Vec<(Duration, Try<'_>)>> = HashMap::new();
        for (_, item) in timeline.items() {
            for (place, attempt) in item.attempts.iter().enumerate() {
                let entry = (attempt.until(timeline.wall()), (item, place));
                let names = item.limits.iter().map(|of| &*of.limit);
                for name in std::iter::once("run").chain(names) {
                    by_limit.entry(name).or_default().push(entry);
                }
            }
        }
        for ends in by_limit.values_mut() {
            ends.sort_by_key(|(end, (item, _))| (*end, item.place));
        }
        let mut ups: HashMap<&str, Vec<Duration>> = HashMap::new();
        for moment in &timeline.moments {
            if let EventKind::SourceUp { source } = &moment.kind {
                ups.entry(source).or_default().push(moment.at);
            }
        }
        Ends { by_limit, ups }
    }

    /// Who gave back the room of a limit that this attempt took then: the last one that ended before.
    pub(super) fn freed(&self, limit: &str, at: Duration, by: Try<'_>) -> Option<Try<'a>> {
        let ends = self.by_limit.get(limit)?;
        let place = ends.partition_point(|(end, _)| *end <= at);
        let mut before = ends[..place].iter().rev().map(|(_, attempt)| *attempt).take(PASSED);
        before.find(|attempt| began(*attempt) < began(by))
    }

    /// Who connected a source that others waited for until then, and when it was up.
    pub(super) fn connected(&self, limit: &str, at: Duration) -> Option<(Duration, Try<'a>)> {
        let ups = self.ups.get(limit)?;
        let up = *ups.get(ups.partition_point(|up| *up <= at).checked_sub(1)?)?;
        let attempts = self.by_limit.get(limit)?;
        let from = attempts.partition_point(|(end, _)| *end < up);
        let running = attempts[from..].iter().map(|(_, attempt)| *attempt);
        let running = running.filter(|(item, place)| item.attempts[*place].start < up);
        Some((up, running.max_by_key(|(item, place)| item.attempts[*place].start)?))
    }

    /// The last attempt of all.
    pub(super) fn last(&self) -> Option<Try<'a>> {
        self.by_limit.get("run")?.last().map(|(_, attempt)| *attempt)
    }
}
