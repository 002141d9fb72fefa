//! A height over time, in steps: [`Course`], and what flowed in that time: [`Flow`]. Either takes the same memory for a
//! run of a second and of a day. Not here: whose height it is.

use std::time::Duration;

/// How many steps of time a course keeps apart. When the time is over, two become one.
pub const STEPS: usize = 512;
/// The shortest step a course begins with.
const FINEST: Duration = Duration::from_millis(1);

/// A height over time: its sum in each step.
#[derive(Debug, Clone)]
pub(super) struct Course {
    step: Duration,
    sums: Vec<f64>,
}

impl Default for Course {
    fn default() -> Course {
        Course { step: FINEST, sums: Vec::new() }
    }
}

impl Course {
    /// Adds a height between two times.
    pub(super) fn add(&mut self, from: Duration, to: Duration, height: f64) {
        self.reach(to);
        let step = self.step.as_secs_f64();
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        let last = ((to / step) as usize).min(STEPS - 1);
        if self.sums.len() <= last {
            self.sums.resize(last + 1, 0.0);
        }
        for at in (from / step) as usize..=last {
            let share = to.min((at + 1) as f64 * step) - from.max(at as f64 * step);
            self.sums[at] += share.max(0.0) * height;
        }
    }

    /// The mean heights in `cells` equal parts of the time from 0 to `span`, at a time `now` within it or beyond.
    pub(super) fn means(mut self, now: Duration, span: Duration, cells: usize) -> Vec<f64> {
        let step = self.step.as_secs_f64();
        // The last step is not over: what is in it belongs to the part of it that is.
        let over = (now.as_secs_f64() / step).fract();
        let last = (now.as_secs_f64() / step) as usize;
        if let Some(sum) = self.sums.get_mut(last).filter(|_| over > 0.0) {
            *sum /= over;
        }
        let width = span.as_secs_f64() / cells.max(1) as f64;
        let between =
            |cell: usize| self.between(cell as f64 * width / step, (cell + 1) as f64 * width / step);
        (0..cells).map(between).collect()
    }

    /// The mean height between two places, in steps.
    fn between(&self, from: f64, to: f64) -> f64 {
        let mut sum = 0.0;
        for at in from as usize..(to.ceil() as usize).min(self.sums.len()) {
            let share = (to.min(at as f64 + 1.0) - from.max(at as f64)).max(0.0);
            sum += self.sums[at] * share;
        }
        if to > from { sum / (to - from) / self.step.as_secs_f64() } else { 0.0 }
    }

    /// Makes the steps longer until the last one reaches `at`.
    pub(super) fn reach(&mut self, at: Duration) {
        while self.step.saturating_mul(STEPS as u32) < at {
            self.step = self.step.saturating_mul(2);
            self.sums = self.sums.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
    }
}

/// An amount that came over time: bytes of a source.
#[derive(Debug, Clone, Default)]
pub struct Flow(Course);

impl Flow {
    /// Adds what came between two times, evenly.
    pub fn add(&mut self, from: Duration, to: Duration, amount: u64) {
        let to = to.max(from.saturating_add(Duration::from_micros(1)));
        if amount > 0 {
            self.0.add(from, to, amount as f64 / (to - from).as_secs_f64());
        }
    }

    /// How much came in a second, in the mean, in each of `cells` equal parts of the time from 0 to `span`.
    pub fn course(&self, span: Duration, cells: usize) -> Vec<f64> {
        self.0.clone().means(span, span, cells)
    }
}
