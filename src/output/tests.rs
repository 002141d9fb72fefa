//! What holds for outputs as a whole: whole or absent, one writer, inside the folder.

use super::*;
use crate::gather::Change;
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn folder() -> (tempfile::TempDir, Arc<Folder>) {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(&temp.path().join("out")).unwrap();
    (temp, folder)
}

/// All files and folders beneath, relative, sorted.
fn beneath(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            found.push(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn message<T>(result: Result<T, OutputError>) -> String {
    result.err().expect("it should have failed").message
}

/// A whole output in one go.
pub(super) fn write_whole(
    folder: &Arc<Folder>,
    path: impl AsRef<Path>,
    bytes: &[u8],
    modified: Option<SystemTime>,
    mode: Option<u32>,
) -> Result<Change, OutputError> {
    let mut part = folder.late_part(path, mode);
    part.hold(vec![Bytes::copy_from_slice(bytes)]).unwrap();
    part.commit(modified)
}

#[test]
fn a_late_part_is_on_the_disk_from_the_first_write_on() {
    let (_temp, folder) = folder();
    let mut part = folder.late_part("a/x", None);
    assert_eq!(part.path(), folder.path().join("a/x"));
    part.hold(vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")]).unwrap();
    assert_eq!(beneath(folder.path()), [""; 0]);
    part.clear().unwrap();
    part.writer().write_at(b"three", 2).unwrap();
    assert_eq!(beneath(folder.path()), ["a", "a/.x.fanout-part"]);
    assert!(part.hold(vec![Bytes::new()]).is_err(), "it would be written over what is there");
    assert!(
        message(folder.late_part("a/x", None).commit(None)).ends_with("another run or item is writing it")
    );
    part.commit(None).unwrap();
    assert_eq!(fs::read(folder.path().join("a/x")).unwrap(), b"\0\0three");
}

#[test]
fn a_late_part_whose_name_is_taken_fails_at_its_first_write_or_when_it_becomes_final() {
    let (_temp, folder) = folder();
    fs::create_dir(folder.path().join("x")).unwrap();
    let part = folder.late_part("x", None);
    assert!(message(part.writer().write_at(b"1", 0)).ends_with("a folder is there"));
    assert!(message(write_whole(&folder, "x", b"1", None, None)).ends_with("a folder is there"));
    assert_eq!(beneath(folder.path()), ["x"]);
}

#[test]
fn a_part_gets_its_final_name_at_commit_and_not_before() {
    let (_temp, folder) = folder();
    let part = folder.part("a/b/x.csv", None).unwrap();
    part.writer().append(b"one").unwrap();
    part.writer().append(b"two").unwrap();
    assert_eq!(beneath(folder.path()), ["a", "a/b", "a/b/.x.csv.fanout-part"]);
    assert_eq!(part.len().unwrap(), 6);
    assert_eq!(part.commit(None).unwrap(), Change::New);
    assert_eq!(beneath(folder.path()), ["a", "a/b", "a/b/x.csv"]);
    assert_eq!(fs::read(folder.path().join("a/b/x.csv")).unwrap(), b"onetwo");
}

#[test]
fn a_dropped_part_leaves_nothing_and_keeps_what_stood_there() {
    let (_temp, folder) = folder();
    write_whole(&folder, "x", b"old", None, None).unwrap();
    let part = folder.part("x", None).unwrap();
    part.writer().append(b"new").unwrap();
    drop(part);
    assert_eq!(beneath(folder.path()), ["x"]);
    assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"old");
}

#[test]
fn the_change_is_told_by_the_bytes() {
    let (_temp, folder) = folder();
    let big = vec![7_u8; 300_000];
    let mut other = big.clone();
    *other.last_mut().unwrap() = 8;
    let write = |bytes: &[u8]| write_whole(&folder, "x", bytes, None, None).unwrap();
    assert_eq!(write(&big), Change::New);
    assert_eq!(write(&big), Change::Same);
    assert_eq!(write(&other), Change::Changed, "only the last byte differs");
    assert_eq!(write(&other[..131_072]), Change::Changed);
    assert_eq!(write(&other[..131_072]), Change::Same, "a whole number of chunks");
    assert_eq!(write(b""), Change::Changed);
    assert_eq!(write(b""), Change::Same);
}

#[test]
fn two_parts_of_one_output_are_refused_until_the_first_is_gone() {
    let (_temp, folder) = folder();
    let first = folder.part("x", None).unwrap();
    let second = message(folder.part("x", None));
    assert!(second.ends_with("out/x: another run or item is writing it"), "{second}");
    assert!(write_whole(&folder, "x", b"y", None, None).is_err());
    drop(first);
    folder.part("x", None).unwrap();
}

#[test]
fn an_unlocked_leftover_is_replaced() {
    let (_temp, folder) = folder();
    fs::write(folder.path().join(".x.fanout-part"), "half of").unwrap();
    folder.part("x", None).unwrap().commit(None).unwrap();
    assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"");
    assert_eq!(beneath(folder.path()), ["x"]);
}

#[test]
fn the_modification_time_and_the_permissions_are_set() {
    let (_temp, folder) = folder();
    for time in [
        SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5),
        SystemTime::UNIX_EPOCH - Duration::from_secs(9),
    ] {
        let part = folder.part("x", Some(0o640)).unwrap();
        part.commit(Some(time)).unwrap();
        let found = fs::metadata(folder.path().join("x")).unwrap();
        assert_eq!((found.modified().unwrap(), found.permissions().mode() & 0o7777), (time, 0o640));
    }
    assert!(message(folder.part("y", Some(0o4755))).contains("mode"));
}

