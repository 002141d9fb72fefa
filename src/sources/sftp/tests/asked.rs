//! What a person is asked while a source connects, and what of the OpenSSH configuration a login uses.

use super::sshd::{Sshd, keygen, read};
use super::*;
use crate::sources::sftp::identity::Openers;
use crate::sources::sftp::known_hosts::KnownHosts;
use crate::sources::{Answer, Question};
use std::path::Path;
use std::sync::Mutex;
use tokio::sync::mpsc;

/// Somebody who gives these answers, one after another, then none; and what was asked.
fn person(answers: &[&'static str]) -> (Asking, Arc<Mutex<Vec<String>>>) {
    let (asking, questions) = Asking::new();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    tokio::spawn(answer(questions, asked.clone(), answers.to_vec()));
    (asking, asked)
}

async fn answer(
    mut questions: mpsc::Receiver<Question>,
    asked: Arc<Mutex<Vec<String>>>,
    answers: Vec<&'static str>,
) {
    let mut answers = answers.into_iter();
    while let Some(question) = questions.recv().await {
        asked.lock().unwrap().push(question.text);
        match (question.answer, answers.next()) {
            (Answer::Secret(to), Some(said)) => drop(to.send(Secret::new(said))),
            (Answer::Consent(to), Some(said)) => drop(to.send(said == "yes")),
            (_, None) => {}
        }
    }
}

async fn connect(reach: Reach) -> Result<(), SourceError> {
    super::super::list::greet(&reach.pool(), &Context::detached()).await
}

fn locked(path: &Path, asking: &Asking) -> Method {
    let openers = Openers { by_agent: false, asking: Some(asking) };
    openers.read(&read(path), "locked", Some(path)).unwrap()
}

fn asked(asking: &Asking) -> Method {
    let asked = super::super::auth::Asked {
        asking: asking.clone(),
        of: "me@here".to_owned(),
        good: tokio::sync::OnceCell::new(),
    };
    Method::Asked(Arc::new(asked))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_until_it_is_right() {
    let Some(sshd) = Sshd::start("") else { return };
    let (asking, said) = person(&["wrong", "open sesame"]);
    let mut reach = sshd.reach();
    reach.methods = vec![locked(&sshd.path("user_locked"), &asking)];
    connect(reach).await.unwrap();
    let again = "that does not open it; passphrase of key locked:";
    assert_eq!(*said.lock().unwrap(), ["passphrase of key locked:", again]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_to_open_a_key_that_the_server_does_not_take() {
    let Some(sshd) = Sshd::start("") else { return };
    keygen(&sshd.path("stranger"), "ed25519", "open sesame");
    let (asking, said) = person(&[]);
    let mut reach = sshd.reach();
    reach.methods = vec![locked(&sshd.path("stranger"), &asking)];
    let error = connect(reach).await.unwrap_err();
    assert!(error.message.ends_with("key locked: refused"), "{}", error.message);
    assert!(said.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stays_locked_is_followed_by_what_else_there_is() {
    let Some(sshd) = Sshd::start("") else { return };
    let (asking, said) = person(&["a", "b", "c"]);
    let mut reach = sshd.reach();
    reach.methods.insert(0, locked(&sshd.path("user_locked"), &asking));
    connect(reach).await.unwrap();
    assert_eq!(said.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_once_however_many_connections_there_are() {
    let Some(sshd) = Sshd::start("") else { return };
    let (asking, said) = person(&["open sesame"]);
    let mut reach = sshd.reach();
    reach.methods = vec![locked(&sshd.path("user_locked"), &asking)];
    let pool = reach.pool();
    let lease = pool.lease(&Context::detached()).await.unwrap();
    let place = lease.others().next().unwrap();
    assert!(lease.another(place).await.is_some(), "{}", sshd.log());
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 2);
    assert_eq!(said.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_three_times_at_most_and_only_if_the_server_takes_one() {
    let Some(sshd) = Sshd::start("") else { return };
    let (asking, said) = person(&["a", "b", "c", "d"]);
    let mut reach = sshd.reach();
    reach.methods = vec![asked(&asking)];
    let error = connect(reach).await.unwrap_err();
    assert!(error.message.ends_with("password: refused"), "{}", error.message);
    // In other words each time: a terminal answers the same words once.
    let asked_for = ["password", "it was refused; password", "so was that; password"];
    assert_eq!(*said.lock().unwrap(), asked_for.map(|what| format!("{what} of me@here:")));
    let Some(sshd) = Sshd::start("PasswordAuthentication no") else { return };
    let mut reach = sshd.reach();
    reach.methods = vec![asked(&asking)];
    connect(reach).await.unwrap_err();
    assert_eq!(said.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_asked_about_once_and_after_a_yes_recorded() {
    let Some(sshd) = Sshd::start("") else { return };
    for (answer, is_in) in [("no", false), ("yes", true)] {
        let (asking, said) = person(&[answer]);
        let file = sshd.path("new/known_hosts");
        let mut reach = sshd.reach();
        (reach.known, reach.asking) = (KnownHosts::default(), Some((asking, Some(file.clone()))));
        let pool = reach.pool();
        let lease = pool.lease(&Context::detached()).await;
        assert_eq!((lease.is_ok(), file.exists()), (is_in, is_in));
        if let Ok(lease) = lease {
            let place = lease.others().next().unwrap();
            assert!(lease.another(place).await.is_some());
            let mut known = sshd.reach();
            known.known = sshd.knows(&read(&file));
            connect(known).await.unwrap();
            assert_eq!(read(&file).lines().count(), 1);
        }
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("unknown host key ssh-ed25519 SHA256:"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_that_cannot_be_recorded_holds_for_the_run() {
    let Some(sshd) = Sshd::start("") else { return };
    for file in [None, Some(sshd.path("user/known_hosts"))] {
        let (asking, said) = person(&["yes"]);
        let mut reach = sshd.reach();
        (reach.known, reach.asking) = (KnownHosts::default(), Some((asking, file)));
        let trust = reach.credentials().trust;
        let key = russh::keys::PublicKey::from_openssh(&read(&sshd.path("host.pub"))).unwrap();
        let shown = russh::keys::PublicKeyOrCertificate::from(key);
        trust.examine(&shown).await.unwrap();
        trust.examine(&shown).await.unwrap();
        assert_eq!(said.lock().unwrap().len(), 1);
        assert!(trust.warnings()[0].contains(" accepted for this run"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_about_a_host_that_changed() {
    let Some(sshd) = Sshd::start("") else { return };
    keygen(&sshd.path("other"), "ed25519", "");
    let (asking, said) = person(&["yes"]);
    let mut reach = sshd.reach();
    reach.known = sshd.knows(&sshd.known("other"));
    reach.asking = Some((asking, None));
    assert_eq!(connect(reach).await.unwrap_err().code, "host_key");
    assert!(said.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_on_the_way_is_asked_about_by_its_own_name() {
    let Some(sshd) = Sshd::start("") else { return };
    let near = Sshd::start("").unwrap();
    let (asking, said) = person(&["yes", "yes", "open sesame"]);
    let (mut reach, mut hop) = (sshd.reach(), near.reach());
    reach.methods = vec![locked(&sshd.path("user_locked"), &asking)];
    for reach in [&mut reach, &mut hop] {
        let file = Some(sshd.path("asked"));
        (reach.known, reach.asking) = (KnownHosts::default(), Some((asking.clone(), file)));
    }
    reach.hops = vec![hop];
    connect(reach).await.unwrap();
    let said = said.lock().unwrap();
    for (said, port) in said.iter().zip([near.port, sshd.port]) {
        assert!(said.starts_with(&format!("sftp://127.0.0.1:{port}: unknown host key ")), "{said}");
    }
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(read(&sshd.path("asked")).lines().count(), 2);
}
