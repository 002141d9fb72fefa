//! Lanes: the smallest free number for each running attempt, so that a picture of the run has as many rows as ever
//! ran at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Default)]
pub(super) struct Lanes {
    free: BinaryHeap<Reverse<u32>>,
    next: u32,
}

impl Lanes {
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop().map_or_else(
            || {
                self.next += 1;
                self.next - 1
            },
            |Reverse(lane)| lane,
        )
    }

    pub(super) fn give_back(&mut self, lane: u32) {
        self.free.push(Reverse(lane));
    }
}
