//! Servers that say a secret back, in each form that it can take: in the reason to refuse a login, in the errors of queries,
//! in names of files, in what becomes the keys of items; and a run that is killed while it goes on.

use super::{CANARY, OUTPUTS, calls, echo, echoes, holds_nothing, keeps, kept, says_nothing};
use crate::support::clock_server::{Answer, ClockServer};
use crate::support::plan::Plan;
use crate::support::sources::{http, know, ledger, make_ledger, partner, shop};
use crate::support::{postgres, sshd};
use rustix::process::Signal;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The code of a request for TLS. <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: u32 = 80_877_103;

/// A PostgreSQL that asks for the password, and says it back as the reason to refuse it.
fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || refuse(stream));
        }
    });
    address
}

fn refuse(mut stream: TcpStream) -> io::Result<()> {
    while message(&mut stream)?.starts_with(&SSL_REQUEST.to_be_bytes()) {
        stream.write_all(b"N")?;
    }
    // A password in plain text.
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    stream.read_exact(&mut [0])?;
    let password = message(&mut stream)?;
    let password = String::from_utf8_lossy(&password).trim_end_matches('\0').to_owned();
    assert_eq!(password, CANARY);
    let said = echoes(&password).join(" or ");
    let fields = format!("SFATAL\0VFATAL\0C28P01\0Mno {said}\0Dnot {said}\0Htry {said}\0\0");
    stream.write_all(b"E")?;
    stream.write_all(&(fields.len() as u32 + 4).to_be_bytes())?;
    stream.write_all(fields.as_bytes())
}

/// What follows a message's length.
fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut rest).map(|()| rest)
}

/// A plan in which the secret is known, since a call tells it; and what else is asked.
fn plan(api: &ClockServer, more: &str) -> Plan {
    Plan::new(&format!(
        "version = 1\n[secrets]\ncanary = {{ env = \"CANARY\" }}\n{}headers = {{ x-token = \"${{{{ secrets.canary }}}}\" }}\n\
         [jobs.list]\nsource = \"api\"\nget = \"list\"\n{more}",
        http("api", &api.url(""))
    ))
}

/// Answers `list` with all forms of the secret as JSON, and anything else with a refusal that says it.
fn parroting() -> ClockServer {
    ClockServer::start(|asked| match asked.path.as_str() {
        "/list" => Answer { body: serde_json::to_vec(&echoes(CANARY)).unwrap(), ..Answer::default() },
        path => Answer { status: Some(404), body: path.into(), ..Answer::default() },
    })
}

#[test]
fn a_login_that_is_refused_with_the_password_does_not_tell() {
    let address = parrot();
    let plan = Plan::new(&format!(
        "version = 1\n[sources.shop]\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"user\"\ndatabase = \"db\"\npassword = {{ env = \"CANARY\" }}\nretries = 0\n[jobs.it]\nsource = \"shop\"\nquery = \"select 1\"\noutput = \"it.csv\"\n",
        address.port()
    ));
    keeps(&plan, 1).complains("no *** or ***");
}

#[test]
fn items_that_are_made_of_a_secret_do_not_tell() {
    let api = parroting();
    let more = format!(
        "[jobs.each]\nsource = \"api\"\nget = \"ask?for=${{{{ item }}}}\"\nfor_each = \"${{{{ jobs.list.json }}}}\"\nduplicates = \"first\"\noutput = \"{OUTPUTS}${{{{ item }}}}\"\n\
         [jobs.waits]\nsleep = \"1ms\"\nfor_each = \"${{{{ jobs.list.json }}}}\"\nduplicates = \"first\"\n"
    );
    keeps(&plan(&api, &more), 1).complains("each[***]");
}

#[test]
fn queries_that_fail_with_a_secret_do_not_tell() {
    if postgres().is_none() {
        return;
    }
    let api = parroting();
    let mut more = shop() + &ledger();
    for (number, form) in echoes(CANARY).iter().enumerate() {
        let job = |name: &str, source: &str, query: String| {
            format!(
                "[jobs.{name}{number}]\nsource = \"{source}\"\nneeds = [\"list\"]\nquery = '''{query}'''\noutput = \"{OUTPUTS}{name}{number}.csv\"\n"
            )
        };
        more += &job("cast", "shop", format!("select cast('{form}' as integer)"));
        more += &job("none", "ledger", format!("select * from [{form}]"));
    }
    let plan = plan(&api, &more);
    make_ledger(&plan, 1);
    keeps(&plan, 1).complains("***");
}

#[test]
fn files_that_are_named_like_a_secret_do_not_tell() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let names: Vec<String> = echoes(CANARY).into_iter().filter(|form| !form.contains('/')).collect();
    assert!(names.len() >= 3, "{names:?}");
    names.iter().for_each(|name| served.file(&format!("{name}.dat"), "x"));
    let api = parroting();
    let more = format!(
        "{}[jobs.files]\nsource = \"partner\"\nneeds = [\"list\"]\nfetch = \"{}/*.dat\"\noutput = \"{OUTPUTS}\"\n\
         [jobs.none]\nsource = \"partner\"\nneeds = [\"list\"]\nfetch = '{}/{}'\noutput = \"{OUTPUTS}\"\n",
        partner(sshd, &sshd.host, sshd.port),
        served.remote,
        served.remote,
        names[0]
    );
    let plan = plan(&api, &more);
    know(&plan, &sshd.known_hosts());
    keeps(&plan, 1).complains("***");
    assert_eq!(plan.files().iter().filter(|file| file.starts_with(OUTPUTS)).count(), names.len());
}

/// The database is open then, with what is not yet in its main file beside it, and the plan is locked.
#[test]
fn a_run_that_goes_on_and_one_that_was_killed_do_not_tell() {
    let server = echo(404);
    let plan = calls(&server.url(""));
    plan.write("secret", CANARY);
    let toml = plan.read("plan.toml") + "[jobs.long]\nsleep = \"10m\"\n";
    plan.write("plan.toml", toml);
    let fanout = || plan.fanout(&["--log", "trace", "run", "plan.toml"]).env("CANARY", CANARY);
    let mut running = fanout().start();
    running.until("the refusals", || server.asked() >= 7);
    running.until_it_says("in_body");
    let again = fanout().run();
    says_nothing(again.exits(8));
    running.signal(Signal::USR1);
    running.until_it_says("long");
    let files = kept(&plan);
    assert!(files.iter().any(|file| file.to_string_lossy().ends_with("-wal")), "{files:?}");
    files.iter().for_each(|file| holds_nothing(file));
    running.signal(Signal::KILL);
    says_nothing(&running.wait());
    kept(&plan).iter().for_each(|file| holds_nothing(file));
    says_nothing(plan.fanout(&["history", "--json"]).run().exits(0));
    says_nothing(plan.fanout(&["show", "--as", "html"]).run().exits(0));
}
