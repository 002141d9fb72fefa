//! What a session is started with. Not here: the session itself (`session`), and who opens the channel (`connect`).

use std::sync::Arc;
use std::time::Duration;

/// What a session is started with, beside its channel.
pub(super) struct Opening {
    /// The channel's window.
    pub(super) window: u32,
    /// How long the server may take to answer INIT.
    pub(super) patience: Duration,
    /// To be called once the server speaks SFTP.
    pub(super) up: Option<Up>,
    /// Why what the channel is in ended, if it did.
    pub(super) ended: Ended,
}

/// See [`Opening::up`].
pub(super) type Up = Box<dyn FnOnce() + Send>;

/// See [`Opening::ended`].
pub(super) type Ended = Arc<dyn Fn() -> Option<String> + Send + Sync>;
