//! Which files are taken: what is left out, what is followed, and what is not ready yet. Against OpenSSH, and where it
//! matters what is asked, against servers of the tests' own.

use super::super::beside::Beside;
use super::super::error::{shown, unshown};
use super::super::ready::Gate;
use super::hostile::*;
use super::sshd::Sshd;
use super::*;
use crate::expr::Template;
use std::fs::{self, File as LocalFile};
use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::SystemTime;

const FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;

/// A choice by this gate.
fn through(pool: &Arc<Pool>, gate: Gate) -> Choice {
    let scope = Scope::new(Arc::new(Globals::default()));
    Choice { waiting: Waiting::new(pool.clone(), Arc::new(gate), scope), ..all(pool) }
}

fn excluding(pool: &Arc<Pool>, patterns: &[&str]) -> Choice {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Choice { excluded: Excluded::parse(&patterns).unwrap(), ..all(pool) }
}

fn done(name: &str) -> Gate {
    let done_file = Some(Beside::read("done_file", Template::parse(name).unwrap()).unwrap());
    Gate { done_file, ..Gate::default() }
}

/// The names below a folder, sorted, each with why it is not ready.
fn told(entries: &[Entry], folder: &str) -> Vec<(String, String)> {
    let name = |entry: &Entry| entry.key.strip_prefix(folder).unwrap().to_owned();
    let why = |entry: &Entry| entry.not_ready.as_deref().unwrap_or_default().to_owned();
    let mut told: Vec<_> = entries.iter().map(|entry| (name(entry), why(entry))).collect();
    told.sort();
    told
}

/// The names of what is ready.
fn ready(entries: &[Entry], folder: &str) -> Vec<String> {
    told(entries, folder).into_iter().filter(|(_, why)| why.is_empty()).map(|(name, _)| name).collect()
}

/// Makes files, with their folders.
fn make(sshd: &Sshd, names: &[&str]) {
    for name in names {
        fs::create_dir_all(PathBuf::from(sshd.data(name)).parent().unwrap()).unwrap();
        fs::write(sshd.data(name), name).unwrap();
    }
}

