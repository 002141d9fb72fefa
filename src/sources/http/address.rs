//! Addresses of requests: a path below a base, what of a URL may be shown, and which host's limits it falls under.

use super::text::FilledUrl;
use crate::secret::Secret;
use crate::sources::SourceError;
use url::Url;

/// What stands for a secret.
pub(super) const HIDDEN: &str = "***";

/// Parts of the names of headers and query parameters whose values are taken for secrets wherever they come from:
/// signed URLs, API keys, tokens.
const SECRET_NAMES: [&str; 11] = [
    "token",
    "secret",
    "passw",
    "pwd",
    "signature",
    "credential",
    "api-key",
    "apikey",
    "api_key",
    "accesskey",
    "cookie",
];
/// Whole names of the same sort.
const SECRET_WORDS: [&str; 6] = ["sig", "key", "code", "auth", "authorization", "proxy-authorization"];

/// Where a request goes.
pub(super) struct Address {
    /// The URL, perhaps with secrets in it; without user, password and fragment.
    pub url: Url,
    /// The URL as it may be shown.
    pub shown: String,
    /// Whether nothing but its host may be shown: a secret is all of its path, or of its base.
    pub hidden: bool,
    /// User and password that stood in the URL.
    pub login: Option<(String, String)>,
    /// The secrets that went into parts of it, where it may be shown without them.
    pub secrets: Vec<Secret>,
}

impl Address {
    /// Reads a URL, which may be shown but for user, password and query values with telling names, unless `hidden`.
    pub(super) fn new(url: &str, hidden: bool) -> Result<Address, SourceError> {
        let mut url = Url::parse(url).map_err(|error| refused(url, hidden, &error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused(url.as_str(), hidden, "it is neither http nor https"));
        }
        url.set_fragment(None);
        let login = take_login(&mut url);
        Ok(Address { shown: shown(&url, hidden), url, hidden, login, secrets: Vec::new() })
    }

    /// Where a path or URL leads below a base. What is shown has none of the secrets in them.
    pub(super) fn below(base: Option<&FilledUrl>, path: FilledUrl) -> Result<Address, SourceError> {
        let secrets: Vec<Secret> =
            base.into_iter().flat_map(|base| &base.secrets).chain(&path.secrets).cloned().collect();
        let shown = match base {
            Some(base) => {
                base.shown.as_deref().zip(path.shown.as_deref()).map(|(base, path)| (Some(base), path))
            }
            None => path.shown.as_deref().map(|path| (None, path)),
        };
        let hidden = shown.is_none() || !secrets.is_empty();
        let whole = join(base.map(|base| base.text.expose()), path.text.expose(), hidden)?;
        let address = Address::new(&whole, hidden)?;
        let shown = shown.filter(|_| hidden).and_then(|(base, path)| join(base, path, true).ok());
        match shown.and_then(|url| Address::new(&url, false).ok()) {
            Some(Address { shown, .. }) => Ok(Address { shown, hidden: false, secrets, ..address }),
            None => Ok(address),
        }
    }

    /// Adds a query parameter.
    pub(super) fn add(&mut self, name: &str, value: &str, secret: bool) {
        self.url.query_pairs_mut().append_pair(name, value);
        if !self.hidden {
            self.shown.push(if self.shown.contains('?') { '&' } else { '?' });
            self.shown.push_str(&show_pair(name, value, secret));
        }
    }
}

fn refused(url: &str, hidden: bool, why: &str) -> SourceError {
    let shown = if hidden { HIDDEN } else { without_login(url) };
    SourceError::new("expression", format!("`{shown}` is not a URL that can be asked: {why}"))
}

/// What is left to show of a text that is no URL but may have a password where a URL has one.
fn without_login(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

fn take_login(url: &mut Url) -> Option<(String, String)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    // Both can only fail for URLs that have no host, which http URLs always have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(login)
}

/// A path or URL below a base: `latest/EUR`, `/latest/EUR` and an empty path all stay below it, whether or not the
/// base ends in a slash. A path that is a URL of its own stands as it is.
pub(super) fn join(base: Option<&str>, path: &str, hidden: bool) -> Result<String, SourceError> {
    let absolute = has_scheme(path);
    let Some(base) = base.filter(|_| !absolute) else {
        let shown = if hidden { HIDDEN } else { path };
        return if absolute { Ok(path.to_owned()) } else { Err(no_base(shown)) };
    };
    let (base, base_query) = base.split_once('?').unwrap_or((base, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let below = path.trim_start_matches('/');
    stay_below(below, hidden)?;
    let path =
        if below.is_empty() { base.to_owned() } else { format!("{}/{below}", base.trim_end_matches('/')) };
    let query = [base_query, query].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
    Ok(if query.is_empty() { path } else { format!("{path}?{query}") })
}

fn has_scheme(path: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| path.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn no_base(shown: &str) -> SourceError {
    SourceError::new("expression", format!("`{shown}` is not a whole URL, and its source has no `base_url`"))
}

/// URL parsers walk up at `..`, in its encoded forms too: a value from a list must not leave the base by it.
fn stay_below(path: &str, hidden: bool) -> Result<(), SourceError> {
    let path = path.split('#').next().unwrap_or_default();
    let climbs = |segment: &str| segment.to_ascii_lowercase().replace("%2e", ".") == "..";
    if path.split(['/', '\\']).any(climbs) {
        let shown = if hidden { HIDDEN } else { path };
        return Err(SourceError::new("expression", format!("`{shown}` leaves the source's `base_url`")));
    }
    Ok(())
}

/// A URL as it may be shown: all of it but user, password and values with telling names, or, if it is hidden, no more
/// than its host.
pub(super) fn shown(url: &Url, hidden: bool) -> String {
    let origin = format!("{}://{}", url.scheme(), authority(url));
    if hidden {
        return format!("{origin}/{HIDDEN}");
    }
    let query = url.query().map_or(String::new(), |_| {
        let pairs: Vec<_> = url.query_pairs().map(|(name, value)| show_pair(&name, &value, false)).collect();
        format!("?{}", pairs.join("&"))
    });
    format!("{origin}{}{query}", url.path())
}

fn show_pair(name: &str, value: &str, secret: bool) -> String {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let value = if secret || is_secret_name(name) { HIDDEN.to_owned() } else { encoded(value) };
    if value.is_empty() { encoded(name) } else { format!("{}={value}", encoded(name)) }
}

/// Whether what has this name is taken for a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.contains(&name.as_str()) || SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// `host` or `host:port`, as the URL has it.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `host:port`, the name of a host's limits.
pub(super) fn host(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}
