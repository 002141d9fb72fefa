//! Each server asked by a plain client of its protocol.

use super::*;
use russh::client::{self, AuthResult};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, check_known_hosts_path};
use russh_sftp::client::RawSftpSession;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};

fn visits_to<'a>(visits: &'a [Visit], what: &'a str) -> impl Iterator<Item = &'a Visit> {
    visits.iter().filter(move |visit| visit.what == what)
}

/// How long the one visit to `what` lasted.
fn lasted(visits: &[Visit], what: &str) -> Duration {
    let visit = visits_to(visits, what).next().unwrap();
    visit.left.unwrap() - visit.arrived
}

/// The text of a page, which must be there.
async fn page(url: String) -> String {
    reqwest::get(url).await.unwrap().error_for_status().unwrap().text().await.unwrap()
}

#[tokio::test]
async fn http_waits_run_side_by_side_on_the_servers_clock() {
    let servers = Servers::start().await.unwrap();
    let url = servers.http_url();
    let (long, short) = tokio::join!(page(format!("{url}wait/400")), page(format!("{url}wait/300")));
    assert_eq!((long.as_str(), short.as_str()), (r#"{"waited_ms":400}"#, r#"{"waited_ms":300}"#));
    let visits = servers.visits();
    assert!(lasted(&visits, "/wait/400") >= Duration::from_millis(400));
    assert!(lasted(&visits, "/wait/300") >= Duration::from_millis(300));
    assert_eq!(peak(&visits), 2);
}

#[tokio::test]
async fn http_lists_items_and_answers_each() {
    let servers = Servers::start().await.unwrap();
    let url = servers.http_url();
    let list: serde_json::Value = serde_json::from_str(&page(format!("{url}items")).await).unwrap();
    let numbers = list["items"].as_array().unwrap();
    assert_eq!(numbers.len(), 40);
    let last: serde_json::Value =
        serde_json::from_str(&page(format!("{url}items/{}", numbers[39])).await).unwrap();
    assert_eq!(last["name"], "item 40");
    assert_eq!(reqwest::get(format!("{url}items/41")).await.unwrap().status(), 404);
}

#[tokio::test]
async fn http_is_busy_once_for_each_name() {
    let servers = Servers::start().await.unwrap();
    let url = format!("{}busy/a", servers.http_url());
    let first = reqwest::get(&url).await.unwrap();
    assert_eq!((first.status().as_u16(), &first.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(page(url).await, r#"{"name":"a"}"#);
    assert_eq!(reqwest::get(format!("{}busy/b", servers.http_url())).await.unwrap().status(), 503);
}

#[tokio::test]
async fn http_streams_a_body_that_lasts_as_long_as_its_pauses() {
    let servers = Servers::start().await.unwrap();
    let text = page(format!("{}stream/5/20", servers.http_url())).await;
    assert_eq!(text.lines().count(), 5);
    assert!(text.ends_with("chunk 5 of 5\n"));
    // The end of the body reaches the client a moment before the server lets go of it.
    while servers.visits()[0].left.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(lasted(&servers.visits(), "/stream/5/20") >= Duration::from_millis(100));
}

#[tokio::test]
async fn http_refuses_delays_that_would_never_end() {
    let servers = Servers::start().await.unwrap();
    let answer = reqwest::get(format!("{}wait/60001", servers.http_url())).await.unwrap();
    assert_eq!(answer.status(), 400);
}

async fn open(path: PathBuf, patience: Duration) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(patience).connect().await.unwrap()
}

async fn accounts(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(ENTRIES_SQL).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| row.get("account")).collect())
}

#[tokio::test]
async fn a_query_of_the_ledger_waits_for_its_writer_and_sees_what_it_wrote() {
    let servers = Servers::start().await.unwrap();
    let mut reader = open(servers.ledger(), Duration::from_secs(30)).await;
    for round in 1..=2 {
        servers.ledger_locked().await;
        servers.ledger_asked(Duration::from_millis(300));
        let seen = accounts(&mut reader).await.unwrap();
        // Had it not waited, it would see one row less.
        assert_eq!(seen.len(), 1 + round, "{seen:?}");
    }
    let visits = servers.visits();
    assert!(visits.iter().all(|visit| visit.left.unwrap() - visit.arrived >= Duration::from_millis(300)));
    assert_eq!((visits.len(), peak(&visits)), (2, 1));
}

#[tokio::test]
async fn the_ledger_stays_locked_as_long_as_nobody_asks() {
    let servers = Servers::start().await.unwrap();
    let mut reader = open(servers.ledger(), Duration::from_millis(50)).await;
    let error = accounts(&mut reader).await.unwrap_err();
    assert!(error.to_string().contains("database is locked"), "{error}");
}

#[tokio::test]
async fn the_shop_answers_at_once() {
    let servers = Servers::start().await.unwrap();
    let mut reader = open(servers.shop(), Duration::ZERO).await;
    let sql = "SELECT count(*) FROM orders JOIN customers ON customers.id = customer WHERE region = 'north'";
    let north: i64 = sqlx::query_scalar(sql).fetch_one(&mut reader).await.unwrap();
    assert!((600..=700).contains(&north), "{north}");
}

/// A client that trusts what the demo's `known_hosts` says.
struct Trusting {
    address: SocketAddr,
    known_hosts: PathBuf,
}

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(check_known_hosts_path("127.0.0.1", self.address.port(), key, &self.known_hosts).unwrap())
    }
}

