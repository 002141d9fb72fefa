//! `fanout demo`: the classic example on servers of its own. Not here: how long it takes, which its own output says.

use crate::support::plan::Plan;
use std::fs;

#[track_caller]
fn demonstrates(arguments: &[&str]) {
    let plan = Plan::empty();
    let ended = plan.fanout(arguments).run();
    ended.exits(0).complains("in the order 3, 1, 2").complains("reported in the order 1, 2, 3");
    for job in ["function1", "function2", "function3"] {
        ended.complains(job);
    }
    let left: Vec<_> = fs::read_dir(plan.temporary()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(plan.files().is_empty() && left.is_empty(), "it leaves {left:?} and {:?}", plan.files());
}

#[test]
fn it_finishes_in_the_order_3_1_2() {
    demonstrates(&["demo"]);
}

#[test]
fn one_thread_is_enough() {
    demonstrates(&["--threads", "1", "demo"]);
}
