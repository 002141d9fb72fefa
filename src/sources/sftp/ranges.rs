//! What of a file nobody has asked for yet, handed out in stretches to those who read it, each over a connection of its own:
//! who is faster gets more of them. Not here: reading them (`reading`).

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest stretch: some reads, one after the other, as servers read ahead.
const STRETCH: u64 = 4 << 20;

/// From where on nobody has asked, and where the file ends as far as that is known.
pub(super) struct Ranges(Mutex<Range<u64>>);

impl Ranges {
    /// A file of which `end` bytes may be asked for, for now.
    pub(super) fn up_to(end: u64) -> Ranges {
        Ranges(Mutex::new(0..end))
    }

    /// The file's size is known.
    pub(super) fn end_at(&self, size: u64) {
        self.state().end = size;
    }

    /// The next stretch; an empty one if there is none.
    pub(super) fn claim(&self) -> Range<u64> {
        let mut rest = self.state();
        let start = rest.start;
        rest.start = rest.end.min(start + STRETCH).max(start);
        start..rest.start
    }

    /// Whether there is nothing more to be handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.state().is_empty()
    }

    fn state(&self) -> MutexGuard<'_, Range<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_handed_out_once_whatever_was_thought_of_the_size() {
        for size in [0, 1, STRETCH - 1, STRETCH, STRETCH + 1, 5 * STRETCH + 7] {
            for thought in [1, STRETCH, 2 * STRETCH + 3, 9 * STRETCH] {
                let ranges = Ranges::up_to(thought);
                let first = ranges.claim();
                ranges.end_at(size);
                let mut end = first.end;
                loop {
                    let next = ranges.claim();
                    if next.is_empty() {
                        break;
                    }
                    assert_eq!(next.start, end);
                    end = next.end;
                }
                assert!(ranges.is_empty());
                // The first claim may be of more than there turned out to be.
                assert_eq!(end, size.max(first.end), "{size} and {thought}");
            }
        }
    }
}
