//! What is left of a part is gone on with if it is of the same origin, and never claims a byte that is not there.

#![expect(clippy::single_range_in_vec_init, reason = "lists of stretches, of which there may be one")]

use super::*;
use crate::output::{Folder, Part};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

const SIZE: u64 = 200_000;

fn folder() -> (tempfile::TempDir, Arc<Folder>) {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    (temp, folder)
}

fn content(range: Range<u64>) -> Vec<u8> {
    range.map(|at| (at % 251) as u8).collect()
}

fn part(folder: &Arc<Folder>, what: &str, size: u64, mode: Option<u32>) -> Part {
    let mut part = folder.late_part("x", mode);
    assert!(part.resumes(Origin::new(what.as_bytes(), size)));
    part
}

/// Leaves a part behind in which these stretches were written.
fn leave(folder: &Arc<Folder>, stretches: &[Range<u64>]) {
    let part = part(folder, "a", SIZE, None);
    let writer = part.writer();
    stretches.iter().for_each(|stretch| writer.write_at(&content(stretch.clone()), stretch.start).unwrap());
}

/// What a new part of this origin has to bring; it is left behind as it is.
fn missing(folder: &Arc<Folder>, what: &str, size: u64, mode: Option<u32>) -> Vec<Range<u64>> {
    part(folder, what, size, mode).writer().missing().unwrap().unwrap()
}

fn leftover(folder: &Arc<Folder>) -> PathBuf {
    folder.path().join(".x.fanout-part")
}

#[test]
fn what_came_is_not_asked_for_again_and_the_file_has_no_byte_more_than_it_should() {
    let (_temp, folder) = folder();
    leave(&folder, &[0..1000, 150_000..SIZE, 5000..6000]);
    assert_eq!(missing(&folder, "a", SIZE, None), [1000..5000, 6000..150_000]);
    let part = part(&folder, "a", SIZE, None);
    for stretch in part.writer().missing().unwrap().unwrap() {
        part.writer().write_at(&content(stretch.clone()), stretch.start).unwrap();
    }
    assert_eq!(part.len().unwrap(), SIZE);
    part.commit(None).unwrap();
    assert!(fs::read(folder.path().join("x")).unwrap() == content(0..SIZE));
    assert!(!leftover(&folder).exists());
}

#[test]
fn what_is_of_another_origin_is_fetched_anew() {
    for (what, size, mode) in
        [("b", SIZE, None), ("a", SIZE - 1, None), ("a", SIZE + 1, None), ("a", SIZE, Some(0o600))]
    {
        let (_temp, folder) = folder();
        leave(&folder, &[0..1000]);
        assert_eq!(missing(&folder, what, size, mode), [0..size], "{what} {size} {mode:?}");
        assert!(!leftover(&folder).exists(), "nothing came, so nothing is left");
    }
}

#[test]
fn a_writer_that_goes_on_with_nothing_removes_what_is_left() {
    let (_temp, folder) = folder();
    leave(&folder, &[0..1000]);
    let part = folder.late_part("x", None);
    part.writer().append(b"short").unwrap();
    part.commit(None).unwrap();
    assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"short");
    assert!(!leftover(&folder).exists());
}

#[test]
fn what_is_forgotten_or_cleared_is_removed() {
    let (_temp, folder) = folder();
    for forget in [true, false] {
        let mut part = part(&folder, "a", SIZE, None);
        part.writer().write_at(b"bytes", 7).unwrap();
        if forget {
            part.forget()
        } else {
            part.clear().unwrap()
        }
        drop(part);
        assert!(!leftover(&folder).exists());
    }
}

#[test]
fn a_part_of_which_something_is_missing_gets_no_final_name() {
    let (_temp, folder) = folder();
    let part = part(&folder, "a", SIZE, None);
    part.writer().write_at(&content(1..SIZE), 1).unwrap();
    let error = part.commit(None).unwrap_err();
    assert!(error.message.ends_with("x: 1 bytes of it did not come"), "{}", error.message);
    assert!(!folder.path().join("x").exists());
    assert_eq!(missing(&folder, "a", SIZE, None), [0..1]);
}

