//! What goes wrong at a source: one clear line and the right exit code, refused logins once, other items unharmed, no
//! partial file under a final name. Not here: mistakes of the plan (`mistakes`), secrets (`canary`), stopped runs
//! (`fetch`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::command::Ended;
use crate::support::plan::Plan;
use crate::support::proxy::{Break, Proxy};
use crate::support::sources::{
    SHOP_URL, events, http, know, ledger, make_ledger, openssh, outcomes, partner, shop,
};
use crate::support::sshd::Sshd;
use crate::support::{nginx, or_skip, postgres, process, sshd};
use fanout::gather::State;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// A job beside the one that fails, which has to end well.
fn neighbor() -> String {
    format!(
        "{}[jobs.squares]\nsource = \"ledger\"\nquery = \"select square from entries\"\noutput = \"squares.csv\"\n",
        ledger()
    )
}

/// A plan whose other job works.
fn with_neighbor(rest: &str) -> Plan {
    let plan = Plan::new(&format!("version = 1\n{rest}\n{}", neighbor()));
    make_ledger(&plan, 2);
    plan
}

/// Runs it; the neighbor's result is there, and nothing else.
#[track_caller]
fn fails(plan: &Plan, env: &[(&str, &str)]) -> Ended {
    let before = plan.files();
    let fanout = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]);
    let ended = env.iter().fold(fanout, |fanout, (name, value)| fanout.env(name, value)).run();
    ended.exits(1);
    assert_eq!(plan.read("squares.csv").lines().collect::<Vec<_>>(), ["square", "1", "4"], "{ended:?}");
    let new: Vec<String> = plan.files().into_iter().filter(|file| !before.contains(file)).collect();
    assert_eq!(new, ["log.jsonl", "squares.csv"], "{ended:?}");
    ended
}

/// How the items of a job ended.
fn ends(plan: &Plan, job: &str) -> Vec<State> {
    let outcomes = outcomes(&events(&plan.bytes("log.jsonl")));
    outcomes.into_iter().filter(|(name, _)| name == job).map(|(_, state)| state).collect()
}

/// What stands below the figures: the lines after the last empty one.
fn summary(ended: &Ended) -> &str {
    ended.stderr.rsplit("\n\n").next().unwrap()
}

#[test]
fn an_unreachable_host_is_one_line_and_its_items_do_not_start() {
    let nobody = process::free_address();
    let plan = with_neighbor(&format!(
        "{}retries = 0\n[jobs.calls]\nsource = \"gone\"\nget = \"${{{{ item }}}}\"\nfor_each = {{ range = [1, 40] }}\noutput = \"${{{{ item }}}}\"\n[jobs.one]\nsource = \"gone\"\nget = \"one\"\noutput = \"one\"\n[jobs.two]\nsource = \"gone\"\nget = \"two\"\noutput = \"two\"\n",
        http("gone", &format!("http://{nobody}"))
    ));
    let ended = fails(&plan, &[]);
    assert_eq!(ends(&plan, "calls"), [State::NotStarted; 40]);
    assert_eq!((ends(&plan, "one"), ends(&plan, "two")), (vec![State::NotStarted], vec![State::NotStarted]));
    ended.complains("gone (42 items)").complains("refused");
    assert_eq!(summary(&ended).matches("refused").count(), 1, "{ended:?}");
}

#[test]
fn forty_queries_with_a_wrong_password_make_one_failed_login() {
    let Some(postgres) = postgres() else { return };
    let plan = with_neighbor(&format!(
        "{}[jobs.queries]\nsource = \"shop\"\nquery = \"select $1::int\"\nparams = [\"${{{{ item }}}}\"]\nfor_each = {{ range = [1, 40] }}\noutput = \"${{{{ item }}}}.csv\"\n",
        shop()
    ));
    // A user of this test alone, to tell its logins from those of others.
    let url = postgres.url_with_password("hunter2").replace("//fanout:", "//forty:");
    let mark = postgres.log.mark();
    let ended = fails(&plan, &[(SHOP_URL, &url)]);
    assert_eq!(ends(&plan, "queries"), [State::NotStarted; 40]);
    ended.complains("shop (40 items)").complains("password authentication failed").never_says("hunter2");
    postgres.log.wait(mark, "the login", |lines| {
        lines.iter().any(|line| line.text.contains("password authentication failed"))
    });
    let logins = postgres.log.count(mark, "FATAL:  password authentication failed for user \"forty\"");
    assert_eq!(logins, 1, "{:#?}", postgres.log.since(mark));
}

