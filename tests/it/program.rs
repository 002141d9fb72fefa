//! The program as a process: that it starts in a clean environment and leaves nothing behind. Not here: what its
//! commands do.

use crate::support::plan::Plan;

#[test]
fn saying_its_version_touches_nothing() {
    let plan = Plan::empty();
    plan.fanout(&["--version"]).stdin("not read").run().exits(0);
    assert_eq!(plan.files(), Vec::<String>::new());
    let left = |folder| std::fs::read_dir(folder).unwrap().count();
    assert_eq!((left(plan.home()), left(plan.temporary())), (0, 0));
}

#[test]
fn more_threads_than_make_sense_are_refused() {
    let plan = Plan::new("version = 1\n[jobs.a]\nsleep = \"1ms\"\n");
    let ended = plan.fanout(&["run", "plan.toml", "--threads", "9999999"]).run();
    ended.exits(3).complains("`threads` is 9999999, and must be 1024 at most");
}
