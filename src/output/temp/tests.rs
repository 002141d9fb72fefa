//! Names of temporary files fit into what file systems allow, and differ where the names do.

use super::*;
use proptest::prelude::*;

fn name(text: &str) -> String {
    temp_name(OsStr::new(text)).into_string().unwrap()
}

#[test]
fn a_short_name_stands_in_it_and_a_long_one_is_cut() {
    assert_eq!(name("sales.csv"), ".sales.csv.fanout-part");
    let longest = "x".repeat(LONGEST - 1 - SUFFIX.len());
    assert_eq!(name(&longest), format!(".{longest}.fanout-part"));
    let long = name(&"x".repeat(255));
    assert_eq!((long.len(), long.starts_with(".xxx"), long.ends_with(SUFFIX)), (255, true, true));
    assert_ne!(long, name(&format!("{}y", "x".repeat(254))), "only the last letter differs");
}

proptest! {
    #[test]
    fn every_name_gets_a_temporary_one_of_its_own_that_fits(text in "\\PC{1,85}", other in "\\PC{60,85}") {
        let temp = name(&text);
        prop_assert!(temp.len() <= LONGEST && temp.ends_with(SUFFIX));
        prop_assert_eq!(temp == name(&other), text == other);
    }
}
