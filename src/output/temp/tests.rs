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

/// Where the final name is `x`, in a folder that is on a network or is not.
fn place(folder: &std::path::Path, remote: bool) -> Place {
    let handle = openat(rustix::fs::CWD, folder, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let dir = Arc::new(Dir { handle, remote, whole: None });
    Place { dir, depth: 0, name: "x".into(), path: folder.join("x") }
}

#[test]
fn on_a_network_only_what_the_process_itself_left_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(b"what", 100_000);
    let resume = |remote| Temp::resume(place(folder.path(), remote), None, origin).unwrap();
    let leave = |remote| resume(remote).write_at(&[[1; 1000]], 0).unwrap();
    for remote in [true, false] {
        leave(remote);
        assert_eq!(resume(remote).missing().unwrap()[0].start, 1000);
    }
    // Written as by any process of this machine.
    assert_eq!(resume(true).missing().unwrap()[0].start, 0);
}

#[test]
fn pieces_lie_one_behind_the_other_however_many_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let temp = Temp::create(place(folder.path(), false), None).unwrap();
    // More than a system takes at once (IOV_MAX, 1024 on Linux), and some of them empty.
    let pieces: Vec<Vec<u8>> = (0..5000).map(|number| vec![number as u8; number % 3]).collect();
    temp.write_at(&pieces, 7).unwrap();
    temp.write_at(&[&[] as &[u8]], 3).unwrap();
    let mut written = vec![0; 7 + pieces.concat().len() + 1];
    assert_eq!(temp.file.read_at(&mut written, 0).unwrap(), written.len() - 1);
    assert_eq!(written[7..written.len() - 1], pieces.concat());
}

proptest! {
    #[test]
    fn every_name_gets_a_temporary_one_of_its_own_that_fits(text in "\\PC{1,85}", other in "\\PC{60,85}") {
        let temp = name(&text);
        prop_assert!(temp.len() <= LONGEST && temp.ends_with(SUFFIX));
        prop_assert_eq!(temp == name(&other), text == other);
    }
}
