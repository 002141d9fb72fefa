//! One output of a whole job: the results of its items in item order. Not here: which items there are (`run`), and
//! how their bytes are put together (`splice`, `array`).
//!
//! The next item in order goes straight into the output's part; what comes before its turn waits in a second file
//! beside it, the spill, so that neither memory nor open files grow with the items that wait for a slow one. The index
//! of what waits is some 50 bytes an item. The spill is emptied whenever nothing waits.
//!
//! What joining means is told by the ending of the name:
//! - `csv`: the header once. An item with another header is an error that names it.
//! - `json`: one array. An item that is an array gives its elements, any other JSON value itself.
//! - `jsonl`, `ndjson`: a value a line: line breaks inside of values are dropped, so that an indented JSON body becomes
//!   one line.
//! - anything else: the bytes one after the other.
//!
//! Where items have to be JSON they are checked first, so that one bad body can't spoil the whole; but their bytes are
//! taken as they are, so that no number changes.

mod array;
mod splice;

use super::temp::{LONGEST, fitted};
use super::{Folder, OutputError, Part, shown};
use splice::Splice;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many bytes are read at a time.
const CHUNK: usize = 128 * 1024;
/// The longest name of an output, in bytes, that stands whole in the names of the files beside it.
const LONGEST_JOINED: usize = LONGEST - ".join-item-18446744073709551615".len();

/// One output of a whole job, final only if every item is in it. Removed when dropped.
pub struct Join {
    folder: Arc<Folder>,
    path: PathBuf,
    part: Part,
    spill: Option<Part>,
    /// The items that wait in the spill.
    waiting: BTreeMap<u64, Waiting>,
    /// Bytes in the spill.
    spilled: u64,
    /// The item whose turn it is.
    next: u64,
    splice: Splice,
    /// Bytes on their way into the part.
    out: Vec<u8>,
}

/// An item that waits for its turn.
struct Waiting {
    /// What errors call it.
    label: Arc<str>,
    extent: Extent,
}

/// Where in the spill an item is.
#[derive(Clone, Copy)]
struct Extent {
    start: u64,
    length: u64,
}

