//! What was taken once and has not changed is left out, from an SFTP server and from nginx: across runs, also of a process
//! that was killed. Not here: what is done at the source after that (`after`).

use crate::support::plan::Plan;
use crate::support::sources::{http, know, partner};
use crate::support::sshd::{Served, Sshd};
use crate::support::{nginx, sshd};
use std::fs;

/// A plan with this head that fetches the files of a new folder on the server.
fn inbox(sshd: &Sshd, head: &str, files: &[&str]) -> (Served, Plan) {
    let served = sshd.serve();
    files.iter().for_each(|file| served.file(file, file.repeat(10)));
    let job = "[jobs.inbox]\nsource = \"partner\"\noutput = \"inbox/\"\nincremental = true\n";
    let source = partner(sshd, &sshd.host, sshd.port);
    let plan =
        Plan::new(&format!("version = 1\n{head}{source}{job}fetch = \"{}/**/*.csv\"\n", served.remote));
    know(&plan, &sshd.known_hosts());
    (served, plan)
}

fn run(plan: &Plan, says: &[&str]) {
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    says.iter().fold(ended.exits(0), |ended, text| ended.complains(text));
}

#[test]
fn what_was_fetched_and_has_not_changed_is_skipped_and_counted() {
    let Some(sshd) = sshd() else { return };
    let (served, plan) = inbox(sshd, "", &["a.csv", "b.csv", "x/c.csv"]);
    run(&plan, &["3 items: 3 done", "3 new"]);
    run(&plan, &["3 items: 3 skipped", "3 unchanged"]);
    served.file("b.csv", "longer than it was, and another one");
    served.file("d.csv", "one more");
    plan.fanout(&["run", "-n", "plan.toml"])
        .run()
        .exits(0)
        .prints("a.csv]: skipped: unchanged")
        .prints("d.csv -> inbox/d.csv")
        .prints("2 items of 1 job would run, 2 would be skipped");
    run(&plan, &["4 items: 2 done, 2 skipped", "1 new, 1 changed, 2 unchanged"]);
    assert_eq!(plan.read("inbox/b.csv"), "longer than it was, and another one");
    run(&plan, &["4 unchanged"]);
}

#[test]
fn a_file_of_the_same_size_that_was_written_again_is_fetched_again() {
    let Some(sshd) = sshd() else { return };
    let (served, plan) = inbox(sshd, "", &["a.csv"]);
    run(&plan, &["1 new"]);
    served.file("a.csv", "b.csv".repeat(10));
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(served.local.join("a.csv")).unwrap().set_modified(later).unwrap();
    run(&plan, &["1 changed"]);
    assert_eq!(plan.read("inbox/a.csv"), "b.csv".repeat(10));
}

/// Who works off an inbox empties it.
#[test]
fn what_was_taken_stays_taken_when_its_file_is_gone_until_it_is_forgotten() {
    let Some(sshd) = sshd() else { return };
    let (_served, plan) = inbox(sshd, "name = \"nightly\"\n", &["a.csv", "b.csv"]);
    plan.fanout(&["state", "forget", "nightly"])
        .run()
        .exits(2)
        .complains("nothing is remembered of nightly\n");
    run(&plan, &["2 new"]);
    fs::remove_dir_all(plan.path("inbox")).unwrap();
    run(&plan, &["2 unchanged"]);
    assert_eq!(plan.files(), Vec::<String>::new());
    let listed = plan.fanout(&["state", "list"]).run();
    listed.exits(0).prints("nightly  inbox  sftp://").prints("  2  ");
    let key = format!("inbox[{}/a.csv]", _served.remote);
    plan.fanout(&["state", "forget", "nightly", &key]).run().exits(0).prints("1 item forgotten");
    let ended = plan.fanout(&["state", "forget", "nightly", &key]).run();
    ended
        .exits(2)
        .complains(&format!("nothing is remembered of {key} of nightly"))
        .complains("(known: nightly inbox; ");
    run(&plan, &["1 new, 1 unchanged"]);
    plan.fanout(&["state", "forget", "plan.toml"]).run().exits(0).prints("2 items forgotten");
    run(&plan, &["1 new, 1 same"]);
}

#[test]
fn neither_two_plans_nor_two_jobs_nor_two_servers_share_what_they_remember() {
    let Some(sshd) = sshd() else { return };
    let (served, plan) = inbox(sshd, "name = \"one\"\n", &["a.csv"]);
    run(&plan, &["1 new"]);
    let text = plan.read("plan.toml");
    plan.write("plan.toml", text.replace("name = \"one\"", "name = \"two\""));
    run(&plan, &["1 same"]);
    plan.write("plan.toml", text.replace("jobs.inbox", "jobs.other"));
    run(&plan, &["1 same"]);
    let host = format!("host = \"{}\"", sshd.host);
    plan.write("plan.toml", text.replace(&host, "host = \"localhost\""));
    know(&plan, &(sshd.known_hosts() + &sshd.known_hosts_as("localhost", sshd.port)));
    run(&plan, &["1 same"]);
    plan.write("plan.toml", &text);
    run(&plan, &["1 unchanged"]);
    drop(served);
}

