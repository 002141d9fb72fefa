//! Symlinks that are followed: what they lead to, and whether that is a folder they lie in themselves, so that a walk
//! ends. How many links one after another are followed is the server's business. Not here: the walk (`list`).

use super::asking::{self, AT_ONCE};
use super::codec::{Attrs, Name, Reply, Request};
use super::entry::{self, Kind};
use super::error::Fault;
use super::pattern::Step;
use super::pool::Pool;
use crate::gather::Context;
use crate::sources::SourceError;
use std::collections::VecDeque;
use std::sync::Arc;

/// A symlink that a walk came to.
pub(super) struct Link {
    /// Its path on the server.
    pub(super) path: Vec<u8>,
    /// The same below the listing's base.
    pub(super) below: Vec<Vec<u8>>,
    /// What its name leads to in the pattern.
    pub(super) step: Step,
    /// The folder it lies in.
    pub(super) within: Arc<Real>,
}

/// Where a folder really lies, and the folders with the links that led there.
pub(super) struct Real {
    path: Vec<u8>,
    above: Option<Arc<Real>>,
}

/// What a symlink leads to.
pub(super) enum Target {
    /// A file.
    File(Attrs),
    /// A folder to be read: where it really lies.
    Folder(Arc<Real>),
    /// A folder that it lies in itself: its files come without it.
    Loop,
    /// A folder, where the pattern wants none; or a file, where it wants a folder.
    Unwanted,
    /// A device, a pipe, a socket.
    Special,
    /// What is not there.
    Nowhere,
    /// Something that the server doesn't tell.
    Unknown(Fault),
}

impl Real {
    /// The folder that a listing begins with.
    pub(super) async fn of(
        pool: &Arc<Pool>,
        context: &Context,
        path: &[u8],
    ) -> Result<Arc<Real>, SourceError> {
        let reply = asking::each(pool, context, [Request::Realpath(path)].into_iter()).await?.pop();
        // Where it can't be told, opening the folder fails, too, or its own path has to do.
        let path = reply.and_then(|reply| reply.and_then(real).ok()).unwrap_or_else(|| path.to_vec());
        Ok(Arc::new(Real { path, above: None }))
    }

    /// A folder in it that is no link.
    pub(super) fn below(&self, name: &[u8]) -> Arc<Real> {
        Arc::new(Real { path: super::list::joined(&self.path, name), above: self.above.clone() })
    }

    /// Whether it lies in that folder, or is it; or one does with a link that led here.
    fn is_within(&self, folder: &[u8]) -> bool {
        let rest = self.path.strip_prefix(folder);
        let is = rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || folder == b"/");
        is || self.above.as_ref().is_some_and(|above| above.is_within(folder))
    }
}

/// What the first of these links lead to, as many as are asked about at once.
pub(super) async fn targets(
    pool: &Arc<Pool>,
    context: &Context,
    links: &VecDeque<Link>,
) -> Result<Vec<Target>, SourceError> {
    let links = || links.iter().take(AT_ONCE);
    let stats = asking::stats(pool, context, links().map(|link| &link.path[..])).await?;
    let is_folder = |stat: &Result<Attrs, Fault>, link: &Link| {
        link.step.below.is_some() && stat.as_ref().is_ok_and(|attrs| entry::kind(attrs, None) == Kind::Folder)
    };
    let folders = links().zip(&stats).filter(|(link, stat)| is_folder(stat, link));
    let asked = folders.map(|(link, _)| Request::Realpath(&link.path));
    let mut reals = asking::each(pool, context, asked).await?.into_iter();
    let target = |(link, stat): (&Link, Result<Attrs, Fault>)| match is_folder(&stat, link) {
        true => folder(link, reals.next()),
        false => other(link, stat),
    };
    Ok(links().zip(stats).map(target).collect())
}

fn folder(link: &Link, reply: Option<Result<Reply, Fault>>) -> Target {
    match reply.map(|reply| reply.and_then(real)) {
        Some(Ok(path)) if link.within.is_within(&path) => Target::Loop,
        Some(Ok(path)) => Target::Folder(Arc::new(Real { path, above: Some(link.within.clone()) })),
        Some(Err(fault)) => Target::Unknown(fault),
        None => Target::Unknown(Fault::Protocol("no answer")),
    }
}

fn other(link: &Link, stat: Result<Attrs, Fault>) -> Target {
    match stat {
        Ok(attrs) => match entry::kind(&attrs, None) {
            Kind::File | Kind::Unknown if link.step.wanted => Target::File(attrs),
            Kind::Special | Kind::Symlink if link.step.wanted => Target::Special,
            _ => Target::Unwanted,
        },
        Err(fault) if fault.is_missing() => Target::Nowhere,
        Err(fault) => Target::Unknown(fault),
    }
}

/// The path in the answer to REALPATH.
fn real(reply: Reply) -> Result<Vec<u8>, Fault> {
    match reply {
        Reply::Names(mut names) => match (names.next(), names.next()) {
            (Some(Name { name, .. }), None) if !name.is_empty() => Ok(name),
            _ => Err(Fault::Protocol("an answer that is no path")),
        },
        _ => Err(Fault::Protocol("an answer that is no path")),
    }
}
