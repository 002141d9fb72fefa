//! Files from SFTP servers: the kind `sftp`. An own client of SFTP version 3 over russh's channels, made to have many
//! files in flight on few connections.

mod after;
mod alive;
mod asking;
mod auth;
mod beside;
mod checksum;
mod codec;
mod connect;
mod credentials;
mod entry;
mod error;
mod exclude;
mod fetch;
mod folder;
mod given;
mod identity;
mod jump;
mod known_hosts;
mod link;
mod links;
mod list;
mod lists;
mod opening;
mod pace;
mod pattern;
mod pool;
mod ranges;
mod reading;
mod ready;
mod route;
mod same;
mod session;
mod settings;
mod source;
mod ssh_config;
mod store;
mod sums;
mod tcp;
#[cfg(test)]
mod tests;
mod trust;

pub use pattern::is_many;

use crate::sources::Kind;

/// The kinds of source in this folder.
pub const KINDS: &[&dyn Kind] = &[&source::Sftp];
