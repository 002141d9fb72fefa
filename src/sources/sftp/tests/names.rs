//! What a listing holds of what servers send that tell as much as they can: how many replies, and how much memory.

use super::super::codec::{MAX_PACKET, Request};
use super::hostile::*;
use super::*;
use crate::gather::Advice;
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};

const FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;
/// Pages that are read: more than the names of eight folders that are taken at once, so that what comes next is asked for.
const PAGES: usize = 30;

/// A server whose folder `/in` holds eight folders, in each of which every reply is as full of names as it may be. Counts the
/// READDIRs of those.
async fn full() -> (Hostile, Arc<AtomicUsize>) {
    let mut body = Vec::new();
    let mut count = 0u32;
    while body.len() < MAX_PACKET - 40 {
        body.extend([string(format!("{count:x}").as_bytes()), string(b"-"), vec![0; 4]].concat());
        count += 1;
    }
    let body = [&count.to_be_bytes()[..], &body].concat();
    let folders: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let (top, told, asked_for) = (AtomicU32::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let counted = asked_for.clone();
    let server = Hostile::start(move |asked| match asked.kind {
        OPENDIR if asked.body.ends_with(b"/in") => {
            top.store(asked.id, SeqCst);
            asked.handle()
        }
        READDIR if !asked.body.ends_with(&top.load(SeqCst).to_be_bytes()) => {
            counted.fetch_add(1, SeqCst);
            asked.packet(104, &body)
        }
        READDIR if told.fetch_add(1, SeqCst) == 0 => {
            asked.names(&folders.iter().map(|name| (name.as_bytes(), FOLDER)).collect::<Vec<_>>())
        }
        _ => asked.good(b""),
    });
    (server.await, asked_for)
}

/// Reads some pages, and waits until all has arrived that was asked for meanwhile.
async fn read_some(pool: &Arc<Pool>) -> Walk {
    let context = Context::detached();
    let mut walk = Walk::new(pool.clone(), Wanted::parse("/in/").unwrap(), all(pool));
    for _ in 0..PAGES {
        assert!(walk.next_page(&context).await.unwrap().more);
    }
    // The server answers one after the other.
    let lease = pool.lease(&context).await.unwrap();
    lease.ask(Request::Stat(b"/"), Default::default()).await.unwrap();
    walk
}

#[tokio::test]
async fn no_more_names_are_asked_for_ahead_than_there_is_room_for() {
    let (server, asked_for) = full().await;
    let pool = server.pool();
    let walk = read_some(&pool).await;
    let asked_for = asked_for.load(SeqCst);
    // 64 replies of the longest, and one for each folder.
    assert!((40..=72).contains(&asked_for), "{asked_for}");
    assert!(pool.names_left() < MAX_PACKET);
    drop(walk);
    assert_eq!(pool.names_left(), 64 * MAX_PACKET, "all room is given back");
}

#[tokio::test]
async fn names_hold_no_more_room_than_they_take() {
    let server = Hostile::start(|asked| match asked.kind {
        READDIR => asked.names(&[(b"one", FILE)]),
        _ => asked.good(b""),
    });
    let server = server.await;
    let pool = server.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..1000 {
        let room = lease.room_for_names().expect("room for another");
        held.push(lease.ask(Request::Readdir(b"handle"), room).await.unwrap());
    }
    assert_eq!(pool.names_left(), 64 * MAX_PACKET - 1000 * "....one....flagmode".len());
}

/// Where the server of a test's own is, for the test in a process of its own.
const SERVER: &str = "FANOUT_TEST_FULL_SERVER";
/// What a listing may take beside what is taken once logged in.
const MOST_MEMORY: usize = 72 << 20;

/// The most memory that this process ever had.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_takes_little_memory_whatever_its_server_tells() {
    if let Ok(server) = std::env::var(SERVER) {
        let (port, fingerprint) = server.split_once(' ').unwrap();
        let pool = reach(port.parse().unwrap(), fingerprint, "right").pool();
        drop(pool.lease(&Context::detached()).await.unwrap());
        let before = peak();
        let walk = read_some(&pool).await;
        let grown = peak() - before;
        drop(walk);
        println!("{} MiB", grown >> 20);
        assert!(grown < MOST_MEMORY, "{} MiB", grown >> 20);
        return;
    }
    let (server, _) = full().await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    let name = format!("{}::a_listing_takes_little_memory_whatever_its_server_tells", module_path!());
    let (_, name) = name.split_once("::").unwrap();
    child
        .args(["--exact", name, "--nocapture"])
        .env(SERVER, format!("{} {}", server.port, server.fingerprint));
    let ended = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{ended:?}");
    println!("{said}");
}

