//! `sftp://[USER@]HOST[:PORT]/PATH`: where, and what. The path is all that follows, `?` and `#` too, and may be a pattern.
//! Not here: what a pattern means (`sources::sftp`).

use crate::sources::sftp::is_many;
use percent_encoding::percent_decode_str;

/// What has a meaning in a pattern: percent-encoded, it is itself.
const WILD: &[u8] = b"*?[]{}\\";

/// A URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) user: Option<String>,
    /// A name, an address without brackets, or an alias of the OpenSSH configuration.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// As a job's `fetch` has it.
    pub(super) path: String,
    /// Whether it may be several files, by how it is written.
    pub(super) is_many: bool,
}

impl Address {
    /// Reads one. An error says what is wrong, and never the password.
    pub(super) fn parse(url: &str) -> Result<Address, String> {
        let rest = after_scheme(url).ok_or_else(|| no_url(url))?;
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, place) =
            place.rsplit_once('@').map_or((None, place), |(login, place)| (Some(login), place));
        let wrong = |why: &str| format!("{}: {why}", shown(&format!("sftp://{place}{path}")));
        if login.and_then(|login| login.split_once(':')).is_some_and(|(_, password)| !password.is_empty()) {
            return Err(wrong(PASSWORD));
        }
        let (host, port) = host_and_port(place).ok_or_else(|| wrong("no host, or not a port"))?;
        let user = login
            .map(|login| decoded(login.trim_end_matches(':')).ok_or_else(|| wrong("the user is not UTF-8")));
        let user = user.transpose()?.filter(|user| !user.is_empty());
        if path.is_empty() {
            return Err(wrong(NO_PATH));
        }
        let path = pattern(from_login_folder(path))
            .ok_or_else(|| wrong("the path is not UTF-8, or has a NUL in it"))?;
        Ok(Address { user, host, port, is_many: is_many(&path), path })
    }
}

const PASSWORD: &str = "a password must not stand in a URL: other users of the machine can see it\n  \
    (at a terminal you are asked for it; for a job, save what --print-plan prints, and add \
    password = { env = \"NAME\" } to its source)";
const NO_PATH: &str = "no path\n  (/~/ is all of the login folder, / is all of the server)";

fn after_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    scheme.eq_ignore_ascii_case("sftp").then_some(rest)
}

/// What is wrong with something that is no such URL. What is written as for scp is said as a URL.
fn no_url(text: &str) -> String {
    let said = |hint: &str| format!("{} is no SFTP URL\n  (write {hint})", shown(text));
    match text.split_once(':') {
        _ if may_have_password(text) || text.contains("://") => said("sftp://HOST/PATH"),
        Some((host, path)) if !host.is_empty() && !host.contains('/') => {
            let path = path.strip_prefix("~/").unwrap_or(path);
            let slash = if path.starts_with('/') { "" } else { "/~/" };
            said(&format!("sftp://{host}{slash}{path}"))
        }
        _ => said("sftp://HOST/PATH"),
    }
}

/// A URL, or what was meant as one, in an error.
fn shown(text: &str) -> String {
    match text.rsplit_once('@').filter(|_| may_have_password(text)) {
        Some((_, rest)) => format!("\"..@{rest}\""),
        None => format!("\"{text}\""),
    }
}

/// Whether there may be a password in something that can't be read for sure, such as `sftp:user:password@host`, or a URL
/// with a password that has a slash in it: before an `@` there is a colon that is not the scheme's.
fn may_have_password(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
}

/// `host`, `host:22`, `[::1]:22`.
fn host_and_port(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
    };
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control();
    (!host.is_empty() && !host.contains(is_odd)).then(|| (host.to_owned(), port))
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

/// Decodes a path. What was encoded means nothing in a pattern, what was not does.
fn pattern(path: &str) -> Option<String> {
    let mut pattern = Vec::new();
    let mut rest = path;
    while let Some(byte) = rest.bytes().next() {
        let encoded = rest.as_bytes().get(1..3).filter(|_| byte == b'%');
        let number =
            encoded.and_then(|digits| std::str::from_utf8(digits).ok()).filter(|digits| is_hex(digits));
        match number.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(0) => return None,
            Some(decoded) => {
                pattern.extend(WILD.contains(&decoded).then_some(b'\\'));
                pattern.push(decoded);
                rest = &rest[3..];
            }
            None => {
                let letter = rest.chars().next()?;
                pattern.extend_from_slice(&rest.as_bytes()[..letter.len_utf8()]);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    String::from_utf8(pattern).ok().filter(|pattern| !pattern.contains('\0'))
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// A path that begins in the login folder has no slash in front.
fn from_login_folder(path: &str) -> &str {
    match path.strip_prefix("/~") {
        Some("") => "./",
        Some(below) if below.starts_with('/') => match below.trim_start_matches('/') {
            "" => "./",
            below => below,
        },
        _ => path,
    }
}
