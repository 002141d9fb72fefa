//! Replaces every known secret, in each form it may have taken, by `***`: in a text, and in a stream of bytes.

use super::Secret;
use super::forms::{self, Form, Found};
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// What stands in a secret's place.
const REMOVED: &str = "***";

/// Replaces every known secret, in each form it may have taken, by `***`. One for the process knows each secret as soon as
/// it is resolved. Cheap to clone: all clones know the same secrets.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Arc<Known>>>,
}

/// All forms of all secrets, and the bytes they may begin with.
#[derive(Default)]
struct Known {
    forms: Vec<Arc<Form>>,
    seen: HashSet<[u8; 32]>,
    /// For each byte, whether one begins with it; empty where none is known.
    starts: Vec<bool>,
}

/// The process's own.
static PROCESS: LazyLock<Redactor> = LazyLock::new(Redactor::default);

impl Redactor {
    /// The process's own, which every secret that is resolved is known to.
    pub fn process() -> &'static Redactor {
        &PROCESS
    }

    /// One that knows no secret.
    pub fn new() -> Redactor {
        Redactor::default()
    }

    /// Makes a secret known. One of fewer than four characters is not looked for.
    pub fn add(&self, secret: &Secret) {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose().as_bytes());
        let Ok(digest) = <[u8; 32]>::try_from(digest.as_ref()) else { return };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.seen.contains(&digest) {
            return;
        }
        let mut forms = known.forms.clone();
        forms.extend(forms::forms(secret.expose()).into_iter().map(Arc::new));
        let seen = known.seen.iter().copied().chain([digest]).collect();
        let starts =
            (0..=u8::MAX).map(|byte| forms.iter().any(|form| form.at_start_of(&[byte], false) != Found::Not));
        *known = Arc::new(Known { starts: starts.collect(), forms, seen });
    }

    /// Makes known what an expression made of a secret, unless it holds the secret as it is.
    pub fn add_derived(&self, text: &str) {
        if matches!(self.redact(text), Cow::Borrowed(_)) {
            self.add(&Secret::new(text));
        }
    }

    /// The text without secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.known();
        let Some(first) = known.first(text.as_bytes()) else { return Cow::Borrowed(text) };
        let mut clean = text.as_bytes()[..first].to_vec();
        let kept = known.clean(&text.as_bytes()[first..], &mut clean, true);
        debug_assert_eq!(kept, text.len() - first, "at the end nothing is held back");
        Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
    }

    /// A writer that removes secrets from all that passes through it.
    pub fn writer<W: Write>(&self, to: W) -> Writer<W> {
        Writer { redactor: self.clone(), held: Vec::new(), to }
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    /// Where the first secret begins.
    fn first(&self, text: &[u8]) -> Option<usize> {
        (0..text.len()).find(|at| self.found(&text[*at..], true) != Found::Not)
    }

    /// The longest secret at the start of a text, which perhaps `ends` where it ends.
    fn found(&self, text: &[u8], ends: bool) -> Found {
        match text.first() {
            Some(byte) if self.starts.get(usize::from(*byte)) == Some(&true) => {}
            _ => return Found::Not,
        }
        let mut longest = Found::Not;
        for form in &self.forms {
            match (form.at_start_of(text, ends), longest) {
                (Found::Cut, _) => return Found::Cut,
                (Found::Whole(length), Found::Whole(best)) if length <= best => {}
                (Found::Whole(length), _) => longest = Found::Whole(length),
                (Found::Not, _) => {}
            }
        }
        longest
    }

    /// Moves text into `clean`, secrets replaced, and says how many bytes it moved: all, or, if it is not the end, those
    /// before what may be the beginning of a secret.
    fn clean(&self, text: &[u8], clean: &mut Vec<u8>, end: bool) -> usize {
        let mut at = 0;
        while at < text.len() {
            match self.found(&text[at..], end) {
                Found::Cut => return at,
                Found::Whole(length) => {
                    clean.extend_from_slice(REMOVED.as_bytes());
                    at += length;
                }
                _ => {
                    clean.push(text[at]);
                    at += 1;
                }
            }
        }
        at
    }
}

/// Removes secrets from what is written through it. What may be the beginning of a secret is held back, through a
/// `flush` too, until more tells; at the end it is written out.
pub struct Writer<W: Write> {
    redactor: Redactor,
    held: Vec<u8>,
    to: W,
}

impl<W: Write> Writer<W> {
    fn pass(&mut self, end: bool) -> io::Result<()> {
        let mut clean = Vec::with_capacity(self.held.len());
        let moved = self.redactor.known().clean(&self.held, &mut clean, end);
        self.held.drain(..moved);
        self.to.write_all(&clean)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        self.pass(false)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        let _ = self.pass(true).and_then(|()| self.to.flush());
    }
}
