//! How many at once, over time: [`Gauge`]. It takes the same memory for a run of a second and of a day. Not here:
//! what is counted.

use std::time::Duration;

/// How many steps of time a gauge keeps apart. When the time is over, two become one.
pub const STEPS: usize = 512;
/// The shortest step a gauge begins with.
const FINEST: Duration = Duration::from_millis(1);

/// A number that goes up and down, with its peak, its sum over time and its course.
#[derive(Debug, Clone)]
pub struct Gauge {
    count: u64,
    peak: u64,
    changed: Duration,
    sum: Duration,
    step: Duration,
    course: Vec<f64>,
    span: Option<(Duration, Duration)>,
}

impl Default for Gauge {
    fn default() -> Gauge {
        let zero = Duration::ZERO;
        Gauge { count: 0, peak: 0, changed: zero, sum: zero, step: FINEST, course: Vec::new(), span: None }
    }
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
        let step = whole.step.as_secs_f64();
        // The last step is not over: what is in it belongs to the part of it that is.
        let over = (whole.changed.as_secs_f64() / step).fract();
        let last = (whole.changed.as_secs_f64() / step) as usize;
        if let Some(sum) = whole.course.get_mut(last).filter(|_| over > 0.0) {
            *sum /= over;
        }
        let width = span.as_secs_f64() / cells.max(1) as f64;
        (0..cells)
            .map(|cell| whole.mean_between(cell as f64 * width / step, (cell + 1) as f64 * width / step))
            .collect()
    }

    /// The mean number between two places of the course, in steps.
    fn mean_between(&self, from: f64, to: f64) -> f64 {
        let mut sum = 0.0;
        for at in from as usize..(to.ceil() as usize).min(self.course.len()) {
            let share = (to.min(at as f64 + 1.0) - from.max(at as f64)).max(0.0);
            sum += self.course[at] * share;
        }
        if to > from { sum / (to - from) / self.step.as_secs_f64() } else { 0.0 }
    }

    /// Books the time since the last change. Time never goes back: an earlier `at` counts as the last one.
    fn advance(&mut self, at: Duration) {
        let from = self.changed;
        if at <= from {
            return;
        }
        self.changed = at;
        self.sum = self.sum.saturating_add(times(at - from, self.count));
        self.reach(at);
        if self.count > 0 {
            self.book(from, at);
        }
    }

    /// Adds the current number to the course between two times.
    fn book(&mut self, from: Duration, to: Duration) {
        let step = self.step.as_secs_f64();
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        let last = ((to / step) as usize).min(STEPS - 1);
        if self.course.len() <= last {
            self.course.resize(last + 1, 0.0);
        }
        for at in (from / step) as usize..=last {
            let share = to.min((at + 1) as f64 * step) - from.max(at as f64 * step);
            self.course[at] += share.max(0.0) * self.count as f64;
        }
    }

    /// Makes the steps longer until the last one reaches `at`.
    fn reach(&mut self, at: Duration) {
        while self.step.saturating_mul(STEPS as u32) < at {
            self.step = self.step.saturating_mul(2);
            self.course = self.course.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
    }
}

/// So many times as long.
fn times(duration: Duration, count: u64) -> Duration {
    u32::try_from(count).map_or(Duration::MAX, |count| duration.saturating_mul(count))
}
