//! The demo's SSH keys: one for the server, one for its only user, and the files in which an SSH client looks for them.

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use std::net::SocketAddr;
use std::path::Path;

/// The only user.
pub(super) const USER: &str = "demo";
/// The file with the user's private key.
pub(super) const USER_KEY: &str = "id_ed25519";
/// The file with the server's public key.
pub(super) const KNOWN_HOSTS: &str = "known_hosts";

/// What the server needs of the keys.
pub(super) struct Keys {
    /// The server's own.
    pub(super) host: PrivateKey,
    /// The one that may log in.
    pub(super) user: PublicKey,
}

impl Keys {
    /// Makes new keys and writes what a client needs into `folder`: its private key, readable by nobody else, and the
    /// server's public key under its address.
    pub(super) fn create(folder: &Path, address: SocketAddr) -> Result<Keys, ssh_key::Error> {
        let host = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519)?;
        let user = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519)?;
        user.write_openssh_file(folder.join(USER_KEY), LineEnding::LF)?;
        let line = format!("[{}]:{} {}\n", address.ip(), address.port(), host.public_key().to_openssh()?);
        std::fs::write(folder.join(KNOWN_HOSTS), line)?;
        Ok(Keys { host, user: user.public_key().clone() })
    }
}
