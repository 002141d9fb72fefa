//! The way of rows from a connection into a sink: gathered into batches, encoded and written off the runtime's
//! threads, one batch at a time, while the next one arrives. Not here: what rows are ([`Rows`]), how they look in a
//! file (`output`).

use crate::gather::{Brought, Cancel, Context};
use crate::output::{PartWriter, RowFormat, RowWriter};
use crate::sources::{Content, Payload, Sink, SourceError};
use tokio::task::JoinHandle;

/// A batch is encoded when it has this many rows,
const BATCH_ROWS: usize = 1024;
/// or this many bytes. So at most two batches are in memory, and the one row that made a batch too large.
const BATCH_BYTES: usize = 256 << 10;

/// How a database's rows become cells.
pub(super) trait Rows: Send + Sync + 'static {
    /// A row as the driver gives it.
    type Row: Send + 'static;

    /// The names of the columns.
    fn columns(&self) -> &[String];

    /// How many bytes of values a row has.
    fn size(&self, row: &Self::Row) -> usize;

    /// Appends a row. `json` says that the cells become JSON.
    fn write(
        &self,
        row: &Self::Row,
        json: bool,
        writer: &mut RowWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), String>;
}

/// Takes rows for a sink.
pub(super) struct Feed<R: Rows> {
    context: Context,
    /// What the sink is, until the columns are known.
    target: Option<(Target, RowFormat)>,
    /// The encoder, while no batch is being encoded.
    encoder: Option<Encoder<R>>,
    /// The batch that is being encoded.
    pending: Option<JoinHandle<Result<Encoder<R>, SourceError>>>,
    /// The batch that is being gathered.
    batch: Vec<R::Row>,
    batch_bytes: usize,
    brought: Brought,
    /// What the sink is, once all is written.
    written: Option<Target>,
}

/// Where encoded rows go.
enum Target {
    File(PartWriter),
    Keep { bytes: Vec<u8>, limit: u64 },
    Discard,
}

/// Rows into text, text into the target. Moves between the runtime and the threads for blocking work.
struct Encoder<R> {
    rows: R,
    writer: RowWriter,
    json: bool,
    target: Target,
    out: Vec<u8>,
}

impl<R: Rows> Feed<R> {
    /// A feed for a sink. An error if the output's name asks for a format that rows don't have.
    pub(super) fn new(context: &Context, sink: &Sink) -> Result<Feed<R>, SourceError> {
        let target = match sink {
            Sink::File { part, format } => (Target::File(part.writer()), row_format(format)?),
            Sink::Keep { limit, .. } => {
                (Target::Keep { bytes: Vec::new(), limit: *limit }, RowFormat::JsonLines)
            }
            Sink::Discard => (Target::Discard, RowFormat::JsonLines),
        };
        Ok(Feed {
            context: context.clone(),
            target: Some(target),
            encoder: None,
            pending: None,
            batch: Vec::new(),
            batch_bytes: 0,
            brought: Brought::default(),
            written: None,
        })
    }

    /// The columns are known.
    pub(super) fn begin(&mut self, rows: R) -> Result<(), SourceError> {
        let Some((target, format)) = self.target.take() else { return Ok(()) };
        let names = rows.columns().to_owned();
        let writer =
            RowWriter::new(format, names).map_err(|error| SourceError::new("output", error.to_string()))?;
        let mut out = Vec::new();
        if !rows.columns().is_empty() {
            writer.begin(&mut out);
        }
        self.encoder = Some(Encoder { rows, writer, json: format != RowFormat::Csv, target, out });
        Ok(())
    }

    /// Takes a row. Waits while two batches are full.
    pub(super) async fn push(&mut self, row: R::Row, size: usize) -> Result<(), SourceError> {
        self.brought.rows += 1;
        self.brought.bytes += size as u64;
        self.context.progress().add_rows(1);
        self.context.progress().add_bytes(size as u64);
        self.batch.push(row);
        self.batch_bytes += size;
        match self.batch.len() >= BATCH_ROWS || self.batch_bytes >= BATCH_BYTES {
            true => self.encode().await,
            false => Ok(()),
        }
    }

    /// Writes all that is left. No row may follow.
    pub(super) async fn flush(&mut self) -> Result<(), SourceError> {
        self.encode().await?;
        if let Some(encoder) = self.ready().await? {
            self.written = Some(self.context.blocking(move |_| encoder.finish()).await?);
        }
        Ok(())
    }

    /// Gives the sink what it keeps, after a [`flush`](Feed::flush).
    pub(super) fn finish(self, sink: &mut Sink) -> Payload {
        if let (Sink::Keep { bytes, .. }, Some(Target::Keep { bytes: kept, .. })) = (sink, self.written) {
            *bytes = kept;
        }
        Payload { brought: self.brought, content: Content::Rows, ..Payload::default() }
    }

    /// Has the batch encoded once the one before is.
    async fn encode(&mut self) -> Result<(), SourceError> {
        let Some(mut encoder) = self.ready().await? else { return Ok(()) };
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let context = self.context.clone();
        self.pending = Some(tokio::task::spawn_blocking(move || {
            encoder.batch(&batch, context.cancel())?;
            Ok(encoder)
        }));
        Ok(())
    }

    /// The encoder, as soon as it is free.
    async fn ready(&mut self) -> Result<Option<Encoder<R>>, SourceError> {
        match self.pending.take() {
            Some(pending) => match pending.await {
                Ok(encoder) => encoder.map(Some),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            None => Ok(self.encoder.take()),
        }
    }
}

impl<R: Rows> Encoder<R> {
    fn batch(&mut self, batch: &[R::Row], cancel: &Cancel) -> Result<(), SourceError> {
        if cancel.is_set() || matches!(self.target, Target::Discard) {
            return Ok(());
        }
        for row in batch {
            let written = self.rows.write(row, self.json, &mut self.writer, &mut self.out);
            written.map_err(|why| SourceError::new("output", why))?;
        }
        self.target.take(&mut self.out)
    }

    fn finish(mut self) -> Result<Target, SourceError> {
        if !self.rows.columns().is_empty() {
            self.writer.finish(&mut self.out);
        }
        self.target.take(&mut self.out)?;
        Ok(self.target)
    }
}

impl Target {
    /// Moves what is encoded to where it goes.
    fn take(&mut self, out: &mut Vec<u8>) -> Result<(), SourceError> {
        match self {
            Target::File(part) => {
                part.append(out).map_err(|error| SourceError::new("output", error.to_string()))?
            }
            Target::Keep { bytes, limit } if bytes.len() as u64 + out.len() as u64 > *limit => {
                let message =
                    format!("the result is larger than the {limit} bytes that are left of the job's `keep`");
                return Err(
                    SourceError::new("too_large", message).hint("give the job an `output`, or raise `keep`")
                );
            }
            Target::Keep { bytes, .. } => bytes.extend_from_slice(out),
            Target::Discard => {}
        }
        out.clear();
        Ok(())
    }
}

/// The format that an output's ending names.
pub(super) fn row_format(ending: &str) -> Result<RowFormat, SourceError> {
    RowFormat::of_ending(ending).ok_or_else(|| {
        let message = match ending {
            "" => "rows need an output whose ending says how they are written".to_owned(),
            _ => format!("rows can't be written as `.{ending}`"),
        };
        SourceError::new("output", message).hint("let the output's name end in .csv, .json or .jsonl")
    })
}
