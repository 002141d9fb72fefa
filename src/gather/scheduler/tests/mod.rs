//! The scheduler by itself, without a runtime and without a clock.

mod aside;
mod case;
mod checks;
mod hand;
mod policies;
mod sim;
mod sources;
mod times;
mod turns;

use case::cases;
use proptest::prelude::*;
use sim::Sim;

proptest! {
    // `PROPTEST_CASES=100000` for a long run.
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn any_run_keeps_its_limits_and_comes_to_its_end(case in cases()) {
        Sim::run(&case);
    }
}
