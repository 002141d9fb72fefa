//! Arrows for needs: from the last attempt of the job that was needed to the first attempts of the job that needed it.

use super::event::{Event, Place, Trace};
use super::tracks::{Track, Tracks};
use crate::gather::{JobNumber, Role};
use crate::report::Timeline;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// The most arrows of one need: more would hide what they point at.
pub const ARROWS: usize = 50;

/// The ends of a job's arrows.
#[derive(Default)]
struct Ends {
    /// Its last attempt: where it lies, its start and its end.
    last: Option<(Place, Duration, Duration)>,
    /// The first attempts of its items and of the pages that list them, by their starts.
    first: Vec<(Place, Duration)>,
}

/// All arrows of a run.
pub(super) fn draw<W: Write>(timeline: &Timeline, tracks: &Tracks, trace: &mut Trace<W>) -> io::Result<()> {
    let ends = ends(timeline, tracks);
    let mut id = 0;
    for (needing, needed) in needs(timeline) {
        let (Some(from), Some(to)) = (ends.get(&needed), ends.get(&needing)) else { continue };
        let Some((place, start, end)) = from.last else { continue };
        // Within the slice, and not on its edge.
        let leaves = end.saturating_sub(Duration::from_micros(1)).max(start);
        for target in to.first.iter().filter(|(_, start)| *start >= end).take(ARROWS) {
            id += 1;
            for event in Event::arrow("needed", id, (place, leaves), *target) {
                trace.put(&event)?;
            }
        }
    }
    Ok(())
}

/// Which job needs which, of those whose last item is known.
fn needs(timeline: &Timeline) -> Vec<(JobNumber, JobNumber)> {
    let jobs = &timeline.info.jobs;
    let number =
        |name: &String| (0..).zip(jobs).find(|(_, job)| *job.name == **name).map(|(number, _)| number);
    let pairs = (0..)
        .zip(jobs)
        .flat_map(|(needing, job)| job.needs.iter().filter_map(number).map(move |needed| (needing, needed)));
    let whole = |job: &JobNumber| timeline.jobs.get(job).is_some_and(|job| job.dropped == 0);
    pairs.filter(|(_, needed)| whole(needed)).collect()
}

fn ends(timeline: &Timeline, tracks: &Tracks) -> BTreeMap<JobNumber, Ends> {
    let mut jobs: BTreeMap<JobNumber, Ends> = BTreeMap::new();
    for track in &tracks.all {
        let Some(number) = planned(track) else { continue };
        let attempt = track.attempt();
        let (start, end) = (attempt.start, attempt.until(timeline.now));
        let ends = jobs.entry(number).or_default();
        if ends.last.is_none_or(|(_, _, last)| end >= last) {
            ends.last = Some((track.place, start, end));
        }
        if track.index == 0 {
            ends.first.push((track.place, start));
        }
    }
    jobs.values_mut().for_each(|ends| ends.first.sort_by_key(|(_, start)| *start));
    jobs
}

/// The job of the plan that an attempt belongs to; none for what an item gathers below itself.
fn planned(track: &Track) -> Option<JobNumber> {
    match track.job.role {
        Role::Items => Some(track.job.number),
        Role::Pages => track.job.parent,
        Role::Nested => None,
    }
}
