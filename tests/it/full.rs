//! A disk that is full: what does not fit fails by name, what fits is there, and nothing is left half written under a
//! final name. Not here: other ways in which an output can't be written (`errors`, `output`'s own tests).

use crate::support::clock_server::{Answer, ClockServer};
use crate::support::plan::Plan;
use crate::support::sources::{http, ledger, make_ledger};
use std::path::PathBuf;
use std::process::Command;

/// More than there is room for.
const LARGE: usize = 4 << 20;

fn server() -> ClockServer {
    ClockServer::start(|asked| Answer {
        body: vec![b'x'; if asked.path == "/large" { LARGE } else { 1000 }],
        ..Answer::default()
    })
}

/// Three results, of which the middle one does not fit; and one of a query that does not fit either.
fn plan(server: &ClockServer) -> Plan {
    let job =
        |name: &str| format!("[jobs.{name}]\nsource = \"web\"\nget = \"{name}\"\noutput = \"out/{name}\"\n");
    let query = "[jobs.rows]\nsource = \"ledger\"\nquery = \"with recursive n(n) as (select 1 union all select n + 1 from n where n < 1000000) select n from n\"\noutput = \"out/rows.csv\"\n";
    let plan = Plan::new(&format!(
        "version = 1\n{}{}{}{}{}{query}",
        http("web", &server.url("")),
        ledger(),
        job("small"),
        job("large"),
        job("other")
    ));
    make_ledger(&plan, 1);
    plan
}

#[test]
fn files_that_may_not_grow_fail_and_leave_nothing() {
    let server = server();
    let plan = plan(&server);
    let ended = plan.fanout(&["run", "plan.toml"]).largest_file(1024).run();
    ended.exits(1).complains("4 items: 2 done, 2 failed").complains("file too large");
    assert_eq!(plan.files(), ["ledger.db", "out/other", "out/small"]);
    assert_eq!((plan.bytes("out/small").len(), plan.bytes("out/other").len()), (1000, 1000));
}

/// A file system of one MiB; only root can make one.
struct Disk(PathBuf);

impl Disk {
    fn mount(plan: &Plan) -> Option<Disk> {
        let folder = plan.home().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&folder).output();
        // Where none can be mounted, the other test of a full disk has to do.
        mount.is_ok_and(|output| output.status.success()).then_some(Disk(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_leaves_nothing() {
    let server = server();
    let plan = plan(&server);
    let Some(disk) = Disk::mount(&plan) else { return };
    let folder = disk.0.to_str().unwrap();
    let one_by_one = ["run", "plan.toml", "--sequential", "--output-dir", folder];
    let ended = plan.fanout(&one_by_one).run();
    ended.exits(1).complains("4 items: 2 done, 2 failed").complains("no space left on the device");
    let mut left: Vec<_> =
        std::fs::read_dir(disk.0.join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["other", "small"]);
}
