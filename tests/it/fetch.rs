//! A folder of 2,000 files by one job, from OpenSSH's server: all bytes; and what is left when the program is stopped or
//! killed in the middle. Not here: files that are gone on with (`resume`), single transfers and what servers do wrong
//! (`sources::sftp`).

use crate::support::plan::Plan;
use crate::support::proxy::Proxy;
use crate::support::sources::{events, know, outcomes, partner};
use crate::support::sshd::{Served, Sshd};
use crate::support::{or_skip, sshd};
use fanout::gather::State;
use rustix::process::Signal;
use std::time::Duration;

/// How many files.
const FILES: u32 = 2000;
/// The size of each.
const SIZE: usize = 16 * 1024;
/// How many of them are there before the program is stopped.
const SOME: usize = 20;

/// The bytes of a file: no two are the same.
fn bytes(n: u32) -> Vec<u8> {
    (0..SIZE as u32 / 4).flat_map(|at| (n.wrapping_mul(2_654_435_761) ^ at).to_le_bytes()).collect()
}

fn name(n: u32) -> String {
    format!("{}/{n:04}.dat", n % 10)
}

/// The files on the server, and a plan that fetches them through `host:port`.
fn files(sshd: &Sshd, host: &str, port: u16) -> (Served, Plan) {
    let served = sshd.serve();
    (0..FILES).for_each(|n| served.file(&name(n), bytes(n)));
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.files]\nsource = \"partner\"\nfetch = \"{}/\"\noutput = \"inbox/\"\n",
        partner(sshd, host, port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts_as(host, port));
    (served, plan)
}

/// The same through a proxy, on a line that takes some seconds for all of it: long enough to be in the middle.
fn slowly(sshd: &Sshd) -> (Proxy, Served, Plan) {
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    proxy.set(|faults| faults.bandwidth = Some(FILES as u64 * SIZE as u64 / 12));
    let address = proxy.address();
    let (served, plan) = files(sshd, &address.ip().to_string(), address.port());
    (proxy, served, plan)
}

/// The files under final names; each is whole.
#[track_caller]
fn whole(plan: &Plan) -> usize {
    let files: Vec<String> = plan.files().into_iter().filter(|file| file.ends_with(".dat")).collect();
    for file in &files {
        let number = file.rsplit('/').next().unwrap().trim_end_matches(".dat").parse().unwrap();
        assert!(plan.bytes(file) == bytes(number), "{file} is not whole");
        assert_eq!(*file, format!("inbox/{}", name(number)));
    }
    files.len()
}

/// Files that have no final name.
fn parts(plan: &Plan) -> Vec<String> {
    plan.files().into_iter().filter(|file| file.contains("fanout-part")).collect()
}

fn has_some(plan: &Plan) -> bool {
    plan.files().iter().filter(|file| file.ends_with(".dat")).count() >= SOME
}

#[test]
fn two_thousand_files_come_with_all_their_bytes() {
    // Its own, as its logins are counted.
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let (_served, plan) = files(&sshd, &sshd.host, sshd.port);
    let mark = sshd.log.mark();
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.exits(0).complains("2,000 items: 2,000 done").complains("2,000 new");
    assert_eq!((whole(&plan), parts(&plan)), (FILES as usize, Vec::new()));
    let logins = sshd.log.count(mark, "Accepted publickey");
    assert!((1..=4).contains(&logins), "{logins}");
    let outcomes = outcomes(&events(&plan.bytes("log.jsonl")));
    let done = outcomes.iter().filter(|(job, state)| job == "files" && *state == State::Done);
    assert_eq!(done.count(), FILES as usize);
}

#[test]
fn an_interrupt_in_the_middle_leaves_whole_files_and_nothing_else() {
    let Some(sshd) = sshd() else { return };
    let (_proxy, _served, plan) = slowly(sshd);
    let mut running = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).start();
    running.until("files", || has_some(&plan));
    running.signal(Signal::INT);
    let ended = running.wait();
    ended.exits(130).complains("cancelled");
    let count = whole(&plan);
    assert!((1..FILES as usize).contains(&count), "{count}");
    assert_eq!(parts(&plan), Vec::<String>::new(), "{ended:?}");
    let outcomes = outcomes(&events(&plan.bytes("log.jsonl")));
    let done = outcomes.iter().filter(|(job, state)| job == "files" && *state == State::Done);
    assert_eq!(done.count(), count, "what is said to be done is there, and what is there is said to be done");
}

#[test]
fn after_a_kill_in_the_middle_final_names_are_whole_and_a_second_run_completes_it() {
    let Some(sshd) = sshd() else { return };
    let (proxy, _served, plan) = slowly(sshd);
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("files", || has_some(&plan));
    running.signal(Signal::KILL);
    running.wait().killed_by(Signal::KILL);
    let count = whole(&plan);
    assert!((1..FILES as usize).contains(&count), "{count}");
    proxy.set(|faults| faults.bandwidth = None);
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("2,000 items: 2,000 done");
    assert_eq!((whole(&plan), parts(&plan)), (FILES as usize, Vec::new()));
}

#[test]
fn a_long_and_jittery_line_changes_no_byte() {
    let Some(sshd) = sshd() else { return };
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    proxy.set(|faults| {
        faults.latency = Duration::from_millis(40);
        faults.slice = Some(1000);
    });
    let served = sshd.serve();
    (0..100).for_each(|n| served.file(&name(n), bytes(n)));
    let address = proxy.address();
    let (host, port) = (address.ip().to_string(), address.port());
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.files]\nsource = \"partner\"\nfetch = \"{}/**/*.dat\"\noutput = \"inbox/\"\n",
        partner(sshd, &host, port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts_as(&host, port));
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert_eq!((whole(&plan), parts(&plan)), (100, Vec::new()));
}

#[test]
fn a_line_that_breaks_in_the_middle_is_tried_again() {
    let Some(sshd) = sshd() else { return };
    let (proxy, _served, plan) = slowly(sshd);
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("files", || has_some(&plan));
    proxy.reset();
    proxy.set(|faults| faults.bandwidth = None);
    running.wait().exits(0);
    assert_eq!((whole(&plan), parts(&plan)), (FILES as usize, Vec::new()));
}
