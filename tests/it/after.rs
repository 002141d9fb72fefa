//! Files that leave an SFTP server once they are safe here: moved, deleted, and left where they are if they can't be. Not
//! here: what is looked at before that (`sources::sftp`).

use crate::support::plan::Plan;
use crate::support::proxy::Proxy;
use crate::support::sources::{events, know, partner};
use crate::support::sshd;
use crate::support::sshd::{Served, Sshd};
use fanout::gather::{EventKind, Reason};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Through a proxy with `port`, a job with these keys that fetches the files of a folder on the server.
fn inbox(sshd: &Sshd, served: &Served, port: u16, keys: &str) -> Plan {
    let keys = keys.replace("SERVED", &served.remote);
    let job = "[jobs.inbox]\nsource = \"partner\"\noutput = \"inbox/\"\n";
    let source = partner(sshd, &sshd.host, port);
    let fetch = format!("fetch = \"{}/out/**\"\n", served.remote);
    let plan = Plan::new(&format!("version = 1\n{source}{job}{fetch}{keys}\n"));
    know(&plan, &sshd.known_hosts_as(&sshd.host, port));
    plan
}

/// The files in a folder, by the paths below it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder_there) = open.pop() {
        for entry in fs::read_dir(folder_there).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}

const FILES: [&str; 3] = ["a.csv", "b.csv", "x/c.csv"];

fn all() -> BTreeSet<String> {
    FILES.map(str::to_owned).into()
}

#[test]
fn files_are_moved_below_a_folder_that_is_made_and_are_whole_here() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    FILES.iter().for_each(|file| served.file(&format!("out/{file}"), file.repeat(100)));
    let plan = inbox(sshd, &served, sshd.port, "after = { move = \"SERVED/done/${{ run.day }}/\" }");
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.exits(0).complains("3 items: 3 done").complains("3 new");
    assert_eq!((files(&plan.path("inbox")), files(&served.local.join("out"))), (all(), BTreeSet::new()));
    let day = fs::read_dir(served.local.join("done")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(files(&day), all());
    let events = events(&plan.bytes("log.jsonl"));
    let waits = events.iter().flat_map(|event| match &event.kind {
        EventKind::AttemptStarted { waits, .. } => waits.as_slice(),
        _ => &[],
    });
    assert_eq!(waits.filter(|wait| wait.reason == Reason::Sync).count(), 3, "each was synced before");
}

#[test]
fn files_are_deleted_and_what_can_not_be_is_a_failure_that_says_what_is_here() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    FILES.iter().for_each(|file| served.file(&format!("out/{file}"), file));
    let locked = served.local.join("out/x");
    fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    let plan = inbox(sshd, &served, sshd.port, "after = { delete = true }\nincremental = true");
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("3 items: 2 done, 1 failed");
    ended
        .complains("x/c.csv: delete: Permission denied")
        .complains("what was fetched is whole: inbox/x/c.csv");
    assert_eq!(files(&plan.path("inbox")), all());
    assert_eq!(files(&served.local.join("out")), ["x/c.csv".to_owned()].into());
    // It is not fetched again, and deleted as soon as that may be.
    fs::remove_file(plan.path("inbox/x/c.csv")).unwrap();
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("Permission denied; it was fetched in an earlier run");
    fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("1 unchanged");
    assert_eq!(files(&served.local.join("out")), BTreeSet::new());
    assert!(!plan.path("inbox/x/c.csv").exists());
}

#[test]
fn nothing_is_replaced_on_the_server() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("out/a.csv", "new");
    served.file("done/a.csv", "old");
    let plan = inbox(sshd, &served, sshd.port, "after = { move = \"SERVED/done/\" }");
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("done/a.csv is there already");
    assert_eq!(fs::read_to_string(served.local.join("done/a.csv")).unwrap(), "old");
    assert_eq!((files(&served.local.join("out")).len(), plan.read("inbox/a.csv")), (1, "new".to_owned()));
}

