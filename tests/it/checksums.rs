//! Files whose digest is said by the plan or by a file beside them at the server: one that is another gets no final name,
//! whatever else is asked for. The digests are those of coreutils. Not here: the forms that checksum files have
//! (`sources::sftp`).

use crate::support::plan::Plan;
use crate::support::proxy::Proxy;
use crate::support::sources::{events, http, know, partner};
use crate::support::sshd::{Served, Sshd};
use crate::support::{nginx, sshd};
use fanout::gather::EventKind;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const MIB: usize = 1 << 20;
/// The SHA-256 of "other".
const OTHER: &str = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

/// What a program of coreutils says of files in a folder.
fn sums(program: &str, folder: &Path, files: &[&str]) -> String {
    let output = Command::new(program).args(files).current_dir(folder).output().expect("coreutils are there");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The digest alone.
fn sha256(served: &Served, file: &str) -> String {
    sums("sha256sum", &served.local, &[file]).split(' ').next().unwrap().to_owned()
}

/// Puts a file on the server, and its checksum file.
fn put(served: &Served, file: &str, bytes: impl AsRef<[u8]>) {
    served.file(file, bytes);
    served.file(&format!("{file}.sha256"), sums("sha256sum", &served.local, &[file]));
}

/// A job with these keys, at the server or a proxy with this port; `REMOTE` in them is the served folder.
fn plan_through(sshd: &Sshd, port: u16, served: &Served, keys: &str) -> Plan {
    let source = partner(sshd, &sshd.host, port);
    let keys = keys.replace("REMOTE", &served.remote);
    let plan = Plan::new(&format!("version = 1\n{source}[jobs.files]\nsource = \"partner\"\n{keys}\n"));
    know(&plan, &sshd.known_hosts_as(&sshd.host, port));
    plan
}

fn plan(sshd: &Sshd, served: &Served, keys: &str) -> Plan {
    plan_through(sshd, sshd.port, served, keys)
}

/// All files of the folder, each with a checksum file of its own.
const EACH: &str =
    "fetch = \"REMOTE/\"\noutput = \"inbox/\"\nchecksum_file = \"${{ item.name }}.sha256\"\nretries = 0\n";

#[test]
fn files_come_with_their_checksum_files_which_are_asked_for_beside_them_and_not_fetched() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    put(&served, "a.csv", "a");
    put(&served, "empty.csv", "");
    put(&served, "large.bin", vec![7; 3 * MIB]);
    served.file("day/b.csv", "b");
    served.file(
        "day/b.csv.sha256",
        format!("SHA2-256(b.csv)= {}\r\n", sha256(&served, "day/b.csv").to_uppercase()),
    );
    let plan = plan(sshd, &served, EACH);
    let mark = sshd.log.mark();
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("4 items: 4 done");
    let files = ["inbox/a.csv", "inbox/day/b.csv", "inbox/empty.csv", "inbox/large.bin"];
    assert_eq!(plan.files(), files);
    assert!(plan.bytes("inbox/large.bin") == vec![7; 3 * MIB]);
    let opened = sshd.opened(mark);
    let open = |name: &str| {
        let path = format!("{}/{name}", served.remote);
        opened.iter().find(|span| span.name == path).unwrap_or_else(|| panic!("{name} in {opened:?}"))
    };
    let (file, beside) = (open("a.csv"), open("a.csv.sha256"));
    assert!(beside.begin <= file.end, "asked for only when the file was there: {file:?}, {beside:?}");
}

#[test]
fn a_file_with_another_digest_gets_no_name_and_is_tried_again() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    put(&served, "a.csv", "a");
    put(&served, "b.csv", "b");
    put(&served, "large.bin", vec![7; 3 * MIB]);
    let wanted = [sha256(&served, "b.csv"), sha256(&served, "large.bin")];
    served.file("b.csv", "other");
    served.file("large.bin", vec![8; 3 * MIB]);
    let keys = EACH.replace("retries = 0", "retries = { count = 2, delay = \"1ms\" }");
    let plan = plan(sshd, &served, &keys);
    plan.write("inbox/b.csv", "of yesterday");
    let ended = plan.fanout(&["run", "plan.toml", "--events=log.jsonl"]).run();
    ended.exits(1).complains("3 items: 1 done, 2 failed");
    ended.complains(&format!("b.csv: its sha256 is {OTHER}, and b.csv.sha256 says {}", wanted[0]));
    ended.complains(&format!("and large.bin.sha256 says {}", wanted[1]));
    ended.complains("(nothing of it was kept: it is damaged, or another version than the checksum is of)");
    assert_eq!(plan.files(), ["inbox/a.csv", "inbox/b.csv", "log.jsonl"]);
    assert_eq!(plan.read("inbox/b.csv"), "of yesterday");
    let attempts = events(&plan.bytes("log.jsonl"));
    let attempts = attempts.iter().filter(|event| matches!(event.kind, EventKind::AttemptStarted { .. }));
    // A page, a file, and each of the other two three times.
    assert_eq!(attempts.count(), 1 + 1 + 2 * 3);
}

