//! What is remembered of items, by whom it is known, and what is forgotten.

use super::*;
use std::path::PathBuf;
use tempfile::TempDir;

struct State {
    folder: TempDir,
}

impl State {
    fn new() -> State {
        State { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    async fn plan(&self, plan: &str) -> Arc<PlanMemory> {
        Arc::new(PlanMemory::open(&self.path(), plan.to_owned(), format!("/{plan}.toml")).await.unwrap())
    }
}

fn item(job: &str, target: &str, key: &str, fingerprint: &str) -> Remembered {
    let known = Known { fingerprint: fingerprint.to_owned(), owed: false };
    Remembered { job: job.into(), target: target.into(), key: key.into(), known }
}

/// As it is used: on a thread that may block.
async fn remember(memory: &Arc<PlanMemory>, items: Vec<Remembered>) {
    let memory = memory.clone();
    tokio::task::spawn_blocking(move || memory.remember(&items).unwrap()).await.unwrap();
}

async fn recall(memory: &Arc<PlanMemory>, job: &str, target: &str, keys: &[&str]) -> Vec<Option<String>> {
    let memory = memory.clone();
    let (job, target) = (job.to_owned(), target.to_owned());
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let recall = move || {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        memory.recall(&job, &target, &keys).unwrap()
    };
    let known = tokio::task::spawn_blocking(recall).await.unwrap();
    known.into_iter().map(|known| known.map(|known| known.fingerprint)).collect()
}

fn known(fingerprints: &[&str]) -> Vec<Option<String>> {
    let known = fingerprints.iter().map(|text| Some((*text).to_owned()).filter(|text| !text.is_empty()));
    known.collect()
}

#[tokio::test]
async fn what_is_remembered_is_known_in_the_order_of_the_keys_and_by_nobody_else() {
    let state = State::new();
    let memory = state.plan("p").await;
    let odd = "a\\xff'\"\n,b";
    remember(&memory, vec![item("j", "t", "b", "1"), item("j", "t", odd, "2"), item("k", "t", "c", "3")])
        .await;
    remember(&memory, vec![item("j", "t", "b", "4"), item("j", "u", "b", "5")]).await;
    assert_eq!(recall(&memory, "j", "t", &[odd, "x", "b", "c", "B"]).await, known(&["2", "", "4", "", ""]));
    assert_eq!(recall(&memory, "j", "u", &["b"]).await, known(&["5"]));
    assert_eq!(recall(&memory, "k", "t", &[]).await, known(&[]));
    let other = state.plan("q").await;
    assert_eq!(recall(&other, "j", "t", &["b"]).await, known(&[""]));
    let again = state.plan("p").await;
    assert_eq!(recall(&again, "j", "t", &["b"]).await, known(&["4"]), "it outlives its process");
}

#[tokio::test]
async fn what_is_owed_at_the_source_is_remembered_until_it_is_done() {
    let state = State::new();
    let memory = state.plan("p").await;
    for owed in [true, false] {
        let taken = item("j", "t", "a", "1");
        remember(&memory, vec![Remembered { known: Known { owed, ..taken.known }, ..taken }]).await;
        let known = memory.history.lock().await.recall(["p", "j", "t"], &["a"]).await.unwrap();
        assert_eq!(known[0].as_ref().map(|known| known.owed), Some(owed));
    }
}

#[tokio::test]
async fn it_is_listed_and_forgotten_by_plan_file_job_and_key() {
    let state = State::new();
    let memory = state.plan("p").await;
    let items = [("j", "a"), ("j", "b"), ("k", "a"), ("k", "c")];
    remember(&memory, items.map(|(job, key)| item(job, "t", key, "1")).into()).await;
    let other = state.plan("q").await;
    remember(&other, vec![item("j", "t", "a", "1")]).await;
    let mut history = History::open(&state.path()).await.unwrap();
    let listed = history.memories().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|of| (&*of.plan, &*of.job, &*of.target, of.items)).collect();
    assert_eq!(listed, [("p", "j", "t", 2), ("p", "k", "t", 2), ("q", "j", "t", 1)]);
    assert_eq!(history.forget_items("p", Some("j"), Some("a")).await.unwrap(), 1);
    assert_eq!(recall(&memory, "j", "t", &["a", "b"]).await, known(&["", "1"]));
    assert_eq!(history.forget_items("/p.toml", Some("k"), None).await.unwrap(), 2);
    assert_eq!(history.forget_items("p", None, None).await.unwrap(), 1);
    assert_eq!(recall(&other, "j", "t", &["a"]).await, known(&["1"]));
}

#[tokio::test]
async fn what_was_not_seen_for_longest_is_forgotten_and_to_be_asked_for_is_to_be_seen() {
    let state = State::new();
    let memory = state.plan("p").await;
    let keys = ["a", "b", "c", "d"];
    remember(&memory, keys.map(|key| item("j", "t", key, "1")).into()).await;
    let mut history = History::open(&state.path()).await.unwrap();
    for (key, age) in [("a", AGE + 1), ("b", AGE), ("c", 20), ("d", 10)] {
        let update =
            sqlx::query("update remembered set seen = ? where key = ?").bind(today() - age).bind(key);
        update.execute(&mut history.database).await.unwrap();
    }
    history.forget_oldest(3).await.unwrap();
    assert_eq!(recall(&memory, "j", "t", &["a", "b"]).await, known(&["", "1"]));
    history.forget_oldest(2).await.unwrap();
    assert_eq!(recall(&memory, "j", "t", &keys).await, known(&["", "1", "", "1"]), "c was seen before b");
}

#[tokio::test]
async fn of_a_job_of_which_nothing_is_remembered_nothing_is_kept() {
    let state = State::new();
    let memory = state.plan("p").await;
    remember(&memory, vec![item("j", "t", "a", "1"), item("k", "t", "a", "1")]).await;
    let mut history = History::open(&state.path()).await.unwrap();
    history.forget_items("p", Some("j"), None).await.unwrap();
    history.forget_oldest(MOST).await.unwrap();
    let left: Vec<String> =
        sqlx::query_scalar("select job from memories").fetch_all(&mut history.database).await.unwrap();
    assert_eq!(left, ["k"]);
    remember(&memory, vec![item("j", "t", "a", "2")]).await;
    assert_eq!(recall(&memory, "j", "t", &["a"]).await, known(&["2"]));
}
