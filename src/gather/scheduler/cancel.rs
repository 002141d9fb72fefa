//! Stopping: a job and all below it start no more, and what runs is asked, given a grace time, and aborted.

use super::{AttemptEnd, Brief, Ending, ItemId, JobId, Place, Row, Scheduler, Timer, What};
use crate::gather::event::EventKind;
use crate::gather::outcome::{Cause, Timeout};
use crate::gather::policy::Stop;

impl Scheduler {
    /// Stops a job and its children. Stopping a second time can only make it harder.
    pub(crate) fn cancel(&mut self, job: JobId, cause: &Cause, stop: Stop) {
        let Some(owner) = self.jobs.get_mut(job) else { return };
        if owner.stopped.as_ref().is_some_and(|(_, before)| *before >= stop) {
            return;
        }
        let cause = owner.stopped.as_ref().map_or(cause, |(first, _)| first).clone();
        owner.stopped = Some((cause.clone(), stop));
        let number = owner.number;
        let shown = cause.clone();
        self.emit(|_| EventKind::Cancelling { job: Some(number), cause: shown });
        self.end_resting_of(job, &cause, stop);
        if stop == Stop::CancelRunning {
            self.ask_running_of(job, &cause);
        }
        // The driver stops its intake.
        self.woken.push(job);
        self.cancel_children(job, &cause, stop);
    }

    /// Stops the gathers below a job's items.
    pub(super) fn cancel_children(&mut self, job: JobId, cause: &Cause, stop: Stop) {
        for child in self.children(job) {
            self.cancel(child, cause, stop);
        }
    }

    fn children(&self, job: JobId) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, child)| child.parent == Some(job)).map(|(id, _)| id).collect()
    }

    fn items_of(&self, job: JobId, which: impl Fn(&Row) -> bool) -> Vec<ItemId> {
        let mut items: Vec<(u64, ItemId)> = self
            .items
            .iter()
            .filter(|(_, row)| row.job == job && which(row))
            .map(|(item, row)| (row.number, item))
            .collect();
        items.sort_unstable_by_key(|(number, _)| *number);
        items.into_iter().map(|(_, item)| item).collect()
    }

    fn end_resting_of(&mut self, job: JobId, cause: &Cause, stop: Stop) {
        for item in self.items_of(job, Row::is_resting) {
            let ending = self.ending_for(item, cause, stop);
            self.end_resting(item, ending);
        }
    }

    fn ask_running_of(&mut self, job: JobId, cause: &Cause) {
        let asked = self.items_of(job, |row| !row.is_resting());
        if asked.is_empty() {
            return;
        }
        for item in asked {
            let slot = self.items[item].slot;
            self.act(job, item, slot, What::Ask(cause.clone()));
        }
        self.set_timer(self.after(self.grace), Timer::Grace(job));
    }

    /// Aborts what still runs of a job and its children: the grace time is over, or there is none.
    pub(crate) fn abort(&mut self, job: JobId) {
        for item in self.items_of(job, |row| !row.is_resting()) {
            let slot = self.items[item].slot;
            self.act(job, item, slot, What::Abort);
        }
        for child in self.children(job) {
            self.abort(child);
        }
    }

    /// Stops every job of the run, and those that begin later.
    pub(crate) fn cancel_all(&mut self, cause: &Cause, stop: Stop) {
        if self.stopped.as_ref().is_none_or(|(_, before)| *before < stop) {
            self.stopped = Some((cause.clone(), stop));
        }
        for job in self.all_jobs() {
            self.cancel(job, cause, stop);
        }
    }

    /// Ends the grace time of everything in the run that is being stopped.
    pub(crate) fn abort_all(&mut self) {
        for job in self.all_jobs() {
            if self.stopped(job).is_some() {
                self.abort(job);
            }
        }
    }

    fn all_jobs(&self) -> Vec<JobId> {
        self.jobs.iter().map(|(id, _)| id).collect()
    }

    /// Whether stopping like this keeps an item from starting.
    pub(super) fn ending_for(&self, item: ItemId, cause: &Cause, stop: Stop) -> Ending {
        let row = &self.items[item];
        match cause {
            Cause::Source(_) => Ending::NotStarted(cause.clone()),
            _ if row.timing.started().is_none() => Ending::NotStarted(cause.clone()),
            _ if stop == Stop::StartNoMore && row.retries > 0 => Ending::LastError,
            _ => Ending::Cancelled(cause.clone()),
        }
    }

    /// Nobody waits for a job any more: its items end. What runs of them was aborted by their driver.
    pub(super) fn abandon(&mut self, job: JobId) {
        let Some(owner) = self.jobs.get_mut(job).filter(|owner| owner.live > 0) else { return };
        let (cause, _) = owner.stopped.get_or_insert((Cause::Asked, Stop::CancelRunning)).clone();
        for item in self.items_of(job, |_| true) {
            let ending = self.ending_for(item, &cause, Stop::CancelRunning);
            let told = self.items[item].is_aside();
            self.take_back(item);
            if !told && !self.items[item].is_resting() {
                self.emit_attempt_ended(item, &AttemptEnd::Aborted, None, None);
            }
            self.close(item, ending.state(), Brief::because(ending.why()), Vec::new());
        }
    }

    /// Takes an item out of its queue.
    pub(super) fn take_out(&mut self, item: ItemId) {
        let id = self.items[item].queue;
        let queue = &mut self.queues[id];
        let was_head = queue.items.front() == Some(&item);
        queue.items.retain(|other| *other != item);
        if queue.items.is_empty() && queue.place != Place::Idle {
            self.unplace(id);
        } else if was_head {
            self.look_again(id);
        }
    }

    /// Ends an item that rests, wherever it rests.
    pub(super) fn end_waiting(&mut self, item: ItemId, cause: &Cause) {
        let ending = self.ending_for(item, cause, Stop::CancelRunning);
        self.end_resting(item, ending);
    }

    pub(super) fn queue_timeout(&mut self, item: ItemId) {
        let Some(row) = self.items.get(item) else { return };
        if row.timing.started().is_none() {
            let limit = self.jobs[row.job].settings.timeouts.queue.unwrap_or_default();
            self.end_resting(item, Ending::TimedOut(Timeout::Queue(limit)));
        }
    }

    pub(super) fn total_timeout(&mut self, item: ItemId) {
        let Some(row) = self.items.get(item) else { return };
        let timeout = Timeout::Total(self.jobs[row.job].settings.timeouts.total.unwrap_or_default());
        if row.is_resting() {
            self.end_resting(item, Ending::TimedOut(timeout));
        } else {
            let (job, slot) = (row.job, row.slot);
            self.act(job, item, slot, What::TimeOut(timeout));
        }
    }
}
