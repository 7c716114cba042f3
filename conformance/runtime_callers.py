#!/usr/bin/env python3
"""Runs containers by real callers of an OCI runtime, with runc and with ours, and compares.

    runtime_callers.py [--runtime PATH] [--only PATTERN] [--verbose]

Callers are a dockerd 28 (`--runtime`), containerd (`ctr run --runc-binary`) and podman
(`--runtime`), all from `bench/reference.sh`. A case is a line of shell that finds in its
environment the caller's words: `$RUN` up to the name of the image, `$C` for other verbs, and `$N`,
a name of its own. What it prints and its status must be those of runc. Status 1 if one differs.
"""

import argparse
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = os.path.join(HERE, "..", "bench", "reference.sh")
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import image  # noqa: E402

# Seconds that one case may take.
DEADLINE_S = 90
PRELUDE = r"""
eventually() {
    _until=$(($(date +%s) + 30))
    until sh -c "$1" >/dev/null 2>&1; do
        [ $(date +%s) -lt $_until ] || { echo "never: $1"; return 1; }
        sleep 0.1
    done
}
"""
# For all that are driven by docker's words.
COMMON = {
    "code": "$RUN --rm $I sh -c 'echo out; echo err >&2; exit 7'",
    "ids": "$RUN --rm --user 5:6 --workdir /tmp -e A=b $I sh -c 'id; pwd; echo $A; grep Cap /proc/self/status'",
    "not found": "$RUN --rm $I nosuch 2>/dev/null; echo $?",
    "not executable": "$RUN --rm $I /etc 2>/dev/null; echo $?",
    "namespaces": "$RUN --rm --hostname h $I sh -c 'hostname; echo $$; ls /sys/class/net'",
    "mounts": "$RUN --rm -v /etc/hostname:/h:ro --tmpfs /t:size=64k $I sh -c 'touch /h; df -k /t | tail -1; mount | cut -d\" \" -f3,5 | sort'",
    "read-only": "$RUN --rm --read-only $I touch /x; echo $?",
    "seccomp": "$RUN --rm $I sh -c 'grep -i -E \"seccomp:|nonewprivs\" /proc/self/status; unshare -m true; echo $?'",
    "limits": "$RUN --rm -m 64m --pids-limit 33 --cpus 0.5 --ulimit nofile=100:200 $I sh -c 'ulimit -n; ulimit -Hn; cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us'",
    "devices": "$RUN --rm --device /dev/kmsg:/dev/log1 $I sh -c 'ls -l /dev | cut -c1-10,40-; test -r /dev/log1; echo $?'",
    "masked": "$RUN --rm $I sh -c 'cat /proc/kcore | wc -c; ls /sys/firmware; touch /proc/sysrq-trigger'",
    "sysctl": "$RUN --rm --sysctl net.ipv4.ip_forward=1 $I cat /proc/sys/net/ipv4/ip_forward",
    "privileged": "$RUN --rm --privileged $I sh -c 'grep CapEff /proc/self/status; mount -t tmpfs x /tmp && echo mounted; ls /dev | wc -l'",
    "input": "echo typed | $RUN --rm -i $I cat",
    "terminal": "$RUN --rm -t $I sh -c 'tty; stty size'",
    "life": "$RUN -d --name $N $I sleep 1000 >/dev/null; $C exec $N echo inside; $C exec -u 3 -e B=c $N sh -c 'id -u; echo $B; exit 9'; echo $?; $C pause $N >/dev/null; $C inspect -f '{{.State.Status}}' $N; $C unpause $N >/dev/null; $C top $N | wc -l; $C kill $N >/dev/null; eventually \"$C inspect -f '{{.State.Status}}' $N | grep -q exited\"; $C inspect -f '{{.State.ExitCode}}' $N; $C rm $N >/dev/null; echo $?",
    "exec terminal": "$RUN -d --name $N $I sleep 1000 >/dev/null; $C exec -t $N sh -c 'tty; test -t 0; echo $?'; $C exec $N nosuch 2>/dev/null; echo $?; $C rm -f $N >/dev/null",
    "stop": "$RUN -d --name $N $I sh -c 'trap \"exit 4\" TERM; while :; do sleep 0.1; done' >/dev/null; $C stop -t 20 $N >/dev/null; $C inspect -f '{{.State.ExitCode}}' $N; $C rm $N >/dev/null",
    "restart": "$RUN -d --name $N $I sh -c 'echo begun; sleep 1000' >/dev/null; $C restart -t 0 $N >/dev/null; eventually \"$C logs $N | grep -c begun | grep -q 2\"; $C logs $N; $C rm -f $N >/dev/null",
    "out of memory": "$RUN --name $N -m 16m $I sh -c 'head -c 64m /dev/zero | tail' >/dev/null 2>&1; $C inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' $N; $C rm $N >/dev/null",
    "cgroup is gone": "$RUN -d --name $N $I sleep 1000 >/dev/null; ID=$($C inspect -f '{{.Id}}' $N); $C rm -f $N >/dev/null; find /sys/fs/cgroup -name \"*$ID*\" | wc -l",
}
CASES = {
    "docker": COMMON
    | {
        "update": "$RUN -d --name $N $I sleep 1000 >/dev/null; $C update -m 80m --memory-swap 80m --pids-limit 44 --cpu-shares 512 $N >/dev/null; $C exec $N cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.shares; $C rm -f $N >/dev/null",
        "stats": "$RUN -d --name $N -m 64m $I sleep 1000 >/dev/null; $C stats --no-stream --format '{{.Name}} {{.PIDs}}' $N; $C rm -f $N >/dev/null",
        "join": "$RUN -d --name $N $I sleep 1000 >/dev/null; $RUN --rm --pid container:$N --ipc container:$N $I ps | grep -c sleep; $C rm -f $N >/dev/null",
        "init": "$RUN --rm --init $I sh -c 'cat /proc/1/comm'",
        "healthy": "$RUN -d --name $N --health-cmd true --health-interval 1s $I sleep 1000 >/dev/null; eventually \"$C inspect -f '{{.State.Health.Status}}' $N | grep -q healthy\"; $C rm -f $N >/dev/null",
        "copy": "$RUN -d --name $N $I sleep 1000 >/dev/null; echo data >/tmp/$N; $C cp /tmp/$N $N:/x >/dev/null 2>&1; $C exec $N cat /x; rm /tmp/$N; $C rm -f $N >/dev/null",
    },
    "podman": COMMON,
    "containerd": {
        "code": "$RUN --rm $I $N sh -c 'echo out; exit 7'; echo $?",
        "ids": "$RUN --rm --user 5:6 --cwd /tmp --env A=b $I $N sh -c 'id; pwd; echo $A'",
        "not found": "$RUN --rm $I $N nosuch 2>&1 | grep -c 'executable file not found'",
        "life": "$RUN -d $I $N sleep 1000; $C t exec --exec-id e $N echo inside; $C t pause $N; $C t ls | grep $N | awk '{print $3}'; $C t resume $N; $C t ps $N | wc -l; $C t kill -s KILL $N; eventually \"$C t ls | grep $N | grep -q STOPPED\"; $C t rm $N; $C c rm $N; echo $?",
        "exec code": "$RUN -d $I $N sleep 1000; $C t exec --exec-id e $N sh -c 'exit 9'; echo $?; $C t rm -f $N >/dev/null; $C c rm $N; echo $?",
        "memory": "$RUN --rm --memory-limit 67108864 $I $N cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
        "metrics": "$RUN -d $I $N sleep 1000; $C t metrics $N | grep -c -E 'memory|cpu|pids'; $C t rm -f $N >/dev/null; $C c rm $N",
    },
}


