"""Runs the same docker command lines against a real dockerd and against Wharf and compares.

    run.sh [--only PATTERN] [--update] [--table FILE] [--docker PATH] [--verbose]

Scenarios are files in `scenarios/`, run in order on fresh engines. Lines of a scenario:

    # comment
    $ COMMAND            a case: run by sh on both sides; stdout, stderr and status are compared
    ~ REGEX => TEXT      rewrites what the next case printed, before it is compared
    ~ shape              the next case prints JSON: keys and kinds of values are compared

Both sides find in their environment DOCKER_HOST, SOCKET, ARCHIVE (the image `bb`) and N
(`--network none`), and the functions `eventually 'COMMAND'` (until it succeeds), `terminal` and
`api METHOD PATH [BODY]`.

Ids, times, ages and directories are made alike first. What differs still is a failure, unless
`explained.txt` says why it should. The table has one line per case: its name, `pass` or `fail`,
and `explained` where a difference is meant. A case that passes in the table must not fail again.
"""

import argparse
import difflib
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import engines  # noqa: E402
import image  # noqa: E402

SCENARIOS = ["version", "lifecycle", "run", "terminal", "images", "files", "flags", "events",
             "health", "exec", "logs", "codes", "upkeep"]
# Seconds that one command line may take.
DEADLINE_S = 90
PRELUDE = r"""
eventually() {
    _until=$(($(date +%s) + 30))
    until sh -c "$1" >/dev/null 2>&1; do
        [ $(date +%s) -lt $_until ] || { echo "never: $1"; return 1; }
        sleep 0.1
    done
}
terminal() { python3 "$CONFORMANCE/terminal.py" "$@"; }
api() {
    case $1 in HEAD) set -- --head "$2" ;; *) set -- -X "$@" ;; esac
    if [ $# = 4 ]; then set -- "$1" "$2" "$3" -H 'Content-Type: application/json' -d "$4"; fi
    _path=; _flags=
    if [ "$1" = --head ]; then
        curl -sS --max-time 20 --unix-socket "$SOCKET" --head "http://engine$2" | tr -d '\r' |
            sed -E 's/^([A-Za-z-]+):/\L\1:/; /^date:/d' | sort
    else
        _method=$2; _path=$3; shift 3
        curl -sS --max-time 20 --unix-socket "$SOCKET" -X "$_method" "$@" \
            -w '\n%{http_code} %{content_type}\n' "http://engine$_path"
    fi
}
"""
AGE = (r"(?:Less than a second|About a minute|About an hour|\d+ (?:second|minute|hour|day|week|"
       r"month|year)s?)")
# What differs between any two runs, in the order in which it is rewritten.
ALIKE = [(re.compile(pattern), text) for pattern, text in [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "<time>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4} \w+", "<time>"),
    (r'"(time|timeNano)": ?\d+', r'"\1": <time>'),
    (r'"execDuration": ?"\d+"', '"execDuration": "<n>"'),
    (r"execDuration=\d+", "execDuration=<n>"),
    (AGE + " ago", "<age> ago"),
    (r"\bUp " + AGE, "Up <age>"),
    (r"(?<![0-9a-f:])[0-9a-f]{64}(?![0-9a-f])", "<id>"),
    (r"sha256:[0-9a-f]{64}(?![0-9a-f])", "sha256:<digest>"),
    (r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])", "<short id>"),
    # Columns are as wide as their widest entry, which was an age or an id.
    (r"[ ]{2,}", "  "),
    (r"[ \t]+$", ""),
]]


# A warning of dockerd alone, which runs without a bridge here.
NO_BRIDGE = re.compile(r"^WARNING: IPv4 forwarding is disabled.*\n?", re.MULTILINE)


@dataclass
class Case:
    """A command line, and how its output is rewritten."""

    name: str
    command: str
    rewrites: list = field(default_factory=list)
    shape: bool = False


@dataclass
class Explanation:
    """Why cases may differ, and in which lines."""

    pattern: str
    why: str = ""
    lines: list = field(default_factory=list)
    used: bool = False


