#!/bin/sh
# Tells whether this kernel has what the engine needs, and what to do about what it has not.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

oldest=5.19 # id-mapped overlay mounts
bad=0

complain() {
    printf 'kernel: %s\n' "$1" >&2
    bad=1
}

running=$(uname -r)
first=$(printf '%s\n%s\n' "$oldest" "${running%%-*}" | sort -V | head -n 1)
[ "$first" = "$oldest" ] || complain "Linux $running is too old: $oldest or newer is needed"

if [ ! -e /proc/self/ns/user ]; then
    complain 'it has no user namespaces: a kernel with CONFIG_USER_NS is needed'
elif [ "$(cat /proc/sys/user/max_user_namespaces)" = 0 ]; then
    complain 'user namespaces are turned off: sysctl -w user.max_user_namespaces=15000'
fi

grep -qw overlay /proc/filesystems || as_root modprobe overlay 2> /dev/null ||
    complain 'it has no overlay file system: a kernel with CONFIG_OVERLAY_FS is needed'

[ -e /proc/sys/kernel/seccomp/actions_avail ] ||
    complain 'it has no seccomp filters: a kernel with CONFIG_SECCOMP_FILTER is needed'

grep -q ' - cgroup2\{0,1\} ' /proc/self/mountinfo ||
    complain 'no control groups are mounted: mount -t cgroup2 none /sys/fs/cgroup'

exit "$bad"
