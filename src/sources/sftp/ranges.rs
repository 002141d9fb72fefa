//! What of a file nobody has asked for yet, handed out in stretches to those who read it, each over a connection of its own:
//! who is faster gets more of them, and what one could not read goes to the others. Not here: reading them (`reading`).

use std::collections::VecDeque;
use std::iter::once;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest stretch: some reads, one after the other, as servers read ahead.
const STRETCH: u64 = 4 << 20;

/// What is to be handed out, in order.
pub(super) struct Ranges(Mutex<State>);

struct State {
    rest: VecDeque<Range<u64>>,
    /// Up to where stretches were handed out while the size was not known.
    handed: u64,
}

impl Ranges {
    /// A file of which `end` bytes may be asked for, for now.
    pub(super) fn up_to(end: u64) -> Ranges {
        Ranges(Mutex::new(State { rest: once(0..end).collect(), handed: 0 }))
    }

    /// The file's size is known.
    pub(super) fn end_at(&self, size: u64) {
        let mut state = self.state();
        state.rest = once(state.handed..size.max(state.handed)).collect();
    }

    /// Only these stretches are wanted, beside what was handed out already.
    pub(super) fn only(&self, stretches: Vec<Range<u64>>) {
        let mut state = self.state();
        let handed = state.handed;
        let rest = stretches.into_iter().map(|stretch| stretch.start.max(handed)..stretch.end);
        state.rest = rest.filter(|stretch| !stretch.is_empty()).collect();
    }

    /// The next stretch; an empty one if there is none.
    pub(super) fn claim(&self) -> Range<u64> {
        let mut state = self.state();
        let Some(front) = state.rest.front_mut() else { return 0..0 };
        let start = front.start;
        front.start = front.end.min(start.saturating_add(STRETCH)).max(start);
        let claimed = start..front.start;
        if front.is_empty() {
            state.rest.pop_front();
        }
        state.handed = state.handed.max(claimed.end);
        claimed
    }

    /// Takes back a stretch that was claimed and not read.
    pub(super) fn give_back(&self, stretch: Range<u64>) {
        if !stretch.is_empty() {
            self.state().rest.push_front(stretch);
        }
    }

    /// Whether there is nothing more to be handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.state().rest.iter().all(Range::is_empty)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is handed out, one after the other.
    fn claims(ranges: &Ranges) -> Vec<Range<u64>> {
        std::iter::from_fn(|| Some(ranges.claim()).filter(|next| !next.is_empty())).collect()
    }

    #[test]
    fn every_byte_is_handed_out_once_whatever_was_thought_of_the_size() {
        for size in [0, 1, STRETCH - 1, STRETCH, STRETCH + 1, 5 * STRETCH + 7] {
            for thought in [1, STRETCH, 2 * STRETCH + 3, 9 * STRETCH] {
                let ranges = Ranges::up_to(thought);
                let first = ranges.claim();
                ranges.end_at(size);
                let mut end = first.end;
                for next in claims(&ranges) {
                    assert_eq!(next.start, end);
                    end = next.end;
                }
                assert!(ranges.is_empty());
                // The first claim may be of more than there turned out to be.
                assert_eq!(end, size.max(first.end), "{size} and {thought}");
            }
        }
    }

    #[test]
    fn what_is_wanted_and_what_came_back_is_handed_out_and_nothing_else() {
        let ranges = Ranges::up_to(0);
        assert!(ranges.claim().is_empty() && ranges.is_empty());
        ranges.only(vec![3..7, 100..100 + STRETCH + 5]);
        assert_eq!(ranges.claim(), 3..7);
        assert_eq!(ranges.claim(), 100..100 + STRETCH);
        ranges.give_back(4..6);
        ranges.give_back(9..9);
        assert_eq!(claims(&ranges), [4..6, 100 + STRETCH..105 + STRETCH]);
        assert!(ranges.is_empty());
        ranges.give_back(100..101);
        assert!(!ranges.is_empty());
        let early = Ranges::up_to(50);
        assert_eq!(early.claim(), 0..50);
        early.only(vec![10..40, 45..60, 70..80]);
        assert_eq!(claims(&early), [50..60, 70..80]);
    }
}
