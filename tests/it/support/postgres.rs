//! PostgreSQL with a cluster of its own, as an unprivileged user, without durability. Not here: SQL.

use super::log::Log;
use super::process::{self, Process, Start};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The superuser that tests log in as, and its database.
pub(crate) const USER: &str = "fanout";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";

/// Settings that every test wants: each connection and the server's clock in the log, and nothing synced to disk.
const SETTINGS: &[&str] = &[
    "log_line_prefix=%n ",
    "log_connections=on",
    "log_disconnections=on",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "fsync=off",
];

/// A running PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// Its URL with user, password and database.
    pub(crate) url: String,
    /// What it logged: `connection authorized: user=fanout`, `password authentication failed`.
    pub(crate) log: Log,
    /// The process, if it was started here.
    pub(crate) process: Option<Process>,
}

impl Postgres {
    /// The server that `FANOUT_TEST_POSTGRES_URL` names, with its log in `FANOUT_TEST_POSTGRES_FOLDER/log`.
    pub(crate) fn from_environment() -> Option<Result<Postgres, String>> {
        let url = std::env::var("FANOUT_TEST_POSTGRES_URL").ok()?;
        let folder = std::env::var("FANOUT_TEST_POSTGRES_FOLDER")
            .map_err(|e| format!("FANOUT_TEST_POSTGRES_FOLDER: {e}"));
        Some(folder.map(|folder| Postgres {
            url,
            log: Log::new(PathBuf::from(folder).join("log")),
            process: None,
        }))
    }

    /// Starts one on this machine. `settings` are lines of postgresql.conf, such as `max_connections=5`.
    pub(crate) fn start(settings: &[&str]) -> Result<Postgres, String> {
        let programs = programs()?;
        let folder = process::folder("postgres").map_err(|e| format!("a folder for PostgreSQL: {e}"))?;
        make_cluster(&programs.join("initdb"), &folder)?;
        let address = process::free_address();
        let (program, port) = (programs.join("postgres").display().to_string(), address.port().to_string());
        let mut command = vec![program.as_str(), "-D", "data", "-p", &port];
        command.extend(SETTINGS.iter().chain(settings).flat_map(|setting| ["-c", setting]));
        let start = Start { folder: &folder, command: &command, as_root: false, signal: "INT" };
        let process = Process::start(&start, address)?;
        let url = format!("postgres://{USER}:{}@{address}/postgres", PASSWORD.replace(' ', "%20"));
        Ok(Postgres { url, log: Log::new(folder.join("output")), process: Some(process) })
    }

    /// Its URL with another password.
    pub(crate) fn url_with_password(&self, password: &str) -> String {
        let mut url = url::Url::parse(&self.url).expect("it was one before");
        url.set_password(Some(password)).expect("it has a host");
        url.into()
    }

    /// The host and port it listens on, for a proxy in front of it.
    pub(crate) fn address(&self) -> String {
        let url = url::Url::parse(&self.url).expect("it was one before");
        format!("{}:{}", url.host_str().expect("it has a host"), url.port().unwrap_or(5432))
    }
}

/// The folder of the newest PostgreSQL that is installed.
fn programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.max_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let missing = "no /usr/lib/postgresql/*/bin/postgres (Debian: apt-get install postgresql)";
    newest
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("postgres").exists())
        .ok_or(missing.to_owned())
}

fn make_cluster(initdb: &Path, folder: &Path) -> Result<(), String> {
    let password = folder.join("password");
    fs::write(&password, PASSWORD)
        .and_then(|()| process::give(&password))
        .map_err(|e| format!("a password file: {e}"))?;
    let mut command = Command::new(initdb);
    command.args([
        "--no-sync",
        "--no-instructions",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth=scram-sha-256",
    ]);
    command.args(["--username", USER, "--pwfile", "password", "-D", "data"]).current_dir(folder);
    if let Some(id) = process::unprivileged() {
        command.uid(id).gid(id);
    }
    let output = command.output().map_err(|e| format!("{}: {e}", initdb.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("{}: {said}", initdb.display()))
}
