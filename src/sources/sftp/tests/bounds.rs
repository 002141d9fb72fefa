//! Servers that never come to an end, or send what takes memory: all of it is bounded, and none of it keeps an attempt alive.

use super::super::codec::{Reply, Request};
use super::hostile::*;
use super::*;
use crate::gather::Advice;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const FILE: u32 = 0o100_644;

#[tokio::test]
async fn a_name_of_64_kib_fails_as_an_item() {
    let told = AtomicUsize::new(0);
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if told.fetch_add(1, SeqCst) == 0 => asked.names(&[
            (&[b'x'; 65_536], FILE),
            (b"short", FILE),
            (&[b'y'; 255], FILE),
            (&[b'z'; 256], FILE),
        ]),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let entries = list(&pool, "/in/").await.unwrap();
    assert_eq!(entries.len(), 4);
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    let refused = |entry: &&Entry| matches!(entry.own.as_ref().and_then(|own| own.downcast_ref::<Own>()), Some(Own::Refused(error)) if error.code == "name");
    assert_eq!(entries.iter().filter(refused).count(), 2);
    assert_eq!(fetch_all(&pool, &entries, 1, &folder).await.len(), 2);
    assert_eq!(std::fs::read_dir(into.path()).unwrap().count(), 2);
}

/// Reads a folder whose server says this to every READDIR, for so many pages.
async fn pages(
    most: usize,
    readdir: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
) -> Result<usize, SourceError> {
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR => readdir(asked),
        _ => asked.good(b""),
    });
    let server = server.await;
    let (pool, context) = (server.pool(), Context::detached());
    let choice = all(&pool);
    let mut walk = Walk::new(pool, Wanted::parse("/in/").unwrap(), choice);
    let mut entries = 0;
    for _ in 0..most {
        let page = walk.next_page(&context).await?;
        assert!(page.entries.len() <= 1000);
        entries += page.entries.len();
        if !page.more {
            break;
        }
    }
    Ok(entries)
}

/// A hundred names that no other call gave.
fn new_names(count: &AtomicU64) -> Vec<String> {
    (0..100).map(|_| format!("{}.csv", count.fetch_add(1, SeqCst))).collect()
}

#[tokio::test]
async fn a_folder_without_end_is_told_page_by_page_and_ends_all_the_same() {
    let count = AtomicU64::new(0);
    let endless = move |asked: &Asked| {
        let names = new_names(&count);
        asked.names(&names.iter().map(|name| (name.as_bytes(), FILE)).collect::<Vec<_>>())
    };
    let endless = Arc::new(endless);
    let some = endless.clone();
    assert_eq!(pages(3, move |asked| some(asked)).await.unwrap(), 3000);
    let error = pages(usize::MAX, move |asked| endless(asked)).await.unwrap_err();
    assert_eq!((error.code, error.advice), ("too_large", Advice::NEVER));
    assert!(error.message.contains("too many names"), "{error}");
}

#[tokio::test]
async fn a_folder_that_tells_the_same_names_for_ever_is_an_error() {
    let names: Vec<String> = (0..100).map(|n| format!("{n}.csv")).collect();
    let same = move |asked: &Asked| {
        asked.names(&names.iter().map(|name| (name.as_bytes(), FILE)).collect::<Vec<_>>())
    };
    let error = pages(usize::MAX, same).await.unwrap_err();
    assert_eq!(error.code, "protocol");
    assert!(error.message.contains("the same names again and again"), "{error}");
}

#[tokio::test]
async fn a_reply_without_names_is_the_folders_end() {
    assert_eq!(pages(usize::MAX, |asked| asked.names(&[])).await.unwrap(), 0);
}

