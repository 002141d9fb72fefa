//! Adding a host to a file of known hosts. Whoever adds holds the file's lock and reads it anew, so that a key is there
//! once and another key that came in between is seen; one write at the end of the file adds the whole line. Not here:
//! whether a host may be added (`trust`).

use super::{KnownHosts, Name, Verdict};
use russh::keys::PublicKey;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The largest file of known hosts that is read.
pub(in crate::sources::sftp) const LARGEST: u64 = 16 << 20;
/// How often a file is opened that somebody puts another one in the place of.
const TRIES: usize = 10;
/// What OpenSSH never writes into a name, and what would end it or mean something else there.
const NEVER_NAMED: &[char] = &['@', '?', '*', '#', '[', ']', '|', '\'', '"', '\\', ',', '!'];

/// Adds a key unless the file, as it is now, knows this or another one for the host. Blocking. What the file says of the
/// host then, and whether the key was added.
pub(in crate::sources::sftp) fn add(
    path: &Path,
    name: &Name,
    key: &PublicKey,
) -> Result<(KnownHosts, bool), String> {
    let is_odd =
        |letter: char| letter.is_whitespace() || letter.is_control() || NEVER_NAMED.contains(&letter);
    if name.host.is_empty() || name.host.contains(is_odd) {
        return Err(format!("{:?} is no name to record", name.host));
    }
    let mut file = open(path).map_err(|error| error.to_string())?;
    let mut text = read(&mut file)?;
    let is_new = known(path, &text, name).judge_key(key.key_data()) == Verdict::Unknown;
    if is_new {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let line = format!("{end}{}\n", entry(name, key)?);
        file.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
        text.push_str(&line);
    }
    Ok((known(path, &text, name), is_new))
}

fn known(path: &Path, text: &str, name: &Name) -> KnownHosts {
    let mut known = KnownHosts::default();
    known.read(path, text, name);
    known
}

/// A host's line.
pub(in crate::sources::sftp) fn entry(name: &Name, key: &PublicKey) -> Result<String, String> {
    let key = key.to_openssh().map_err(|error| error.to_string())?;
    let key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(format!("{name} {key}"))
}

/// Opens the file, locked; makes it, and its folder, for its owner alone.
fn open(path: &Path) -> Result<File, Error> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    for _ in 0..TRIES {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        // `ssh-keygen -R` and others put a new file in the place of the old one.
        let (opened, named) = (file.metadata()?, std::fs::metadata(path));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())) {
            return Ok(file);
        }
    }
    Err(Error::other("it is replaced again and again"))
}

fn read(file: &mut File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > LARGEST {
        true => Err("it is too large".to_owned()),
        false => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
