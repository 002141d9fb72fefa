//! Jump hosts and hosts that are new, by flags and by the OpenSSH configuration.

use super::*;
use crate::support::terminal::Terminal;

/// A jump host for the same user with the same keys as `sshd`, with these lines in its settings.
fn jump_host(sshd: &Sshd, settings: &[&str]) -> Option<(Sshd, String)> {
    let keys = format!("AuthorizedKeysFile {}", sshd.key("authorized").display());
    let near = or_skip(Sshd::start(&[&[keys.as_str()], settings].concat()))?;
    let hop = format!("{USER}@{}:{}", near.host, near.port);
    Some((near, hop))
}

/// Its line in a file of known hosts.
fn line(sshd: &Sshd) -> String {
    format!("[{}]:{} {}\n", sshd.host, sshd.port, sshd.public("host_ed25519"))
}

/// `Host NAME` with its own key.
fn block(name: &str, sshd: &Sshd, more: &str) -> String {
    let key = sshd.key("user_ed25519");
    let (host, port, key) = (&sshd.host, sshd.port, key.display());
    format!("Host {name}\n HostName {host}\n Port {port}\n User {USER}\n IdentityFile \"{key}\"\n{more}")
}

#[test]
fn files_come_through_a_jump_host() {
    let Some(sshd) = sshd() else { return };
    let Some((near, hop)) = jump_host(sshd, &[]) else { return };
    let Some((closed, no_way)) = jump_host(sshd, &["AllowTcpForwarding no"]) else { return };
    let (plan, served) = begin(sshd);
    know(&plan, &[sshd.known_hosts(), near.known_hosts(), closed.known_hosts()].concat());
    let url = url(sshd, &format!("{}/*.csv", served.remote));
    let ended = fetch(&plan, sshd, &["-J", &hop, &url, "in/"]).run();
    has(&plan, &ended, &["in/a.csv", "in/b.csv"]);
    let twice = format!("{hop},{hop}");
    fetch(&plan, sshd, &["-J", &twice, &url, "in/"]).run().exits(0);
    let ended = fetch(&plan, sshd, &["-J", &no_way, &url, "in/"]).run();
    ended.exits(1).complains("it does not allow forwarding to it");
}

#[test]
fn new_hosts_are_recorded_on_the_whole_way_and_changed_ones_refused() {
    let Some(sshd) = sshd() else { return };
    let Some((near, hop)) = jump_host(sshd, &[]) else { return };
    let (plan, served) = begin(sshd);
    know(&plan, "");
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let all = ["-J", &hop, "--accept-new", &url, "in/"];
    fetch(&plan, sshd, &["-J", &hop, &url, "in/"]).run().exits(1).complains("unknown host key");
    let ended = fetch(&plan, sshd, &all).run();
    has(&plan, &ended, &["in/a.csv"]);
    assert_eq!(known(&plan), line(&near) + &line(sshd));
    ended.complains(" accepted, and added to ");
    // Known from then on; and what changed is refused.
    fetch(&plan, sshd, &["-J", &hop, &url, "in/"]).run().exits(0).never_says("unknown host key");
    know(&plan, &line(&near).replace(&near.public("host_ed25519"), &sshd.public("host_ed25519")));
    fetch(&plan, sshd, &all).run().exits(1).complains("the host key changed");
}

#[test]
fn each_unknown_host_on_the_way_is_asked_about_and_told_as_recorded() {
    let Some(sshd) = sshd() else { return };
    let Some((near, hop)) = jump_host(sshd, &[]) else { return };
    let (plan, served) = begin(sshd);
    know(&plan, "");
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let key = sshd.key("user_ed25519");
    let arguments = ["fetch", "-i", key.to_str().unwrap(), "-J", &hop, &url, "in/"];
    let mut terminal = Terminal::start(&plan, &arguments);
    terminal.until(&format!("jump host {}:{}: unknown host key", near.host, near.port));
    terminal.until("(yes/no)");
    terminal.say("yes");
    terminal.until(&format!("sftp://{}:{}: unknown host key", sshd.host, sshd.port));
    terminal.until("(yes/no)");
    terminal.say("yes");
    let said = terminal.exits(0);
    assert_eq!(said.matches("note").count(), 2, "{said}");
    assert_eq!(known(&plan).lines().count(), 2);
}

#[test]
fn the_configuration_says_the_way_and_how_to_pass_it() {
    let Some(sshd) = sshd() else { return };
    let Some(near) = or_skip(Sshd::start(&[])) else { return };
    let (plan, served) = begin(sshd);
    know(&plan, "");
    // Each takes its own key only.
    let text = block("files", sshd, " ProxyJump bastion\n")
        + &block("bastion", &near, "")
        + "Host *\n StrictHostKeyChecking accept-new\n";
    fs::write(plan.home().join(".ssh/config"), &text).unwrap();
    let url = format!("sftp://files{}/*.csv", served.remote);
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    has(&plan, &ended, &["in/a.csv", "in/b.csv"]);
    assert!(known(&plan).starts_with(&format!("[{}]:{} ", near.host, near.port)));
    assert_eq!(known(&plan).lines().count(), 2);
    // A plan, and a jump host that is an alias.
    let straight = text.replace(" ProxyJump bastion\n", "");
    for (config, jump) in [(&text, ""), (&straight, "jump = \"bastion\"\n")] {
        fs::write(plan.home().join(".ssh/config"), config).unwrap();
        plan.write(
            "plan.toml",
            format!(
                "version = 1\n[sources.files]\nkind = \"sftp\"\nhost = \"files\"\nssh_config = true\n{jump}\
                 [jobs.all]\nsource = \"files\"\nfetch = \"{}/*.csv\"\noutput = \"in/\"\n",
                served.remote
            ),
        );
        know(&plan, "");
        plan.fanout(&["run", "plan.toml"]).run().exits(0);
        assert_eq!(known(&plan).lines().count(), 2, "{jump}");
    }
    // None, whatever the configuration says.
    fs::write(plan.home().join(".ssh/config"), &text).unwrap();
    know(&plan, "");
    alone(&plan, &["fetch", "-J", "none", &url, "straight/"]).run().exits(0);
    assert_eq!(known(&plan), line(sshd));
}
