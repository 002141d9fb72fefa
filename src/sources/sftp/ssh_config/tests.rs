use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

fn asked(host: &str) -> Asked {
    Asked { host: host.to_owned(), user: None, port: None, local_user: "me".to_owned() }
}

/// A folder with a configuration of this text.
fn written(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    fs::write(&file, text).unwrap();
    (folder, file)
}

fn found(text: &str, host: &str) -> Result<Found, String> {
    let (folder, file) = written(text);
    let found = look_up(Some(&file), &asked(host));
    found.map_err(|why| why.replace(&folder.path().display().to_string(), ""))
}

fn host_of(text: &str, host: &str) -> String {
    found(text, host).unwrap().host
}

/// What `ssh -G` says, as sets of lines; none without `ssh`.
fn openssh(file: &Path, host: &str) -> Option<BTreeSet<String>> {
    let output = Command::new("ssh").args(["-G", "-F"]).arg(file).arg(host).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", fs::read_to_string(file).unwrap());
    let keys = "hostname user port identityfile identitiesonly proxyjump userknownhostsfile globalknownhostsfile \
                stricthostkeychecking hostkeyalias revokedhostkeys batchmode connecttimeout \
                serveraliveinterval";
    let is_heeded = |line: &&str| keys.split(' ').any(|key| line.split(' ').next() == Some(key));
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().filter(is_heeded).map(|line| line.trim_end().to_owned()).collect())
}

/// The same lines from what is read here; what is not said is taken from `defaults`.
fn as_lines(options: &Options, asked: &Asked, defaults: &BTreeSet<String>) -> BTreeSet<String> {
    let list = |files: &Vec<String>| if files.is_empty() { "none".to_owned() } else { files.join(" ") };
    let strict = |strict| match strict {
        Strict::Yes => "true",
        Strict::Ask => "ask",
        Strict::AcceptNew => "accept-new",
        Strict::No => "false",
    };
    let seconds = |time: Duration| time.as_secs().to_string();
    let timeout = options.connect_timeout.map(|time| time.map_or("none".to_owned(), seconds));
    let flag = |flag| if flag { "yes" } else { "no" }.to_owned();
    let said = [
        ("hostname", Some(real_host(options, asked).unwrap())),
        ("user", options.user.clone()),
        ("port", options.port.map(|port| port.to_string())),
        ("identitiesonly", options.identities_only.map(flag)),
        ("proxyjump", options.jump.as_ref().filter(|jump| !jump.is_empty()).map(|jump| jump.join(","))),
        ("userknownhostsfile", options.user_known_hosts.as_ref().map(list)),
        ("globalknownhostsfile", options.global_known_hosts.as_ref().map(list)),
        ("stricthostkeychecking", options.strict.map(|value| strict(value).to_owned())),
        ("hostkeyalias", options.host_key_alias.as_ref().map(|alias| alias.to_lowercase())),
        ("revokedhostkeys", options.revoked.clone()),
        ("batchmode", options.is_batch.map(flag)),
        ("connecttimeout", timeout),
        ("serveraliveinterval", options.keepalive.map(seconds)),
    ];
    let mut lines: BTreeSet<String> =
        options.identity_files.iter().map(|file| format!("identityfile {file}")).collect();
    lines.extend(said.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?))));
    let is_said = |line: &&String| lines.iter().any(|said| said.split(' ').next() == line.split(' ').next());
    let rest: Vec<String> = defaults.iter().filter(|line| !is_said(line)).cloned().collect();
    lines.extend(rest);
    lines
}

/// Both read it alike, for a host.
fn alike(file: &Path, host: &str) -> Result<(), TestCaseError> {
    let (_empty, empty) = written("");
    let Some(theirs) = openssh(file, host) else {
        assert!(std::env::var_os("FANOUT_REQUIRE_SERVERS").is_none(), "ssh is required and not installed");
        return Ok(());
    };
    let defaults = openssh(&empty, host).unwrap();
    let user = defaults.iter().find_map(|line| line.strip_prefix("user ")).unwrap();
    let asked = Asked { local_user: user.to_owned(), ..asked(host) };
    let (options, notes) = read(Some(file), &asked).map_err(TestCaseError::fail)?;
    prop_assert_eq!(notes, Vec::<String>::new());
    prop_assert_eq!(as_lines(&options, &asked, &defaults), theirs, "{}", fs::read_to_string(file).unwrap());
    Ok(())
}

