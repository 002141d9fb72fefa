//! Signals: the first that stops asks everything to stop, the second ends the grace time; SIGUSR1 asks what runs.

use super::exit::Failure;
use crate::gather::{Cause, Run, Stop};
use crate::secret::end_commands;
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// To be called first: who asks what runs (SIGUSR1) before anything does, or when all is over, ends nothing.
pub(super) fn bear_questions() {
    // Where the system does not let us, asking too early ends the program, as is the system's custom.
    let _ = flag::register(SignalKind::user_defined1().as_raw_value(), Arc::default());
}

/// Listens until the run is over; to be raced with it.
pub(super) async fn listen(run: Run, asked: Arc<Notify>) -> io::Result<()> {
    let mut curious = signal(SignalKind::user_defined1())?;
    tokio::select! {
        result = stops(run) => result,
        () = async { while curious.recv().await.is_some() { asked.notify_one(); } } => Ok(()),
    }
}

async fn stops(run: Run) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let number = signals.next().await;
    end_commands();
    run.cancel(&Cause::Signal(number), Stop::CancelRunning);
    loop {
        signals.next().await;
        run.abort();
    }
}

/// After a run: a signal ends the process again, as if nobody had ever listened. The runtime would go on to take it, and
/// the user could not stop a program that waits for whoever reads its results.
pub(super) fn let_go() -> io::Result<()> {
    let over = Arc::new(AtomicBool::new(true));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        flag::register_conditional_default(kind.as_raw_value(), over.clone())?;
    }
    Ok(())
}

/// What to say if the system does not let us listen.
pub(super) fn unheard(error: io::Error) -> Failure {
    Failure::settings(format!("signals can't be heard: {error}"))
}

/// What a run has to have before it begins. A signal ends the commands that are asked for secrets, and then the program:
/// they are in no process group that a terminal's Ctrl-C would reach.
pub(super) async fn prepared<T>(preparing: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        prepared = preparing => Ok(prepared),
        number = first() => {
            end_commands();
            let_go().map_err(unheard)?;
            Err(Failure::signal(number.map_err(unheard)?))
        }
    }
}

/// The first signal, for what can simply be dropped.
pub(super) async fn first() -> io::Result<i32> {
    Ok(Signals::new()?.next().await)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
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
