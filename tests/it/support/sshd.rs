//! OpenSSH's server with a user of its own: `compose/sftp/sshd.sh`, which says what lies where, run here or in a
//! container. Not here: the fault proxy, which goes in front of it.

use super::log::{Line, Log, Span};
use super::process::{self, Process, Start};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/compose/sftp/sshd.sh");

/// The user that may log in.
pub(crate) const USER: &str = "fanout";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";
/// The passphrase of the key `user_locked`.
pub(crate) const PASSPHRASE: &str = "battery staple";

/// A running OpenSSH server.
#[derive(Debug)]
pub(crate) struct Sshd {
    /// The host to connect to.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// What it logged.
    pub(crate) log: Log,
    /// The server's folder, as seen from here.
    folder: PathBuf,
    /// The path of `data` on the server.
    data: String,
    /// The process, if it was started here.
    pub(crate) process: Option<Process>,
}

/// A folder on the server for one test.
#[derive(Debug)]
pub(crate) struct Served {
    /// Its path on the server.
    pub(crate) remote: String,
    /// The same folder as seen from here.
    pub(crate) local: PathBuf,
}

impl Sshd {
    /// The server that `FANOUT_TEST_SFTP_URL` (`sftp://host:port/data`) and `FANOUT_TEST_SFTP_FOLDER` name.
    pub(crate) fn from_environment() -> Option<Result<Sshd, String>> {
        let url = std::env::var("FANOUT_TEST_SFTP_URL").ok()?;
        Some(Sshd::at(&url))
    }

    fn at(url: &str) -> Result<Sshd, String> {
        let url = url::Url::parse(url).map_err(|e| format!("FANOUT_TEST_SFTP_URL: {e}"))?;
        let folder =
            std::env::var("FANOUT_TEST_SFTP_FOLDER").map_err(|e| format!("FANOUT_TEST_SFTP_FOLDER: {e}"))?;
        let folder = PathBuf::from(folder);
        Ok(Sshd {
            host: url.host_str().ok_or("FANOUT_TEST_SFTP_URL: no host")?.to_owned(),
            port: url.port().unwrap_or(22),
            log: Log::new(folder.join("log")),
            data: url.path().to_owned(),
            folder,
            process: None,
        })
    }

    /// Starts one on this machine. `options` are lines of sshd_config, such as `MaxSessions 1`.
    pub(crate) fn start(options: &[&str]) -> Result<Sshd, String> {
        process::program(&["/usr/sbin/sshd"], "openssh-server")?;
        process::program(&["/usr/lib/openssh/sftp-server"], "openssh-sftp-server")?;
        if !Path::new("/usr/lib")
            .join(format!("{}-linux-gnu", std::env::consts::ARCH))
            .join("libnss_wrapper.so")
            .exists()
        {
            return Err("no libnss_wrapper.so (Debian: apt-get install libnss-wrapper)".to_owned());
        }
        let folder = process::folder("sshd").map_err(|e| format!("a folder for sshd: {e}"))?;
        let address = process::free_address();
        let id = process::unprivileged().unwrap_or(rustix::process::geteuid().as_raw()).to_string();
        let text = folder.to_str().ok_or("the temporary folder's path is not UTF-8")?;
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let command = [&[SCRIPT, text, &ip, &port, &id], options].concat();
        let start = Start { folder: &folder, command: &command, as_root: true, signal: "TERM" };
        Ok(Sshd {
            process: Some(Process::start(&start, address)?),
            host: ip,
            port: address.port(),
            log: Log::new(folder.join("log")),
            data: format!("{text}/data"),
            folder,
        })
    }

    /// A private key that the tests may use: `user_ed25519`, `user_rsa`, `user_locked`, `user_stranger`.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.join("keys").join(name)
    }

    /// The lines of a known_hosts file for it.
    pub(crate) fn known_hosts(&self) -> String {
        self.known_hosts_as(&self.host, self.port)
    }

    /// The lines of a known_hosts file for a proxy in front of it.
    pub(crate) fn known_hosts_as(&self, host: &str, port: u16) -> String {
        let keys = ["host_ed25519", "host_rsa"].map(|name| self.public(name));
        keys.map(|key| format!("[{host}]:{port} {key}\n")).concat()
    }

    /// A public key as `ssh-ed25519 AAAA...`.
    pub(crate) fn public(&self, name: &str) -> String {
        let text =
            fs::read_to_string(self.key(&format!("{name}.pub"))).expect("the server's keys can be read");
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A new folder on it, for one test.
    pub(crate) fn serve(&self) -> Served {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let served =
            Served { remote: format!("{}/{name}", self.data), local: self.folder.join("data").join(name) };
        fs::create_dir(&served.local).expect("the server's folder can be written to");
        process::give(&served.local).expect("its owner can be set");
        served
    }

    /// When each file was open, by sftp-server's own log after a mark. Files still open are left out.
    pub(crate) fn opened(&self, mark: usize) -> Vec<Span> {
        let mut open: HashMap<String, f64> = HashMap::new();
        let mut spans = Vec::new();
        for line in self.log.since(mark) {
            match event(&line) {
                Some(("open", path)) => drop(open.insert(path.to_owned(), line.at)),
                // Forced if the connection ended before the server came to it.
                Some(("close" | "forced close", path)) => {
                    let begin = open.remove(path);
                    spans.extend(begin.map(|begin| Span { name: path.to_owned(), begin, end: line.at }));
                }
                _ => {}
            }
        }
        spans
    }
}

/// What a line of sftp-server's says: `open "/a/b" flags READ mode 0666` is `("open", "/a/b")`.
fn event(line: &Line) -> Option<(&str, &str)> {
    let (verb, rest) = line.text.split_once(" \"")?;
    Some((verb, rest.split_once('"')?.0))
}

impl Served {
    /// Puts a file there, with the folders above it; the server's user owns all of them.
    pub(crate) fn file(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let full = self.local.join(path);
        let parents: Vec<&Path> = full.ancestors().skip(1).take_while(|p| *p != self.local).collect();
        for folder in parents.into_iter().rev().filter(|folder| !folder.exists()) {
            fs::create_dir(folder).and_then(|()| process::give(folder)).expect("a folder on the server");
        }
        fs::write(&full, bytes).and_then(|()| process::give(&full)).expect("a file on the server");
    }
}
