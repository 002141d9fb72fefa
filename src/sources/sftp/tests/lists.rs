//! Checksum files that are for all of a folder: how often they are read.

use super::super::lists::Lists;
use super::hostile::*;
use super::*;
use crate::gather::{Advice, Gather, Item, Retries};
use crate::output::Digest;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const ONE: &str = "900150983cd24fb0d6963f7d28e17f72";
const OTHER: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// A server with a list that can be changed, and how often it was opened.
struct Served {
    server: Hostile,
    text: Arc<Mutex<String>>,
    opened: Arc<AtomicUsize>,
}

impl Served {
    async fn start(text: &str) -> Served {
        let text = Arc::new(Mutex::new(text.to_owned()));
        let opened = Arc::<AtomicUsize>::default();
        let (served, counted) = (text.clone(), opened.clone());
        let server = Hostile::start(move |asked| {
            counted.fetch_add(usize::from(asked.kind == OPEN), SeqCst);
            asked.good(served.lock().unwrap().as_bytes())
        });
        Served { server: server.await, text, opened }
    }

    fn opened(&self) -> usize {
        self.opened.load(SeqCst)
    }
}

/// What the list of a folder says of `a.csv`.
async fn said(pool: &Arc<Pool>, lists: &Lists, context: &Context, folder: &str) -> Result<Digest, String> {
    let lease = pool.lease(context).await.map_err(|error| error.message)?;
    let path = format!("/{folder}/a.csv");
    let (target, path, same) = (&pool.target.name[..], path.as_bytes(), &Same::default());
    let file = File { lease: &lease, context, target, path, size: None, same };
    let sums = lists.sums(format!("/{folder}/MD5SUMS").as_bytes(), &file).await;
    sums.map_err(|error| error.message)?.digest_of(b"a.csv")
}

#[tokio::test]
async fn a_list_is_read_once_for_all_and_again_when_it_is_another() {
    let served = Served::start(&format!("{ONE}  a.csv\n")).await;
    let (pool, lists, context) = (served.server.pool(), Lists::default(), Context::detached());
    let all = || futures_util::future::join_all((0..50).map(|_| said(&pool, &lists, &context, "in")));
    let one = Digest::of_hex(ONE).unwrap();
    assert!(all().await.into_iter().all(|said| said == Ok(one)));
    assert_eq!(served.opened(), 1);
    *served.text.lock().unwrap() = format!("{OTHER}  a.csv\n# later\n");
    assert_eq!(all().await, vec![Ok(Digest::of_hex(OTHER).unwrap()); 50]);
    assert_eq!(served.opened(), 2);
}

#[tokio::test]
async fn an_attempt_that_comes_again_reads_a_list_that_looks_the_same() {
    let served = Served::start(&format!("{ONE}  a.csv\n")).await;
    let (pool, lists) = (served.server.pool(), Arc::new(Lists::default()));
    let text = served.text.clone();
    let call = move |context: Context| {
        let (pool, lists, text) = (pool.clone(), lists.clone(), text.clone());
        async move {
            let digest = said(&pool, &lists, &context, "in").await?;
            // The same size and time, as within a second.
            *text.lock().unwrap() = format!("{OTHER}  a.csv\n");
            match digest == Digest::of_hex(ONE).unwrap() {
                true => Err("it is another".to_owned()),
                false => Ok(digest),
            }
        }
    };
    let retries = Retries { count: 1, delay: Duration::ZERO, ..Retries::STANDARD };
    let gather = Gather::over([Item::new(call)]).retries(retries).advice(|_: &String| Advice::AGAIN);
    assert_eq!(gather.run().await.counts.done, 1);
    assert_eq!(served.opened(), 2);
}

#[tokio::test]
async fn no_more_lists_are_kept_than_a_few() {
    let served = Served::start(&format!("{ONE}  a.csv\n")).await;
    let (pool, lists, context) = (served.server.pool(), Lists::default(), Context::detached());
    for folder in ["1", "2", "3", "4", "1", "5", "1", "2"] {
        said(&pool, &lists, &context, folder).await.unwrap();
    }
    assert_eq!(served.opened(), 6, "the first was asked for in between, and the second went for the fifth");
}
