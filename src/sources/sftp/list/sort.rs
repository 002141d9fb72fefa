//! What becomes of what a walk comes to: a file that is wanted, a folder to be read, a symlink to be followed, or
//! something that is left out, and said to be.

use super::super::codec::{Attrs, Name};
use super::super::entry::{self, Found, Kind};
use super::super::error::shown;
use super::super::folder::Unread;
use super::super::links::{Link, Target};
use super::super::pattern::Wanted;
use super::{Walk, joined};
use crate::gather::{Advice, Context};
use crate::output::server_name;
use crate::sources::{Entry, SourceError};

/// How deep folders may lie below the first, as in OpenSSH's own client.
const DEPTH: usize = 64;
/// Names in one warning.
const NAMED: usize = 5;

/// What is left out: some of it by name.
#[derive(Default)]
pub(super) struct LeftOut {
    named: Vec<String>,
    count: usize,
}

impl Walk {
    /// Sorts a name in: a file that is wanted, a folder to be read, or something to be left out.
    pub(super) fn sort(&mut self, folder: &Unread, name: Name) {
        let Wanted::Pattern(pattern) = &self.wanted else { return };
        if matches!(name.name.as_slice(), b"." | b"..") {
            return;
        }
        let step = pattern.step(folder.progress, &name.name);
        let kind = entry::kind(&name.attrs, name.sign);
        let matters = match kind {
            Kind::Folder => step.below.is_some(),
            // It may lead to a folder.
            Kind::Symlink => step.wanted || step.below.is_some(),
            _ => step.wanted,
        };
        let is_mark = kind != Kind::Folder && self.choice.waiting.is_mark(&name.name);
        if !matters || is_mark {
            return;
        }
        let path = joined(&folder.path, &name.name);
        self.bytes += path.len();
        let below = folder.below.iter().chain([&name.name]).cloned().collect::<Vec<_>>();
        if self.choice.excluded.has(&below, kind == Kind::Folder) {
            return;
        }
        if let Err(refused) = server_name(&name.name) {
            return self.refuse(&path, &below, &refused.to_string());
        }
        match (kind, step.below, &folder.real) {
            (Kind::Folder, Some(progress), real) => {
                let real = real.as_ref().map(|real| real.below(&name.name));
                self.enter(Unread { path, below, progress, real });
            }
            (Kind::Symlink, _, Some(within)) => {
                self.links.push_back(Link { path, below, step, within: within.clone() });
            }
            (Kind::Symlink, ..) => self.skipped.add(|| format!("symlink {}", shown(&path))),
            (Kind::Special, ..) => self.skipped.add(|| format!("special file {}", shown(&path))),
            _ => self.take(self.found(path, below, name.attrs)),
        }
    }

    fn found(&self, path: Vec<u8>, mut below: Vec<Vec<u8>>, attrs: Attrs) -> Found {
        if self.choice.flatten {
            below.drain(..below.len().saturating_sub(1));
        }
        Found { path, below, attrs }
    }

    /// A folder is to be read, unless it is left out or lies too deep.
    fn enter(&mut self, folder: Unread) {
        if folder.below.len() > DEPTH {
            return self.refuse(
                &folder.path,
                &folder.below,
                &format!("refused: more than {DEPTH} folders deep"),
            );
        }
        // What a symlink led to is known to be a folder only now.
        if !self.choice.excluded.has(&folder.below, true) {
            self.put_off(folder);
        }
    }

    /// Takes a file, at once or when it may be.
    pub(super) fn take(&mut self, found: Found) {
        self.found += 1;
        if let Some(entry) = self.choice.waiting.add(found) {
            self.tell(entry);
        }
    }

    pub(super) fn tell(&mut self, entry: Entry) {
        if let Some(why) = &entry.not_ready {
            self.not_ready.add(|| format!("{} ({why})", entry.key));
        }
        self.ready.push_back(entry);
    }

    fn refuse(&mut self, path: &[u8], below: &[Vec<u8>], why: &str) {
        let message = format!("{}{}: {why}", self.pool.target.name, shown(path));
        self.ready.push_back(entry::refused(
            path,
            below,
            SourceError::new("name", message).advice(Advice::NEVER),
        ));
    }

    /// Says once a page what was left out.
    pub(super) fn warn(&mut self, context: &Context) {
        let target = &self.pool.target.name;
        for (what, left_out) in [("skipped", &mut self.skipped), ("not ready:", &mut self.not_ready)] {
            if let Some(names) = std::mem::take(left_out).names() {
                context.warn(format!("{target}: {what} {names}"));
            }
        }
    }

    /// Sorts in what a symlink leads to.
    pub(super) fn arrive(&mut self, link: Link, target: Target) {
        let Link { path, below, step, .. } = link;
        let mut skip = |what: &str, why: &str| self.skipped.add(|| format!("{what} {}{why}", shown(&path)));
        match (target, step.below) {
            (Target::File(attrs), _) => self.take(self.found(path, below, attrs)),
            (Target::Folder(real), Some(progress)) => {
                self.followed += 1;
                self.enter(Unread { path, below, progress, real: Some(real) });
            }
            (Target::Loop, _) => skip("symlink", ", which leads to a folder that it lies in"),
            (Target::Special, _) => skip("special file", ""),
            (Target::Nowhere, _) => skip("symlink", ", which leads nowhere"),
            (Target::Unknown(fault), _) => {
                let error = fault.error(&self.pool.target.name, "stat", &path);
                self.ready.push_back(entry::refused(&path, &below, error));
            }
            (Target::Unwanted | Target::Folder(_), _) => {}
        }
    }
}

impl LeftOut {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(name());
        }
    }

    /// The first by name, and how many more; none if there are none.
    fn names(self) -> Option<String> {
        let more = match self.count - self.named.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (self.count > 0).then(|| self.named.join(", ") + &more)
    }
}
