//! What the user's OpenSSH configuration says of a host: ssh_config(5), as `ssh` itself reads it. `Host` and `Match`
//! blocks, `Include`, the first value of each keyword. Not here: the keywords that are no concern of fetching files, which
//! are passed over; and what is done with those that are (`settings`, `credentials`).

mod blocks;
mod options;
mod reading;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub(super) use options::Strict;

use super::jump::{host_and_port, login_and_place};
use crate::secret::located;
use blocks::Block;
use options::Options;
use reading::{Reading, Source};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokens::Tokens;

/// The user's own configuration, and the machine's.
const USUAL: [(&str, &str, bool); 2] =
    [("~/.ssh/config", "~/.ssh", true), ("/etc/ssh/ssh_config", "/etc/ssh", false)];
/// The most hosts on the way to another.
const MOST_HOPS: usize = 8;

/// Whom the configuration is asked about, and what is known already.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// The host as it was written: an alias, or a name.
    pub(super) host: String,
    /// Who logs in, if that was said.
    pub(super) user: Option<String>,
    /// The port, if that was said.
    pub(super) port: Option<u16>,
    /// Who runs this.
    pub(super) local_user: String,
}

/// What the configuration says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The host's real name.
    pub(super) host: String,
    /// Who logs in.
    pub(super) user: Option<String>,
    /// The port.
    pub(super) port: Option<u16>,
    /// The files of keys, if any are named: then the usual ones are not tried.
    pub(super) identities: Option<Vec<PathBuf>>,
    /// Whether the agent is asked for no other keys than those.
    pub(super) identities_only: bool,
    /// The hosts on the way, the first of them the first on the way. They have none of their own.
    pub(super) jump: Vec<Found>,
    /// The user's files of known hosts.
    pub(super) user_known_hosts: Option<Vec<PathBuf>>,
    /// The machine's.
    pub(super) global_known_hosts: Option<Vec<PathBuf>>,
    /// What is done about a host that is not known.
    pub(super) strict: Option<Strict>,
    /// The name that the host has in files of known hosts.
    pub(super) alias: Option<String>,
    /// The file of keys that no host may have.
    pub(super) revoked: Option<PathBuf>,
    /// Whether nobody is to be asked anything.
    pub(super) is_batch: bool,
    /// How long connecting may take.
    pub(super) connect_timeout: Option<Duration>,
    /// Silence after which the server is asked whether it lives.
    pub(super) keepalive: Option<Duration>,
    /// What a user should know of it.
    pub(super) notes: Vec<String>,
}

/// Looks a host up in `file`, or in the user's and the machine's own files, of which neither has to be there. Blocking. An
/// error says where it is, or what is wrong with a value.
pub(super) fn look_up(file: Option<&Path>, asked: &Asked) -> Result<Found, String> {
    let (options, notes) = read(file, asked)?;
    let mut found = expanded(&options, asked)?;
    found.notes.extend(notes);
    found.jump = hops(file, asked, &options, found.host.as_str(), 0)?;
    Ok(found)
}

/// What is said of a host, as it is written, and what a user should know.
fn read(file: Option<&Path>, asked: &Asked) -> Result<(Options, Vec<String>), String> {
    let options = Options { user: asked.user.clone(), port: asked.port, ..Options::default() };
    let mut reading = Reading { asked, options, notes: Vec::new(), files: 0 };
    let here = Path::new("");
    let source = |path, base, is_guarded| Source { path, base: located(base, here), is_guarded, depth: 0 };
    match file {
        Some(file) => {
            let is_there = reading.file(&source(file.to_owned(), USUAL[0].1, false), Block::Holds)?;
            if !is_there {
                return Err(format!("{}: no such file", file.display()));
            }
        }
        None => {
            for (path, base, is_guarded) in USUAL {
                reading.file(&source(located(path, here), base, is_guarded), Block::Holds)?;
            }
        }
    }
    Ok((reading.options, reading.notes))
}

/// The values with everything filled in, but for the hosts on the way.
fn expanded(options: &Options, asked: &Asked) -> Result<Found, String> {
    let host = real_host(options, asked)?;
    let tokens = tokens::all(options, asked, &host);
    let alias = options.host_key_alias.as_deref().map(|alias| tokens::expand(alias, &tokens)).transpose()?;
    let files = |files: &Option<Vec<String>>| files.as_ref().map(|files| paths(files, &tokens)).transpose();
    Ok(Found {
        user: options.user.clone(),
        port: options.port,
        identities: match options.identity_files.as_slice() {
            [] => None,
            files => Some(paths(files, &tokens)?),
        },
        identities_only: options.identities_only.unwrap_or_default(),
        jump: Vec::new(),
        user_known_hosts: files(&options.user_known_hosts)?,
        global_known_hosts: files(&options.global_known_hosts)?,
        strict: options.strict,
        alias,
        revoked: match &options.revoked {
            Some(file) => paths(std::slice::from_ref(file), &tokens)?.pop(),
            None => None,
        },
        is_batch: options.is_batch.unwrap_or_default(),
        // With 0 it may take for ever, or no question is sent: the default is better for both.
        connect_timeout: options.connect_timeout.flatten().filter(|timeout| !timeout.is_zero()),
        keepalive: options.keepalive.filter(|keepalive| !keepalive.is_zero()),
        notes: lax(options).into_iter().collect(),
        host,
    })
}

/// The host's name, once nothing more will be said of it: names have no case.
fn real_host(options: &Options, asked: &Asked) -> Result<String, String> {
    tokens::host_name(options, asked).map(|host| host.to_lowercase())
}

/// The paths; `none` is none.
fn paths(files: &[String], tokens: &Tokens) -> Result<Vec<PathBuf>, String> {
    let named = files.iter().filter(|file| !file.eq_ignore_ascii_case("none"));
    named.map(|file| tokens::path(file, tokens)).collect()
}

fn lax(options: &Options) -> Option<String> {
    (options.strict == Some(Strict::No)).then(|| {
        "`StrictHostKeyChecking no` is heeded as `accept-new`: a host key that changed is refused".to_owned()
    })
}

/// The hosts on the way, each looked up in the same configuration. The first of them may have others on its own way.
fn hops(
    file: Option<&Path>,
    asked: &Asked,
    options: &Options,
    host: &str,
    depth: usize,
) -> Result<Vec<Found>, String> {
    let mut way = Vec::new();
    for (at, hop) in options.jump.iter().flatten().enumerate() {
        let hop = tokens::expand(hop, &tokens::all(options, asked, host))?;
        let asked = hop_asked(&hop, asked).ok_or_else(|| format!("ProxyJump: \"{hop}\" is no host"))?;
        let (options, _) = read(file, &asked)?;
        let found = expanded(&options, &asked)?;
        if depth + at == MOST_HOPS {
            return Err(format!("ProxyJump: more than {MOST_HOPS} hosts on the way, or a circle"));
        }
        if at == 0 {
            way = hops(file, &asked, &options, &found.host, depth + 1)?;
        }
        way.push(found);
    }
    Ok(way)
}

fn hop_asked(hop: &str, asked: &Asked) -> Option<Asked> {
    let (user, place) = login_and_place(hop);
    let (host, port) = host_and_port(place).filter(|(host, _)| !host.is_empty())?;
    let (host, user) = (host.to_owned(), user.map(str::to_owned));
    Some(Asked { host, user, port, local_user: asked.local_user.clone() })
}
