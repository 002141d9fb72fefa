//! Dry runs: every item is found out and told, listings from a real server and all; nothing else is asked for, nothing is
//! written. Not here: what the items do (`run`).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::command::Ended;
use crate::support::plan::Plan;
use crate::support::sources::{http, know, ledger, partner};
use crate::support::sshd::{Served, Sshd};
use crate::support::{process, sshd};

/// A server's folder with some files, and a plan with this text after the sources `partner` and `web`.
fn listed(sshd: &Sshd, server: &ClockServer, jobs: impl Fn(&str) -> String) -> (Served, Plan) {
    let served = sshd.serve();
    for name in ["day/a.csv", "day/b.csv", "day/deep/c.csv", "day/notes.txt"] {
        served.file(name, "content");
    }
    let plan = Plan::new(&format!(
        "version = 1\n{}{}{}",
        partner(sshd, &sshd.host, sshd.port),
        http("web", &server.url("")),
        jobs(&served.remote)
    ));
    know(&plan, &sshd.known_hosts());
    (served, plan)
}

/// What is printed, without the server's folder and addresses. Sorted, as a server lists in an order of its own.
fn lines(ended: &Ended, sshd: &Sshd, remote: &str, server: &ClockServer) -> String {
    let text = ended.stdout.replace(&format!("sftp://{}:{}", sshd.host, sshd.port), "SFTP");
    let text = text.replace(remote, "/REMOTE").replace(&server.url(""), "HTTP");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn a_dry_run_ends_with_its_reader() {
    let plan = Plan::new(
        "version = 1\n[jobs.nap]\nsleep = \"${{ item }}s\"\nfor_each = { range = [1, 1000000000000] }\n",
    );
    let command = "\"$@\" -v --dry-run | head -n 1";
    plan.fanout(&["run", "plan.toml"]).through(command).run().exits(0).prints("nap[1]");
}

#[test]
fn every_kind_of_item_is_told_and_nothing_is_transferred() {
    let Some(sshd) = sshd() else { return };
    let server = ClockServer::start(|_| Answer::default());
    let nobody = process::free_address();
    let (served, plan) = listed(sshd, &server, |remote| {
        format!(
            r#"
[sources.shop]
kind = "postgres"
url = "postgres://me@{nobody}/shop"

{}
[secrets]
key = {{ plain = "canary-key" }}

[jobs.glob]
source = "partner"
fetch = "{remote}/**/*.csv"
output = "inbox/"

[jobs.folder]
source = "partner"
fetch = "{remote}/day/"
output = "all/${{{{ item.name }}}}"

[jobs.one]
source = "partner"
fetch = "{remote}/day/a.csv"

[jobs.each]
source = "web"
get = "latest/${{{{ item }}}}?k=${{{{ secrets.key }}}}"
for_each = ["EUR", "USD", "EUR"]
duplicates = "first"
output = "fx/${{{{ item }}}}.json"

[jobs.post]
source = "web"
post = "hook"
json = {{ n = 1 }}

[jobs.later]
source = "web"
get = "${{{{ jobs.post.json.next }}}}"
output = "later"

[jobs.query]
source = "shop"
query = "select 1"
output = "one.csv"

[jobs.files]
source = "ledger"
query_file = "queries/*.sql"
output = {{ file = "joined.jsonl", join = true }}

[jobs.nap]
sleep = "1h"
"#,
            ledger()
        )
    });
    plan.write("queries/a.sql", "select 1");
    plan.write("queries/b.sql", "select 2");
    let before = plan.files();
    let ended = plan.fanout(&["run", "plan.toml", "-n", "--output-dir", "out"]).run();
    ended.exits(0);
    let shown = lines(&ended, sshd, &served.remote, &server).replace(&nobody.to_string(), "SHOP");
    insta::assert_snapshot!(shown, @r#"
    15 items of 8 jobs would run, 1 would be skipped; 1 job is known only later
    each[EUR]: GET HTTP/latest/EUR?k=*** -> out/fx/EUR.json
    each[EUR]: skipped: a duplicate key
    each[USD]: GET HTTP/latest/USD?k=*** -> out/fx/USD.json
    files[a]: sqlite:./ledger.db: a.sql -> out/joined.jsonl
    files[b]: sqlite:./ledger.db: b.sql -> out/joined.jsonl
    folder[/REMOTE/day/a.csv]: SFTP/REMOTE/day/a.csv -> out/all/a.csv
    folder[/REMOTE/day/b.csv]: SFTP/REMOTE/day/b.csv -> out/all/b.csv
    folder[/REMOTE/day/deep/c.csv]: SFTP/REMOTE/day/deep/c.csv -> out/all/c.csv
    folder[/REMOTE/day/notes.txt]: SFTP/REMOTE/day/notes.txt -> out/all/notes.txt
    glob[/REMOTE/day/a.csv]: SFTP/REMOTE/day/a.csv -> out/inbox/day/a.csv
    glob[/REMOTE/day/b.csv]: SFTP/REMOTE/day/b.csv -> out/inbox/day/b.csv
    glob[/REMOTE/day/deep/c.csv]: SFTP/REMOTE/day/deep/c.csv -> out/inbox/day/deep/c.csv
    later: known when post has run
    nap: sleep 1h
    one: SFTP/REMOTE/day/a.csv
    post: POST HTTP/hook
    query: postgres://SHOP/shop: select 1 -> out/one.csv
    "#);
    assert_eq!((ended.stderr.as_str(), server.asked(), plan.files()), ("", 0, before));
    assert!(!plan.path("out").exists(), "the output folder was made");
}

#[test]
fn what_would_go_wrong_is_told_with_the_exit_code_of_the_run() {
    let Some(sshd) = sshd() else { return };
    let server = ClockServer::start(|_| Answer::default());
    let (served, plan) = listed(sshd, &server, |remote| {
        format!(
            r#"
[jobs.same]
source = "partner"
fetch = "{remote}/**/*.csv"
output = "out/${{{{ item.size }}}}"

[jobs.broken]
source = "web"
get = "thing/${{{{ item.id }}}}"
for_each = [{{ id = 1, name = "x" }}, {{ name = "y" }}]
key = "${{{{ item.name }}}}"
output = "broken/${{{{ item.name }}}}"

[jobs.gone]
source = "partner"
fetch = "{remote}/nowhere/"
output = "gone/"
"#
        )
    });
    let ended = plan.fanout(&["run", "plan.toml", "-n"]).run();
    ended.exits(1);
    // Which of two is first depends on the server's order.
    let shown = lines(&ended, sshd, &served.remote, &server)
        .replace("b.csv]", "a.csv]")
        .replace("deep/c.csv]", "a.csv]");
    insta::assert_snapshot!(shown, @r#"
      (known: name)
    2 items of 2 jobs would run, 3 would fail; 1 job can't be listed
    broken[x]: GET HTTP/thing/1 -> broken/x
    broken[y]: would fail: `item.id` is not defined
    same[/REMOTE/day/a.csv]: SFTP/REMOTE/day/a.csv -> out/7
    same[/REMOTE/day/a.csv]: would fail: output out/7 is written by same[/REMOTE/day/a.csv] already
    same[/REMOTE/day/a.csv]: would fail: output out/7 is written by same[/REMOTE/day/a.csv] already
    "#);
    ended.complains("fanout: job \"gone\": ").complains("nowhere");
    let few = Plan::new(&format!(
        "version = 1\n{}[jobs.none]\nsource = \"ledger\"\nquery_file = \"*.sql\"\noutput = \"${{{{ item.stem }}}}.csv\"\nmin_items = 1\n",
        ledger()
    ));
    let ended = few.fanout(&["run", "plan.toml", "-n"]).run();
    ended.exits(6).complains("job \"none\": nothing matched");
}

#[test]
fn of_many_items_the_first_are_shown_and_the_others_counted() {
    let plan = Plan::new(
        "version = 1\n[jobs.many]\nsleep = \"${{ item }}ms\"\nfor_each = { range = [1, 1500] }\n[jobs.few]\nsleep = \"1ms\"\n",
    );
    let ended = plan.fanout(&["run", "plan.toml", "-n"]).run();
    ended.exits(0).prints("\nmany[1000]: sleep 1s\nmany: 500 more (--verbose shows them)\nfew: sleep 1ms\n");
    ended.prints("\n1501 items of 2 jobs would run\n").never_says("many[1001]");
    let all = plan.fanout(&["run", "plan.toml", "-n", "--verbose"]).run();
    assert_eq!((all.exits(0).stdout.lines().count(), all.stdout.contains("more")), (1502, false));
    assert_eq!(plan.fanout(&["run", "plan.toml", "-n", "-q"]).run().exits(0).stdout, "");
}

#[test]
fn an_item_is_a_line_and_shows_what_its_key_and_path_hide() {
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.fx]\nsource = \"web\"\nget = \"/rates\"\nfor_each = [\"a\\u001b[2J\\nfx[b]: forged\\u202e\"]\noutput = \"out/${{{{ item }}}}\"\n\
         [jobs.wrong]\nsource = \"web\"\nget = \"/${{{{ item.id }}}}\"\nfor_each = [\"\\u001b[31m\\nfx[c]: forged\"]\noutput = \"wrong/${{{{ item }}}}\"\n",
        http("web", "http://web.test")
    ));
    let ended = plan.fanout(&["run", "plan.toml", "-n"]).run();
    insta::assert_snapshot!(ended.exits(1).stdout, @r"
    fx[a\x1b[2J\nfx[b]: forged\u{202e}]: GET http://web.test/rates -> out/a%1B[2J%0Afx[b]: forged\u{202e}
    wrong[\x1b[31m\nfx[c]: forged]: would fail: `item.id` is not defined
      (what is before `.id` is a string, and has no fields)
    1 item of 2 jobs would run, 1 would fail
    ");
}
