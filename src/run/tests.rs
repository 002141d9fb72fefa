//! Runs of small plans: in which order jobs go, and what is said of a job as a whole.

use super::result::{JobEnd, JobReport};
use super::{Execution, Options};
use crate::gather::Counts;
use crate::plan::{Overrides, Plan};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
        error: error.map(str::to_owned),
    };
    let few = report(JobEnd::TooFew { items: 0, min_items: 1 }, 0, None);
    assert_eq!(few.note().as_deref(), Some("job \"inbox\": 0 items, and `min_items` asks for 1"));
    assert_eq!(report(JobEnd::Done, 0, None).note().as_deref(), Some("job \"inbox\": nothing matched"));
    assert_eq!(
        report(JobEnd::Failed, 0, Some("no such file")).note().as_deref(),
        Some("job \"inbox\": no such file")
    );
    assert_eq!(report(JobEnd::Done, 3, None).note(), None);
}
