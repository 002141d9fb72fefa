//! Runs that really happen, on a clock that is paused: attempts that sleep, fail and are tried again, within limits.
//! Times are in milliseconds.

use crate::gather::{
    Advice, Backoff, Call, Context, Ended, Event, EventKind, Gather, Item, JobInfo, Limit, LimitId,
    LimitInfo, Needs, Rate, Retries, Run, RunInfo, RunSettings, SourceInfo,
};
use crate::report::Timeline;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::sync::watch;

pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A run: the most items at once, and the rest by place.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) most: u64,
    pub(super) limits: Vec<OneLimit>,
    pub(super) jobs: Vec<OneJob>,
}

/// A source if it has to be connected: how long that takes.
#[derive(Debug, Clone, Default)]
pub(super) struct OneLimit {
    pub(super) concurrency: Option<u64>,
    pub(super) every: Option<u64>,
    pub(super) connects: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct OneJob {
    pub(super) needs: Vec<usize>,
    pub(super) concurrency: Option<u64>,
    pub(super) every: Option<u64>,
    pub(super) items: Vec<OneItem>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct OneItem {
    pub(super) limits: Vec<usize>,
    pub(super) source: Option<usize>,
    pub(super) tries: Vec<Try>,
}

/// An attempt: how long, and what then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try(pub(super) u64, pub(super) Then);

#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    Done,
    Fail,
    Again,
    /// The source asked to be left alone for so long.
    Held(u64),
    /// The source could not be connected.
    Unconnected,
}

const RETRIES: Retries =
    Retries { count: 9, delay: ms(211), max_delay: ms(1777), backoff: Backoff::Exponential, jitter: false };

impl Case {
    /// Runs it, and gives back what its events say.
    pub(super) fn run(&self) -> Timeline {
        Timeline::of(&self.events())
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.happen())
    }

    async fn happen(&self) -> Vec<Event> {
        let settings =
            RunSettings { concurrency: self.most, events: Some(1 << 20), ..RunSettings::default() };
        let run = Run::new(&settings);
        run.reserve_jobs(self.jobs.len() as u32);
        run.emit(EventKind::RunStarted(Box::new(self.info())));
        let limits: Vec<LimitId> = (0..self.limits.len()).map(|place| run.limit(self.limit(place))).collect();
        let ends: Vec<_> = self.jobs.iter().map(|_| watch::Sender::new(false)).collect();
        join_all((0..self.jobs.len()).map(|place| self.job(place, &run, &limits, &ends))).await;
        run.emit(EventKind::RunEnded { counts: crate::gather::Counts::default(), exit: 0 });
        let events = run.events().unwrap();
        events.close();
        events.read().await
    }

    async fn job(&self, place: usize, run: &Run, limits: &[LimitId], ends: &[watch::Sender<bool>]) {
        let job = &self.jobs[place];
        for need in &job.needs {
            ends[*need].subscribe().wait_for(|ended| *ended).await.unwrap();
        }
        let items: Vec<_> = job.items.iter().map(|item| self.item(item, limits)).collect();
        let mut gather = Gather::over(items)
            .in_run(run)
            .job(place as u32)
            .name(format!("j{place}"))
            .retries(RETRIES)
            .advice(|advice: &Advice| *advice);
        if let Some(most) = job.concurrency {
            gather = gather.concurrency(most);
        }
        if let Some(every) = job.every {
            gather = gather.rate(1, ms(every));
        }
        gather.run().await;
        ends[place].send_replace(true);
    }

    fn item(&self, item: &OneItem, limits: &[LimitId]) -> Item<Doing> {
        let needs = item.limits.iter().fold(Needs::none(), |needs, place| needs.and(limits[*place]));
        let needs = item.source.map_or(needs.clone(), |place| needs.source(limits[place]));
        let connects = item.source.and_then(|place| self.limits[place].connects).unwrap_or(0);
        Item::new(Doing { connects, tries: item.tries.clone().into_iter() }).needs(needs)
    }

    fn limit(&self, place: usize) -> Limit {
        let limit = &self.limits[place];
        Limit {
            name: self.name(place).into(),
            concurrency: limit.concurrency,
            rate: limit.every.map(|every| Rate { count: 1, per: ms(every) }),
            gate: limit.connects.map(|_| RETRIES),
        }
    }

    fn name(&self, place: usize) -> String {
        let kind = if self.limits[place].connects.is_some() { "source" } else { "limit" };
        format!("{kind}:l{place}")
    }

    fn info(&self) -> RunInfo {
        let info = |name: String, concurrency, every: Option<u64>| LimitInfo {
            name: name.into(),
            concurrency,
            rate: every.map(|every| format!("1/{every}ms")),
            ..LimitInfo::default()
        };
        let limits = (0..self.limits.len())
            .map(|place| info(self.name(place), self.limits[place].concurrency, self.limits[place].every));
        let jobs = self.jobs.iter().enumerate();
        let own = jobs.clone().map(|(place, job)| info(format!("job:j{place}"), job.concurrency, job.every));
        let name = |place: usize| format!("l{place}");
        RunInfo {
            limits: std::iter::once(info("run".into(), Some(self.most), None))
                .chain(limits)
                .chain(own)
                .collect(),
            sources: (0..self.limits.len())
                .filter(|place| self.limits[*place].connects.is_some())
                .map(|place| SourceInfo { name: name(place), ..SourceInfo::default() })
                .collect(),
            jobs: jobs
                .map(|(place, job)| JobInfo {
                    name: format!("j{place}").into(),
                    needs: job.needs.iter().map(|need| format!("j{need}")).collect(),
                    many: true,
                    ..JobInfo::default()
                })
                .collect(),
            ..RunInfo::default()
        }
    }
}

/// What an item does, attempt by attempt.
struct Doing {
    connects: u64,
    tries: std::vec::IntoIter<Try>,
}

impl Call for Doing {
    type Ok = ();
    type Err = Advice;

    fn attempt(&mut self, context: Context) -> impl Future<Output: Into<Ended<(), Advice>>> + Send + 'static {
        let Try(runs, then) = self.tries.next().expect("it is tried no more often");
        let connects = if matches!(then, Then::Unconnected) { runs } else { self.connects.min(runs) };
        async move {
            tokio::time::sleep(ms(connects)).await;
            if matches!(then, Then::Unconnected) {
                return Err(Advice::SOURCE_AGAIN);
            }
            context.source_up();
            tokio::time::sleep(ms(runs - connects)).await;
            if let Then::Held(duration) = then {
                context.hold(ms(duration));
            }
            match then {
                Then::Done => Ok(()),
                Then::Fail => Err(Advice::NEVER),
                Then::Again | Then::Held(_) | Then::Unconnected => Err(Advice::AGAIN),
            }
        }
    }
}
