#!/bin/busybox sh
# shellcheck shell=dash
# In the guest: the engine as its users have it, on this kernel and control groups of version 2.
# Prints what libtest does, so that the results add up.
set -u
dir=/tmp/engine
host=unix://$dir/run/wharf.sock
passed=0
failed=0
mkdir -p "$dir/tree/bin"

w() {
    wharf -H "$host" "$@"
}

run() {
    w run --network none "$@"
}

# until SECONDS COMMAND...: waits for it to succeed.
until_true() {
    end=$(($(date +%s) + $1))
    shift
    while ! "$@" > /dev/null 2>&1; do
        [ "$(date +%s)" -le "$end" ] || return 1
        usleep 50000
    done
}

# check NAME EXPECTED COMMAND...: it prints that, and that alone.
check() {
    name=$1 expected=$2
    shift 2
    got=$("$@" 2>&1 < /dev/null)
    if [ "$got" = "$expected" ]; then
        echo "test engine::$name ... ok"
        passed=$((passed + 1))
    else
        echo "test engine::$name ... FAILED"
        echo "expected: $expected"
        echo "got:      $got"
        failed=$((failed + 1))
    fi
}

start_engine() {
    wharf engine --root "$dir/root" --run "$dir/run" --host "$host" >> "$dir/log" 2>&1 &
    echo $! > "$dir/pid"
    until_true 30 w version
}

# stop_engine SIGNAL. Checks run in subshells, so that the engine may be another's child.
stop_engine() {
    pid=$(cat "$dir/pid")
    kill "$1" "$pid"
    until_true 20 dead "$pid"
}

# A dead process that nobody has waited for has no program any more.
dead() {
    ! readlink "/proc/$1/exe"
}

is() {
    [ "$(w inspect -f "{{.State.$1}}" "$2")" = "$3" ]
}

lines() {
    w logs "$1" | wc -l
}

grows() {
    before=$(lines "$1")
    until_true 20 sh -c "[ \$(wharf -H $host logs $1 | wc -l) -gt $before ]"
}

# The same every time if it stands still, and not otherwise.
stands_still() {
    before=$(lines "$1")
    usleep 500000
    [ "$(lines "$1")" = "$before" ]
}

import() {
    cp /bin/busybox "$dir/tree/bin/"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$dir/tree/bin/$applet"
    done
    tar -C "$dir/tree" -c . | w import - box > /dev/null && w images --format '{{.Repository}}' box
}

out_of_memory() {
    run --name oom -m 16m --memory-swap 16m box tail /dev/zero
    echo "$?"
    w inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
    w rm oom
}

pause() {
    run -d --name ticks box sh -c 'while :; do echo tick; usleep 20000; done' > /dev/null
    grows ticks || echo 'does not tick'
    w pause ticks
    is Status ticks paused || echo 'is not paused'
    stands_still ticks || echo 'goes on though it is paused'
    w unpause ticks
    grows ticks || echo 'stands still though it is not paused'
}

# Nodes work there, and one of the disk's kind is forbidden: only the control group's program does
# that, for the container has no user namespace of its own.
devices() {
    run --rm --userns host --cap-add MKNOD box sh -c \
        'mknod /d b 253 0; mknod /n c 1 3 && echo x > /n && echo null;
         dd if=/d of=/dev/null count=1 2>&1 | grep -o "Operation not permitted"'
}

survive() {
    process=$(w inspect -f '{{.State.Pid}}' ticks)
    script='until [ -e /gate/go ]; do usleep 20000; done; echo bye; touch /gate/gone; exit 42'
    run -d --name ends -v "$dir:/gate" box sh -c "$script" > /dev/null
    stop_engine -9 || echo 'the engine lives'
    touch "$dir/go"
    until_true 20 test -e "$dir/gone" || echo 'did not end without an engine'
    start_engine || echo 'no engine'
    until_true 20 is Status ends exited || echo 'the end is not known'
    w inspect -f '{{.State.ExitCode}}' ends
    w logs ends
    [ "$(w inspect -f '{{.State.Pid}}' ticks)" = "$process" ] || echo 'ticks is another'
    grows ticks || echo 'ticks stands still'
    w exec ticks echo still
}

left() {
    w rm -f ticks ends
    stop_engine -15 || echo 'the engine lives'
    until_true 20 gone || echo 'mounts or control groups are left:' "$(things)"
}

things() {
    cut -d ' ' -f 5 /proc/self/mountinfo
    find /sys/fs/cgroup -mindepth 2 -type d
}

gone() {
    [ "$(things)" = "$things_before" ]
}

things_before=$(things)
start_engine || echo 'the engine does not answer'
check import box import
check hello 0 sh -c "wharf -H $host run --rm --network none wharf/hello > /dev/null; echo \$?"
check run hi run --rm box echo hi
check exit_code 7 sh -c "wharf -H $host run --rm --network none box sh -c 'exit 7'; echo \$?"
check memory_limit '33554432
0' run --rm -m 32m --memory-swap 32m box sh -c \
    'cd /sys/fs/cgroup; cat memory.max memory.swap.max'
check cpu_limit '50000 100000' run --rm --cpus 0.5 box cat /sys/fs/cgroup/cpu.max
check cpuset 1 run --rm --cpuset-cpus 1 box cat /sys/fs/cgroup/cpuset.cpus.effective
check own_cgroup 0::/ run --rm box cat /proc/self/cgroup
check out_of_memory '137
true 137
oom' out_of_memory
check pids_limit "4
sh: can't fork: Resource temporarily unavailable" run --rm --pids-limit 4 box sh -c \
    'cat /sys/fs/cgroup/pids.max; for i in 1 2 3 4 5 6; do sleep 1000 & done; echo all'
check pause 'ticks
ticks' pause
check exec 'in it' w exec ticks echo in it
check exec_has_the_cgroup 0::/ w exec ticks cat /proc/self/cgroup
check devices 'null
Operation not permitted' devices
check survive '42
bye
still' survive
check left 'ticks
ends' left

result=ok
[ "$failed" = 0 ] || result=FAILED
[ "$failed" = 0 ] || tail -n 20 "$dir/log"
echo
echo "test result: $result. $passed passed; $failed failed"
[ "$failed" = 0 ]