#[tokio::test]
async fn an_answer_that_is_longer_than_it_can_be_is_dropped_at_once() {
    let long = [b'x'; 100_000];
    type Answer = Box<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;
    let answers: [Answer; 3] = [
        Box::new(move |asked| asked.data(&long)),
        Box::new(move |asked| asked.names(&[(&long, FILE)])),
        Box::new(move |asked| asked.packet(201, &long)),
    ];
    for answer in answers {
        let server = Hostile::start(move |asked| match asked.kind {
            STAT => answer(asked),
            _ => asked.good(b"fine"),
        });
        let server = server.await;
        let error = list(&server.pool(), "/in").await.unwrap_err();
        assert_eq!((error.code, error.advice), ("protocol", Advice::NEVER));
        assert!(error.message.ends_with("an answer that is too long"), "{error}");
    }
}

#[tokio::test]
async fn of_a_folder_that_lies_deep_few_names_are_taken_at_once() {
    let (server, _) = full().await;
    let (pool, context) = (server.pool(), Context::detached());
    // Folders of very many short names below a path of 4,000 bytes.
    let path = format!("/{}/in/", "x".repeat(4000));
    let mut walk = Walk::new(pool.clone(), Wanted::parse(&path).unwrap(), all(&pool));
    for _ in 0..20 {
        let entries = walk.next_page(&context).await.unwrap().entries;
        let bytes: usize = entries.iter().map(|entry| entry.key.len()).sum();
        assert!(bytes < 3 << 20, "{} names, {bytes} bytes", entries.len());
    }
}

#[tokio::test]
async fn the_paths_of_folders_that_are_to_be_read_take_no_more_room_than_there_is_for_them() {
    let seen = std::sync::Mutex::default();
    let names: Vec<String> = (0..500).map(|n| format!("{n:0>250}")).collect();
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => asked.names(&names.iter().map(|name| (name.as_bytes(), FOLDER)).collect::<Vec<_>>()),
        _ => asked.good(b""),
    });
    let error = list(&server.await.pool(), "/in/").await.unwrap_err();
    assert_eq!((error.code, error.advice), ("too_large", Advice::NEVER));
    assert!(error.message.contains("bytes of paths of folders"), "{error}");
}

#[tokio::test]
async fn a_page_of_long_paths_ends_early() {
    let name = |n: usize| format!("{n:0>60000}");
    let told = AtomicUsize::new(0);
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR => match told.fetch_add(1, SeqCst) {
            200.. => asked.status(1),
            n => asked.names(&[(name(n).as_bytes(), FILE)]),
        },
        _ => asked.good(b""),
    });
    let server = server.await;
    let (pool, context) = (server.pool(), Context::detached());
    let mut walk = Walk::new(pool.clone(), Wanted::parse("/in/").unwrap(), all(&pool));
    let (mut pages, mut entries) = (0, 0);
    loop {
        let page = walk.next_page(&context).await.unwrap();
        (pages, entries) = (pages + 1, entries + page.entries.len());
        if !page.more {
            break;
        }
    }
    assert_eq!(entries, 200);
    assert!((10..20).contains(&pages), "{pages}");
}
