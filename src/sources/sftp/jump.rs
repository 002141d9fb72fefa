//! Jump hosts as a plan says them: `"user@host:port"`, a table with a login of its own, a list of such, in order, or
//! `"none"`. Not here: going through them (`route`).

use super::connect::Target;
use super::credentials::Access;
use super::given::Given;
use super::settings::{Settings, Texts, local_user, wrong_pins};
use super::ssh_config::{Asked, Found};
use crate::secret::SecretRef;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// The most jump hosts on a way: each is a connection and a login more for every connection to the server.
const MOST_HOPS: usize = 8;
const FORM: &str = "\"user@host:port\" or a table with `host`";
const FORMS: &str = "\"user@host:port\", a table with `host`, or a list of such";
/// What says that there are no jump hosts, whatever a configuration says, as with OpenSSH.
const NONE: &str = "none";

/// The jump hosts on the way to a server, the nearest first; or that nothing is said of them.
#[derive(Default)]
pub(super) struct Jump(Option<Vec<Written>>);

/// A jump host as it is written.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "JumpHost")]
pub(super) struct Written {
    /// Its name or address, which the host before it looks up.
    host: String,
    /// Its port. Default: 22.
    port: Option<u16>,
    /// Who logs in there. Default: the source's user.
    user: Option<Given>,
    /// A private key: the path of its file, or a secret that is the key itself. Default: the source's.
    key: Option<Given>,
    /// What opens the key.
    passphrase: Option<SecretRef>,
    /// The user's password there. The source's is for its own host alone.
    password: Option<SecretRef>,
    /// Files of known hosts. Default: the source's.
    known_hosts: Option<Texts>,
    /// Fingerprints (SHA256:..) one of which its key must have; then known_hosts doesn't matter.
    host_key: Option<Texts>,
    /// What the OpenSSH configuration says of it.
    #[serde(skip)]
    found: Found,
}

impl Jump {
    /// The hosts, the nearest first.
    pub(super) fn hops(&self) -> &[Written] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Asks the OpenSSH configuration about each, where the plan says nothing. Those on the way to the first of them come
    /// before it; `way` is taken if the plan says nothing at all.
    pub(super) fn learn(
        &mut self,
        way: Vec<Found>,
        look_up: impl Fn(Asked) -> Result<Found, String>,
    ) -> Result<(), String> {
        let learned = |found| Written::default().learn(found);
        let Some(written) = self.0.take() else {
            self.0 = Some(way.into_iter().map(learned).collect());
            return Ok(());
        };
        let mut hops = Vec::new();
        for hop in written {
            let mut found = look_up(hop.asked())?;
            let before = std::mem::take(&mut found.jump);
            if hops.is_empty() {
                hops.extend(before.into_iter().map(learned));
            }
            hops.push(hop.learn(found));
        }
        match hops.len() > MOST_HOPS {
            true => Err(format!("more than {MOST_HOPS} jump hosts on the way")),
            false => {
                self.0 = Some(hops);
                Ok(())
            }
        }
    }
}

impl Written {
    /// What to ask the configuration.
    fn asked(&self) -> Asked {
        let user = self.user.as_ref().and_then(|user| user.literal().map(str::to_owned));
        let local_user = local_user().unwrap_or_default();
        Asked { host: self.host.clone(), user, port: self.port, local_user }
    }

    /// Takes what the configuration says. Who logs in where nobody is named is who does with OpenSSH.
    fn learn(self, found: Found) -> Written {
        let user = found.user.clone().or_else(local_user).map(Given::of_literal);
        let (host, port) = (found.host.clone(), self.port.or(found.port));
        Written { host, port, user: self.user.or(user), found, ..self }
    }

    /// What it takes to pass it: a key or password of its own is all that is tried, else the source's login is, but for its
    /// password, which is for one host alone.
    pub(super) fn access<'a>(&'a self, source: &'a Settings) -> Access<'a> {
        let source = source.access();
        let has_own = self.key.is_some() || self.password.is_some() || self.found.identities.is_some();
        let (key, passphrase) = match has_own {
            true => (self.key.as_ref(), self.passphrase.as_ref()),
            false => (source.key, source.passphrase),
        };
        Access {
            user: self.user.as_ref().or(source.user),
            key,
            passphrase,
            password: self.password.as_ref(),
            known_hosts: match &self.found.user_known_hosts {
                None => self.known_hosts.as_ref().or(source.known_hosts),
                Some(_) => self.known_hosts.as_ref(),
            },
            host_key: self.host_key.as_ref(),
            alias: self.found.alias.as_deref(),
            found: &self.found,
            ..source
        }
    }

