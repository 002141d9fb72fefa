use crate::gather::{Advice, Context, Gather, Item, Retries};
use std::time::Duration;

/// Takes so long; one of them fails.
async fn wait(millis: u64) -> Result<u64, String> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    if millis == 1300 { Err("no route to depot".to_owned()) } else { Ok(millis) }
}

#[tokio::test(start_paused = true)]
async fn the_report_of_a_gather_is_its_waterfall() {
    let waits = [("function1", 2000), ("function2", 4000), ("function3", 1000), ("function4", 1300)];
    let items = waits.map(|(name, millis)| Item::new(move |_: Context| wait(millis)).key(name));
    let report = Gather::over(items).name("classic").concurrency(3).run().await;
    insta::assert_snapshot!(report, @r#"
                        0           1s           2s           3s           4s
                        ├────────────┼────────────┼────────────┼────────────┤
    classic[function1]  ██████████████████████████                            2.00 s
    classic[function2]  ████████████████████████████████████████████████████  4.00 s
    classic[function3]  █████████████                                         1.00 s
    classic[function4]  ░░░░░░░░░░░░░████████████████×                        failed
    at once             3┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈2┈┈┈1┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈  peak 3
                        waiting for ░ a limit   █ running   × not done

    wall      4.00 s · sum 8.30 s · overlap 2.08x · peak 3
              critical path (100 %): classic[function2]
    waited    1.00 s  for a limit (concurrency), 1 time
    FAILED  classic[function4]  no route to depot
    4 items: 3 done, 1 failed
    "#);
    assert!(format!("{report:#60}").is_ascii());
}

#[tokio::test(start_paused = true)]
async fn attempts_are_drawn_with_their_pauses_between_them() {
    let call = |context: Context| async move {
        let attempt = context.attempt();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if attempt < 3 { Err("busy") } else { Ok(()) }
    };
    let retries = Retries { count: 4, delay: Duration::from_secs(1), jitter: false, ..Retries::STANDARD };
    let gather = Gather::over([Item::new(call), Item::new(call)]).retries(retries);
    let report = gather.advice(|_| Advice::AGAIN).run().await;
    insta::assert_snapshot!(report, @r#"
               0           1s           2s           3s           4s
               ├────────────┼────────────┼────────────┼────────────┼──────┤
    gather[0]  ████████████×·······································██████▌  4.50 s
    gather[1]  ████████████×·······································██████▌  4.50 s
    at once    2┈┈┈┈┈┈┈┈┈┈┈┈0┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈2┈┈┈┈┈1  peak 2
               waiting for · a retry   █ running   × not done

    wall      4.50 s · sum 3.00 s · overlap 0.67x · peak 2
              no faster than 1.50 s: gather[0]
              critical path (33 %): gather[1]
    waited    6.00 s  before another attempt, 2 times
    2 items: 2 done
    "#);
}

#[tokio::test(start_paused = true)]
async fn thousands_are_drawn_as_a_course() {
    let items = (0..2000).map(|n| Item::new(move |_: Context| wait(10 + n % 7)));
    let report = Gather::over(items).concurrency(20).run().await;
    insta::assert_snapshot!(report, @r#"
               0      200ms    400ms    600ms    800ms     1s      1.2s
               ├────────┼────────┼────────┼────────┼────────┼────────┼────┤
               ██████████████████████████████████████████████████████████
               ██████████████████████████████████████████████████████████▄
               ███████████████████████████████████████████████████████████  peak 20
      waiting  ███████████████████████████████████████████████████▇▆▅▄▃▂▁▁  peak 257

    wall      1.31 s · sum 26.0 s · overlap 19.89x · peak 20
              critical path (100 %): gather[13] -> gather[39] -> … 101 more ->
              gather[1999]
    waited    5 m 10 s  for a limit (concurrency), 1,980 times
    slowest   16 ms gather[6] · 16 ms gather[13] · 16 ms gather[20]
              16 ms gather[27] · 16 ms gather[34]
    2,000 items: 2,000 done
    "#);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_in_a_line() {
    let report =
        Gather::over(Vec::<Item<fn(Context) -> std::future::Ready<Result<(), String>>>>::new()).run().await;
    insta::assert_snapshot!(report, @r#"
    wall      0 s
    0 items
    "#);
}