#[test]
fn writers_of_an_attempt_that_ended_are_refused() {
    let (_temp, folder) = folder();
    let mut part = folder.part("x", None).unwrap();
    let old = part.writer();
    old.append(b"attempt 1, longer").unwrap();
    part.clear().unwrap();
    assert!(message(old.append(b"late")).contains("ended"));
    let new = part.writer();
    new.append(b"attempt 2").unwrap();
    assert!(old.write_at(b"late", 0).is_err());
    part.commit(None).unwrap();
    assert!(new.append(b"late").is_err());
    assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"attempt 2");
}

#[test]
fn a_path_that_could_leave_the_folder_is_refused() {
    let (_temp, folder) = folder();
    for path in ["", "/etc/x", "../x", "a/../x", "a/", "a/.", "a\0b", "..", "."] {
        assert!(message(folder.part(path, None)).starts_with("cannot write "), "{path:?}");
    }
    assert!(message(folder.part(".x.fanout-part", None)).contains("not finished"));
    assert_eq!(beneath(folder.path()), Vec::<String>::new());
}

#[test]
fn components_that_mean_nothing_are_left_out_of_a_path() {
    let (_temp, folder) = folder();
    for (path, file) in [("./x", "x"), ("a//./x", "a/x")] {
        folder.part(path, None).unwrap().commit(None).unwrap();
        assert_eq!(file_path(path).as_deref(), Ok(Path::new(file)));
    }
    assert_eq!(beneath(folder.path()), ["a", "a/x", "x"]);
}

#[test]
fn the_authors_own_prefix_may_lead_anywhere() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("plan")).unwrap();
    fs::create_dir(temp.path().join("real")).unwrap();
    symlink("../real", temp.path().join("plan/link")).unwrap();
    for (output, lies) in
        [("../reports/x.csv", "reports/x.csv"), ("link/x.csv", "real/x.csv"), ("x.csv", "plan/x.csv")]
    {
        let (prefix, rest) = split_output(output);
        let folder = Folder::open(&temp.path().join("plan").join(prefix)).unwrap();
        write_whole(&folder, rest, b"x", None, None).unwrap();
        assert!(temp.path().join(lies).is_file(), "{lies}");
    }
    assert_eq!(split_output("reports/"), ("reports/", ""));
    assert_eq!(split_output("/x"), ("/", "x"));
}

#[test]
fn only_a_file_or_a_symlink_at_the_final_name_is_replaced() {
    let (temp, folder) = folder();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    for (name, why) in [("folder", "a folder is there"), ("socket", "a socket is there")] {
        assert!(message(folder.part(name, None)).ends_with(&format!("out/{name}: {why}")));
        assert!(message(write_whole(&folder, name, b"", None, None)).ends_with(why));
    }
    assert!(fs::metadata(folder.path().join("socket")).unwrap().file_type().is_socket());
    fs::write(temp.path().join("victim"), "kept").unwrap();
    symlink("../victim", folder.path().join("link")).unwrap();
    assert_eq!(write_whole(&folder, "link", b"kept", None, None), Ok(Change::Changed));
    assert!(fs::symlink_metadata(folder.path().join("link")).unwrap().is_file());
    assert_eq!(fs::read(temp.path().join("victim")).unwrap(), b"kept");
    assert_eq!(beneath(folder.path()), ["folder", "link", "socket"]);
}

