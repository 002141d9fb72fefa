//! The ids of spans: made of what names a run, a job, an item and an attempt, so that the same log gives the same ids.
//! And the span of somebody else's that a run belongs below, as `TRACEPARENT` says it.
//! Not here: the spans.

use crate::gather::{ItemNumber, JobNumber, RunInfo};
use aws_lc_rs::digest::{Context, SHA256};

/// A span that runs belong below, by W3C Trace Context. <https://www.w3.org/TR/trace-context/#traceparent-header>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: [u8; 16],
    /// The span in it.
    pub span: [u8; 8],
    /// Whether whoever began the trace wants it recorded.
    pub sampled: bool,
}

impl Parent {
    /// Reads a `traceparent`. None if it is not valid: then it is to be ignored, says the standard.
    pub fn read(text: &str) -> Option<Parent> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags, more @ ..] = &parts[..] else { return None };
        let [version] = hex(version)?;
        if version == 0xff || (version == 0 && !more.is_empty()) {
            return None;
        }
        let (trace, span, [flags]) = (hex(trace)?, hex(span)?, hex(flags)?);
        let is_valid = trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Parent { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Lower-case hexadecimal digits, exactly as many as there are to be.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if text.len() != 2 * N || !text.as_bytes().iter().all(digits) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// What a span is of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Run,
    Job(JobNumber),
    Item(JobNumber, ItemNumber),
    Attempt(JobNumber, ItemNumber, u32),
}

/// The ids of one run's spans.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ids {
    /// What tells this run from every other: also from those in the same trace.
    key: [u8; 32],
    parent: Option<Parent>,
}

impl Ids {
    /// The run's id alone may be another machine's, too; not with the same start to the nanosecond.
    pub(super) fn new(info: &RunInfo, parent: Option<Parent>) -> Ids {
        Ids { key: digest(&[b"fanout", info.id.as_bytes(), b" ", info.started.as_bytes()]), parent }
    }

    pub(super) fn trace(&self) -> Vec<u8> {
        self.parent.map_or(self.key[..16].to_vec(), |parent| parent.trace.to_vec())
    }

    /// The parent of the run's own span, if there is one.
    pub(super) fn above(&self) -> Option<Vec<u8>> {
        self.parent.map(|parent| parent.span.to_vec())
    }

    pub(super) fn span(&self, of: Of) -> Vec<u8> {
        let name = match of {
            Of::Run => "run".to_owned(),
            Of::Job(job) => format!("{job}"),
            Of::Item(job, item) => format!("{job}/{item}"),
            Of::Attempt(job, item, attempt) => format!("{job}/{item}/{attempt}"),
        };
        digest(&[&self.key, name.as_bytes()])[..8].to_vec()
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
