//! Keys that an agent has, against OpenSSH's own.

use super::*;

/// The program beside an agent that has these keys.
fn beside<'a>(plan: &'a Plan, keys: &[&str], arguments: &[&str]) -> Fanout<'a> {
    let add = format!("ssh-add -q {} && exec \"$@\"", keys.join(" "));
    plan.fanout(arguments).env("ADD", add).through("exec setsid --wait ssh-agent sh -c \"$ADD\" sh \"$@\"")
}

/// A server that hangs up after one refusal, and the paths of a key that it takes and of one that it doesn't.
fn strict() -> Option<(Sshd, [String; 2])> {
    let sshd = or_skip(Sshd::start(&["MaxAuthTries 1"]))?;
    let keys = ["user_ed25519", "user_stranger"].map(|name| sshd.key(name).display().to_string());
    Some((sshd, keys))
}

#[test]
fn a_public_key_names_the_one_of_the_agents_that_is_tried_first() {
    let Some((sshd, [good, other])) = strict() else { return };
    let (plan, served) = begin(&sshd);
    let public = plan.home().join("which.pub");
    fs::copy(format!("{good}.pub"), &public).unwrap();
    let url = url(&sshd, &format!("{}/a.csv", served.remote));
    let keys = [other.as_str(), &good];
    let public = public.to_str().unwrap();
    beside(&plan, &keys, &["fetch", "-i", public, &url, "in/"]).run().exits(0);
    for more in ["", "IdentitiesOnly yes\n"] {
        fs::write(plan.home().join(".ssh/config"), format!("IdentityFile {public}\n{more}")).unwrap();
        beside(&plan, &keys, &["fetch", &url, "in/"]).run().exits(0);
    }
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    ended.exits(1).complains("which.pub: a public key, and no agent");
}

#[test]
fn a_key_that_is_named_comes_before_what_the_agent_has_besides_and_is_tried_once() {
    let Some((sshd, [good, other])) = strict() else { return };
    let (plan, served) = begin(&sshd);
    let url = url(&sshd, &format!("{}/a.csv", served.remote));
    fs::write(plan.home().join(".ssh/config"), format!("IdentityFile {good}\n")).unwrap();
    beside(&plan, &[&other], &["fetch", &url, "in/"]).run().exits(0);
    // The agent has no other one than the one that was refused.
    let Some(sshd) = crate::support::sshd() else { return };
    know(&plan, &sshd.known_hosts());
    fs::write(plan.home().join(".ssh/config"), format!("IdentityFile {other}\n")).unwrap();
    let url = super::url(sshd, "/nowhere");
    let ended = beside(&plan, &[&other], &["fetch", &url, "in/"]).run();
    ended.exits(1).complains("user_stranger: refused, agent: it has no");
}
