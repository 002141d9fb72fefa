//! The way to a server: TCP, straight or through jump hosts, each of which is trusted and logged in to like the server
//! itself, and carries the stream to the next one in the only channel of its connection. Not here: what a plan says of
//! jump hosts (`jump`).

use super::connect::{Hop, Target};
use super::link::Link;
use super::tcp::Tcp;
use crate::gather::Advice;
use crate::sources::SourceError;
use russh::client::Msg;
use russh::{ChannelOpenFailure, ChannelStream};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::either::Either;

/// Bytes to a server and back.
pub(super) type Stream = Either<Tcp, ChannelStream<Msg>>;

/// Connects to a server through all `hops`; and the connections that the stream goes through, the nearest first.
pub(super) async fn reach(target: &Target, hops: &[Hop]) -> Result<(Stream, Vec<Link>), SourceError> {
    let first = hops.first().map_or(target, |hop| &hop.target);
    let (mut stream, mut links) = (Stream::Left(dial(first).await?), Vec::new());
    let after = hops.iter().skip(1).map(|hop| &hop.target).chain([target]);
    for (hop, next) in hops.iter().zip(after) {
        let opened = Link::open(stream, &hop.target, &hop.credentials);
        let link = hop.target.patiently(opened).await?;
        stream = pass(&link, &hop.target, next).await?;
        links.push(link);
    }
    Ok((stream, links))
}

/// Asks a jump host for a connection to the next host, whose name it looks up.
async fn pass(link: &Link, hop: &Target, next: &Target) -> Result<Stream, SourceError> {
    let fail = |advice, why: &str| {
        let message = format!("{}: no connection to {} from there: {why}", hop.name, next.address());
        Err(SourceError::new("connect", message).advice(advice))
    };
    let again = Advice::SOURCE_AGAIN;
    match timeout(hop.connect_timeout, link.forward(&next.host, next.port)).await {
        Ok(Ok(channel)) => Ok(Stream::Right(channel.into_stream())),
        Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))) => {
            fail(again, "it can't connect")
        }
        Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => {
            fail(Advice::SOURCE_NEVER, "it does not allow forwarding to it")
        }
        Ok(Err(error)) => fail(again, &link.end().why().unwrap_or_else(|| error.to_string())),
        Err(_) => fail(again, &format!("no answer within {:?}", hop.connect_timeout)),
    }
}

/// Connects to the first of the host's addresses that answers.
async fn dial(target: &Target) -> Result<Tcp, SourceError> {
    let fail = |code, why: String| {
        SourceError::new(code, format!("{}: {why}", target.name)).advice(Advice::SOURCE_AGAIN)
    };
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    let addresses = match timeout(target.connect_timeout, lookup).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(fail("dns", format!("can't look up {}: {error}", target.host))),
        Err(_) => return Err(fail("dns", format!("no answer about {} in time", target.host))),
    };
    let mut last = fail("dns", format!("{} has no address", target.host));
    for address in addresses {
        match dial_one(address, target.connect_timeout).await {
            Ok(dialed) => return Ok(dialed),
            Err(why) => last = fail("connect", format!("can't connect to {address}: {why}")),
        }
    }
    Err(last)
}

async fn dial_one(address: SocketAddr, patience: Duration) -> Result<Tcp, String> {
    let stream = timeout(patience, Tcp::connect(address)).await;
    stream.map_err(|_| format!("no answer within {patience:?}"))?.map_err(|error| error.to_string())
}
