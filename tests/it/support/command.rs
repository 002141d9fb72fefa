//! The real program in a clean environment, and everything that is to be known about how it ended. Not here: what it
//! should have done.

use super::plan::Plan;
use rustix::process::{Pid, Signal};
use std::fmt;
use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a run may take before it is killed and the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The program, about to be run.
pub(crate) struct Fanout<'a> {
    plan: &'a Plan,
    command: Command,
    stdin: Vec<u8>,
    unread: bool,
}

/// The program while it runs. Dropped, it is killed.
pub(crate) struct Running<'a> {
    plan: &'a Plan,
    command: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
    /// Its stdout, if nobody reads it.
    _unread: Option<ChildStdout>,
}

/// What a stream brought so far, and the thread that reads it.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// How a run ended. Its `Debug` and its failed checks tell all there is.
pub(crate) struct Ended {
    command: String,
    folder: String,
    files: Vec<String>,
    status: ExitStatus,
    /// What it wrote to stdout.
    pub(crate) stdout: String,
    /// What it wrote to stderr.
    pub(crate) stderr: String,
}

impl<'a> Fanout<'a> {
    /// The program with arguments, in the plan's folder, with nothing of this process' environment but `PATH`.
    pub(crate) fn new(plan: &'a Plan, arguments: &[&str]) -> Fanout<'a> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanout"));
        command.args(arguments).current_dir(plan.folder()).env_clear();
        command
            .env("HOME", plan.home())
            .env("TMPDIR", plan.temporary())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC");
        // For a build that measures coverage.
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        Fanout { plan, command, stdin: Vec::new(), unread: false }
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets no file of its grow past so many KiB: a write past it fails, as on a full disk.
    pub(crate) fn largest_file(self, kib: u32) -> Self {
        // Blocks of 512 bytes. The signal would end the program before it sees the failed write.
        self.through(&format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kib * 2))
    }

    /// Lets a shell start it, which has it as `"$@"`.
    pub(crate) fn through(mut self, script: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(self.command.get_program()).args(self.command.get_args());
        command.current_dir(self.plan.folder()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    /// What it reads from stdin; nothing by default.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Lets nobody read its stdout, as a pager does that shows its first page.
    pub(crate) fn unread(mut self) -> Self {
        self.unread = true;
        self
    }

    /// It as it would be started, for one who gives it other streams.
    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running<'a> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program can be run");
        let mut stdin = child.stdin.take().expect("it is piped");
        let bytes = self.stdin;
        // It may end without reading it all; that is no failure of the test.
        std::thread::spawn(move || stdin.write_all(&bytes));
        let unread = if self.unread { child.stdout.take() } else { None };
        let stdout = child.stdout.take().map_or_else(Stream::nothing, Stream::read);
        let stderr = Stream::read(child.stderr.take().expect("it is piped"));
        Running {
            plan: self.plan,
            command: format!("{:?}", self.command),
            child,
            stdout,
            stderr,
            _unread: unread,
        }
    }
}

impl Running<'_> {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs and is ours");
    }

    /// Waits until a condition holds, such as a request that came to a server. Panics if the program ends first.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let ended = self.child.try_wait().expect("it is our child").is_some();
            let in_time = begun.elapsed() < PATIENCE;
            let said = || format!("{}\n{}", self.stdout.text(), self.stderr.text());
            assert!(in_time && !ended, "{}: {what} did not come about; it said:\n{}", self.command, said());
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until its output (stdout or stderr) contains a text.
    pub(crate) fn until_it_says(&mut self, text: &str) {
        let (stdout, stderr) = (self.stdout.bytes.clone(), self.stderr.bytes.clone());
        let says = move |bytes: &Mutex<Vec<u8>>| String::from_utf8_lossy(&lock(bytes)).contains(text);
        self.until(&format!("{text:?} in its output"), || says(&stdout) || says(&stderr));
    }

    /// Waits for its end however long that takes, and says how many bytes of memory it had at most.
    pub(crate) fn weigh(mut self) -> (Ended, usize) {
        let (status, mut most) = (format!("/proc/{}/status", self.id()), 0);
        while self.child.try_wait().expect("it is our child").is_none() {
            // The system's own mark only rises; at its very end a process has none.
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            most = mark.and_then(|mark| mark.parse().ok()).unwrap_or(most);
            std::thread::sleep(LOOK);
        }
        (self.wait(), most * 1024)
    }

    /// Waits for its end; kills it and panics if that takes too long.
    pub(crate) fn wait(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let ended = self.ended(ExitStatus::from_raw(9));
                panic!("it did not end within {PATIENCE:?}\n{ended:?}");
            }
            std::thread::sleep(LOOK);
        };
        self.ended(status)
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        Ended {
            command: self.command.clone(),
            folder: self.plan.folder().display().to_string(),
            files: self.plan.files(),
            status,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// What was run.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// The exit code; none if a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "another exit code was expected\n{self:?}");
        self
    }

    /// Checks that the program did not end by itself but by a signal.
    #[track_caller]
    pub(crate) fn killed_by(&self, signal: Signal) -> &Self {
        assert_eq!(self.status.signal(), Some(signal.as_raw()), "another end was expected\n{self:?}");
        self
    }

    /// Checks that stdout contains a text.
    #[track_caller]
    pub(crate) fn prints(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "stdout lacks {text:?}\n{self:?}");
        self
    }

    /// Checks that stderr contains a text, however its lines are broken.
    #[track_caller]
    pub(crate) fn complains(&self, text: &str) -> &Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&self.stderr).contains(&words(text)), "stderr lacks {text:?}\n{self:?}");
        self
    }

    /// Checks that neither stream contains a text, such as a secret.
    #[track_caller]
    pub(crate) fn never_says(&self, text: &str) -> &Self {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "it says {text:?}\n{self:?}");
        self
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = "=".repeat(60);
        let Ended { command, folder, files, status, stdout, stderr } = self;
        let files = files.join("\n");
        write!(f, "{rule}\ncommand: {command}\nfolder: {folder}\nfiles:\n{files}\n\n{status}\n\n")?;
        write!(f, "stdout:\n{stdout}\nstderr:\n{stderr}\n{rule}")
    }
}

impl Stream {
    fn nothing() -> Stream {
        Stream { bytes: Arc::default(), reader: None }
    }

    fn read(mut from: impl Read + Send + 'static) -> Stream {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let into = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                lock(&into).extend_from_slice(&buffer[..count]);
            }
        });
        Stream { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }

    /// All of it, after its end.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.text()
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    bytes.lock().expect("nothing panics while it holds it")
}
