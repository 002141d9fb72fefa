use super::*;
use proptest::prelude::*;

fn shown<T: std::str::FromStr<Err = UnitError> + fmt::Display>(text: &str) -> String {
    match text.parse::<T>() {
        Ok(value) => value.to_string(),
        Err(error) => error.message,
    }
}

#[test]
fn the_shortest_exact_form_is_shown() {
    let spans = ["90m", "1h30m", "200ms", "1500ms", "0s", "24h", "1h0m1s", "61s", "1.5 h", "1w", "3601s"];
    let shown: Vec<_> = spans.into_iter().map(shown::<Span>).collect();
    assert_eq!(shown, ["90m", "90m", "200ms", "1.5s", "0s", "1d", "1h1s", "61s", "90m", "7d", "1h1s"]);
}

#[test]
fn sizes_know_both_families() {
    let sizes: Vec<_> =
        ["64MiB", "10MB", "1.5KiB", "512 B", "1000000kB", "0B"].into_iter().map(shown::<Size>).collect();
    assert_eq!(sizes, ["64MiB", "10MB", "1536B", "512B", "1GB", "0B"]);
}

#[test]
fn rates_have_a_count_and_a_time() {
    let rates: Vec<_> =
        ["20/s", "100/m", "5/10s", "1 / 1h", "60/60s"].into_iter().map(shown::<Rate>).collect();
    assert_eq!(rates, ["20/s", "100/m", "5/10s", "1/h", "60/m"]);
}

#[test]
fn bandwidths_have_bytes_and_a_time() {
    let bandwidths: Vec<_> = ["10MiB/s", "500 kB / s", "1.5KiB/s", "5GB/1h", "60MiB/60s", "1B/10s"]
        .into_iter()
        .map(shown::<Bandwidth>)
        .collect();
    assert_eq!(bandwidths, ["10MiB/s", "500kB/s", "1536B/s", "5GB/h", "60MiB/m", "1B/10s"]);
}

#[test]
fn what_is_expected_is_said() {
    assert_eq!(shown::<Span>("30"), "30 needs a unit: write a duration such as \"30s\", \"5m\" or \"1h30m\"");
    assert_eq!(shown::<Span>("soon"), "\"soon\" is not a duration such as \"30s\", \"5m\" or \"1h30m\"");
    assert_eq!(shown::<Size>("10"), "10 needs a unit: write a size such as \"64MiB\" or \"10MB\"");
    assert_eq!(shown::<Rate>("20"), "20 needs a unit: write a rate such as \"20/s\" or \"100/m\"");
    let bits = shown::<Bandwidth>("10Mbit/s");
    assert_eq!(bits, "\"10Mbit/s\" is not bytes per time such as \"10MiB/s\" or \"500kB/s\"");
    assert!(shown::<Bandwidth>("10").starts_with("10 needs a unit: write bytes per time"));
}

#[test]
fn what_no_clock_can_count_is_refused() {
    assert_eq!(shown::<Span>("36500d"), "36500d");
    assert_eq!(shown::<Span>("36501d"), "\"36501d\" is longer than 100 years");
    assert_eq!(shown::<Rate>("1/200000000000000d"), "\"1/200000000000000d\" is longer than 100 years");
    assert_eq!(shown::<Size>("99999999999TiB"), "\"99999999999TiB\" is more than 16 EiB");
}

#[test]
fn what_is_no_quantity_is_refused() {
    for text in
        ["", " ", "s", "1x", "1..5s", ".5s", "5.s", "-1s", "1s x", "99999999999999999999999999999999d"]
    {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
    for text in ["", "1", "1.5B", "1MiBx", "1 MB 2 MB", "99999999999TiB"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
    for text in ["", "0/s", "1/0s", "1/", "/s", "1.5/s", "-1/s", "1/x"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
    for text in [
        "", "0B/s", "1MiB", "1MiB/", "/s", "1/s", "1MB/0s", "-1MB/s", "1Mb/s", "1MiB/x", "1MiB/s/s", "0.5B/s",
    ] {
        assert!(text.parse::<Bandwidth>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_duration_reads_back_as_itself(nanos in 0_u64..100 * 365 * 86_400 * 1_000_000_000) {
        let span = Span(Duration::from_nanos(nanos));
        prop_assert_eq!(span.to_string().parse(), Ok(span));
    }

    #[test]
    fn round_durations_read_back_as_themselves(seconds in 0_u64..10_000_000, millis in 0_u64..1000) {
        for span in [Span(Duration::from_secs(seconds)), Span(Duration::from_millis(seconds * 1000 + millis))] {
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }

    #[test]
    fn any_size_reads_back_as_itself(bytes: u64, shift in 0_u32..64) {
        let size = Size(bytes >> shift << (shift / 2));
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn any_rate_reads_back_as_itself(count in 1_u32.., nanos in 1_u64..100 * 365 * 86_400 * 1_000_000_000) {
        let rate = Rate { count, per: Duration::from_nanos(nanos) };
        prop_assert_eq!(rate.to_string().parse(), Ok(rate));
    }

    #[test]
    fn any_bandwidth_reads_back_as_itself(bytes in 1_u64.., nanos in 1_u64..100 * 365 * 86_400 * 1_000_000_000) {
        let bandwidth = Bandwidth { bytes, per: Duration::from_nanos(nanos) };
        prop_assert_eq!(bandwidth.to_string().parse(), Ok(bandwidth));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = (text.parse::<Span>(), text.parse::<Size>(), text.parse::<Rate>(), text.parse::<Bandwidth>());
    }
}
