//! What is known of a run before anything ran: the first event of its log.

use super::Shared;
use crate::gather::{JobInfo, LOG_VERSION, LimitInfo, RunInfo, SourceInfo};
use crate::plan::{Job, Plan, PlanSource};
use crate::units::Rate;
use std::num::NonZero;

pub(super) fn of(shared: &Shared, concurrency: u64) -> RunInfo {
    let Shared { plan, before, began, .. } = shared;
    let clean = |text: String| shared.clean(&text);
    let run = limit("run".to_owned(), Some(concurrency), None);
    let named =
        plan.limits.named.iter().map(|(name, of)| limit(format!("limit:{name}"), of.concurrency, of.rate));
    let jobs = plan.jobs.iter().filter(|job| job.bounds.concurrency.is_some() || job.bounds.rate.is_some());
    let jobs = jobs.map(|job| {
        limit(format!("job:{}", job.name), job.bounds.concurrency.map(NonZero::get), job.bounds.rate)
    });
    let vars = plan.globals.vars.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), clean(text))
    });
    RunInfo {
        log: LOG_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        id: plan.run.id.clone(),
        // Not the plan's own time: a plan may wait for another run of it, or say the day of an earlier one.
        started: format!("{began:.6}"),
        name: plan.name.clone(),
        plan: Some((plan.path.display().to_string(), plan.digest.clone())),
        vars: vars.collect(),
        limits: std::iter::once(run)
            .chain(named)
            .chain(plan.sources.iter().map(|source| of_source(source)))
            .chain(jobs)
            .collect(),
        sources: plan.sources.iter().map(|source| source_info(source, &clean)).collect(),
        jobs: plan.jobs.iter().zip(before).map(|(it, before)| job(plan, it, *before)).collect(),
    }
}

fn limit(name: String, concurrency: Option<u64>, rate: Option<Rate>) -> LimitInfo {
    LimitInfo {
        name: name.into(),
        concurrency,
        rate: rate.map(|rate| rate.to_string()),
        ..LimitInfo::default()
    }
}

fn of_source(source: &PlanSource) -> LimitInfo {
    let limit = limit(format!("source:{}", source.name), Some(source.concurrency), source.bounds.rate);
    LimitInfo { per_host: source.is_per_host(), ..limit }
}

fn source_info(source: &PlanSource, clean: &impl Fn(String) -> String) -> SourceInfo {
    SourceInfo {
        name: source.name.clone(),
        kind: source.kind.to_owned(),
        target: clean(source.source.target()),
    }
}

fn job(plan: &Plan, job: &Job, before: Option<usize>) -> JobInfo {
    let before = before.map(|before| plan.jobs[before].name.to_string());
    JobInfo {
        name: job.name.clone(),
        kind: job.source.kind.to_owned(),
        source: (!job.source.built_in).then(|| job.source.name.clone()),
        needs: before
            .filter(|before| !job.needs.contains(before))
            .into_iter()
            .chain(job.needs.clone())
            .collect(),
        many: job.many(),
    }
}
