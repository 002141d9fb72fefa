//! As a plan says it: keys of sources and jobs, and their mistakes.

use super::sshd::{Sshd, read};
use super::*;
use crate::expr::Table;
use crate::gather::Advice;
use crate::sources::sftp::settings::Settings;
use crate::sources::{Kind, Operation, Problems, Source, Surroundings};
use std::path::Path;

fn source(toml: &str, folder: &Path) -> Result<Arc<dyn Source>, Problems> {
    let surroundings = Surroundings { folder, connect_timeout: Some(Duration::from_secs(10)), asking: None };
    let mut problems = Vec::new();
    let kind = super::super::source::Sftp;
    let source = kind.source("partner", Table::parse(toml).unwrap(), &surroundings, &mut problems);
    if problems.is_empty() { Ok(source) } else { Err(problems) }
}

fn wrong(toml: &str) -> Vec<String> {
    let problems = source(toml, Path::new("/")).err().expect("it is wrong");
    problems.into_iter().map(|problem| problem.message).collect()
}

fn operation(source: &Arc<dyn Source>, toml: &str) -> Result<Box<dyn Operation>, Vec<String>> {
    let mut problems = Vec::new();
    let operation = source.operation("job", Table::parse(toml).unwrap(), &mut problems);
    let wrong = operation.filter(|_| problems.is_empty());
    wrong.ok_or_else(|| problems.into_iter().map(|problem| problem.message).collect())
}

async fn connect(source: &Arc<dyn Source>) -> Result<(), SourceError> {
    source.connect(&Context::detached(), &scope()).await
}

fn scope() -> Scope {
    Scope::new(Arc::new(Globals::default()))
}

