//! What is wrong with the digests that files must have, as far as it can be known before the run.

use super::*;

#[test]
fn checksums_that_can_not_be_compared_are_mistakes() {
    insta::assert_snapshot!(errors(&jobs(r#"
[sources.partner]
kind = "sftp"
host = "h"
[sources.shop]
kind = "sqlite"
path = "shop.db"
[jobs.short]
source = "partner"
fetch = "/out/a.csv"
output = "a.csv"
sha256 = "ba7816bf"
[jobs.prefixed]
source = "api"
get = "a"
output = "b.csv"
sha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[jobs.head]
source = "api"
head = "a"
output = "c.csv"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[jobs.kept]
source = "api"
get = "a"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[jobs.rows]
source = "shop"
query = "select 1"
output = "d.csv"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[jobs.both]
source = "partner"
fetch = "/out/a.csv"
output = "e.csv"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
checksum_file = "a.csv.sha256"
[jobs.all]
source = "partner"
fetch = "/out/*.csv"
output = "all/"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[jobs.growing]
source = "partner"
fetch = "/out/*.log"
output = "logs/"
checksum_file = "${{ item.name }}.md5"
growing = "snapshot"
"#)), @r#"
    plan.toml:18: job "short": `sha256` must be 64 hexadecimal digits, and has 8
    plan.toml:23: job "prefixed": `sha256` must be 64 hexadecimal digits, and 's' is none
    plan.toml:28: job "head": `sha256` is for `get`: anything else may bring nothing, or can't be asked for again
    plan.toml:29: job "kept": a checksum in a job without an `output`: it is of a file
    plan.toml:37: job "rows": unknown key `sha256`
      (known: source, output, for_each, key, duplicates, needs, min_items, allow_failures, policy, keep, incremental, durable, concurrency, rate, limit, retries, timeout, query, query_file, params, read_only, write)
    plan.toml:43: job "both": `sha256` and `checksum_file` say the same thing: one is enough
    plan.toml:48: job "all": `sha256` would be that of all files
      (use `item` in it, or `checksum_file`)
    plan.toml:54: job "growing": `growing` beside a checksum: that is of the file when it has all been written
      (drop one of them)
    "#);
}