class Callers:
    """The callers' daemons, and the words that drive them."""

    def __init__(self, directory, runtime):
        self.directory, self.runtime = directory, runtime
        self.bin = self.reference("bin").strip()
        archive = f"{directory}/image.tar"
        image.archive(archive, "bb:latest")
        self.reference("start", f"{directory}/docker")
        # Runtimes are what dockerd takes from its file when it is told to look again.
        with open(f"{directory}/docker/daemon.json", "w", encoding="utf-8") as file:
            json.dump({"runtimes": {"wharf": {"path": runtime}}}, file)
        with open(f"{directory}/docker/dockerd.pid", encoding="utf-8") as file:
            os.kill(int(file.read()), signal.SIGHUP)
        cli = self.reference("cli").strip()
        self.docker = f"{cli} -H unix://{directory}/docker/docker.sock"
        self.ctr = f"{self.bin}/ctr --address {directory}/docker/containerd.sock"
        self.podman = f"{REFERENCE} podman {directory}/podman"
        for words in (
            f"until {self.docker} info -f '{{{{json .Runtimes}}}}' | grep -q wharf; do sleep 0.1; done",
            f"{self.docker} load -q -i {archive}",
            f"{self.ctr} image import {archive}",
            f"{self.podman} load -q -i {archive}",
        ):
            subprocess.run(["timeout", "60", "sh", "-c", words], check=True, stdout=subprocess.DEVNULL)

    def reference(self, *words):
        return subprocess.run([REFERENCE, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def environment(self, caller, ours):
        none = "--network none"
        if caller == "docker":
            name = "wharf" if ours else "runc"
            return {"C": self.docker, "I": "bb", "RUN": f"{self.docker} run {none} --runtime {name}"}
        if caller == "podman":
            path = self.runtime if ours else f"{self.bin}/runc"
            words = f"{self.podman} --runtime {path}"
            return {"C": words, "I": "localhost/bb", "RUN": f"{words} run {none}"}
        path = self.runtime if ours else f"{self.bin}/runc"
        return {"C": self.ctr, "I": "docker.io/library/bb:latest", "RUN": f"{self.ctr} run --runc-binary {path}"}

    def close(self):
        subprocess.run([REFERENCE, "stop", f"{self.directory}/docker"], check=False)


def play(callers, caller, case, name, ours):
    environment = {**os.environ, **callers.environment(caller, ours), "N": name}
    words = ["timeout", "-k", "5", str(DEADLINE_S), "sh", "-c", PRELUDE + case]
    done = subprocess.run(
        words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    said = re.sub(name, "NAME", done.stdout)
    said = re.sub(r"[0-9a-f]{12,64}", "HEX", said)
    return f"{said}status {done.returncode}\n", done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", default=f"{HERE}/../target/release/wharf-runtime")
    parser.add_argument("--only", default="*")
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    differing = []
    with tempfile.TemporaryDirectory(prefix="wharf-callers-", dir="/var/tmp") as directory:
        callers = Callers(directory, os.path.realpath(chosen.runtime))
        try:
            for caller, cases in CASES.items():
                for title, case in cases.items():
                    name = f"{caller}/{title}"
                    if not fnmatch.fnmatch(name, chosen.only):
                        continue
                    number = f"case{abs(hash(name)) % 10**9}"
                    theirs, _ = play(callers, caller, case, number, False)
                    ours, errors = play(callers, caller, case, number, True)
                    same = theirs == ours
                    differing += [] if same else [name]
                    print(f"{'same' if same else 'differs'}\t{name}", flush=True)
                    if not same or chosen.verbose:
                        print(f"--- runc\n{theirs}--- ours\n{ours}{errors}", flush=True)
        finally:
            callers.close()
    print(f"callers: {len(differing)} differ from runc: {differing or 'none'}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
