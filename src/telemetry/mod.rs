//! What the program tells of itself to others: spans and events of `tracing` to stderr, for `--log` and `FANOUT_LOG`;
//! and spans to a collector ([`Exporter`], [`Collector`]). Not here: the spans themselves (`gather`, `report`) and the
//! event log (`report`).

mod collector;
mod export;

#[cfg(test)]
mod tests;

pub use collector::Collector;
pub use export::{BATCH, Exporter, FLUSH, Feed, Lost, PAUSE, QUEUE};

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Installs the process's subscriber. `filter` is `level` or `target=level,..`; with "off" nothing is installed, and
/// spans cost nothing. What `writer` makes gets the lines, and has to keep secrets out of them.
///
/// # Errors
/// Says what is wrong with the filter.
pub fn init<W>(filter: &str, color: bool, writer: W) -> Result<(), String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let targets: Targets = filter.parse().map_err(|error| format!("log filter \"{filter}\": {error}"))?;
    if filter == "off" || filter.is_empty() {
        return Ok(());
    }
    let subscriber = tracing_subscriber::registry().with(lines(targets, color, writer));
    subscriber.try_init().map_err(|error| error.to_string())
}

/// The layer that writes lines, with a filter of its own: what another layer wants switches on nothing for it.
fn lines<S, W>(targets: Targets, color: bool, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(color)
        .with_writer(writer)
        .with_filter(targets)
}
