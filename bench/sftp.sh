#!/bin/sh
# Files from one OpenSSH server, fetched by fanout at its defaults and by its peers at their best: many small ones, a large one,
# and the listing of a large folder, straight and through a relay that makes a round trip longer. Prints a table; with
# --write it also goes into bench/RESULTS.md, with --quick sizes are a tenth and each is run once.
# Debian; installs lftp, rclone, OpenSSH where they are missing (as root), and asyncssh into the scratch folder.
# RUNS=N runs each peer N times (default 3), WHAT="small names disk large list" says what (`names`: the small files, each by its
# name from a list, by fanout alone; `disk`: the small files, to DISK, by default /var/tmp, without a relay),
# TRIPS="0 20 100" how long round trips are, PEERS="fanout sftp rclone lftp asyncssh ssh" who (`ssh`: the transport by itself),
# FANOUT=PROGRAM which fanout.
# What takes an hour only with SLOW=1: `sftp` with small files over a long line, all but small files over one of 100 ms.
set -eu
cd "$(dirname "$0")/.."
write= runs=${RUNS:-3} small=2000 large=1024 many=100000
for argument in "$@"; do
    case $argument in
    --write) write=1 ;;
    --quick) runs=1 small=200 large=102 many=10000 ;;
    *) echo "usage: bench/sftp.sh [--write] [--quick]" >&2; exit 2 ;;
    esac
done

missing=
for program in sftp:openssh-client /usr/sbin/sshd:openssh-server rclone:rclone lftp:lftp; do
    command -v "${program%:*}" >/dev/null || missing="$missing ${program#*:}"
done
# shellcheck disable=SC2086 # a list of packages
[ -z "$missing" ] || apt-get install -y --no-install-recommends $missing >&2

cache=${CARGO_TARGET_DIR:-target}/bench-sftp
mkdir -p "$cache"
[ -x "$cache/venv/bin/python" ] || { python3 -m venv "$cache/venv" && "$cache/venv/bin/pip" install --quiet asyncssh; }
rustc --edition 2024 -O -o "$cache/relay" bench/sftp_relay.rs
if [ -z "${FANOUT:-}" ]; then
    cargo build --release --bin fanout
    FANOUT=${CARGO_TARGET_DIR:-target}/release/fanout
fi
cp "$FANOUT" "$cache/fanout" # what is measured stays the same if somebody builds

base=/dev/shm
[ -d "$base" ] || base=${TMPDIR:-/tmp}
scratch=$(mktemp -d "$base/fanout-bench.XXXXXX")
disk=$(mktemp -d "${DISK:-/var/tmp}/fanout-bench.XXXXXX")
out=$scratch/out server= relay=
trap 'kill $relay $server 2>/dev/null; rm -rf "$scratch" "$disk"' EXIT
trap 'exit 130' INT TERM

# The server: Debian's limits of sessions and of logins that are going on, a user's key, no password; its own SFTP, as the start-up
# files of a shell in between are not to be measured.
serve() {
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    for name in host user; do ssh-keygen -q -t ed25519 -N "" -f "$scratch/$name"; done
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$scratch/sshd_config" <<END
ListenAddress 127.0.0.1:$port
HostKey $scratch/host
AuthorizedKeysFile $scratch/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
MaxSessions 10
MaxStartups 10:30:100
Subsystem sftp internal-sftp
END
    /usr/sbin/sshd -D -e -f "$scratch/sshd_config" 2>"$scratch/sshd.log" &
    server=$!
    until grep -q "Server listening" "$scratch/sshd.log"; do sleep 0.02; done
    : >"$scratch/lines"
    # A line that adds nothing is no line.
    lines=$(for trip in $trips; do [ "$trip" = 0 ] || echo "$trip"; done)
    # shellcheck disable=SC2086 # a list of numbers
    "$cache/relay" "127.0.0.1:$port" $lines >"$scratch/lines" &
    relay=$!
    until [ "$(wc -l <"$scratch/lines")" -eq "$(echo $lines | wc -w)" ]; do sleep 0.02; done
    echo "0 $port" >>"$scratch/lines"
    key=$(cut -d' ' -f1,2 "$scratch/host.pub")
    while read -r _ port; do echo "[127.0.0.1]:$port $key"; done <"$scratch/lines" >"$scratch/known_hosts"
}

