#!/bin/sh
# An OpenSSH server for tests: a user of its own with a password and keys, without touching the system's users, keys
# or services. The integration tests start it on the loopback, docker-compose.yml in a container.
#
#   sshd.sh FOLDER ADDRESS PORT UID [OPTION...]     an OPTION is a line of sshd_config and wins over those below
#
# FOLDER/data        what it serves; belongs to the user `fanout` (password: "correct horse"), who is UID
# FOLDER/keys        host_ed25519, host_rsa; user_ed25519, user_rsa, user_locked (passphrase: "battery staple"),
#                    all of which may log in, and user_stranger, which may not
# FOLDER/log         what sshd and sftp-server said, each line with its time in seconds since 1970
set -eu
folder=$1 address=$2 port=$3 uid=$4
shift 4

mkdir -p "$folder/data" "$folder/keys"
cd "$folder/keys"
for name in host_ed25519 host_rsa user_ed25519 user_rsa user_stranger; do
    kind=ed25519
    case $name in *_rsa) kind="rsa -b 2048" ;; esac # larger ones take seconds to find
    [ -e "$name" ] || ssh-keygen -q -t $kind -N "" -C "$name" -f "$name"
done
[ -e user_locked ] || ssh-keygen -q -t ed25519 -N "battery staple" -C user_locked -f user_locked
cat user_ed25519.pub user_rsa.pub user_locked.pub >authorized

# A user without an entry in /etc/passwd: nss_wrapper (the Samba project's) answers sshd's questions from these files.
# The password is crypt(3) of "correct horse".
{
    echo "fanout:x:$uid:$uid:fanout:$folder/data:/bin/sh"
    echo "sshd:x:65533:65534:privilege separation:/run/sshd:/usr/sbin/nologin"
    echo "root:x:0:0:root:/root:/bin/sh"
} >"$folder/passwd"
printf 'fanout:x:%s:\nroot:x:0:\n' "$uid" >"$folder/group"
printf '%s\n' 'fanout:$6$fanout$Y28a1Hz.AgJELXKZvzsBjEqM.F8H3iseP2mQ69ToV8Wdo.fjAYADNsbg6mB0IzAULkCjdU6kIHy7ZB17XqlDy/:19000:0:99999:7:::' >"$folder/shadow"
chmod 600 "$folder/shadow"

# sftp-server writes to its stderr, sshd to the same pipe; perl puts the times before the lines.
perl -MTime::HiRes -e 1
[ -p "$folder/lines" ] || mkfifo -m 666 "$folder/lines"
: >>"$folder/log"
chmod 644 "$folder/log"
perl -MTime::HiRes=time -ne 'BEGIN { $| = 1 } printf "%.6f %s", time, $_' <"$folder/lines" >>"$folder/log" &

{
    for option in "$@"; do echo "$option"; done
    cat <<END
ListenAddress $address:$port
HostKey $folder/keys/host_ed25519
HostKey $folder/keys/host_rsa
AuthorizedKeysFile $folder/keys/authorized
AllowUsers fanout
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication yes
KbdInteractiveAuthentication no
UseDNS no
LogLevel VERBOSE
# Tests open many connections at once; a test of this limit sets its own.
MaxStartups 1000
PerSourceMaxStartups none
Subsystem sftp /usr/lib/openssh/sftp-server -e -l VERBOSE 2>>$folder/lines
END
} >"$folder/sshd_config"

if [ "$(id -u)" = 0 ]; then
    mkdir -p -m 755 /run/sshd
    chown "$uid:$uid" "$folder/data" # the rest stays root's
fi
export LD_PRELOAD=libnss_wrapper.so
export NSS_WRAPPER_PASSWD="$folder/passwd" NSS_WRAPPER_GROUP="$folder/group" NSS_WRAPPER_SHADOW="$folder/shadow"
exec /usr/sbin/sshd -D -e -f "$folder/sshd_config" 2>"$folder/lines"
