use super::*;
use futures_util::FutureExt;
use proptest::prelude::*;
use std::sync::Arc;
use tokio::time::{advance, sleep};

fn pace(bandwidth: &str) -> Pace {
    Pace::new(bandwidth.parse().unwrap())
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

/// What is done with a pace at some time, and how many milliseconds of pause follow.
#[derive(Debug, Clone)]
enum Deed {
    /// Asks for so much, and gets it all.
    Take(u32),
    /// Asks for so much, and only a part comes.
    Part(u32, u32),
    /// Asks for so much, and stops waiting after so many milliseconds.
    Leave(u32, u64),
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, u64)>> {
    let deed = prop_oneof![
        any::<u32>().prop_map(Deed::Take),
        (any::<u32>(), any::<u32>()).prop_map(|(len, came)| Deed::Part(len, came)),
        (any::<u32>(), 0_u64..300).prop_map(|(len, patience)| Deed::Leave(len, patience)),
    ];
    prop::collection::vec((deed, prop_oneof![3 => Just(0), 1 => 0_u64..2000]), 1..40)
}

/// What was asked for and not given back, less what the time since brought: never more than a burst, however long a pause
/// was before.
struct Count {
    pace: Pace,
    bandwidth: Bandwidth,
    /// In bytes times the nanoseconds of the bandwidth's time, and when it was that.
    over: Mutex<(u128, Instant)>,
}

impl Count {
    fn new(bandwidth: Bandwidth) -> Count {
        Count { pace: Pace::new(bandwidth), bandwidth, over: Mutex::new((0, Instant::now())) }
    }

    fn took(&self, len: u32) {
        let (mut over, per) = (self.over.lock().unwrap(), self.bandwidth.per.as_nanos());
        let brought = over.1.elapsed().as_nanos() * u128::from(self.bandwidth.bytes);
        *over = (over.0.saturating_sub(brought) + u128::from(len) * per, Instant::now());
        let burst = (u128::from(self.bandwidth.bytes) * BURST.as_nanos()).max(2048 * per);
        assert!(over.0 <= burst, "{} bytes more than a burst", (over.0 - burst) / per);
    }

    fn gave_back(&self, len: u32) {
        let mut over = self.over.lock().unwrap();
        over.0 = over.0.saturating_sub(u128::from(len) * self.bandwidth.per.as_nanos());
    }

    async fn does(&self, deed: Deed) {
        let fitting = |len: u32| (u64::from(len) % (u64::from(self.pace.most()) + 1)) as u32;
        match deed {
            Deed::Take(len) => {
                self.pace.take(fitting(len)).await;
                self.took(fitting(len));
            }
            Deed::Part(len, came) => {
                self.pace.take(fitting(len)).await;
                self.took(fitting(len));
                let back = fitting(len).saturating_sub(came);
                self.pace.give_back(back);
                self.gave_back(back);
            }
            Deed::Leave(len, patience) => {
                let wait = timeout(Duration::from_millis(patience), self.pace.take(fitting(len)));
                wait.await.into_iter().for_each(|()| self.took(fitting(len)));
            }
        }
    }
}

proptest! {
    #[test]
    fn never_is_more_asked_for_than_the_time_allows_and_a_burst(
        bytes in prop_oneof![1_u64..5000, 1_u64..1 << 40],
        per in prop_oneof![Just(1_000_000_000_u64), 1_000_000_u64..90_000_000_000],
        many in prop::collection::vec(deeds(), 1..6),
    ) {
        paused(async {
            let bandwidth = Bandwidth { bytes, per: Duration::from_nanos(per) };
            let count = Count::new(bandwidth);
            let each = many.into_iter().map(|deeds| async {
                for (deed, pause) in deeds {
                    count.does(deed).await;
                    sleep(Duration::from_millis(pause)).await;
                }
            });
            futures_util::future::join_all(each).await;
        });
    }

    #[test]
    fn who_always_asks_loses_nothing_of_the_bandwidth(
        bytes in 100_u64..1 << 32,
        lens in prop::collection::vec(any::<u32>(), 1..100),
        late in 0_u64..50,
    ) {
        paused(async {
            let pace = Pace::new(Bandwidth { bytes, per: Duration::from_secs(1) });
            let (start, mut total) = (Instant::now(), 0);
            for less in lens {
                // So much that it takes longer than anybody is late: 50 ms.
                let len = pace.most() - less % (pace.most() / 5);
                pace.take(len).await;
                // Timers go by milliseconds, and whoever waits for one may have its turn late.
                advance(Duration::from_millis(late)).await;
                total += u64::from(len);
            }
            let due = Duration::from_nanos((u128::from(total) * 1_000_000_000 / u128::from(bytes)) as u64);
            assert!(start.elapsed() <= due + Duration::from_millis(late + 2), "{total} in {:?}", start.elapsed());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn turns_are_had_in_the_order_in_which_they_were_wanted() {
    let pace = Arc::new(pace("64KiB/s"));
    assert_eq!(pace.most(), 4096);
    let order = Arc::new(Mutex::new(Vec::new()));
    let wants = |name: &'static str, times: usize| {
        let (pace, order) = (pace.clone(), order.clone());
        async move {
            for _ in 0..times {
                pace.take(pace.most()).await;
                order.lock().unwrap().push(name);
            }
        }
    };
    let late = async {
        sleep(Duration::from_millis(100)).await;
        assert!(!pace.take_now(0), "others wait");
        wants("late", 1).await;
    };
    pace.take(2 * pace.most()).await;
    tokio::join!(wants("large", 3), wants("other", 3), late);
    assert_eq!(*order.lock().unwrap(), ["large", "other", "large", "late", "other", "large", "other"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_had_at_once_by_who_waits() {
    let pace = pace("1B/h");
    assert!(pace.take_now(pace.most()) && pace.take_now(pace.most()) && !pace.take_now(1));
    let start = Instant::now();
    let back = async {
        sleep(Duration::from_secs(1)).await;
        pace.give_back(0);
        pace.give_back(10);
    };
    tokio::join!(pace.take(10), back);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    pace.give_back(u32::MAX);
    assert!(pace.take_now(2048) && !pace.take_now(1), "more than a burst is never there");
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_takes_nothing_and_keeps_nobody_waiting() {
    let pace = pace("1KiB/s");
    pace.take(1024).await;
    pace.take(1024).await;
    let mut gone: Vec<_> = (0..3).map(|_| Box::pin(pace.take(1024))).collect();
    gone.iter_mut().for_each(|wait| assert!(wait.now_or_never().is_none()));
    drop(gone);
    let start = Instant::now();
    pace.take(1024).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[test]
fn requests_are_small_where_the_line_is_to_be_slow_and_never_nothing() {
    paused(async {
        let most = ["1B/d", "1KiB/s", "1MiB/s", "60MiB/m", "100TiB/s"].map(|text| pace(text).most());
        assert_eq!(most, [1024, 1024, 65_536, 65_536, u32::MAX]);
    });
}
