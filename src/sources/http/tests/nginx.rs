//! nginx, started for a test: its own folder, 127.0.0.1, a free port, stopped by its process id.

use super::*;
use std::fs;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running nginx. Ends with the test.
pub(super) struct Nginx {
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    child: Child,
}

/// How often a port is tried that something else took in between.
const TRIES: usize = 5;

impl Nginx {
    /// Starts it with what stands in its `server` block, in which `{folder}` is its folder, and `listen` what comes
    /// after the port (`ssl http2`). None, said aloud, if there is no nginx here.
    pub(super) fn start(listen: &str, server: &str, prepare: impl Fn(&Path)) -> Option<Nginx> {
        let Some(program) = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"]
            .iter()
            .find(|path| Path::new(path).exists())
        else {
            assert!(
                std::env::var_os("FANOUT_REQUIRE_SERVERS").is_none(),
                "nginx is required and not installed"
            );
            println!("SKIPPED: nginx is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        (0..TRIES)
            .find_map(|_| Self::try_start(program, folder.path(), listen, server))
            .map(|(port, child)| Nginx { folder, port, child })
    }

    fn try_start(program: &str, folder: &Path, listen: &str, server: &str) -> Option<(u16, Child)> {
        let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = folder.display().to_string();
        let conf = CONF
            .replace("{listen}", &format!("127.0.0.1:{port} {listen}"))
            .replace("{server}", server)
            .replace("{folder}", &root);
        fs::write(folder.join("nginx.conf"), conf).unwrap();
        let errors = fs::File::create(folder.join("stderr")).unwrap();
        let mut child = Command::new(program)
            .args(["-p", &root, "-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some((port, child));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("{}", fs::read_to_string(folder.join("stderr")).unwrap_or_default());
        None
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many requests and how many connections its log has.
    pub(super) fn seen(&self) -> (usize, usize) {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        let connections: std::collections::BTreeSet<_> =
            log.lines().map(|line| line.split(' ').next()).collect();
        (log.lines().count(), connections.len())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process, so that its id is all there is to stop.
const CONF: &str = "
daemon off; master_process off; pid nginx.pid;
events { worker_connections 512; }
http {
    types { text/csv csv; application/json json; }
    default_type application/octet-stream;
    log_format short '$connection $request_method $uri $status $server_protocol';
    access_log access.log short;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests 100000;
    server { listen {listen}; root {folder}/www; {server} }
}
";
