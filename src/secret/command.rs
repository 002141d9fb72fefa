//! Running a command for the secret that it prints. Not here: which command that is (`reference`).
//!
//! It is in a process group of its own, so that all of it can be ended: when it takes too long, and when the program is
//! asked to stop. Its pipes are read without waiting, so that what it leaves running keeps nobody here.

use super::{Redactor, Secret};
use crate::expr::shortened;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The longest a command may take.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// How often a command is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;
/// How often it is read in one look: more than a pipe holds, so that nothing is missed, and not for ever.
const READS: usize = 256;
/// The most bytes of what a command says on stderr that are kept.
const MOST_SAID: usize = 4 * 1024;
/// Of that, the most lines that an error repeats.
const LINES: usize = 3;
/// And the most letters.
const LETTERS: usize = 300;

/// Whether commands are to end.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Ends the commands that run for secrets, and those that would be run from now on: the program is about to end.
pub fn end_commands() {
    ENDED.store(true, Relaxed);
}

/// What a command prints, if it ends well within `longest`. Blocking. The error says what it said on stderr.
pub(super) fn output(words: &[String], folder: &Path, longest: Duration) -> Result<String, String> {
    let [program, arguments @ ..] = words else { return Err("`command` is empty".to_owned()) };
    let failed = |why: String| format!("command {program}: {why}");
    let mut running =
        Running::start(program, arguments, folder).map_err(|error| failed(error.to_string()))?;
    let ended = running.wait(longest).and_then(|status| match status.success() {
        true => Ok(()),
        false => Err(status.to_string()),
    });
    let printed = String::from_utf8(running.stdout.bytes).map_err(|_| "its output is not UTF-8".to_owned());
    let why = match (ended, &printed) {
        (Ok(()), Ok(_)) => return printed,
        (Err(why), _) => why,
        (Ok(()), Err(why)) => why.clone(),
    };
    // What it printed is no less secret because it failed.
    printed.iter().for_each(|printed| Redactor::process().add(&Secret::new(printed.trim())));
    Err(failed(why + &said(&running.stderr.bytes)))
}

/// A command that runs.
struct Running {
    child: Child,
    stdout: Pipe<ChildStdout>,
    stderr: Pipe<ChildStderr>,
}

impl Running {
    fn start(program: &str, arguments: &[String], folder: &Path) -> io::Result<Running> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).process_group(0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).expect("both are piped");
        Ok(Running {
            child,
            stdout: Pipe::new(stdout, super::LARGEST as usize + 1)?,
            stderr: Pipe::new(stderr, MOST_SAID)?,
        })
    }

    /// Waits for its end, or ends it.
    fn wait(&mut self, longest: Duration) -> Result<ExitStatus, String> {
        let status = self.look(longest);
        if status.is_err() {
            // It may have ended by itself just now.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
        status
    }

    fn look(&mut self, longest: Duration) -> Result<ExitStatus, String> {
        let started = Instant::now();
        loop {
            // First, so that all it wrote is there to be read.
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            self.stdout.read().and_then(|()| self.stderr.read()).map_err(|error| error.to_string())?;
            if self.stdout.bytes.len() as u64 > super::LARGEST {
                return Err("too large for a secret".to_owned());
            }
            match ended {
                Some(status) => return Ok(status),
                None if ENDED.load(Relaxed) => return Err("stopped".to_owned()),
                None if started.elapsed() > longest => return Err(format!("no end within {longest:?}")),
                None => std::thread::sleep(LOOK),
            }
        }
    }
}

/// What comes from a command, up to a number of bytes; the rest is dropped.
struct Pipe<R> {
    from: R,
    bytes: Vec<u8>,
    most: usize,
}

impl<R: Read + AsFd> Pipe<R> {
    fn new(from: R, most: usize) -> io::Result<Pipe<R>> {
        fcntl_setfl(&from, OFlags::NONBLOCK)?;
        Ok(Pipe { from, bytes: Vec::new(), most })
    }

    /// Takes what is there.
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        for _ in 0..READS {
            let count = match self.from.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let room = self.most - self.bytes.len();
            self.bytes.extend_from_slice(&chunk[..count.min(room)]);
        }
        Ok(())
    }
}

/// What a command said, as the end of an error: its first lines, without secrets.
fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean = Redactor::process().redact(&text);
    let lines = clean.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES);
    let lines = lines.map(|line| line.replace(char::is_control, " ")).collect::<Vec<_>>().join("; ");
    if lines.is_empty() { lines } else { format!(": {}", shortened(&lines, LETTERS)) }
}

#[cfg(test)]
mod tests;
