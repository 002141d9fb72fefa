use super::*;
use crate::gather::{Counts, State};
use jiff::Timestamp;
use sqlx::Connection as _;
use std::ffi::OsString;
use std::io::Write as _;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const KEEP: Retention = Retention { age: Duration::from_secs(90 * 24 * 3600), size: 1 << 30 };

fn begun(id: &str, plan: &str) -> Begun {
    Begun {
        id: id.to_owned(),
        plan: plan.to_owned(),
        name: plan.to_owned(),
        path: format!("{plan}.toml"),
        started: Timestamp::now().to_string(),
    }
}

fn ended() -> Ended {
    let item = |key: &str, state| ItemRow {
        job: "orders".to_owned(),
        key: key.to_owned(),
        state,
        code: (state == State::Failed).then(|| "http_status".to_owned()),
        attempts: 2,
        started: Some(1_000_000),
        ended: 3_500_000,
        running: 2_000_000,
        bytes: 10,
        rows: 1,
        output: None,
    };
    Ended {
        exit: 1,
        wall: Duration::from_secs(4),
        sum: Duration::from_secs(7),
        counts: Counts { submitted: 2, done: 1, failed: 1, ..Counts::default() },
        bytes: 20,
        rows: 2,
        items: vec![item("emea", State::Done), item("apac", State::Failed)],
    }
}

async fn state() -> (TempDir, History) {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&folder.path().join("state")).await.unwrap();
    (folder, history)
}

/// Begins and ends a run with so many bytes of log.
async fn past(history: &mut History, run: &Begun, bytes: usize) {
    let record = history.begin(run, Overlap::Refuse).await.unwrap();
    record.writer().unwrap().write_all(&vec![b'x'; bytes]).unwrap();
    history.end(record, &ended()).await.unwrap();
}

async fn ids(history: &mut History) -> Vec<String> {
    history.runs(None, 100).await.unwrap().into_iter().map(|run| run.id).collect()
}

#[test]
fn the_folder_that_was_asked_for_wins_then_the_environment_then_the_home() {
    let environment = |set: &'static [(&str, &str)]| {
        move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    let all: &[_] =
        &[("FANOUT_STATE_DIR", "/a"), ("STATE_DIRECTORY", "/b:/c"), ("XDG_STATE_HOME", "/d"), ("HOME", "/e")];
    let of = |asked: Option<&str>, set| StateFolder::of(asked.map(PathBuf::from), environment(set));
    let found = |path: &str, asked_for| Ok(StateFolder { path: path.into(), asked_for });
    assert_eq!(of(Some("here"), all), found("here", true));
    assert_eq!(of(None, all), found("/a", true));
    assert_eq!(of(None, &all[1..]), found("/b", true));
    assert_eq!(of(None, &all[2..]), found("/d/fanout", false));
    assert_eq!(of(None, &all[3..]), found("/e/.local/state/fanout", false));
    assert_eq!(of(None, &[("HOME", "relative"), ("STATE_DIRECTORY", "")]), Err(Unusable));
}

#[tokio::test]
async fn a_run_is_found_again_with_its_items() {
    let (_folder, mut history) = state().await;
    let run = begun("20261122-a", "nightly");
    let record = history.begin(&run, Overlap::Refuse).await.unwrap();
    record.writer().unwrap().write_all(b"log\n").unwrap();
    let listed = history.runs(None, 10).await.unwrap();
    assert!(listed[0].running && listed[0].exit.is_none(), "{listed:?}");
    history.end(record, &ended()).await.unwrap();

    let listed = history.runs(Some("nightly"), 10).await.unwrap();
    let run = &listed[0];
    assert_eq!((run.exit, run.wall, run.sum, run.bytes), (Some(1), Some(4.0), Some(7.0), Some(20)));
    assert_eq!(run.counts, Some(ended().counts));
    assert!(!run.running);
    assert_eq!(history.runs(Some("other"), 10).await.unwrap(), []);
    assert_eq!(history.runs_that_begin("20261122").await.unwrap(), listed);
    assert_eq!(history.runs_that_begin("2026112_").await.unwrap(), [], "no pattern");
    let item = &history.item("nightly", "orders", "apac", 10).await.unwrap()[0];
    assert_eq!((&*item.state, item.code.as_deref(), item.took), ("failed", Some("http_status"), Some(2.5)));
    assert_eq!(std::fs::read(history.log("20261122-a")).unwrap(), b"log\n");
}

