//! The canary: secrets that reach the program wherever a secret may stand, with every kind of failure, and are then looked
//! for in everything that it leaves: stdout, stderr, the event log and each view of it, the spans, the summary, the state,
//! the outputs. Not here: what is redacted (`secret`).

mod echo;

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::command::Ended;
use crate::support::plan::Plan;
use crate::support::sources::SHOP_URL;
use crate::support::{postgres, process, sshd};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::path::{Path, PathBuf};

/// Distinct from any word, with characters that are encoded in URLs, forms, JSON and base64.
const CANARY: &str = "c4nary/K9+x \"q&7=ü";

/// The forms in which it could come out.
fn forms() -> Vec<String> {
    // Enough of it to be told apart, in whatever way the rest is encoded.
    let mut forms = echoes(CANARY);
    forms.push("c4nary".to_owned());
    forms
}

/// The forms in which a server could say a password back.
fn echoes(password: &str) -> Vec<String> {
    let percent: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
    let json = serde_json::to_string(password).unwrap();
    vec![
        password.to_owned(),
        percent.replace('+', "%20"),
        percent,
        json.trim_matches('"').to_owned(),
        STANDARD.encode(password),
        URL_SAFE_NO_PAD.encode(password),
        STANDARD.encode(format!("user:{password}")),
    ]
}

/// The folder of outputs that a server's own words may be in.
const OUTPUTS: &str = "out/";

/// Runs the plan with everything that could tell turned on, and looks for the secret in all of it.
#[track_caller]
fn keeps(plan: &Plan, code: i32) -> Ended {
    plan.write("secret", CANARY);
    let before = plan.files();
    let collector = ClockServer::start(|_| Answer::default());
    let fanout = |arguments: &[&str]| {
        let fanout = plan.fanout(arguments).env("CANARY", CANARY).env("GITHUB_STEP_SUMMARY", "summary.md");
        postgres().into_iter().fold(fanout, |fanout, server| fanout.env(SHOP_URL, &server.url))
    };
    let run = ["--log", "trace", "run", "plan.toml", "--events=log.jsonl", "--otlp", &collector.url("")];
    let ended = fanout(&run).run();
    ended.exits(code);
    let checked = fanout(&["check", "plan.toml", "--connect"]).run();
    let described = fanout(&["--log", "trace", "run", "plan.toml", "-n", "-v"]).run();
    let sent: Vec<_> = collector.visits().into_iter().map(|visit| visit.asked.body).collect();
    let sent = String::from_utf8_lossy(&sent.concat()).into_owned();
    assert!(sent.contains("fanout.attempt"), "the spans were sent");
    for form in forms() {
        let around = sent.find(&form).map(|at| sent[at..].chars().take(80).collect::<String>());
        assert_eq!(around, None, "the spans say {form:?}");
    }
    [&ended, &checked, &described].into_iter().chain(&shown(plan)).for_each(says_nothing);
    assert!(plan.files().iter().any(|file| file == "summary.md"), "{ended:?}");
    let new = |file: &String| !before.contains(file) && !file.starts_with(OUTPUTS);
    plan.files().into_iter().filter(new).for_each(|file| holds_nothing(&plan.path(&file)));
    kept(plan).iter().for_each(|file| holds_nothing(file));
    ended
}

/// Every view of the run that was recorded. Who draws them knows no secret any more.
fn shown(plan: &Plan) -> Vec<Ended> {
    let views = ["text", "events", "html", "trace", "junit", "files"].map(|form| vec!["show", "--as", form]);
    let others = [
        vec!["show", "--what-if", "limits.concurrency=2"],
        vec!["history"],
        vec!["history", "--json"],
        vec!["show", "log.jsonl"],
    ];
    let show = |arguments: &Vec<&str>| {
        let shown = plan.fanout(arguments).run();
        shown.exits(0);
        shown
    };
    views.iter().chain(&others).map(show).collect()
}

/// Every file of the folder of the state.
fn kept(plan: &Plan) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![plan.home().join(".local/state/fanout")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() { &mut folders } else { &mut files }.push(entry.path());
        }
    }
    assert!(files.len() >= 2, "a log and a database: {files:?}");
    files
}

#[track_caller]
fn says_nothing(said: &Ended) {
    for form in forms() {
        for (name, text) in [("stdout", &said.stdout), ("stderr", &said.stderr)] {
            let line = text.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "{name} says {form:?}\n{}", said.command());
        }
    }
}

#[track_caller]
fn holds_nothing(file: &Path) {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let text = String::from_utf8_lossy(&bytes);
    for form in forms() {
        let line = text.lines().find(|line| line.contains(&form));
        assert_eq!(line, None, "{} holds {form:?}", file.display());
    }
}

/// A job for each place of an HTTP request where a secret may stand.
fn jobs(source: &str) -> String {
    let job = |name: &str, rest: &str| format!("[jobs.{name}]\nsource = \"{source}\"\n{rest}\n");
    [
        job("in_path", "get = \"a/${{ secrets.canary }}/b\"\noutput = \"in_path\""),
        job("in_query", "get = \"q\"\nparams = { token = \"${{ secrets.canary }}\" }\noutput = \"in_query\""),
        job("in_url", "get = \"q?token=${{ secrets.canary }}\"\noutput = \"in_url\""),
        job(
            "in_header",
            "get = \"h\"\nheaders = { x-token = \"${{ secrets.ascii }}\" }\noutput = \"in_header\"",
        ),
        job(
            "in_json",
            "post = \"j\"\njson = { deep = [{ token = \"${{ secrets.canary }}\" }] }\noutput = \"in_json\"",
        ),
        job("in_form", "post = \"f\"\nform = { token = \"${{ secrets.canary }}\" }\noutput = \"in_form\""),
        job("in_body", "post = \"b\"\nbody = \"token ${{ secrets.canary }}\"\noutput = \"in_body\""),
    ]
    .concat()
}

