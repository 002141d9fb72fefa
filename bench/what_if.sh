#!/bin/sh
# How near a replay comes: five plans, each run as it is and with one limit changed; from the first run's event log it is
# said what the second would take, beside what it took. Prints a table; with --write it also goes into bench/RESULTS.md.
# Takes about a minute. Needs Python 3 for the server of the last plan.
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-dev}
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --profile "$profile" --bin fanout
folder=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")
scratch=$(mktemp -d)
server=
trap 'rm -rf "$scratch"' EXIT

# lengths COUNT: as many lengths of sleep, between 100 ms and 900 ms.
lengths() {
    seq "$1" | awk '{ printf "%s\"%dms\"", (NR > 1 ? ", " : ""), 100 + ($1 * 7919) % 801 }'
}

# run PLAN LOG: what a run takes, in seconds.
run() {
    "$folder/fanout" -q run "$1" --output-dir "$scratch/out" --events="$2" >/dev/null
    sed -n 's/^{"t":\([0-9.]*\),"event":"run_ended".*/\1/p' "$2"
}

# replay LOG CHANGE: what a run would take, in seconds.
replay() {
    "$folder/fanout" show "$1" --what-if "$2" | sed -n 's/.* -> about \([0-9.]*\) s.*/\1/p'
}

# row NAME FROM TO CHANGE: a plan on stdin, and with FROM in place of TO.
row() {
    name=$1 from=$2 to=$3 change=$4
    { echo 'version = 1'; cat; } >"$scratch/plan.toml"
    sed "s|$from|$to|" "$scratch/plan.toml" >"$scratch/other.toml"
    [ "$name" != retries ] || serve
    first=$(run "$scratch/plan.toml" "$scratch/log.jsonl")
    [ "$name" != retries ] || serve
    second=$(run "$scratch/other.toml" "$scratch/other.jsonl")
    same=$(replay "$scratch/log.jsonl" "${change%=*}=${from##* }") other=$(replay "$scratch/log.jsonl" "$change")
    awk -v name="$name" -v change="$change" -v first="$first" -v same="$same" -v other="$other" -v second="$second" 'BEGIN {
        printf "| %s | `%s` | %.2f | %.2f | %.2f | %.2f | %+.1f %% |\n", name, change, first, same, other, second, (other / second - 1) * 100 }'
}

# A new server, which remembers nothing, at the same place of the plans.
serve() {
    [ -z "$server" ] || kill "$server"
    rm -f "$scratch/port"
    python3 bench/slow_server.py >"$scratch/port" &
    server=$!
    # Set where it is known: the rows are made in a shell of their own.
    trap 'kill "$server"' EXIT
    until [ -s "$scratch/port" ]; do sleep 0.05; done
    sed -i "s|127.0.0.1:[0-9]*|127.0.0.1:$(cat "$scratch/port")|" "$scratch/plan.toml" "$scratch/other.toml"
}

rows() {
    row 'one limit' 'concurrency = 4' 'concurrency = 8' limits.shop.concurrency=8 <<PLAN
limits.shop.concurrency = 4
jobs.sales = { limit = "shop", sleep = "\${{ item }}", for_each = [$(lengths 40)] }
PLAN
    row 'two limits' 'disk.concurrency = 3' 'disk.concurrency = 6' limits.disk.concurrency=6 <<PLAN
limits.disk.concurrency = 3
limits.line.concurrency = 6
jobs.both = { limit = ["disk", "line"], sleep = "\${{ item }}", for_each = [$(lengths 20)] }
jobs.line = { limit = "line", sleep = "\${{ item }}", for_each = [$(lengths 30)] }
jobs.disk = { limit = "disk", sleep = "\${{ item }}", for_each = [$(lengths 12)] }
PLAN
    row 'a rate' '10/s' '25/s' limits.api.rate=25/s <<PLAN
limits.api.rate = "10/s"
jobs.calls = { limit = "api", sleep = "\${{ item }}", for_each = [$(lengths 60)] }
PLAN
    row 'needs' 'concurrency = 3' 'concurrency = 9' limits.concurrency=9 <<PLAN
limits.concurrency = 3
jobs.list = { sleep = "700ms" }
jobs.orders = { needs = ["list"], sleep = "\${{ item }}", for_each = [$(lengths 24)] }
jobs.load = { needs = ["orders"], sleep = "900ms" }
jobs.beside = { sleep = "\${{ item }}", for_each = [$(lengths 6)] }
PLAN
    row retries 'concurrency = 4' 'concurrency = 8' sources.api.concurrency=8 <<PLAN
sources.api = { kind = "http", base_url = "http://127.0.0.1:1/", concurrency = 4, retries = { count = 3, jitter = false } }
jobs.calls = { source = "api", get = "\${{ item.ms }}/\${{ item.failures }}/\${{ item.n }}", output = "\${{ item.n }}", key = "\${{ item.n }}", for_each = [$(
        seq 40 | awk '{ printf "%s{ ms = %d, failures = %d, n = %d }", (NR > 1 ? ", " : ""), 100 + ($1 * 7919) % 801, $1 % 5 == 0 ? 2 : 0, $1 }'
    )] }
PLAN
}

{
    echo '| plan | change | measured, s | replayed as it was | replayed with the change | measured with the change | off |'
    echo '|---|---|--:|--:|--:|--:|--:|'
    rows
} | tee "$scratch/table"
if [ "${1:-}" = --write ]; then
    machine="$(date -u +%F), $(nproc) cores, Linux $(uname -r | cut -d- -f1), load average $(cut -d' ' -f1 /proc/loadavg)."
    { echo '<!-- what_if -->'; echo "$machine"; echo; cat "$scratch/table"; echo '<!-- end of what_if -->'; } >"$scratch/part"
    sed -i -e "/^<!-- what_if -->\$/,/^<!-- end of what_if -->\$/{/^<!-- end of what_if -->\$/r $scratch/part" -e 'd}' bench/RESULTS.md
fi