#[test]
fn a_checksum_file_that_is_missing_or_says_nothing_of_it_fails_its_file_alone() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    put(&served, "a.csv", "a");
    for name in ["none.csv", "empty.csv", "long.csv", "others.csv"] {
        served.file(name, name);
    }
    served.file("empty.csv.sha256", "");
    served.file("others.csv.sha256", format!("{OTHER}  b.csv\n"));
    served.file("long.csv.sha256", sums("sha256sum", &served.local, &["long.csv"]).repeat(1000));
    let plan = plan(sshd, &served, EACH);
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("5 items: 1 done, 4 failed");
    ended
        .complains("/none.csv.sha256: open: No such file")
        .complains("(`checksum_file` asks for it; with a `done_file`");
    ended.complains("/empty.csv.sha256: no sha256 or md5 in it");
    ended.complains("/others.csv.sha256: no line of others.csv in it");
    ended
        .complains("/long.csv.sha256: 75000 bytes are more than the 65536")
        .complains("(a checksum file may have 64KiB)");
    assert_eq!(plan.files(), ["inbox/a.csv"]);
}

#[test]
fn one_checksum_file_may_be_for_all_of_a_folder_and_each_file_that_is_named_have_its_own() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let names = ["a.csv", "b\\.csv", "c d.csv"];
    names.iter().for_each(|name| served.file(name, name));
    let all = sums("md5sum", &served.local, &names);
    assert!(all.contains("\\\\"), "a name with escapes: {all}");
    served.file("MD5SUMS", &all);
    let keys = "fetch = \"REMOTE/${{ item }}\"\nfor_each = [\"a.csv\", 'b\\.csv', \"c d.csv\"]\noutput = \"inbox/${{ item }}\"\nretries = 0\n";
    let one = plan(sshd, &served, &format!("{keys}checksum_file = \"MD5SUMS\""));
    one.fanout(&["run", "plan.toml"]).run().exits(0).complains("3 items: 3 done");
    served.file("MD5SUMS", all.replace("c d.csv", "e.csv"));
    one.fanout(&["run", "plan.toml"]).run().exits(1).complains("/MD5SUMS: no line of c d.csv in it");
    let each = plan(sshd, &served, &format!("{keys}checksum_file = \"${{{{ item }}}}.md5\""));
    served.file("a.csv.md5", sums("md5sum", &served.local, &["a.csv"]));
    let ended = each.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("3 items: 1 done, 2 failed").complains("c d.csv.md5: open: No such file");
    assert_eq!(each.files(), ["inbox/a.csv"]);
}

#[test]
fn a_checksum_file_for_a_large_folder_comes_once() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}.csv")).collect();
    names.iter().for_each(|name| served.file(name, name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Others were there last year.
    let old: String = (0..3000).map(|number| format!("{OTHER}  old/{number:05}.csv\n")).collect();
    served.file("SHA256SUMS", old.clone() + &sums("sha256sum", &served.local, &names));
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    let keys = "fetch = \"REMOTE/\"\noutput = \"inbox/\"\nchecksum_file = \"SHA256SUMS\"\n";
    let plan = plan_through(sshd, proxy.address().port(), &served, keys);
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("100 items: 100 done");
    let brought = proxy.bytes().1 as usize;
    assert!((old.len()..3 * old.len()).contains(&brought), "{brought} bytes of a list of {}", old.len());
    assert_eq!(plan.files().len(), 100);
    served.file("SHA256SUMS", old.repeat(20));
    let ended = plan.fanout(&["run", "plan.toml", "--concurrency", "2"]).run();
    ended.exits(1).complains("that may be kept").complains("(a checksum file may have 4MiB)");
}

#[test]
fn the_plan_says_the_digest_of_one_file_or_of_each_of_many() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    ["a.csv", "b.csv", "c.csv"].iter().for_each(|name| served.file(name, name));
    let of = |name: &str| sha256(&served, name);
    let keys = "fetch = \"REMOTE/${{ item.name }}\"\nfor_each = { file = \"sums.csv\" }\nkey = \"${{ item.name }}\"\noutput = \"inbox/${{ item.name }}\"\nsha256 = \"${{ item.sum }}\"\nretries = 0\n";
    let many = plan(sshd, &served, keys);
    many.write(
        "sums.csv",
        format!("name,sum\na.csv,{}\nb.csv,{OTHER}\nc.csv,\n", of("a.csv").to_uppercase()),
    );
    let ended = many.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("3 items: 1 done, 2 failed");
    ended.complains(&format!("its sha256 is {}, and `sha256` says {OTHER}", of("b.csv")));
    ended.complains("`sha256` must be 64 hexadecimal digits, and has 0");
    assert_eq!(many.files(), ["inbox/a.csv", "sums.csv"]);
    let one = plan(
        sshd,
        &served,
        &format!("fetch = \"REMOTE/a.csv\"\noutput = \"a\"\nsha256 = \"{}\"", of("a.csv")),
    );
    one.fanout(&["run", "plan.toml"]).run().exits(0).complains("1 new");
    let url =
        format!("sftp://{}@{}:{}{}/b.csv", crate::support::sshd::USER, sshd.host, sshd.port, served.remote);
    let key = sshd.key("user_ed25519").display().to_string();
    let fetch =
        |sum: &str| one.fanout(&["fetch", &url, "b", "-i", &key, "-F", "none", "--sha256", sum]).run();
    fetch(OTHER).exits(1).complains("`sha256` says");
    assert_eq!(one.files(), ["a"]);
    fetch(&of("b.csv")).exits(0);
    assert_eq!(one.files(), ["a", "b"]);
}

