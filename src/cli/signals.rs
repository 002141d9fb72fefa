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
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let number = either(&mut interrupt, &mut terminate).await;
    run.cancel(&Cause::Signal(number), Stop::CancelRunning);
    loop {
        either(&mut interrupt, &mut terminate).await;
        run.abort();
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
    }
}
