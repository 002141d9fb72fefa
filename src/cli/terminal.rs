//! Questions at the terminal that the program was started from, whatever its input and output are: one at a time, a secret
//! without echo. Not here: what is asked and why (`sources`).

use crate::secret::Secret;
use crate::sources::{Answer, Question};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// The longest answer, in bytes.
const LONGEST: usize = 4096;
/// The keys that would end or stop the program with the terminal as it is: without echo. Ctrl-C asks it to end.
const ABRUPT: [SpecialCodeIndex; 2] = [SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP];
/// What stands for no key at all on Linux, and elsewhere for one that nobody types.
const NO_KEY: u8 = 0;

/// The terminal of the process.
pub(super) struct Terminal(File);

impl Terminal {
    /// The terminal, if there is one.
    pub(super) fn open() -> Option<Terminal> {
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Terminal)
    }

    /// Answers questions until nobody can ask any more. What two ask in the same words is asked once.
    pub(super) async fn answer(&self, mut questions: mpsc::Receiver<Question>) {
        let (mut secrets, mut consents) = (HashMap::<String, Secret>::new(), HashMap::<String, bool>::new());
        while let Some(Question { text, answer }) = questions.recv().await {
            // Who asked may be gone by now, or when there is an answer.
            match answer {
                _ if answer.is_unwanted() => {}
                Answer::Secret(to) => {
                    let known = secrets.get(&text).cloned();
                    let said = if known.is_some() { known } else { self.secret(&text).await };
                    if let Some(said) = said {
                        secrets.insert(text, said.clone());
                        let _ = to.send(said);
                    }
                }
                Answer::Consent(to) => {
                    let known = consents.get(&text).copied();
                    let said = if known.is_some() { known } else { self.consent(&text).await };
                    consents.insert(text, said.unwrap_or(false));
                    let _ = to.send(said.unwrap_or(false));
                }
            }
        }
    }

    /// Asks for a secret. None if the terminal is gone, or nothing is said.
    async fn secret(&self, text: &str) -> Option<Secret> {
        let silence = Silence::begin(&self.0).ok()?;
        let line = self.ask(text).await;
        drop(silence);
        // Nobody saw the end of the line.
        let _ = (&self.0).write_all(b"\n");
        line.filter(|line| !line.is_empty()).map(|line| Secret::new(line.as_str()))
    }

    /// Asks until there is a yes or a no.
    async fn consent(&self, text: &str) -> Option<bool> {
        loop {
            match self.ask(&format!("{text} (yes/no)")).await?.trim().to_lowercase().as_str() {
                "yes" => return Some(true),
                "no" => return Some(false),
                _ => {}
            }
        }
    }

    /// A line. It is read by a thread of its own, which nobody waits for if the program is to end.
    async fn ask(&self, text: &str) -> Option<Zeroizing<String>> {
        (&self.0).write_all(format!("{} ", crate::output::shown(text)).as_bytes()).ok()?;
        let (told, line) = oneshot::channel();
        let mut terminal = self.0.try_clone().ok()?;
        std::thread::spawn(move || told.send(read_line(&mut terminal)));
        line.await.ok()?
    }
}

/// A line without its end. None at the end of input, or if it is not UTF-8.
fn read_line(terminal: &mut File) -> Option<Zeroizing<String>> {
    // Never grown: what it leaves behind would not be wiped.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = [0];
    loop {
        match (terminal.read(&mut byte).ok()?, byte[0]) {
            (0, _) if line.is_empty() => return None,
            (0, _) | (_, b'\n') => break,
            (_, letter) if line.len() < LONGEST => line.push(letter),
            _ => {}
        }
    }
    let text = std::str::from_utf8(&line).ok()?;
    Some(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

/// The terminal without echo, until this is dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Silence<'_> {
    fn begin(terminal: &File) -> io::Result<Silence<'_>> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        ABRUPT.into_iter().for_each(|key| silent.special_codes[key] = NO_KEY);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Silence { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