#[test]
fn a_file_that_failed_is_not_remembered() {
    let Some(sshd) = sshd() else { return };
    let (_served, plan) = inbox(sshd, "", &["a.csv", "b.csv"]);
    fs::create_dir_all(plan.path("inbox/b.csv")).unwrap();
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("a folder is there");
    fs::remove_dir(plan.path("inbox/b.csv")).unwrap();
    run(&plan, &["1 new, 1 unchanged"]);
}

#[test]
fn without_a_home_for_it_nothing_runs() {
    let Some(sshd) = sshd() else { return };
    let (_served, plan) = inbox(sshd, "", &["a.csv"]);
    let homeless = plan.fanout(&["run", "plan.toml"]).env("HOME", "").run();
    homeless
        .exits(3)
        .complains("job \"inbox\": `incremental` remembers what was taken")
        .complains("--state-dir");
    assert_eq!(plan.files(), Vec::<String>::new());
    plan.fanout(&["run", "plan.toml", "--state-dir", "state"]).run().exits(0).complains("1 new");
}

/// A comparison does the same three times.
#[test]
fn a_comparison_remembers_nothing() {
    let Some(sshd) = sshd() else { return };
    let (_served, plan) = inbox(sshd, "", &["a.csv"]);
    plan.fanout(&["compare", "plan.toml"]).run().exits(0).prints("at once");
    run(&plan, &["1 new"]);
}

#[test]
fn one_file_that_is_named_outright_is_asked_after() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    served.file("a.csv", "a");
    let source = partner(sshd, &sshd.host, sshd.port);
    let plan = Plan::new(&format!(
        "version = 1\n{source}[jobs.each]\nsource = \"partner\"\nfor_each = [\"a\"]\nincremental = true\n\
         fetch = \"{}/${{{{ item }}}}.csv\"\noutput = \"${{{{ item }}}}.csv\"\n",
        served.remote
    ));
    know(&plan, &sshd.known_hosts());
    run(&plan, &["1 new"]);
    run(&plan, &["1 unchanged"]);
    served.file("a.csv", "ab");
    run(&plan, &["1 changed"]);
}

#[test]
fn a_server_is_asked_whether_a_page_has_changed() {
    let Some(nginx) = nginx() else { return };
    nginx.file("incremental/page.txt", "a page");
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.page]\nsource = \"site\"\nget = \"incremental/page.txt\"\noutput = \"page.txt\"\nincremental = true\n",
        http("site", &nginx.url)
    ));
    run(&plan, &["1 new"]);
    run(&plan, &["1 item: 1 skipped", "1 unchanged"]);
    assert_eq!((plan.read("page.txt"), plan.files()), ("a page".to_owned(), vec!["page.txt".to_owned()]));
    nginx.file("incremental/page.txt", "another page");
    run(&plan, &["1 changed"]);
}

/// A plain job has one item, whatever it asks for.
#[test]
fn what_is_known_of_one_page_or_file_says_nothing_of_another() {
    let (Some(nginx), Some(sshd)) = (nginx(), sshd()) else { return };
    let served = sshd.serve();
    let plan = Plan::new(&format!(
        "version = 1\nvars = {{ day = \"2\" }}\n{}{}[jobs.page]\nsource = \"site\"\nget = \"days/${{{{ vars.day }}}}\"\n\
         output = \"page\"\nincremental = true\n[jobs.file]\nsource = \"partner\"\nfor_each = [\"a\"]\n\
         fetch = \"{}/${{{{ vars.day }}}}/${{{{ item }}}}\"\noutput = \"${{{{ item }}}}\"\nincremental = true\n",
        http("site", &nginx.url),
        partner(sshd, &sshd.host, sshd.port),
        served.remote
    ));
    know(&plan, &sshd.known_hosts());
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for day in ["1", "2"] {
        nginx.file(&format!("days/{day}"), day);
        served.file(&format!("{day}/a"), day);
        for path in [nginx.folder.join("data/days").join(day), served.local.join(day).join("a")] {
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
    }
    run(&plan, &["2 new"]);
    run(&plan, &["2 unchanged"]);
    plan.fanout(&["run", "plan.toml", "--var", "day=1"]).run().exits(0).complains("2 changed");
    assert_eq!((plan.read("page"), plan.read("a")), ("1".to_owned(), "1".to_owned()));
}

#[test]
fn what_can_not_be_told_to_have_changed_is_a_mistake() {
    let plan = Plan::new(
        "version = 1\n[jobs.nap]\nsleep = \"1s\"\nincremental = true\n\
         [sources.site]\nkind = \"http\"\nbase_url = \"http://127.0.0.1:9/\"\n\
         [jobs.all]\nsource = \"site\"\nget = \"${{ item }}\"\nfor_each = [\"a\"]\nincremental = true\n\
         output = { file = \"all.jsonl\", join = true }\n",
    );
    plan.fanout(&["check", "plan.toml"])
        .run()
        .exits(3)
        .complains("`incremental`: nothing tells whether its results have changed")
        .complains("`incremental` beside `join`");
}
