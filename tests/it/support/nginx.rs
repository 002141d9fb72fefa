//! nginx with `compose/nginx/fanout.conf.template`, which says what it serves where, run here or in a container.
//! Not here: answers at chosen times ([`clock_server`](super::clock_server)) and answers that are wrong.

use super::log::{Line, Log, Span};
use super::process::{self, Process, Start};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const TEMPLATE: &str = include_str!("../../../compose/nginx/fanout.conf.template");
/// What `compose/nginx/users` holds: fanout with the password "correct horse".
const USERS: &str = include_str!("../../../compose/nginx/users");

/// The user of `/private/`.
pub(crate) const USER: &str = "fanout";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    /// Its URL, without a slash at the end.
    pub(crate) url: String,
    /// What was asked of it.
    pub(crate) log: Log,
    /// The server's folder, as seen from here.
    pub(crate) folder: PathBuf,
    /// The process, if it was started here.
    pub(crate) process: Option<Process>,
}

/// A request as nginx logged it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    /// When it came and when its answer was sent; the name is `GET /path HTTP/1.1`.
    pub(crate) span: Span,
    /// The answer's status.
    pub(crate) status: u16,
    /// The number of the connection it came on.
    pub(crate) connection: u64,
}

impl Nginx {
    /// The server that `FANOUT_TEST_HTTP_URL` and `FANOUT_TEST_HTTP_FOLDER` name.
    pub(crate) fn from_environment() -> Option<Result<Nginx, String>> {
        let url = std::env::var("FANOUT_TEST_HTTP_URL").ok()?.trim_end_matches('/').to_owned();
        let folder =
            std::env::var("FANOUT_TEST_HTTP_FOLDER").map_err(|e| format!("FANOUT_TEST_HTTP_FOLDER: {e}"));
        let made = folder.map(PathBuf::from);
        Some(made.map(|folder| Nginx { url, log: Log::new(folder.join("log")), folder, process: None }))
    }

    /// Starts one on this machine.
    pub(crate) fn start() -> Result<Nginx, String> {
        let program = process::program(&["/usr/sbin/nginx"], "nginx")?.display().to_string();
        let folder = process::folder("nginx").map_err(|e| format!("a folder for nginx: {e}"))?;
        let address = process::free_address();
        prepare(&folder, address).map_err(|e| format!("nginx's folder: {e}"))?;
        let prefix = format!("{}/", folder.display());
        let command = [program.as_str(), "-p", &prefix, "-c", "nginx.conf", "-e", "errors"];
        let start = Start { folder: &folder, command: &command, as_root: false, signal: "TERM" };
        let process = Some(Process::start(&start, address)?);
        Ok(Nginx { url: format!("http://{address}"), log: Log::new(folder.join("log")), folder, process })
    }

    /// Puts a file where it is served; the answer is its URL's path. Names are the tests' own: pick one nobody else has.
    pub(crate) fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> String {
        let full = self.folder.join("data").join(path);
        fs::create_dir_all(full.parent().expect("it is below data")).expect("a folder on the server");
        let made = full.ancestors().take_while(|p| *p != self.folder);
        fs::write(&full, bytes).expect("a file on the server");
        made.for_each(|path| process::give(path).expect("a file on the server can be read"));
        format!("/{path}")
    }

    /// The requests after a mark whose path begins with `path`.
    pub(crate) fn visits(&self, mark: usize, path: &str) -> Vec<Visit> {
        let visits = self.log.since(mark).iter().filter_map(visit).collect::<Vec<_>>();
        visits
            .into_iter()
            .filter(|v| v.span.name.split(' ').nth(1).is_some_and(|p| p.starts_with(path)))
            .collect()
    }
}

fn prepare(folder: &Path, address: SocketAddr) -> std::io::Result<()> {
    let data = folder.join("data");
    fs::create_dir(&data)?;
    process::give(&data)?;
    fs::write(folder.join("users"), USERS)?;
    let text = folder.display().to_string();
    let server = TEMPLATE.replace("${FANOUT_PORT}", &address.to_string()).replace("${FANOUT_FOLDER}", &text);
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path temp/{kind};"));
    let main = "daemon off; worker_processes 2; pid nginx.pid; error_log errors info; events { worker_connections 4096; }";
    fs::create_dir(folder.join("temp"))?;
    process::give(&folder.join("temp"))?;
    fs::write(folder.join("nginx.conf"), format!("{main}\nhttp {{\n{}\n{server}\n}}\n", paths.join("\n")))
}

fn visit(line: &Line) -> Option<Visit> {
    let (numbers, request) = line.text.split_once(" \"")?;
    let mut numbers = numbers.split(' ');
    let took: f64 = numbers.next()?.parse().ok()?;
    let status = numbers.next()?.parse().ok()?;
    let connection = numbers.nth(1)?.parse().ok()?;
    let span = Span { name: request.trim_end_matches('"').to_owned(), begin: line.at - took, end: line.at };
    Some(Visit { span, status, connection })
}
