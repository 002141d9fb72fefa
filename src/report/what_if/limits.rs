//! The limits of a recorded run: what the log names, as places of a replay. Not here: who takes them (`items`).

use super::super::timeline::{Item, Timeline};
use super::change::{Change, Of, To};
use super::signals::Signals;
use crate::gather::replay::{Limit, Takes};
use crate::gather::{LimitUse, Rate};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// See the module.
pub(super) struct Limits<'a> {
    timeline: &'a Timeline,
    pub(super) signals: Signals<'a>,
    limits: Vec<Limit>,
    places: HashMap<Arc<str>, usize>,
    /// Hosts by their source.
    hosts: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// What items take, by where the log says so: most items of a job take the same.
    known: HashMap<*const LimitUse, Arc<Takes>>,
}

impl<'a> Limits<'a> {
    pub(super) fn new(timeline: &'a Timeline, signals: Signals<'a>) -> Limits<'a> {
        let (hosts, known) = (HashMap::new(), HashMap::new());
        let mut limits =
            Limits { timeline, signals, limits: Vec::new(), places: HashMap::new(), hosts, known };
        let run: Arc<str> = Of::Run.limit().into();
        let most = timeline.limits.get(&run).and_then(|info| info.concurrency);
        limits.place(&run, most);
        limits
    }

    /// The limits themselves, once all are known.
    pub(super) fn take(&mut self) -> Vec<Limit> {
        std::mem::take(&mut self.limits)
    }

    /// What an item takes beside the run's and its job's own limit.
    pub(super) fn takes(&mut self, item: &Item, own: &str) -> Arc<Takes> {
        if let Some(known) = self.known.get(&item.limits.as_ptr()) {
            return known.clone();
        }
        let source = self.signals.source_of(item);
        let mut takes = Takes::default();
        for (at, LimitUse { limit, weight }) in item.limits.iter().enumerate() {
            if **limit == *own {
                continue;
            }
            let place = self.place(limit, self.timeline.at_once(item, at));
            takes.limits.push((place, *weight));
            takes.source = takes.source.or((Some(limit) == source.as_ref()).then_some(place));
            self.note_host(item, limit);
        }
        let takes = Arc::new(takes);
        self.known.insert(item.limits.as_ptr(), takes.clone());
        takes
    }

    /// The place of a limit.
    fn place(&mut self, name: &Arc<str>, concurrency: Option<u64>) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let rate = self.timeline.limits.get(name).and_then(|info| rate(info.rate.as_deref()));
        let connects = self.signals.connects(name);
        self.limits.push(Limit { name: name.clone(), concurrency, rate, connects });
        self.places.insert(name.clone(), self.limits.len() - 1);
        self.limits.len() - 1
    }

    /// Notes whose host it is, if it is one.
    fn note_host(&mut self, item: &Item, name: &Arc<str>) {
        let source = item.limits.iter().find(|of| of.limit.starts_with("source:"));
        if let Some(source) = source.filter(|_| name.starts_with("host:")) {
            let hosts = self.hosts.entry(source.limit.clone()).or_default();
            hosts.insert(name.clone());
        }
    }

    /// The places of what is changed: the concurrency of a source is that of each of its hosts, too.
    pub(super) fn places_of(&self, change: &Change) -> Vec<usize> {
        let name = change.of.limit();
        let hosts = self.hosts.get(name.as_str()).filter(|_| matches!(change.to, To::Concurrency(_)));
        let names = std::iter::once(name.as_str()).chain(hosts.into_iter().flatten().map(|name| &**name));
        names.filter_map(|name| self.places.get(name).copied()).collect()
    }

    /// Whose limit this is in a plan; none for one that no plan names.
    pub(super) fn owner(&self, name: &str) -> Option<Of> {
        let source = |name: &str| name.strip_prefix("source:").map(str::to_owned);
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        match kind {
            "run" => Some(Of::Run),
            "source" => Some(Of::Source(rest.to_owned())),
            "limit" => Some(Of::Limit(rest.to_owned())),
            "job" => Some(Of::Job(rest.to_owned())),
            "host" => {
                let of = self.hosts.iter().find(|(_, hosts)| hosts.contains(name));
                of.and_then(|(name, _)| source(name)).map(Of::Source)
            }
            _ => None,
        }
    }

    /// Whether a source, or a host of it, asked to be left alone.
    pub(super) fn has_held(&self, of: &Of) -> bool {
        let name = of.limit();
        let hosts = self.hosts.get(name.as_str()).into_iter().flatten();
        self.signals.has_held(&name) || hosts.into_iter().any(|host| self.signals.has_held(host))
    }
}

impl Of {
    /// The limit's name in the log.
    pub(super) fn limit(&self) -> String {
        match self {
            Of::Run => "run".to_owned(),
            Of::Source(name) => format!("source:{name}"),
            Of::Limit(name) => format!("limit:{name}"),
            Of::Job(name) => format!("job:{name}"),
        }
    }
}

pub(super) fn rate(text: Option<&str>) -> Option<Rate> {
    let rate: crate::units::Rate = text?.parse().ok()?;
    Some(Rate { count: rate.count, per: rate.per })
}
