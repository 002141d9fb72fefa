//! A server as a process of ours: in a folder of its own, on a free port, and gone when the test process is gone,
//! however that ended. Not here: what each server needs to be told.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(30);
/// How often a server's port is tried until then.
const LOOK: Duration = Duration::from_millis(20);
/// The user and group `nobody`, as which servers run where the tests run as root.
const NOBODY: u32 = 65534;

/// Starts the server, then reads from a pipe that only the test process holds. It ends when that process does, even by
/// SIGKILL; then the server is stopped by its id, killed if it does not hear that, and its folder goes.
const WATCHDOG: &str = r#"
    signal=$1 folder=$2; shift 2
    "$@" </dev/null >>"$folder/output" 2>&1 &
    server=$!
    # Not before: the server would inherit it.
    trap '' INT TERM
    echo "$server" >"$folder/pid.part"
    mv "$folder/pid.part" "$folder/pid"
    read -r _
    kill -s "$signal" "$server"
    { sleep 10; kill -s KILL "$server"; } &
    late=$!
    wait "$server"
    kill -s KILL "$late"
    # Its last words may come while the folder goes.
    rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
"#;

/// A running server. Dropped, it is stopped and its folder removed.
#[derive(Debug)]
pub(crate) struct Process {
    watchdog: Child,
    folder: PathBuf,
}

/// How a server is started and stopped.
pub(crate) struct Start<'a> {
    /// The folder made by [`folder`].
    pub(crate) folder: &'a Path,
    /// The program with its arguments.
    pub(crate) command: &'a [&'a str],
    /// Whether it has to run as root, if the tests do.
    pub(crate) as_root: bool,
    /// The signal that stops it: `TERM`, or what stops it faster.
    pub(crate) signal: &'a str,
}

impl Process {
    /// Starts it and waits until it accepts connections there.
    pub(crate) fn start(start: &Start<'_>, address: SocketAddr) -> Result<Process, String> {
        let started = Process::start_until(start, || TcpStream::connect(address).ok());
        started.map(|(process, _)| process).map_err(|why| format!("nobody answers at {address}: {why}"))
    }

    /// Starts it and waits until it is found to be ready, for a server that chooses its address.
    pub(crate) fn start_until<T>(
        start: &Start<'_>,
        ready: impl Fn() -> Option<T>,
    ) -> Result<(Process, T), String> {
        let mut watchdog = Command::new("/bin/sh");
        watchdog.args(["-c", WATCHDOG, "watchdog", start.signal]).arg(start.folder).args(start.command);
        watchdog.current_dir(start.folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let (Some(id), false) = (unprivileged(), start.as_root) {
            watchdog.uid(id).gid(id);
        }
        let watchdog = watchdog.spawn().map_err(|e| format!("no /bin/sh: {e}"))?;
        let process = Process { watchdog, folder: start.folder.to_owned() };
        let found = process.wait_for(ready).map_err(|why| format!("{}: {why}", start.command.join(" ")))?;
        Ok((process, found))
    }

    /// The server's process id.
    pub(crate) fn id(&self) -> i32 {
        let text = fs::read_to_string(self.folder.join("pid")).expect("written when it was started");
        text.trim().parse().expect("a number")
    }

    fn wait_for<T>(&self, ready: impl Fn() -> Option<T>) -> Result<T, String> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(found) = ready() {
                return Ok(found);
            }
            if fs::exists(self.folder.join("pid")).unwrap_or(false) && !is_running(self.id()) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
        Err(format!("it was not ready in time; it said: {output}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Whether there is a process of this id that has not ended.
pub(crate) fn is_running(id: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{id}/stat"));
    match state {
        Ok(state) => !state.rsplit(") ").next().unwrap_or_default().starts_with('Z'),
        Err(_) => false,
    }
}

/// The id of the user as whom servers run, if that is another one than the tests run as.
pub(crate) fn unprivileged() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(NOBODY)
}

/// A new folder that belongs to the user as whom servers run. Short, because of socket paths.
pub(crate) fn folder(name: &str) -> io::Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix(&format!("fanout-{name}-")).tempdir()?.keep();
    give(&folder)?;
    Ok(folder)
}

/// Makes a file or folder readable for all, and the servers' user its owner.
pub(crate) fn give(path: &Path) -> io::Result<()> {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    unprivileged().map_or(Ok(()), |id| std::os::unix::fs::chown(path, Some(id), Some(id)))
}

/// An address on this machine's loopback that is free now.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
    listener.local_addr().expect("it is bound")
}

/// The first of the paths that is there; else an error that names the Debian package to install.
pub(crate) fn program(paths: &[&str], package: &str) -> Result<PathBuf, String> {
    let hidden = std::env::var_os(super::LOCAL).is_some_and(|value| value == "0");
    let found = paths.iter().filter(|_| !hidden).map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| format!("no {} (Debian: apt-get install {package})", paths[0]))
}