data() {
    mkdir -p "$scratch/data/small" "$scratch/data/many"
    openssl rand $((small * 16384)) | split -b 16384 -a 4 -d - "$scratch/data/small/f"
    openssl rand $((large * 1048576)) >"$scratch/data/large"
    case " $what " in *" list "*) (cd "$scratch/data/many" && seq -f 'report-of-the-day-%07.0f.csv' $many | xargs touch) ;; esac
}

options="-o User=$(id -un) -o UserKnownHostsFile=$scratch/known_hosts -o GlobalKnownHostsFile=/dev/null -F /dev/null"
options="$options -i $scratch/user -o IdentitiesOnly=yes -c aes128-gcm@openssh.com"

# plan REMOTE: a plan of fanout's, at its defaults.
plan() {
    cat >"$scratch/plan.toml" <<END
version = 1
[sources.server]
kind = "sftp"
host = "127.0.0.1"
port = $port
user = "$(id -un)"
key = { file = "$scratch/user" }
known_hosts = "$scratch/known_hosts"
[jobs.files]
source = "server"
fetch = "$1"
output = "files/"
END
}

peer_fanout() {
    export FANOUT_STATE_DIR="$scratch/state"
    case $1 in
    small) plan "$scratch/data/small/" ;;
    names)
        plan "$scratch/data/small/\${{ item }}"
        (cd "$scratch/data/small" && ls) >"$scratch/names.txt"
        sed -i -e 's|^output = .*|output = "files/${{ item }}"\nfor_each = { file = "names.txt" }|' "$scratch/plan.toml"
        ;;
    large) plan "$scratch/data/large" ;;
    list) plan "$scratch/data/many/" && set -- "$1" --dry-run ;;
    esac
    shift
    measure "$cache/fanout" run "$scratch/plan.toml" --output-dir "$out" "$@"
}

peer_sftp() {
    mkdir -p "$scratch/sftp"
    case $1 in
    small) script="sftp -q -R 256 -B 261120 $options -P $port -r 127.0.0.1:$scratch/data/small/ $out/" ;;
    large) script="sftp -q -R 256 -B 261120 $options -P $port 127.0.0.1:$scratch/data/large $out/" ;;
    list) script="echo 'ls -1 $scratch/data/many' | sftp -q $options -P $port -b - 127.0.0.1" ;;
    esac
    measure sh -c "$script"
}

peer_rclone() {
    cat >"$scratch/rclone.conf" <<END
[server]
type = sftp
host = 127.0.0.1
port = $port
user = $(id -un)
key_file = $scratch/user
known_hosts_file = $scratch/known_hosts
ciphers = aes128-gcm@openssh.com
shell_type = none
disable_hashcheck = true
chunk_size = 255Ki
concurrency = 64
END
    # Without a long line more connections are only more logins, of which this server takes no more than ten at a time.
    transfers=64
    [ "$trip" != 0 ] || transfers=4
    case $1 in
    small) measure rclone --config "$scratch/rclone.conf" copy --transfers $transfers --checkers $transfers "server:$scratch/data/small" "$out" ;;
    large) measure rclone --config "$scratch/rclone.conf" copy --multi-thread-cutoff 32M --multi-thread-streams 8 "server:$scratch/data/large" "$out" ;;
    list) measure rclone --config "$scratch/rclone.conf" lsf "server:$scratch/data/many" ;;
    esac
}

peer_lftp() {
    set -- "$1" "set sftp:auto-confirm yes; set net:max-retries 20; set net:reconnect-interval-base 1; set cmd:fail-exit yes;
set sftp:max-packets-in-flight 256; set sftp:size-read 255k;
set sftp:connect-program 'ssh -a -x $options'; open -u $(id -un), -p $port sftp://127.0.0.1;"
    case $1 in
    small) measure lftp --norc -c "$2 mirror --parallel=32 $scratch/data/small $out" ;;
    large) measure lftp --norc -c "$2 pget -n 4 $scratch/data/large -o $out/large" ;;
    list) measure lftp --norc -c "$2 cls -1 $scratch/data/many" ;;
    esac
}

