//! What is done with files at the server once they are safe here.

use super::super::after::{After, Leaving, Old};
use super::super::codec::Request;
use super::super::entry;
use super::hostile::{Asked, Hostile, LSTAT, REMOVE, STAT};
use super::sshd::Sshd;
use super::*;
use crate::expr::Table;
use crate::gather::{Gather, Item, State, Timeouts};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Notify;

fn after(toml: &str) -> Result<After, Vec<String>> {
    let mut problems = Vec::new();
    let mut table = Table::parse(toml).unwrap();
    let keys: super::super::settings::Keys = table.read(&["after"], &mut problems);
    if let Some(after) = &keys.after {
        after.check(&table, false, &mut problems);
    }
    let said = problems.into_iter().map(|problem| problem.message).collect();
    keys.after.filter(|_| Vec::is_empty(&said)).ok_or(said)
}

fn leaving(sshd: &Sshd, name: &str, entry: Option<&Entry>, toml: &str) -> Leaving {
    let scope = Scope::new(Arc::new(Globals::default()));
    let scope = scope.with_item(entry.map(|entry| entry.value.clone()).unwrap_or_default());
    let after = after(&toml.replace("DATA", &sshd.data(""))).unwrap();
    after.of(sshd.data(name).as_bytes(), &scope, entry).unwrap()
}

/// A file that is to leave its place: what it was when it was fetched.
struct Fetched {
    pool: Arc<Pool>,
    path: String,
    fingerprint: Option<String>,
}

impl Fetched {
    async fn new(sshd: &Sshd, pool: &Arc<Pool>, name: &str) -> Fetched {
        let path = sshd.data(name);
        let entries = list(pool, &path).await.unwrap();
        Fetched { pool: pool.clone(), path, fingerprint: entries[0].fingerprint.clone() }
    }

    async fn leave(&self, leaving: &Leaving) -> Result<(), String> {
        let context = Context::detached();
        let lease = self.pool.lease(&context).await.unwrap();
        let target = &self.pool.target.name;
        let (path, fingerprint) = (self.path.as_bytes(), self.fingerprint.as_deref());
        let old = Old { lease: &lease, context: &context, target, path, fingerprint };
        old.leave(leaving).await.map_err(|error| error.message)
    }
}

