//! `%h`, `%r`, `~` and `${NAME}` in the values of a configuration. Not here: which values there are.

use super::Asked;
use super::options::Options;
use crate::secret::located;
use std::path::{Path, PathBuf};

/// What the tokens stand for, by their letters.
pub(super) type Tokens = Vec<(char, String)>;

/// The host's name: what stands for `%h` in `HostName` is the host as it was asked for.
pub(super) fn host_name(options: &Options, asked: &Asked) -> Result<String, String> {
    match &options.host_name {
        Some(name) => expand(name, &vec![('h', asked.host.clone())]),
        None => Ok(asked.host.clone()),
    }
}

/// All tokens, once everything else is known.
pub(super) fn all(options: &Options, asked: &Asked, host: &str) -> Tokens {
    let user = options.user.clone().unwrap_or_else(|| asked.local_user.clone());
    let system = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let home = std::env::home_dir().unwrap_or_default().display().to_string();
    vec![
        ('L', system.split('.').next().unwrap_or_default().to_owned()),
        ('l', system.clone()),
        ('d', home),
        ('h', host.to_owned()),
        ('i', rustix::process::getuid().as_raw().to_string()),
        ('k', options.host_key_alias.clone().unwrap_or_else(|| host.to_owned())),
        ('n', asked.host.clone()),
        ('p', options.port.unwrap_or(22).to_string()),
        ('r', user),
        ('u', asked.local_user.clone()),
    ]
}

/// A file's path. What is relative lies where the program runs, as with OpenSSH.
pub(super) fn path(text: &str, tokens: &Tokens) -> Result<PathBuf, String> {
    Ok(located(&variables(&expand(text, tokens)?)?, Path::new("")))
}

/// Fills in tokens.
pub(super) fn expand(text: &str, tokens: &Tokens) -> Result<String, String> {
    let mut letters = text.chars();
    let mut expanded = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => match letters.next() {
                Some('%') => expanded.push('%'),
                Some(token) => expanded.push_str(
                    tokens
                        .iter()
                        .find_map(|(known, value)| (*known == token).then_some(value))
                        .ok_or_else(|| format!("\"{text}\": %{token} means nothing here"))?,
                ),
                None => return Err(format!("\"{text}\" ends in %")),
            },
            letter => expanded.push(letter),
        }
    }
    Ok(expanded)
}

/// Fills in `${NAME}` from the environment.
fn variables(text: &str) -> Result<String, String> {
    let mut pieces = text.split("${");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').ok_or_else(|| format!("\"{text}\": `${{` is not closed"))?;
        let value = std::env::var(name).map_err(|_| format!("\"{text}\": {name} is not set"))?;
        filled += &value;
        filled += rest;
    }
    Ok(filled)
}
