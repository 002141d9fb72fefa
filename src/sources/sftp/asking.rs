//! Questions about many paths, all in one flight. Not here: what is asked for one file (`fetch`) or folder (`folder`).

use super::codec::{Attrs, Reply, Request};
use super::error::Fault;
use super::pool::Pool;
use super::session::Held;
use crate::gather::Context;
use crate::sources::SourceError;
use std::sync::Arc;

/// The most paths that are asked about at once.
pub(super) const AT_ONCE: usize = 1000;

/// The replies to all requests. An error if the link is lost.
pub(super) async fn each(
    pool: &Arc<Pool>,
    context: &Context,
    requests: impl Iterator<Item = Request<'_>>,
) -> Result<Vec<Result<Reply, Fault>>, SourceError> {
    let lease = pool.lease(context).await?;
    context.phase("list");
    let answers: Vec<_> = requests.map(|request| lease.ask(request, Held::default())).collect();
    let mut replies = Vec::with_capacity(answers.len());
    for answer in answers {
        let reply = lease.wait(context, answer).await.map(|(reply, _)| reply);
        if let Err(Fault::Lost(lost)) = reply {
            return Err(lost.error(&pool.target.name));
        }
        context.progress().beat();
        replies.push(reply);
    }
    Ok(replies)
}

/// What all the paths lead to, symlinks followed.
pub(super) async fn stats(
    pool: &Arc<Pool>,
    context: &Context,
    paths: impl Iterator<Item = &[u8]>,
) -> Result<Vec<Result<Attrs, Fault>>, SourceError> {
    let replies = each(pool, context, paths.map(Request::Stat)).await?;
    Ok(replies.into_iter().map(|reply| reply.and_then(attrs)).collect())
}

/// The attributes that a reply holds.
pub(super) fn attrs(reply: Reply) -> Result<Attrs, Fault> {
    match reply {
        Reply::Attrs(attrs) => Ok(attrs),
        _ => Err(Fault::Protocol("an answer that is no attributes")),
    }
}
