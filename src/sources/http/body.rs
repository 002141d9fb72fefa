//! Bodies on their way into a sink: streamed, counted, capped and never cut short in silence. Not here: whether the
//! answer is one that was hoped for (`answer`).

use super::failure::{Sent, within_body};
use crate::gather::Context;
use crate::output::PartWriter;
use crate::sources::{Sink, SourceError};
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use std::fmt::Display;
use std::future::Future;

/// How much is collected before it is handed to a blocking thread to be written.
const WRITE_SIZE: usize = 256 * 1024;

/// Ends early when the attempt is asked to stop; whatever is being written then is written to its end.
pub(super) async fn unless_cancelled<T>(
    context: &Context,
    future: impl Future<Output = T>,
) -> Result<T, SourceError> {
    tokio::select! {
        biased;
        cause = context.cancelled() => Err(SourceError::new("cancelled", cause.to_string())),
        value = future => Ok(value),
    }
}

/// Streams a body into the sink. Returns its bytes, decoded.
pub(super) async fn receive(
    mut response: Response,
    context: &Context,
    sink: &mut Sink,
    sent: &Sent<'_>,
    max_bytes: u64,
) -> Result<u64, SourceError> {
    let mut to = Target::new(sink);
    let mut got = 0;
    loop {
        // Decoding may turn one packet into many chunks without ever waiting: let others have the thread now and then.
        tokio::task::consume_budget().await;
        let chunk = unless_cancelled(context, response.chunk()).await?;
        let Some(chunk) = chunk.map_err(|error| within_body(error, sent, got))? else { break };
        got += chunk.len() as u64;
        context.progress().add_bytes(chunk.len() as u64);
        if got > max_bytes {
            return Err(too_large(
                sent,
                format_args!("{max_bytes} bytes"),
                "raise `max_bytes` if that is right",
            ));
        }
        to.take(chunk, context, sent).await?;
    }
    to.finish(context).await?;
    Ok(got)
}

fn too_large(sent: &Sent<'_>, most: impl Display, hint: &str) -> SourceError {
    SourceError::new("too_large", format!("{}: body has more than {most}", sent.target)).hint(hint)
}

/// A sink, with what waits to be written to it.
enum Target<'a> {
    File { writer: PartWriter, waiting: BytesMut },
    Keep { bytes: &'a mut Vec<u8>, limit: u64 },
    Discard,
}

impl<'a> Target<'a> {
    fn new(sink: &'a mut Sink) -> Target<'a> {
        match sink {
            Sink::File { part, .. } => Target::File { writer: part.writer(), waiting: BytesMut::new() },
            Sink::Keep { bytes, limit } => Target::Keep { bytes, limit: *limit },
            Sink::Discard => Target::Discard,
        }
    }

    async fn take(&mut self, chunk: Bytes, context: &Context, sent: &Sent<'_>) -> Result<(), SourceError> {
        match self {
            Target::File { writer, waiting } => {
                waiting.extend_from_slice(&chunk);
                if waiting.len() < WRITE_SIZE {
                    return Ok(());
                }
                write(writer, waiting.split().freeze(), context).await
            }
            Target::Keep { bytes, limit } if (bytes.len() + chunk.len()) as u64 > *limit => Err(too_large(
                sent,
                format_args!("the {limit} bytes that are left of the job's `keep`"),
                "give the job an `output`, or raise `keep`",
            )),
            Target::Keep { bytes, .. } => {
                bytes.extend_from_slice(&chunk);
                Ok(())
            }
            Target::Discard => Ok(()),
        }
    }

    async fn finish(self, context: &Context) -> Result<(), SourceError> {
        match self {
            Target::File { writer, waiting } if !waiting.is_empty() => {
                write(&writer, waiting.freeze(), context).await
            }
            _ => Ok(()),
        }
    }
}

async fn write(writer: &PartWriter, bytes: Bytes, context: &Context) -> Result<(), SourceError> {
    let writer = writer.clone();
    let written = context.blocking(move |_| writer.append(&bytes)).await;
    written.map_err(|error| SourceError::new("output", error.message))
}
