//! The program at a terminal, and somebody who reads and types there. Not here: what should be asked.

use super::plan::Plan;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Ctrl-C.
pub(crate) const INTERRUPT: u8 = 3;
/// Ctrl-D.
pub(crate) const END: u8 = 4;
/// Ctrl-Z.
pub(crate) const STOP: u8 = 26;
/// Ctrl-\.
pub(crate) const QUIT: u8 = 28;

/// A terminal that a program was started at. Dropped, the program is killed.
pub(crate) struct Terminal {
    /// Where somebody types.
    keyboard: File,
    /// The program's side: as long as it is open, nothing that was written is lost.
    line: File,
    shown: Arc<Mutex<Vec<u8>>>,
    /// How much of it was looked at.
    read: usize,
    child: Child,
}

impl Terminal {
    /// Starts the program with its input, its output and its questions at a new terminal.
    pub(crate) fn start(plan: &Plan, arguments: &[&str]) -> Terminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a new terminal");
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("it is ours");
        let name = ptsname(&keyboard, Vec::new()).expect("it has a name");
        let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let line = OpenOptions::new().read(true).write(true).open(name).expect("its other side");
        let stream = || Stdio::from(line.try_clone().expect("a descriptor"));
        let mut command = plan.fanout(arguments).through("exec setsid --ctty --wait \"$@\"").command();
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn();
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let keyboard = File::from(keyboard);
        let (mut screen, into) = (keyboard.try_clone().expect("a descriptor"), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                into.lock().expect("nobody panics with it").extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { keyboard, line, shown, read: 0, child: child.expect("the program can be run") }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("nobody panics with it")).into_owned()
    }

    /// Waits until a text is shown, after the one that was waited for before.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            let shown = self.text();
            if let Some(at) = shown.get(self.read..).and_then(|rest| rest.find(text)) {
                self.read += at + text.len();
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not shown:\n{shown}");
            std::thread::sleep(LOOK);
        }
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).expect("the terminal is there");
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: u8) {
        self.keyboard.write_all(&[key]).expect("the terminal is there");
    }

    /// Whether what is typed is shown.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.line).expect("the terminal is there").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the program's end, and gives all that was shown.
    #[track_caller]
    pub(crate) fn exits(&mut self, code: i32) -> String {
        let begun = Instant::now();
        while self.child.try_wait().expect("it is our child").is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(LOOK);
        }
        // What is written now comes after all that the program wrote.
        (&self.line).write_all(b"THE END").expect("the terminal is there");
        self.until("THE END");
        let status = self.child.wait().expect("it is our child");
        assert_eq!(status.code(), Some(code), "{}", self.text());
        self.text()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