async fn dial(servers: &Servers, key: PrivateKey) -> (client::Handle<Trusting>, AuthResult) {
    let address = servers.sftp_address();
    let trusting = Trusting { address, known_hosts: servers.known_hosts() };
    let mut ssh = client::connect(Arc::default(), address, trusting).await.unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let login = ssh.authenticate_publickey(servers.sftp_user(), key).await.unwrap();
    (ssh, login)
}

/// One SFTP channel of one connection, logged in with the demo's key. The handle keeps it open.
async fn sftp(servers: &Servers) -> (client::Handle<Trusting>, RawSftpSession) {
    let key = russh::keys::load_secret_key(servers.user_key(), None).unwrap();
    let (ssh, login) = dial(servers, key).await;
    assert!(login.success());
    let channel = ssh.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let session = RawSftpSession::new(channel.into_stream());
    session.init().await.unwrap();
    (ssh, session)
}

/// Reads a file whole: open, read to its end, close.
async fn read(sftp: &RawSftpSession, path: &str) -> String {
    let handle = sftp.open(path, OpenFlags::READ, FileAttributes::empty()).await.unwrap().handle;
    let mut content = Vec::new();
    while let Ok(data) = sftp.read(&handle, content.len() as u64, 1000).await {
        content.extend(data.data);
    }
    sftp.close(handle).await.unwrap();
    String::from_utf8(content).unwrap()
}

#[tokio::test]
async fn one_slow_file_holds_up_no_other_of_its_channel() {
    let servers = Servers::start().await.unwrap();
    let (_ssh, sftp) = sftp(&servers).await;
    let order = std::sync::Mutex::new(Vec::new());
    let fetch = async |path: &'static str| {
        let content = read(&sftp, path).await;
        order.lock().unwrap().push(path);
        content
    };
    let paths = ["/wait/600/a.csv", "/wait/0/b.csv", "/wait/300/c.csv"];
    let (a, b, _) = tokio::join!(fetch(paths[0]), fetch(paths[1]), fetch(paths[2]));
    assert_eq!(*order.lock().unwrap(), [paths[1], paths[2], paths[0]]);
    assert_eq!((a.lines().count(), b.lines().nth(1)), (21, Some("1,b.csv,137")));
    let visits = servers.visits();
    assert!(lasted(&visits, paths[0]) >= Duration::from_millis(600));
    assert!(lasted(&visits, paths[2]) >= Duration::from_millis(300));
    assert!(peak(&visits) >= 2, "{visits:?}");
}

#[tokio::test]
async fn hundreds_of_files_of_one_channel_wait_at_once() {
    let servers = Servers::start().await.unwrap();
    let (_ssh, sftp) = sftp(&servers).await;
    let paths: Vec<_> = (0..400).map(|number| format!("/wait/1500/{number}.csv")).collect();
    futures_util::future::join_all(paths.iter().map(|path| read(&sftp, path))).await;
    assert_eq!(peak(&servers.visits()), 400);
}

