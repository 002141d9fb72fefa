//! Logging in: by key, agent or password, in this order, each at most once. A refused login is final for the run: it is
//! never tried again, by any item. Not here: where keys and passwords come from (`credentials`, `identity`).

use super::identity::{Locked, TRIES};
use crate::gather::Advice;
use crate::secret::Secret;
use crate::sources::{Asking, SourceError};

use russh::client::{AuthResult, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet, SendError, Signer};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Keys of an agent that are tried: OpenSSH's server hangs up after six refusals.
const MOST_IDENTITIES: usize = 5;

/// A way to log in.
#[derive(Clone)]
pub(super) enum Method {
    /// A private key, and what to call it.
    Key(Arc<PrivateKey>, String),
    /// A private key that somebody else can use or open.
    Locked(Arc<Locked>),
    /// A key that can't be used: what it is called, and why.
    Unusable(String, String),
    /// The agent's keys, but for these: the one at `SSH_AUTH_SOCK`.
    Agent(Vec<PublicKey>),
    /// A password.
    Password(Secret),
    /// A password that a person is asked for, if all else was refused.
    Asked(Arc<Asked>),
}

/// A password that is asked for once, however many connections there are.
pub(super) struct Asked {
    /// Whom.
    pub(super) asking: Asking,
    /// Of what: `user@host:port`.
    pub(super) of: String,
    /// What got in.
    pub(super) good: OnceCell<Secret>,
}

impl Method {
    /// The public key, where it is one that is known.
    pub(super) fn public(&self) -> Option<PublicKey> {
        match self {
            Method::Key(key, _) => Some(key.public_key().clone()),
            Method::Locked(locked) => locked.public.clone(),
            _ => None,
        }
    }

    fn kind(&self) -> MethodKind {
        match self {
            Method::Key(..) | Method::Locked(_) | Method::Unusable(..) | Method::Agent(_) => {
                MethodKind::PublicKey
            }
            Method::Password(_) | Method::Asked(_) => MethodKind::Password,
        }
    }

    fn name(&self) -> String {
        match self {
            Method::Key(_, name) | Method::Unusable(name, _) => format!("key {name}"),
            Method::Locked(locked) => format!("key {}", locked.name),
            Method::Agent(_) => "agent".to_owned(),
            Method::Password(_) | Method::Asked(_) => "password".to_owned(),
        }
    }
}

/// What became of one way to log in.
enum Tried {
    In,
    /// Refused; what the server would still take.
    Refused(MethodSet),
    /// It could not be tried: why.
    Unable(String),
}

/// Logs in, or says what was tried. `target` is for errors.
pub(super) async fn login<H: Handler>(
    handle: &mut Handle<H>,
    target: &str,
    user: &str,
    methods: &[Method],
) -> Result<(), SourceError> {
    let mut taken: Option<MethodSet> = None;
    let mut tried = Vec::new();
    for method in methods {
        if taken.as_ref().is_some_and(|taken| !taken.contains(&method.kind())) {
            tried.push(format!("{}: not taken by the server", method.name()));
            continue;
        }
        match attempt(handle, user, method).await.map_err(|error| lost(target, &error))? {
            Tried::In => return Ok(()),
            Tried::Unable(why) => tried.push(format!("{}: {why}", method.name())),
            Tried::Refused(_) if handle.is_closed() => {
                return Err(hung_up(target, user, &method.name()));
            }
            Tried::Refused(remaining) => {
                tried.push(format!("{}: refused", method.name()));
                taken = Some(remaining);
            }
        }
    }
    Err(refused(target, user, &tried, taken.as_ref()))
}

fn lost(target: &str, error: &russh::Error) -> SourceError {
    SourceError::new("connect", format!("{target}: connection lost during login: {error}"))
        .advice(Advice::SOURCE_AGAIN)
}

/// The server ended the connection in answer to a login: as good as a refusal, and not to be repeated.
fn hung_up(target: &str, user: &str, method: &str) -> SourceError {
    let message = format!("{target}: login of {user} refused: the server hung up after {method}");
    SourceError::new("login", message).advice(Advice::SOURCE_NEVER)
}

fn refused(target: &str, user: &str, tried: &[String], taken: Option<&MethodSet>) -> SourceError {
    let tried = if tried.is_empty() { "nothing to log in with".to_owned() } else { tried.join(", ") };
    let error = SourceError::new("login", format!("{target}: login of {user} refused: {tried}"));
    let methods = taken.map(|taken| taken.iter().map(String::from).collect::<Vec<_>>()).unwrap_or_default();
    let error = match methods.is_empty() {
        true => error,
        false => error.hint(format!("the server takes: {}", methods.join(", "))),
    };
    error.advice(Advice::SOURCE_NEVER)
}

