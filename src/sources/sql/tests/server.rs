//! A PostgreSQL server of the tests' own, one for all tests of the process: in a temporary folder, on 127.0.0.1, as an
//! unprivileged user. A shell watches this process's end and stops it.

use crate::sources::Source;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(super) const PASSWORD: &str = "correct horse";
/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

pub(super) struct Server {
    pub(super) port: u16,
    folder: PathBuf,
    /// Its standard input is what the shell watches.
    _watched: Child,
}

/// The server, or nothing if this machine has none: then the test is named and skipped.
pub(super) fn server(test: &str) -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start(&binaries()?));
    if server.is_none() {
        assert!(std::env::var_os("FANOUT_REQUIRE_SERVERS").is_none(), "{test} needs PostgreSQL");
        eprintln!("skipped for want of PostgreSQL: {test}");
    }
    server.as_ref()
}

fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = debian.map(|version| version.path().join("bin")).chain(std::env::split_paths(&path));
    places.into_iter().find(|place| place.join("initdb").exists() && place.join("postgres").exists())
}

impl Server {
    fn start(binaries: &Path) -> Option<Server> {
        let folder = tempfile::Builder::new().prefix("fanout-postgres-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        let (bin, at) = (binaries.display(), folder.display());
        let script = format!(
            "{bin}/initdb -D {at}/data -U postgres -E UTF8 --locale=C --no-sync -A scram-sha-256 \
                --pwfile={at}/password >{at}/init.log 2>&1 || exit 1; \
             {bin}/postgres -D {at}/data -p {port} -k {at} -c listen_addresses=127.0.0.1 -c fsync=off \
                -c log_connections=on -c max_connections=60 >{at}/log 2>&1 & server=$!; \
             cat >/dev/null; kill -INT $server; wait $server"
        );
        let root = rustix::process::getuid().is_root();
        if root {
            assert!(Command::new("chown").args(["-R", "postgres"]).arg(&folder).status().unwrap().success());
        }
        let run = if root { "su postgres -s /bin/sh -c \"$1\"" } else { "sh -c \"$1\"" };
        let watched = Command::new("sh")
            .args(["-c", &format!("{run}; rm -rf \"$2\""), "sh", &script])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { port, folder, _watched: watched };
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        let started = Instant::now();
        while !self.log().contains("ready to accept connections") {
            assert!(started.elapsed() < START, "PostgreSQL did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The server's log.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Settings of a source that logs in.
    pub(super) fn settings(&self) -> String {
        let port = self.port;
        format!(
            "host = '127.0.0.1'\nport = {port}\nuser = 'postgres'\npassword = {{ plain = '{PASSWORD}' }}\ndatabase = 'postgres'"
        )
    }

    /// A source that logs in.
    pub(super) fn source(&self) -> Arc<dyn Source> {
        super::source_in(&self.folder, "postgres", &self.settings()).unwrap()
    }
}
