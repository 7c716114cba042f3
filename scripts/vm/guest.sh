#!/bin/busybox sh
# shellcheck shell=dash
# The guest's process 1: a small system of control groups of version 2, then all tests.
export PATH=/bin HOME=/root TMPDIR=/tmp TERM=dumb RUST_BACKTRACE=0

leave() {
    echo "vm: $1"
    busybox poweroff -f
}

prepare() {
    mount -t proc proc /proc
    dmesg -n 1
    # Who made the disk need not have been root.
    chown -R 0:0 / 2> /dev/null
    chmod 1777 /tmp
    mount -t sysfs sys /sys
    mount -t devtmpfs dev /dev
    mkdir -p /dev/pts /dev/shm /dev/mqueue
    mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
    mount -t tmpfs shm /dev/shm
    mount -t mqueue mqueue /dev/mqueue
    mount -t tmpfs run /run
    ln -s /proc/self/fd /dev/fd
    mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
    # As under systemd.
    mount --make-rshared /
    hostname guest
    ip link set lo up
}

# Version 2 must have what we limit, and nothing may be in a hierarchy of version 1.
check_cgroups() {
    cd /sys/fs/cgroup || leave 'no control groups'
    for controller in cpu memory pids io cpuset; do
        grep -qw "$controller" cgroup.controllers || leave "no controller $controller"
    done
    # What systemd enables by itself; the rest is the crate's work, looked at in the end.
    echo '+memory +pids' > cgroup.subtree_control || leave 'cannot enable controllers'
    [ "$(wc -l < /proc/self/cgroup)" = 1 ] || leave 'control groups of version 1 are in use'
    cd /
}

# Everything from one crate, one test after the other.
run_crate() {
    set -- "/tests/$1.test" --test-threads=1 --exact
    crate=${1##*/}
    crate=${crate%.test}
    while read -r of test reason; do
        [ "$of" = "$crate" ] || continue
        echo "vm: skips $crate $test: $reason"
        set -- "$@" --skip "$test"
    done < /tests/skipped
    echo "vm: $crate"
    timeout 240 "$@" < /dev/null 2>&1
    echo "vm: $crate, at $(cut -d . -f 1 /proc/uptime) s, exit $?"
}

check_enabled() {
    for controller in cpu memory pids io cpuset; do
        grep -qw "$controller" /sys/fs/cgroup/cgroup.subtree_control ||
            echo "vm: the controller $controller was not enabled, exit 1"
    done
    left=$(find /sys/fs/cgroup -mindepth 1 -type d)
    [ -z "$left" ] || echo "vm: control groups are left, exit 1:" "$left"
}

prepare
check_cgroups
echo "vm: Linux $(uname -r), $(cat /sys/fs/cgroup/cgroup.controllers)"
for program in /tests/*.test; do
    program=${program##*/}
    run_crate "${program%.test}"
done
check_enabled
echo 'vm: engine'
timeout 200 sh /tests/engine.sh < /dev/null 2>&1
echo "vm: engine, at $(cut -d . -f 1 /proc/uptime) s, exit $?"
leave end
