//! Files that are written to while they are read.

use super::super::same::Growing;
use super::hostile::*;
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const SIZE: usize = 500_000;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 256) as u8).collect()
}

/// Fetches a file that is `size(n)` bytes long, written to at `time(n)`, when it is looked at for the nth time; all of its
/// reads see what is there `ahead` looks later.
async fn with(
    growing: Growing,
    at: impl Fn(usize) -> (usize, u32) + Send + Sync + 'static,
) -> Result<Vec<u8>, SourceError> {
    with_bandwidth(growing, None, at).await
}

async fn with_bandwidth(
    growing: Growing,
    bandwidth: Option<&'static str>,
    at: impl Fn(usize) -> (usize, u32) + Send + Sync + 'static,
) -> Result<Vec<u8>, SourceError> {
    let looks = AtomicUsize::new(0);
    let server = Hostile::start(move |asked| match asked.kind {
        FSTAT => {
            let (size, time) = at(looks.fetch_add(1, SeqCst));
            asked.attrs(size as u64, time)
        }
        READ => asked.good(&content(at(looks.load(SeqCst) + 1).0)),
        _ => asked.good(b""),
    })
    .await;
    let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1 << 30 };
    let mut reach = server.reach("right");
    reach.bandwidth = bandwidth;
    fetch_as(&reach.pool(), b"/log", None, &Same::new(growing), &mut sink).await?;
    let Sink::Keep { bytes, .. } = sink else { unreachable!() };
    Ok(bytes)
}

#[tokio::test]
async fn of_a_file_that_grows_the_snapshot_is_what_it_held_when_it_was_opened() {
    for start in [10, 1000, SIZE] {
        let grows = move |look: usize| (start + look * 777, 100 + look as u32);
        assert!(with(Growing::Snapshot, grows).await.unwrap() == content(start), "{start}");
        assert_eq!(with(Growing::Fail, grows).await.unwrap_err().code, "changed");
    }
}

#[tokio::test]
async fn a_file_that_grows_while_its_turn_is_waited_for_is_not_taken_for_whole() {
    let grows = |look: usize| (100 + look * 777, 100 + look as u32);
    let error = with_bandwidth(Growing::Fail, Some("1GB/s"), grows).await.unwrap_err();
    assert_eq!(error.code, "changed");
}

#[tokio::test]
async fn a_snapshot_is_refused_of_a_file_that_shrinks_or_is_rewritten() {
    let shrinks = |look: usize| (SIZE - look * 777, 100 + look as u32);
    let is_rewritten = |look: usize| (SIZE, 100 + look as u32);
    let is_replaced = |look: usize| (SIZE + look * 777, 100 - look as u32);
    for growing in [Growing::Fail, Growing::Snapshot] {
        for error in [
            with(growing, shrinks).await.unwrap_err(),
            with(growing, is_rewritten).await.unwrap_err(),
            with(growing, is_replaced).await.unwrap_err(),
        ] {
            assert!(matches!(error.code, "changed" | "truncated") && error.advice.again, "{error}");
        }
    }
}
