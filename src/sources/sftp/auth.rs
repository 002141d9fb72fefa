//! Logging in: by key, agent or password, in this order, each at most once. A refused login is final for the run: it is
//! never tried again, by any item. Not here: where keys and passwords come from (`settings`).

use crate::gather::Advice;
use crate::secret::Secret;
use crate::sources::SourceError;
use russh::client::{AuthResult, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use std::sync::Arc;

/// Keys of an agent that are tried: OpenSSH's server hangs up after six refusals.
const MOST_IDENTITIES: usize = 5;

/// A way to log in.
#[derive(Clone)]
pub(super) enum Method {
    /// A private key, and what to call it.
    Key(Arc<PrivateKey>, String),
    /// The agent's keys: the one at `SSH_AUTH_SOCK`.
    Agent,
    /// A password.
    Password(Secret),
}

impl Method {
    fn kind(&self) -> MethodKind {
        match self {
            Method::Key(..) | Method::Agent => MethodKind::PublicKey,
            Method::Password(_) => MethodKind::Password,
        }
    }

    fn name(&self) -> String {
        match self {
            Method::Key(_, name) => format!("key {name}"),
            Method::Agent => "agent".to_owned(),
            Method::Password(_) => "password".to_owned(),
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
    let result = match method {
        Method::Key(key, _) => {
            let hash = rsa_hash(handle, key.public_key()).await?;
            handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key.clone(), hash)).await?
        }
        Method::Password(password) => handle.authenticate_password(user, password.expose()).await?,
        Method::Agent => return by_agent(handle, user).await,
    };
    Ok(tried(result))
}

fn tried(result: AuthResult) -> Tried {
    match result {
        AuthResult::Success => Tried::In,
        AuthResult::Failure { remaining_methods, .. } => Tried::Refused(remaining_methods),
    }
}

/// RSA signatures come with several hashes: the best the server takes, and SHA-256 for one that doesn't say.
async fn rsa_hash<H: Handler>(handle: &Handle<H>, key: &PublicKey) -> Result<Option<HashAlg>, russh::Error> {
    if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    Ok(handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha256)))
}

async fn by_agent<H: Handler>(handle: &mut Handle<H>, user: &str) -> Result<Tried, russh::Error> {
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
    let mut last = Tried::Unable("it has no keys".to_owned());
    for key in keys.take(MOST_IDENTITIES) {
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