/// A file of 24 MiB of which the first run, which was killed, left some in the inbox.
fn killed(sshd: &Sshd, served: &Served) -> (Proxy, Plan) {
    let bytes: Vec<u8> =
        (0..24 * MIB as u32 / 4).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    put(served, "large.bin", bytes);
    let proxy = Proxy::start(format!("{}:{}", sshd.host, sshd.port));
    proxy.set(|faults| faults.bandwidth = Some(8 * MIB as u64));
    let plan = plan_through(sshd, proxy.address().port(), served, EACH);
    let mut running = plan.fanout(&["run", "plan.toml"]).start();
    running.until("6 MiB", || proxy.bytes().1 > 6 * MIB as u64);
    running.signal(Signal::KILL);
    running.wait().killed_by(Signal::KILL);
    assert_eq!(plan.files(), [LEFT]);
    proxy.set(|faults| faults.bandwidth = None);
    (proxy, plan)
}

const LEFT: &str = "inbox/.large.bin.fanout-part";

#[test]
fn a_file_that_is_gone_on_with_is_verified_whole() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let (proxy, plan) = killed(sshd, &served);
    let before = proxy.bytes().1;
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert!(proxy.bytes().1 - before < 23 * MIB as u64, "it was gone on with");
    assert_eq!(plan.files(), ["inbox/large.bin"]);
    assert!(plan.bytes("inbox/large.bin") == fs::read(served.local.join("large.bin")).unwrap());
}

#[test]
fn what_was_left_and_is_wrong_is_found_out_and_not_gone_on_with() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    let (_proxy, plan) = killed(sshd, &served);
    let left = fs::File::options().write(true).open(plan.path(LEFT)).unwrap();
    left.write_all_at(b"damaged", 1000).unwrap();
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("large.bin.sha256 says");
    assert_eq!(plan.files(), [""; 0]);
    plan.fanout(&["run", "plan.toml"]).run().exits(0);
    assert!(plan.bytes("inbox/large.bin") == fs::read(served.local.join("large.bin")).unwrap());
}

#[test]
fn what_is_not_verified_stays_at_the_server_and_is_not_remembered() {
    let Some(sshd) = sshd() else { return };
    let served = sshd.serve();
    put(&served, "out/a.csv", "a");
    served.file("out/b.csv", "b");
    served.file("out/b.csv.sha256", format!("{OTHER}  b.csv\n"));
    let keys =
        EACH.replace("REMOTE/", "REMOTE/out/") + "incremental = true\nafter = { move = \"REMOTE/done/\" }";
    let plan = plan(sshd, &served, &keys);
    plan.fanout(&["run", "plan.toml"]).run().exits(1).complains("2 items: 1 done, 1 failed");
    let is_there = |path: &str| served.local.join(path).exists();
    assert!(is_there("done/a.csv") && !is_there("out/a.csv"));
    assert!(is_there("out/b.csv") && !is_there("done/b.csv"));
    assert_eq!(plan.files(), ["inbox/a.csv"]);
    served.file("out/b.csv.sha256", sums("sha256sum", &served.local.join("out"), &["b.csv"]));
    plan.fanout(&["run", "plan.toml"]).run().exits(0).complains("1 item: 1 done").complains("1 new");
    assert!(is_there("done/b.csv") && !is_there("out/b.csv"));
}

#[test]
fn a_download_over_http_must_have_the_digest_too() {
    let Some(nginx) = nginx() else { return };
    nginx.file("checksums/a.txt", "other");
    nginx.file("checksums/b.txt", "b");
    let plan = Plan::new(&format!(
        "version = 1\n{}[jobs.files]\nsource = \"site\"\nget = \"checksums/${{{{ item }}}}\"\nfor_each = [\"a.txt\", \"b.txt\"]\noutput = \"${{{{ item }}}}\"\nsha256 = \"{OTHER}\"\nretries = 0\n",
        http("site", &nginx.url)
    ));
    let ended = plan.fanout(&["run", "plan.toml"]).run();
    ended.exits(1).complains("2 items: 1 done, 1 failed").complains("/checksums/b.txt: its sha256 is ");
    assert_eq!(plan.files(), ["a.txt"]);
}
