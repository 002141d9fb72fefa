//! What is asked at a terminal, and that nothing is asked without one.

use super::*;
use crate::support::terminal::{END, INTERRUPT, QUIT, STOP, Terminal};

#[test]
fn without_a_terminal_nothing_is_asked() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let ended = alone(&plan, &["fetch", &url, "in/"]).run();
    ended.exits(1).complains("login of fanout refused: nothing to log in with");
    let stranger = sshd.key("user_stranger");
    let ended = alone(&plan, &["fetch", "-i", stranger.to_str().unwrap(), &url, "in/"]).run();
    ended.exits(1).complains("refused").complains("the server takes: publickey, password");
    let locked = sshd.key("user_locked");
    let ended = alone(&plan, &["fetch", "-i", locked.to_str().unwrap(), &url, "in/"]).run();
    ended.exits(1).complains("user_locked: it is locked");
    know(&plan, "");
    fetch(&plan, sshd, &[&url, "in/"]).run().exits(1).complains("unknown host key");
}

#[test]
fn a_passphrase_is_asked_for_at_the_terminal_without_echo() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/*.csv", served.remote));
    let locked = sshd.key("user_locked");
    let mut terminal = Terminal::start(&plan, &["fetch", "-i", locked.to_str().unwrap(), &url, "in/"]);
    terminal.until("passphrase of key");
    terminal.say("not this one");
    terminal.until("that does not open it");
    terminal.say(PASSPHRASE);
    let said = terminal.exits(0);
    assert!(said.contains("2 new") && !said.contains(PASSPHRASE) && !said.contains("not this one"), "{said}");
    assert_eq!(plan.files(), ["in/a.csv", "in/b.csv"]);
}

#[test]
fn a_password_is_asked_for_when_all_else_was_refused_and_before_anything_is_shown() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let mut terminal = Terminal::start(&plan, &["fetch", &url, "in/"]);
    terminal.until(&format!("password of {USER}@{}:", sshd.host));
    terminal.say(PASSWORD);
    let said = terminal.exits(0);
    assert!(!said.contains(PASSWORD), "{said}");
    assert_eq!(plan.files(), ["in/a.csv"]);
}

#[test]
fn an_unknown_host_is_taken_and_recorded_if_somebody_says_so() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    know(&plan, "");
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let key = sshd.key("user_ed25519");
    let arguments = ["fetch", "-i", key.to_str().unwrap(), &url, "in/"];
    let mut terminal = Terminal::start(&plan, &arguments);
    terminal.until("is it the right one? (yes/no)");
    terminal.say("no");
    assert!(terminal.exits(1).contains("unknown host key"));
    let mut terminal = Terminal::start(&plan, &arguments);
    terminal.say("maybe");
    terminal.until("(yes/no)");
    terminal.until("(yes/no)");
    terminal.say("yes");
    let said = terminal.exits(0);
    assert!(said.contains("note") && said.contains(" accepted"), "{said}");
    assert_eq!(plan.files(), ["in/a.csv"]);
    let line = format!("[{}]:{} {}\n", sshd.host, sshd.port, sshd.public("host_ed25519"));
    assert_eq!(known(&plan), line);
    alone(&plan, &arguments).run().exits(0).never_says("unknown host key");
    // Nobody is asked who said never to ask.
    know(&plan, "");
    fs::write(plan.home().join(".ssh/config"), "StrictHostKeyChecking yes\n").unwrap();
    let said = Terminal::start(&plan, &arguments).exits(1);
    assert!(said.contains("unknown host key") && !said.contains("is it the right one"), "{said}");
}

#[test]
fn each_server_gets_its_own_password_also_where_only_the_port_tells_them_apart() {
    let Some(first) = sshd() else { return };
    let Some(second) = or_skip(Sshd::start(&[])) else { return };
    let (plan, served) = begin(first);
    know(&plan, &[first.known_hosts(), second.known_hosts()].concat());
    let urls = [first, &second].map(|sshd| url(sshd, &format!("{}/a.csv", served.remote)));
    let mut terminal = Terminal::start(&plan, &["fetch", &urls[0], &urls[1], "in/"]);
    terminal.until("password of ");
    terminal.say(PASSWORD);
    terminal.until("password of ");
    terminal.press(INTERRUPT);
    let said = terminal.exits(130);
    for sshd in [first, &second] {
        assert!(said.contains(&format!("password of {USER}@{}:{}:", sshd.host, sshd.port)), "{said}");
    }
}

#[test]
fn nobody_is_asked_where_the_configuration_says_so() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    fs::write(plan.home().join(".ssh/config"), "BatchMode yes\n").unwrap();
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let said = Terminal::start(&plan, &["fetch", &url, "in/"]).exits(1);
    assert!(said.contains("nothing to log in with") && !said.contains("password of"), "{said}");
    know(&plan, "");
    let said = Terminal::start(&plan, &["fetch", &url, "in/"]).exits(1);
    assert!(said.contains("unknown host key") && !said.contains("is it the right one"), "{said}");
}

#[test]
fn the_end_of_input_is_no_answer() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    know(&plan, "");
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let mut terminal = Terminal::start(&plan, &["fetch", &url, "in/"]);
    terminal.until("(yes/no)");
    terminal.press(END);
    assert!(terminal.exits(1).contains("unknown host key"));
}

#[test]
fn no_key_ends_or_stops_the_program_with_echo_off() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let mut terminal = Terminal::start(&plan, &["fetch", &url, "in/"]);
    terminal.until("password of");
    for key in [QUIT, STOP] {
        terminal.press(key);
    }
    // What was typed by then is no password.
    terminal.say("");
    terminal.until("it was refused; ");
    terminal.say(PASSWORD);
    terminal.exits(0);
    assert!(terminal.echoes());
}

#[test]
fn an_interrupt_at_a_question_ends_it_with_echo_as_it_was() {
    let Some(sshd) = sshd() else { return };
    let (plan, served) = begin(sshd);
    let url = url(sshd, &format!("{}/a.csv", served.remote));
    let mut terminal = Terminal::start(&plan, &["fetch", &url, "in/"]);
    terminal.until("password of");
    assert!(!terminal.echoes());
    terminal.press(INTERRUPT);
    terminal.exits(130);
    assert!(terminal.echoes());
}