#[test]
fn a_configuration_is_read_as_openssh_reads_it() {
    let (folder, file) = written("");
    let at = folder.path().display();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::write(folder.path().join("d/1.conf"), "Port 1001\nHost in\nUser one\nHost *\nHostName=%h.in\n")
        .unwrap();
    fs::write(folder.path().join("d/2.conf"), "Match host *.in\n  Port 1002\n  IdentityFile /k/%h\n")
        .unwrap();
    fs::write(folder.path().join("d/.hidden.conf"), "User hidden\n").unwrap();
    let texts = [
        "Host a\n HostName one\nHost a b\n HostName two\n Port 7\n".to_owned(),
        "hOsT !b *\n  USER=x\nHost *\n\tuser = y\n".to_owned(),
        "Host b* !bb\n  Port=\"22\"\n  IdentityFile /a\n  IdentityFile \"/b c\" # comment\n  IdentityFile /a\n".to_owned(),
        "# a comment\n\n  IdentityFile none\nIdentitiesOnly YES\nHost ? ??\nHostName %h.X\n".to_owned(),
        "Match all\n User u\nMatch host a,b\n Port 1\nMatch !host a user u\n Port 2\n".to_owned(),
        "Host a\nHostName z\nMatch host z originalhost a\nUser found\nMatch originalhost=\"b\"\nUser other\n".to_owned(),
        "Match user root,me\nPort 4\nMatch localuser !root,*\nPort 5\nMatch !user nobody\nUser w\n".to_owned(),
        "ProxyJump u@j:2,k\nProxyCommand none\nProxyJump l\n".to_owned(),
        "ProxyCommand none\nProxyJump l\n".to_owned(),
        "ProxyJump none\nProxyJump l\n".to_owned(),
        "UserKnownHostsFile /a '/b c'\nUserKnownHostsFile /d\nGlobalKnownHostsFile /e /f#g #h\n".to_owned(),
        "UserKnownHostsFile none\nStrictHostKeyChecking accept-new\nHostKeyAlias Foo.Bar\n".to_owned(),
        "StrictHostKeyChecking off\nConnectTimeout 1m30\nServerAliveInterval 2H\n".to_owned(),
        "RevokedHostKeys /r\nRevokedHostKeys /s\nBatchMode no\nBatchMode yes\nConnectTimeout 0\n".to_owned(),
        "StrictHostKeyChecking Ask\nConnectTimeout none\nServerAliveInterval 0\n".to_owned(),
        format!("Host b\nInclude {at}/d/*.conf\nUser after\n"),
        format!("Include {at}/d/[!1].conf {at}/d/1.conf {at}/nothing/*\nUser after\nHost x\nPort 9\n"),
        "UnknownToUs yes\n".replace("UnknownToUs", "Compression"),
        "IdentityFile /a\\\\b\\\"c\nHostName \"x\"\n".to_owned(),
    ];
    for text in texts {
        fs::write(&file, &text).unwrap();
        for host in ["a", "b", "bb", "in", "A"] {
            alike(&file, host).unwrap_or_else(|why| panic!("{host}: {why}\n{text}"));
        }
    }
}