/// The names of a folder, page by page.
async fn names(sftp: &RawSftpSession, folder: &str) -> Vec<String> {
    let handle = sftp.opendir(folder).await.unwrap().handle;
    let mut names = Vec::new();
    while let Ok(page) = sftp.readdir(&handle).await {
        names.extend(page.files.into_iter().map(|file| file.filename));
    }
    sftp.close(handle).await.unwrap();
    names
}

#[tokio::test]
async fn the_outbox_is_listed_and_its_files_have_the_size_that_is_said() {
    let servers = Servers::start().await.unwrap();
    let (_ssh, sftp) = sftp(&servers).await;
    assert_eq!(names(&sftp, "/").await, ["outbox"]);
    assert_eq!(names(&sftp, "/outbox/").await, ["north", "south", "west"]);
    let files = names(&sftp, "outbox/../outbox/./west").await;
    assert_eq!((files.len(), files[7].as_str()), (8, "orders-08.csv"));
    let path = "/outbox/west/orders-08.csv";
    let attributes = sftp.stat(path).await.unwrap().attrs;
    assert!(attributes.is_regular() && sftp.stat("/outbox").await.unwrap().attrs.is_dir());
    assert_eq!(read(&sftp, path).await.len() as u64, attributes.size.unwrap());
    assert_eq!(sftp.realpath(".").await.unwrap().files[0].filename, "/");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_a_status() {
    let servers = Servers::start().await.unwrap();
    let (_ssh, sftp) = sftp(&servers).await;
    let missing = sftp.stat("/outbox/east").await.unwrap_err().to_string();
    assert!(missing.contains("No such file"), "{missing}");
    assert!(sftp.open("/wait/60001/a", OpenFlags::READ, FileAttributes::empty()).await.is_err());
    assert!(sftp.open("/outbox", OpenFlags::READ, FileAttributes::empty()).await.is_err());
    let refused = sftp.remove("/outbox/west/orders-08.csv").await.unwrap_err().to_string();
    assert!(refused.contains("Permission denied"), "{refused}");
    assert!(sftp.read("77", 0, 10).await.is_err());
    assert_eq!(names(&sftp, "/").await, ["outbox"], "the channel goes on");
}

#[tokio::test]
async fn only_the_demos_key_logs_in() {
    let servers = Servers::start().await.unwrap();
    let other =
        PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519).unwrap();
    assert!(!dial(&servers, other).await.1.success());
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let servers = Servers::start().await.unwrap();
    let (folder, http, sftp) = (servers.folder.path().to_owned(), servers.http, servers.sftp);
    // Stopped in the middle of everything.
    let url = servers.http_url();
    let request = tokio::spawn(reqwest::get(format!("{url}wait/50000")));
    servers.ledger_asked(Duration::from_secs(50));
    while servers.visits().len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(servers);
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(http).is_err());
    assert!(std::net::TcpStream::connect(sftp).is_err());
    assert!(request.await.unwrap().is_err());
}

#[test]
fn the_peak_counts_what_lasts_and_not_what_touches() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let visit = |arrived, left: Option<u64>| Visit {
        server: "http",
        what: "/".into(),
        arrived: at(arrived),
        left: left.map(at),
    };
    assert_eq!(peak(&[]), 0);
    assert_eq!(peak(&[visit(0, Some(1)), visit(1, Some(2)), visit(2, None)]), 1);
    assert_eq!(peak(&[visit(0, Some(9)), visit(1, Some(3)), visit(2, None), visit(4, Some(5))]), 3);
}

#[tokio::test]
async fn an_earlier_runs_visit_does_not_end_a_later_ones() {
    let visits = Visits::default();
    let early = visits.arrive("http", "early");
    visits.clear();
    let late = visits.arrive("http", "late");
    drop(early);
    assert_eq!(visits.all()[0].left, None);
    drop(late);
    assert!(visits.all()[0].left.is_some());
}
