//! What the OpenSSH configuration says of a host, in commands and in plans that ask for it.

use super::*;

/// Writes `~/.ssh/config`.
fn configure(plan: &Plan, text: &str) {
    fs::write(plan.home().join(".ssh/config"), text).unwrap();
}

/// An alias `files` for the server.
fn alias(sshd: &Sshd) -> String {
    let key = sshd.key("user_ed25519");
    let key = key.display();
    format!(
        "Host files\n  HostName {}\n  Port {}\n  User {USER}\n  IdentityFile \"{key}\"\n",
        sshd.host, sshd.port
    )
}

#[test]
fn an_alias_brings_host_port_user_and_key() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    configure(&plan, &alias(sshd));
    let url = format!("sftp://files{}/a.csv", served.remote);
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    has(&plan, &ended, &["in/a.csv"]);
    // With none, an alias is a host that nobody knows.
    let url = url.replace("files", &format!("{USER}@files"));
    alone(&plan, &["fetch", "-F", "none", &url, "in/"]).run().exits(1).complains("can't look up files");
}

#[test]
fn what_is_included_counts_and_what_is_said_first_wins() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    fs::create_dir(plan.home().join(".ssh/conf.d")).unwrap();
    fs::write(plan.home().join(".ssh/conf.d/1.conf"), alias(sshd)).unwrap();
    configure(&plan, "Include conf.d/*.conf\nHost *\n  User nobody\n  Port 1\n  IdentitiesOnly yes\n");
    let url = format!("sftp://files{}/a.csv", served.remote);
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    has(&plan, &ended, &["in/a.csv"]);
}

#[test]
fn known_hosts_files_and_an_alias_of_the_key_are_heeded() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    know(&plan, "");
    let known = sshd.public("host_ed25519");
    fs::write(plan.home().join("known"), format!("the-files {known}\n")).unwrap();
    let more = "  UserKnownHostsFile /nowhere/known ~/known\n  HostKeyAlias the-files\n";
    configure(&plan, &(alias(sshd) + more));
    let url = format!("sftp://files{}/a.csv", served.remote);
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    has(&plan, &ended, &["in/a.csv"]);
}

#[test]
fn who_logs_in_where_nobody_is_named_is_who_the_system_says_it_is() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote)).replace(&format!("{USER}@"), "");
    let me = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let me = String::from_utf8(me).unwrap();
    let ended = alone(&plan, &["fetch", &url, "in/"]).env("USER", "somebody").run();
    ended.exits(1).complains(&format!("login of {} refused", me.trim()));
}

#[test]
fn a_key_that_the_configuration_revokes_is_refused_whatever_else_is_known() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let revoked = plan.home().join("revoked");
    configure(&plan, &(alias(sshd) + "  RevokedHostKeys ~/revoked\n"));
    let url = format!("sftp://files{}/a.csv", served.remote);
    let keys = ["host_ed25519", "host_rsa"].map(|name| sshd.public(name) + "\n").concat();
    for (text, told) in [(keys.as_str(), "is revoked at "), ("SSHKRL\n\0", "revoked:1: no public key")] {
        fs::write(&revoked, text).unwrap();
        for more in [&[][..], &["--accept-new"], &["--known-hosts", "none"]] {
            let ended = alone(&plan, &[&["fetch"], more, &[&url, "in/"]].concat()).run();
            ended.exits(1).complains(told);
        }
    }
    fs::remove_file(&revoked).unwrap();
    alone(&plan, &["fetch", &url, "in/"]).run().exits(1).complains("revoked: no such file");
    fs::write(&revoked, "# none\n").unwrap();
    alone(&plan, &["fetch", &url, "in/"]).run().exits(0);
}

#[test]
fn a_file_of_known_hosts_that_is_missing_is_told_and_is_an_empty_one() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let ended = fetch(&plan, sshd, &["--known-hosts", "new/known", &url, "in/"]).run();
    ended.exits(1).complains("unknown host key").complains("known_hosts new/known: no such file");
    let ended = fetch(&plan, sshd, &["--known-hosts", "new/known", "--accept-new", &url, "in/"]).run();
    ended.exits(0).never_says("no such file");
    fetch(&plan, sshd, &["--known-hosts", "new/known", &url, "in/"]).run().exits(0);
}

#[test]
fn a_plan_reads_it_only_if_it_says_so() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    configure(&plan, &alias(sshd));
    let text = |more: &str| {
        format!(
            "version = 1\n[sources.files]\nkind = \"sftp\"\nhost = \"files\"\n{more}\
             [jobs.all]\nsource = \"files\"\nfetch = \"{}/*.csv\"\noutput = \"in/\"\n",
            served.remote
        )
    };
    plan.write("plan.toml", text(""));
    plan.fanout(&["run", "plan.toml"]).run().exits(1);
    plan.write("plan.toml", text("ssh_config = true\n"));
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    has(&plan, &ended, &["in/a.csv", "in/b.csv"]);
    // What the plan says wins.
    plan.write("plan.toml", text("ssh_config = true\nuser = \"stranger\"\n"));
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("login of stranger refused");
}

#[test]
fn a_key_that_is_named_and_not_there_is_told() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let text = alias(sshd).replace("user_ed25519", "user_none");
    configure(&plan, &text);
    let url = format!("sftp://files{}/a.csv", served.remote);
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    ended.exits(1).complains("user_none: no such file");
}

#[test]
fn what_is_not_supported_is_told_with_its_line_and_what_is_passed_over_as_a_warning() {
    let plan = Plan::empty();
    fs::create_dir(plan.home().join(".ssh")).unwrap();
    configure(&plan, "Match exec true\n  Port 7\nHost away\n  ProxyCommand nc %h %p\n");
    let ended = alone(&plan, &["fetch", "sftp://away/a", "in/"]).run();
    ended.exits(3).complains(".ssh/config:4: `proxycommand`: not supported");
    let here = alone(&plan, &["fetch", "-n", "sftp://me@127.0.0.1:1/a", "in/"]).run();
    here.exits(1).complains("fanout: warning: source \"127.0.0.1\":").complains("`Match exec` is not heeded");
}
