//! What a plan says of the real servers, and what its folder needs so that they may be used. Not here: the servers.

use super::plan::Plan;
use super::sshd::{Sshd, USER};
use fanout::gather::{Event, EventKind, State};
use fanout::report::log::Reader;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The variable that holds PostgreSQL's URL.
pub(crate) const SHOP_URL: &str = "SHOP_URL";

/// `[sources.partner]`: sshd, or what stands in front of it, with the key that may log in.
pub(crate) fn partner(sshd: &Sshd, host: &str, port: u16) -> String {
    let key = sshd.key("user_ed25519");
    format!(
        "[sources.partner]\nkind = \"sftp\"\nhost = \"{host}\"\nport = {port}\nuser = \"{USER}\"\nkey = {{ file = \"{}\" }}\n",
        key.display()
    )
}

/// Makes the user's known_hosts file say these lines.
pub(crate) fn know(plan: &Plan, lines: &str) {
    let folder = plan.home().join(".ssh");
    fs::create_dir_all(&folder).expect("the home folder can be written to");
    fs::write(folder.join("known_hosts"), lines).expect("a file in it");
}

/// `[sources.shop]`: PostgreSQL, by the URL in [`SHOP_URL`].
pub(crate) fn shop() -> String {
    format!("[sources.shop]\nkind = \"postgres\"\nurl = {{ env = \"{SHOP_URL}\" }}\n")
}

/// `[sources.NAME]`: an HTTP server.
pub(crate) fn http(name: &str, url: &str) -> String {
    format!("[sources.{name}]\nkind = \"http\"\nbase_url = \"{url}/\"\n")
}

/// `[sources.ledger]`: the SQLite database `ledger.db` of the plan's folder.
pub(crate) fn ledger() -> String {
    "[sources.ledger]\nkind = \"sqlite\"\npath = \"ledger.db\"\n".to_owned()
}

/// Makes the plan's `ledger.db`: `entries` with these ids, each with its square.
pub(crate) fn make_ledger(plan: &Plan, count: u32) {
    let values: Vec<String> = (1..=count).map(|id| format!("({id}, {})", id * id)).collect();
    let sql = format!(
        "create table entries (id integer, square integer); insert into entries values {}",
        values.join(", ")
    );
    sqlite(&plan.path("ledger.db"), &sql);
}

/// Carries out SQL by SQLite's library.
fn sqlite(path: &Path, sql: &str) {
    use sqlx::{AssertSqlSafe, ConnectOptions as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    super::runtime().block_on(async {
        let mut connection = options.connect().await.expect("a new database");
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("SQL of a test");
        sqlx::Connection::close(connection).await.expect("it is open");
    });
}

/// The events of a log, all of them understood.
pub(crate) fn events(log: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new(log);
    let events: Vec<Event> =
        std::iter::from_fn(|| reader.next_event().expect("it is an event log")).collect();
    assert_eq!(reader.notes().lines(), Vec::<String>::new());
    events
}

/// How the items of a log ended, each once, with their job's name, in the order in which they ended.
pub(crate) fn outcomes(events: &[Event]) -> Vec<(String, State)> {
    let name = |number: u32| {
        events.iter().find_map(|event| match &event.kind {
            EventKind::JobStarted { job, name, .. } if *job == number => Some(name.to_string()),
            _ => None,
        })
    };
    let ended = events.iter().filter_map(|event| match &event.kind {
        EventKind::ItemEnded { job, state, .. } => Some((name(*job).expect("it was started"), *state)),
        _ => None,
    });
    ended.collect()
}

/// Runs a program of OpenSSH's, such as ssh-keygen, and gives what it prints.
pub(crate) fn openssh(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it is installed beside the server");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}