fn set_age(path: &str, age: i64) {
    let now = SystemTime::now();
    let seconds = Duration::from_secs(age.unsigned_abs());
    let time = if age < 0 { now + seconds } else { now - seconds };
    LocalFile::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_young_or_of_the_future_is_not_ready() {
    let Some(sshd) = Sshd::start("") else { return };
    make(&sshd, &["old.csv", "young.csv", "future.csv"]);
    for (name, age) in [("old.csv", 3700), ("young.csv", 10), ("future.csv", -7000)] {
        set_age(&sshd.data(name), age);
    }
    let pool = sshd.reach().pool();
    let gate = || Gate { min_age: Some(Duration::from_secs(3600)), ..Gate::default() };
    let entries = list_some(&pool, &sshd.data("*.csv"), through(&pool, gate())).await.unwrap();
    let told = told(&entries, &sshd.data(""));
    assert_eq!(ready(&entries, &sshd.data("")), ["old.csv"]);
    assert!(told[0].1.contains("ahead of this machine's clock"), "{told:?}");
    assert!(told[2].1.starts_with("written 1"), "{told:?}");
    // A path that is named is looked at, too.
    let young = list_some(&pool, &sshd.data("young.csv"), through(&pool, gate())).await.unwrap();
    assert!(young[0].not_ready.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_its_done_file_is_not_ready_and_done_files_are_not_taken() {
    let Some(sshd) = Sshd::start("") else { return };
    make(&sshd, &["a.csv", "a.csv.done", "b.csv", "day/c.csv", "day/c.csv.done"]);
    for name in [&b"caf\xe9.csv"[..], b"caf\xe9.csv.done"] {
        fs::write(sshd.path("data").join(OsStr::from_bytes(name)), b"bytes").unwrap();
    }
    let pool = sshd.reach().pool();
    let gate = done("${{ item.name }}.done");
    let entries = list_some(&pool, &sshd.data("**/*"), through(&pool, gate)).await.unwrap();
    let told = told(&entries, &sshd.data(""));
    let expected = [("a.csv", ""), ("b.csv", "no b.csv.done"), ("caf\\xe9.csv", ""), ("day/c.csv", "")];
    assert_eq!(told, expected.map(|(name, why)| (name.to_owned(), why.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_done_file_may_be_for_all_of_a_folder_and_is_asked_for_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, seen) = (asked.clone(), Mutex::default());
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => asked.names(&[(b"a", FILE), (b"b", FILE), (b"_SUCCESS", FILE), (b"c", FILE)]),
        STAT if asked.body.ends_with(b"/in/_SUCCESS") => {
            counted.fetch_add(1, SeqCst);
            asked.attrs(0, 1)
        }
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let entries = list_some(&pool, "/in/*", through(&pool, done("_SUCCESS"))).await.unwrap();
    assert_eq!(ready(&entries, "/in/"), ["a", "b", "c"]);
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_between_two_looks_is_not_ready() {
    let seen = Mutex::default();
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => {
            let names = ["same", "grown", "touched", "gone", "locked", "folder"];
            asked.names(&names.map(|name| (name.as_bytes(), FILE)))
        }
        LSTAT => asked.attrs(100, 1),
        STAT if asked.body.ends_with(b"grown") => asked.attrs(101, 1),
        STAT if asked.body.ends_with(b"touched") => asked.attrs(100, 2),
        STAT if asked.body.ends_with(b"gone") => asked.status(2),
        STAT if asked.body.ends_with(b"locked") => asked.status(3),
        STAT if asked.body.ends_with(b"folder") => asked.folder(),
        STAT => asked.attrs(100, 1),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let gate = Gate { stable_for: Some(Duration::from_millis(20)), ..Gate::default() };
    let entries = list_some(&pool, "/in/*", through(&pool, gate)).await.unwrap();
    let told = told(&entries, "/in/");
    let whys: Vec<_> = told.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let changed = ["changed within 20ms", "gone within 20ms"];
    assert_eq!(
        whys[1..4],
        [format!("gone: {}", changed[1]), format!("grown: {}", changed[0]), "locked: ".into()]
    );
    assert_eq!(whys[4..], ["same: ".to_owned(), format!("touched: {}", changed[0])]);
    let refused = |entry: &&Entry| {
        let own = entry.own.as_ref().and_then(|own| own.downcast_ref::<Own>());
        matches!(own, Some(Own::Refused(_)))
    };
    // What can't be asked about fails: nobody knows whether it is whole. So does what is no file any more.
    let failed: Vec<_> = entries.iter().filter(refused).map(|entry| &*entry.key).collect();
    assert_eq!(failed, ["/in/locked", "/in/folder"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_says_how_long_there_is_nothing_to_ask_and_gives_what_is_decided() {
    let Some(sshd) = Sshd::start("") else { return };
    make(&sshd, &["a.csv", "b.csv"]);
    set_age(&sshd.data("a.csv"), 100);
    let pool = sshd.reach().pool();
    let hour = Duration::from_secs(3600);
    let gate = Gate { min_age: Some(Duration::from_secs(50)), stable_for: Some(hour), ..Gate::default() };
    let wanted = Wanted::parse(&sshd.data("*.csv")).unwrap();
    let mut walk = Walk::new(pool.clone(), wanted, through(&pool, gate));
    assert_eq!(walk.pause(), Duration::ZERO, "the first page is asked for at once");
    let page = walk.next_page(&Context::detached()).await.unwrap();
    // What is too young is known at once; the other waits.
    assert_eq!(told(&page.entries, &sshd.data("")).len(), 1);
    assert!(page.entries[0].not_ready.is_some() && page.more);
    assert!(walk.pause() > hour - Duration::from_secs(600), "{:?}", walk.pause());
    let page = walk.next_page(&Context::detached()).await.unwrap();
    assert!(page.entries.is_empty() && page.more, "it is too early");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_excluded_is_left_out_and_a_folder_of_it_is_not_listed() {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let (told, seen) = (opened.clone(), Mutex::default());
    let server = Hostile::start(move |asked| match asked.kind {
        OPENDIR => {
            told.lock().unwrap().push(String::from_utf8_lossy(&asked.body[4..]).into_owned());
            asked.packet(102, &asked.body)
        }
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR if asked.body.ends_with(b"/in") => {
            asked.names(&[(b"a.csv", FILE), (b"a.tmp", FILE), (b"archive", FOLDER), (b"day", FOLDER)])
        }
        READDIR => asked.names(&[(b"b.csv", FILE), (b"b.tmp", FILE), (b"old.csv", FILE)]),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let choice = excluding(&pool, &["*.tmp", "archive/", "day/old.*"]);
    let entries = list_some(&pool, "/in/", choice).await.unwrap();
    assert_eq!(ready(&entries, "/in/"), ["a.csv", "day/b.csv"]);
    assert_eq!(*opened.lock().unwrap(), ["/in", "/in/day"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_symlinks_are_what_they_lead_to_and_loops_end() {
    let Some(sshd) = Sshd::start("") else { return };
    make(&sshd, &["in/a.csv", "in/day/b.csv", "away/far/c.csv", "away/d.txt"]);
    for (to, from) in [
        ("away/far/c.csv", "in/file.csv"),
        ("away", "in/folder"),
        ("in", "in/day/up"),
        ("in/day", "in/day/self"),
        ("in", "away/far/back"),
        ("nowhere", "in/dangling.csv"),
        ("in/circle.csv", "in/circle.csv"),
    ] {
        symlink(sshd.data(to), sshd.data(from)).unwrap();
    }
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, sshd.data("away/pipe"), fifo, 0o600.into(), 0).unwrap();
    symlink(sshd.data("away/pipe"), sshd.data("in/pipe.csv")).unwrap();
    let pool = sshd.reach().pool();
    let follow = |patterns: &[&str]| Choice { follows: Some(100), ..excluding(&pool, patterns) };
    let found = async |pattern: &str, without: &[&str]| {
        let entries = list_some(&pool, &sshd.data(pattern), follow(without)).await.unwrap();
        assert!(entries.iter().all(|entry| entry.fingerprint.is_some()), "{:?}", keys(&entries));
        ready(&entries, &sshd.data("in/"))
    };
    assert_eq!(found("in/**/*.csv", &[]).await, ["a.csv", "day/b.csv", "file.csv", "folder/far/c.csv"]);
    assert_eq!(found("in/*.csv", &[]).await, ["a.csv", "file.csv"]);
    assert_eq!(found("in/*/*.txt", &[]).await, ["folder/d.txt"]);
    assert_eq!(found("in/**/*.csv", &["folder/"]).await, ["a.csv", "day/b.csv", "file.csv"]);
    let entries = list_some(&pool, &sshd.data("in/folder/**/*.csv"), follow(&[])).await.unwrap();
    // The base may be a symlink, and then it is not in the folder that leads to it.
    let far = ["far/back/a.csv", "far/back/day/b.csv", "far/back/file.csv", "far/c.csv"];
    assert_eq!(ready(&entries, &sshd.data("in/folder/")), far);
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    let entries = list_some(&pool, &sshd.data("in/file*"), follow(&[])).await.unwrap();
    assert_eq!(fetch_all(&pool, &entries, 1, &folder).await, []);
    assert_eq!(fs::read(into.path().join("file.csv")).unwrap(), b"away/far/c.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn symlinks_that_lead_to_ever_more_folders_end_the_listing() {
    // Each folder has a symlink to another one, which is new every time.
    let (number, seen) = (AtomicUsize::new(0), Mutex::default());
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => asked.names(&[(b"one", 0o120_777), (b"two", 0o120_777), (b"three", 0o120_777)]),
        REALPATH => asked.names(&[(format!("/{}", number.fetch_add(1, SeqCst)).as_bytes(), FOLDER)]),
        STAT => asked.folder(),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let choice = Choice { follows: Some(100), ..all(&pool) };
    let error = list_some(&pool, "/in/**/*.csv", choice).await.unwrap_err();
    assert!(error.message.contains("more than 100 symlinks"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_listing_has_a_fingerprint_also_where_the_server_tells_names_alone() {
    let seen = Mutex::default();
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => asked.names(&[(b"a", FILE), (b"b", FILE)]),
        LSTAT => asked.attrs(7, 8),
        _ => asked.good(b"fine"),
    });
    let entries = list(&server.await.pool(), "/in/*").await.unwrap();
    let fingerprints: Vec<_> = entries.iter().map(|entry| entry.fingerprint.as_deref()).collect();
    assert_eq!(fingerprints, [Some("7 bytes at 8"); 2]);
    let Some(sshd) = Sshd::start("") else { return };
    make(&sshd, &["a.csv", "day/b.csv"]);
    let pool = sshd.reach().pool();
    for path in ["", "**/*.csv", "a.csv"] {
        let entries = list(&pool, &sshd.data(path)).await.unwrap();
        assert!(!entries.is_empty() && entries.iter().all(|entry| entry.fingerprint.is_some()), "{path}");
    }
}

#[test]
fn no_two_names_are_shown_alike_and_each_can_be_read_back() {
    let names: [&[u8]; 8] = [
        b"caf\xe9",
        b"caf\\xe9",
        "caf\u{e9}".as_bytes(),
        "cafe\u{301}".as_bytes(),
        b"caf\\\\xe9",
        b"\xff\xfe\\",
        "\u{202e}\\u{202e}\n".as_bytes(),
        b"plain name.csv",
    ];
    let texts: std::collections::BTreeSet<String> = names.iter().map(|name| shown(name)).collect();
    assert_eq!(texts.len(), names.len(), "{texts:?}");
    for name in names {
        assert_eq!(unshown(&shown(name)), name);
    }
}