#[test]
fn a_file_with_another_name_is_not_written_to() {
    let (_temp, folder) = folder();
    leave(&folder, &[0..1000]);
    let other = folder.path().join("other");
    fs::hard_link(leftover(&folder), &other).unwrap();
    let before = fs::read(&other).unwrap();
    assert_eq!(missing(&folder, "a", SIZE, None), [0..SIZE]);
    assert!(fs::read(&other).unwrap() == before);
}

#[test]
fn a_record_is_written_while_bytes_come_and_a_torn_one_leaves_the_one_before() {
    let (_temp, folder) = folder();
    let size = 10 * UNRECORDED;
    let part = part(&folder, "a", size, None);
    let writer = part.writer();
    let recorded = || {
        let file = File::open(leftover(&folder)).unwrap();
        let resume = Resume::read(Origin::new(b"a", size).with_mode(None), &file);
        resume.map(|resume| resume.missing())
    };
    let bytes = vec![1; UNRECORDED as usize];
    writer.write_at(&bytes[1..], 0).unwrap();
    assert_eq!(recorded(), None);
    writer.write_at(b"1", UNRECORDED - 1).unwrap();
    assert_eq!(recorded(), Some(vec![UNRECORDED..size]));
    writer.write_at(&bytes, 5 * UNRECORDED).unwrap();
    assert_eq!(recorded(), Some(vec![UNRECORDED..5 * UNRECORDED, 6 * UNRECORDED..size]));
    // The first record is in the second place, the second in the first.
    let file = File::options().write(true).open(leftover(&folder)).unwrap();
    file.write_all_at(&[0xff], size + 3000).unwrap();
    assert_eq!(recorded(), Some(vec![UNRECORDED..size]));
    file.write_all_at(&[0xff], size + RECORD as u64 + 50).unwrap();
    assert_eq!(recorded(), None);
}

#[test]
fn of_more_stretches_than_have_room_the_smallest_are_not_claimed() {
    let (_temp, folder) = folder();
    let stretches: Vec<_> = (0..1000).map(|n| n * 100..n * 100 + 10 + n % 50).collect();
    leave(&folder, &stretches);
    let claimed: u64 =
        SIZE - missing(&folder, "a", SIZE, None).iter().map(|gap| gap.end - gap.start).sum::<u64>();
    assert!(claimed > MOST_STRETCHES as u64 * 40, "{claimed}");
    assert!(claimed < stretches.iter().map(|stretch| stretch.end - stretch.start).sum());
}

proptest! {
    #[test]
    fn a_record_says_what_was_written_and_damage_is_seen(
        stretches in proptest::collection::vec((0..SIZE - 100, 1u64..100), 0..MOST_STRETCHES),
        number in any::<u64>(),
        (at, change) in (0..RECORD, 1u8..),
    ) {
        let mut extents = Extents::default();
        stretches.iter().for_each(|(start, len)| extents.add(*start..start + len));
        let origin = Origin::new(b"what", SIZE);
        let mut record = encode(origin, number, &extents.largest(MOST_STRETCHES));
        prop_assert_eq!(decode(&record, origin), Some((number, extents)));
        prop_assert_eq!(decode(&record, Origin::new(b"else", SIZE)), None);
        record[at] ^= change;
        prop_assert_eq!(decode(&record, origin), None);
    }

    #[test]
    fn no_record_whatever_claims_what_is_beyond_the_size(
        numbers in proptest::collection::vec(prop_oneof![0..4u64, 0..2 * SIZE, any::<u64>()], 0..40)
    ) {
        // A record that is whole, of a program that knew no better.
        let origin = Origin::new(b"what", SIZE);
        let mut record = [0; RECORD];
        let bytes = MAGIC.iter().chain(&origin.digest).copied().chain(numbers.into_iter().flat_map(u64::to_be_bytes));
        record.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        let sum = digest(&record[..RECORD - DIGEST]);
        record[RECORD - DIGEST..].copy_from_slice(&sum);
        if let Some((_, extents)) = decode(&record, origin) {
            prop_assert!(extents.total() <= SIZE);
        }
    }
}
