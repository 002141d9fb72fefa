//! Which files a job takes from OpenSSH's server: what is not ready, what is left out, names of any bytes, names that are
//! given, folders of very many. Not here: the bytes of each (`fetch`), and servers that do wrong (`sources::sftp`).

use crate::support::log::Line;
use crate::support::plan::Plan;
use crate::support::process::give;
use crate::support::sources::{events, know, partner};
use crate::support::sshd;
use crate::support::sshd::{Served, Sshd};
use crate::support::{has_time, or_skip};
use fanout::gather::{Event, EventKind, JobNumber, Role};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// A plan of one job at a server, `jobs.files`, with these keys; `REMOTE` in them is the served folder.
fn plan(sshd: &Sshd, served: &Served, keys: &str) -> Plan {
    let plan = Plan::new(&toml(sshd, served, "", keys));
    know(&plan, &sshd.known_hosts());
    plan
}

fn toml(sshd: &Sshd, served: &Served, source: &str, keys: &str) -> String {
    let partner = partner(sshd, &sshd.host, sshd.port);
    let keys = keys.replace("REMOTE", &served.remote);
    format!("version = 1\n{partner}{source}[jobs.files]\nsource = \"partner\"\n{keys}\n")
}

fn set_age(path: &Path, age: Duration) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// The number of the job of this name.
fn job(events: &[Event], wanted: &str) -> JobNumber {
    let number = events.iter().find_map(|event| match &event.kind {
        EventKind::JobStarted { job, name, .. } if **name == *wanted => Some(*job),
        _ => None,
    });
    number.unwrap()
}

/// The jobs that are pages of a job's listing.
fn pages(events: &[Event], of: JobNumber) -> Vec<JobNumber> {
    let page = |event: &Event| match &event.kind {
        EventKind::JobStarted { job, role: Role::Pages, parent, .. } if *parent == Some(of) => Some(*job),
        _ => None,
    };
    events.iter().filter_map(page).collect()
}

/// Where in the log a job's attempts start, and where its items end.
fn starts_and_ends(events: &[Event], of: JobNumber) -> (Vec<usize>, Vec<usize>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for (at, event) in events.iter().enumerate() {
        match &event.kind {
            EventKind::AttemptStarted { job, .. } if *job == of => starts.push(at),
            EventKind::ItemEnded { job, .. } if *job == of => ends.push(at),
            _ => {}
        }
    }
    (starts, ends)
}

#[test]
fn what_is_not_ready_is_skipped_and_said_and_counts_as_not_there() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("a.csv", "a");
    served.file("b.csv", "b");
    let job = "fetch = \"REMOTE/*.csv\"\noutput = \"inbox/\"\nmin_age = \"1h\"\n";
    let plan = plan(sshd, &served, job);
    let none = plan.fanout(&["run", "plan.toml"]).run();
    none.exits(0).complains("nothing matched that is ready: 2 left out").complains("a.csv (written ");
    assert_eq!(plan.files(), [""; 0]);
    plan.fanout(&["run", "plan.toml", "--dry-run"]).run().exits(0).prints("not ready: written ");
    plan.write("plan.toml", toml(sshd, &served, "", &format!("{job}min_items = 2\n")));
    let few = plan.fanout(&["run", "plan.toml"]).run();
    few.exits(6).complains("0 items beside 2 not ready, and `min_items` asks for 2");
    set_age(&served.local.join("a.csv"), Duration::from_secs(7200));
    let one = plan.fanout(&["run", "plan.toml"]).run();
    one.exits(6).complains("2 items: 1 done, 1 skipped").complains("1 item beside 1 not ready");
    assert_eq!(plan.files(), ["inbox/a.csv"]);
}

