//! Against OpenSSH.

use super::super::codec::{Reply, Request};
use super::sshd::Sshd;
use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// Bytes that differ from file to file and from place to place.
fn content(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|index| (index.wrapping_mul(31).wrapping_add(seed * 7 + index / 251)) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_small_files_come_byte_for_byte() {
    let Some(sshd) = Sshd::start("") else { return };
    for number in 0..2000 {
        fs::write(sshd.data(&format!("{number}.bin")), content(number, 16 * 1024)).unwrap();
    }
    let pool = sshd.reach().pool();
    let entries = list(&pool, &sshd.data("*.bin")).await.unwrap();
    assert_eq!(entries.len(), 2000);
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    assert_eq!(fetch_all(&pool, &entries, 256, &folder).await, []);
    for number in 0..2000 {
        let name = format!("{number}.bin");
        assert!(fs::read(into.path().join(&name)).unwrap() == content(number, 16 * 1024), "{name} differs");
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_files_are_open_at_once_on_one_connection() {
    let Some(sshd) = Sshd::start("") else { return };
    fs::write(sshd.data("one"), b"content").unwrap();
    let mut reach = sshd.reach();
    reach.connections = 1;
    let pool = reach.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let path = sshd.data("one");
    let open = || lease.ask(Request::Open(path.as_bytes()), Default::default());
    let answers = futures_util::future::join_all((0..500).map(|_| open())).await;
    let handles: Vec<_> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok((Reply::Handle(handle), _)) => handle,
            other => panic!("{:?}", other.map(|(reply, _)| reply)),
        })
        .collect();
    for handle in &handles {
        let read = Request::Read { handle, offset: 0, len: 100 };
        let (reply, _) = lease.ask(read, Default::default()).await.unwrap();
        let Reply::Data(data) = reply else { panic!("{reply:?}") };
        assert_eq!(data.pieces.concat(), b"content");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_awkward_size_come_whole() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    for size in [0, 1, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 255 * 1024, 255 * 1024 + 1, 5_000_001] {
        fs::write(sshd.data("file"), content(size, size)).unwrap();
        let path = sshd.data("file");
        for hint in [None, Some(size as u64), Some(0), Some(size as u64 + 70_000)] {
            let bytes = get_bytes(&pool, path.as_bytes(), hint).await.unwrap();
            assert!(bytes == content(size, size), "{size} with {hint:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_anew_in_the_middle_of_a_fetch() {
    for settings in ["LogLevel DEBUG", "LogLevel DEBUG\nRekeyLimit 1M"] {
        let Some(sshd) = Sshd::start(settings) else { return };
        let mut reach = sshd.reach();
        if !settings.contains("RekeyLimit") {
            reach.rekey = 1 << 20;
        }
        reach.connections = 1;
        let pool = reach.pool();
        let paths: Vec<_> = (0..8).map(|number| sshd.data(&format!("{number}"))).collect();
        for (number, path) in paths.iter().enumerate() {
            fs::write(path, content(number, 1 << 20)).unwrap();
        }
        let gets = paths.iter().map(|path| get(&pool, path));
        for (number, bytes) in futures_util::future::join_all(gets).await.into_iter().enumerate() {
            assert!(bytes.unwrap() == content(number, 1 << 20), "{number} differs");
        }
        let exchanges = sshd.log().matches("SSH2_MSG_KEXINIT received").count();
        // One is before the login. Another may be all: more than the limit can be on the way.
        assert!(exchanges >= 2, "{exchanges} in\n{}", sshd.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_anew_every_4_mib_while_many_files_come_over_all_connections() {
    let Some(sshd) = Sshd::start("LogLevel DEBUG") else { return };
    for number in 0..300 {
        fs::write(sshd.data(&format!("{number}.bin")), content(number, 100_000 + number * 500)).unwrap();
    }
    let mut reach = sshd.reach();
    reach.rekey = 4 << 20;
    let pool = reach.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    futures_util::future::join_all(lease.others().map(|place| lease.another(place))).await;
    let entries = list(&pool, &sshd.data("*.bin")).await.unwrap();
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    assert_eq!(fetch_all(&pool, &entries, 128, &folder).await, []);
    for number in 0..300 {
        let bytes = fs::read(into.path().join(format!("{number}.bin"))).unwrap();
        assert!(bytes == content(number, 100_000 + number * 500), "{number} differs");
    }
    let told = |what: &str| sshd.log().matches(what).count();
    let (logins, exchanges) = (told("Accepted publickey"), told("SSH2_MSG_KEXINIT received"));
    assert!(exchanges >= 2 * logins, "{exchanges} in\n{}", sshd.log());
}

/// Set to `1`, tests that take long or much room are carried out, too.
const LONG: &str = "FANOUT_LONG_TESTS";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_more_than_a_gib_comes_over_one_connection_with_the_limits_that_hold_by_default() {
    if std::env::var_os(LONG).is_none_or(|value| value != "1") {
        return println!("SKIPPED: {LONG} is not 1");
    }
    let Some(sshd) = Sshd::start("LogLevel DEBUG") else { return };
    // Past the bytes after which keys are exchanged anew, which is in the middle of it; a sparse file with bytes here and there.
    let size = (1 << 30) + (200 << 20) + 12_345;
    let marks: Vec<u64> = (0..64).map(|n| n * (size / 64) + n * 7).collect();
    {
        use std::os::unix::fs::FileExt;
        let file = fs::File::create(sshd.data("large")).unwrap();
        file.set_len(size).unwrap();
        marks.iter().for_each(|at| file.write_all_at(&at.to_be_bytes(), *at).unwrap());
    }
    let mut reach = sshd.reach();
    reach.connections = 1;
    let pool = reach.pool();
    let entries = list(&pool, &sshd.data("large")).await.unwrap();
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    assert_eq!(fetch_all(&pool, &entries, 1, &folder).await, []);
    let same =
        std::process::Command::new("cmp").arg(sshd.data("large")).arg(into.path().join("large")).status();
    assert!(same.unwrap().success());
    assert!(sshd.log().contains("rekey"), "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_bytes() {
    let Some(sshd) = Sshd::start("") else { return };
    let name = OsStr::from_bytes(b"caf\xe9 \xff.csv");
    fs::write(sshd.path("data").join(name), b"bytes").unwrap();
    let pool = sshd.reach().pool();
    let entries = list(&pool, &sshd.data("*.csv")).await.unwrap();
    assert!(entries[0].key.ends_with("caf\\xe9 \\xff.csv"), "{}", entries[0].key);
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    assert_eq!(fetch_all(&pool, &entries, 1, &folder).await, []);
    assert_eq!(fs::read(into.path().join(name)).unwrap(), b"bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_walked_and_links_and_pipes_are_left_out() {
    let Some(sshd) = Sshd::start("") else { return };
    for path in ["a.csv", "b/c.csv", "b/c.txt", "b/d/e/f.csv", ".hidden.csv", "b/.git/g.csv"] {
        fs::create_dir_all(PathBuf::from(sshd.data(path)).parent().unwrap()).unwrap();
        fs::write(sshd.data(path), path).unwrap();
    }
    symlink(sshd.data("a.csv"), sshd.data("link.csv")).unwrap();
    symlink(sshd.data("b"), sshd.data("loop")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, sshd.data("pipe.csv"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let pool = sshd.reach().pool();
    let found = async |pattern: &str| {
        let entries = list(&pool, &sshd.data(pattern)).await.unwrap();
        let prefix = sshd.data("");
        keys(&entries).iter().map(|key| key.strip_prefix(&prefix).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("**/*.csv").await, ["a.csv", "b/c.csv", "b/d/e/f.csv"]);
    assert_eq!(found("*/*.{csv,txt}").await, ["b/c.csv", "b/c.txt"]);
    assert_eq!(found("b/[a-c].csv").await, ["b/c.csv"]);
    assert_eq!(found("b").await, ["b/.git/g.csv", "b/c.csv", "b/c.txt", "b/d/e/f.csv"]);
    assert_eq!(found("b/").await, found("b").await);
    assert_eq!(found("nothing*").await, [""; 0]);
    assert_eq!(found("missing/*.csv").await, [""; 0]);
    let below = list(&pool, &sshd.data("b/**/f.csv")).await.unwrap();
    assert_eq!(below[0].path.as_ref().unwrap().join(&b'/'), b"d/e/f.csv");
    assert_eq!(below[0].value["stem"], "f");
    assert_eq!(below[0].value["size"], 11);
    let plain = list(&pool, &sshd.data("b/c.csv")).await.unwrap();
    assert_eq!(plain[0].path.as_ref().unwrap(), &[b"c.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_path_is_an_error_that_names_it() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    let path = sshd.data("none");
    for error in [list(&pool, &path).await.unwrap_err(), get(&pool, &path).await.unwrap_err()] {
        assert_eq!((error.code, error.advice), ("not_found", crate::gather::Advice::NEVER));
        assert!(error.message.contains(&path), "{}", error.message);
    }
    let folder = list(&pool, &format!("{path}/")).await.unwrap_err();
    assert_eq!(folder.code, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_many_names_comes_in_pages() {
    let Some(sshd) = Sshd::start("") else { return };
    for number in 0..3500 {
        fs::write(sshd.data(&format!("{number}")), b"").unwrap();
    }
    let pool = sshd.reach().pool();
    let entries = list(&pool, &sshd.data("")).await.unwrap();
    let mut found = keys(&entries);
    found.dedup();
    assert_eq!(found.len(), 3500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_ends_all_in_flight_and_the_next_use_connects_anew() {
    let Some(sshd) = Sshd::start("") else { return };
    fs::write(sshd.data("file"), content(1, 1000)).unwrap();
    let pool = sshd.reach().pool();
    assert!(get(&pool, &sshd.data("file")).await.is_ok());
    let lease = pool.lease(&Context::detached()).await.unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, sshd.data("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let path = sshd.data("pipe");
    // Opening a pipe that nobody writes to has no answer.
    let stuck: Vec<_> =
        (0..3).map(|_| lease.ask(Request::Open(path.as_bytes()), Default::default())).collect();
    sshd.cut();
    for answer in stuck {
        let fault = answer.await.map(drop).unwrap_err();
        let error = fault.error("sftp://server", "open", b"/pipe");
        assert_eq!(error.advice, crate::gather::Advice::SOURCE_AGAIN);
    }
    assert!(get(&pool, &sshd.data("file")).await.unwrap() == content(1, 1000));
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_fetches_close_their_files_and_free_their_room() {
    let Some(sshd) = Sshd::start("") else { return };
    fs::write(sshd.data("file"), content(1, 20 << 20)).unwrap();
    let mut reach = sshd.reach();
    reach.connections = 1;
    let pool = reach.pool();
    let path = sshd.data("file");
    let lease = pool.lease(&Context::detached()).await.unwrap();
    for patience in 0..60 {
        let patience = Duration::from_micros(patience * 500);
        let _ = tokio::time::timeout(patience, get(&pool, &path)).await;
    }
    assert!(get(&pool, &path).await.unwrap() == content(1, 20 << 20));
    // Each answer that is still to come brings back what its request held; the ask below is answered after them.
    let stat = || lease.ask(Request::Stat(path.as_bytes()), Default::default());
    stat().await.map(drop).unwrap();
    stat().await.map(drop).unwrap();
    // OpenSSH numbers its handles, and gives the numbers of closed ones again.
    let (reply, _) = lease.ask(Request::Open(path.as_bytes()), Default::default()).await.unwrap();
    let Reply::Handle(handle) = reply else { panic!("{reply:?}") };
    let number = u32::from_be_bytes(handle[..].try_into().unwrap());
    assert!(number < 20, "{number} files are still open");
    assert!(lease.bytes.available_permits() >= 4 << 20, "{}", lease.bytes.available_permits());
    assert!(lease.handles().available_permits() >= 500, "{}", lease.handles().available_permits());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_over_several_connections_with_every_byte_in_its_place() {
    let Some(sshd) = Sshd::start("") else { return };
    let whole: Vec<u8> = (0..17_000_001u32).flat_map(u32::to_be_bytes).collect();
    fs::write(sshd.data("large"), &whole).unwrap();
    let pool = sshd.reach().pool();
    let entries = list(&pool, &sshd.data("large")).await.unwrap();
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    // The connections are there before it begins, so that each has its part.
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let others = futures_util::future::join_all(lease.others().map(|place| lease.another(place))).await;
    assert_eq!(fetch_all(&pool, &entries, 1, &folder).await, []);
    assert!(fs::read(into.path().join("large")).unwrap() == whole);
    let idle = others.iter().flatten().filter(|lease| lease.bytes.available_permits() != 16 << 20);
    assert_eq!(idle.count(), 0, "all room is given back");
}
