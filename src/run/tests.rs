//! Runs of small plans: in which order jobs go, and what is said of a job as a whole.

use super::job::JobRun;
use super::result::{JobEnd, JobReport};
use super::{Deadline, Execution, Options};
use crate::gather::{Cause, Counts};
use crate::plan::{Overrides, Plan};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn plan(text: &str) -> Arc<Plan> {
    let text = format!("version = 1\n{text}");
    let Ok(plan) = Plan::of_text(Path::new("plan.toml"), text, &Overrides::default()) else {
        panic!("the plan has mistakes")
    };
    Arc::new(plan)
}

#[tokio::test]
async fn one_after_the_other_a_job_may_need_one_that_stands_below_it() {
    let plan = plan(
        "[jobs.z]\nsleep = \"1ms\"\nneeds = [\"b\"]\n[jobs.a]\nsleep = \"1ms\"\n[jobs.b]\nsleep = \"1ms\"\nneeds = [\"a\"]",
    );
    assert_eq!(super::one_by_one(&plan), [Some(2), None, Some(1)]);
    let options = Options { sequential: true, ..Options::default() };
    let run = Execution::new(plan, options).await.expect("it begins").finish();
    let report = tokio::time::timeout(Duration::from_secs(60), run).await.expect("it hangs");
    assert_eq!(report.counts.done, 3);
}

#[test]
fn a_job_without_items_says_so() {
    let report = |end, submitted, error: Option<&str>| JobReport {
        name: "inbox".into(),
        end,
        counts: Counts { submitted, done: submitted, ..Counts::default() },
        stopped: None,
        used: false,
        kept: Vec::new(),
        checks: 0,
        not_ready: 0,
        error: error.map(str::to_owned),
    };
    let few = report(JobEnd::TooFew { items: 0, min_items: 1 }, 0, None);
    assert_eq!(few.note().as_deref(), Some("job \"inbox\": nothing matched"));
    let stopped = JobReport { stopped: Some(Cause::Asked), ..few };
    assert_ne!(stopped.note().as_deref(), Some("job \"inbox\": nothing matched"), "nobody has looked");
    let few = report(JobEnd::TooFew { items: 1, min_items: 3 }, 1, None);
    assert_eq!(few.note().as_deref(), Some("job \"inbox\": 1 item, and `min_items` asks for 3"));
    assert_eq!(report(JobEnd::Done, 0, None).note().as_deref(), Some("job \"inbox\": nothing matched"));
    assert_eq!(
        report(JobEnd::Failed, 0, Some("no such file")).note().as_deref(),
        Some("job \"inbox\": no such file")
    );
    assert_eq!(report(JobEnd::Done, 3, None).note(), None);
}

#[tokio::test]
async fn what_is_too_large_to_be_kept_takes_no_room_from_others() {
    let plan = plan("[jobs.a]\nsleep = \"1ms\"\nkeep = \"100B\"");
    let execution = Execution::new(plan, Options::default()).await.expect("it begins");
    let job = JobRun::dry(&execution.shared, 0);
    job.keep(60).expect("there is room");
    assert!(job.keep(60).is_err());
    job.keep(40).expect("there is still room");
    assert_eq!(job.keep_left(), 0);
}

#[tokio::test]
async fn a_deadline_of_the_clock_stays_where_it_is() {
    let hour = Duration::from_secs(3600);
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3600);
    let instant = Deadline::At(at).instant().expect("the clock counts so far");
    assert!(instant <= Instant::now() + hour);
    assert!(
        Deadline::At(at - jiff::SignedDuration::from_hours(2)).instant().expect("so, too") <= Instant::now()
    );
    assert_eq!(Deadline::After(Duration::MAX).instant(), None);
}

#[tokio::test]
async fn a_plan_that_writes_nothing_needs_no_folder_to_write_in() {
    let folder = Some("/dev/null/no/folder".into());
    let options = Options { output_dir: folder, ..Options::default() };
    let begun = Execution::new(plan("[jobs.a]\nsleep = \"1ms\""), options.clone()).await;
    assert_eq!(begun.expect("it begins").finish().await.counts.done, 1);
    let http = "[sources.s]\nkind = \"http\"\n[jobs.a]\nsource = \"s\"\nget = \"http://127.0.0.1:9/\"\noutput = \"a\"";
    assert!(Execution::new(plan(http), options).await.is_err());
}

#[tokio::test]
async fn the_items_of_a_job_are_no_more_than_there_can_be_files() {
    assert!(super::limits::open_files() >= 1);
    let options = Options { concurrency: Some(u64::MAX), ..Options::default() };
    let plan = plan("[jobs.a]\nsleep = \"1ms\"");
    assert_eq!(super::concurrency(&plan, &options), super::limits::open_files());
}