/// What an item brought, to be read once or twice.
#[derive(Clone, Copy)]
enum Brought<'a> {
    Bytes(&'a [u8]),
    Part(&'a Part, Extent),
}

impl Join {
    /// Opens the output's part. Blocking.
    pub fn open(
        folder: &Arc<Folder>,
        path: impl AsRef<Path>,
        mode: Option<u32>,
    ) -> Result<Join, OutputError> {
        let path = path.as_ref().to_owned();
        let part = folder.part(&path, mode)?;
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Ok(Join {
            folder: Arc::clone(folder),
            path,
            part,
            spill: None,
            waiting: BTreeMap::new(),
            spilled: 0,
            next: 0,
            splice: Splice::of_ending(&ending),
            out: Vec::new(),
        })
    }

    /// A part for one item to stream into, beside the output; to be given back to [`Join::add_part`]. Blocking.
    pub fn part(&self, item: u64) -> Result<Part, OutputError> {
        self.folder.part(self.beside(&format!("item-{item}")), Some(0o600))
    }

    /// Takes the result of a finished item, by its number from 0 in the job; errors call it by its label. Blocking.
    pub fn add_bytes(&mut self, item: u64, label: &Arc<str>, bytes: &[u8]) -> Result<(), OutputError> {
        self.add(item, label, Brought::Bytes(bytes))
    }

    /// Takes the result of a finished item from its part. Blocking.
    pub fn add_part(&mut self, item: u64, label: &Arc<str>, part: Part) -> Result<(), OutputError> {
        let length = part.len()?;
        self.add(item, label, Brought::Part(&part, Extent { start: 0, length }))
    }

    /// Takes it that an item has nothing to add, such as one that was skipped. Blocking.
    pub fn skip(&mut self, item: u64) -> Result<(), OutputError> {
        self.add(item, &Arc::default(), Brought::Bytes(b""))
    }

    /// The output, to be given its final name. An error if it does not hold exactly the items 0 to `items` - 1. Blocking.
    pub fn finish(mut self, items: u64) -> Result<Part, OutputError> {
        if self.next != items || !self.waiting.is_empty() {
            return Err(self.failed(&format!("item {} of {items} is missing", self.next)));
        }
        self.splice.finish(&mut self.out);
        self.flush()?;
        Ok(self.part)
    }

    fn add(&mut self, item: u64, label: &Arc<str>, brought: Brought<'_>) -> Result<(), OutputError> {
        if item < self.next || self.waiting.contains_key(&item) {
            return Err(self.failed(&format!("item {item} came twice")));
        }
        if item > self.next {
            return self.spill(item, label, brought);
        }
        self.append(label, brought)?;
        self.catch_up()
    }

    /// Puts an item aside until its turn.
    fn spill(&mut self, item: u64, label: &Arc<str>, brought: Brought<'_>) -> Result<(), OutputError> {
        if self.spill.is_none() {
            self.spill = Some(self.folder.part(self.beside("spill"), Some(0o600))?);
        }
        let Some(writer) = self.spill.as_ref().map(Part::writer) else { return Ok(()) };
        let start = self.spilled;
        let mut end = start;
        each(brought, |bytes| {
            writer.write_at(bytes, end)?;
            end += bytes.len() as u64;
            Ok(())
        })?;
        self.spilled = end;
        let extent = Extent { start, length: end - start };
        self.waiting.insert(item, Waiting { label: label.clone(), extent });
        Ok(())
    }

    /// Appends the items that waited for the one before.
    fn catch_up(&mut self) -> Result<(), OutputError> {
        while let Some(Waiting { label, extent }) = self.waiting.remove(&self.next) {
            // Taken out while it is read: an error ends the join anyway.
            let Some(spill) = self.spill.take() else { break };
            self.append(&label, Brought::Part(&spill, extent))?;
            self.spill = Some(spill);
        }
        if self.waiting.is_empty() && self.spilled > 0 {
            self.spilled = 0;
            self.spill.as_mut().map_or(Ok(()), Part::clear)?;
        }
        Ok(())
    }

    /// Appends the item whose turn it is.
    fn append(&mut self, label: &str, brought: Brought<'_>) -> Result<(), OutputError> {
        let named =
            |path: &Path, why: String| OutputError::because("join into", path, &format!("{label}: {why}"));
        let path = self.part.path();
        self.splice.check(brought).map_err(|why| named(&path, format!("not JSON: {why}")))?;
        self.splice.begin_item();
        each(brought, |bytes| {
            self.splice.push(bytes, &mut self.out).map_err(|why| named(&path, why))?;
            if self.out.len() < CHUNK { Ok(()) } else { flush(&self.part, &mut self.out) }
        })?;
        self.splice.end_item(&mut self.out).map_err(|why| named(&path, why))?;
        self.next += 1;
        if self.out.len() < CHUNK { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        flush(&self.part, &mut self.out)
    }

    /// The path of a file beside the output.
    fn beside(&self, what: &str) -> PathBuf {
        let mut name = fitted(self.path.file_name().unwrap_or_default(), LONGEST_JOINED);
        name.push(format!(".join-{what}"));
        self.path.with_file_name(name)
    }

    fn failed(&self, why: &str) -> OutputError {
        OutputError::new(format!("cannot join into {}: {why}", shown(self.part.path())))
    }
}

impl Read for Brought<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (part, extent) = match self {
            Brought::Bytes(bytes) => return bytes.read(buffer),
            Brought::Part(part, extent) => (part, extent),
        };
        let most = buffer.len().min(usize::try_from(extent.length).unwrap_or(usize::MAX));
        let count = part.read_at(&mut buffer[..most], extent.start).map_err(io::Error::other)?;
        if count == 0 && most > 0 {
            return Err(io::Error::other("a temporary file was cut short"));
        }
        extent.start += count as u64;
        extent.length -= count as u64;
        Ok(count)
    }
}

/// Hands over all bytes, a chunk at a time.
fn each(
    mut brought: Brought<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    if let Brought::Bytes(bytes) = brought {
        return take(bytes);
    }
    let mut buffer = vec![0; CHUNK];
    loop {
        match brought.read(&mut buffer).map_err(|cause| OutputError::new(cause.to_string()))? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}

fn flush(part: &Part, out: &mut Vec<u8>) -> Result<(), OutputError> {
    part.writer().append(out)?;
    out.clear();
    Ok(())
}

#[cfg(test)]
mod tests;