/// At every time each file is whole on the server or here, whatever the program was doing when it was killed.
#[test]
fn after_a_kill_no_file_is_lost_and_a_second_run_completes_it() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let name = |n: usize| format!("{n:04}.dat");
    let bytes = |n: usize| name(n).repeat(2000).into_bytes();
    (0..400).for_each(|n| served.file(&format!("out/{}", name(n)), bytes(n)));
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    proxy.set(|faults| faults.bandwidth = Some(600_000));
    let keys = "after = { delete = true }\nincremental = true\nconcurrency = 16";
    let plan = inbox(sshd, &served, proxy.address().port(), keys);
    let out = served.local.join("out");
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("some are gone", || files(&out).len() < 350);
    running.signal(Signal::KILL);
    running.wait().killed_by(Signal::KILL);
    let left = files(&out);
    assert!((1..400).contains(&left.len()), "{}", left.len());
    let is_here = |n: usize| fs::read(plan.path("inbox").join(name(n))).is_ok_and(|found| found == bytes(n));
    for n in (0..400).filter(|n| !left.contains(&name(*n))) {
        assert!(is_here(n), "{n} is neither there nor here");
    }
    proxy.set(|faults| faults.bandwidth = None);
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert_eq!(files(&out), BTreeSet::new());
    assert!((0..400).all(is_here));
}

#[test]
fn a_link_that_breaks_is_no_reason_to_fetch_again_or_to_fail() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    (0..200).for_each(|n| served.file(&format!("out/{n}.dat"), [7; 20_000]));
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    proxy.set(|faults| faults.bandwidth = Some(800_000));
    let plan =
        inbox(sshd, &served, proxy.address().port(), "after = { move = \"SERVED/done/\" }\nconcurrency = 8");
    let done = served.local.join("done");
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("some are moved", || files(&done).len() > 20);
    proxy.reset();
    proxy.set(|faults| faults.bandwidth = None);
    running.wait().exits(0).complains("200 items: 200 done");
    assert_eq!((files(&done).len(), files(&plan.path("inbox")).len()), (200, 200));
}

#[test]
fn a_comparison_moves_nothing_unless_it_is_told_to() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("out/a.csv", "a");
    let plan = inbox(sshd, &served, sshd.port, "after = { delete = true }");
    plan.fanout(&["compare", "plan.toml"]).run().exits(2).complains("changes something at its source");
    plan.fanout(&["run", "-n", "plan.toml"]).run().exits(0).prints("1 item of 1 job would run");
    assert_eq!(files(&served.local.join("out")).len(), 1);
}

#[test]
fn what_leaves_the_server_has_to_be_kept() {
    let head = "version = 1\n[sources.s]\nkind = \"sftp\"\nhost = \"h\"\n[jobs.j]\nsource = \"s\"\nfetch = \"/a/*\"\n";
    for (keys, why) in [
        ("after = { delete = true }", "`after` in a job without an `output`"),
        ("after = { delete = true }\noutput = { file = \"a.json\", join = true }", "`after` beside `join`"),
        ("after = { delete = true, move = \"x/\" }\noutput = \"o/\"", "moved or deleted, not both"),
        ("after = { move = \"/done\" }\noutput = \"o/\"", "would give all files one name"),
        ("durable = true", "`durable` in a job without an `output`"),
    ] {
        let plan = Plan::new(&format!("{head}{keys}\n"));
        plan.fanout(&["check", "plan.toml"]).run().exits(3).complains(why);
    }
}

#[test]
fn durable_outputs_wait_for_their_sync_without_a_slot() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    (0..100).for_each(|n| served.file(&format!("out/{}/{n}.dat", n % 7), [7; 20_000]));
    let plan = inbox(sshd, &served, sshd.port, "durable = true\nconcurrency = 1");
    plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run().exits(0).complains("100 new");
    assert_eq!(files(&plan.path("inbox")).len(), 100);
    let events = events(&plan.bytes("log.jsonl"));
    let waits = events.iter().flat_map(|event| match &event.kind {
        EventKind::ItemEnded { waits, .. } => waits.as_slice(),
        _ => &[],
    });
    assert_eq!(waits.filter(|wait| wait.reason == Reason::Sync).count(), 100);
    let started: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::AttemptStarted { item, .. } => Some(("started", item)),
            EventKind::ItemEnded { item, .. } => Some(("ended", item)),
            _ => None,
        })
        .collect();
    let early = started.windows(2).any(|pair| pair[0].0 == "started" && pair[1].0 == "started");
    assert!(early, "another one starts while one waits for its sync, though one may run at a time");
}