async fn attempt<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    method: &Method,
) -> Result<Tried, russh::Error> {
    match method {
        Method::Key(key, _) => by_key(handle, user, key.clone()).await,
        Method::Locked(locked) => by_locked(handle, user, locked).await,
        Method::Unusable(_, why) => Ok(Tried::Unable(why.clone())),
        Method::Password(password) => Ok(tried(handle.authenticate_password(user, password.expose()).await?)),
        Method::Asked(asked) => by_asking(handle, user, asked).await,
        Method::Agent(but) => by_agent(handle, user, |key| !but.iter().any(|one| is_same(one, key))).await,
    }
}

fn tried(result: AuthResult) -> Tried {
    match result {
        AuthResult::Success => Tried::In,
        AuthResult::Failure { remaining_methods, .. } => Tried::Refused(remaining_methods),
    }
}

async fn by_key<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    key: Arc<PrivateKey>,
) -> Result<Tried, russh::Error> {
    let hash = rsa_hash(handle, key.public_key()).await?;
    Ok(tried(handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash)).await?))
}

/// By the agent, if it has the key; else nobody is asked to open a key that the server does not take.
async fn by_locked<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    locked: &Locked,
) -> Result<Tried, russh::Error> {
    if let Some(public) = &locked.public {
        if locked.by_agent
            && let answer @ (Tried::In | Tried::Refused(_)) =
                by_agent(handle, user, |key| is_same(key, public)).await?
        {
            return Ok(answer);
        }
        if let Some(refused) = probe(handle, user, public).await? {
            return Ok(refused);
        }
    }
    match locked.open().await {
        Some(key) => by_key(handle, user, key).await,
        None => Ok(Tried::Unable(locked.why())),
    }
}

/// Shows the server a public key, and signs nothing. None if it would take it.
async fn probe<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    key: &PublicKey,
) -> Result<Option<Tried>, russh::Error> {
    let hash = rsa_hash(handle, key).await?;
    match handle.authenticate_publickey_with(user, key.clone(), hash, &mut NoSigner).await {
        Ok(result) => Ok(Some(tried(result))),
        Err(Unsigned::Wanted) => Ok(None),
        Err(Unsigned::Lost(_)) => Err(russh::Error::SendError),
    }
}

/// Signs nothing, and so tells that a signature was wanted.
struct NoSigner;

enum Unsigned {
    Wanted,
    Lost(SendError),
}

impl From<SendError> for Unsigned {
    fn from(error: SendError) -> Unsigned {
        Unsigned::Lost(error)
    }
}

impl Signer for NoSigner {
    type Error = Unsigned;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        _: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        Err(Unsigned::Wanted)
    }
}

/// By a password that a person knows, if the server takes one. What got in once is not asked for again.
async fn by_asking<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    asked: &Asked,
) -> Result<Tried, russh::Error> {
    if let Some(good) = asked.good.get() {
        return Ok(tried(handle.authenticate_password(user, good.expose()).await?));
    }
    // Nothing may have been tried so far.
    let mut last = tried(handle.authenticate_none(user).await?);
    // No two in the same words: what is asked in the same words is answered once.
    let told: [&str; TRIES] = ["", "it was refused; ", "so was that; "];
    for again in told {
        match &last {
            Tried::Refused(taken) if taken.contains(&MethodKind::Password) && !handle.is_closed() => {}
            _ => break,
        }
        let Some(secret) = asked.asking.secret(format!("{again}password of {}:", asked.of)).await else {
            return Ok(Tried::Unable("nobody said one".to_owned()));
        };
        last = tried(handle.authenticate_password(user, secret.expose()).await?);
        if matches!(last, Tried::In) {
            // Two connections that ask at once are told the same.
            let _ = asked.good.set(secret);
        }
    }
    Ok(last)
}

/// RSA signatures come with several hashes: the best the server takes, and SHA-256 for one that doesn't say.
async fn rsa_hash<H: Handler>(handle: &Handle<H>, key: &PublicKey) -> Result<Option<HashAlg>, russh::Error> {
    if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    Ok(handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha256)))
}

/// Whether two keys differ in their comments at most.
fn is_same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}

/// By those keys of the agent that are wanted.
async fn by_agent<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    is_wanted: impl Fn(&PublicKey) -> bool,
) -> Result<Tried, russh::Error> {
    let mut agent = match AgentClient::connect_env().await {
        Ok(agent) => agent,
        Err(error) => return Ok(Tried::Unable(error.to_string())),
    };
    let identities = match agent.request_identities().await {
        Ok(identities) => identities,
        Err(error) => return Ok(Tried::Unable(error.to_string())),
    };
    let keys = identities.into_iter().filter_map(|identity| match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    });
    let mut last = Tried::Unable("it has no further keys".to_owned());
    for key in keys.filter(is_wanted).take(MOST_IDENTITIES) {
        let hash = rsa_hash(handle, &key).await?;
        last = match handle.authenticate_publickey_with(user, key, hash, &mut agent).await {
            Ok(result) => tried(result),
            Err(error) => Tried::Unable(error.to_string()),
        };
        if matches!(last, Tried::In) || handle.is_closed() {
            break;
        }
    }
    Ok(last)
}
