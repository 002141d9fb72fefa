//! How the bytes of items are put together, as they stream by: CSV, lines of JSON, or anything. Not here: JSON arrays
//! (`array`), and in which order the items come (the join).

use super::array::{Array, Scan};
use serde::de::IgnoredAny;
use std::io::{BufReader, Read};

/// The longest CSV header, in bytes.
const LONGEST_HEADER: usize = 1024 * 1024;

/// What is known between two pieces of bytes.
pub(super) enum Splice {
    Raw,
    Csv(Csv),
    Lines(Lines),
    Array(Array),
}

impl Splice {
    pub(super) fn of_ending(ending: &str) -> Splice {
        match ending {
            "csv" => Splice::Csv(Csv::default()),
            "jsonl" | "ndjson" => Splice::Lines(Lines::default()),
            "json" => Splice::Array(Array::default()),
            _ => Splice::Raw,
        }
    }

    pub(super) fn begin_item(&mut self) {
        match self {
            Splice::Raw => {}
            Splice::Csv(csv) => csv.begin_item(),
            Splice::Lines(lines) => *lines = Lines::default(),
            Splice::Array(array) => array.begin_item(),
        }
    }

    /// Takes more of the item; errors say what is wrong with it.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Splice::Raw => out.extend_from_slice(bytes),
            Splice::Csv(csv) => return csv.push(bytes, out),
            Splice::Lines(lines) => lines.push(bytes, out),
            Splice::Array(array) => array.push(bytes, out),
        }
        Ok(())
    }

    pub(super) fn end_item(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Splice::Raw | Splice::Array(_) => {}
            Splice::Csv(csv) => return csv.end_item(out),
            Splice::Lines(lines) => lines.end_item(out),
        }
        Ok(())
    }

    /// Checks an item before any of it is taken, where its bytes have to be JSON.
    pub(super) fn check(&self, item: impl Read) -> Result<(), serde_json::Error> {
        let (most, item) = match self {
            Splice::Raw | Splice::Csv(_) => return Ok(()),
            Splice::Lines(_) => (usize::MAX, item),
            Splice::Array(_) => (1, item),
        };
        let mut values =
            serde_json::Deserializer::from_reader(BufReader::new(item)).into_iter::<IgnoredAny>();
        let count = values.by_ref().take(most).try_fold(0, |count, value| value.map(|_| count + 1))?;
        match values.next() {
            Some(_) if count == most => Err(serde::de::Error::custom("more than one JSON value")),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Splice::Array(array) = self {
            array.finish(out);
        }
    }
}

/// CSV: the header once.
#[derive(Default)]
pub(super) struct Csv {
    /// The header of the first item that has one, without its line break.
    header: Option<Vec<u8>>,
    /// This item's header as far as it came, or `None` after it.
    coming: Option<Vec<u8>>,
    /// Within quotes. (A doubled quote leaves and enters again.)
    quoted: bool,
    /// The item's last byte.
    last: u8,
}

impl Csv {
    fn begin_item(&mut self) {
        self.coming = Some(Vec::new());
        self.quoted = false;
        self.last = b'\n';
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = bytes;
        if let Some(coming) = &mut self.coming {
            let end = bytes.iter().position(|byte| {
                self.quoted ^= *byte == b'"';
                *byte == b'\n' && !self.quoted
            });
            coming.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            if coming.len() > LONGEST_HEADER {
                return Err("no end of the header within 1 MiB".to_owned());
            }
            let Some(end) = end else { return Ok(()) };
            rest = &bytes[end + 1..];
            self.end_header(out)?;
        }
        self.last = rest.last().copied().unwrap_or(self.last);
        out.extend_from_slice(rest);
        Ok(())
    }

    /// Writes the first header, and compares the later ones with it.
    fn end_header(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(coming) = self.coming.take() else { return Ok(()) };
        let coming = coming.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&coming);
        let coming = coming.strip_suffix(b"\r").unwrap_or(coming);
        match &self.header {
            Some(header) if header == coming => Ok(()),
            Some(header) => Err(format!("its header is {}, not {}", start(coming), start(header))),
            None => {
                out.extend_from_slice(coming);
                out.push(b'\n');
                self.header = Some(coming.to_vec());
                Ok(())
            }
        }
    }

    fn end_item(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.coming.as_ref().is_some_and(|coming| !coming.is_empty()) {
            self.end_header(out)?;
        }
        if self.last != b'\n' {
            out.push(b'\n');
        }
        Ok(())
    }
}

/// The start of a header, for a message.
fn start(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let cut: String = text.chars().take(60).collect();
    format!("{cut:?}{}", if cut.len() < text.len() { " .." } else { "" })
}

/// Lines of JSON: a value a line.
#[derive(Default)]
pub(super) struct Lines {
    scan: Scan,
    /// The line has something on it.
    begun: bool,
    /// It has a whole value on it.
    ended: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            let outside = self.scan.is_outside();
            match byte {
                b'\n' | b'\r' if !outside => {}
                b' ' | b'\t' | b'\n' | b'\r' if outside => self.ended = self.begun,
                byte => self.take(*byte, out),
            }
        }
    }

    /// A byte of a value, the first one of which ends the line of the value before.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.ended {
            out.push(b'\n');
        }
        self.scan.step(byte);
        self.begun = true;
        self.ended = self.scan.is_outside() && matches!(byte, b'}' | b']' | b'"');
        out.push(byte);
    }

    fn end_item(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            out.push(b'\n');
        }
    }
}
