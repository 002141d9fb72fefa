//! What comes after what in a run: the needs of jobs, and the pages that list for them: [`Order`]. Not here: what an
//! item waited for (`Item`).

use super::Timeline;
use crate::gather::{ItemNumber, JobNumber, Role};
use std::collections::HashMap;
use std::time::Duration;

/// Which jobs wait for which, and which page gave which items.
#[derive(Debug, Default)]
pub struct Order {
    needs: Vec<Vec<JobNumber>>,
    pages: HashMap<JobNumber, Vec<Page>>,
}

/// A page of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The number of its job.
    pub job: JobNumber,
    /// How many items it and the pages before it gave.
    pub entries: u64,
}

impl Order {
    /// The order in a run.
    pub fn of(timeline: &Timeline) -> Order {
        let jobs = &timeline.info.jobs;
        let numbers: HashMap<&str, JobNumber> = jobs.iter().map(|job| &*job.name).zip(0..).collect();
        let needs = jobs
            .iter()
            .map(|job| job.needs.iter().filter_map(|need| numbers.get(need.as_str()).copied()).collect());
        let mut pages: HashMap<JobNumber, Vec<Page>> = HashMap::new();
        for job in timeline.jobs.values().filter(|job| job.role == Role::Pages) {
            let Some(parent) = job.parent else { continue };
            let pages = pages.entry(parent).or_default();
            let before = pages.last().map_or(0, |page| page.entries);
            let entries = job.items.values().filter_map(|item| item.end.as_ref());
            let entries = entries.fold(before, |sum, end| sum.saturating_add(end.brought.entries));
            pages.push(Page { job: job.number, entries });
        }
        Order { needs: needs.collect(), pages }
    }

    /// The jobs that a job waited for before it began.
    pub fn needs(&self, job: JobNumber) -> &[JobNumber] {
        self.needs.get(job as usize).map_or(&[], Vec::as_slice)
    }

    /// The pages that listed for a job, one after the other.
    pub fn pages(&self, job: JobNumber) -> &[Page] {
        self.pages.get(&job).map_or(&[], Vec::as_slice)
    }

    /// The page that gave an item, if one did. What no page says it gave is the last one's.
    pub fn page_of(&self, job: JobNumber, item: ItemNumber) -> Option<JobNumber> {
        let pages = self.pages(job);
        let place = pages.partition_point(|page| page.entries <= item);
        pages.get(place).or(pages.last()).map(|page| page.job)
    }

    /// When the last of the jobs ended that a job waited for.
    pub fn free_at(&self, timeline: &Timeline, job: JobNumber) -> Duration {
        let ends = self.needs(job).iter().filter_map(|need| timeline.jobs.get(need)?.ended);
        ends.max().unwrap_or_default()
    }
}