/// A line of a configuration.
fn line() -> impl Strategy<Value = String> {
    let patterns = prop::collection::vec("!?[abA*?]{1,2}", 1..4);
    let list = prop::collection::vec("!?[abmA*?]{1,2}", 1..3).prop_map(|list| list.join(","));
    let criterion = prop_oneof![Just("host"), Just("originalhost"), Just("user"), Just("localuser")];
    let criterion = (any::<bool>(), criterion, list)
        .prop_map(|(not, name, list)| format!("{}{name} {list}", if not { "!" } else { "" }));
    let keyword = prop_oneof![
        "HostName [abA]%h",
        "User [abm]",
        "Port [1-9][0-9]{0,3}",
        "IdentityFile /[ab]",
        "IdentitiesOnly (yes|no)",
        "ProxyJump (none|c,d|u@c:7)",
        "StrictHostKeyChecking (yes|no|ask|accept-new)",
        "HostKeyAlias [AB]",
        "ConnectTimeout [1-9]m?",
        "UserKnownHostsFile /[ab] \"/c d\"",
    ];
    let spaced = (keyword, prop_oneof![Just(" "), Just("="), Just(" = "), Just("\t")], "[ \t]{0,3}")
        .prop_map(|(line, between, before)| {
            let (keyword, value) = line.split_once(' ').unwrap();
            format!("{before}{keyword}{between}{value}")
        });
    prop_oneof![
        2 => patterns.prop_map(|patterns| format!("Host {}", patterns.join(" "))),
        1 => prop::collection::vec(criterion, 1..3).prop_map(|all| format!("Match {}", all.join(" "))),
        1 => Just("Match all".to_owned()),
        6 => spaced,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_blocks_hold_as_they_do_for_openssh(lines in prop::collection::vec(line(), 0..12), host in "[abA]{1,2}") {
        let (_folder, file) = written(&lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        }));
        alike(&file, &host)?;
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\t\"'\\\\=#]{0,200}") {
        let _ = found(&text, "a");
    }
}

#[test]
fn values_are_filled_in() {
    let text = "Host a\n HostName %h.example\n User u\n Port 77\n IdentityFile ~/%r@%h:%p\n IdentityFile %d/%n%%\n \
                HostKeyAlias %n-key\n UserKnownHostsFile ${HOME}/k\nGlobalKnownHostsFile /g%k\n";
    let found = found(text, "a").unwrap();
    let home = std::env::home_dir().unwrap();
    assert_eq!(found.host, "a.example");
    assert_eq!(found.identities.unwrap(), [home.join("u@a.example:77"), home.join("a%")]);
    assert_eq!(found.user_known_hosts.unwrap(), [home.join("k")]);
    assert_eq!(found.global_known_hosts.unwrap(), [PathBuf::from("/g%n-key")]);
    assert_eq!(found.alias.as_deref(), Some("a-key"));
}

#[test]
fn a_time_of_0_is_no_time_at_all_and_one_that_no_clock_has_is_a_mistake() {
    let said = found("ConnectTimeout 0\nServerAliveInterval 0\n", "a").unwrap();
    assert_eq!((said.connect_timeout, said.keepalive), (None, None));
    for time in ["2147483648", "9223372036854775807", "99999w", "9999999999999999999999"] {
        for keyword in ["ConnectTimeout", "ServerAliveInterval"] {
            let why = found(&format!("{keyword} {time}\n"), "a").unwrap_err();
            assert!(why.ends_with("is not a value of it"), "{why}");
        }
    }
    assert!(found("ConnectTimeout 2147483647\n", "a").is_ok());
}

#[test]
fn what_was_said_before_wins_and_counts() {
    let (_folder, file) = written("User u\nPort 1\nMatch user me2\n HostName found\nIdentityFile /%r%p\n");
    let asked = Asked { user: Some("me2".to_owned()), port: Some(5), ..asked("a") };
    let found = look_up(Some(&file), &asked).unwrap();
    assert_eq!((found.host.as_str(), found.user.as_deref(), found.port), ("found", Some("me2"), Some(5)));
    assert_eq!(found.identities.unwrap(), [PathBuf::from("/me25")]);
}

#[test]
fn hosts_on_the_way_are_looked_up_too() {
    let text = "Host target\n ProxyJump one,bob@two:9\nHost one\n HostName 1.example\n User anna\n ProxyJump zero\n\
                Host two\n HostName 2.example\n ProxyJump never\nHost zero\n Port 2200\n";
    let way = |text: &str, host: &str| {
        let hop = |hop: Found| (hop.user.unwrap_or_default(), hop.host, hop.port.unwrap_or(22));
        found(text, host).unwrap().jump.into_iter().map(hop).collect::<Vec<_>>()
    };
    let hop = |user: &str, host: &str, port| (user.to_owned(), host.to_owned(), port);
    let hops = [hop("", "zero", 2200), hop("anna", "1.example", 22), hop("bob", "2.example", 9)];
    assert_eq!(way(text, "target"), hops);
    assert_eq!(way(text, "two"), [hop("", "never", 22)]);
    assert_eq!(way("Host x\nProxyJump [::1]:7\n", "x").last().unwrap(), &hop("", "::1", 7));
    assert_eq!(way("Host x\nProxyJump ssh://u@y:7/\n", "x"), [hop("u", "y", 7)]);
    assert!(found("ProxyJump a:b:c\n", "x").unwrap_err().ends_with("\"a:b:c\" is no host"));
    let keys = found("Host a\nProxyJump b\nHost b\nIdentityFile /b\nHost a\nIdentityFile /a\n", "a").unwrap();
    assert_eq!(keys.jump[0].identities.as_deref(), Some(&[PathBuf::from("/b")][..]));
}