#[test]
fn what_is_planted_at_the_temporary_name_is_not_written_to() {
    let (temp, folder) = folder();
    let victim = temp.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    symlink("../victim", folder.path().join(".a.fanout-part")).unwrap();
    assert!(message(folder.part("a", None)).ends_with("out/a: .a.fanout-part is in the way and not a file"));
    fs::hard_link(&victim, folder.path().join(".b.fanout-part")).unwrap();
    write_whole(&folder, "b", b"new", None, None).unwrap();
    fs::create_dir(folder.path().join(".c.fanout-part")).unwrap();
    assert!(folder.part("c", None).is_err());
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
}

#[test]
fn a_folder_that_is_a_file_or_beneath_one_is_an_error_that_says_so() {
    let (temp, folder) = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = message(folder.part("file/x", None));
    assert!(error.ends_with("out/file: it is there and not a folder"), "{error}");
    let error = message(Folder::open(&folder.path().join("file/x")));
    assert!(error.ends_with("out/file/x: a part of the path is not a folder"), "{error}");
    assert!(Folder::open(&folder.path().join("file")).is_err());
    symlink(temp.path(), folder.path().join("link")).unwrap();
    let error = message(folder.part("link/x", None));
    assert!(error.ends_with("out/link: it is a symlink, which is not followed"), "{error}");
}

#[test]
fn a_folder_that_can_not_be_written_in_is_told_before_anything_is_fetched() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("out");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if rustix::process::geteuid().is_root() {
        return eprintln!("skipped: a folder without write permission (root may write everywhere)");
    }
    assert!(message(Folder::open(&folder)).ends_with("out: permission denied"));
}

#[test]
fn a_folder_that_was_removed_meanwhile_is_made_again() {
    let (_temp, folder) = folder();
    write_whole(&folder, "day/x", b"1", None, None).unwrap();
    fs::remove_dir_all(folder.path().join("day")).unwrap();
    write_whole(&folder, "day/x", b"2", None, None).unwrap();
    assert_eq!(fs::read(folder.path().join("day/x")).unwrap(), b"2");
}

#[test]
fn a_name_as_long_as_the_file_system_allows_can_be_written() {
    let (_temp, folder) = folder();
    for name in ["x".repeat(255), "\u{e9}".repeat(127)] {
        folder.part(&name, None).unwrap().commit(None).unwrap();
        assert_eq!(beneath(folder.path()), [name.as_str()]);
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let error = message(folder.part("x".repeat(256), None));
    assert!(error.ends_with(": name too long"), "{error}");
}

#[test]
fn files_and_folders_have_the_permissions_that_the_umask_leaves() {
    let (temp, folder) = folder();
    fs::write(temp.path().join("plain"), "").unwrap();
    fs::create_dir(temp.path().join("plain folder")).unwrap();
    write_whole(&folder, "a/x", b"", None, None).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&folder.path().join("a/x")), mode(&temp.path().join("plain")));
    assert_eq!(mode(&folder.path().join("a")), mode(&temp.path().join("plain folder")));
    write_whole(&folder, "a/y", b"", None, Some(0o666)).unwrap();
    assert_eq!(mode(&folder.path().join("a/y")) & 0o7777, 0o666, "a mode is meant exactly");
}

mod torture;

#[test]
fn a_group_is_final_at_once_and_one_that_fails_hurts_no_other() {
    let (_temp, folder) = folder();
    fs::create_dir(folder.path().join("taken")).unwrap();
    write_whole(&folder, "old", b"old", None, None).unwrap();
    write_whole(&folder, "same", b"same", None, None).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let part = |path: &str, bytes: &'static [u8]| {
        let mut part = folder.late_part(path, None);
        part.hold(vec![Bytes::from_static(bytes)]).unwrap();
        (part, Some(time))
    };
    let written = folder.part("a/b/c/written", None).unwrap();
    written.writer().append(b"written").unwrap();
    let parts = vec![
        part("a/b/new", b"new"),
        part("old", b"newer"),
        part("taken", b"a folder is there"),
        part("same", b"same"),
        (written, None),
    ];
    let results = commit_durably(parts);
    let changes: Vec<_> = results.iter().map(|result| result.as_ref().ok().copied()).collect();
    let expected = [Some(Change::New), Some(Change::Changed), None, Some(Change::Same), Some(Change::New)];
    assert_eq!(changes, expected);
    assert_eq!(fs::read(folder.path().join("old")).unwrap(), b"newer");
    assert_eq!(fs::metadata(folder.path().join("a/b/new")).unwrap().modified().unwrap(), time);
    let all = ["a", "a/b", "a/b/c", "a/b/c/written", "a/b/new", "old", "same", "taken"];
    assert_eq!(beneath(folder.path()), all, "no temporary file is left");
}
