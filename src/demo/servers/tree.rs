//! The files that the demo's SFTP server has: in memory, read-only, made when it starts. And `/wait/{ms}/{name}`, which
//! is there for every time and name.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The longest delay that can be asked for.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// The folders below `/outbox`.
const REGIONS: [&str; 3] = ["north", "south", "west"];
/// How many files each of them has.
const FILES: u64 = 8;

/// A file, and how long the server takes to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) delay: Duration,
    pub(super) content: Bytes,
}

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    File(File),
    Folder,
}

/// The files by their absolute paths. Folders are there because files are below them.
pub(super) struct Tree {
    files: BTreeMap<String, File>,
}

impl Tree {
    /// `/outbox/{region}/orders-{number}.csv`: twenty-four files of different sizes and delays.
    pub(super) fn outbox() -> Tree {
        let names = REGIONS.iter().flat_map(|region| (1..=FILES).map(move |number| (region, number)));
        let files = names.map(|(region, number)| {
            let delay = Duration::from_millis(60 + 45 * (number * region.len() as u64 % 7));
            let path = format!("/outbox/{region}/orders-{number:02}.csv");
            (path, File { delay, content: orders(region, number * 200) })
        });
        Tree { files: files.collect() }
    }

    /// What is at an absolute path, as [`absolute`] makes it.
    pub(super) fn find(&self, path: &str) -> Option<Node> {
        if let Some(file) = self.files.get(path).cloned().or_else(|| waiting(path)) {
            return Some(Node::File(file));
        }
        let below = below(path);
        self.files.keys().any(|file| file.starts_with(&below)).then_some(Node::Folder)
    }

    /// The names in a folder with what they stand for, in order. None if there is no such folder.
    pub(super) fn list(&self, folder: &str) -> Option<Vec<(String, Node)>> {
        let below = below(folder);
        let mut entries = BTreeMap::new();
        for (path, file) in &self.files {
            match path.strip_prefix(&below).map(|rest| rest.split_once('/').ok_or(rest)) {
                Some(Ok((name, _))) => entries.insert(name.to_owned(), Node::Folder),
                Some(Err(name)) => entries.insert(name.to_owned(), Node::File(file.clone())),
                None => None,
            };
        }
        (!entries.is_empty()).then(|| entries.into_iter().collect())
    }
}

/// The absolute form of a path, without `.`, `..` and doubled slashes. The login folder is `/`.
pub(super) fn absolute(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What the paths below a folder begin with.
fn below(folder: &str) -> String {
    format!("{}/", folder.trim_end_matches('/'))
}

/// The file that `/wait/{ms}/{name}` stands for.
fn waiting(path: &str) -> Option<File> {
    let (ms, name) = path.strip_prefix("/wait/")?.split_once('/')?;
    let delay = Duration::from_millis(ms.parse().ok()?);
    let there = delay <= MAX_DELAY && !name.contains('/');
    there.then(|| File { delay, content: orders(name, 20) })
}

/// A CSV file with that many orders.
fn orders(region: &str, count: u64) -> Bytes {
    let mut text = String::from("id,region,cents\n");
    for id in 1..=count {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{id},{region},{}", 100 + id * 37 % 9900);
    }
    text.into()
}