#[test]
fn a_file_that_grows_while_it_is_watched_is_left_out() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("still.csv", "still");
    served.file("growing.csv", "g");
    let plan = plan(sshd, &served, "fetch = \"REMOTE/\"\noutput = \"inbox/\"\nstable_for = \"500ms\"");
    let over = Arc::new(AtomicBool::new(false));
    let (grows, growing) = (over.clone(), served.local.join("growing.csv"));
    let writer = std::thread::spawn(move || {
        while !grows.load(Ordering::Relaxed) {
            std::io::Write::write_all(&mut File::options().append(true).open(&growing).unwrap(), b"g")
                .unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    ended.exits(0).complains("2 items: 1 done, 1 skipped").complains("growing.csv (changed within 500ms)");
    assert_eq!(plan.files(), ["inbox/still.csv"]);
    // Nobody writes to it any more.
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("2 items: 2 done");
}

#[test]
fn a_listing_that_waits_holds_no_slot() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    (0..20).for_each(|n| served.file(&format!("a/{n}"), "a"));
    (0..20).for_each(|n| served.file(&format!("b/{n}"), "b"));
    let plan = plan(sshd, &served, "fetch = \"REMOTE/a/\"\nstable_for = \"2s\"");
    let other = format!("[jobs.others]\nsource = \"partner\"\nfetch = \"{}/b/\"\n", served.remote);
    let text = plan.read("plan.toml") + &other + "[limits]\nconcurrency = 1\n";
    plan.write("plan.toml", text);
    plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run().exits(0).complains("40 items: 40 done");
    let events = events(&plan.bytes("log.jsonl"));
    let pages = pages(&events, job(&events, "files"));
    let [first, .., last] = &pages[..] else { panic!("{pages:?}") };
    let looked = starts_and_ends(&events, *first).1[0];
    let looks_again = starts_and_ends(&events, *last).0[0];
    let (starts, ends) = starts_and_ends(&events, job(&events, "others"));
    assert_eq!(starts.len(), 20);
    let between = starts.iter().filter(|at| (looked..looks_again).contains(at)).count();
    assert!(between > 0, "nothing runs between the looks");
    assert!(ends.iter().all(|at| *at < looks_again), "the one place is free for all of the time");
}

#[test]
fn files_come_with_their_done_files_only_listed_or_named() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    for name in ["a.csv", "a.csv.done", "b.csv", "c.csv", "c.csv.done"] {
        served.file(name, name);
    }
    let done = "output = \"inbox/\"\ndone_file = \"${{ item.name }}.done\"";
    let plan = plan(sshd, &served, &format!("fetch = \"REMOTE/\"\n{done}"));
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(0).complains("3 items: 2 done, 1 skipped").complains("b.csv (no b.csv.done)");
    assert_eq!(plan.files(), ["inbox/a.csv", "inbox/c.csv"]);
    let named =
        "fetch = \"REMOTE/${{ item }}.csv\"\nfor_each = [\"a\", \"b\"]\noutput = \"named/${{ item }}\"\n";
    plan.write(
        "plan.toml",
        toml(sshd, &served, "", &format!("{named}done_file = \"${{{{ item }}}}.csv.done\"")),
    );
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.exits(0).complains("2 items: 1 done, 1 skipped");
    assert!(plan.read("log.jsonl").contains("not ready: no b.csv.done"));
    assert_eq!(plan.files().iter().filter(|file| file.starts_with("named")).count(), 1);
    let young = format!("{named}min_age = \"1h\"\nmin_items = 1");
    plan.write("plan.toml", toml(sshd, &served, "", &young));
    plan.fanout(&["run", "plan.toml"]).run().exits(6).complains("nothing matched that is ready: 2 left out");
}