peer_asyncssh() {
    set -- "$1" "$cache/venv/bin/python" bench/sftp_peer.py "$port" "$scratch/user" "$scratch/known_hosts"
    case $1 in
    small) shift; measure "$@" small "$scratch/data/small" "$out" ;;
    large) shift; measure "$@" large "$scratch/data/large" "$out/large" ;;
    list) shift; measure "$@" list "$scratch/data/many" ;;
    esac
}

# What OpenSSH's transport takes by itself: a large file through four `ssh` at once, thrown away. Nobody's peer, as it fetches
# nothing. Each has 2 MiB on its way, so that over a line of 20 ms four can't bring more than 400 MiB/s.
peer_ssh() {
    quarter=$(((large + 3) / 4))
    measure sh -c "
        pids=
        for n in 0 1 2 3; do
            ssh -T $options -p $port 127.0.0.1 \
                \"exec dd if=$scratch/data/large bs=1M skip=\$((n * $quarter)) count=$quarter status=none\" >/dev/null &
            pids=\"\$pids \$!\"
        done
        for pid in \$pids; do wait \$pid || exit 1; done"
}

measure() {
    python3 bench/sftp_time.py "$runs" "$files" "$bytes" "$look" "$@"
}

# Whether what takes so long is to be made.
is_worth() {
    [ -z "${SLOW:-}" ] || return 0
    case $1.$2.$3 in small.[1-9]*.sftp | large.[1-9]??.* | list.[1-9]??.*) return 1 ;; esac
}

# row WHAT TRIP PEER
row() {
    case $1.$2.$3 in names.*.fanout | large.*.ssh) ;; names.* | disk.[1-9]* | *.ssh) return 0 ;; esac
    is_worth "$@" || return 0
    data=$1 out=$scratch/out
    [ "$1" != disk ] || { data=small out=$disk/out; }
    look=$out
    case $data in
    small | names) files=$small bytes=$((small * 16384)) ;;
    large) files=1 bytes=$((large * 1048576)) ;;
    list) look=- files=0 bytes=0 ;;
    esac
    [ "$3" != ssh ] || look=- files=0 bytes=0
    port=$(awk -v trip="$2" '$1 == trip { print $2 }' "$scratch/lines")
    result=$("peer_$3" "$data") || { echo "| $1 | $2 | $3 | failed | | |"; return; }
    # shellcheck disable=SC2086 # three numbers
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$3" $result
}

# What the relay carries by itself, so that it can be told that it is not what is measured.
carries() {
    python3 bench/sftp_carries.py "$cache/relay" 20
}

table() {
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    echo "$(date -u +%F), $(nproc) cores ($processor), Linux $(uname -r | cut -d- -f1); $(/usr/sbin/sshd -V 2>&1 | sed -n 's/.*\(OpenSSH_[^,]*\).*/\1/p;q')," \
        "$(rclone version | head -1), $(lftp --version | sed -n 's/.*Version \([0-9.]*\).*/lftp \1/p;1q'), asyncssh" \
        "$("$cache/venv/bin/python" -c 'import asyncssh; print(asyncssh.__version__)'); load average at the start" \
        "$(cut -d' ' -f1 /proc/loadavg), $runs runs each; small: $small files of 16 KiB, large: $large MiB, list: $many entries;" \
        "results in $(stat -f -c %T "$scratch"), of \`disk\` in $(stat -f -c %T "$disk"); $(carries)."
    echo
    echo "| what | round trip, ms | peer | best, s | median, s | peak memory, MiB |"
    echo "|---|--:|---|--:|--:|--:|"
    for kind in $what; do
        for trip in $trips; do
            for peer in $peers; do row "$kind" "$trip" "$peer"; done
        done
    done
}

what=${WHAT:-small names disk large list} trips=${TRIPS:-0 20 100} peers=${PEERS:-fanout sftp rclone lftp asyncssh ssh}
serve
data
table | tee "$scratch/table"

if [ -n "$write" ]; then
    # What stands between the two marks is replaced.
    sed -i -e '/^<!-- sftp -->$/,/^<!-- end of sftp -->$/{//!d}' -e "/^<!-- sftp -->\$/r $scratch/table" bench/RESULTS.md
fi
