//! Private keys in files: those that can be used at once, those that a passphrase locks, and those that can't be used.
//! Not here: logging in with them (`auth`), and which files are read (`credentials`).

use super::auth::Method;
use crate::secret::Secret;
use crate::sources::Asking;
use russh::keys::{Error, PrivateKey, PublicKey, decode_secret_key};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// How often a person may mistype: as often as with OpenSSH.
pub(super) const TRIES: usize = 3;

/// A key that is not open: an agent may have it, or a person knows its passphrase.
pub(super) struct Locked {
    /// Its name: the file.
    pub(super) name: String,
    /// Its public half, if that is known.
    pub(super) public: Option<PublicKey>,
    /// Whether the agent is asked for it.
    pub(super) by_agent: bool,
    text: Option<Zeroizing<String>>,
    asking: Option<Asking>,
    opened: OnceCell<Option<Arc<PrivateKey>>>,
}

impl Locked {
    /// The key, once a person has said what opens it: asked for once, however many connections there are. None if nobody
    /// does.
    pub(super) async fn open(&self) -> Option<Arc<PrivateKey>> {
        self.opened.get_or_init(|| self.ask()).await.clone()
    }

    async fn ask(&self) -> Option<Arc<PrivateKey>> {
        let (asking, text) = (self.asking.as_ref()?, self.text.as_ref()?);
        // No two in the same words: what is asked in the same words is answered once.
        let told: [&str; TRIES] = ["", "that does not open it; ", "nor does that; "];
        for again in told {
            let secret = asking.secret(format!("{again}passphrase of key {}:", self.name)).await?;
            if let Some(key) = opened(text.clone(), secret).await {
                return Some(Arc::new(key));
            }
        }
        None
    }

    /// Why it was not used.
    pub(super) fn why(&self) -> String {
        match (&self.text, self.asking.is_some()) {
            (None, _) => "the agent does not have it".to_owned(),
            (Some(_), false) => LOCKED.to_owned(),
            (Some(_), true) => "it stayed locked".to_owned(),
        }
    }
}

const LOCKED: &str = "it is locked: it needs a `passphrase`";

/// Opens a key. That is made to take long.
async fn opened(text: Zeroizing<String>, passphrase: Secret) -> Option<PrivateKey> {
    let open = move || decode_secret_key(&text, Some(passphrase.expose())).ok();
    tokio::task::spawn_blocking(open).await.ok().flatten()
}

/// Who might open a key that is locked.
#[derive(Clone, Copy)]
pub(super) struct Openers<'a> {
    /// Whether the agent is to be asked for it.
    pub(super) by_agent: bool,
    /// A person.
    pub(super) asking: Option<&'a Asking>,
}

impl Openers<'_> {
    /// A key by its text; by that of its public half, an agent has the other. `file` is where a public half may lie beside
    /// it. An error if it is no key, or one that nobody can open.
    pub(super) fn read(self, text: &str, name: &str, file: Option<&Path>) -> Result<Method, String> {
        match decode_secret_key(text, None) {
            Ok(key) => Ok(Method::Key(Arc::new(key), name.to_owned())),
            Err(error) if !is_locked(text, &error) => match PublicKey::from_openssh(text) {
                Ok(public) if self.by_agent => Ok(self.locked(name, Some(public), None)),
                Ok(_) => Err("a public key, and no agent that could have the private one".to_owned()),
                Err(_) => Err(format!("not a private key ({error})")),
            },
            Err(_) if !self.by_agent && self.asking.is_none() => Err(LOCKED.to_owned()),
            Err(_) => {
                let own = PrivateKey::from_openssh(text).map(|key| key.public_key().clone()).ok();
                let public = own.or_else(|| public(file?));
                Ok(self.locked(name, public, Some(Zeroizing::new(text.to_owned()))))
            }
        }
    }

    /// A key of which only the public half lies there: an agent has the other.
    pub(super) fn public(self, file: &Path, name: &str) -> Option<Method> {
        let public = public(file).filter(|_| self.by_agent)?;
        Some(self.locked(name, Some(public), None))
    }

    fn locked(self, name: &str, public: Option<PublicKey>, text: Option<Zeroizing<String>>) -> Method {
        Method::Locked(Arc::new(Locked {
            name: name.to_owned(),
            public,
            by_agent: self.by_agent,
            text,
            asking: self.asking.cloned(),
            opened: OnceCell::new(),
        }))
    }
}

/// The key of a file `FILE.pub`.
fn public(file: &Path) -> Option<PublicKey> {
    PublicKey::read_openssh_file(file.with_added_extension("pub")).ok()
}

fn is_locked(text: &str, error: &Error) -> bool {
    matches!(error, Error::KeyIsEncrypted) || text.contains("ENCRYPTED")
}
