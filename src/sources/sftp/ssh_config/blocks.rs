//! For whom the lines of a block are said: `Host` and `Match`. Pure. Not here: reading the lines (`reading`).

use super::options::Options;
use super::{Asked, tokens};
use crate::sources::sftp::known_hosts::line::wildcard;

/// Whether the lines of a block hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// They do.
    Holds,
    /// They are for others.
    Other,
    /// That depends on something which is not looked at here, such as `exec`: they are not heeded. `told` is whether that
    /// was said.
    Unsure { criterion: String, told: bool },
}

/// `Host PATTERN..`: one pattern matches, and none that is negated.
pub(super) fn host(patterns: &[String], host: &str) -> Block {
    let mut holds = Block::Other;
    for pattern in patterns {
        let (is_negated, pattern) = negated(pattern);
        if wildcard(pattern.as_bytes(), host.as_bytes()) {
            if is_negated {
                return Block::Other;
            }
            holds = Block::Holds;
        }
    }
    holds
}

/// `Match CRITERION..`: all of them are met, by what is known so far.
pub(super) fn criteria(words: &[String], asked: &Asked, so_far: &Options) -> Result<Block, String> {
    if words.is_empty() {
        return Err("`Match` says nothing".to_owned());
    }
    let mut words = words.iter().map(String::as_str).peekable();
    let (mut block, mut alone) = (Block::Holds, true);
    while let Some(word) = words.next() {
        let (is_negated, word) = negated(word);
        let (name, said) = word.split_once('=').map_or((word, None), |(name, said)| (name, Some(said)));
        let name = name.to_ascii_lowercase();
        let met = match name.as_str() {
            "all" if is_negated || !alone || words.peek().is_some() => {
                return Err("`all` stands alone in a `Match`".to_owned());
            }
            "all" => Some(true),
            // OpenSSH looks at the files a second time for these.
            "canonical" | "final" => None,
            name => {
                alone = false;
                let list = said.or_else(|| words.next()).ok_or_else(|| format!("`Match {name}` of what?"))?;
                // Hosts have no case here, unlike in `Host`.
                let list = if name.ends_with("host") { list.to_lowercase() } else { list.to_owned() };
                value(name, asked, so_far).map(|value| any(&list, &value))
            }
        };
        block = match met.map(|met| met != is_negated) {
            Some(true) => block,
            Some(false) => Block::Other,
            None if block == Block::Holds => Block::Unsure { criterion: name, told: false },
            None => block,
        };
    }
    Ok(block)
}

/// What a criterion is about. None for one that is not looked at.
fn value(criterion: &str, asked: &Asked, so_far: &Options) -> Option<String> {
    match criterion {
        "host" => {
            let name = tokens::host_name(so_far, asked);
            Some(name.unwrap_or_else(|_| asked.host.clone()).to_lowercase())
        }
        "originalhost" => Some(asked.host.to_lowercase()),
        "user" => Some(so_far.user.clone().unwrap_or_else(|| asked.local_user.clone())),
        "localuser" => Some(asked.local_user.clone()),
        _ => None,
    }
}

/// Whether a list of patterns, apart by commas, matches: one does, and none that is negated.
fn any(list: &str, text: &str) -> bool {
    let patterns: Vec<String> = list.split(',').map(str::to_owned).collect();
    host(&patterns, text) == Block::Holds
}

fn negated(word: &str) -> (bool, &str) {
    word.strip_prefix('!').map_or((false, word), |rest| (true, rest))
}
