//! OpenSSH's server, started for a test: its own folder and keys, 127.0.0.1, a free port, stopped by its process id.

use super::*;
use russh::keys::load_secret_key;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/sbin/sshd";
/// How often a port is tried that something else took in between.
const TRIES: usize = 5;

/// A running sshd. Ends with the test.
pub(super) struct Sshd {
    /// Its files, and the files to be fetched in `data`.
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    child: Child,
}

impl Sshd {
    /// Starts it with these lines in its settings, before its own: the first of equal ones counts. None, said aloud, if there is no sshd here.
    pub(super) fn start(settings: &str) -> Option<Sshd> {
        Sshd::prepared(|_| settings.to_owned())
    }

    /// The same, with lines that depend on its folder, in which its keys are by then.
    pub(super) fn prepared(settings: impl FnOnce(&Path) -> String) -> Option<Sshd> {
        if !Path::new(PROGRAM).exists() {
            assert!(
                std::env::var_os("FANOUT_REQUIRE_SERVERS").is_none(),
                "sshd is required and not installed"
            );
            println!("SKIPPED: sshd is not installed");
            return None;
        }
        // Where OpenSSH separates privileges; only root needs it, and may make it.
        let _ = fs::create_dir("/run/sshd");
        let base = if Path::new("/dev/shm").exists() { "/dev/shm" } else { "/tmp" };
        let folder = tempfile::tempdir_in(base).unwrap();
        let path = folder.path();
        fs::create_dir(path.join("data")).unwrap();
        for (name, kind) in
            [("host", "ed25519"), ("host_rsa", "rsa"), ("user", "ed25519"), ("user_rsa", "rsa")]
        {
            keygen(&path.join(name), kind, "");
        }
        keygen(&path.join("user_locked"), "ed25519", "open sesame");
        let public = ["user", "user_rsa", "user_locked"].map(|name| read(&path.join(format!("{name}.pub"))));
        fs::write(path.join("authorized_keys"), public.concat()).unwrap();
        let settings = settings(path);
        let started = (0..TRIES).find_map(|_| Self::try_start(path, &settings));
        started.map(|(port, child)| Sshd { folder, port, child })
    }

    fn try_start(folder: &Path, settings: &str) -> Option<(u16, Child)> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.display();
        let subsystem = if settings.contains("Subsystem") { "" } else { "Subsystem sftp internal-sftp" };
        let lines = format!(
            "{settings}\nListenAddress 127.0.0.1:{port}\nHostKey {at}/host\nHostKey {at}/host_rsa\nPidFile none\n\
             AuthorizedKeysFile {at}/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxStartups 100\nLogLevel VERBOSE\n\
             {subsystem}\n"
        );
        fs::write(folder.join("sshd_config"), lines).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let arguments = ["-D", "-e", "-f"];
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg(folder.join("sshd_config")).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(log).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            if read(&folder.join("log")).contains("Server listening") {
                return Some((port, child));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("{}", read(&folder.join("log")));
        None
    }

    /// Ends the server's side of every connection.
    pub(super) fn cut(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        for pid in read(Path::new(&children)).split_whitespace() {
            let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }

    /// What it logged so far.
    pub(super) fn log(&self) -> String {
        read(&self.folder.path().join("log"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of one of the files to be fetched, as text.
    pub(super) fn data(&self, name: &str) -> String {
        format!("{}/data/{name}", self.folder.path().display())
    }

    /// A host's line in known_hosts.
    pub(super) fn known(&self, host_key: &str) -> String {
        let key = read(&self.path(&format!("{host_key}.pub")));
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// What a file of known hosts with this text says of it.
    pub(super) fn knows(&self, text: &str) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.read(Path::new("known_hosts"), text, &Name::new("127.0.0.1", self.port, None));
        known
    }

    /// How to reach it with its user's key.
    pub(super) fn reach(&self) -> Reach {
        let known = self.knows(&self.known("host"));
        let key = Method::Key(Arc::new(load_secret_key(self.path("user"), None).unwrap()), "user".to_owned());
        let (user, pins) = (user(), Vec::new());
        Reach {
            host: "127.0.0.1",
            port: self.port,
            user,
            methods: vec![key],
            known,
            pins,
            asking: None,
            accept_new: None,
            hops: Vec::new(),
            connections: 4,
            bandwidth: None,
            rekey: 1 << 30,
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

pub(super) fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-f"]).arg(path);
    assert!(command.status().unwrap().success());
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
