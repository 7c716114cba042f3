#!/usr/bin/env python3
"""Runs a command in a temporary directory and leaves nothing of it behind.

    keeper.py [--parent DIR] COMMAND ARG..

The command finds the directory in KEPT_DIR. When it has ended, whatever way, all processes that
descend from it are killed (also daemons: we are their reaper), mounts below the directory are
undone, the cgroups that those processes were in are removed, and so is the directory. What had to
be cleaned up although the command claimed to be done (status 0) is said on stderr: it is a leak.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
# Seconds that killed processes may take to be gone.
DEADLINE_S = 30


def read(path):
    """The text of a file of /proc, empty when the process is gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid):
    """The fields of /proc/PID/stat from the state on; empty when the process is gone."""
    # The command name may hold blanks and parentheses; the rest follows the last one.
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def parent_of(pid):
    fields = stat_fields(pid)
    return int(fields[1]) if len(fields) > 1 else 0


def children_of(parents):
    """All processes below the given ones, by the parent ids of a snapshot of /proc."""
    below = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(name)
            if len(fields) > 1:
                below.setdefault(int(fields[1]), []).append((int(name), fields[0]))
    found, todo = [], list(parents)
    while todo:
        for pid, state in below.get(todo.pop(), []):
            todo.append(pid)
            if state != "Z":
                found.append(pid)
    return found


def cgroup_directories(pid):
    """The directories of a process in every cgroup hierarchy, where they are usually mounted."""
    found = set()
    for line in read(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        controllers = controllers.removeprefix("name=")
        if controllers:
            found.add(f"/sys/fs/cgroup/{controllers}{path}")
        else:
            found.update({f"/sys/fs/cgroup{path}", f"/sys/fs/cgroup/unified{path}"})
    return {path for path in found if os.path.isdir(path)}


def reap():
    """Takes the exit status of every child that has one."""
    statuses = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return statuses
        if pid == 0:
            return statuses
        statuses[pid] = status


def kill_all(cgroups):
    """Kills all that descends from us; the number of processes that it met."""
    met = set()
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        reap()
        alive = children_of([os.getpid()])
        if not alive:
            break
        for pid in alive:
            if pid not in met:
                cgroups.update(cgroup_directories(pid))
            met.add(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    return len(met)


def thaw(cgroups):
    """A frozen process cannot die."""
    for path in cgroups:
        for file, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            target = os.path.join(path, file)
            if os.path.exists(target):
                try:
                    with open(target, "w", encoding="ascii") as out:
                        out.write(word)
                except OSError:
                    pass


def unmount(directory):
    """Undoes the mounts below the directory, the last made first; how many there were."""
    points = [line.split()[4] for line in read("/proc/self/mountinfo").splitlines()]
    points = [p for p in points if p == directory or p.startswith(directory + "/")]
    libc = ctypes.CDLL(None, use_errno=True)
    for point in reversed(points):
        libc.umount2(point.replace("\\040", " ").encode(), 2)
    return len(points)


def remove_cgroups(cgroups, ours):
    """Removes the given cgroups and their parents as far as they are empty and not our own."""
    removed = 0
    for path in sorted(cgroups, key=len, reverse=True):
        while path not in ours and path.count("/") > 4:
            try:
                os.rmdir(path)
                removed += 1
            except OSError:
                break
            path = os.path.dirname(path)
    return removed


def main(args):
    parent = "/var/tmp"
    if args[:1] == ["--parent"]:
        parent, args = args[1], args[2:]
    if not args:
        sys.exit(__doc__)
    directory = tempfile.mkdtemp(prefix="wharf-bench-", dir=parent)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ours = cgroup_directories(os.getpid())
    # Blocked signals wait in `sigtimedwait`; the child must not inherit that.
    waited = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, waited)
        os.environ["KEPT_DIR"] = directory
        try:
            os.execvp(args[0], args)
        except OSError as error:
            print(f"keeper: {args[0]}: {error}", file=sys.stderr)
            os._exit(127)
    status = None
    while status is None:
        info = signal.sigtimedwait(waited, 1)
        if info and info.si_signo != signal.SIGCHLD:
            os.kill(child, info.si_signo)
        status = reap().get(child)
    cgroups = set()
    for pid in children_of([os.getpid()]):
        cgroups.update(cgroup_directories(pid))
    cgroups -= ours
    thaw(cgroups)
    left = kill_all(cgroups)
    mounts = unmount(directory)
    groups = remove_cgroups(cgroups, ours)
    shutil.rmtree(directory, ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    if code == 0 and (left or mounts or groups):
        print(f"keeper: left behind and cleaned up: {left} processes, {mounts} mounts, "
              f"{groups} cgroups", file=sys.stderr)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(sys.argv[1:])