def read_scenario(name):
    cases, seen = [], {}
    rewrites, shape = [], False
    with open(os.path.join(HERE, "scenarios", name + ".txt"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if line.startswith("$ "):
                command = line[2:]
                title = f"{name}/{command}".replace("\t", " ")
                seen[title] = seen.get(title, 0) + 1
                if seen[title] > 1:
                    title += f" ({seen[title]})"
                cases.append(Case(title, command, rewrites, shape))
                rewrites, shape = [], False
            elif line == "~ shape":
                shape = True
            elif line.startswith("~ ") and " => " in line:
                pattern, _, text = line[2:].partition(" => ")
                rewrites.append((re.compile(pattern, re.MULTILINE), text))
            elif line and not line.startswith("#"):
                sys.exit(f"scenarios/{name}.txt:{number}: not understood: {line}")
    return cases


def read_explanations():
    found = []
    with open(os.path.join(HERE, "explained.txt"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            key, _, text = line.rstrip("\n").partition(": ")
            if not line.strip() or line.startswith("#"):
                continue
            if key == "case":
                found.append(Explanation(text))
            elif key == "why" and found:
                found[-1].why = text
            elif key == "line" and found:
                found[-1].lines.append(re.compile(text))
            else:
                sys.exit(f"explained.txt:{number}: not understood: {line.strip()}")
    return found


def shape_lines(value, path=""):
    """Keys and kinds of a JSON value, a line each. Empty and null are kinds of their own; an
    array is described by its first element."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from shape_lines(value[key], f"{path}.{key}")
    elif isinstance(value, list) and value:
        yield from shape_lines(value[0], path + "[]")
    else:
        kinds = {dict: "{}", list: "[]", str: "text", bool: "bool", int: "number",
                 float: "number", type(None): "null"}
        yield f"{path}: {'empty text' if value == '' else kinds[type(value)]}"


class Side:
    """One engine with a directory in which its command lines run."""

    def __init__(self, engine, directory, docker, archive):
        self.engine, self.directory = engine, directory
        self.work = os.path.join(directory, "work")
        os.makedirs(os.path.join(self.work, "bin"))
        os.symlink(docker, os.path.join(self.work, "bin", "docker"))
        self.env = {
            "PATH": os.path.join(self.work, "bin") + ":" + os.environ["PATH"],
            "HOME": self.work, "DOCKER_CONFIG": self.work, "DOCKER_HOST": engine.host,
            "SOCKET": engine.socket, "ARCHIVE": archive, "N": "--network none",
            "CONFORMANCE": HERE, "TZ": "UTC", "LANG": "C.UTF-8", "TERM": "xterm",
        }

    def run(self, case):
        """What the case printed, made comparable."""
        process = subprocess.Popen(
            ["sh", "-c", PRELUDE + case.command], cwd=self.work, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        try:
            printed = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            # The whole session: what sh started holds the pipes open.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return [f"[no end within {DEADLINE_S} s]"]
        out, err = (part.decode(errors="backslashreplace") for part in printed)
        err = NO_BRIDGE.sub("", err)
        if case.shape:
            out = self.shaped(out)
        text = out.rstrip("\n")
        if err.strip():
            text += "\n[stderr]\n" + err.rstrip("\n")
        if process.returncode:
            text += f"\n[status {process.returncode}]"
        return self.alike(case, text)

    @staticmethod
    def spread(text):
        """Long JSON documents on one line take a line for every value, so that differences can
        be seen and explained."""
        for line in text.splitlines():
            if line.startswith("{") and len(line) > 200:
                try:
                    line = json.dumps(json.loads(line), indent=1, ensure_ascii=False)
                except ValueError:
                    pass
            yield from line.split("\n")

    @staticmethod
    def shaped(out):
        try:
            return "\n".join(sorted(set(shape_lines(json.loads(out)))))
        except ValueError:
            return "not JSON: " + out

    def alike(self, case, text):
        text = text.replace(self.engine.directory, "<engine>").replace(self.work, "<work>")
        lines = []
        for line in self.spread(text):
            for pattern, replacement in [*ALIKE, *case.rewrites]:
                line = pattern.sub(replacement, line)
            lines.append(line)
        return lines


def differences(left, right):
    return [line for line in difflib.unified_diff(left, right, n=0, lineterm="")
            if not line.startswith(("---", "+++", "@@"))]


def explained(case, lines, explanations):
    """Whether every line that differs is accounted for."""
    fitting = [e for e in explanations if fnmatch.fnmatchcase(case.name, e.pattern)]
    for line in lines:
        reasons = [e for e in fitting if any(p.fullmatch(line) for p in e.lines)]
        if not reasons:
            return False
        for reason in reasons:
            reason.used = True
    return True


def read_table(path):
    table = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, _, verdict = line.rstrip("\n").partition("\t")
                table[name] = verdict
    return table


def compare(options, sides):
    """The verdicts by case name, in the order of the scenarios."""
    verdicts = {}
    explanations = read_explanations()
    for scenario in SCENARIOS:
        cases = read_scenario(scenario)
        if options.only and not any(fnmatch.fnmatchcase(c.name, options.only) for c in cases):
            continue
        # Cases build on each other: all of a scenario run, one side after the other.
        printed = [[side.run(case) for case in cases] for side in sides]
        for case, left, right in zip(cases, *printed):
            lines = differences(left, right)
            if not lines:
                verdicts[case.name] = "pass"
            elif explained(case, lines, explanations):
                verdicts[case.name] = "pass\texplained"
            else:
                verdicts[case.name] = "fail"
                print(f"FAIL {case.name}", *("    " + line for line in lines), sep="\n")
            if options.verbose:
                print(f"case {case.name}", *("    " + line for line in left), sep="\n")
        for side in sides:
            side.engine.remove_containers()
            side.engine.load(side.env["ARCHIVE"])
        print(f"{scenario}: {len(cases)} cases", file=sys.stderr, flush=True)
    for explanation in explanations:
        if not explanation.used and not options.only:
            print(f"not needed: explanation of {explanation.pattern}", file=sys.stderr)
    return verdicts


def by_scenario(entry):
    """Scenarios in their order; within one, sorting keeps the order of its cases."""
    scenario = entry[0].partition("/")[0]
    return SCENARIOS.index(scenario) if scenario in SCENARIOS else len(SCENARIOS)


def conclude(options, verdicts):
    """Writes or checks the table; the exit status."""
    failed = [name for name, verdict in verdicts.items() if verdict == "fail"]
    known = read_table(options.table)
    print(f"{len(verdicts) - len(failed)} of {len(verdicts)} pass")
    if options.update:
        # A run of some scenarios alone keeps what is known of the others.
        scenarios = {name.partition("/")[0] for name in verdicts}
        kept = {name: verdict for name, verdict in known.items()
                if name.partition("/")[0] not in scenarios}
        with open(options.table, "w", encoding="utf-8") as out:
            for name, verdict in sorted({**kept, **verdicts}.items(), key=by_scenario):
                out.write(f"{name}\t{verdict}\n")
        return 0
    worse = [name for name in failed if known.get(name) != "fail"]
    for name in worse:
        print(f"fails and may not: {name}")
    return 1 if worse else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wharf", required=True, help="the binary, or `dockerd`")
    parser.add_argument("--only", help="only scenarios with a case that fits this pattern")
    parser.add_argument("--docker", help="another docker command line than version 28")
    parser.add_argument("--table", default=os.path.join(HERE, "docker-cli.tsv"))
    parser.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--verbose", action="store_true", help="print what dockerd answered")
    options = parser.parse_args()
    engines.end_in_order()
    directory = os.environ["KEPT_DIR"]
    docker = options.docker or engines.reference("cli")
    archive = os.path.join(directory, "bb.tar")
    image.archive(archive, "bb:latest")
    left = engines.Dockerd(os.path.join(directory, "d"), docker)
    if options.wharf == "dockerd":
        right = engines.Dockerd(os.path.join(directory, "w"), docker, "wharf")
    else:
        right = engines.Wharf(os.path.join(directory, "w"), docker, options.wharf)
    verdicts = {}
    try:
        sides = []
        for engine in (left, right):
            engine.start()
            engine.load(archive)
            sides.append(Side(engine, os.path.join(directory, "side-" + engine.name), docker,
                              archive))
        verdicts = compare(options, sides)
    except engines.BenchError as error:
        sys.exit(f"conformance: {error}")
    finally:
        engines.close_all([right.stop, left.stop])
    sys.exit(conclude(options, verdicts))


if __name__ == "__main__":
    main()
