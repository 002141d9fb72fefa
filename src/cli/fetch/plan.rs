//! The plan that URLs and flags stand for: a source for each user, host and port, a job for each URL. Pure. Not here:
//! what any of it means (`plan`, `sources`).

use super::address::Address;
use crate::cli::args::FetchArguments;
use std::collections::BTreeSet;
use toml::{Table, Value};

/// The most letters of a host in a name.
const LONGEST: usize = 60;

/// The text of the plan.
pub(super) fn text(addresses: &[Address], output: &str, arguments: &FetchArguments) -> String {
    let mut servers: Vec<Server<'_>> = Vec::new();
    for address in addresses {
        let port = address.port.or(arguments.port);
        let same = |server: &&mut Server<'_>| {
            (server.user, server.host, server.port) == (address.user.as_deref(), &address.host, port)
        };
        match servers.iter_mut().find(same) {
            Some(server) => server.paths.push(&address.path),
            None => servers.push(Server {
                user: address.user.as_deref(),
                host: &address.host,
                port,
                paths: vec![&address.path],
            }),
        }
    }
    let mut plan = table([("version", Some(Value::from(1)))]);
    if let Some(count) = arguments.flags.concurrency {
        plan.insert("limits".to_owned(), table([("concurrency", Some(number(count)))]).into());
    }
    let (mut sources, mut jobs) = (Table::new(), Table::new());
    let (mut source_names, mut job_names) = (BTreeSet::new(), BTreeSet::new());
    for server in &servers {
        let source = unique(named(server.host), &mut source_names);
        for (at, path) in server.paths.iter().enumerate() {
            let name = if server.paths.len() == 1 { source.clone() } else { format!("{source}-{}", at + 1) };
            jobs.insert(unique(name, &mut job_names), job(&source, path, output, arguments).into());
        }
        sources.insert(source, server.table(arguments).into());
    }
    plan.insert("sources".to_owned(), sources.into());
    plan.insert("jobs".to_owned(), jobs.into());
    plan.to_string()
}

struct Server<'a> {
    user: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    paths: Vec<&'a str>,
}

impl Server<'_> {
    /// `[sources.NAME]`.
    fn table(&self, arguments: &FetchArguments) -> Table {
        let config = match arguments.ssh_config.as_deref() {
            None => Some(Value::from(true)),
            Some(none) if none.eq_ignore_ascii_case("none") => None,
            Some(file) => Some(string(file)),
        };
        let jump = match arguments.jump.as_slice() {
            [] => None,
            [one] => Some(string(one)),
            several => Some(several.iter().map(|hop| string(hop)).collect::<Vec<_>>().into()),
        };
        table([
            ("kind", Some(string("sftp"))),
            ("host", Some(string(self.host))),
            ("port", self.port.map(|port| i64::from(port).into())),
            ("user", self.user.map(string)),
            ("key", arguments.key.as_deref().map(string)),
            ("jump", jump),
            ("known_hosts", arguments.known_hosts.as_deref().map(string)),
            ("accept_new", arguments.accept_new.then_some(true.into())),
            ("ssh_config", config),
            ("bandwidth", arguments.bandwidth.map(|bandwidth| bandwidth.to_string().into())),
            ("concurrency", arguments.flags.concurrency.map(number)),
        ])
    }
}

/// `[jobs.NAME]`.
fn job(source: &str, path: &str, output: &str, arguments: &FetchArguments) -> Table {
    table([
        ("source", Some(string(source))),
        ("fetch", Some(string(path))),
        ("output", Some(string(output))),
        ("min_items", Some(1.into())),
        ("sha256", arguments.sha256.as_deref().map(string)),
    ])
}

fn table<const N: usize>(keys: [(&str, Option<Value>); N]) -> Table {
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// A text as it is: no expression.
fn string(text: &str) -> Value {
    text.replace("${{", "$${{").into()
}

fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

/// A host as the name of a source.
fn named(host: &str) -> String {
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let name: String =
        host.chars().take(LONGEST).map(|letter| if fits(letter) { letter } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}

/// A name that no other has: with a number, if need be.
fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let name = if name.is_empty() { "host".to_owned() } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.unwrap_or(name);
    taken.insert(name.clone());
    name
}
