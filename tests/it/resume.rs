//! Nothing is fetched twice: a large file that is broken off (by the line, a signal, a kill) is gone on with; and a line that
//! is slow but lives is waited for. Not here: what is left of many small files (`fetch`), and which bytes are asked for
//! again (`sources::sftp`).

use crate::support::plan::Plan;
use crate::support::proxy::{Break, Proxy};
use crate::support::sources::{know, partner};
use crate::support::sshd;
use crate::support::sshd::{Served, Sshd};
use rustix::process::Signal;

const MIB: usize = 1 << 20;
/// What a large file leaves behind in the middle.
const LEFT: &str = "inbox/.large.bin.fanout-part";

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32 / 4 + 1).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
}

/// A plan that fetches all files through a proxy; `more` is more of the source.
fn plan(sshd: &Sshd, files: &[(&str, usize)], more: &str) -> (Proxy, Served, Plan) {
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    let served = sshd.serve();
    files.iter().for_each(|(name, len)| served.file(name, bytes(*len)));
    let (host, port) = (proxy.address().ip().to_string(), proxy.address().port());
    let plan = Plan::new(&format!(
        "version = 1\n{}{more}\n[jobs.files]\nsource = \"partner\"\nfetch = \"{}/\"\noutput = \"inbox/\"\n",
        partner(sshd, &host, port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts_as(&host, port));
    (proxy, served, plan)
}

#[test]
fn a_line_that_is_cut_every_64_kib_brings_the_whole_file_without_more_retries() {
    let Some(sshd) = sshd() else { return };
    for how in [Break::Cut, Break::Reset] {
        let (proxy, _served, plan) = plan(sshd, &[("large.bin", 500_000)], "");
        proxy.set(|faults| faults.after = Some((64 * 1024, how)));
        plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("1 item: 1 done");
        assert!(plan.bytes("inbox/large.bin") == bytes(500_000));
        assert_eq!(plan.files(), ["inbox/large.bin"]);
        assert!(proxy.connections() >= 8, "{}", proxy.connections());
    }
}

#[test]
fn a_server_that_breaks_off_before_it_brought_anything_is_told_and_nobody_hangs() {
    let Some(sshd) = sshd() else { return };
    for count in [1, 40, 1000, 2000, 3000] {
        let (proxy, _served, plan) = plan(sshd, &[("large.bin", 500_000)], "");
        proxy.set(|faults| faults.after = Some((count, Break::Reset)));
        plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("sftp://");
        assert_eq!(plan.files(), Vec::<String>::new());
    }
}

/// Fetches a file of 24 MiB and breaks off whenever 4 MiB more have come; says how many bytes came in all.
fn broken_off(sshd: &Sshd, signal: Signal) -> u64 {
    let (proxy, _served, plan) = plan(sshd, &[("large.bin", 24 * MIB), ("small.bin", 1000)], "");
    proxy.set(|faults| faults.bandwidth = Some(8 * MIB as u64));
    for round in 0..4 {
        let before = proxy.bytes().1;
        let mut running = plan.fanout(&["run", "plan.toml"]).start();
        running.until("4 MiB", || proxy.bytes().1 > before + 4 * MIB as u64);
        running.signal(signal);
        let ended = running.wait();
        match signal {
            Signal::KILL => ended.killed_by(signal),
            _ => ended.exits(130),
        };
        assert_eq!(plan.files(), [LEFT, "inbox/small.bin"], "round {round}");
    }
    proxy.set(|faults| faults.bandwidth = None);
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("2 done");
    assert_eq!(plan.files(), ["inbox/large.bin", "inbox/small.bin"]);
    assert!(plan.bytes("inbox/large.bin") == bytes(24 * MIB));
    proxy.bytes().1
}

#[test]
fn after_kills_in_the_middle_only_what_is_missing_is_fetched() {
    let Some(sshd) = sshd() else { return };
    // 40 MiB if each run began anew. A MiB of each is not yet recorded, and some was on its way.
    let came = broken_off(sshd, Signal::KILL);
    assert!(came < 34 * MIB as u64, "{came}");
}

#[test]
fn an_interrupt_leaves_what_came_of_a_large_file_and_the_next_run_fetches_the_rest() {
    let Some(sshd) = sshd() else { return };
    let came = broken_off(sshd, Signal::INT);
    assert!(came < 34 * MIB as u64, "{came}");
}

#[test]
fn a_file_that_is_another_by_the_next_run_is_fetched_anew() {
    let Some(sshd) = sshd() else { return };
    let (proxy, served, plan) = plan(sshd, &[("large.bin", 24 * MIB)], "");
    proxy.set(|faults| faults.bandwidth = Some(8 * MIB as u64));
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("4 MiB", || proxy.bytes().1 > 4 * MIB as u64);
    running.signal(Signal::KILL);
    running.wait();
    assert_eq!(plan.files(), [LEFT]);
    let other: Vec<u8> = bytes(24 * MIB).into_iter().rev().collect();
    served.file("large.bin", &other);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::open(served.local.join("large.bin")).unwrap().set_modified(later).unwrap();
    proxy.set(|faults| faults.bandwidth = None);
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert!(plan.bytes("inbox/large.bin") == other);
    assert_eq!(plan.files(), ["inbox/large.bin"]);
}

#[test]
fn a_slow_line_that_lives_is_waited_for_however_long_replies_stand_in_its_queue() {
    let Some(sshd) = sshd() else { return };
    let names: Vec<String> = (0..6).map(|n| format!("{n}.bin")).collect();
    let mut files: Vec<_> = names.iter().map(|name| (name.as_str(), 60_000)).collect();
    // One reply of its own takes longer than the line may be silent.
    files.push(("one-read.bin", 250_000));
    let more = "connections = 1\nretries = 0\ntimeout = { idle = \"3s\" }\n";
    let (proxy, _served, plan) = plan(sshd, &files, more);
    proxy.set(|faults| faults.bandwidth = Some(60_000));
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("7 items: 7 done");
    for (name, len) in files {
        assert!(plan.bytes(&format!("inbox/{name}")) == bytes(len), "{name}");
    }
}

#[test]
fn a_line_that_falls_silent_is_given_up() {
    let Some(sshd) = sshd() else { return };
    let (proxy, _served, plan) =
        plan(sshd, &[("large.bin", 4 * MIB)], "connections = 1\nretries = 0\ntimeout = { idle = \"2s\" }\n");
    proxy.set(|faults| faults.after = Some((MIB as u64, Break::Stall)));
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("1 timed out");
    assert_eq!(plan.files(), [LEFT]);
    proxy.set(|faults| faults.after = None);
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert!(plan.bytes("inbox/large.bin") == bytes(4 * MIB));
}

#[test]
fn of_a_log_that_grows_the_snapshot_is_taken() {
    let Some(sshd) = sshd() else { return };
    let (proxy, served, plan) = plan(sshd, &[("large.log", 8 * MIB)], "");
    let plan_text = plan.read("plan.toml");
    proxy.set(|faults| faults.bandwidth = Some(4 * MIB as u64));
    for (growing, code) in [("snapshot", 0), ("fail", 1)] {
        plan.write("plan.toml", format!("{plan_text}growing = \"{growing}\"\nretries = 0\n"));
        served.file("large.log", bytes(8 * MIB));
        let before = proxy.bytes().1;
        let mut running = plan.fanout(&["run", "plan.toml"]).start();
        running.until("2 MiB", || proxy.bytes().1 > before + 2 * MIB as u64);
        let mut log = std::fs::OpenOptions::new().append(true).open(served.local.join("large.log")).unwrap();
        std::io::Write::write_all(&mut log, b"one line more\n").unwrap();
        running.wait().exits(code);
    }
    assert!(plan.bytes("inbox/large.log") == bytes(8 * MIB), "the one of the first run");
}

#[test]
fn a_listing_on_a_slow_line_is_waited_for_behind_the_bytes_of_files() {
    let Some(sshd) = sshd() else { return };
    let more = "connections = 1\nretries = 0\ntimeout = { idle = \"3s\" }\n";
    let (proxy, served, plan) = plan(sshd, &[("large.bin", 700_000)], more);
    (0..300).for_each(|n| served.file(&format!("small/{n}"), b"small"));
    let remote = &served.remote;
    let text = plan.read("plan.toml").replace(&format!("{remote}/\""), &format!("{remote}/large.bin\""));
    // Its requests are to come when ten seconds of the file's bytes are on their way.
    let names = format!(
        "[jobs.later]\nsleep = \"1s\"\n[jobs.names]\nneeds = [\"later\"]\nsource = \"partner\"\nfetch = \"{remote}/small/*\"\noutput = \"small/\"\n"
    );
    plan.write("plan.toml", text + &names);
    proxy.set(|faults| faults.bandwidth = Some(60_000));
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("302 items: 302 done");
}
