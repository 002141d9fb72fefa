//! A `bandwidth` of an SFTP source, on a real server: never faster than it says, and being slow is no failure. Not here: what
//! is asked for and counted (`sources::sftp`).

use crate::support::plan::Plan;
use crate::support::sources::{know, partner};
use crate::support::sshd;
use crate::support::sshd::{Served, Sshd};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A server's folder with `count` files of `len` bytes in each of two folders, and a plan with a job for each of them.
fn plan(sshd: &Sshd, count: usize, len: usize, source: &str) -> (Served, Plan) {
    let served = sshd.serve();
    let mut text = format!("version = 1\n{}{source}\n", partner(sshd, &sshd.host, sshd.port));
    for name in ["a", "b"] {
        (0..count).for_each(|n| served.file(&format!("{name}/{n}.dat"), vec![n as u8; len]));
        let fetch = format!("{}/{name}/", served.remote);
        text += &format!("[jobs.{name}]\nsource = \"partner\"\nfetch = \"{fetch}\"\noutput = \"{name}/\"\n");
    }
    let plan = Plan::new(&text);
    know(&plan, &sshd.known_hosts());
    (served, plan)
}

/// The least time that so many bytes take at so many a second, after a burst of an eighth of those.
fn least(bytes: u64, a_second: u64) -> Duration {
    Duration::from_secs_f64((bytes - a_second / 8) as f64 / a_second as f64)
}

#[test]
fn all_jobs_of_a_source_together_are_never_faster_than_its_bandwidth() {
    let Some(sshd) = sshd() else { return };
    let (_served, plan) = plan(sshd, 10, 40_000, "bandwidth = \"400kB/s\"");
    let start = Instant::now();
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("20 items: 20 done");
    assert!(start.elapsed() >= least(800_000, 400_000), "{:?}", start.elapsed());
    assert!(plan.bytes("a/7.dat") == [7; 40_000] && plan.bytes("b/9.dat") == [9; 40_000]);
}

#[test]
fn who_waits_for_its_turn_longer_than_the_idle_timeout_has_not_stalled() {
    let Some(sshd) = sshd() else { return };
    // The last file has its first turn after two seconds.
    let more = "bandwidth = \"20kB/s\"\nretries = 0\ntimeout = { idle = \"1s\" }";
    let (_served, many) = plan(sshd, 20, 1500, more);
    many.fanout(&["run", "plan.toml"]).run().exits(0).complains("40 items: 40 done");
    // Each request has its turn a second and a quarter after the one before.
    let more = "bandwidth = \"800B/s\"\nretries = 0\ntimeout = { idle = \"1s\" }";
    let (_served, slow) = plan(sshd, 1, 2048, more);
    slow.fanout(&["run", "plan.toml"]).run().exits(0).complains("2 items: 2 done");
}

#[test]
fn an_interrupt_ends_who_would_wait_for_an_hour() {
    let Some(sshd) = sshd() else { return };
    let (_served, plan) = plan(sshd, 2, 1_000_000, "bandwidth = \"1KiB/s\"");
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("some of a file", || !plan.files().is_empty());
    running.signal(Signal::INT);
    running.wait().exits(130).complains("4 cancelled");
    assert!(plan.files().iter().all(|file| file.ends_with(".fanout-part")), "{:?}", plan.files());
}

#[test]
fn a_fetch_without_a_plan_is_never_faster_than_it_is_told() {
    let Some(sshd) = sshd() else { return };
    let (served, plan) = plan(sshd, 4, 50_000, "");
    let key = sshd.key("user_ed25519");
    let url = format!("sftp://{}@{}:{}{}/", crate::support::sshd::USER, sshd.host, sshd.port, served.remote);
    let arguments = ["fetch", "-i", key.to_str().unwrap(), &url, "in/", "--bandwidth"];
    let start = Instant::now();
    plan.fanout(&[&arguments[..], &["400kB/s"]].concat()).run().exits(0).complains("8 new");
    assert!(start.elapsed() >= least(400_000, 400_000), "{:?}", start.elapsed());
    let wrong = plan.fanout(&[&arguments[..], &["3Mbit/s"]].concat()).run();
    wrong.exits(2).complains("is not bytes per time such as \"10MiB/s\"");
}

#[test]
fn a_bandwidth_that_is_none_is_a_mistake_of_the_plan() {
    let source = "[sources.it]\nkind = \"sftp\"\nhost = \"h\"\nbandwidth = ";
    let job = "[jobs.it]\nsource = \"it\"\nfetch = \"/a\"\noutput = \"a\"\n";
    for wrong in ["\"0B/s\"", "\"-1MB/s\"", "\"10MiB\"", "\"80Mbit/s\"", "\"fast\"", "10"] {
        let plan = Plan::new(&format!("version = 1\n{source}{wrong}\n{job}"));
        let ended = plan.fanout(&["check", "plan.toml"]).run();
        ended.exits(3).complains("plan.toml:5: source \"it\": ").complains("bytes per time such as");
    }
    let http = Plan::new(
        "version = 1\n[sources.it]\nkind = \"http\"\nbandwidth = \"1MB/s\"\n[jobs.it]\nsource = \"it\"\nget = \"http://h/\"\n",
    );
    http.fanout(&["check", "plan.toml"]).run().exits(3).complains("unknown key `bandwidth`");
}