    /// Where it is, on the way to `target`, and how long it may take there.
    pub(super) fn target(&self, source: &Settings, target: &Target) -> Target {
        let (host, port) = (self.host.clone(), self.port.unwrap_or(22));
        let (connect_timeout, keepalive) = source.times(&self.found);
        let mut hop = Target { host, port, connect_timeout, keepalive, ..target.clone() };
        hop.name = format!("{}: jump host {}", target.name, hop.address());
        hop
    }

    /// `user@host:port`, also as `ssh://..`.
    fn parse(text: &str) -> Result<Written, String> {
        let (user, place) = login_and_place(text);
        if user.is_some_and(|user| user.contains(':')) {
            let hint = "give the jump host a table with `password`";
            return Err(format!("a password must not stand in the plan\n  ({hint})"));
        }
        let (host, port) = host_and_port(place).ok_or_else(|| format!("must be {FORMS}"))?;
        let user = user.map(Given::of_literal);
        Written { host: host.to_owned(), port, user, ..Written::default() }.checked()
    }

    fn checked(self) -> Result<Written, String> {
        let is_nobody = matches!(&self.user, Some(Given::Text(user)) if user.literal() == Some(""));
        let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || ",@/".contains(letter);
        let why = match self.host.is_empty() || self.host.contains(is_odd) {
            true => Some(format!("must be {FORMS}")),
            false if self.port == Some(0) => Some("`port` must be 1 to 65535".to_owned()),
            false if is_nobody => Some("`user` is empty".to_owned()),
            false if self.passphrase.is_some() && self.key.is_none() => {
                Some("`passphrase` opens a `key`, and there is none".to_owned())
            }
            false => self.host_key.as_ref().and_then(wrong_pins),
        };
        why.map_or(Ok(self), Err)
    }
}

/// `[user@]place`, also as `ssh://[user@]place/`.
pub(super) fn login_and_place(text: &str) -> (Option<&str>, &str) {
    let bare = text.strip_prefix("ssh://").map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest));
    bare.rsplit_once('@').map_or((None, bare), |(user, place)| (Some(user), place))
}

/// `host`, `host:port`, `[address]:port`, or an IPv6 address.
pub(super) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match port.strip_prefix(':') {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => port.is_empty().then_some((host, None)),
    }
}

impl<'de> Deserialize<'de> for Jump {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Jump, D::Error> {
        Hops { in_list: false }.deserialize(from).map(|hops| Jump(Some(hops)))
    }
}

/// Reads one jump host, or outside of a list several of them or none.
struct Hops {
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for Hops {
    type Value = Vec<Written>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Written>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Hops {
    type Value = Vec<Written>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_list { FORM } else { FORMS })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Written>, E> {
        match text.eq_ignore_ascii_case(NONE) && !self.in_list {
            true => Ok(Vec::new()),
            false => Written::parse(text).map(|hop| vec![hop]).map_err(E::custom),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Vec<Written>, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(entries))?;
        written.checked().map(|hop| vec![hop]).map_err(de::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Written>, A::Error> {
        if self.in_list {
            return Err(de::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut hops = Vec::new();
        while let Some(hop) = items.next_element_seed(Hops { in_list: true })? {
            hops.extend(hop);
        }
        match (1..=MOST_HOPS).contains(&hops.len()) {
            true => Ok(hops),
            false => Err(de::Error::custom(format!("must be 1 to {MOST_HOPS} hosts, or \"{NONE}\""))),
        }
    }
}

impl JsonSchema for Jump {
    fn schema_name() -> Cow<'static, str> {
        "Jump".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string" });
        let table = generator.subschema_for::<Written>();
        let list = json_schema!({
            "type": "array",
            "items": { "anyOf": [text, table] },
            "minItems": 1,
            "maxItems": MOST_HOPS,
        });
        json_schema!({ "anyOf": [text, table, list] })
    }
}