#[test]
fn a_circle_of_jumps_ends() {
    let why = found("Host a\nProxyJump b\nHost b\nProxyJump a\n", "a").unwrap_err();
    assert_eq!(why, "ProxyJump: more than 8 hosts on the way, or a circle");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, why) in [
        ("Port 22\nHost a\nPort x\n", "/config:3: `port`: \"x\" is not a value of it"),
        ("HostName \"a\n", "/config:1: a quote is not closed"),
        ("Port\n", "/config:1: `Port` says nothing"),
        ("HostName a b\n", "/config:1: `hostname`: it takes one value"),
        ("Match host\n", "/config:1: `Match host` of what?"),
        ("Match # all\n", "/config:1: `Match` says nothing"),
        ("Match all host a\n", "/config:1: `all` stands alone in a `Match`"),
        ("User %z\nIdentityFile /%z\n", "\"/%z\": %z means nothing here"),
    ] {
        assert!(found(text, "a").unwrap_err().ends_with(why), "{text}: {}", found(text, "a").unwrap_err());
    }
    assert!(look_up(Some(Path::new("/nowhere/config")), &asked("a")).unwrap_err().ends_with("no such file"));
}

#[test]
fn a_command_in_the_place_of_a_connection_is_refused_with_its_line() {
    let why = found("Host a\n  ProxyCommand nc %h %p\n", "a").unwrap_err();
    assert!(why.starts_with("/config:2: `proxycommand`: not supported\n  ("), "{why}");
    assert_eq!(host_of("Host b\n  ProxyCommand nc %h %p\n", "a"), "a");
    assert_eq!(host_of("Host a\nProxyJump b\nProxyCommand nc %h %p\n", "a"), "a");
    assert_eq!(host_of("ProxyCommand none\nProxyCommand nc %h %p\n", "a"), "a");
}

#[test]
fn blocks_that_depend_on_something_else_are_passed_over_and_told_if_they_matter() {
    let text = "Match exec \"test -e x=y\" user me\n  HostName x\n  Port 1\nMatch final all\n  Ciphers c\n\
                Match host b exec true\n  User u\n";
    let found = found(text, "a").unwrap();
    assert_eq!((found.host.as_str(), found.port), ("a", None));
    let [note] = found.notes.as_slice() else { panic!("{:?}", found.notes) };
    assert!(note.ends_with("/config:2 is passed over: what depends on `Match exec` is not heeded"), "{note}");
}

#[test]
fn no_check_of_host_keys_is_heeded_as_accept_new_and_told() {
    let found = found("StrictHostKeyChecking no\n", "a").unwrap();
    assert_eq!(found.strict, Some(Strict::No));
    assert!(found.notes[0].contains("a host key that changed is refused"), "{:?}", found.notes);
}

#[test]
fn files_that_include_each_other_end() {
    let (folder, file) = written("");
    fs::write(&file, format!("Include {}\n", file.display())).unwrap();
    let why = look_up(Some(&file), &asked("a")).unwrap_err();
    assert!(why.contains("too deeply"), "{why}");
    drop(folder);
}

#[test]
fn an_included_file_that_others_may_write_is_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, file) = written("");
    let included = folder.path().join("included");
    fs::write(&included, "HostName evil\n").unwrap();
    fs::set_permissions(&included, fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(&file, format!("Include {}\n", included.display())).unwrap();
    assert!(look_up(Some(&file), &asked("a")).unwrap_err().contains("others may write to it"));
}