fn calls(url: &str) -> Plan {
    Plan::new(&format!(
        "version = 1\n[secrets]\ncanary = {{ file = \"secret\" }}\nascii = {{ env = \"ASCII\" }}\n[sources.api]\nkind = \"http\"\nbase_url = \"{url}/\"\nauth = {{ user = \"user\", password = {{ env = \"CANARY\" }} }}\nretries = {{ count = 1, delay = \"1ms\" }}\n{}",
        jobs("api").replace("secrets.ascii", "secrets.canary")
    )
    .replace("ascii = { env = \"ASCII\" }\n", ""))
}

/// A server that says back all it was told: the path, the headers and the body.
fn echo(status: u16) -> ClockServer {
    ClockServer::start(move |asked| {
        let mut body = format!("{} {}\n", asked.method, asked.path).into_bytes();
        for (name, value) in &asked.headers {
            body.extend_from_slice(name.as_str().as_bytes());
            body.extend_from_slice(b": ");
            body.extend_from_slice(value.as_bytes());
            body.push(b'\n');
        }
        body.extend_from_slice(&asked.body);
        Answer { status: Some(status), body, ..Answer::default() }
    })
}

#[test]
fn refused_requests_do_not_tell_even_if_the_server_says_them_back() {
    for status in [401, 404, 500] {
        let server = echo(status);
        let ended = keeps(&calls(&server.url("")), 1);
        ended.complains(&status.to_string());
        assert!(server.asked() >= 7, "{ended:?}");
        let told = server
            .visits()
            .iter()
            .filter(|visit| {
                let all = format!("{:?} {:?}", visit.asked.headers, visit.asked.path);
                all.contains("authorization")
            })
            .count();
        assert!(told >= 7, "the requests do hold the secret");
    }
}

#[test]
fn redirects_do_not_tell() {
    let server = ClockServer::start(|asked| Answer {
        status: Some(302),
        headers: vec![("location", format!("{}?again", asked.path))],
        ..Answer::default()
    });
    keeps(&calls(&server.url("")), 1);
}

#[test]
fn a_host_that_cannot_be_reached_does_not_tell() {
    keeps(&calls(&format!("http://{}", process::free_address())), 1).complains("refused");
}

#[test]
fn a_server_that_speaks_something_else_does_not_tell() {
    let Some(sshd) = sshd() else { return };
    keeps(&calls(&format!("http://{}:{}", sshd.host, sshd.port)), 1);
}

#[test]
fn a_database_that_refuses_the_login_does_not_tell() {
    let Some(postgres) = postgres() else { return };
    let address = postgres.address();
    let (host, port) = address.rsplit_once(':').unwrap();
    let plan = Plan::new(&format!(
        "version = 1\n[sources.shop]\nkind = \"postgres\"\nhost = \"{host}\"\nport = {port}\nuser = \"fanout\"\ndatabase = \"postgres\"\npassword = {{ env = \"CANARY\" }}\nretries = 0\n[jobs.it]\nsource = \"shop\"\nquery = \"select 1\"\noutput = \"it.csv\"\n"
    ));
    keeps(&plan, 1).complains("password authentication failed");
}

#[test]
fn a_url_that_is_secret_and_wrong_does_not_tell() {
    let nobody = process::free_address();
    for url in [
        format!("postgres://u:c4naryK9@{nobody}/db"),
        "c4naryK9 is no url".to_owned(),
        "postgres://u:c4naryK9@[::bad/db".to_owned(),
    ] {
        let plan = Plan::new(
            "version = 1\n[sources.shop]\nkind = \"postgres\"\nurl = { env = \"SECRET_URL\" }\nretries = 0\n[jobs.it]\nsource = \"shop\"\nquery = \"select 1\"\noutput = \"it.csv\"\n",
        );
        let fanout = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]);
        let ended = fanout.env("SECRET_URL", &url).env("FANOUT_LOG", "trace").run();
        assert!(matches!(ended.code(), Some(1 | 3)), "{ended:?}");
        ended.never_says("c4nary");
        let log = plan.files().iter().any(|file| file == "log.jsonl").then(|| plan.read("log.jsonl"));
        assert!(!log.unwrap_or_default().contains("c4nary"), "{ended:?}");
    }
}

#[test]
fn an_sftp_server_that_refuses_the_password_does_not_tell() {
    let Some(sshd) = sshd() else { return };
    let plan = Plan::new(&format!(
        "version = 1\n[sources.partner]\nkind = \"sftp\"\nhost = \"{}\"\nport = {}\nuser = \"fanout\"\npassword = {{ env = \"CANARY\" }}\n[jobs.it]\nsource = \"partner\"\nfetch = \"/x\"\noutput = \"it\"\n",
        sshd.host, sshd.port
    ));
    crate::support::sources::know(&plan, &sshd.known_hosts());
    keeps(&plan, 1).complains("partner");
}

#[test]
fn a_key_with_a_wrong_passphrase_does_not_tell() {
    let Some(sshd) = sshd() else { return };
    let plan = Plan::new(&format!(
        "version = 1\n[sources.partner]\nkind = \"sftp\"\nhost = \"{}\"\nport = {}\nuser = \"fanout\"\nkey = {{ file = \"{}\" }}\npassphrase = {{ env = \"CANARY\" }}\n[jobs.it]\nsource = \"partner\"\nfetch = \"/x\"\noutput = \"it\"\n",
        sshd.host,
        sshd.port,
        sshd.key("user_locked").display()
    ));
    crate::support::sources::know(&plan, &sshd.known_hosts());
    keeps(&plan, 1).complains("passphrase");
}
