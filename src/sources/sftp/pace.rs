//! How fast files may be read from a source, over all its connections and jobs together. A server sends what it was asked
//! for, so it is the asking that waits: in turn, so that small files come through beside large ones. In whatever time, no
//! more is asked for, and comes, than the bandwidth allows in it, and a burst. Not here: what is asked for (`reading`).

use crate::units::Bandwidth;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

#[cfg(test)]
mod tests;

/// What may be asked for at once after a pause: what comes in so long.
const BURST: Duration = Duration::from_millis(125);
/// The least that one request is cut down to, on the slowest of lines: a smaller one is mostly its own packets.
const LEAST: u32 = 1024;
/// Requests in a burst: with one alone, each that goes out late would be time lost.
const IN_A_BURST: u32 = 2;

/// A limit, and who waits for it.
pub(super) struct Pace {
    bucket: Mutex<Bucket>,
    /// Whose turn is next has it, and the others stand behind.
    turn: tokio::sync::Mutex<()>,
    /// Told when something is given back.
    returned: Notify,
    most: u32,
}

/// What may be asked for now. It is counted in bytes times the nanoseconds of the bandwidth's time: so nothing is rounded.
struct Bucket {
    level: u128,
    full: u128,
    /// When the level was that.
    at: Instant,
    /// What a nanosecond brings: the bandwidth's bytes.
    gain: u128,
    /// What a byte takes: the bandwidth's time.
    price: u128,
}

impl Pace {
    /// Nothing asked for yet.
    pub(super) fn new(bandwidth: Bandwidth) -> Pace {
        let (gain, price) = (u128::from(bandwidth.bytes), bandwidth.per.as_nanos());
        let burst = (gain * BURST.as_nanos() / price).max((IN_A_BURST * LEAST).into());
        let full = burst * price;
        Pace {
            bucket: Mutex::new(Bucket { level: full, full, at: Instant::now(), gain, price }),
            turn: tokio::sync::Mutex::new(()),
            returned: Notify::new(),
            most: u32::try_from(burst / u128::from(IN_A_BURST)).unwrap_or(u32::MAX),
        }
    }

    /// The most bytes that one request may be of.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Waits until so many bytes, [`Pace::most`] or less, may be asked for. Who came first goes first; who doesn't wait to
    /// the end has taken nothing.
    pub(super) async fn take(&self, len: u32) {
        let _turn = self.turn.lock().await;
        loop {
            let returned = self.returned.notified();
            let Err(wait) = self.bucket().take(len) else { return };
            // Sooner, if something is given back.
            let _ = timeout(wait, returned).await;
        }
    }

    /// The same if they may be asked for now, and nobody waits.
    pub(super) fn take_now(&self, len: u32) -> bool {
        self.turn.try_lock().is_ok() && self.bucket().take(len).is_ok()
    }

    /// Gives back what was asked for and did not come.
    pub(super) fn give_back(&self, len: u32) {
        if len > 0 {
            self.bucket().give_back(len);
            self.returned.notify_waiters();
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Takes so many bytes, or says how long it will be until they are there.
    fn take(&mut self, len: u32) -> Result<(), Duration> {
        let now = Instant::now();
        let gained = (now - self.at).as_nanos().saturating_mul(self.gain);
        self.level = self.level.saturating_add(gained).min(self.full);
        self.at = now;
        let cost = u128::from(len) * self.price;
        match cost.checked_sub(self.level) {
            Some(missing) if missing > 0 => {
                let nanos = missing.div_ceil(self.gain);
                Err(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
            }
            _ => {
                self.level -= cost;
                Ok(())
            }
        }
    }

    fn give_back(&mut self, len: u32) {
        self.level = (self.level + u128::from(len) * self.price).min(self.full);
    }
}
