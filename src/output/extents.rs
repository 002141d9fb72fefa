//! Which stretches of a file are there: disjoint, in order. Not here: the record of them that outlives a process
//! (`resume`).

use std::collections::BTreeMap;
use std::ops::Range;

/// Stretches of bytes, each from its start to its end; none touches another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extents(BTreeMap<u64, u64>);

impl Extents {
    /// Adds a stretch, whatever of it is there already.
    pub(super) fn add(&mut self, stretch: Range<u64>) {
        if stretch.is_empty() {
            return;
        }
        let Range { mut start, mut end } = stretch;
        // What it touches becomes one with it: it begins no later than the stretch ends, and ends no sooner than it begins.
        while let Some((&first, &last)) = self.0.range(..=end).next_back().filter(|(_, last)| **last >= start)
        {
            (start, end) = (start.min(first), end.max(last));
            self.0.remove(&first);
        }
        self.0.insert(start, end);
    }

    /// What of the first `size` bytes is not there, in order.
    pub(super) fn missing(&self, size: u64) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = 0;
        for (&start, &end) in &self.0 {
            if at < start.min(size) {
                missing.push(at..start.min(size));
            }
            at = at.max(end);
        }
        if at < size {
            missing.push(at..size);
        }
        missing
    }

    /// Bytes that are there.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// The largest stretches, in order, if there are more than `most`.
    pub(super) fn largest(&self, most: usize) -> Vec<Range<u64>> {
        let mut stretches: Vec<_> = self.0.iter().map(|(start, end)| *start..*end).collect();
        if stretches.len() > most {
            stretches.sort_unstable_by_key(|stretch| std::cmp::Reverse(stretch.end - stretch.start));
            stretches.truncate(most);
            stretches.sort_unstable_by_key(|stretch| stretch.start);
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_added_is_there_and_nothing_else(
            added in proptest::collection::vec((0u64..60, 0u64..12), 0..30),
            size in 0u64..80,
            most in 1usize..8,
        ) {
            let (mut extents, mut bytes) = (Extents::default(), [false; 80]);
            for (start, len) in added {
                extents.add(start..start + len);
                bytes[start as usize..(start + len) as usize].fill(true);
            }
            prop_assert_eq!(extents.total(), bytes.iter().filter(|is_there| **is_there).count() as u64);
            let mut missing = [true; 80];
            for stretch in extents.missing(size) {
                prop_assert!(!stretch.is_empty() && stretch.end <= size);
                missing[stretch.start as usize..stretch.end as usize].fill(false);
            }
            prop_assert_eq!(&missing[..size as usize], &bytes[..size as usize]);
            let stretches: Vec<_> = extents.0.iter().collect();
            prop_assert!(stretches.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", stretches);
            let largest = extents.largest(most);
            prop_assert_eq!(largest.len(), most.min(stretches.len()));
            prop_assert!(largest.iter().all(|stretch| extents.0.get(&stretch.start) == Some(&stretch.end)));
            prop_assert!(largest.is_sorted_by_key(|stretch| stretch.start));
        }
    }
}