#[test]
fn symlinks_are_followed_where_that_is_asked_for_and_said_where_they_lead_nowhere() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("data/a.csv", "a");
    served.file("in/b.csv", "b");
    for (to, from) in [("../data", "in/more"), ("../gone", "in/lost.csv"), ("..", "in/up")] {
        symlink(to, served.local.join(from)).unwrap();
    }
    let keys = "fetch = \"REMOTE/in/**/*.csv\"\noutput = \"inbox/\"\n";
    let plan = plan(sshd, &served, keys);
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(0).complains("1 item").complains("skipped symlink ");
    assert_eq!(plan.files(), ["inbox/b.csv"]);
    plan.write("plan.toml", toml(sshd, &served, "", &format!("{keys}symlinks = \"follow\"")));
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(0).complains("2 items: 2 done").complains("lost.csv, which leads nowhere");
    ended.complains("in/up, which leads to a folder that it lies in");
    assert_eq!(plan.files(), ["inbox/b.csv", "inbox/more/a.csv"]);
}

#[test]
fn of_two_files_of_one_name_in_a_flat_folder_the_later_fails_and_names_the_first() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("x/same.csv", "x");
    served.file("y/same.csv", "y");
    served.file("y/Same.csv", "other");
    let keys = "fetch = \"REMOTE/**/*.csv\"\noutput = \"inbox/\"\nflatten = true";
    let plan = plan(sshd, &served, keys);
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.exits(1).complains("3 items: 2 done, 1 failed");
    assert_eq!(plan.files(), ["inbox/Same.csv", "inbox/same.csv", "log.jsonl"]);
    let first = plan.read("inbox/same.csv");
    let failed = events(&plan.bytes("log.jsonl")).into_iter().find_map(|event| match event.kind {
        EventKind::AttemptEnded { error, .. } => error,
        _ => None,
    });
    let first = format!("files[{}/{first}/same.csv]", served.remote);
    assert_eq!(failed.unwrap(), format!("output inbox/same.csv is written by {first} already"));
}

#[test]
fn names_of_any_bytes_come_under_the_same_bytes_and_are_told_apart_everywhere() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let names: [&[u8]; 4] =
        [b"caf\xe9.csv", "caf\u{e9}.csv".as_bytes(), b"\xff\xfe.csv", b"na\xefve name.csv"];
    for name in names {
        let path = served.local.join(OsStr::from_bytes(name));
        fs::write(&path, name).unwrap();
        give(&path).unwrap();
    }
    // It is shown as the first one would be if its backslash were not.
    served.file("caf\\xe9.csv", "text");
    let plan = plan(sshd, &served, "fetch = \"REMOTE/*.csv\"\noutput = \"inbox/\"\nallow_failures = 1");
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.complains("5 items: 4 done, 1 failed");
    for name in names {
        let path = plan.path("inbox").join(OsStr::from_bytes(name));
        assert!(fs::read(path).unwrap() == name, "{name:?}");
    }
    let events = events(&plan.bytes("log.jsonl"));
    let files = job(&events, "files");
    let keys: BTreeSet<String> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ItemQueued { job, key, .. } if *job == files => {
                Some(key.as_deref().unwrap().to_owned())
            }
            _ => None,
        })
        .collect();
    let expected =
        ["caf\\\\xe9.csv", "caf\\xe9.csv", "caf\u{e9}.csv", "na\\xefve name.csv", "\\xff\\xfe.csv"];
    assert_eq!(keys, expected.map(|name| format!("{}/{name}", served.remote)).into());
}