const DELETE: &str = "after = { delete = true }";
const MOVE: &str = "after = { move = \"DATA/done/deep/\" }";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_deleted_and_a_second_time_is_no_harm() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    fs::write(sshd.data("a"), "a").unwrap();
    let file = Fetched::new(&sshd, &pool, "a").await;
    let leaving = leaving(&sshd, "a", None, DELETE);
    file.leave(&leaving).await.unwrap();
    assert!(!Path::new(&sshd.data("a")).exists());
    // Its answer was lost, as it were.
    file.leave(&leaving).await.unwrap();
    let other = super::after::leaving(&sshd, "a", None, DELETE);
    assert!(file.leave(&other).await.unwrap_err().ends_with("/a: delete: it is gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_moved_into_a_folder_that_is_made_and_a_second_time_is_no_harm() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    fs::create_dir_all(sshd.data("x/y")).unwrap();
    fs::write(sshd.data("x/y/a"), "a").unwrap();
    let entries = list(&pool, &sshd.data("x/**")).await.unwrap();
    let file = Fetched::new(&sshd, &pool, "x/y/a").await;
    let leaving = leaving(&sshd, "x/y/a", Some(&entries[0]), MOVE);
    file.leave(&leaving).await.unwrap();
    assert_eq!(fs::read(sshd.data("done/deep/y/a")).unwrap(), b"a");
    assert!(!Path::new(&sshd.data("x/y/a")).exists());
    file.leave(&leaving).await.unwrap();
    // What lies there now is another one.
    fs::write(sshd.data("done/deep/y/a"), "ab").unwrap();
    assert!(file.leave(&leaving).await.unwrap_err().ends_with("move: it is gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_since_it_was_fetched_stays() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    fs::write(sshd.data("a"), "a").unwrap();
    let file = Fetched::new(&sshd, &pool, "a").await;
    fs::write(sshd.data("a"), "ab").unwrap();
    for what in [DELETE, MOVE] {
        let leaving = leaving(&sshd, "a", None, what);
        let why = file.leave(&leaving).await.unwrap_err();
        assert!(why.ends_with("it is not the one that was fetched: it has changed since"), "{why}");
    }
    let unknown = Fetched { fingerprint: None, ..file };
    assert!(unknown.leave(&leaving(&sshd, "a", None, DELETE)).await.is_err(), "nothing tells that it is it");
    assert_eq!(fs::read(sshd.data("a")).unwrap(), b"ab");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replaced_by_a_move() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    fs::create_dir(sshd.data("old")).unwrap();
    fs::write(sshd.data("a"), "new").unwrap();
    fs::write(sshd.data("old/a"), "old").unwrap();
    let file = Fetched::new(&sshd, &pool, "a").await;
    let leaving = leaving(&sshd, "a", None, "after = { move = \"DATA/old/\" }");
    assert!(file.leave(&leaving).await.unwrap_err().ends_with("/old/a is there already"));
    assert_eq!(fs::read(sshd.data("old/a")).unwrap(), b"old");
    assert_eq!(fs::read(sshd.data("a")).unwrap(), b"new");
}

/// Not what it leads to.
#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_leaves_itself() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    fs::write(sshd.data("a"), "a").unwrap();
    symlink(sshd.data("a"), sshd.data("link")).unwrap();
    let file = Fetched::new(&sshd, &pool, "link").await;
    file.leave(&leaving(&sshd, "link", None, DELETE)).await.unwrap();
    assert!(fs::symlink_metadata(sshd.data("link")).is_err());
    assert_eq!(fs::read(sshd.data("a")).unwrap(), b"a");
    symlink(sshd.data("a"), sshd.data("link")).unwrap();
    fs::write(sshd.data("a"), "ab").unwrap();
    assert!(file.leave(&leaving(&sshd, "link", None, DELETE)).await.is_err());
    assert!(fs::symlink_metadata(sshd.data("link")).is_ok());
    // It leads nowhere from where it is moved to, which is no reason to tell that it is gone.
    fs::remove_file(sshd.data("link")).unwrap();
    symlink("a", sshd.data("link")).unwrap();
    let file = Fetched::new(&sshd, &pool, "link").await;
    let leaving = leaving(&sshd, "link", None, MOVE);
    file.leave(&leaving).await.unwrap();
    file.leave(&leaving).await.unwrap();
    assert_eq!(fs::read_link(sshd.data("done/deep/link")).unwrap(), Path::new("a"));
}

/// That `/file` is to be deleted.
fn deleting() -> Leaving {
    after(DELETE).unwrap().of(b"/file", &Scope::new(Arc::new(Globals::default())), None).unwrap()
}

#[tokio::test]
async fn what_nothing_tells_to_be_the_one_that_was_fetched_stays() {
    let removed = Arc::new(AtomicUsize::new(0));
    let count = removed.clone();
    let server = Hostile::start(move |asked| match asked.kind {
        // Its permissions alone, now as when it was fetched.
        LSTAT => asked.packet(105, &[4, 0o100_644].map(u32::to_be_bytes).concat()),
        REMOVE => {
            count.fetch_add(1, SeqCst);
            asked.status(0)
        }
        _ => asked.good(b""),
    });
    let server = server.await;
    let pool = server.pool();
    let file = Fetched { pool, path: "/file".to_owned(), fingerprint: None };
    let why = file.leave(&deleting()).await.unwrap_err();
    assert!(why.ends_with("it has changed since"), "{why}");
    assert_eq!(removed.load(SeqCst), 0);
}

/// How an attempt ends that deletes a file, on a line that may be silent for two seconds. The server tells that it is deleted
/// when it has answered to so many other questions, which are asked one after the other from then on.
async fn deletes(questions: Option<usize>) -> State {
    let (asked_to, late, answered) = (Arc::new(Notify::new()), Mutex::new(Vec::new()), AtomicUsize::new(0));
    let told = asked_to.clone();
    let behave = move |asked: &Asked| match asked.kind {
        LSTAT => asked.attrs(4, 7),
        REMOVE => {
            *late.lock().unwrap() = asked.status(0);
            told.notify_one();
            Vec::new()
        }
        STAT if Some(answered.fetch_add(1, SeqCst)) == questions => {
            [asked.good(b""), std::mem::take(&mut *late.lock().unwrap())].concat()
        }
        _ => asked.good(b""),
    };
    let server = Hostile::start(behave).await;
    let pool = server.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let call = move |context: Context| {
        let (pool, leaving) = (pool.clone(), deleting());
        async move {
            let lease = pool.lease(&context).await.unwrap();
            let (target, fingerprint) = (&pool.target.name, Some("4 bytes at 7"));
            Old { lease: &lease, context: &context, target, path: b"/file", fingerprint }
                .leave(&leaving)
                .await
        }
    };
    let timeouts = Timeouts { idle: Some(Duration::from_secs(2)), ..Timeouts::default() };
    let gather = Gather::over([Item::new(call)]).timeouts(timeouts).run();
    let others = async {
        asked_to.notified().await;
        while questions.is_some() {
            let _ = lease.ask(Request::Stat(b"/"), Default::default()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        report = gather => report.items[0].outcome.state(),
        () = others => unreachable!(),
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_a_line_that_lives_is_waited_for() {
    let (never, late) = tokio::join!(deletes(None), deletes(Some(40)));
    assert_eq!((never, late), (State::TimedOut, State::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_made_of_the_items() {
    let Some(sshd) = Sshd::start("") else { return };
    let pool = sshd.reach().pool();
    fs::write(sshd.data("a.csv"), "a").unwrap();
    let entries = list(&pool, &sshd.data("*")).await.unwrap();
    let file = Fetched::new(&sshd, &pool, "a.csv").await;
    let to = "after = { move = \"DATA/${{ item.stem }}.done\" }";
    file.leave(&leaving(&sshd, "a.csv", Some(&entries[0]), to)).await.unwrap();
    assert_eq!(fs::read(sshd.data("a.done")).unwrap(), b"a");
    assert_eq!(entry::fingerprint(&Default::default()), None);
}

#[test]
fn what_is_to_be_done_is_one_thing() {
    for wrong in [
        "after = {}",
        "after = { delete = false }",
        "after = { delete = true, move = \"x/\" }",
        "after = { move = \"\" }",
        "after = { move = \"done/file\" }",
        "after = { rename = \"x\" }",
    ] {
        assert_eq!(after(wrong).err().map(|said| said.len()), Some(1), "{wrong}");
    }
    for right in [DELETE, MOVE, "after = { move = \"${{ item.name }}.done\" }"] {
        assert!(after(right).is_ok(), "{right}");
    }
}
