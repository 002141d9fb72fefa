//! Questions to a person, asked while a source connects: a passphrase, a password, whether a host's key is the right one.
//! One waits for its answer at a time. Not here: who asks the person (`cli`); where nobody does, nothing is asked.

use crate::secret::Secret;
use std::fmt;
use tokio::sync::{mpsc, oneshot};

/// A question, and where its answer goes. Dropped, it is not answered.
pub struct Question {
    /// What is asked, on one line, without a space at its end.
    pub text: String,
    /// What kind of answer it wants.
    pub answer: Answer,
}

/// Where an answer goes.
pub enum Answer {
    /// To whom a secret is told.
    Secret(oneshot::Sender<Secret>),
    /// To whom yes or no is told.
    Consent(oneshot::Sender<bool>),
}

/// Somebody who can be asked.
#[derive(Clone)]
pub struct Asking(mpsc::Sender<Question>);

impl Answer {
    /// Whether nobody waits for it any more.
    pub fn is_unwanted(&self) -> bool {
        match self {
            Answer::Secret(to) => to.is_closed(),
            Answer::Consent(to) => to.is_closed(),
        }
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

impl Asking {
    /// Whom sources ask, and the questions for whoever answers them. Once those are dropped, nobody is there.
    pub fn new() -> (Asking, mpsc::Receiver<Question>) {
        let (sender, questions) = mpsc::channel(1);
        (Asking(sender), questions)
    }

    /// Whether somebody is there.
    pub fn is_heard(&self) -> bool {
        !self.0.is_closed()
    }

    /// Asks for a secret; none if there is no answer.
    pub async fn secret(&self, text: String) -> Option<Secret> {
        let (answer, told) = oneshot::channel();
        self.0.send(Question { text, answer: Answer::Secret(answer) }).await.ok()?;
        told.await.ok()
    }

    /// Asks whether something is right; no answer is a no.
    pub async fn agrees(&self, text: String) -> bool {
        let (answer, told) = oneshot::channel();
        let asked = self.0.send(Question { text, answer: Answer::Consent(answer) }).await;
        asked.is_ok() && told.await.unwrap_or(false)
    }
}
