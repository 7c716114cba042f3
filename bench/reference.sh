#!/usr/bin/env bash
# The peers that Wharf is compared with: a real Docker Engine 28, runc, podman and crun.
#
# Everything is unpacked beside the project and run with directories of its own; nothing is
# installed on the machine. Docker Engine and runc are Debian sid's packages, podman and crun
# those of the machine's own Debian release, both from the package mirror that the machine
# already uses. Needs root, apt, dpkg-deb.
#
#   reference.sh fetch             bring the peers (does nothing when they are there)
#   reference.sh bin               print the directory of their programs
#   reference.sh cli               print the docker CLI to drive engines with (version 28)
#   reference.sh start DIR         start containerd and dockerd with all their state below DIR
#   reference.sh socket DIR        print the engine's socket path
#   reference.sh stop DIR          stop both, their containers and mounts, and remove DIR
#   reference.sh podman DIR ARG..  run podman with all its state below DIR
#   reference.sh podman-words DIR  print podman's environment and command, one word a line
#   reference.sh crun ARG..        run crun, also where the machine's cgroups hinder it
#   reference.sh hide-v2 CMD ARG.. run a command where crun and podman work (see below)
#
# It can be sourced; the functions are then `reference_fetch`, `reference_start` and so on.

# Directories whose names are built into dockerd and containerd, the deepest first. Those that
# were not there before a start are removed after the stop, if they are empty.
REFERENCE_HARD_CODED='/run/containerd/s /run/containerd /run/docker/plugins /run/docker /etc/docker'

reference_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REFERENCE_CACHE=${REFERENCE_CACHE:-$reference_here/../target/tools/reference}

# Every package is unpacked without its dependencies, so what the programs link is listed too.
REFERENCE_SID='docker.io docker-cli containerd runc tini-static libc6 libseccomp2 patchelf
    libstdc++6 libgcc-s1'
REFERENCE_OWN='podman conmon crun libgpgme11 libassuan0 libsubid4 libdevmapper1.02.1 libyajl2
    libglib2.0-0'
# Seconds that a daemon may take to start or to stop before we give up.
REFERENCE_DEADLINE_S=60

reference_say() { printf 'reference: %s\n' "$*" >&2; }

# A private apt configuration: the machine's own Debian mirror, with another suite.
reference_apt() {
    local dir=$1 suite=$2 mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 2>/dev/null |
        awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
    # Before the first `apt-get update` there are no index targets; read the sources instead.
    if [ -z "$mirror" ]; then
        mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
            /etc/apt/sources.list.d/*.sources 2>/dev/null |
            sed -nE 's/^(URIs:|deb( +\[[^]]*\])?) +([^ ]+).*/\3/p' |
            grep -E '/debian/?$' | head -n 1)
    fi
    if [ -z "$mirror" ]; then
        reference_say 'no Debian mirror among the apt sources'
        return 1
    fi
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/parts"
    : >"$dir/status"
    cat >"$dir/suite.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/suite.sources";
Dir::Etc::sourceparts "$dir/parts";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
CONF
    APT_CONFIG=$dir/apt.conf apt-get -qq update
}

