//! Whether an item's bytes are those that they must be, before they get their final name. They are read back once all of
//! them are there, whichever way they came: in any order, over several connections, some of them in an earlier run. Not
//! here: what they must be (`sources`), and how a digest is computed (`output`).

use super::outputs::failed;
use crate::gather::{Advice, Context};
use crate::sources::{Checksum, Sink, SourceError};

/// Compares the bytes of a sink with their checksum. If they are others nobody goes on with them: what is wrong with them
/// may be in those that an earlier attempt left.
pub(super) async fn verify(
    sink: &Sink,
    checksum: &Checksum,
    target: &str,
    context: &Context,
) -> Result<(), SourceError> {
    let Sink::File { part, .. } = sink else { return Ok(()) };
    context.phase("verify");
    let (writer, algorithm, alive) = (part.writer(), checksum.digest.algorithm(), context.clone());
    let digest = context.blocking(move |cancel| {
        writer.digest(algorithm, || {
            alive.progress().beat();
            !cancel.is_set()
        })
    });
    match digest.await.map_err(|error| failed(&error))? {
        Some(digest) if digest == checksum.digest => Ok(()),
        Some(digest) => {
            part.forget();
            let Checksum { digest: wanted, said_by } = checksum;
            let message = format!("{target}: its {algorithm} is {digest}, and {said_by} says {wanted}");
            let error = SourceError::new("checksum", message).advice(Advice::AGAIN);
            Err(error
                .hint("nothing of it was kept: it is damaged, or another version than the checksum is of"))
        }
        None => Err(SourceError::new("cancelled", "cancelled before its result was verified")),
    }
}