/// Forty files by name from a server that this user may not use.
fn forty_files(source: &str, folder: &str) -> Plan {
    with_neighbor(&format!(
        "{source}[jobs.files]\nsource = \"partner\"\nfetch = \"{folder}/${{{{ item }}}}.dat\"\nfor_each = {{ range = [1, 40] }}\noutput = \"inbox/${{{{ item }}}}.dat\"\n"
    ))
}

#[test]
fn forty_files_with_a_refused_key_make_one_failed_login() {
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let source = partner(&sshd, &sshd.host, sshd.port).replace("user_ed25519", "user_stranger");
    let plan = forty_files(&source, &sshd.serve().remote);
    know(&plan, &sshd.known_hosts());
    let mark = sshd.log.mark();
    let ended = fails(&plan, &[]);
    assert_eq!(ends(&plan, "files"), [State::NotStarted; 40]);
    ended.complains("partner (40 items)");
    sshd.log.wait(mark, "the login", |lines| lines.iter().any(|line| line.text.contains("Failed publickey")));
    assert_eq!(sshd.log.count(mark, "Failed publickey"), 1, "{:#?}", sshd.log.since(mark));
}

#[test]
fn an_unknown_host_key_is_shown_with_the_way_to_accept_it() {
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let served = sshd.serve();
    (1..=40).for_each(|n| served.file(&format!("{n}.dat"), "x"));
    let plan = forty_files(&partner(&sshd, &sshd.host, sshd.port), &served.remote);
    let mark = sshd.log.mark();
    let ended = fails(&plan, &[]);
    assert_eq!(ends(&plan, "files"), [State::NotStarted; 40]);
    let key = sshd.key("host_ed25519.pub").display().to_string();
    let fingerprint = openssh("ssh-keygen", &["-lf", &key]);
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    ended.complains("unknown host key").complains(fingerprint).complains("known_hosts");
    assert_eq!(sshd.log.count(mark, "Accepted"), 0, "nobody logs in to a stranger");
    // And it is the way to accept it.
    let pinned = plan
        .read("plan.toml")
        .replace("kind = \"sftp\"", &format!("kind = \"sftp\"\nhost_key = \"{fingerprint}\""));
    plan.write("plan.toml", pinned);
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert_eq!(plan.read("inbox/40.dat"), "x");
}

#[test]
fn a_changed_host_key_is_refused_and_says_where_the_old_one_stands() {
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let plan = forty_files(&partner(&sshd, &sshd.host, sshd.port), &sshd.serve().remote);
    let other = sshd.public("user_ed25519");
    know(&plan, &format!("# mine\n[{}]:{} {other}\n", sshd.host, sshd.port));
    let mark = sshd.log.mark();
    let ended = fails(&plan, &[]);
    assert_eq!(ends(&plan, "files"), [State::NotStarted; 40]);
    ended.complains("host key changed").complains("known_hosts:2");
    assert_eq!(sshd.log.count(mark, "Accepted"), 0);
}

