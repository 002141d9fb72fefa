//! Whole or absent when the process is killed, the disk is full, names are swapped, or others write as well.
//! Some of it needs a process of its own: this test binary again, with the test `child` and an environment variable.

#![expect(clippy::single_range_in_vec_init, reason = "lists of stretches, of which there may be one")]

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What the child is to do, and where.
const TASK: &str = "FANOUT_TEST_OUTPUT_CHILD";
const PLACE: &str = "FANOUT_TEST_OUTPUT_FOLDER";
const MIB: usize = 1024 * 1024;

/// A command that does a task in a process of its own. `before` is shell that ends in what runs it.
fn child(before: &str, task: &str, place: &Path) -> Command {
    let mut command = Command::new("sh");
    let binary = std::env::current_exe().unwrap();
    command.arg("-c").arg(format!("{before} \"$0\" \"$@\"")).arg(binary);
    command.args(["output::tests::torture::the_child", "--exact", "--nocapture"]);
    command.env(TASK, task).env(PLACE, place).stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn the_child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let folder = Folder::open(Path::new(&place)).unwrap();
    match std::env::var(TASK).unwrap().as_str() {
        "write for ever" => write_for_ever(&folder),
        "hold" => hold(&folder),
        "go on" => go_on(&folder),
        "too large" => refuse(&folder, "file too large", false),
        "full" => refuse(&folder, "no space left on the device", true),
        task => panic!("unknown task {task}"),
    }
}

/// Each output is a MiB of one byte, in small writes.
fn write_for_ever(folder: &Arc<Folder>) {
    println!("\nready");
    for round in 0_u64.. {
        let part = folder.part(format!("sub/{}", round % 4), None).unwrap();
        let block = vec![round as u8; MIB / 64];
        (0..64).for_each(|_| part.writer().append(&block).unwrap());
        part.commit(None).unwrap();
        write_whole(folder, "whole", &vec![round as u8; MIB], None, None).unwrap();
    }
}

/// Opens a part, and keeps it until the process is killed.
fn hold(folder: &Arc<Folder>) {
    let _part = folder.part("held", None).unwrap();
    println!("\nready");
    loop {
        std::thread::park();
    }
}

/// A file of 8 MiB of which every byte says where it is.
fn byte(at: u64) -> u8 {
    (at % 251) as u8 ^ (at >> 16) as u8
}

fn resumed(folder: &Arc<Folder>) -> Part {
    let mut part = folder.late_part("large", None);
    assert!(part.resumes(Origin::new(b"the same", 8 * MIB as u64)));
    part
}

/// Writes what is missing of it from two ends at once, over and over.
fn go_on(folder: &Arc<Folder>) {
    println!("\nready");
    loop {
        let part = resumed(folder);
        let missing = part.writer().missing().unwrap().unwrap();
        let pieces: Vec<u64> = missing.into_iter().flat_map(|gap| gap.step_by(10_000)).collect();
        let end = |at: u64| (at + 10_000).min(8 * MIB as u64);
        let write =
            |at: u64| part.writer().write_at(&(at..end(at)).map(byte).collect::<Vec<_>>(), at).unwrap();
        let (front, back) = pieces.split_at(pieces.len() / 2);
        std::thread::scope(|scope| {
            scope.spawn(|| front.iter().for_each(|at| write(*at)));
            back.iter().rev().for_each(|at| write(*at));
        });
        part.commit(None).unwrap();
        println!("\nwhole");
    }
}

/// Both ways to write fail with this cause, and leave what was there.
fn refuse(folder: &Arc<Folder>, cause: &str, full: bool) {
    write_whole(folder, "old", b"old", None, None).unwrap();
    let bytes = vec![1; 2 * MIB];
    for name in ["old", "new"] {
        let by_part = || {
            let part = folder.part(name, None)?;
            bytes.chunks(4096).try_for_each(|chunk| part.writer().append(chunk))?;
            part.commit(None)
        };
        for result in [by_part(), write_whole(folder, name, &bytes, None, None)] {
            let error = result.unwrap_err();
            assert!(error.message.contains(cause) && error.message.contains(name), "{}", error.message);
            assert_eq!(error.full, full);
        }
    }
    assert_eq!(beneath(folder.path()), ["old"]);
    assert_eq!(fs::read(folder.path().join("old")).unwrap(), b"old");
    write_whole(folder, "small", b"there is space again", None, None).unwrap();
}

fn assert_success(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "the child ran no test");
}

