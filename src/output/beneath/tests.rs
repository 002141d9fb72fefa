//! Both ways to open a folder beneath another agree: in one call, and one component at a time.

use super::*;
use rustix::fs::CWD;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn root(path: &Path) -> OwnedFd {
    openat(CWD, path, LOOK, Mode::empty()).unwrap()
}

fn is_same(left: &OwnedFd, right: &Path) -> bool {
    let there = openat(CWD, right, LOOK, Mode::empty()).unwrap();
    let number = |file: &OwnedFd| rustix::fs::fstat(file).unwrap().st_ino;
    number(left) == number(&there)
}

#[test]
fn missing_folders_are_made_one_in_another() {
    let temp = tempfile::tempdir().unwrap();
    let root = root(temp.path());
    for path in ["a", "b/c", "b/c/d/e"] {
        assert!(at_once(root.as_fd(), path.as_ref()).is_none());
        let made = walk(root.as_fd(), path.as_ref()).unwrap();
        assert!(is_same(&made, &temp.path().join(path)));
        #[cfg(target_os = "linux")]
        assert!(is_same(&at_once(root.as_fd(), path.as_ref()).unwrap(), &temp.path().join(path)));
    }
}

#[test]
fn a_symlink_at_any_level_is_not_followed_by_either() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("b/c")).unwrap();
    fs::create_dir_all(temp.path().join("real/b/c")).unwrap();
    for target in [outside.path(), Path::new("real"), Path::new("/proc/self/cwd"), Path::new("nowhere")] {
        for level in ["a", "a/b", "a/b/c"] {
            let _ = fs::remove_dir_all(temp.path().join("a"));
            let _ = fs::remove_file(temp.path().join("a"));
            let link = temp.path().join(level);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, &link).unwrap();
            let root = root(temp.path());
            let blocked = walk(root.as_fd(), "a/b/c".as_ref()).unwrap_err();
            assert_eq!((blocked.length, blocked.found), (level.len(), Some(FileType::Symlink)));
            assert!(at_once(root.as_fd(), "a/b/c".as_ref()).is_none());
        }
    }
    assert_eq!(fs::read_dir(outside.path().join("b/c")).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_way_is_told() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("a"), "").unwrap();
    let blocked = walk(root(temp.path()).as_fd(), "a/b".as_ref()).unwrap_err();
    assert_eq!((blocked.length, blocked.found), (1, Some(FileType::RegularFile)));
}
