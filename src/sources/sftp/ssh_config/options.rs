//! What a configuration says, keyword by keyword: the first value that is said holds. Not here: for which hosts it is
//! said (`blocks`), and what follows from it (the module above).

use std::time::Duration;

/// The most files of keys: as many as OpenSSH takes.
const MOST_KEYS: usize = 100;

/// The values, as they are written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in super::super) struct Options {
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    /// Files of keys, all that are said.
    pub(super) identity_files: Vec<String>,
    pub(super) identities_only: Option<bool>,
    /// The hosts on the way; none of them where the first that is said is `none`.
    pub(super) jump: Option<Vec<String>>,
    pub(super) user_known_hosts: Option<Vec<String>>,
    pub(super) global_known_hosts: Option<Vec<String>>,
    pub(super) strict: Option<Strict>,
    pub(super) host_key_alias: Option<String>,
    pub(super) revoked: Option<String>,
    pub(super) is_batch: Option<bool>,
    pub(super) connect_timeout: Option<Option<Duration>>,
    pub(super) keepalive: Option<Duration>,
}

/// What is done about a host that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Strict {
    /// It is refused.
    Yes,
    /// A person is asked.
    Ask,
    /// It is taken, and known from then on.
    AcceptNew,
    /// Anything is taken, even a key that changed.
    No,
}

/// The keywords that mean something here.
pub(super) fn is_heeded(keyword: &str) -> bool {
    const KEYWORDS: [&str; 15] = [
        "hostname",
        "user",
        "port",
        "identityfile",
        "identitiesonly",
        "proxyjump",
        "proxycommand",
        "userknownhostsfile",
        "globalknownhostsfile",
        "stricthostkeychecking",
        "hostkeyalias",
        "revokedhostkeys",
        "batchmode",
        "connecttimeout",
        "serveraliveinterval",
    ];
    KEYWORDS.contains(&keyword)
}

impl Options {
    /// Takes what a line says, if nothing was said before. Keywords of no meaning here are passed over.
    pub(super) fn set(&mut self, keyword: &str, words: &[String]) -> Result<(), String> {
        match keyword {
            "hostname" => first(&mut self.host_name, text(words)),
            "user" => first(&mut self.user, text(words)),
            "port" => first(&mut self.port, one(words, port)),
            "identityfile" => self.add_identity(text(words)?),
            "identitiesonly" => first(&mut self.identities_only, one(words, flag)),
            "proxyjump" => first(&mut self.jump, one(words, jump)),
            "proxycommand" => self.command(words),
            "userknownhostsfile" => first(&mut self.user_known_hosts, Ok(files(words))),
            "globalknownhostsfile" => first(&mut self.global_known_hosts, Ok(files(words))),
            "stricthostkeychecking" => first(&mut self.strict, one(words, strict)),
            "hostkeyalias" => first(&mut self.host_key_alias, text(words)),
            "revokedhostkeys" => first(&mut self.revoked, text(words)),
            "batchmode" => first(&mut self.is_batch, one(words, flag)),
            "connecttimeout" => first(&mut self.connect_timeout, one(words, timeout)),
            "serveraliveinterval" => first(&mut self.keepalive, one(words, time)),
            _ => Ok(()),
        }
    }

    fn add_identity(&mut self, file: String) -> Result<(), String> {
        if self.identity_files.len() == MOST_KEYS {
            return Err(format!("more than {MOST_KEYS} files of keys"));
        }
        if !self.identity_files.contains(&file) {
            self.identity_files.push(file);
        }
        Ok(())
    }

    /// A command would be run in the place of a connection. One that comes after a `ProxyJump` says nothing any more.
    fn command(&mut self, words: &[String]) -> Result<(), String> {
        match words {
            [none] if none.eq_ignore_ascii_case("none") => drop(self.jump.get_or_insert_default()),
            _ if self.jump.is_some() => {}
            _ => {
                return Err(
                    "not supported\n  (ProxyJump is; `ProxyCommand none` before it turns it off)".to_owned()
                );
            }
        }
        Ok(())
    }
}

/// The first value holds; the others have to be right, too.
fn first<T>(slot: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    let value = value?;
    slot.get_or_insert(value);
    Ok(())
}

fn text(words: &[String]) -> Result<String, String> {
    one(words, |word| Some(word.to_owned()).filter(|word| !word.is_empty()))
}

/// A value of one word.
fn one<T>(words: &[String], read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    match words {
        [word] => read(word).ok_or_else(|| format!("\"{word}\" is not a value of it")),
        [] => Err("it says nothing".to_owned()),
        _ => Err("it takes one value".to_owned()),
    }
}

fn port(word: &str) -> Option<u16> {
    word.parse().ok().filter(|port| *port > 0)
}

fn flag(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

fn strict(word: &str) -> Option<Strict> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(Strict::Yes),
        "no" | "false" | "off" => Some(Strict::No),
        "ask" => Some(Strict::Ask),
        "accept-new" => Some(Strict::AcceptNew),
        _ => None,
    }
}

/// `[user@]host[:port],..`, the first of them the first on the way.
fn jump(word: &str) -> Option<Vec<String>> {
    if word.eq_ignore_ascii_case("none") {
        return Some(Vec::new());
    }
    let bare = |hop: &str| match hop.strip_prefix("ssh://") {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest).to_owned(),
        None => hop.to_owned(),
    };
    let hops: Vec<String> = word.split(',').map(bare).collect();
    (!hops.iter().any(String::is_empty)).then_some(hops)
}

fn files(words: &[String]) -> Vec<String> {
    let is_none = matches!(words, [none] if none.eq_ignore_ascii_case("none"));
    if is_none { Vec::new() } else { words.to_vec() }
}

fn timeout(word: &str) -> Option<Option<Duration>> {
    if word.eq_ignore_ascii_case("none") { Some(None) } else { time(word).map(Some) }
}

/// Seconds, or a time such as `1h30m`: no more seconds than OpenSSH counts.
fn time(word: &str) -> Option<Duration> {
    let mut rest = word;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..end].parse().ok()?;
        let mut letters = rest[end..].chars();
        let unit = match letters.next().map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        seconds = number.checked_mul(unit)?.checked_add(seconds)?;
        rest = letters.as_str();
    }
    (!word.is_empty() && i32::try_from(seconds).is_ok()).then_some(Duration::from_secs(seconds))
}
