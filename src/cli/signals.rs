//! Signals: the first that stops asks everything to stop, the second ends the grace time; SIGUSR1 asks what runs.

use crate::gather::{Cause, Run, Stop};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Listens until the run is over; to be raced with it.
pub(super) async fn listen(run: Run, asked: Arc<Notify>) -> std::io::Result<()> {
    let mut curious = signal(SignalKind::user_defined1())?;
    tokio::select! {
        result = stops(run) => result,
        () = async { while curious.recv().await.is_some() { asked.notify_one(); } } => Ok(()),
    }
}

async fn stops(run: Run) -> std::io::Result<()> {
    let mut signals = Signals::new()?;
    let number = signals.next().await;
    run.cancel(&Cause::Signal(number), Stop::CancelRunning);
    loop {
        signals.next().await;
        run.abort();
    }
}

/// The first signal, for what can simply be dropped.
pub(super) async fn first() -> std::io::Result<i32> {
    Ok(Signals::new()?.next().await)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        let [interrupt, terminate] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        Ok(Signals { interrupt: interrupt?, terminate: terminate? })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }
}