#[test]
fn a_killed_process_leaves_final_names_whole() {
    let (temp, folder) = folder();
    for round in 0..20 {
        let mut process = child("exec", "write for ever", folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        std::thread::sleep(Duration::from_millis(round * 3));
        process.kill().unwrap();
        process.wait().unwrap();
        for name in beneath(folder.path()).iter().filter(|name| !name.ends_with("part") && *name != "sub") {
            let bytes = fs::read(folder.path().join(name)).unwrap();
            assert_eq!((bytes.len(), bytes.iter().all(|byte| *byte == bytes[0])), (MIB, true), "{name}");
        }
    }
    // What was left behind is in nobody's way, and goes.
    for name in ["sub/0", "sub/1", "sub/2", "sub/3", "whole"] {
        write_whole(&folder, name, b"x", None, None).unwrap();
    }
    assert_eq!(beneath(folder.path()), ["sub", "sub/0", "sub/1", "sub/2", "sub/3", "whole"]);
    drop(temp);
}

#[test]
fn what_a_killed_process_claims_to_have_written_is_there() {
    let (_temp, folder) = folder();
    let size = 8 * MIB as u64;
    let (mut partial, mut whole) = (0, 0);
    for round in 0..40 {
        let mut process = child("exec", "go on", folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        std::thread::sleep(Duration::from_millis(round * 2));
        process.kill().unwrap();
        process.wait().unwrap();
        if let Ok(bytes) = fs::read(folder.path().join("large")) {
            assert!((0..size).map(byte).eq(bytes), "a final name is whole");
            whole += 1;
        }
        // Who goes on believes what the record says.
        let part = resumed(&folder);
        let missing = part.writer().missing().unwrap().unwrap();
        let (mut at, mut buffer) = (0, vec![0; 8 * MIB]);
        for gap in missing.iter().cloned().chain([size..size]) {
            let claimed = &mut buffer[..(gap.start - at) as usize];
            assert_eq!(part.read_at(claimed, at).unwrap(), claimed.len());
            assert!((at..gap.start).map(byte).eq(claimed.iter().copied()), "{at}..{}", gap.start);
            at = gap.end;
        }
        partial += usize::from(missing != [0..size] && !missing.is_empty());
        drop(part);
    }
    println!("killed in the middle {partial} times; whole {whole} times");
    assert!(partial > 0, "it was never killed in the middle");
}

#[test]
fn a_part_that_another_process_holds_is_refused_until_it_is_killed() {
    let (_temp, folder) = folder();
    let mut process = child("exec", "hold", folder.path()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    for _ in 0..3 {
        let error = message(write_whole(&folder, "held", b"x", None, None));
        assert!(error.ends_with("out/held: another run or item is writing it"), "{error}");
    }
    process.kill().unwrap();
    process.wait().unwrap();
    write_whole(&folder, "held", b"x", None, None).unwrap();
    assert_eq!(beneath(folder.path()), ["held"]);
}

#[test]
fn a_limit_on_the_size_of_files_leaves_what_was_there() {
    let (_temp, folder) = folder();
    assert_success(&mut child("trap '' XFSZ; ulimit -f 2048; exec", "too large", folder.path()));
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let (_temp, folder) = folder();
    let mount = format!("mount -t tmpfs -o size=1m none '{}' &&", folder.path().display());
    if !in_namespace(&format!("{mount} true")) {
        return eprintln!(
            "skipped: a full disk (needs root, to mount a small tmpfs in a namespace of its own)"
        );
    }
    let inner = format!("exec unshare -m sh -c '{} exec \"$0\" \"$@\"'", mount.replace('\'', "\""));
    assert_success(&mut child(&inner, "full", folder.path()));
}

/// Runs shell in a mount namespace of its own, and says whether it succeeded.
fn in_namespace(shell: &str) -> bool {
    let output = Command::new("unshare").args(["-m", "sh", "-c", shell]).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_symlink_that_is_swapped_in_is_never_followed() {
    let (temp, folder) = folder();
    let outside = temp.path().join("outside");
    let (real, link, name) = (temp.path().join("real"), temp.path().join("link"), folder.path().join("a"));
    fs::create_dir(&outside).unwrap();
    fs::create_dir(&name).unwrap();
    symlink(&outside, &link).unwrap();
    let stop = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                fs::rename(&name, &real).unwrap();
                let _ = fs::rename(&link, &name);
                let _ = fs::rename(&name, &link);
                // The writer may have made the folder anew while it was gone.
                while fs::rename(&real, &name).is_err() {
                    let _ = fs::remove_dir_all(&name);
                }
            }
        });
        for round in 0..3000 {
            // Opened anew each time, so that no handle is kept.
            let fresh = Folder::open(folder.path()).unwrap();
            match write_whole(&fresh, format!("a/{}", round % 9), b"x", None, None) {
                Ok(_) => written += 1,
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Relaxed);
    });
    assert_eq!(beneath(&outside), Vec::<String>::new());
    println!("{written} written, {refused} refused");
}

/// A file of one byte over and over, as long as the byte says.
fn assert_whole(bytes: &[u8]) {
    assert_eq!(bytes, vec![bytes[0]; 10_000 + usize::from(bytes[0])]);
}

/// Writes it in two pieces, or is told that another writer is at it.
fn try_to_write(folder: &Arc<Folder>, byte: u8) -> Result<Change, OutputError> {
    let bytes = vec![byte; 10_000 + usize::from(byte)];
    let part = folder.part("x", None)?;
    part.writer().append(&bytes[..5000])?;
    std::thread::yield_now();
    part.writer().append(&bytes[5000..])?;
    part.commit(None)
}

#[test]
fn writers_of_one_output_leave_one_of_theirs_whole() {
    let (_temp, folder) = folder();
    try_to_write(&folder, 0).unwrap();
    std::thread::scope(|scope| {
        for byte in 1..8 {
            let folder = Folder::open(folder.path()).unwrap();
            scope.spawn(move || {
                for _ in 0..1000 {
                    if let Err(error) = try_to_write(&folder, byte) {
                        assert!(error.message.ends_with("another run or item is writing it"), "{error}");
                    }
                    assert_whole(&fs::read(folder.path().join("x")).unwrap());
                }
            });
        }
    });
    try_to_write(&folder, 9).unwrap();
    assert_eq!(beneath(folder.path()), ["x"]);
}

#[test]
fn writers_of_many_outputs_in_many_folders_are_in_nobodys_way() {
    let (_temp, folder) = folder();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let folder = &folder;
            scope.spawn(move || {
                for number in 0..200 {
                    let path = format!("{}/{}/{thread}-{number}", number % 10, number % 11);
                    assert_eq!(write_whole(folder, &path, path.as_bytes(), None, None), Ok(Change::New));
                }
            });
        }
    });
    let files: Vec<String> = beneath(folder.path()).into_iter().filter(|name| name.contains('-')).collect();
    assert_eq!(files.len(), 1600);
    for name in files {
        assert_eq!(fs::read_to_string(folder.path().join(&name)).unwrap(), name);
    }
}
