//! Against asyncssh's server, which never gives the number of a handle twice: from the 128th file on its handles are no text.

use super::sshd::keygen;
use super::*;
use russh::keys::HashAlg;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Names a Python that has asyncssh, where the system's has none.
const PYTHON: &str = "FANOUT_TEST_ASYNCSSH";
/// Where Debian's Python is.
const DEBIANS: &str = "/usr/bin/python3";

/// Serves a folder to whoever has the password, and prints its port.
const SERVER: &str = r#"
import asyncio, sys, asyncssh

class Server(asyncssh.SSHServer):
    def begin_auth(self, username): return True
    def password_auth_supported(self): return True
    def validate_password(self, username, password): return password == "right"

async def main():
    folder = sys.argv[1]
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[folder + "/host"],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder + "/data"))
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"#;

struct Server {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Server {
    /// None, said aloud, if there is no asyncssh here.
    fn start() -> Option<Server> {
        // Debian's packages are Debian's Python's, and another one may come first on the PATH.
        let usual = if Path::new(DEBIANS).exists() { DEBIANS } else { "python3" };
        let python = std::env::var(PYTHON).unwrap_or_else(|_| usual.to_owned());
        let has = Command::new(&python).args(["-c", "import asyncssh"]).stderr(Stdio::null()).status();
        if !has.is_ok_and(|status| status.success()) {
            let required = std::env::var_os("FANOUT_REQUIRE_SERVERS").is_some();
            assert!(
                !required,
                "asyncssh is required and not installed (Debian: python3-asyncssh; or {PYTHON})"
            );
            println!("SKIPPED: asyncssh is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        keygen(&folder.path().join("host"), "ed25519", "");
        let mut command = Command::new(python);
        command.args(["-c", SERVER]).arg(folder.path()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Server { port: line.trim().parse().expect("it prints its port"), folder, child })
    }

    fn pool(&self) -> Arc<Pool> {
        let key = russh::keys::load_secret_key(self.folder.path().join("host"), None).unwrap();
        let reach = Reach {
            host: "127.0.0.1",
            port: self.port,
            user: "somebody".to_owned(),
            methods: vec![Method::Password(Secret::new("right"))],
            known: KnownHosts::default(),
            pins: vec![key.public_key().fingerprint(HashAlg::Sha256).to_string()],
            accept_new: None,
            asking: None,
            hops: Vec::new(),
            connections: 1,
            bandwidth: None,
            rekey: 1 << 30,
        };
        reach.pool()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_files_of_one_session_come_though_no_handle_is_given_twice() {
    let Some(server) = Server::start() else { return };
    let bytes = |n: usize| -> Vec<u8> { (0..10_000 + n * 100).map(|at| (at * 7 + n) as u8).collect() };
    for n in 0..300 {
        std::fs::write(server.folder.path().join(format!("data/{n}")), bytes(n)).unwrap();
    }
    let pool = server.pool();
    let entries = list(&pool, "/").await.unwrap();
    assert_eq!(entries.len(), 300);
    let into = tempfile::tempdir().unwrap();
    let folder = Folder::open(into.path()).unwrap();
    assert_eq!(fetch_all(&pool, &entries, 50, &folder).await, []);
    for n in 0..300 {
        assert!(std::fs::read(into.path().join(n.to_string())).unwrap() == bytes(n), "{n} differs");
    }
    pool.close().await;
}
