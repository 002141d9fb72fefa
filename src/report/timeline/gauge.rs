//! How many at once, over time: [`Gauge`]. It takes the same memory for a run of a second and of a day. Not here:
//! what is counted.

use super::course::Course;
use std::time::Duration;

/// A number that goes up and down, with its peak, its sum over time and its course.
#[derive(Debug, Clone, Default)]
pub struct Gauge {
    count: u64,
    peak: u64,
    changed: Duration,
    sum: Duration,
    course: Course,
    span: Option<(Duration, Duration)>,
}

impl Gauge {
    /// One more from now on.
    pub fn up(&mut self, at: Duration) {
        self.advance(at);
        self.count += 1;
        self.peak = self.peak.max(self.count);
        self.span = Some((self.span.map_or(self.changed, |(first, _)| first), self.changed));
    }

    /// One less from now on.
    pub fn down(&mut self, at: Duration) {
        self.advance(at);
        self.count = self.count.saturating_sub(1);
        if let Some((_, last)) = &mut self.span {
            *last = self.changed;
        }
    }

    /// How many now.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The most at any time.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// The sum of everybody's times until `now`.
    pub fn sum(&self, now: Duration) -> Duration {
        let open = now.saturating_sub(self.changed);
        self.sum.saturating_add(times(open, self.count))
    }

    /// The mean between the first one's start and the last one's end (or `now`, while there is one); 0 if there
    /// never was one.
    pub fn mean(&self, now: Duration) -> f64 {
        let Some((first, last)) = self.span else { return 0.0 };
        let last = if self.count > 0 { now.max(last) } else { last };
        let length = last.saturating_sub(first).as_secs_f64();
        if length > 0.0 { self.sum(now).as_secs_f64() / length } else { 0.0 }
    }

    /// The mean numbers in `cells` equal parts of the time from 0 to `span`.
    pub fn course(&self, span: Duration, cells: usize) -> Vec<f64> {
        let mut whole = self.clone();
        whole.advance(span);
        whole.course.means(whole.changed, span, cells)
    }

    /// Books the time since the last change. Time never goes back: an earlier `at` counts as the last one.
    fn advance(&mut self, at: Duration) {
        let from = self.changed;
        if at <= from {
            return;
        }
        self.changed = at;
        self.sum = self.sum.saturating_add(times(at - from, self.count));
        if self.count > 0 {
            self.course.add(from, at, self.count as f64);
        } else {
            self.course.reach(at);
        }
    }
}

/// So many times as long.
fn times(duration: Duration, count: u64) -> Duration {
    u32::try_from(count).map_or(Duration::MAX, |count| duration.saturating_mul(count))
}