#[tokio::test]
async fn extended_attributes_are_passed_over() {
    // Size, permissions, times, and one extended attribute.
    let attrs = |size: u64| {
        let fields = [FILE, 7, 7, 1].map(u32::to_be_bytes).concat();
        [
            &0x8000_000du32.to_be_bytes()[..],
            &size.to_be_bytes(),
            &fields,
            &string(b"acl@example"),
            &string(b"\0\xff"),
        ]
        .concat()
    };
    let told = AtomicUsize::new(0);
    let server = Hostile::start(move |asked| match asked.kind {
        READDIR if told.fetch_add(1, SeqCst) == 0 => {
            let names = [string(b"a"), string(b"-"), attrs(4), string(b"b"), string(b"-"), attrs(4)].concat();
            asked.packet(104, &[&2u32.to_be_bytes()[..], &names].concat())
        }
        FSTAT => asked.packet(105, &attrs(4)),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let entries = list(&pool, "/in/").await.unwrap();
    assert_eq!((keys(&entries), &entries[0].value["size"]), (vec!["/in/a", "/in/b"], &4.into()));
    assert_eq!(get(&pool, "/in/a").await.unwrap(), b"fine");
}

#[tokio::test]
async fn packets_that_are_too_large_end_the_connection_and_the_next_use_has_a_new_one() {
    let oversize =
        |asked: &Asked| [&(2u32 << 20).to_be_bytes()[..], &[103], &asked.id.to_be_bytes()].concat();
    let long_data = |asked: &Asked| asked.packet(103, &[&9u32.to_be_bytes()[..], b"fine"].concat());
    let long_handle = |asked: &Asked| asked.packet(102, &string(&[7; 100_000]));
    for (kind, answer) in [
        (READ, Box::new(oversize) as Box<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>),
        (READ, Box::new(long_data)),
        (OPEN, Box::new(long_handle)),
    ] {
        let server = Hostile::start(move |asked| match asked.connection {
            0 if asked.kind == kind => answer(asked),
            _ => asked.good(b"fine"),
        });
        let server = server.await;
        let pool = server.pool();
        let error = get(&pool, "/file").await.unwrap_err();
        assert_eq!((error.code, error.advice), ("connect", Advice::SOURCE_AGAIN), "{error}");
        assert_eq!(get(&pool, "/file").await.unwrap(), b"fine");
    }
}

#[tokio::test]
async fn no_more_files_are_open_than_half_of_what_a_server_bears_once_it_said_so() {
    for (bears, most) in [(20, 10), (1, 1), (400, 200), (10_000, 512)] {
        let server = Hostile::start(move |asked| match asked.kind {
            INIT => {
                let body = [&3u32.to_be_bytes()[..], &string(b"limits@openssh.com"), &string(b"1")].concat();
                [&(body.len() as u32 + 1).to_be_bytes()[..], &[2], &body].concat()
            }
            EXTENDED => asked.packet(201, &[262_144u64, 50_000, 0, bears].map(u64::to_be_bytes).concat()),
            _ => asked.good(b"fine"),
        });
        let server = server.await;
        let (pool, context) = (server.pool(), Context::detached());
        let lease = pool.lease(&context).await.unwrap();
        // All that there are before it is known.
        let mut taken = Vec::new();
        while lease.handles().available_permits() > 0 {
            taken.push(lease.slot(&context).await);
        }
        while lease.read_len() != 50_000 {
            let _ = lease.ask(Request::Stat(b"/"), Default::default()).await;
        }
        drop(taken);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lease.handles().available_permits(), most, "of {bears}");
    }
}

#[tokio::test]
async fn what_nobody_asked_for_keeps_nobody_alive() {
    let server = Hostile::start(|asked| match asked.kind {
        READ => {
            let stray = Asked { kind: READ, id: 0xdead_beef, body: Vec::new(), connection: 0 };
            let mut flood = stray.data(&[7; 1000]).repeat(1000);
            // The beginning of one more, of which the rest comes with the next answer.
            flood.extend(
                [&2000u32.to_be_bytes()[..], &[103], &0xdead_beefu32.to_be_bytes(), &1991u32.to_be_bytes()]
                    .concat(),
            );
            flood
        }
        FSTAT => [vec![0; 1991], asked.good(b"fine")].concat(),
        _ => asked.good(b"fine"),
    });
    let server = server.await;
    let pool = server.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let (reply, _) = lease.ask(Request::Open(b"/file"), Default::default()).await.unwrap();
    let Reply::Handle(handle) = reply else { panic!("{reply:?}") };
    let before = lease.heard();
    let read = lease.ask(Request::Read { handle: &handle, offset: 0, len: 100 }, Default::default());
    lease.ask(Request::Fstat(&handle), Default::default()).await.unwrap();
    assert!(lease.heard() - before <= 2, "the answer to FSTAT alone, in two pieces at most");
    drop(read);
}

/// Connects to a server that says `begin` and then `rest` for ever, and never listens.
async fn garbage(begin: &'static [u8], rest: &'static [u8]) -> SourceError {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(begin).await;
                while !rest.is_empty() && stream.write_all(rest).await.is_ok() {}
                let _ = stream.read(&mut [0; 1000]).await;
            });
        }
    });
    let server = Hostile::start(|asked| asked.good(b"")).await;
    let mut reach = server.reach("right");
    reach.port = port;
    let error = get(&reach.pool(), "/file").await.unwrap_err();
    task.abort();
    error
}

#[tokio::test]
async fn a_greeting_that_is_no_ssh_is_told_and_no_greeting_is_read_for_ever() {
    for (begin, rest) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &b""[..]),
        (b"", b"Welcome to the machine\r\n"),
        (b"", b"no end of this line"),
        (b"", &[0xff, 0xfb, 0x00, 0x03]),
        (b"SSH-1.5-ancient\r\n", b""),
        (b"SSH-2.0-liar\r\n", &[0xff; 64]),
    ] {
        let error = garbage(begin, rest).await;
        assert_eq!((error.code, error.advice.source), ("connect", true), "{error}");
        assert!(error.message.len() < 500, "{error}");
    }
}
