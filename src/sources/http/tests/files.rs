//! Real answers of a real server: many files, into files and into memory, plain and compressed, with a login.

use super::nginx::Nginx;
use super::*;
use crate::output::Folder;
use futures_util::{StreamExt, stream};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use std::fs;
use std::path::Path;

const FILES: usize = 300;
const AT_ONCE: usize = 16;

/// What file `number` holds: different in length and in every byte from its neighbors.
fn content(number: usize) -> Vec<u8> {
    (0..number * 977).map(|byte| (byte * 31 + number) as u8).collect()
}

fn write_files(folder: &Path) {
    fs::create_dir(folder.join("www")).unwrap();
    for number in 0..FILES {
        fs::write(folder.join(format!("www/{number}.bin")), content(number)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_arrive_whole_over_few_connections() {
    let Some(nginx) = Nginx::start("", "", write_files) else { return };
    let target = tempfile::tempdir().unwrap();
    let folder = Folder::open(target.path()).unwrap();
    let client = plain_client();
    let fetch = async |number: usize| {
        let call = Call { client: client.clone(), ..get(&nginx.url(&format!("/{number}.bin"))) };
        let part = folder.part(format!("{number}.bin"), None).unwrap();
        let mut sink = Sink::File { part, format: "bin".to_owned() };
        let payload = call.call(&Context::detached(), &mut sink).await.unwrap();
        assert_eq!(payload.brought.bytes, content(number).len() as u64);
        let Sink::File { part, .. } = sink else { unreachable!("it was made above") };
        part.commit(payload.modified).unwrap();
    };
    stream::iter(0..FILES).map(fetch).buffer_unordered(AT_ONCE).collect::<()>().await;
    for number in 0..FILES {
        let file = target.path().join(format!("{number}.bin"));
        assert!(fs::read(&file).unwrap() == content(number), "{number}");
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let source = nginx.folder.path().join(format!("www/{number}.bin"));
        let apart = modified(&source).duration_since(modified(&file)).unwrap();
        assert!(apart < Duration::from_secs(1), "the server's time, in whole seconds, is kept");
    }
    let (requests, connections) = nginx.seen();
    assert_eq!(requests, FILES);
    // One is free again a moment after its file has ended: who starts within that moment makes another.
    assert!(connections <= 2 * AT_ONCE, "{connections} connections for {AT_ONCE} at once");
}

#[tokio::test]
async fn a_compressed_answer_is_kept_as_it_was_before() {
    let text = "region;amount\n".repeat(5000);
    let prepare = |folder: &Path| {
        fs::create_dir(folder.join("www")).unwrap();
        fs::write(folder.join("www/a.csv"), &text).unwrap();
    };
    let Some(nginx) = Nginx::start("", "gzip on; gzip_types text/csv;", prepare) else { return };
    let (payload, bytes) = keep(&get(&nginx.url("/a.csv"))).await.unwrap();
    assert_eq!(bytes, text.as_bytes());
    assert!(payload.fingerprint.unwrap().starts_with("W/"), "nginx weakens the ETag of what it compresses");
    let mut plain = get(&nginx.url("/a.csv"));
    plain.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (payload, bytes) = keep(&plain).await.unwrap();
    assert_eq!(bytes, text.as_bytes());
    assert!(payload.fingerprint.unwrap().starts_with('"'), "not compressed where that is asked for");
}

#[tokio::test]
async fn a_login_is_needed_and_its_refusal_is_not_tried_again() {
    let prepare = |folder: &Path| {
        write_files(folder);
        fs::write(folder.join("users"), "ann:{PLAIN}canary\n").unwrap();
    };
    let Some(nginx) = Nginx::start("", "auth_basic x; auth_basic_user_file {folder}/users;", prepare) else {
        return;
    };
    let mut call = get(&nginx.url("/3.bin"));
    let refused = error(&call).await;
    assert_eq!((refused.code, refused.advice.again), ("http_status", false));
    assert!(refused.message.contains("/3.bin: status 401 Unauthorized: "), "{refused}");
    call.headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YW5uOmNhbmFyeQ=="));
    assert_eq!(keep(&call).await.unwrap().1, content(3));
}

#[tokio::test]
async fn a_large_body_passes_through_a_file_in_pieces() {
    let large: Vec<u8> = (0..3_000_001_u32).map(|byte| (byte / 7) as u8).collect();
    let prepare = |folder: &Path| {
        fs::create_dir(folder.join("www")).unwrap();
        fs::write(folder.join("www/large"), &large).unwrap();
    };
    let Some(nginx) = Nginx::start("", "", prepare) else { return };
    let target = tempfile::tempdir().unwrap();
    let part = Folder::open(target.path()).unwrap().part("large", None).unwrap();
    let mut sink = Sink::File { part, format: String::new() };
    let call = Call { max_bytes: 1 << 30, ..get(&nginx.url("/large")) };
    let context = Context::detached();
    call.call(&context, &mut sink).await.unwrap();
    assert_eq!(context.progress().bytes(), large.len() as u64);
    let Sink::File { part, .. } = sink else { unreachable!("it was made above") };
    part.commit(None).unwrap();
    assert!(fs::read(target.path().join("large")).unwrap() == large);
}
