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

# The OCI runtimes of others that are at hand.
runtimes() {
    for runtime in crun runc; do
        [ ! -e "/bin/$runtime" ] || echo "$runtime"
    done
}

configure() {
    list=''
    for runtime in $(runtimes); do
        list="$list${list:+, }\"$runtime\": {\"path\": \"/bin/$runtime\"}"
    done
    echo "{\"runtimes\": {$list}}" > "$dir/engine.json"
}

start_engine() {
    wharf engine --config-file "$dir/engine.json" --root "$dir/root" --run "$dir/run" \
        --host "$host" >> "$dir/log" 2>&1 &
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

# The files of its control group, one line each, without what the kernel adds.
files() {
    container=$1
    shift
    for file in "$@"; do
        echo "$file: $(w exec "$container" cat "/sys/fs/cgroup/$file" | tr -s '\n' ' ')"
    done | sed 's/ $//'
}

limits() {
    run -d --name limits --memory 40m --memory-swap 60m --memory-reservation 20m --cpus 0.5 \
        --cpu-shares 512 --cpuset-cpus 0 --pids-limit 20 \
        --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:50 \
        box sleep 1000 > /dev/null
    files limits memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max \
        io.max
}

update() {
    w update --memory 50m --memory-swap 50m --memory-reservation 30m --cpus 1.5 --cpu-shares 1024 \
        --cpuset-cpus 0-1 --pids-limit 30 limits
    files limits memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max
    w inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' limits
    w update --memory-swap 10m limits 2>&1 | grep -o 'should be larger.*'
    w rm -f limits
}

# Reading is slowed to the limit: 3 MB beyond the first second's at 1 MB a second.
slow_disk() {
    dd if=/dev/urandom of="$dir/big" bs=1M count=4 2> /dev/null
    sync
    begin=$(date +%s)
    run --rm --device-read-bps /dev/vda:1mb -v "$dir/big:/big" box \
        sh -c 'dd if=/big of=/dev/null bs=64k iflag=direct 2> /dev/null'
    [ $(($(date +%s) - begin)) -ge 2 ] && echo slow
}

# One number of `stats`: a field of its JSON.
stat() {
    w stats --no-stream --format "{{.$1}}" "$2"
}

# between LOW HIGH NUMBER: whole numbers.
between() {
    [ "$3" -ge "$1" ] && [ "$3" -le "$2" ] && echo fits || echo "$3 is not from $1 to $2"
}

half_used() {
    [ "$(between 40 60 "$(stat CPUPerc counts | sed 's|[.%].*||')")" = fits ]
}

idle() {
    [ "$(stat CPUPerc counts)" = 0.00% ]
}

# Docker on version 2: memory without the page cache that nobody uses now; all processors' time.
stats() {
    run -d --name counts -m 64m --cpus 0.5 -v "$dir/big:/big" box sh -c '
        head -c 20971520 /dev/zero > /dev/shm/used
        dd if=/big of=/dev/null bs=1M iflag=direct; cat /big > /dev/null; touch /ready
        sleep 1000 & while :; do :; done' > /dev/null
    until_true 30 w exec counts test -e /ready
    stat MemUsage counts | sed 's|.*/ ||'
    between 20 23 "$(stat MemUsage counts | sed 's|[.M].*||')"
    between 31 36 "$(stat MemPerc counts | sed 's|[.%].*||')"
    stat PIDs counts
    until_true 10 half_used || echo "uses $(stat CPUPerc counts)"
    stat BlockIO counts | grep -q '[1-9]' && echo has read
    w pause counts
    until_true 10 idle || echo "uses $(stat CPUPerc counts) though it is paused"
    w rm -f counts
}

events() {
    begin=$(date +%s)
    run --name told -m 16m --memory-swap 16m box tail /dev/zero
    w rm told > /dev/null
    w events --since "$begin" --until "$(($(date +%s) + 1))" --filter container=told \
        --filter event=oom --filter event=die --format '{{.Action}}'
}

# The same by another runtime: what its control group says, its counters, its pause.
foreign() {
    run -d --runtime "$1" --name foreign -m 32m --memory-swap 32m --cpus 0.5 --pids-limit 9 \
        box sh -c 'while :; do echo tick; usleep 20000; done' > /dev/null
    grows foreign || echo 'does not tick'
    files foreign memory.max memory.swap.max cpu.max pids.max
    stat MemUsage foreign | sed 's|.*/ ||'
    w update --memory 48m --memory-swap 48m foreign
    files foreign memory.max
    w pause foreign
    stands_still foreign || echo 'goes on though it is paused'
    w unpause foreign
    grows foreign || echo 'stands still though it is not paused'
    w exec foreign cat /proc/self/cgroup
    w rm -f foreign
    run --rm --runtime "$1" -m 16m --memory-swap 16m box tail /dev/zero
    echo "$?"
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

configure
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
check limits 'memory.max: 41943040
memory.swap.max: 20971520
memory.low: 20971520
cpu.max: 50000 100000
cpu.weight: 59
cpuset.cpus: 0
pids.max: 20
io.max: 254:0 rbps=1048576 wbps=max riops=max wiops=50' limits
check update 'limits
memory.max: 52428800
memory.swap.max: 0
memory.low: 31457280
cpu.max: 150000 100000
cpu.weight: 100
cpuset.cpus: 0-1
pids.max: 30
52428800 1500000000
should be larger than memory limit, see usage
limits' update
check slow_disk slow slow_disk
check stats '64MiB
fits
fits
2
has read
counts
counts' stats
check events 'oom
die' events
for runtime in $(runtimes); do
    check "runtime_$runtime" 'memory.max: 33554432
memory.swap.max: 0
cpu.max: 50000 100000
pids.max: 9
32MiB
foreign
memory.max: 50331648
foreign
foreign
0::/
foreign
137' foreign "$runtime"
done
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
