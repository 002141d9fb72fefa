//! A command is waited for as long as it runs itself, and no longer than it may.

use super::*;

const SOON: Duration = Duration::from_millis(100);

fn shell(script: &str, longest: Duration) -> Result<String, String> {
    output(&["sh", "-c", script].map(str::to_owned), Path::new("."), longest)
}

/// The state of a process, as a letter; none if there is no such process.
fn state(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn what_a_command_leaves_running_is_not_waited_for() {
    let printed = shell("sleep 30 & echo token; echo $! >&2", LONGEST).unwrap();
    assert_eq!(printed, "token\n");
}

#[test]
fn more_than_a_pipe_holds_is_read() {
    assert_eq!(shell("yes | head -c 300000", LONGEST).unwrap().len(), 300_000);
    let error = shell("yes", LONGEST).unwrap_err();
    assert_eq!(error, "command sh: too large for a secret");
}

#[test]
fn what_a_command_says_is_told_bounded_and_without_what_it_printed() {
    let error = shell(
        "echo hunter2-x; echo; echo 'no hunter2-x for you' >&2; printf 'a\\033b\\nc\\nd\\n' >&2; exit 3",
        LONGEST,
    );
    assert_eq!(error.unwrap_err(), "command sh: exit status: 3: no *** for you; a b; c");
    let long = shell("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", LONGEST).unwrap_err();
    assert!(long.chars().count() < 400 && long.ends_with('x'), "{long}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_command_that_takes_too_long_is_ended_with_all_it_started() {
    let error = shell("sleep 600 & echo $! >&2; sleep 600", SOON).unwrap_err();
    let pid = error.strip_prefix("command sh: no end within 100ms: ").unwrap_or_else(|| panic!("{error}"));
    let patience = Instant::now() + Duration::from_secs(30);
    while !matches!(state(pid), None | Some('Z' | 'X')) {
        assert!(Instant::now() < patience, "process {pid} lives");
        std::thread::yield_now();
    }
}
