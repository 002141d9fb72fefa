#!/bin/sh
# What running an item costs: the peers of benches/gather.rs and Python's asyncio, no-op items at a limit of 64, each
# run in a process of its own. Prints a table; with --write it also goes into bench/RESULTS.md.
# Linux. Takes some minutes. RUNS=N runs each peer N times (default 5).
set -eu
cd "$(dirname "$0")/.."
runs=${RUNS:-5}
cores=$(nproc)

bench=$(cargo bench --no-default-features --bench gather --no-run 2>&1 | tee /dev/stderr |
    sed -n 's/.*Executable.*(\(.*\))$/\1/p')
[ -x "$bench" ] || exit 1

# row NAME ITEMS THREADS COMMAND...: runs the command again and again and prints a line of the table. The peak of
# memory is the largest of all runs.
row() {
    name=$1 items=$2 threads=$3
    shift 3
    for _ in $(seq "$runs"); do "$@"; done | sort -n | awk -v name="$name" -v items="$items" -v threads="$threads" '
        { ns[NR] = $1; if (NR == 1 || $2 < cpu) cpu = $2; if ($3 > peak) peak = $3 }
        END { printf "| %s | %d | %d | %d | %d | %d | %.1f |\n", name, items, threads, ns[1], ns[int((NR + 1) / 2)], cpu, peak / 1024 }'
}

rust() {
    "$bench" peers | while read -r items name; do
        row "$name" "$items" "$1" "$bench" peer "$name" "$1"
    done
}

python() {
    row "asyncio.gather, no limit" 1000000 1 python3 bench/gather_asyncio.py unlimited 1000000
    row "asyncio.gather + semaphore" 1000000 1 python3 bench/gather_asyncio.py semaphore 1000000
    row "asyncio, 64 tasks that pull" 1000000 1 python3 bench/gather_asyncio.py pulled 1000000
}

machine() {
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    echo "$(date -u +%F), $cores cores ($processor), Linux $(uname -r | cut -d- -f1), $(rustc --version | cut -d' ' -f1,2)," \
        "$(python3 --version); load average at the start $(cut -d' ' -f1 /proc/loadavg), $runs runs each."
}

table() {
    machine
    echo
    echo "| peer | items | threads | ns an item, best | median | processor ns an item | peak memory, MiB |"
    echo "|---|--:|--:|--:|--:|--:|--:|"
    rust 1
    [ "$cores" -eq 1 ] || rust "$cores"
    python
}

result=$(mktemp)
trap 'rm -f "$result"' EXIT
table | tee "$result"

if [ "${1:-}" = --write ]; then
    # What stands between the two marks is replaced.
    sed -i -e '/^<!-- gather -->$/,/^<!-- end of gather -->$/{//!d}' -e "/^<!-- gather -->\$/r $result" bench/RESULTS.md
fi