/// Lists a job and fetches all of it, one by one, into memory.
async fn run(source: &Arc<dyn Source>, job: &str) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let operation = operation(source, job).unwrap();
    let context = Context::detached();
    let page = operation.listing(&scope())?.next_page(&context).await?;
    assert!(!page.more);
    let mut files = Vec::new();
    for entry in page.entries {
        let scope = scope().with_item(entry.value.clone());
        let request = operation.request(&scope, Some(&entry))?;
        let mut sink = Sink::Keep { bytes: Vec::new(), limit: 1000 };
        let payload = request.call(&context, &mut sink).await?;
        let Sink::Keep { bytes, .. } = sink else { unreachable!() };
        assert_eq!(payload.brought.bytes, bytes.len() as u64);
        assert_eq!(payload.fingerprint, entry.fingerprint);
        assert!(payload.modified.is_some());
        files.push((String::from_utf8(entry.path.unwrap().join(&b'/')).unwrap(), bytes));
    }
    files.sort();
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_fetches_a_pattern() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::create_dir(sshd.data("day")).unwrap();
    std::fs::write(sshd.data("day/a.csv"), "a").unwrap();
    std::fs::write(sshd.data("b.csv"), "b").unwrap();
    std::fs::write(sshd.path("known"), sshd.known("host")).unwrap();
    std::fs::write(sshd.path("phrase"), "open sesame\n").unwrap();
    let user = sshd.reach().user;
    let common =
        format!("host = \"127.0.0.1\"\nport = {}\nuser = \"{user}\"\nknown_hosts = \"known\"\n", sshd.port);
    for key in [
        "key = \"user\"",
        "key = { file = \"user_rsa\" }",
        "key = { file = \"user_locked\" }\npassphrase = { file = \"phrase\" }",
    ] {
        let source = source(&format!("{common}{key}"), sshd.folder.path()).unwrap();
        let fetch = format!("fetch = \"{}\"", sshd.data("**/*.csv"));
        let both = [("b.csv".to_owned(), b"b".to_vec()), ("day/a.csv".to_owned(), b"a".to_vec())];
        assert_eq!(run(&source, &fetch).await.unwrap(), both);
        let flat = [("a.csv".to_owned(), b"a".to_vec()), ("b.csv".to_owned(), b"b".to_vec())];
        assert_eq!(run(&source, &format!("{fetch}\nflatten = true")).await.unwrap(), flat);
        source.close().await;
    }
    assert!(read(&sshd.path("known")).contains("ssh-ed25519"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_jump_hosts_as_text_as_tables_and_in_a_list() {
    let Some(sshd) = Sshd::start("") else { return };
    let (near, far) = (Sshd::start("").unwrap(), Sshd::start("").unwrap());
    std::fs::write(sshd.data("a.csv"), "a").unwrap();
    let user = sshd.reach().user;
    // All have the server's own login but where they say so: the key that opens `near` opens nothing else.
    let all = [&sshd, &far].map(|sshd| sshd.known("host")).concat();
    std::fs::write(sshd.path("known"), all).unwrap();
    std::fs::copy(sshd.path("authorized_keys"), far.path("authorized_keys")).unwrap();
    std::fs::write(sshd.path("known_near"), near.known("host")).unwrap();
    let common = format!(
        "host = \"127.0.0.1\"\nport = {}\nuser = \"{user}\"\nknown_hosts = \"known\"\nkey = \"user\"\n",
        sshd.port
    );
    let key = near.path("user");
    let own = format!(
        "{{ host = \"127.0.0.1\", port = {}, key = \"{}\", known_hosts = [\"known_near\"] }}",
        near.port,
        key.display()
    );
    let text = format!("\"{user}@127.0.0.1:{}\"", far.port);
    for (jump, passed) in [
        (text.clone(), [0, 1]),
        (own.clone(), [1, 1]),
        (format!("[{own}, {text}]"), [2, 2]),
        (format!("[{text}]"), [2, 3]),
    ] {
        let source = source(&format!("{common}jump = {jump}"), sshd.folder.path()).unwrap();
        let fetch = format!("fetch = \"{}\"", sshd.data("*.csv"));
        let files = run(&source, &fetch).await.unwrap_or_else(|error| panic!("{jump}: {error}"));
        assert_eq!(files, [("a.csv".to_owned(), b"a".to_vec())]);
        source.close().await;
        let logins = [&near, &far].map(|sshd| sshd.log().matches("Accepted publickey").count());
        assert_eq!(logins, passed, "{jump}");
    }
    let jump =
        format!("jump = [{text}, {{ host = \"127.0.0.1\", port = {}, user = \"nobody\" }}]", near.port);
    let error = connect(&source(&format!("{common}{jump}"), sshd.folder.path()).unwrap()).await.unwrap_err();
    let hop = format!("sftp://127.0.0.1:{}: jump host 127.0.0.1:{}: unknown host key", sshd.port, near.port);
    assert!(error.message.starts_with(&hop), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_source_is_for_its_own_host_alone() {
    let Some(near) = Sshd::start("") else { return };
    std::fs::write(near.path("known"), near.known("host")).unwrap();
    let toml = format!(
        "host = \"far\"\nuser = \"{}\"\nknown_hosts = \"known\"\npassword = {{ plain = \"far's own\" }}\n\
         jump = \"127.0.0.1:{}\"\nagent = false",
        near.reach().user,
        near.port
    );
    let error = connect(&source(&toml, near.folder.path()).unwrap()).await.unwrap_err();
    assert!(error.code == "login" && error.message.contains("jump host 127.0.0.1:"), "{error}");
    assert!(!near.log().contains("password"), "{}", near.log());
}

#[test]
fn a_jump_host_has_the_times_and_files_of_its_own_block_where_the_plan_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = "Host far\n ConnectTimeout 3\n ServerAliveInterval 4\n ProxyJump near\n UserKnownHostsFile /far\n\
                Host near\n ConnectTimeout 33\n ServerAliveInterval 44\n Port 2222\n UserKnownHostsFile /near\n\
                Host plain\n ProxyJump bare\n ConnectTimeout 1\n";
    std::fs::write(folder.path().join("config"), text).unwrap();
    let read = |toml: &str, connect_timeout| {
        let surroundings = Surroundings { folder: folder.path(), connect_timeout, asking: None };
        let table = Table::parse(&format!("ssh_config = \"config\"\n{toml}")).unwrap();
        let mut problems = Vec::new();
        let settings = Settings::read(table, &surroundings, &mut problems);
        assert!(problems.is_empty());
        let (target, _) = settings.target(&surroundings);
        let [hop] = settings.jump.hops() else { panic!("one hop") };
        let (there, known) = (hop.target(&settings, &target), hop.access(&settings).known_hosts.is_some());
        let times = [&target, &there].map(|at| (at.connect_timeout.as_secs(), at.keepalive.as_secs()));
        (times, there.address(), known)
    };
    let near = || "near:2222".to_owned();
    assert_eq!(read("host = \"far\"", None), ([(3, 4), (33, 44)], near(), false));
    let own = "host = \"far\"\nkeepalive = \"7s\"\nknown_hosts = \"known\"";
    assert_eq!(read(own, Some(Duration::from_secs(5))), ([(5, 7), (5, 7)], near(), false));
    let bare = "host = \"plain\"\nknown_hosts = \"known\"";
    assert_eq!(read(bare, None), ([(1, 15), (10, 15)], "bare".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_known_hosts_are_told_if_they_cannot_be_read_and_nothing_is_known_from_those_that_are_missing()
 {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::write(sshd.path("known"), sshd.known("host_rsa")).unwrap();
    let (port, user) = (sshd.port, sshd.reach().user);
    let common = format!("host = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\nkey = \"user\"\n");
    let connected =
        async |keys: &str| connect(&source(&format!("{common}{keys}"), sshd.folder.path()).unwrap()).await;
    connected("known_hosts = [\"known\", \"none\"]").await.unwrap();
    let error = connected("known_hosts = \"none\"").await.unwrap_err();
    let hint = error.hint.as_deref().unwrap();
    assert!(error.message.contains("unknown host key ssh-ed25519"), "{error}");
    assert!(hint.contains(&format!(" >> {}", sshd.path("none").display())), "{hint}");
    let error = connected("known_hosts = \"data\"").await.unwrap_err();
    assert!(error.message.contains("known_hosts data: ") && error.code == "host_key", "{error}");
    connected("known_hosts = [\"none\", \"known\"]\naccept_new = true").await.unwrap();
    assert!(!sshd.path("none").exists(), "the host was known");
    connected("known_hosts = \"none\"\naccept_new = true\nhost_key_alias = \"Blue\"").await.unwrap();
    assert!(read(&sshd.path("none")).starts_with("blue ssh-ed25519 "));
    connected("known_hosts = \"none\"\nhost_key_alias = \"blue\"").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_keys_are_told_before_anything_is_sent() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::write(sshd.path("known"), sshd.known("host")).unwrap();
    let common = format!("host = \"127.0.0.1\"\nport = {}\nknown_hosts = \"known\"\n", sshd.port);
    for (keys, told) in [
        ("key = \"missing\"", "key missing: no such file"),
        ("key = \"known\"", "key known: not a private key"),
        ("key = \"user_locked\"", "it needs a `passphrase`"),
        (
            "key = \"user_locked\"\npassphrase = { plain = \"wrong\" }",
            "not a private key that the `passphrase` opens",
        ),
        ("password = { env = \"FANOUT_TEST_NOT_SET\" }", "FANOUT_TEST_NOT_SET is not set"),
    ] {
        let source = source(&format!("{common}user = \"u\"\n{keys}"), sshd.folder.path()).unwrap();
        let error = connect(&source).await.unwrap_err();
        assert_eq!((error.code, error.advice), ("login", Advice::SOURCE_NEVER));
        assert!(error.message.contains(told), "{}", error.message);
    }
    assert!(!sshd.log().contains("Connection from"), "{}", sshd.log());
}

#[test]
fn mistakes_of_a_source_are_all_told() {
    assert_eq!(wrong(""), ["needs `host`"]);
    let all = wrong(
        "host = \"h\"\nport = 0\nhost_key = [\"MD5:x\"]\nconnections = 9\nkeepalive = \"10ms\"\npassphrase = { env = \"P\" }",
    );
    assert_eq!(all.len(), 5, "{all:?}");
    for bandwidth in ["\"0B/s\"", "\"10MiB\"", "\"80Mbit/s\"", "\"-1MB/s\"", "\"20/s\"", "10"] {
        let all = wrong(&format!("host = \"h\"\nbandwidth = {bandwidth}"));
        assert!(all.len() == 1 && all[0].contains("bytes per time such as \"10MiB/s\""), "{all:?}");
    }
    assert!(wrong("host = \"h\"\npasword = { env = \"P\" }")[0].contains("unknown key `pasword`"));
    let literal = &wrong("host = \"h\"\npassword = \"hunter2\"")[0];
    assert!(literal.contains("must not stand in the plan") && !literal.contains("hunter2"), "{literal}");
}

#[test]
fn mistakes_of_jump_hosts_are_told() {
    let told = |jump: &str| wrong(&format!("host = \"h\"\njump = {jump}")).join("\n");
    for (jump, why) in [
        ("\"\"", "must be \"user@host:port\""),
        ("\"a,b\"", "must be \"user@host:port\""),
        ("\"a b\"", "must be \"user@host:port\""),
        ("\"a:x\"", "must be \"user@host:port\""),
        ("\"a:99999\"", "must be \"user@host:port\""),
        ("\"a:0\"", "`port` must be 1 to 65535"),
        ("\"@a\"", "`user` is empty"),
        ("\"u:pa55@a\"", "a password must not stand in the plan"),
        ("[]", "must be 1 to 8 hosts, or \"none\""),
        ("[[\"a\"]]", "must be \"user@host:port\" or a table with `host`, not "),
        ("3", "\"user@host:port\""),
        ("{ user = \"u\" }", "must be \"user@host:port\""),
        ("{ host = \"a\", hots = 1 }", "hots"),
        ("[{ host = \"a\", password = \"pa55\" }]", "must not stand in the plan"),
        ("{ host = \"a\", passphrase = { env = \"P\" } }", "`passphrase` opens a `key`"),
        ("{ host = \"a\", host_key = \"MD5:x\" }", "must be a fingerprint"),
    ] {
        let told = told(jump);
        assert!(told.contains(why) && !told.contains("pa55"), "{jump}: {told}");
    }
    for jump in
        ["\"none\"", "\"a\"", "\"u@a:22\"", "\"ssh://u@[::1]:2222/\"", "\"::1\"", "[\"a\", { host = \"b\" }]"]
    {
        assert!(source(&format!("host = \"h\"\njump = {jump}"), Path::new("/")).is_ok(), "{jump}");
    }
}

#[tokio::test]
async fn a_job_says_whether_it_has_to_be_listed() {
    let source = source("host = \"h\"\nconnections = 1", Path::new("/")).unwrap();
    assert_eq!(source.target(), "sftp://h");
    let lists = |fetch: &str| operation(&source, &format!("fetch = '{fetch}'")).unwrap().lists();
    assert!(lists("/in/*.csv") && lists("/in/") && lists("/in/a.csv") && lists("/in/${{ vars.day }}/*"));
    assert!(!lists("/in/${{ item }}.csv") && lists("/in/${{ item }}/*.csv"));
    assert!(operation(&source, "fetch = '/in/['").err().unwrap()[0].contains("unclosed"));
    let request = operation(&source, "fetch = '/in/${{ item }}'").unwrap();
    let request = request.request(&scope().with_item("a[1].csv".into()), None).unwrap();
    assert_eq!(request.target(), "sftp://h/in/a[1].csv");
}

#[tokio::test]
async fn mistakes_of_a_job_are_all_told() {
    let source = source("host = \"h\"", Path::new("/")).unwrap();
    let wrong = |toml: &str| operation(&source, toml).err().unwrap();
    let all = wrong(
        "fetch = '/in/['\nexclude = ['/in/*.tmp', '*.csv']\ndone_file = '${{ item.name }}'\nsymlinks = 'keep'\nmin_age = 30",
    );
    for told in ["`fetch`", "`exclude`", "`done_file`", "symlinks", "min_age"] {
        assert!(all.iter().any(|why| why.contains(told)), "{told} in {all:?}");
    }
    let one = "fetch = '/in/${{ item }}'\n";
    for key in ["exclude = '*.tmp'", "symlinks = 'follow'", "stable_for = '1s'"] {
        let all = wrong(&format!("{one}{key}"));
        assert!(all[0].contains("named one by one"), "{all:?}");
    }
    assert!(operation(&source, &format!("{one}min_age = '1s'\ndone_file = '${{{{ item }}}}.ok'")).is_ok());
    let many =
        "fetch = '/in/${{ vars.day }}/*'\nexclude = ['*_${{ run.day }}.csv', 'old/']\nstable_for = '1s'";
    assert!(operation(&source, many).is_ok());
}

#[tokio::test]
async fn mistakes_of_checksums_are_told() {
    let source = source("host = \"h\"", Path::new("/")).unwrap();
    let sum = format!("sha256 = '{}'", "0a".repeat(32));
    let each = "checksum_file = '${{ item.name }}.sha256'";
    let many = "fetch = '/in/*.csv'";
    for (keys, told) in [
        (format!("fetch = '/in/a'\nsha256 = '{}'", "0a".repeat(31)), "64 hexadecimal digits, and has 62"),
        (format!("fetch = '/in/a'\n{sum}\n{each}"), "one is enough"),
        (format!("{many}\n{sum}"), "`sha256` would be that of all files"),
        (format!("{many}\n{each}\ngrowing = 'snapshot'"), "`growing` beside a checksum"),
        (format!("fetch = '/in/a'\n{sum}\ngrowing = 'snapshot'"), "`growing` beside a checksum"),
        (
            format!("{many}\nchecksum_file = 'sums/${{{{ item.name }}}}'"),
            "`checksum_file`: it lies in the folder",
        ),
        (
            format!("{many}\nchecksum_file = '${{{{ item.name }}}}'"),
            "`checksum_file`: it could have any name",
        ),
        (
            format!("{many}\nchecksum_file = '${{{{ secrets.x }}}}.md5'"),
            "`checksum_file` can't hold a secret",
        ),
    ] {
        let all = operation(&source, &keys).err().unwrap();
        assert!(all.len() == 1 && all[0].contains(told), "{keys}: {all:?}");
    }
    for keys in [
        format!("fetch = '/in/a'\n{sum}"),
        format!("{many}\nsha256 = '${{{{ vars.sums[item.name] }}}}'"),
        format!("{many}\n{each}"),
        format!("{many}\nchecksum_file = 'SHA256SUMS'"),
    ] {
        assert!(operation(&source, &keys).unwrap().has_checksum(), "{keys}");
    }
    assert!(!operation(&source, many).unwrap().has_checksum());
}

#[test]
fn the_schema_knows_every_key() {
    let (source, job) = super::super::source::Sftp.schemas();
    let keys = |schema: &schemars::Schema| -> Vec<String> {
        schema.as_value()["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    let known = |keys: &[&str]| sorted(keys.iter().map(|key| (*key).to_owned()).collect());
    assert_eq!(sorted(keys(&source)), known(super::super::settings::SOURCE_KEYS));
    assert_eq!(sorted(keys(&job)), known(super::super::settings::JOB_KEYS));
}