#[test]
fn a_new_host_is_accepted_once_by_two_runs_at_once_and_told() {
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let served = sshd.serve();
    (1..=40).for_each(|n| served.file(&format!("{n}.dat"), "x"));
    let source = partner(&sshd, &sshd.host, sshd.port) + "accept_new = true\n";
    let plan = forty_files(&source, &served.remote);
    let start =
        |folder| plan.fanout(&["run", "plan.toml", "--overlap", "allow", "--output-dir", folder]).start();
    let both = ["a", "b"].map(start).map(|running| running.wait());
    let told = |ended: &Ended| {
        let words = ended.exits(0).stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        words.contains("unknown host key ssh-ed25519 SHA256:") && words.contains(" accepted, and added to ")
    };
    assert_eq!(both.iter().filter(|ended| told(ended)).count(), 1, "{both:#?}");
    let line = format!("[{}]:{} {}\n", sshd.host, sshd.port, sshd.public("host_ed25519"));
    let known = std::fs::read_to_string(plan.home().join(".ssh/known_hosts")).unwrap();
    assert_eq!(known, line);
    plan.fanout(&["run", "plan.toml"]).run().exits(0).never_says("unknown host key");
}

#[test]
fn a_key_file_that_cannot_be_read_is_named_and_nobody_is_asked() {
    let Some(sshd) = or_skip(Sshd::start(&[])) else { return };
    let source = partner(&sshd, &sshd.host, sshd.port).replace("user_ed25519", "user_nobody");
    let plan = forty_files(&source, &sshd.serve().remote);
    know(&plan, &sshd.known_hosts());
    let mark = sshd.log.mark();
    let ended = fails(&plan, &[]);
    ended.complains("user_nobody").complains("No such file");
    assert_eq!(ends(&plan, "files"), [State::NotStarted; 40]);
    assert_eq!(sshd.log.count(mark, "authenticating user"), 0);
}

#[test]
fn an_sql_error_has_its_state_and_its_place() {
    let Some(postgres) = postgres() else { return };
    let plan = with_neighbor(&format!(
        "{}[jobs.wrong]\nsource = \"shop\"\nquery = \"\"\"\nselect 1,\n       nonsense\n\"\"\"\noutput = \"wrong.csv\"\n[jobs.late]\nsource = \"shop\"\nquery = \"select 1 / (500 - n) as q from generate_series(1, 1000) n\"\noutput = \"late.csv\"\n",
        shop()
    ));
    let ended = fails(&plan, &[(SHOP_URL, &postgres.url)]);
    assert_eq!((ends(&plan, "wrong"), ends(&plan, "late")), (vec![State::Failed], vec![State::Failed]));
    ended.complains("(42703)").complains("line 2, column 8");
    ended.complains("division by zero").complains("(22012)").never_says("correct");
}

#[test]
fn a_500_shows_the_start_of_its_body_and_harms_nobody_else() {
    let Some(nginx) = nginx() else { return };
    nginx.file("errors/fine.txt", "fine");
    let plan = with_neighbor(&format!(
        "{}retries = 0\n[jobs.bad]\nsource = \"web\"\nget = \"status/500\"\noutput = \"bad.txt\"\n[jobs.missing]\nsource = \"web\"\nget = \"errors/missing.txt\"\noutput = \"missing.txt\"\n",
        http("web", &nginx.url)
    ));
    let ended = fails(&plan, &[]);
    ended.complains("500").complains("the disk of the database is full").complains("404");
    assert_eq!((ends(&plan, "bad"), ends(&plan, "missing")), (vec![State::Failed], vec![State::Failed]));
}

#[test]
fn a_broken_expectation_alone_has_an_exit_code_of_its_own() {
    let Some(nginx) = nginx() else { return };
    nginx.file("errors/fine.txt", "fine");
    let plan = Plan::new(&format!(
        "{}[jobs.fine]\nsource = \"web\"\nget = \"errors/fine.txt\"\noutput = \"fine.txt\"\n[jobs.made]\nsource = \"web\"\nget = \"errors/fine.txt\"\nexpect = {{ status = 201 }}\noutput = \"made.txt\"\n",
        format_args!("version = 1\n{}", http("web", &nginx.url))
    ));
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(4).complains("status 200 OK, expected 201");
    assert!(!plan.path("made.txt").exists());
}

