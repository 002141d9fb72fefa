//! Servers that are odd, broken or hostile: each wrong is told as what it is, and none of it hangs, panics or passes.

use super::hostile::*;
use super::*;
use crate::gather::Advice;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;

fn content() -> Vec<u8> {
    (0..500_000u32).map(|index| (index * 7 + index / 256) as u8).collect()
}

/// Fetches a file of which `behave` may answer some requests in its own way.
async fn with(
    behave: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Result<Vec<u8>, SourceError> {
    let server = Hostile::start(move |asked| behave(asked).unwrap_or_else(|| asked.good(&content()))).await;
    get(&server.pool(), "/file").await
}

#[tokio::test]
async fn a_good_server_is_read_well() {
    assert!(with(|_| None).await.unwrap() == content());
}

#[tokio::test]
async fn short_replies_are_filled_up() {
    let calls = AtomicUsize::new(0);
    let bytes = with(move |asked| {
        let (offset, len) = (asked.kind == READ).then(|| asked.range())?;
        let content = content();
        let rest = content.get(offset..).filter(|rest| !rest.is_empty())?;
        let some = 1 + calls.fetch_add(1, SeqCst) * 7919 % 40_000;
        Some(asked.data(&rest[..some.min(len).min(rest.len())]))
    });
    assert!(bytes.await.unwrap() == content());
}

#[tokio::test]
async fn no_data_once_is_asked_again_and_twice_is_an_error() {
    let seen = Mutex::default();
    let once = with(move |asked| (asked.kind == READ && asked.is_first(&seen)).then(|| asked.data(b"")));
    assert!(once.await.unwrap() == content());
    let always = with(|asked| (asked.kind == READ).then(|| asked.data(b""))).await.unwrap_err();
    assert_eq!(always.code, "protocol");
    assert!(always.message.contains("no data and no end"), "{}", always.message);
}

#[tokio::test]
async fn more_data_than_asked_for_is_an_error() {
    let error = with(|asked| (asked.kind == READ).then(|| asked.data(&vec![7; asked.range().1 + 1]))).await;
    assert_eq!(error.unwrap_err().code, "protocol");
}

#[tokio::test]
async fn an_early_end_is_truncated() {
    let error = with(|asked| (asked.kind == READ && asked.range().0 >= 100_000).then(|| asked.status(1)));
    let error = error.await.unwrap_err();
    assert_eq!((error.code, error.advice), ("truncated", Advice::AGAIN));
    assert!(error.message.contains("of 500000 bytes"), "{}", error.message);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_an_error() {
    let stats = AtomicUsize::new(0);
    let touched = with(move |asked| {
        (asked.kind == FSTAT).then(|| asked.attrs(500_000, 100 + stats.fetch_add(1, SeqCst) as u32))
    });
    let error = touched.await.unwrap_err();
    assert_eq!((error.code, error.advice), ("changed", Advice::AGAIN));
    let shrunk = with(|asked| (asked.kind == FSTAT).then(|| asked.attrs(10, 100))).await.unwrap_err();
    assert_eq!(shrunk.code, "changed");
}

#[tokio::test]
async fn strange_status_codes_are_told_and_harm_nothing_else() {
    let server = Hostile::start(|asked| match asked.kind {
        OPEN if asked.body.ends_with(b"strange\0\0\0\x01\0\0\0\0") => asked.status(31),
        OPEN if asked.body.ends_with(b"bare\0\0\0\x01\0\0\0\0") => asked.packet(101, &[0, 0, 0, 2]),
        OPEN if asked.body.ends_with(b"unknown\0\0\0\x01\0\0\0\0") => asked.packet(77, b"what?"),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let strange = get(&pool, "strange").await.unwrap_err();
    assert!(strange.message.contains("words (status 31)"), "{}", strange.message);
    assert_eq!(get(&pool, "bare").await.unwrap_err().code, "not_found");
    let unknown = get(&pool, "unknown").await.unwrap_err();
    assert!(unknown.message.contains("unexpected packet of type 77"), "{}", unknown.message);
    assert_eq!(get(&pool, "fine").await.unwrap(), b"fine");
}

#[tokio::test]
async fn replies_find_their_requests_in_any_order() {
    // Reads are answered three at a time, the last first; an answer that nobody asked for comes along.
    let waiting: Mutex<Vec<Vec<u8>>> = Mutex::default();
    let bytes = with(move |asked| {
        let (offset, _) = (asked.kind == READ).then(|| asked.range())?;
        let mut waiting = waiting.lock().unwrap();
        waiting.push(asked.good(&content()));
        if waiting.len() < 3 && offset + 3 * 32 * 1024 < 500_000 && offset > 0 {
            return Some(Vec::new());
        }
        let stranger = Asked { kind: READ, id: 0xdead_beef, body: Vec::new(), connection: 0 }.data(b"stray");
        Some(waiting.drain(..).rev().chain([stranger]).flatten().collect())
    });
    assert!(bytes.await.unwrap() == content());
}

#[tokio::test]
async fn a_greeting_instead_of_sftp_is_told_and_final() {
    let error =
        with(|asked| (asked.kind == INIT).then(|| b"Welcome to ACME!\r\n".to_vec())).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_NEVER));
    assert!(error.message.contains("text (\"Welc\""), "{}", error.message);
}

#[tokio::test]
async fn nonsense_in_the_middle_ends_the_connection_and_the_next_use_has_a_new_one() {
    let calls = AtomicUsize::new(0);
    let server = Hostile::start(move |asked| match asked.kind {
        OPEN if calls.fetch_add(1, SeqCst) == 0 => vec![0xff; 100],
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let error = get(&pool, "file").await.unwrap_err();
    assert_eq!(error.advice, Advice::SOURCE_AGAIN);
    assert_eq!(get(&pool, "file").await.unwrap(), b"fine");
    assert_eq!(server.seen[0].load(SeqCst), 2);
}

#[tokio::test]
async fn a_channel_on_which_nothing_follows_is_lost_and_the_next_use_has_a_new_one() {
    let server = Hostile::start(|asked| match asked.connection {
        0 if asked.kind == OPEN => LAST_WORDS.to_vec(),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let first = tokio::time::timeout(Duration::from_secs(10), get(&pool, "/file")).await;
    let error = first.expect("it is not waited for an answer that can't come").unwrap_err();
    assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_AGAIN), "{error}");
    assert_eq!(get(&pool, "/file").await.unwrap(), b"fine");
}

#[tokio::test]
async fn a_server_that_has_no_sftp_for_a_second_connection_keeps_the_first() {
    let server = Hostile::start(|asked| match asked.kind {
        INIT if asked.connection > 0 => b"There were too many logins for 'somebody'.\r\n".to_vec(),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = Reach { connections: 2, ..server.reach("right") }.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let place = lease.others().next().unwrap();
    assert!(lease.another(place).await.is_none());
    assert_eq!(get(&pool, "/file").await.unwrap(), b"fine");
    assert_eq!(server.seen[0].load(SeqCst), 2);
}

/// A server with one folder of these names.
async fn folder(names: &'static [(&'static [u8], u32)]) -> Hostile {
    let told = AtomicUsize::new(0);
    Hostile::start(move |asked| match asked.kind {
        READDIR if told.fetch_add(1, SeqCst) == 0 => asked.names(names),
        STAT => asked.folder(),
        _ => asked.good(b"fine"),
    })
    .await
}

#[tokio::test]
async fn names_that_are_no_names_fail_as_items() {
    let server = folder(&[
        (b"good", FILE),
        (b".", FOLDER),
        (b"..", FOLDER),
        (b"../../etc/passwd", FILE),
        (b"a\\b", FILE),
        (b"nul\0", FILE),
        (b"bell\x07", FILE),
        (b"", FILE),
        (b"up/..", FOLDER),
    ])
    .await;
    let pool = server.pool();
    let entries = list(&pool, "/in/").await.unwrap();
    assert_eq!(entries.len(), 7, "{:?}", keys(&entries));
    let into = tempfile::tempdir().unwrap();
    let target = Folder::open(&into.path().join("deep/folder")).unwrap();
    let errors = fetch_all(&pool, &entries, 4, &target).await;
    assert_eq!(errors.len(), 6);
    assert!(errors.iter().all(|error| error.code == "name"), "{errors:?}");
    assert!(errors.iter().all(|error| !error.message.contains('\x07')), "{errors:?}");
    assert_eq!(std::fs::read_dir(into.path().join("deep/folder")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_tree_without_end_ends() {
    let seen = Mutex::default();
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => asked.names(&[(b"deeper", FOLDER)]),
        _ => asked.good(b""),
    });
    let entries = list(&server.await.pool(), "/tree/**/x").await.unwrap();
    let [entry] = &entries[..] else { panic!("{:?}", keys(&entries)) };
    let own = entry.own.as_ref().and_then(|own| own.downcast_ref::<Own>()).unwrap();
    let Own::Refused(error) = own else { panic!("it could be fetched") };
    assert!(error.message.contains("more than 64 folders deep"), "{}", error.message);
}

#[tokio::test]
async fn a_folder_that_may_not_be_read_fails_as_an_item() {
    let (opened, seen) = (AtomicUsize::new(0), Mutex::default());
    let server = Hostile::start(move |asked| match asked.kind {
        OPENDIR if opened.fetch_add(1, SeqCst) > 0 => asked.status(3),
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => asked.names(&[(b"locked", FOLDER), (b"open.csv", FILE)]),
        _ => asked.good(b""),
    });
    let entries = list(&server.await.pool(), "/in/**/*.csv").await.unwrap();
    assert_eq!(keys(&entries), ["/in/locked", "/in/open.csv"]);
}

#[tokio::test]
async fn types_that_a_server_does_not_tell_are_asked_for() {
    let seen = Mutex::default();
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if !asked.is_first(&seen) => asked.status(1),
        READDIR => {
            let bare = [
                string(b"bare"),
                string(b""),
                vec![0; 4],
                string(b"listed"),
                string(b"-rw-r--r-- 1"),
                vec![0; 4],
            ];
            asked.packet(104, &[&2u32.to_be_bytes()[..], &bare.concat()].concat())
        }
        LSTAT => asked.attrs(77, 5),
        _ => asked.good(b""),
    });
    let entries = list(&server.await.pool(), "/in/*").await.unwrap();
    assert_eq!(keys(&entries), ["/in/bare", "/in/listed"]);
    assert_eq!(entries[0].value["size"], 77);
}

/// A large file of zeros on a server to which more than one connection leads.
async fn large(behave: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> (Hostile, Arc<Pool>) {
    let zeros = vec![0; 64 << 20];
    let server = Hostile::start(move |asked| behave(asked).unwrap_or_else(|| asked.good(&zeros))).await;
    let pool = server.pool_of_two().await;
    (server, pool)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_may_be_opened_once_comes_over_one_connection() {
    let opens = AtomicUsize::new(0);
    let refuse =
        move |asked: &Asked| (asked.kind == OPEN && opens.fetch_add(1, SeqCst) > 0).then(|| asked.status(4));
    let (_server, pool) = large(refuse).await;
    let mut sink = Sink::Discard;
    fetch(&pool, b"/file", None, &mut sink).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_behind_another_connection_is_an_error() {
    let stats = AtomicUsize::new(0);
    let other = move |asked: &Asked| {
        (asked.kind == FSTAT).then(|| asked.attrs(64 << 20, 7 + stats.fetch_add(1, SeqCst).min(1) as u32))
    };
    let (_server, pool) = large(other).await;
    let error = fetch(&pool, b"/file", None, &mut Sink::Discard).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("changed", Advice::AGAIN));
}

#[tokio::test(flavor = "multi_thread")]
async fn further_connections_for_a_file_that_is_listed_as_large_are_not_kept_waiting_by_its_opening() {
    let server = Hostile::start(|asked| match asked.kind {
        OPEN => Vec::new(),
        _ => asked.good(b""),
    });
    let server = server.await;
    let pool = Reach { connections: 2, ..server.reach("right") }.pool();
    let logins = async {
        while server.seen[1].load(SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        got = get_bytes(&pool, b"/file", Some(64 << 20)) => panic!("{} of no bytes", got.unwrap().len()),
        come = tokio::time::timeout(Duration::from_secs(60), logins) => come.expect("a second login"),
    }
}
