#!/bin/sh
# What it costs when somebody listens: the event log, written by a thread of its own, and a subscriber of tracing that takes
# no span. The peers are those of benches/peers/told.rs, on one thread, each run in a process of its own. Prints a table;
# with --write it also goes into bench/RESULTS.md. Linux. RUNS=N runs each peer N times (default 5).
set -eu
cd "$(dirname "$0")/.."
runs=${RUNS:-5}

bench=$(cargo bench --bench gather --no-run 2>&1 | tee /dev/stderr | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
[ -x "$bench" ] || exit 1

row() {
    for _ in $(seq "$runs"); do "$bench" peer "$1" 1; done | sort -n | awk -v name="$1" '
        { ns[NR] = $1; if (NR == 1 || $2 < cpu) cpu = $2 }
        END { printf "| %s | %d | %d | %d |\n", name, ns[1], ns[int((NR + 1) / 2)], cpu }'
}

table() {
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    echo "$(date -u +%F), $(nproc) cores ($processor), Linux $(uname -r | cut -d- -f1), $(rustc --version | cut -d' ' -f1,2);" \
        "load average at the start $(cut -d' ' -f1 /proc/loadavg), $runs runs each, 1,000,000 items."
    echo
    echo "| peer | ns an item, best | median | processor ns an item |"
    echo "|---|--:|--:|--:|"
    row "fanout::gather"
    row "fanout::gather, its log written"
    row "fanout::gather, a subscriber that takes no span"
}

result=$(mktemp)
trap 'rm -f "$result"' EXIT
table | tee "$result"

if [ "${1:-}" = --write ]; then
    # What stands between the two marks is replaced.
    sed -i -e '/^<!-- log -->$/,/^<!-- end of log -->$/{//!d}' -e "/^<!-- log -->\$/r $result" bench/RESULTS.md
fi
