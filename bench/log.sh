#!/bin/sh
# What it costs when somebody listens: the event log, written by a thread of its own, and a subscriber of tracing that takes
# no span. The peers are those of benches/peers/told.rs, on one thread, each run in a process of its own. Prints a table;
# with --write it also goes into bench/RESULTS.md. Then batches, with both and with neither: 2,000 files of 16 KiB from an
# OpenSSH server, 5,000 answers of 1 KiB from nginx, on two threads. Debian, as root: nginx and OpenSSH have to be there
# (scripts/servers installs them). RUNS=N runs each item's peer N times (default 31) and
# each batch three times as often: fewer do not tell a twentieth, as a batch takes a tenth longer or shorter by itself.
set -eu
cd "$(dirname "$0")/.."
runs=${RUNS:-31}
often=$((3 * runs))

bench=$(cargo bench --bench gather --no-run 2>&1 | tee /dev/stderr | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
[ -x "$bench" ] || exit 1

# rows PEER...: in turn, so that what changes on the machine changes them all.
rows() {
    for _ in $(seq "$runs"); do
        for peer in "$@"; do echo "$("$bench" peer "$peer" 1) $peer"; done
    done | sort -n >"$scratch/rows"
    for peer in "$@"; do
        awk -v name="$peer" '
            { run = $1; processor = $2; sub(/^[^ ]* [^ ]* [^ ]* /, "") }
            $0 == name { ns[++n] = run; if (n == 1 || processor < cpu) cpu = processor }
            END { printf "| %s | %d | %d | %d |\n", name, ns[1], ns[int((n + 1) / 2)], cpu }' "$scratch/rows"
    done
}

table() {
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    echo "$(date -u +%F), $(nproc) cores ($processor), Linux $(uname -r | cut -d- -f1), $(rustc --version | cut -d' ' -f1,2);" \
        "load average at the start $(cut -d' ' -f1 /proc/loadavg), $runs runs each, 1,000,000 items."
    echo
    echo "| peer | ns an item, best | median | processor ns an item |"
    echo "|---|--:|--:|--:|"
    rows "fanout::gather" "fanout::gather, its log written" "fanout::gather, a subscriber that takes no span"
}

scratch=$(mktemp -d /dev/shm/fanout-log.XXXXXX)
servers=
trap 'kill $servers 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# answers: five thousand calls of a web server.
answers() {
    to=$(port)
    mkdir "$scratch/site"
    seq 5000 | while read -r n; do head -c 1024 /dev/zero >"$scratch/site/$n"; done
    chmod a+x "$scratch"
    cat >"$scratch/nginx.conf" <<END
daemon off; worker_processes 1; pid $scratch/nginx.pid; error_log $scratch/nginx.log; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000; server { listen 127.0.0.1:$to; root $scratch/site; } }
END
    nginx -c "$scratch/nginx.conf" 2>/dev/null &
    servers="$servers $!"
    until python3 -c "import socket; socket.create_connection(('127.0.0.1', $to))" 2>/dev/null; do sleep 0.05; done
    cat >"$scratch/answers.toml" <<END
version = 1
[sources.web]
kind = "http"
base_url = "http://127.0.0.1:$to/"
[jobs.calls]
source = "web"
get = "\${{ item }}"
for_each = { range = [1, 5000] }
output = "\${{ item }}"
END
}

# files: two thousand files of an SFTP server.
files() {
    to=$(port)
    mkdir -p "$scratch/data" /run/sshd
    head -c $((2000 * 16384)) /dev/urandom | split -b 16384 -a 4 -d - "$scratch/data/f"
    for name in host user; do ssh-keygen -q -t ed25519 -N "" -f "$scratch/$name"; done
    cat >"$scratch/sshd_config" <<END
ListenAddress 127.0.0.1:$to
HostKey $scratch/host
AuthorizedKeysFile $scratch/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp /usr/lib/openssh/sftp-server
END
    /usr/sbin/sshd -D -e -f "$scratch/sshd_config" 2>"$scratch/sshd.log" &
    servers="$servers $!"
    until grep -q "Server listening" "$scratch/sshd.log"; do sleep 0.05; done
    echo "[127.0.0.1]:$to $(cut -d' ' -f1,2 "$scratch/host.pub")" >"$scratch/known_hosts"
    cat >"$scratch/files.toml" <<END
version = 1
[sources.server]
kind = "sftp"
host = "127.0.0.1"
port = $to
user = "$(id -un)"
key = { file = "$scratch/user" }
known_hosts = "$scratch/known_hosts"
[jobs.files]
source = "server"
fetch = "$scratch/data/"
output = "files/"
END
}

# batch NAME PLAN: runs with and without in turn, so that what changes on the machine changes both. The medians.
batch() {
    for _ in $(seq "$often"); do
        for heard in unheard heard; do
            rm -rf "$scratch/out"
            echo "$heard $("$bench" plan "$scratch/$2.toml" "$scratch/out" "$heard")"
        done
    done | sort -k1,1 -k2,2n | awk -v name="$1" '
        { ms[$1, ++n[$1]] = $2; cpu[$1] += $3 }
        END { m = int((n["heard"] + 1) / 2); without = ms["unheard", m]; with = ms["heard", m]
            printf "| %s | %d | %d | %+.1f %% | %+.1f %% |\n", name, without, with, (with / without - 1) * 100, (cpu["heard"] / cpu["unheard"] - 1) * 100 }'
}

batches() {
    echo
    echo "Batches, $often runs each, medians:"
    echo
    echo "| batch | nobody listens, ms | log written, subscriber, ms | time | processor time |"
    echo "|---|--:|--:|--:|--:|"
    batch "2,000 files of 16 KiB by SFTP" files
    batch "5,000 answers of 1 KiB by HTTP" answers
}

files
answers
{ table; batches; } | tee "$scratch/result"

if [ "${1:-}" = --write ]; then
    # What stands between the two marks is replaced.
    sed -i -e '/^<!-- log -->$/,/^<!-- end of log -->$/{//!d}' -e "/^<!-- log -->\$/r $scratch/result" bench/RESULTS.md
fi
