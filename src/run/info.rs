//! What is known of a run before anything ran: the first event of its log.

use crate::gather::{JobInfo, LOG_VERSION, LimitInfo, RunInfo, SourceInfo};
use crate::plan::{Job, Plan, PlanSource};
use crate::secret::Redactor;

pub(super) fn of(plan: &Plan, concurrency: u64, redactor: &Redactor) -> RunInfo {
    let clean = |text: String| redactor.redact(&text).into_owned();
    let run = LimitInfo { name: "run".into(), concurrency: Some(concurrency), rate: None };
    let named = plan.limits.named.iter().map(|(name, limit)| LimitInfo {
        name: format!("limit:{name}").into(),
        concurrency: limit.concurrency,
        rate: limit.rate.map(|rate| rate.to_string()),
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
        started: jiff::Timestamp::now().to_string(),
        name: plan.name.clone(),
        plan: Some((plan.path.display().to_string(), plan.digest.clone())),
        vars: vars.collect(),
        limits: std::iter::once(run)
            .chain(named)
            .chain(plan.sources.iter().map(|source| limit(source)))
            .collect(),
        sources: plan.sources.iter().map(|source| source_info(source, &clean)).collect(),
        jobs: plan.jobs.iter().map(job).collect(),
    }
}

fn limit(source: &PlanSource) -> LimitInfo {
    LimitInfo {
        name: format!("source:{}", source.name).into(),
        concurrency: Some(source.concurrency),
        rate: source.bounds.rate.map(|rate| rate.to_string()),
    }
}

fn source_info(source: &PlanSource, clean: &impl Fn(String) -> String) -> SourceInfo {
    SourceInfo {
        name: source.name.clone(),
        kind: source.kind.to_owned(),
        target: clean(source.source.target()),
    }
}

fn job(job: &Job) -> JobInfo {
    JobInfo {
        name: job.name.clone(),
        kind: job.source.kind.to_owned(),
        source: (!job.source.built_in).then(|| job.source.name.clone()),
        needs: job.needs.clone(),
        many: job.many(),
    }
}
