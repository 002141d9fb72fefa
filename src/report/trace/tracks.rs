//! Where each attempt lies: the process of its source, and there the smallest track that is free. So a source has as
//! many tracks as it ever had attempts at once. Not here: what is drawn there.

use super::event::{Place, micros};
use crate::report::Timeline;
use crate::report::timeline::{Attempt, Item, Job};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The number of the run's own process. Those of its sources follow. 0 has a meaning of its own to some readers.
pub(super) const RUN: u32 = 1;

/// The number of a source's process.
pub(super) fn process(source: usize) -> u32 {
    RUN + 1 + source as u32
}

/// An attempt and where it lies.
pub(super) struct Track<'a> {
    pub(super) job: &'a Job,
    pub(super) item: &'a Item,
    /// The attempt's place in the item's list.
    pub(super) index: usize,
    pub(super) place: Place,
}

impl<'a> Track<'a> {
    pub(super) fn attempt(&self) -> &'a Attempt {
        &self.item.attempts[self.index]
    }
}

/// All attempts by source and start, and how many tracks each source has.
pub(super) struct Tracks<'a> {
    pub(super) all: Vec<Track<'a>>,
    lanes: Vec<u32>,
}

impl<'a> Tracks<'a> {
    pub(super) fn of(timeline: &'a Timeline) -> Tracks<'a> {
        let attempts = timeline.items().flat_map(|(job, item)| {
            let place = Place { pid: process(job.source), tid: 0 };
            (0..item.attempts.len()).map(move |index| Track { job, item, index, place })
        });
        let mut tracks = Tracks { all: attempts.collect(), lanes: vec![0; timeline.sources.len()] };
        tracks.all.sort_by_key(|track| (track.job.source, micros(track.attempt().start)));
        for (source, lanes) in tracks.lanes.iter_mut().enumerate() {
            let own = tracks.all.iter_mut().filter(|track| track.job.source == source);
            *lanes = spread(own, timeline.now);
        }
        let first: Vec<u32> = (0..timeline.sources.len()).map(|source| tracks.at(source, 0).tid).collect();
        tracks.all.iter_mut().for_each(|track| track.place.tid += first[track.job.source]);
        tracks
    }

    /// How many tracks a source has.
    pub(super) fn lanes(&self, source: usize) -> u32 {
        self.lanes[source]
    }

    /// The run's own track.
    pub(super) fn run(&self) -> Place {
        Place { pid: RUN, tid: RUN + 1 + self.lanes.len() as u32 }
    }

    /// A track of a source. Numbers of threads are those of no process and of no other thread.
    pub(super) fn at(&self, source: usize, lane: u32) -> Place {
        let before: u32 = self.lanes[..source].iter().sum();
        Place { pid: process(source), tid: self.run().tid + 1 + before + lane }
    }
}

/// Gives each attempt of one source, in order of their starts, the smallest track that is free. Says how many there
/// are.
fn spread<'a: 'b, 'b>(tracks: impl Iterator<Item = &'b mut Track<'a>>, now: Duration) -> u32 {
    let mut taken: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut free: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
    let mut lanes = 0;
    for track in tracks {
        let attempt = track.attempt();
        let start = micros(attempt.start);
        while let Some(Reverse((_, lane))) = taken.peek().filter(|Reverse((end, _))| *end <= start) {
            free.push(Reverse(*lane));
            taken.pop();
        }
        let lane = free.pop().map_or(lanes, |Reverse(lane)| lane);
        lanes = lanes.max(lane + 1);
        taken.push(Reverse((micros(attempt.until(now)), lane)));
        track.place.tid = lane;
    }
    lanes
}
