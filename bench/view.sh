#!/bin/sh
# What the live view costs: runs of sleeps on a terminal and without one, and the processor time that they differ by. Prints a
# table; with --write it also goes into bench/RESULTS.md. Takes about three minutes. Needs Python 3, for the terminal.
# RUNS=N runs each pair N times (default 3), FANOUT=PROGRAM says which fanout.
set -eu
cd "$(dirname "$0")/.."
runs=${RUNS:-3}
if [ -z "${FANOUT:-}" ]; then
    cargo build --quiet --release --bin fanout
    FANOUT=${CARGO_TARGET_DIR:-target}/release/fanout
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export FANOUT_STATE_DIR="$scratch/state"

# row NAME ITEMS LENGTH CONCURRENCY
row() {
    cat >"$scratch/plan.toml" <<END
version = 1
limits = { concurrency = $4 }
[jobs.wait]
sleep = "$3"
for_each = { range = [1, $2] }
END
    python3 bench/view.py "$runs" "$FANOUT" "$1" "$scratch/plan.toml"
}

table() {
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    echo "$(date -u +%F), $(nproc) cores ($processor), Linux $(uname -r | cut -d- -f1); load average at the start" \
        "$(cut -d' ' -f1 /proc/loadavg), $runs pairs each."
    echo
    echo "| run | on the clock, s | processor without a view, s | with it, s | the view's share of a core | kB a second |"
    echo "|---|--:|--:|--:|--:|--:|"
    row "20 items, a row each" 20 20s 20
    row "10,000 items of 1 s, 500 at once" 10000 1s 500
    row "10,000 items of 100 ms, 50 at once" 10000 100ms 50
}

table | tee "$scratch/table"

if [ "${1:-}" = --write ]; then
    # What stands between the two marks is replaced.
    sed -i -e '/^<!-- view -->$/,/^<!-- end of view -->$/{//!d}' -e "/^<!-- view -->\$/r $scratch/table" bench/RESULTS.md
fi