#[test]
fn given_names_come_from_a_folder_that_may_not_be_listed() {
    // Its own, as the folders that are listed are counted.
    let Some(sshd) = &or_skip(Sshd::start(&[])) else { return };
    let served = sshd.serve();
    (0..50).for_each(|n| served.file(&format!("dark/{n}.csv"), n.to_string()));
    fs::set_permissions(served.local.join("dark"), fs::Permissions::from_mode(0o311)).unwrap();
    let keys =
        "fetch = \"REMOTE/dark/${{ item }}\"\nfor_each = { file = \"names.txt\" }\noutput = \"inbox/\"\n";
    let plan = plan(sshd, &served, keys);
    plan.write("names.txt", (0..50).map(|n| format!("{n}.csv\n")).collect::<String>());
    plan.write("plan.toml", toml(sshd, &served, "", &keys.replace("inbox/", "inbox/${{ item }}")));
    let mark = sshd.log.mark();
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("50 items: 50 done");
    assert_eq!(plan.files().iter().filter(|file| file.starts_with("inbox/")).count(), 50);
    assert_eq!(plan.read("inbox/7.csv"), "7");
    sshd.log.wait(mark, "the files", |_| sshd.opened(mark).len() == 50);
    assert_eq!(sshd.log.count(mark, "opendir"), 0);
    let listed = "fetch = \"REMOTE/dark/\"\noutput = \"inbox/\"\n";
    plan.write("plan.toml", toml(sshd, &served, "", listed));
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("Permission denied");
    let refused = |lines: &[Line]| lines.iter().any(|line| line.text.starts_with("opendir"));
    sshd.log.wait(mark, "the folder that is listed", refused);
}

#[test]
fn fetching_from_a_very_large_folder_starts_long_before_its_listing_ends() {
    let Some(sshd) = sshd() else { return };
    const MANY: usize = 20_000;
    let served = sshd.serve();
    for number in 0..MANY {
        fs::write(served.local.join(format!("{number}.csv")), b"").unwrap();
    }
    // What is fetched has the one place of the source as often as its listing has.
    let plan = Plan::new(&toml(sshd, &served, "concurrency = 1\n", "fetch = \"REMOTE/\""));
    know(&plan, &sshd.known_hosts());
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.exits(0).complains("20,000 items: 20,000 done");
    let events = events(&plan.bytes("log.jsonl"));
    let files = job(&events, "files");
    let pages = pages(&events, files);
    assert!(pages.len() >= MANY / 1000, "{}", pages.len());
    let (starts, ends) = starts_and_ends(&events, files);
    let last_page = starts_and_ends(&events, *pages.last().unwrap()).0[0];
    assert!(starts[0] < last_page, "nothing is fetched before the listing ends");
    // What is listed and not yet fetched is bounded, however large the folder.
    let mut waiting: (i64, i64) = (0, 0);
    for event in &events {
        match &event.kind {
            EventKind::ItemQueued { job, .. } if *job == files => waiting.0 += 1,
            EventKind::ItemEnded { job, .. } if *job == files => waiting.0 -= 1,
            _ => {}
        }
        waiting.1 = waiting.1.max(waiting.0);
    }
    assert!(waiting.1 <= 5000, "{} files were listed and not fetched", waiting.1);
    assert_eq!(ends.len(), MANY);
}

/// What a run of a folder of 100,000 files may take beside one of 25,000.
const MOST_MEMORY: usize = 32 << 20;

#[test]
fn a_folder_of_a_hundred_thousand_files_takes_no_more_memory_than_one_of_a_fourth() {
    if !has_time() {
        return;
    }
    // Its own, as it logs every file.
    let Some(sshd) = &or_skip(Sshd::start(&[])) else { return };
    let weigh = |many: usize, said: &str| {
        let served = sshd.serve();
        (0..many).for_each(|n| fs::write(served.local.join(format!("{n}.csv")), n.to_string()).unwrap());
        let plan = plan(sshd, &served, "fetch = \"REMOTE/\"\noutput = \"inbox/\"");
        let (ended, memory) = plan.fanout(&["run", "plan.toml"]).start().weigh();
        ended.exits(0).complains(said);
        fs::remove_dir_all(&served.local).unwrap();
        memory
    };
    // The waterfall has a row for each of the first 20,000.
    let few = weigh(25_000, "25,000 items: 25,000 done");
    let many = weigh(100_000, "100,000 items: 100,000 done");
    println!("{} MiB with few files, {} MiB with many", few >> 20, many >> 20);
    assert!(many < few + MOST_MEMORY, "{few} bytes with few files, {many} with many");
}