# Downloads packages of a suite and unpacks them together below DIR/root-SUITE.
reference_unpack() {
    local dir=$1 suite=$2
    shift 2
    reference_apt "$dir/apt-$suite" "$suite" || return 1
    mkdir -p "$dir/debs-$suite" "$dir/root-$suite" || return 1
    (cd "$dir/debs-$suite" && APT_CONFIG=$dir/apt-$suite/apt.conf apt-get -qq download "$@") ||
        return 1
    local deb
    for deb in "$dir/debs-$suite"/*.deb; do
        dpkg-deb -x "$deb" "$dir/root-$suite" || return 1
    done
    rm -rf "$dir/apt-$suite" "$dir/debs-$suite"
}

# patchelf of sid, by sid's dynamic linker.
reference_patch() {
    local sid=$REFERENCE_CACHE/sid/usr
    "$sid/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \
        --library-path "$sid/lib/x86_64-linux-gnu" "$sid/bin/patchelf" "$@"
}

reference_fetch() {
    [ -e "$REFERENCE_CACHE/complete" ] && return 0
    local own lib
    # shellcheck disable=SC1091
    own=$(. /etc/os-release && echo "$VERSION_CODENAME")
    rm -rf "$REFERENCE_CACHE"
    mkdir -p "$REFERENCE_CACHE/bin" || return 1
    REFERENCE_CACHE=$(cd "$REFERENCE_CACHE" && pwd)
    reference_say "unpacking Docker Engine, runc, podman and crun in $REFERENCE_CACHE"
    # shellcheck disable=SC2086
    reference_unpack "$REFERENCE_CACHE" sid $REFERENCE_SID || return 1
    # shellcheck disable=SC2086
    reference_unpack "$REFERENCE_CACHE" "$own" $REFERENCE_OWN || return 1
    mv "$REFERENCE_CACHE/root-sid" "$REFERENCE_CACHE/sid" || return 1
    mv "$REFERENCE_CACHE/root-$own" "$REFERENCE_CACHE/own" || return 1

    local sid=$REFERENCE_CACHE/sid bin=$REFERENCE_CACHE/bin program
    for program in sbin/dockerd bin/docker bin/containerd bin/containerd-shim-runc-v2 bin/ctr \
        sbin/docker-proxy; do
        [ -e "$sid/usr/$program" ] && ln -sf "$sid/usr/$program" "$bin/"
    done
    # docker-init is tini; dockerd looks for it by that name.
    ln -sf "$(find "$sid/usr" -name tini-static -type f | head -n 1)" "$bin/docker-init"
    # Sid's runc needs sid's libc. It executes itself again through /proc/self/exe, so it
    # cannot be started by naming the dynamic linker; the path of the linker goes into it.
    lib=$sid/usr/lib/x86_64-linux-gnu
    cp "$(find "$sid/usr" -name runc -type f -perm -1 | head -n 1)" "$bin/runc" || return 1
    reference_patch --set-interpreter "$lib/ld-linux-x86-64.so.2" --set-rpath "$lib" \
        "$bin/runc" || return 1
    # Podman starts itself and others without the variables that would lead to its libraries.
    lib=$REFERENCE_CACHE/own/usr/lib/x86_64-linux-gnu:$REFERENCE_CACHE/own/lib/x86_64-linux-gnu
    for program in podman conmon crun; do
        reference_patch --set-rpath "$lib" "$REFERENCE_CACHE/own/usr/bin/$program" || return 1
        ln -sf "$REFERENCE_CACHE/own/usr/bin/$program" "$bin/"
    done
    "$bin/runc" --version >/dev/null && "$bin/dockerd" --version >/dev/null || return 1
    touch "$REFERENCE_CACHE/complete"
}

reference_bin() {
    reference_fetch && (cd "$REFERENCE_CACHE/bin" && pwd)
}

# The docker CLI of the machine if it is version 28, else the one we unpacked.
reference_cli() {
    local found
    found=$(command -v docker) &&
        "$found" --version 2>/dev/null | grep -q 'version 28\.' && echo "$found" && return 0
    echo "$(reference_bin)/docker"
}

reference_socket() { echo "$1/docker.sock"; }

# Waits until the command that follows succeeds.
reference_wait() {
    local until=$((SECONDS + REFERENCE_DEADLINE_S))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.05
    done
}

reference_gone() { ! kill -0 "$1"; }

# The cgroup that holds the containers of the engine below DIR, so that it can be removed.
reference_cgroup() { echo "/wharf-reference-$(printf %s "$1" | cksum | cut -d' ' -f1)"; }

# Succeeds when the engine answers, fails at once when its process is gone.
reference_wait_engine() {
    local pid=$1 host=$2 cli until=$((SECONDS + REFERENCE_DEADLINE_S))
    cli=$(reference_cli) || return 1
    while [ $SECONDS -lt $until ] && kill -0 "$pid" 2>/dev/null; do
        "$cli" -H "$host" version >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    return 1
}

reference_start() {
    local dir=$1 bin host path
    bin=$(reference_bin) || return 1
    host=unix://$(reference_socket "$dir")
    mkdir -p "$dir/root" "$dir/exec" "$dir/home" || return 1
    printf '{}\n' >"$dir/daemon.json"
    for path in $REFERENCE_HARD_CODED; do
        [ -d "$path" ] || printf '%s\n' "$path"
    done >"$dir/made"
    # As in the containerd that dockerd itself would start: without Kubernetes' part.
    cat >"$dir/containerd.toml" <<CONF
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
path = "$dir/opt"
CONF
    # It is our own, so that dockerd does not find the machine's.
    PATH=$bin:$PATH HOME=$dir/home setsid "$bin/containerd" --config "$dir/containerd.toml" \
        --root "$dir/containerd/root" --state "$dir/containerd/state" \
        --address "$dir/containerd.sock" --log-level error \
        >"$dir/containerd.log" 2>&1 </dev/null &
    echo $! >"$dir/containerd.pid"
    reference_wait test -S "$dir/containerd.sock" || {
        reference_say "containerd did not start, see $dir/containerd.log"
        return 1
    }
    PATH=$bin:$PATH HOME=$dir/home setsid "$bin/dockerd" --config-file "$dir/daemon.json" \
        --data-root "$dir/root" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
        --host "$host" --containerd "$dir/containerd.sock" --storage-driver overlay2 \
        --bridge none --iptables=false --ip6tables=false --ip-forward=false \
        --cgroup-parent "$(reference_cgroup "$dir")" \
        --init-path "$bin/docker-init" >"$dir/dockerd.log" 2>&1 </dev/null &
    reference_wait_engine $! "$host" || {
        reference_say "dockerd did not start, see $dir/dockerd.log"
        return 1
    }
}

# Ends the process of a pid file, by force when it does not go by itself.
reference_end() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    reference_wait reference_gone "$pid" || kill -9 "$pid" 2>/dev/null
}

# The deepest first, so that nothing is busy.
reference_unmount() {
    local mount
    awk -v below="$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r mount; do umount -l "$mount" 2>/dev/null; done
}

# What still runs with our directory on its command line: shims, when a daemon was killed.
reference_kill_left() {
    local proc
    for proc in /proc/[0-9]*; do
        [ "${proc#/proc/}" = "$$" ] && continue
        case "$(readlink "$proc/exe" 2>/dev/null)" in
        "$REFERENCE_CACHE"/*) ;;
        *) continue ;;
        esac
        tr '\0' '\n' <"$proc/cmdline" 2>/dev/null | grep -qF "$1/" &&
            kill -9 "${proc#/proc/}" 2>/dev/null
    done
    return 0
}

reference_stop() {
    local dir=$1 docker containers
    [ -d "$dir" ] || return 0
    if docker=$(reference_cli) && [ -S "$(reference_socket "$dir")" ]; then
        local host
        host=unix://$(reference_socket "$dir")
        containers=$(timeout 60 "$docker" -H "$host" ps -aq 2>/dev/null)
        # shellcheck disable=SC2086
        [ -z "$containers" ] ||
            timeout 300 "$docker" -H "$host" rm -f $containers >/dev/null 2>&1
    fi
    reference_end "$dir/dockerd.pid"
    reference_end "$dir/containerd.pid"
    reference_kill_left "$dir"
    reference_unmount "$dir"
    find /sys/fs/cgroup -depth -type d -path "*$(reference_cgroup "$dir")*" -exec rmdir {} \; \
        2>/dev/null
    # shellcheck disable=SC2046
    rmdir --ignore-fail-on-non-empty $(cat "$dir/made" 2>/dev/null) 2>/dev/null
    rm -rf "$dir"
}

# Podman as root with its own storage, state, policy and settings; crun is its runtime. Prints
# the command that runs it, one word a line: first NAME=VALUE for its environment, then words.
reference_podman_words() {
    local dir=$1 bin own
    bin=$(reference_bin) || return 1
    own=$(cd "$REFERENCE_CACHE/own" && pwd)
    mkdir -p "$dir/home/.config/containers" "$dir/tmp"
    printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' \
        >"$dir/home/.config/containers/policy.json"
    : >"$dir/registries.conf"
    # Podman's own limits exceed the hard ones where CAP_SYS_RESOURCE is missing.
    cat >"$dir/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=1000:1000"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
conmon_path = ["$own/usr/bin/conmon"]
runtime = "crun"
[engine.runtimes]
crun = ["$own/usr/bin/crun"]
runc = ["$bin/runc"]
CONF
    printf '[storage]\ndriver = "overlay"\nrunroot = "%s"\ngraphroot = "%s"\n' \
        "$dir/run" "$dir/root" >"$dir/storage.conf"
    printf '%s\n' "HOME=$dir/home" "CONTAINERS_CONF=$dir/containers.conf" \
        "CONTAINERS_STORAGE_CONF=$dir/storage.conf" \
        "CONTAINERS_REGISTRIES_CONF=$dir/registries.conf" \
        "$own/usr/bin/podman" --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp"
}

# Runs a command where crun works. crun refuses to run while the v2 hierarchy of a hybrid
# machine owns any controller (often hugetlb, which nothing mounts). In a mount namespace of our
# own that hierarchy is hidden: crun then sees cgroup v1 alone, and nothing changes outside.
reference_hide_v2() {
    if mountpoint -q /sys/fs/cgroup/unified; then
        # shellcheck disable=SC2016
        unshare --mount --propagation private sh -c 'umount /sys/fs/cgroup/unified && exec "$@"' \
            reference "$@"
    else
        "$@"
    fi
}

reference_main() {
    local verb=${1:-}
    shift
    case $verb in
    fetch | bin | cli) "reference_$verb" ;;
    start | stop | socket) "reference_$verb" "$(realpath -m "${1:?directory}")" ;;
    podman-words) reference_podman_words "$(realpath -m "${1:?directory}")" ;;
    podman)
        local dir words
        dir=$(realpath -m "${1:?directory}")
        shift
        mapfile -t words < <(reference_podman_words "$dir")
        reference_hide_v2 env "${words[@]}" "$@"
        ;;
    crun)
        reference_fetch || return 1
        reference_hide_v2 "$REFERENCE_CACHE/bin/crun" "$@"
        ;;
    hide-v2) reference_hide_v2 "$@" ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
        return 2
        ;;
    esac
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    reference_main "$@"
fi
