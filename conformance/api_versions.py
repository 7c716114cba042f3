"""Asks a real dockerd and Wharf the same by every version of the API and compares the answers.

    api_versions.py [--update] [--verbose]

Compared are status, kind of content, and the names of all fields with the kinds of their values;
texts of errors are compared as they are. Names that are data (labels, networks, ids) are alike
first. `api-versions.tsv` has a line per version and question; one that passes in it must not fail
again. `--update` adds lines and turns `fail` into `pass`, never back.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import engines  # noqa: E402
import image  # noqa: E402

WHARF = os.path.join(HERE, "..", "target", "x86_64-unknown-linux-gnu", "debug", "wharf")
TABLE = os.path.join(HERE, "api-versions.tsv")
VERSIONS = [f"1.{minor}" for minor in range(24, 52)]
# Fields whose names are data: only the kinds of their values are compared.
MAPS = {"Labels", "labels", "Networks", "networks", "Runtimes", "Attributes", "Details", "Options",
        "Sysctls", "Tmpfs", "Annotations", "Containers"}
# What differs on purpose, and why.
EXPLAINED = re.compile("|".join([
    r"\.HostConfig\.Annotations",  # the engine says why a user namespace is the host's
    r"\.GraphDriver\.Data",  # directories of layers are nobody's business
    r"\.KernelMemoryTCP",  # the kernel has it no more on v2; never limited here
    r"\.RuncCommit\.Expected",  # the runtime is the engine's own
    r"\.Runtimes\.\*\.status",  # of runc's own features
    r"\.Containerd\b",  # there is none
    r"\.Plugins\.Volume\[\]",  # there are no volumes yet
    r"\.pids_stats\.limit",  # every container has a limit here
    r"\.ImageUsage",  # exact, for our own command line
]))
# Fields that say what this engine is or what this machine has: any kind of value will do.
ANY = {"RegistryConfig", "ContainerdCommit", "Containerd", "FirewallBackend", "Warnings",
       "DriverStatus", "SecurityOptions", "Components", "Engine", "DefaultAddressPools",
       "GenericResources", "blkio_stats", "networks", "memory_stats", "stats"}
QUESTIONS = [
    ("containers", "GET", "/containers/json?all=1", None),
    ("containers of a size", "GET", "/containers/json?all=1&size=1", None),
    ("container", "GET", "/containers/probe/json", None),
    ("container of a size", "GET", "/containers/probe/json?size=1", None),
    ("no container", "GET", "/containers/nosuch/json", None),
    ("images", "GET", "/images/json", None),
    ("image", "GET", "/images/bb:latest/json", None),
    ("history", "GET", "/images/bb:latest/history", None),
    ("no image", "GET", "/images/nosuch/json", None),
    ("info", "GET", "/info", None),
    ("version", "GET", "/version", None),
    ("ping", "GET", "/_ping", None),
    ("events", "GET", "/events?since=1&until=UNTIL&filters=%7B%22event%22%3A%5B%22start%22%5D%7D",
     None),
    ("stats", "GET", "/containers/probe/stats?stream=0", None),
    ("exec", "GET", "/exec/EXEC/json", None),
    ("no exec", "GET", "/exec/nosuch/json", None),
    ("networks", "GET", "/networks?filters=%7B%22name%22%3A%5B%22none%22%5D%7D", None),
    ("network", "GET", "/networks/none", None),
    ("no network", "GET", "/networks/nosuch", None),
    ("top", "GET", "/containers/probe/top", None),
    ("logs", "GET", "/containers/probe/logs?stdout=1", None),
    ("attach", "POST", "/containers/probe/attach?stdout=1&stderr=1&logs=1", None),
    ("wait for none", "POST", "/containers/nosuch/wait", None),
    ("usage", "GET", "/system/df", None),
    ("no name", "POST", "/containers/create", {}),
    ("no such image", "POST", "/containers/create", {"Image": "nosuch"}),
    ("no body", "POST", "/containers/probe/exec", {}),
    ("no path", "GET", "/nosuch", None),
    ("bad filter", "GET", "/containers/json?filters=x", None),
    ("kill of none", "POST", "/containers/nosuch/kill", None),
    ("start again", "POST", "/containers/probe/start", None),
]


def shape(value, path, out):
    """Names of fields with the kinds of their values."""
    name = path.rsplit(".", 1)[-1]
    if name in ANY:
        out.add(f"{path}: any")
    elif isinstance(value, dict):
        out.add(f"{path}: object")
        for key, inner in value.items():
            shape(inner, f"{path}.{'*' if name in MAPS else key}", out)
    elif isinstance(value, list):
        out.add(f"{path}: list")
        for inner in value:
            shape(inner, path + "[]", out)
    else:
        kinds = {bool: "bool", int: "number", float: "number", str: "text", type(None): "null"}
        out.add(f"{path}: {kinds[type(value)]}")
    for line in [line for line in out if EXPLAINED.search(line)]:
        out.discard(line)


class Side:
    """One engine with a running container and an exec."""

    def __init__(self, engine, archive):
        self.socket, self.engine = engine.socket, engine
        engine.load(archive)
        docker = lambda *args: subprocess.run(  # noqa: E731
            engine.docker_cli(*args), check=True, capture_output=True, text=True).stdout.strip()
        docker("run", "-d", "--name", "probe", "--network", "none", "--label", "a=b", "bb", "sleep",
               "1000")
        answer = self.ask("1.43", "POST", "/containers/probe/exec", {"Cmd": ["true"]})
        self.exec = json.loads(answer[2])["Id"]
        self.until = docker("run", "--rm", "--network", "none", "bb", "date", "+%s")

    def ask(self, version, method, path, body):
        path = path.replace("EXEC", getattr(self, "exec", "")).replace(
            "UNTIL", getattr(self, "until", ""))
        command = ["curl", "-sS", "--max-time", "4", "--unix-socket", self.socket, "-X", method,
                   "-o", "-", "-w", "\n%{http_code} %{content_type}",
                   f"http://engine/v{version}{path}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        if "/attach" in path:
            command += ["-H", "Connection: Upgrade", "-H", "Upgrade: tcp", "--max-time", "1"]
        done = subprocess.run(command, capture_output=True, check=False)
        text = done.stdout.decode(errors="replace")
        content, _, last = text.rpartition("\n")
        status, _, kind = last.partition(" ")
        return status, kind, content

    def answer(self, version, method, path, body):
        """What is compared, as lines."""
        status, kind, content = self.ask(version, method, path, body)
        lines = {f"status {status}", f"content {kind}"}
        if status[0] in "45":
            lines.add(re.sub(r"[0-9a-f]{64}", "ID", content))
            return lines
        for line in content.splitlines():
            try:
                shape(json.loads(line), "", lines)
            except ValueError:
                lines.add("text")
        return lines


def read_table():
    with open(TABLE, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("\t") for line in file if not line.startswith("#"))


def compare(ours, theirs, verbose):
    """Results by version and question."""
    results, printed = {}, {}
    both = concurrent.futures.ThreadPoolExecutor(2)
    for version in VERSIONS:
        for title, *question in QUESTIONS:
            have, want = both.map(lambda side, ask=question: side.answer(version, *ask),
                                  (ours, theirs))
            results[f"{version}/{title}"] = "pass" if have == want else "fail"
            difference = [f"  - {line}" for line in sorted(want - have)]
            difference += [f"  + {line}" for line in sorted(have - want)]
            if difference and printed.get(title) != difference:
                printed[title] = difference
                if verbose:
                    print(f"{version}/{title} and later:", *difference, sep="\n")
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--wharf", default=WHARF, help="the program under test")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    engines.end_in_order()
    docker = engines.reference("cli")
    with tempfile.TemporaryDirectory(prefix="wharf-api-") as directory:
        archive = os.path.join(directory, "bb.tar")
        image.archive(archive, "bb:latest")
        sides = []
        try:
            sides.append(engines.Wharf(os.path.join(directory, "w"), docker, args.wharf))
            sides[-1].start()
            sides.append(engines.Dockerd(os.path.join(directory, "d"), docker))
            sides[-1].start()
            results = compare(*(Side(side, archive) for side in sides), args.verbose)
        finally:
            closers = []
            for side in sides:
                closers += [side.remove_containers, side.stop]
            engines.close_all(closers)
    table = read_table() if os.path.exists(TABLE) else {}
    lost = [name for name, result in results.items()
            if result == "fail" and table.get(name) == "pass"]
    print(f"{sum(r == 'pass' for r in results.values())} of {len(results)} pass")
    for name in lost:
        print(f"passed before: {name}")
    if args.update and not lost:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write("# VERSION/QUESTION, and whether dockerd 28 and Wharf answer alike\n")
            file.writelines(f"{name}\t{result}\n" for name, result in results.items())
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