#[test]
fn one_lost_item_of_many_leaves_the_others() {
    let server = ClockServer::start(|asked| Answer {
        status: Some(if asked.path == "/7" { 404 } else { 200 }),
        delay: Duration::from_millis(10),
        body: asked.path.clone().into_bytes(),
        ..Answer::default()
    });
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.calls]\nsource = \"web\"\nget = \"${{{{ item }}}}\"\nfor_each = {{ range = [1, 20] }}\noutput = \"${{{{ item }}}}.txt\"\n",
        http("web", &server.url(""))
    ));
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("20 items: 19 done, 1 failed").complains("calls[7]");
    assert_eq!(plan.files().len(), 19);
    assert!(summary(&ended).contains("FAILED  calls[7]"), "{ended:?}");
}

#[test]
fn a_missing_plain_path_fails_and_a_glob_that_matches_nothing_warns() {
    let Some(sshd) = sshd() else { return };
    let job = |fetch: &str| {
        format!(
            "version = 1\n{}[jobs.files]\nsource = \"partner\"\nfetch = \"{fetch}\"\noutput = \"inbox/\"\n",
            partner(sshd, &sshd.host, sshd.port)
        )
    };
    let folder = sshd.serve().remote;
    let plan = Plan::new(&job(&format!("{folder}/none.csv")));
    know(&plan, &sshd.known_hosts());
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("none.csv");
    plan.write("plan.toml", job(&format!("{folder}/*.csv")));
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("note");
    plan.write("plan.toml", job(&format!("{folder}/*.csv")) + "min_items = 1\n");
    plan.fanout(&["run", "plan.toml"]).run().exits(6).complains("files");
}

#[test]
fn a_folder_that_cannot_be_written_to_fails_what_goes_there_alone() {
    if rustix::process::geteuid().is_root() {
        // A file where a folder should be stops root, too.
        let plan = with_neighbor(
            "[jobs.nap]\nsource = \"ledger\"\nquery = \"select 1\"\noutput = \"wall/nap.csv\"\n",
        );
        plan.write("wall", "a file");
        fails(&plan, &[]).complains("wall");
        return;
    }
    let plan =
        with_neighbor("[jobs.nap]\nsource = \"ledger\"\nquery = \"select 1\"\noutput = \"wall/nap.csv\"\n");
    std::fs::create_dir(plan.path("wall")).unwrap();
    std::fs::set_permissions(plan.path("wall"), std::fs::Permissions::from_mode(0o500)).unwrap();
    fails(&plan, &[]).complains("wall");
}

#[test]
fn a_body_that_breaks_off_leaves_no_file() {
    let Some(nginx) = nginx() else { return };
    // Not to be compressed to less than what comes before the end.
    let bytes = (0..1_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n).to_le_bytes());
    nginx.file("errors/large.bin", bytes.collect::<Vec<_>>());
    for how in [Break::Cut, Break::Reset] {
        let proxy = Proxy::start(nginx.url.strip_prefix("http://").unwrap());
        proxy.set(|faults| faults.after = Some((100_000, how)));
        let plan = with_neighbor(&format!(
            "{}retries = 0\n[jobs.large]\nsource = \"web\"\nget = \"errors/large.bin\"\noutput = \"large.bin\"\n",
            http("web", &format!("http://{}", proxy.address()))
        ));
        fails(&plan, &[]).complains("errors/large.bin");
        assert_eq!(ends(&plan, "large"), [State::Failed]);
    }
}

#[test]
fn a_job_whose_items_cannot_be_found_out_is_told_as_failed_everywhere() {
    let plan = Plan::new("version = 1\n[jobs.a]\nfor_each = { file = \"a.csv\" }\nsleep = \"1ms\"\n");
    std::fs::write(plan.folder().join("a.csv"), "x,x\n1,2\n").unwrap();
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("FAILED       a  ");
    assert!(!ended.stderr.contains("done         a"), "{ended:?}");
    plan.fanout(&["show"]).run().exits(0).prints("a: ");
    plan.fanout(&["show", "--as", "junit"]).run().exits(0).prints("failures=\"1\"").prints("type=\"job\"");
}
