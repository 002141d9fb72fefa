//! Whether a file is still the one that it was when it was opened, and what it may have become since. Not here: when that
//! is asked (`fetch`).

use super::codec::Attrs;
use super::fetch::Failed;
use crate::output::Origin;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What a job makes of files that grow while they are read.
#[derive(Deserialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Growing {
    /// They fail, and are tried again.
    #[default]
    Fail,
    /// What they held when they were opened is taken.
    Snapshot,
}

/// How a file may change while it is fetched, and what it was at first: for all attempts of one item.
#[derive(Default)]
pub(super) struct Same {
    growing: Growing,
    first: OnceLock<Attrs>,
    /// Where what the last attempt left comes from.
    left: Mutex<Option<Origin>>,
}

impl Same {
    /// Nothing is known yet of the file.
    pub(super) fn new(growing: Growing) -> Same {
        Same { growing, ..Same::default() }
    }

    /// Whether the file may grow.
    pub(super) fn grows(&self) -> bool {
        self.growing == Growing::Snapshot
    }

    /// What is to be fetched of a file that is `now` found: of one that has grown since an earlier attempt, what it was then.
    pub(super) fn snapshot(&self, now: Attrs) -> Attrs {
        let first = || *self.first.get_or_init(|| now);
        if self.grows() && self.check(first(), now).is_ok() { first() } else { now }
    }

    /// Whether what an attempt leaves is more of what the one before it left. Of a file that is another one each time no attempt
    /// gets further, and they would have no end.
    pub(super) fn goes_on(&self, origin: Origin) -> bool {
        let before = self.left.lock().unwrap_or_else(PoisonError::into_inner).replace(origin);
        before.is_none_or(|before| before == origin)
    }

    /// Of a file of which the parts were read at different times: it has to be the same after as before, or to have grown
    /// if it may.
    pub(super) fn check(&self, before: Attrs, after: Attrs) -> Result<(), Failed> {
        if self.grows() && after.size > before.size && after.mtime >= before.mtime {
            return Ok(());
        }
        if before.size != after.size {
            let bytes =
                |attrs: Attrs| attrs.size.map_or("no size".to_owned(), |size| format!("{size} bytes"));
            return Err(Failed::Changed(format!("it had {}, then {}", bytes(before), bytes(after))));
        }
        if before.mtime != after.mtime {
            return Err(Failed::Changed("it was written to".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attrs(size: u64, mtime: u32) -> Attrs {
        Attrs { size: Some(size), mtime: Some(mtime), ..Attrs::default() }
    }

    #[test]
    fn a_file_that_may_grow_may_do_nothing_else() {
        let before = attrs(100, 50);
        for (after, while_fixed, while_growing) in [
            (attrs(100, 50), true, true),
            (attrs(101, 50), false, true),
            (attrs(101, 51), false, true),
            (attrs(101, 49), false, false),
            (attrs(100, 51), false, false),
            (attrs(99, 51), false, false),
            (Attrs::default(), false, false),
        ] {
            assert_eq!(Same::new(Growing::Fail).check(before, after).is_ok(), while_fixed, "{after:?}");
            assert_eq!(Same::new(Growing::Snapshot).check(before, after).is_ok(), while_growing, "{after:?}");
        }
    }

    #[test]
    fn a_later_attempt_goes_on_with_the_first_snapshot_unless_the_file_is_another() {
        let same = Same::new(Growing::Snapshot);
        assert_eq!(same.snapshot(attrs(100, 50)), attrs(100, 50));
        assert_eq!(same.snapshot(attrs(140, 60)), attrs(100, 50));
        assert_eq!(same.snapshot(attrs(30, 70)), attrs(30, 70));
        let fixed = Same::new(Growing::Fail);
        assert_eq!(fixed.snapshot(attrs(100, 50)), attrs(100, 50));
        assert_eq!(fixed.snapshot(attrs(140, 60)), attrs(140, 60));
    }
}