#[tokio::test]
async fn a_plan_that_runs_is_refused_and_its_run_named() {
    let (_folder, mut history) = state().await;
    let first = history.begin(&begun("a", "nightly"), Overlap::Refuse).await.unwrap();
    let Err(HistoryError::Held(holder)) = history.begin(&begun("b", "nightly"), Overlap::Refuse).await else {
        panic!("it began")
    };
    assert_eq!((&*holder.run, holder.pid), ("a", i64::from(std::process::id())));
    assert!(!history.log("b").exists(), "nothing is left of the second");
    let hostile = Holder { plan: "x\x1b[2J\ny\u{202e}".into(), ..holder }.to_string();
    assert!(hostile.starts_with(r#"plan "x\u{1b}[2J\ny\u{202e}" is running already"#), "{hostile}");
    let other = history.begin(&begun("c", "other"), Overlap::Refuse).await.unwrap();
    let allowed = history.begin(&begun("d", "nightly"), Overlap::Allow).await.unwrap();
    history.end(allowed, &ended()).await.unwrap();
    let still = history.begin(&begun("e", "nightly"), Overlap::Refuse).await;
    assert!(matches!(still, Err(HistoryError::Held(_))), "one that was allowed does not take the lock away");
    history.end(first, &ended()).await.unwrap();
    history.end(other, &ended()).await.unwrap();
    history.begin(&begun("f", "nightly"), Overlap::Refuse).await.unwrap();
}

#[tokio::test]
async fn a_run_that_was_allowed_beside_another_is_not_alone_either() {
    let (_folder, mut history) = state().await;
    let first = history.begin(&begun("a", "nightly"), Overlap::Refuse).await.unwrap();
    let allowed = history.begin(&begun("b", "nightly"), Overlap::Allow).await.unwrap();
    history.end(first, &ended()).await.unwrap();
    let Err(HistoryError::Held(holder)) = history.begin(&begun("c", "nightly"), Overlap::Refuse).await else {
        panic!("it began")
    };
    assert_eq!(holder.run, "b");
    history.end(allowed, &ended()).await.unwrap();
    history.begin(&begun("c", "nightly"), Overlap::Refuse).await.unwrap();
}

#[tokio::test]
async fn a_run_that_was_killed_holds_nothing() {
    let (_folder, mut history) = state().await;
    let killed = history.begin(&begun("a", "nightly"), Overlap::Refuse).await.unwrap();
    drop(killed); // What the kernel does when a process is killed: the lock is gone, the rows are not.
    history.begin(&begun("b", "nightly"), Overlap::Refuse).await.unwrap();
    let killed = history.runs_that_begin("a").await.unwrap();
    assert!(!killed[0].running && killed[0].exit.is_none());
}

#[tokio::test]
async fn who_waits_begins_when_the_other_has_ended() {
    let (folder, mut history) = state().await;
    let first = history.begin(&begun("a", "nightly"), Overlap::Refuse).await.unwrap();
    let mut second = History::open(&folder.path().join("state")).await.unwrap();
    let waiting = tokio::spawn(async move {
        let record = second.begin(&begun("b", "nightly"), Overlap::Wait).await.unwrap();
        (second, record)
    });
    while !history.log("b").exists() {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    history.end(first, &ended()).await.unwrap();
    let (mut second, record) = waiting.await.unwrap();
    assert_eq!(record.run(), "b");
    second.end(record, &ended()).await.unwrap();
}

#[tokio::test]
async fn the_state_of_a_newer_build_is_refused() {
    let (folder, mut history) = state().await;
    let add = "insert into _sqlx_migrations values (1000000, 'later', current_timestamp, 1, x'00', 0)";
    sqlx::query(add).execute(&mut history.database).await.unwrap();
    history.close().await;
    let error = History::open(&folder.path().join("state")).await.err().unwrap();
    assert!(matches!(error, HistoryError::Newer { found: 1_000_000, .. }), "{error}");
    assert!(error.to_string().contains("of a newer fanout (schema 1000000"), "{error}");
}

#[tokio::test]
async fn many_processes_may_make_the_state_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let opens = (0..8).map(|_| History::open(&path));
    for opened in futures_util::future::join_all(opens).await {
        let mut history = opened.unwrap();
        history.database.ping().await.unwrap();
    }
}

#[tokio::test]
async fn old_runs_and_the_oldest_of_too_many_bytes_go() {
    let (_folder, mut history) = state().await;
    let old = Begun { started: "2020-01-01T00:00:00Z".to_owned(), ..begun("old", "p") };
    past(&mut history, &old, 10).await;
    for id in ["a", "b", "c"] {
        past(&mut history, &begun(id, "p"), 1000).await;
    }
    history.forget(KEEP).await.unwrap();
    assert_eq!(ids(&mut history).await, ["c", "b", "a"]);
    history.forget(Retention { size: 2500, ..KEEP }).await.unwrap();
    assert_eq!(ids(&mut history).await, ["c", "b"]);
    assert!(!history.log("old").exists() && !history.log("a").exists() && history.log("b").exists());
    assert_eq!(history.item("p", "orders", "emea", 10).await.unwrap().len(), 2, "items go with their run");
}

#[tokio::test]
async fn a_run_that_goes_on_is_never_forgotten_and_a_stray_log_is() {
    let (_folder, mut history) = state().await;
    let started = "2020-01-01T00:00:00Z".to_owned();
    let goes_on = history.begin(&Begun { started, ..begun("on", "p") }, Overlap::Refuse).await.unwrap();
    let stray = std::fs::File::create(history.log("stray")).unwrap();
    stray.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    std::fs::write(history.log("fresh"), "about to be locked").unwrap();
    history.forget(Retention { size: 0, ..KEEP }).await.unwrap();
    assert!(history.log("fresh").exists());
    assert_eq!(ids(&mut history).await, ["on"]);
    assert!(history.log("on").exists() && !history.log("stray").exists());
    history.end(goes_on, &ended()).await.unwrap();
}

#[tokio::test]
async fn of_very_many_items_the_first_are_kept() {
    let (_folder, mut history) = state().await;
    let record = history.begin(&begun("a", "p"), Overlap::Refuse).await.unwrap();
    let item = |n: usize| ItemRow { key: n.to_string(), ..ended().items[0].clone() };
    history.end(record, &Ended { items: (0..=ITEMS).map(item).collect(), ..ended() }).await.unwrap();
    let kept: i64 =
        sqlx::query_scalar("select count(*) from items").fetch_one(&mut history.database).await.unwrap();
    assert_eq!(kept, ITEMS as i64);
    assert_eq!(history.item("p", "orders", &ITEMS.to_string(), 1).await.unwrap(), []);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = History::open(&file.path().join("state")).await.err().unwrap();
    assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
}
